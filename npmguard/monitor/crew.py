"""The workers of a monitor, behind an executor: processes of this machine, or a cluster of Dask's.

What breaks an executor (a killed process, a lost scheduler) breaks it for all that it was given. It is then
built anew, and what it had is given back for another attempt.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from multiprocessing import connection
from typing import TYPE_CHECKING, Final

import msgspec

from npmguard.errors import UsageError
from npmguard.monitor.records import Answer, Task, plain
from npmguard.monitor.work import judge

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_CONNECT_SECONDS: Final = 30
_ANSWER = msgspec.msgpack.Decoder(Answer)


class Crew:
    """Takes tasks to workers; use as a context manager.

    Args:
        build: makes an executor, at the start and whenever one broke, with what ends it at once.
        size: how many tasks it works on at a time.
        lost: what a future raises, beside the library's own errors, where its worker was lost.
    """

    def __init__(
        self,
        build: Callable[[], tuple[Executor, Callable[[], None]]],
        size: int,
        lost: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._build = build
        self._lost: tuple[type[BaseException], ...] = (BrokenExecutor, CancelledError, *lost)
        self._refuses: tuple[type[BaseException], ...] = (RuntimeError, *self._lost)  # "shut down" is one
        self._executor: Executor | None = None
        self._end: Callable[[], None] | None = None
        self._given: dict[Future[bytes], Executor] = {}
        self.size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, task: Task) -> Future[bytes]:
        """Have a version judged.

        Raises:
            BrokenExecutor: there are no workers right now.
        """
        content = msgspec.msgpack.encode(task)
        for _ in range(2):
            if self._executor is None:
                try:
                    self._executor, self._end = self._build()
                except (OSError, TimeoutError) as error:
                    raise BrokenExecutor(f"no workers: {error}") from error
            executor = self._executor
            try:
                future = executor.submit(judge, content)
            except self._refuses:
                self.close()
                continue
            self._given[future] = executor
            return future
        raise BrokenExecutor("the workers end as soon as they are started")

    def answer(self, future: Future[bytes]) -> Answer | None:
        """What the worker said; None where it was lost on the way."""
        executor = self._given.pop(future, None)
        error = CancelledError() if future.cancelled() else future.exception()
        if error is None:
            return _ANSWER.decode(future.result())
        if not isinstance(error, self._lost):  # a fault of ours on one version must not stop all others
            return Answer(problem=plain(f"npmguard failed on it: {type(error).__name__}: {error}"))
        if executor is not None and executor is self._executor and _is_broken(executor):
            self.close()
        return None

    def close(self) -> None:
        """End the workers at once, whatever they are at."""
        end, self._end, self._executor = self._end, None, None
        if end is not None:
            end()


def processes(count: int) -> Crew:
    """Workers that are *count* processes of this machine."""

    def build() -> tuple[Executor, Callable[[], None]]:
        # spawn: a forked child would have copies of the database's connections
        executor = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin)

        def end() -> None:
            executor.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.kill()

        return executor, end

    return Crew(build, count)


def cluster(scheduler: str) -> Crew:
    """The workers of the Dask cluster whose scheduler is there (``tcp://host:8786``).

    Raises:
        UsageError: Dask is not installed, or there is no such scheduler.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an extra, and slow to import
        from distributed.client import FutureCancelledError  # noqa: PLC0415
        from distributed.scheduler import KilledWorker  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("--scheduler needs Dask: pip install 'npmguard[cluster]'") from error

    def build() -> tuple[Executor, Callable[[], None]]:
        client = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
        return client.get_executor(pure=False), client.close

    try:
        with Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False) as client:
            threads = sum(client.nthreads().values())
    except (OSError, ValueError) as error:
        raise UsageError(f"--scheduler {scheduler}: no Dask scheduler answers there: {error}") from error
    return Crew(build, max(threads, 1), (FutureCancelledError, KilledWorker, OSError))


def _is_broken(executor: Executor | None) -> bool:
    """Whether it is gone as a whole: Dask goes on where one of its workers was lost."""
    client = getattr(executor, "_client", None)
    return client is None or client.status != "running"


def _begin() -> None:
    """Prepare a worker's process: Ctrl-C is for the monitor, and without a monitor there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="npmguard-parent", daemon=True).start()
