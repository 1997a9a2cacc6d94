"""Alerts as lines of a JSON Lines file, each on disk before it counts as delivered, and none of them twice."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from npmguard.errors import SinkError

if TYPE_CHECKING:
    from npmguard.monitor.alert import Alert

#: Bytes at the file's end that are searched for an alert that may have been written before a crash. The outbox
#: hands a sink its alerts one after another, so that such an alert is the last one, or close to it.
_TAIL: Final = 1024 * 1024


class _Line(msgspec.Struct):
    id: str


@dataclass(frozen=True, slots=True)
class JsonLines:
    """The file at *path*, made if it is not there; every alert is a line of its own."""

    path: Path

    @property
    def name(self) -> str:
        """``jsonl:`` and the file."""
        return f"jsonl:{self.path}"

    def takes(self, alert: Alert) -> bool:  # noqa: ARG002 - programs want them all
        """Everything."""
        return True

    def deliver(self, alert: Alert) -> None:
        """Append *alert*, unless the file holds it already.

        A last line that a crash cut short is taken away; a file that could not take all of a line is put back
        to what it was.

        Raises:
            SinkError: the file cannot be read or written.
        """
        try:
            with self._open() as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                end = _whole_lines(file)
                if not _holds(file, end, alert.id):
                    _append(file, end, alert.encode() + b"\n")
        except OSError as error:
            raise SinkError(f"{self.name}: cannot be written: {error.strerror}") from error

    def _open(self) -> BinaryIO:
        is_new = not self.path.exists()
        file = open(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640), "r+b", buffering=0)  # noqa: PTH123, SIM115 - given away open
        if is_new:
            sync_folder(self.path.parent)
        return file


def sync_folder(folder: Path) -> None:
    """Have the names in *folder* on disk, as well as the bytes of its files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _whole_lines(file: BinaryIO) -> int:
    """Cut off a line without its end; the size of the file after that."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _TAIL)
    file.seek(start)
    tail = _read(file, size - start)
    if not tail or tail.endswith(b"\n"):
        return size
    end = start + tail.rfind(b"\n") + 1
    file.truncate(end)
    return end


def _holds(file: BinaryIO, end: int, wanted: str) -> bool:
    start = max(0, end - _TAIL)
    file.seek(start)
    lines = _read(file, end - start).split(b"\n")
    if start > 0:
        lines = lines[1:]  # the first may have lost its beginning
    needle = wanted.encode("ascii")
    return any(needle in line and _id_of(line) == wanted for line in reversed(lines))


def _id_of(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=_Line).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # a line that somebody else put there
        return None


def _append(file: BinaryIO, end: int, line: bytes) -> None:
    file.seek(end)
    try:
        written = 0
        while written < len(line):
            written += file.write(line[written:])
        os.fsync(file.fileno())
    except OSError:
        file.truncate(end)
        raise


def _read(file: BinaryIO, size: int) -> bytes:
    parts = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
