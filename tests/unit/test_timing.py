"""Costs of stages: own time alone, added up over threads, and nothing counted while nobody asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from npmguard import timing
from npmguard.timing import staged, staged_items


@staged("inner")
def inner(value: int) -> int:
    return value + 1


@staged("outer")
def outer(value: int) -> int:
    return inner(inner(value))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each look at a clock is a second later than the one before."""
    wall, cpu = count(), count(0, 10)
    monkeypatch.setattr("npmguard.timing.time.perf_counter", lambda: float(next(wall)))
    monkeypatch.setattr("npmguard.timing.time.thread_time", lambda: float(next(cpu)))
    yield
    timing.stop()


@pytest.mark.usefixtures("clock")
def test_a_stage_is_told_without_those_inside_it() -> None:
    recorder = timing.start()
    assert outer(1) == 3
    assert recorder.take() == {"inner": (2, 2.0, 20.0), "outer": (1, 3.0, 30.0)}
    assert recorder.take() == {}


@pytest.mark.usefixtures("clock")
def test_a_stage_that_fails_is_counted_too() -> None:
    @staged("failing")
    def fail() -> None:
        raise KeyError

    recorder = timing.start()
    with pytest.raises(KeyError):
        fail()
    assert inner(1) == 2
    assert recorder.take() == {"failing": (1, 1.0, 10.0), "inner": (1, 1.0, 10.0)}


@pytest.mark.usefixtures("clock")
def test_items_are_counted_as_they_are_made() -> None:
    recorder = timing.start()
    assert list(staged_items("items", iter("ab"))) == ["a", "b"]
    assert recorder.take()["items"][0] == 3  # two, and the end


@pytest.mark.usefixtures("clock")
def test_threads_and_processes_are_added_up() -> None:
    recorder = timing.start()
    threads = [threading.Thread(target=inner, args=(1,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.add({"inner": (2, 0.0, 0.0)})
    assert recorder.take()["inner"][0] == 6


def test_while_nobody_asks_nothing_is_counted_and_items_are_the_very_same() -> None:
    recorder = timing.start()
    timing.stop()
    assert outer(1) == 3
    items = iter("ab")
    assert staged_items("items", items) is items
    assert recorder.take() == {}
