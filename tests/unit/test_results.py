"""What a user relies on in the results cache: same bytes, same answer; never a stale or a fatal one."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from npmguard.config import Limits
from npmguard.model import Confidence, Finding, Hash, Manifest, Severity, TarballAnalysis
from npmguard.results import FILE_NAME, ResultsCache

ANALYSIS = TarballAnalysis(
    hashes=(Hash("sha512", b"\x00" * 64),),
    size=10,
    file_count=1,
    unpacked_size=20,
    manifest=Manifest(name="left-pad", version="1.0.0", scripts={"test": "node test"}),
    notes=(),
    findings=(Finding("some-rule", Severity.HIGH, Confidence.LOW, "says so", "index.js", 3),),
    signals=("a-signal",),
)


def cache(directory: Path | None, ruleset: str = "r1", limits: Limits | None = None) -> ResultsCache:
    return ResultsCache(directory, ruleset, limits or Limits())


def stored(directory: Path) -> None:
    first = cache(directory)
    first.put("aa", ANALYSIS)
    first.close()


def test_an_analysis_comes_back_equal_in_a_later_run(tmp_path: Path) -> None:
    stored(tmp_path)
    later = cache(tmp_path)
    assert later.get("aa") == ANALYSIS
    assert later.get("bb") is None
    assert later.get("aa", "baseline") is None
    later.close()


@pytest.mark.parametrize("changed", [{"ruleset": "r2"}, {"limits": Limits(fold_steps=1)}])
def test_other_rules_or_caps_do_not_see_old_results(tmp_path: Path, changed: dict[str, object]) -> None:
    stored(tmp_path)
    later = cache(tmp_path, **changed)  # type: ignore[arg-type]  # one keyword of two types
    assert later.get("aa") is None
    later.close()


def test_an_unverified_analysis_is_never_stored(tmp_path: Path) -> None:
    first = cache(tmp_path)
    first.put("aa", replace(ANALYSIS, unverified="took too long"))
    assert first.get("aa") is None
    first.close()


def test_a_file_that_is_no_database_is_replaced(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database, but long enough to be looked at" * 100)
    stored(tmp_path)
    later = cache(tmp_path)
    assert later.get("aa") == ANALYSIS
    assert later.notes == ()
    later.close()


def test_a_damaged_row_is_read_as_absent(tmp_path: Path) -> None:
    stored(tmp_path)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE analyses SET value = x'c1c1'")
    connection.close()
    later = cache(tmp_path)
    assert later.get("aa") is None
    later.close()


def test_a_folder_that_cannot_be_made_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    unusable = cache(tmp_path / "file" / "cache")
    unusable.put("aa", ANALYSIS)
    assert unusable.get("aa") is None
    assert len(unusable.notes) == 1
    assert "went on without it" in unusable.notes[0]


def test_a_full_disk_is_a_note(tmp_path: Path) -> None:
    full = cache(tmp_path)
    connection = full._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own way to meet SQLITE_FULL
    for number in range(200):
        full.put(f"{number:064}", ANALYSIS)
    assert len(full.notes) == 1
    assert "full" in full.notes[0]
    full.close()


def test_no_directory_holds_nothing() -> None:
    nothing = cache(None)
    nothing.put("aa", ANALYSIS)
    assert nothing.get("aa") is None
    assert nothing.notes == ()
