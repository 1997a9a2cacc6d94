"""The fixture packages are inert and hold burn addresses only."""

from __future__ import annotations

import io
import json
import re
import tarfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fixture_addresses import KINDS, burn_address
from tests.fixture_packages import PACKAGES, TRANSFORMS, Case, case_files, cases, load_case, manifest_of, repack
from tests.node_tools import run_script

ATTACKS = cases(benign=False)
CLIPPERS = tuple(case for case in ATTACKS if case.name.endswith(("-clipper", "-rewriter")))
"""Those that hook what the made-up page passes texts through."""

# Burn addresses and formats' own examples; fixtures/packages/README.md says which is which.
DOCUMENTED = {
    "btc-legacy": ["1BitcoinEaterAddressDontSendf59kuE"],
    "eth": ["0x000000000000000000000000000000000000dEaD"],
    "btc-bech32": ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"],
    "btc-taproot": ["bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"],
}
BURN = {
    address: kind
    for kind in KINDS
    for address in [*(burn_address(kind, byte) for byte in range(256)), *DOCUMENTED.get(kind, [])]
}

# What a victim might send: none of these is in a table, each looks much like one that is.
VICTIMS = [burn_address(kind, 0x7F) for kind in KINDS]
TEXTS = [*VICTIMS, *DOCUMENTED["eth"], "no address at all", '{"to":"' + VICTIMS[0] + '"}']

SPELLINGS: tuple[Callable[[str], str], ...] = (
    lambda address: address,
    lambda address: address[::-1],
    lambda address: b64encode(address.encode()).decode(),
)
EXCHANGE = {
    spell(address): spell(burn_address(kind, 0xFD)) for address, kind in BURN.items() for spell in SPELLINGS
}
TOKEN = re.compile(r"[\w:+/=]{26,}")

ADDRESS_LIKE = re.compile(
    r"0x[0-9a-fA-F]{40}(?![0-9a-fA-F])|(?:bc1|ltc1|bitcoincash:)[a-z0-9]{30,}|\b[1-9A-HJ-NP-Za-km-z]{26,44}\b"
)
BASE64 = re.compile(r"['\"]((?:[A-Za-z0-9+/]{4}){5,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)['\"]")
HOST = re.compile(r"https?://([^/'\"\s:)]+)|\b((?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|app|xyz|ru|cc))\b")


@dataclass(frozen=True)
class Run:
    seen: list[Any]
    hooked: list[str]


Exercise = Callable[[str, str, str], Run]


@pytest.fixture(scope="module")
def untouched() -> list[Any]:
    """What goes through the page when no package is loaded."""
    job = {"entry": None, "module": False, "hostname": "shop.example", "texts": TEXTS}
    [answer] = json.loads(run_script("exercise.mjs", text=json.dumps([job])))
    seen: list[Any] = answer["seen"]
    return seen


@pytest.fixture(scope="module", params=TRANSFORMS)
def exercise(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exercise:
    """All cases of one form, run in one go: by case, by whether the addresses were exchanged, by host."""
    folder = tmp_path_factory.mktemp("exercise")
    jobs = {}
    for case in CLIPPERS:
        # Node.js runs no TypeScript: that case has its types taken off for its plain form, too.
        typed = request.param == "plain" and case.name == "typescript-source-clipper"
        original = case_files(case.name, "after", "esbuild" if typed else request.param)
        other = exchanged(original)
        assert other != original or case.name == "unseen-clipper"  # it is xhr-only-clipper, unseen
        for addresses, files in ("as shipped", original), ("exchanged", other):
            for hostname, texts in ("shop.example", TEXTS), ("shop.test", TEXTS[:1]):
                home = folder / f"{case.name} {addresses} {hostname}"
                entry, module = unpacked(files, home)
                job = {"entry": str(entry), "module": module, "hostname": hostname, "texts": texts}
                jobs[case.name, addresses, hostname] = job
    answers = json.loads(run_script("exercise.mjs", text=json.dumps(list(jobs.values()))))
    runs = {key: Run(**answer) for key, answer in zip(jobs, answers, strict=True)}
    return lambda case, addresses, hostname: runs[case, addresses, hostname]


@pytest.mark.parametrize("addresses", ["as shipped", "exchanged"])
@pytest.mark.parametrize("case", CLIPPERS, ids=lambda case: case.name)
def test_a_clipper_fixture_hooks_the_page_and_changes_nothing(
    exercise: Exercise, untouched: list[Any], case: Case, addresses: str
) -> None:
    run = exercise(case.name, addresses, "shop.example")
    assert run.hooked
    assert run.seen == untouched


@pytest.mark.parametrize("case", CLIPPERS, ids=lambda case: case.name)
def test_on_any_real_host_a_clipper_fixture_does_not_even_hook(exercise: Exercise, case: Case) -> None:
    hooked = exercise(case.name, "exchanged", "shop.test").hooked
    # A program has no page; it asks for the host of each answer instead, and hands on all others.
    assert hooked == (["fetch"] if case.name == "bin-clipper" else [])


DATA_URL = re.compile(r"[A-Za-z0-9+/]{400,}={0,2}")


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_every_address_in_a_fixture_is_a_burn_or_documentation_address(case: Case) -> None:
    for side in case.sides:
        for path, content in case_files(case.name, side).items():
            text = DATA_URL.sub("", content.decode("utf-8"))  # a font is no address, whatever letters it has
            hidden = [b64decode(token).decode("latin-1") for token in BASE64.findall(text)]
            for found in ADDRESS_LIKE.findall(" ".join([text, *hidden])):
                assert found in EXCHANGE or not looks_random(found), (path, found)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_no_fixture_names_a_host_that_could_exist(case: Case) -> None:
    for side in case.sides:
        for path, content in case_files(case.name, side).items():
            for match in HOST.finditer(content.decode("utf-8")):
                assert (match[1] or match[2]).endswith((".example", ".invalid")), (path, match[0])


@pytest.mark.parametrize("case", ATTACKS, ids=lambda case: case.name)
def test_after_is_before_with_code_added_and_nothing_else(case: Case) -> None:
    before, after = (case_files(case.name, side) for side in ("before", "after"))
    old, new = (json.loads(files["package.json"]) for files in (before, after))
    assert (old.pop("version"), new.pop("version")) == ("1.2.0", "1.2.1")
    assert old.pop("scripts", {}).items() <= new.pop("scripts", {}).items()
    assert old == new
    assert old["name"] == case.package
    assert before["README.md"] == after["README.md"]
    assert set(before) <= set(after)
    for path in set(before) - {"package.json"}:
        kept = iter(after[path].decode("utf-8").splitlines())
        assert all(line in kept for line in before[path].decode("utf-8").splitlines()), path
    assert any(before.get(path) != after[path] for path in after)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_tarball_has_the_files_and_the_same_bytes_each_time(transform: str) -> None:
    tarball = load_case("bin-clipper", "after", transform)
    assert tarball == load_case("bin-clipper", "after", transform)
    with tarfile.open(fileobj=io.BytesIO(tarball)) as tar:
        modes = {member.name: member.mode for member in tar}
    assert modes == {
        "package/README.md": 0o644,
        "package/bin/tally": 0o755,
        "package/index.js": 0o644,
        "package/package.json": 0o644,
    }


def test_repacking_sets_keys_of_the_manifest_and_keeps_the_rest() -> None:
    tarball = load_case("bin-clipper", "before")
    changed = repack(tarball, version="9.9.9")
    assert manifest_of(changed) == {**manifest_of(tarball), "version": "9.9.9"}
    assert repack(changed, version="1.2.0") == tarball


def test_the_readme_tells_of_every_case() -> None:
    readme = (PACKAGES / "README.md").read_text(encoding="utf-8")
    tables = readme.partition("## Clipper shapes")[2]
    told = set(re.findall(r"^\| `([^`]+)` \|", tables, re.MULTILINE))
    assert told == {case.name for case in cases()}


def exchanged(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files with every burn address replaced by another address of its kind, however it is written."""
    return {
        path: TOKEN.sub(lambda token: EXCHANGE.get(token[0], token[0]), content.decode("utf-8")).encode("utf-8")
        for path, content in files.items()
    }


def unpacked(files: Mapping[str, bytes], home: Path) -> tuple[Path, bool]:
    """Write a package's files and return the one that starts it, and whether that is an ES module."""
    for path, content in files.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_bytes(content)
    manifest = json.loads(files["package.json"])
    entry = next(iter(manifest.get("bin", {}).values()), manifest["main"])
    return home / entry, manifest.get("type") == "module"


def looks_random(text: str) -> bool:
    """Whether a run of letters and digits could be an address: long camelCase names and hex words are not."""
    return sum(char.isdigit() for char in text) >= 4 and any(char.isalpha() for char in text)
