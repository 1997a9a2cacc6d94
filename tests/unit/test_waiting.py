"""Which of those that wait for a worker gets the next one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, SimpleQueue

import pytest

from npmguard.waiting import LARGE, WaitingLine


@contextmanager
def waiting(line: WaitingLine[str], *sizes: int) -> Iterator[SimpleQueue[int]]:
    """Callers that wait for a worker, each with a tarball of one of the sizes; gives those that got one."""
    served: SimpleQueue[int] = SimpleQueue()
    before = threading.active_count()

    def take(size: int) -> None:
        line.take(size)
        served.put(size)

    threads = [threading.Thread(target=take, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    while line.length < len(sizes):
        assert threading.active_count() > before
    yield served
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_the_largest_of_those_that_wait_goes_first() -> None:
    line = WaitingLine(["a"])
    line.take(1)
    with waiting(line, 3, 5, 2) as served:
        order = []
        last = 1
        for _ in range(3):
            line.give_back("a", last)
            last = served.get(timeout=10)
            order.append(last)
    assert order == [5, 3, 2]


def test_of_large_ones_one_at_a_time_is_begun_while_small_ones_wait() -> None:
    line = WaitingLine(["a", "b"])
    line.take(LARGE)
    line.take(1)
    with waiting(line, LARGE + 1, 7, 8, LARGE + 2) as served:
        order = []
        for size in (1, 8, 7, LARGE):  # b twice, with the large one of a still at work, then a
            line.give_back("a" if size == LARGE else "b", size)
            order.append(served.get(timeout=10))
    assert order == [8, 7, LARGE + 2, LARGE + 1]


def test_a_free_worker_is_taken_at_once_and_one_that_nobody_gives_back_is_waited_for_no_longer() -> None:
    line = WaitingLine(["a", "b"])
    assert {line.take(LARGE), line.take(LARGE)} == {"a", "b"}
    with pytest.raises(Empty):
        line.take(timeout=0.01)
    line.give_back("a", LARGE)
    assert line.take(timeout=0.01) == "a"


def test_no_worker_is_lost_and_none_is_given_to_two() -> None:
    line = WaitingLine(["a", "b", "c"])
    busy: set[str] = set()
    lock = threading.Lock()

    def work(size: int) -> None:
        worker = line.take(size)
        with lock:
            assert worker not in busy
            busy.add(worker)
        with lock:
            busy.remove(worker)
        line.give_back(worker, size)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, [size * LARGE // 50 for size in range(100)] * 20))
    assert {line.take(), line.take(), line.take()} == {"a", "b", "c"}
