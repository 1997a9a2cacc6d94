"""Workers: one that dies, hangs or lies costs its own package, and the next package gets a fresh one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from npmguard.config import Limits
from npmguard.model import TarballAnalysis
from npmguard.pool import AnalysisPool
from tests.fixture_packages import load_case

TARBALL = load_case("benign-levenshtein", "package")


@pytest.fixture
def pool() -> Iterator[AnalysisPool]:
    with AnalysisPool(1, (), Limits()) as running:
        yield running


def workers() -> list[int]:
    """The processes that this process has started as workers, and that are alive."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "cmdline").read_bytes()
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if b"npmguard.worker" in line and parent == os.getpid():
                found.append(int(entry.name))
    return found


def test_a_tarball_is_analysed_and_its_process_ends_with_the_pool() -> None:
    with AnalysisPool(1, (), Limits()) as pool:
        answer = pool.analyse(TARBALL)
        assert isinstance(answer, TarballAnalysis)
        assert answer.unverified is None
        assert answer.manifest is not None
        assert len(workers()) == 1
    assert workers() == []


def test_nothing_is_started_before_there_is_something_to_read() -> None:
    with AnalysisPool(4, (), Limits()):
        assert workers() == []


def test_a_killed_worker_costs_its_own_package(pool: AnalysisPool) -> None:
    assert isinstance(pool.analyse(TARBALL), TarballAnalysis)
    (worker,) = workers()
    os.kill(worker, signal.SIGKILL)
    answer = pool.analyse(TARBALL)
    assert isinstance(answer, str)
    assert "signal 9" in answer
    assert isinstance(pool.analyse(TARBALL), TarballAnalysis)


def test_a_hanging_worker_is_ended_after_its_time() -> None:
    limits = msgspec.structs.replace(Limits(), analysis_seconds=-2.0)  # the pool's own bound is then 1 second
    with AnalysisPool(1, (), limits) as pool:
        first = pool.analyse(b"not a tarball")
        assert isinstance(first, TarballAnalysis)
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        answer = pool.analyse(TARBALL)
    assert isinstance(answer, str)
    assert "too long" in answer


def test_bytes_that_are_no_tarball_are_an_answer(pool: AnalysisPool) -> None:
    answer = pool.analyse(b"\x1f\x8bnonsense")
    assert isinstance(answer, TarballAnalysis)
    assert answer.unverified is not None


def test_closing_releases_whoever_waits() -> None:
    pool = AnalysisPool(1, (), Limits())
    assert isinstance(pool.analyse(TARBALL), TarballAnalysis)
    (worker,) = workers()
    os.kill(worker, signal.SIGSTOP)
    answers: list[TarballAnalysis | str] = []
    waiting = threading.Thread(target=lambda: answers.append(pool.analyse(TARBALL)))
    waiting.start()
    time.sleep(0.2)
    pool.close()
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    assert isinstance(answers[0], str)
    assert workers() == []


def test_a_worker_knows_no_secret_of_the_environment(
    pool: AnalysisPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM_TOKEN", "npm_secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    pool.analyse(TARBALL)
    (worker,) = workers()
    known = Path(f"/proc/{worker}/environ").read_bytes()
    assert b"secret" not in known
    assert b"PATH=" in known
