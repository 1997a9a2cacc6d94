"""Worker processes that analyse tarballs, where one that dies or hangs costs its own package only."""

from __future__ import annotations

import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO, TYPE_CHECKING, Self

import msgspec

from npmguard import timing
from npmguard.model import Sandbox, TarballAnalysis
from npmguard.protocol import ENOUGH, GRACE, HEADER, Settings, send
from npmguard.sandbox.enter import require

if TYPE_CHECKING:
    from types import TracebackType

    from npmguard.compiled import CompiledRules
    from npmguard.config import Limits
    from npmguard.model import Indicator

_START_SECONDS = 60.0
# What the interpreter needs to find itself; a worker has no use for tokens that the environment may hold.
_ENVIRONMENT = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "TMPDIR",
)
_LAST_WORDS = 64 * 1024  # bytes of a worker's standard error that are read


class WorkerFailure(Exception):  # noqa: N818 - internal: becomes an `unverified` analysis
    """A worker died, hung or said something that is no answer."""


class AnalysisPool:
    """As many worker processes as *jobs*, started when first needed; safe to call from many threads.

    ``analyse`` blocks its caller until a worker is free, so that the callers' number bounds the bytes in
    flight. *require_sandbox* has no package read by a worker that is not in the whole sandbox. *compiled* is
    where the prefilter's compiled conditions come from, and where they are put; without it, each worker
    compiles them.
    """

    def __init__(
        self,
        jobs: int,
        rules: tuple[str, ...],
        limits: Limits,
        *,
        prefilter: bool = True,
        indicators: tuple[Indicator, ...] = (),
        require_sandbox: bool = False,
        facts: bool = False,
        compiled: CompiledRules | None = None,
    ) -> None:
        self._turn = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the pool
        turn = self._turn.fileno()
        timed = timing.recorder() is not None
        settings = msgspec.msgpack.encode(Settings(rules, limits, prefilter, indicators, timed, facts, turn))
        self._seconds = limits.analysis_seconds * GRACE + 5.0
        self._decoder = msgspec.msgpack.Decoder(TarballAnalysis)
        self._closed = threading.Event()
        self._workers = [
            _Worker(settings, turn, compiled, self._closed, require_sandbox=require_sandbox, timed=timed)
            for _ in range(jobs or os.cpu_count() or 1)
        ]
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def analyse(self, tarball: bytes, baseline: bytes | None = None) -> TarballAnalysis | str:
        """The analysis of a tarball, or one line that says why a worker could not give one.

        Raises:
            SandboxError: the sandbox is required, and a worker could not put it in place.
        """
        worker = self._idle.get()
        try:
            if self._closed.is_set():
                return "the scan was stopped"
            answer, last, costs = worker.ask(tarball, baseline or b"", self._seconds)
            if (counting := timing.recorder()) is not None and costs:
                counting.add(msgspec.msgpack.decode(costs, type=timing.Costs))
            if last == ENOUGH:
                worker.end()
            return self._decoder.decode(answer)
        except (WorkerFailure, msgspec.DecodeError, OSError) as error:
            worker.end()
            return f"the process that read it {error}"
        finally:
            self._idle.put(worker)

    @property
    def sandbox(self) -> Sandbox | None:
        """What holds the workers, as those say that were started; None where none was."""
        told = [worker.sandbox for worker in self._workers if worker.sandbox is not None]
        return max(told, key=lambda it: len(it.missing), default=None)

    def close(self) -> None:
        """End all workers at once; whoever waits for one gets a reason instead of an analysis."""
        self._closed.set()
        for worker in self._workers:
            worker.signal()
        for _ in self._workers:
            try:
                self._idle.get(timeout=1.0).end()
            except queue.Empty:
                break
        self._turn.close()


class _Worker:
    """One worker process, started at the first request and again after it was ended."""

    def __init__(
        self,
        settings: bytes,
        turn: int,
        compiled: CompiledRules | None,
        closed: threading.Event,
        *,
        require_sandbox: bool,
        timed: bool,
    ) -> None:
        self._settings = settings
        self._turn = turn
        self._compiled = compiled
        self._closed = closed
        self._require_sandbox = require_sandbox
        self._timed = timed
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: IO[bytes] | None = None
        self.sandbox: Sandbox | None = None

    def ask(self, tarball: bytes, baseline: bytes, seconds: float) -> tuple[bytes, bytes, bytes]:
        """The frames of an answer: the analysis, whether the worker has grown, what its stages cost."""
        process = self._process if self._process is not None else self._start()
        try:
            _write(process, tarball, baseline)
        except BrokenPipeError:
            raise WorkerFailure(self._death()) from None
        answer, last = self._receive(process, seconds), self._receive(process, seconds)
        return answer, last, self._receive(process, seconds) if self._timed else b""

    def signal(self) -> None:
        """Make the process end, whichever thread is talking to it."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """End the process and let go of all that belongs to it; for the thread that holds the worker."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, self._messages):
            try:
                if stream is not None:
                    stream.close()
            except BrokenPipeError:
                continue  # what was still buffered has no reader any more

    def _start(self) -> subprocess.Popen[bytes]:
        """Start a process; where the prefilter was never compiled, one does that while the others wait."""
        compiled = self._compiled
        if compiled is None:
            return self._start_with(b"")
        known = compiled.get()
        if not known:
            with compiled.starting:
                if self._closed.is_set():
                    raise WorkerFailure("was not started any more")
                known = compiled.get()
                if not known:
                    return self._start_with(known)
        return self._start_with(known)

    def _start_with(self, known: bytes) -> subprocess.Popen[bytes]:
        last_words, messages = os.pipe()
        os.set_blocking(messages, False)  # a worker that says too much loses the rest, and waits for nobody
        self._messages = os.fdopen(last_words, "rb", buffering=0)
        process = self._process = subprocess.Popen(
            # -P: the folder that the user stands in is the scanned project, and no place to import from
            [sys.executable, "-P", "-m", "npmguard.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            pass_fds=[self._turn],
            start_new_session=True,  # Ctrl-C is for the scan; it ends its workers itself
        )
        os.close(messages)
        try:
            _write(process, self._settings, known)
        except BrokenPipeError:
            raise WorkerFailure(self._death()) from None
        self.sandbox = msgspec.msgpack.decode(self._receive(process, _START_SECONDS), type=Sandbox)
        made = self._receive(process, _START_SECONDS)  # before it has seen any package
        if made and self._compiled is not None:
            self._compiled.put(made)
        if self._require_sandbox:
            require(self.sandbox)
        return process

    def _receive(self, process: subprocess.Popen[bytes], seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        size = int.from_bytes(self._read(process, HEADER, deadline), "big")
        return self._read(process, size, deadline)

    def _read(self, process: subprocess.Popen[bytes], size: int, deadline: float) -> bytes:
        if process.stdout is None:
            raise WorkerFailure("has no output")
        descriptor = process.stdout.fileno()
        parts = bytearray()
        while len(parts) < size:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise WorkerFailure("took too long and was ended")
            part = os.read(descriptor, min(size - len(parts), 1 << 20))
            if not part:
                raise WorkerFailure(self._death())
            parts += part
        return bytes(parts)

    def _death(self) -> str:
        """How the process ended, with the last line that it wrote to its standard error."""
        process = self._process
        if process is None or self._messages is None:
            return "ended"
        try:
            code = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        lines = (self._messages.read(_LAST_WORDS) or b"").decode("utf-8", "replace").splitlines()
        last = f": {lines[-1][:200]}" if lines else ""
        return f"was ended by signal {-code}{last}" if code < 0 else f"ended with exit code {code}{last}"


def _write(process: subprocess.Popen[bytes], *frames: bytes) -> None:
    if process.stdin is None:
        raise WorkerFailure("has no input")
    for frame in frames:
        send(process.stdin, frame)
