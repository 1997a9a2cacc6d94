"""The whole judgement of a package: an attack stays seen, whatever stands beside it."""

from __future__ import annotations

from functools import cache

from npmguard.detect.analyse import analyse_package
from npmguard.detect.rule import Ruleset, load_ruleset
from npmguard.detect.verdict import verdict_of
from npmguard.errors import PackageError
from npmguard.model import Verdict
from npmguard.package.tarball import read_archive
from tests.fixture_packages import case_files, pack
from tests.fuzz.harness import Harness, hold, refused
from tests.fuzz.readers import facts

_CASE = "fetch-response-clipper"
_PLACES = (
    "lib/other.js",
    "other.ts",
    "test.mjs",
    "bin/run",
    "setup.sh",
    "binding.gyp",
    "a.json",
    "package.json",
)
_JSON = b"{"


@cache
def _rules() -> Ruleset:
    return load_ruleset()


@cache
def _attack() -> dict[str, bytes]:
    return case_files(_CASE, "after")


def read(data: bytes) -> str:
    """An inert attack with one more file: never clean."""
    files = dict(_attack())
    place = "package.json" if data.startswith(_JSON) else _PLACES[len(data) % len(_PLACES)]
    files[place] = data
    try:
        archive = read_archive(pack(files), facts.LIMITS, lambda _path, size: size > 0)
    except PackageError as error:
        return refused(error)
    found = analyse_package(archive, _rules(), facts.LIMITS)
    verdict = verdict_of(found.findings, found.unverified)
    hold(verdict is not Verdict.CLEAN, f"an attack beside {place} is clean")
    return f"{place} {verdict} {sorted({it.rule for it in found.findings})} {found.unverified}"


HARNESS = Harness(read, "code", words=facts.WORDS, share=60)
