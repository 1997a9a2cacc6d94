"""Conditions are compiled once a ruleset, and what is not to be relied on is compiled anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from npmguard import timing
from npmguard.compiled import FOLDER, CompiledRules
from npmguard.config import Limits
from npmguard.detect.ruleset import ruleset_digest
from npmguard.model import TarballAnalysis
from npmguard.pool import AnalysisPool
from tests.fixture_packages import load_case

TARBALL = load_case("array-corruption", "after")
CONTENT = b"YARA-X" + bytes(range(256)) * 8


@pytest.fixture
def recorder() -> Iterator[timing.Recorder]:
    yield timing.start()
    timing.stop()


def file_of(directory: Path) -> Path:
    (path,) = (directory / FOLDER).iterdir()
    return path


def analysed(directory: Path | None, jobs: int = 1) -> list[TarballAnalysis]:
    """What a run with that cache says of a package that is malicious, by every one of its workers."""
    compiled = CompiledRules(directory, ruleset_digest())
    with (
        AnalysisPool(jobs, (), Limits(), require_sandbox=True, compiled=compiled) as pool,
        ThreadPoolExecutor(jobs) as threads,
    ):
        answers = list(threads.map(pool.analyse, [TARBALL] * jobs))
    assert all(isinstance(answer, TarballAnalysis) and answer.findings for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, TarballAnalysis)]


def test_a_second_run_compiles_nothing_and_finds_the_same(tmp_path: Path, recorder: timing.Recorder) -> None:
    first = analysed(tmp_path)
    assert recorder.take()["compile"][0] == 1
    assert analysed(tmp_path) == first
    assert "compile" not in recorder.take()


def test_workers_that_start_at_once_compile_once(recorder: timing.Recorder) -> None:
    first, second = analysed(None, jobs=2)
    assert first == second
    costs = recorder.take()
    assert (costs["start"][0], costs["compile"][0]) == (2, 1)


def test_what_vectorscan_refuses_is_compiled_anew_and_replaced(
    tmp_path: Path, recorder: timing.Recorder
) -> None:
    CompiledRules(tmp_path, ruleset_digest()).put(b"a database of another format")
    analysed(tmp_path)
    assert recorder.take()["compile"][0] == 1
    assert CompiledRules(tmp_path, ruleset_digest()).get().startswith(b"\xdb\xdb\xdb\xdb")


def test_what_was_put_comes_back_in_a_later_run(tmp_path: Path) -> None:
    CompiledRules(tmp_path, "rules").put(CONTENT)
    assert CompiledRules(tmp_path, "rules").get() == CONTENT
    assert file_of(tmp_path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", "0.0.1"),
        ("engine_digest", "another"),
        ("platform.machine", "riscv64"),
    ],
)
def test_another_engine_library_or_machine_has_its_own(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CompiledRules(tmp_path, "rules").put(CONTENT)
    monkeypatch.setattr(f"npmguard.compiled.{name}", lambda *_: value)
    assert CompiledRules(tmp_path, "rules").get() == b""


def test_other_rules_have_their_own_and_the_oldest_are_forgotten(tmp_path: Path) -> None:
    for number in range(12):
        CompiledRules(tmp_path, f"rules {number}").put(CONTENT + bytes([number]))
        os.utime(max((tmp_path / FOLDER).iterdir(), key=lambda path: path.stat().st_mtime_ns), (number, number))
    assert CompiledRules(tmp_path, "rules 11").get() == CONTENT + bytes([11])
    assert CompiledRules(tmp_path, "rules 0").get() == b""
    assert len(list((tmp_path / FOLDER).iterdir())) == 8


def _flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def _named_otherwise(path: Path) -> None:
    other = CompiledRules(path.parents[1], "other rules")
    other.put(CONTENT[::-1])
    (theirs,) = set(path.parent.iterdir()) - {path}
    theirs.replace(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage",
    [
        *(lambda path, place=place: _flip(path, place) for place in (0, 30, 60, 100, -1)),
        lambda path: os.truncate(path, path.stat().st_size - 1),
        lambda path: os.truncate(path, 40),
        lambda path: os.truncate(path, 0),
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
        lambda path: path.chmod(0o620),
        lambda path: path.chmod(0o602),
        *(_named_otherwise, _folder, _link, _pipe),
    ],
)
def test_what_was_damaged_or_may_be_anothers_is_not_read(
    damage: Callable[[Path], object], tmp_path: Path
) -> None:
    CompiledRules(tmp_path, "rules").put(CONTENT)
    damage(file_of(tmp_path))
    assert CompiledRules(tmp_path, "rules").get() == b""


def test_a_folder_that_cannot_be_written_keeps_it_for_the_run(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_bytes(b"")
    compiled = CompiledRules(tmp_path, "rules")
    compiled.put(CONTENT)
    assert compiled.get() == CONTENT
