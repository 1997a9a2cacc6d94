"""What a scan and its worker processes say to each other: frames of bytes on pipes.

A frame is an 8-byte big-endian length, then that many bytes. The first frame to a worker holds
:class:`Settings`, the second the compiled conditions of its prefilter (empty: none are known). They are
answered with the :class:`~npmguard.model.Sandbox` that the worker is in from then on, and a frame with the
conditions that it had to compile (empty: none); after it each request is a frame with the tarball and a frame
with the baseline's tarball (empty: none), and each answer a frame with a
:class:`~npmguard.model.TarballAnalysis` in MessagePack and a frame that is empty, or :data:`ENOUGH` where the
worker has grown and asks to be replaced. Where stages are timed, a third frame holds
:data:`~npmguard.timing.Costs`. No pickle: what a worker that was taken over can send is data of one shape.
"""

from __future__ import annotations

from typing import IO

import msgspec

from npmguard.config import Limits
from npmguard.model import Indicator

HEADER = 8
ENOUGH = b"enough"
GRACE = 2.0  # a worker keeps its own time; it is ended only where it needs so many times more


class Settings(msgspec.Struct, frozen=True):
    """What a worker has to know before the first tarball: further rule folders, the caps, the indicators."""

    rules: tuple[str, ...]
    limits: Limits
    prefilter: bool = True
    indicators: tuple[Indicator, ...] = ()
    timed: bool = False  # send a third frame with each answer: what its stages cost
    facts: bool = False  # pack the facts of a package that is read without a baseline
    turn: int | None = None  # an inherited file: whoever reads a large source holds its lock


def send(stream: IO[bytes], frame: bytes) -> None:
    """Write one frame."""
    stream.write(len(frame).to_bytes(HEADER, "big"))
    stream.write(frame)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """Read one frame; empty at the end of input."""
    header = stream.read(HEADER)
    return stream.read(int.from_bytes(header, "big")) if len(header) == HEADER else b""
