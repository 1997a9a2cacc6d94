"""Runs one harness over mutants of its seeds, each input under caps on time and memory."""

from __future__ import annotations

import os
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

from tests.fuzz.harness import Harness
from tests.fuzz.mutation import LARGEST, USUAL, mutate

INPUT_SECONDS = 20.0  # of CPU, after which an input counts as one that hangs
HANG_SECONDS = 240  # of the clock, after which the process is ended from outside, even inside a library
MEMORY_BYTES = 3 * 1024**3
_KEPT = 3000
_PLACES = 2


class TooSlowError(BaseException):
    """An input took longer than the caps of npmguard let any take; no handler of Exception stops it."""


@dataclass(slots=True)
class Result:
    """What came of a run; ``crashes`` are one input a kind of failure, by what failed and where."""

    inputs: int = 0
    seconds: float = 0.0
    outcomes: set[str] = field(default_factory=set)
    crashes: dict[str, bytes] = field(default_factory=dict)


def run(
    harness: Harness,
    seeds: list[bytes],
    *,
    inputs: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    begin: Callable[[int, bytes], None] = lambda _count, _data: None,
) -> Result:
    """Give *harness* its seeds and then mutants, until as many *inputs* or *seconds* are over.

    The same arguments give the same inputs, unless time ends the run. ``begin`` is told of each input before.
    """
    result, started = Result(), time.monotonic()
    kept = list(seeds)
    for data in _inputs(harness, kept, len(seeds), Random(seed)):
        if result.inputs == inputs or (seconds is not None and time.monotonic() - started >= seconds):
            break
        begin(result.inputs, data)
        try:
            outcome = _capped(harness.read, data)
        except (Exception, TooSlowError) as error:  # noqa: BLE001 - to see all there is what this is for
            kind = kind_of(error)
            if kind not in result.crashes or len(data) < len(result.crashes[kind]):
                result.crashes[kind] = data
        else:
            if (
                outcome not in result.outcomes
                and result.inputs >= len(seeds)
                and len(data) <= USUAL
                and len(kept) < _KEPT
            ):
                kept.append(data)
            result.outcomes.add(outcome)
        result.inputs += 1
    result.seconds = time.monotonic() - started
    return result


def cap_process(memory: int = MEMORY_BYTES) -> None:
    """Hold this process to its memory, and let an input that hangs end in an error, or at last in a signal."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGVTALRM, _too_slow)


def kind_of(error: BaseException) -> str:
    """What failed and where, in one line: two inputs of one kind show one fault."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"{os.sep}npmguard{os.sep}" in frame.filename]
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in (own or frames)[-_PLACES:]]
    if isinstance(error, (RecursionError, TooSlowError, MemoryError)):
        places = [f"{Path(frame.filename).name}" for frame in own[:1]]  # where it ran out is chance
    what = str(error).splitlines()[0][:100] if str(error) else ""
    return f"{type(error).__name__} at {' > '.join(places)}: {what}"


def _inputs(harness: Harness, kept: list[bytes], seeds: int, random: Random) -> Iterator[bytes]:
    yield from kept[:seeds]
    while True:
        if len(kept) > seeds and random.random() < 0.5:
            base = kept[random.randrange(seeds, len(kept))]
        else:
            base = random.choice(kept) if kept else b""
        if len(base) > LARGEST:
            at = random.randrange(len(base) - LARGEST)
            base = base[at : at + LARGEST]
        yield mutate(base, random, harness.grammar, harness.words, kept)


def _capped(read: Callable[[bytes], str], data: bytes) -> str:
    signal.setitimer(signal.ITIMER_VIRTUAL, INPUT_SECONDS)
    signal.alarm(HANG_SECONDS)
    try:
        return read(data)
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError(f"over {INPUT_SECONDS:.0f} s")
