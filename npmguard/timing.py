"""What each stage of a scan costs, in wall and processor time; nothing while nobody asks.

Stages may stand inside one another: a stage is told its own time, without that of the stages in it, so that the
rows add up. Each thread counts for itself, and worker processes send what they counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: stage -> how often it was entered, seconds of wall time, seconds of processor time
Costs = dict[str, tuple[int, float, float]]


class Recorder:
    """Adds up costs; every method may be called from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._costs: Costs = {}
        self._threads = threading.local()

    def add(self, costs: Costs) -> None:
        """Add what was counted elsewhere."""
        with self._lock:
            for name, (count, wall, cpu) in costs.items():
                known = self._costs.get(name, (0, 0.0, 0.0))
                self._costs[name] = (known[0] + count, known[1] + wall, known[2] + cpu)

    def take(self) -> Costs:
        """What was counted since the last time, by name."""
        with self._lock:
            costs, self._costs = self._costs, {}
        return dict(sorted(costs.items()))

    def measure(self, name: str, call: Callable[[], T]) -> T:
        """Call, and count what that took under *name*."""
        inside: list[list[float]] = self._threads.__dict__.setdefault("inside", [])
        inside.append([0.0, 0.0])
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return call()
        finally:
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            within = inside.pop()
            if inside:
                inside[-1][0] += wall
                inside[-1][1] += cpu
            self.add({name: (1, wall - within[0], cpu - within[1])})


_recorder: Recorder | None = None


def start() -> Recorder:
    """Count from now on, in this process."""
    global _recorder  # noqa: PLW0603 - one a process: stages are everywhere, and cost nothing without it
    _recorder = Recorder()
    return _recorder


def stop() -> None:
    """Count no longer."""
    global _recorder  # noqa: PLW0603 - see start
    _recorder = None


def recorder() -> Recorder | None:
    """The recorder in use, if one is."""
    return _recorder


def staged(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Count what calls of a function take under *name*; for functions that are called some times a file."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            if _recorder is None:
                return function(*args, **kwargs)
            return _recorder.measure(name, lambda: function(*args, **kwargs))

        return run

    return decorate


def staged_items(name: str, items: Iterable[T]) -> Iterable[T]:
    """The same items, with what it takes to make each counted under *name*."""
    return items if _recorder is None else _measured(_recorder, name, iter(items))


def _measured(counting: Recorder, name: str, items: Iterator[T]) -> Iterator[T]:
    end = object()
    while (item := counting.measure(name, lambda: next(items, end))) is not end:
        yield item  # type: ignore[misc]  # the end alone is no item
