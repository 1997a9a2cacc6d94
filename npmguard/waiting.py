"""Who waits for a worker, and which of them gets the next one that is free.

The tarballs of a lock differ by three orders of magnitude, and a large one that is begun last holds up the end
of a scan alone. So the largest goes first. Large ones take turns for the memory of their syntax trees
(:mod:`npmguard.worker`), so one of them at a time is begun while others wait.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Bytes packed from which a tarball is likely to hold a source of more than a megabyte.
LARGE: Final = 256 * 1024

W = TypeVar("W")


class WaitingLine(Generic[W]):
    """Hands out workers to callers from many threads; whoever took one gives it back."""

    def __init__(self, workers: Iterable[W]) -> None:
        self._lock = threading.Lock()
        self._free = list(workers)  # while there are some, nobody waits
        self._waiting: list[tuple[int, SimpleQueue[W]]] = []
        self._large = 0  # at work

    @property
    def length(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take(self, size: int = 0, timeout: float | None = None) -> W:
        """A worker for a tarball of *size* bytes, as soon as it is this one's turn.

        Raises:
            Empty: there was none within *timeout* seconds.
        """
        with self._lock:
            if self._free:
                self._large += size >= LARGE
                return self._free.pop()
            place: SimpleQueue[W] = SimpleQueue()
            waiter = (size, place)
            self._waiting.append(waiter)
        try:
            return place.get(timeout=timeout)
        except Empty:
            with self._lock:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
                    raise
            return place.get()  # it was handed over in this very moment

    def give_back(self, worker: W, size: int = 0) -> None:
        """Let go of a worker that was taken for a tarball of *size* bytes; it goes to whoever is next."""
        with self._lock:
            self._large -= size >= LARGE
            if not self._waiting:
                self._free.append(worker)
                return
            waiter = max(self._waiting, key=lambda it: (not self._large or it[0] < LARGE, it[0]))
            self._waiting.remove(waiter)
            self._large += waiter[0] >= LARGE
        waiter[1].put(worker)
