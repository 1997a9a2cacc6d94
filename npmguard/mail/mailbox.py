"""Messages out of files, standard input, mboxes and maildirs, one at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from npmguard.errors import MailboxError

_CHUNK = 1024 * 1024


def read_file(path: Path, limit: int | None = None) -> bytes:
    """One message, at most one byte more than *limit*, so that who reads it sees that it is too long.

    Raises:
        MailboxError: it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read() if limit is None else file.read(limit + 1)
    except OSError as error:
        raise MailboxError(
            f"{path}: cannot be read: {error.strerror}; give a message, or --mbox or --maildir"
        ) from error


def read_stdin(limit: int | None = None) -> bytes:
    """One message from standard input; all of it where *limit* is None."""
    return sys.stdin.buffer.read() if limit is None else sys.stdin.buffer.read(limit + 1)


def read_mbox(path: Path, limit: int) -> Iterator[tuple[str, bytes]]:
    """Every message of an mbox (RFC 4155; ``>From`` unquoted), each with its name; of a long one the beginning.

    Raises:
        MailboxError: it cannot be opened, or is no mbox.
    """
    try:
        with path.open("rb") as file:
            number = 0
            lines: list[bytes] = []
            size = 0
            blank = True
            for line in iter(lambda: file.readline(_CHUNK), b""):
                if blank and line.startswith(b"From "):
                    if number:
                        yield f"{path}#{number}", b"".join(lines)
                    number += 1
                    lines, size = [], 0
                elif not number and line.strip():
                    raise MailboxError(
                        f"{path}: does not begin with a From line, so it is no mbox; give a message as FILE"
                    )
                elif size <= limit:
                    quoted = line.startswith(b">") and line.lstrip(b">").startswith(b"From ")
                    lines.append(line[1:] if quoted else line)
                    size += len(line)
                blank = not line.strip(b"\r\n")
            if number:
                yield f"{path}#{number}", b"".join(lines)
    except OSError as error:
        raise MailboxError(f"{path}: cannot be read: {error.strerror}; give an mbox file") from error


def read_maildir(path: Path, limit: int) -> Iterator[tuple[str, bytes]]:
    """Every message of a maildir's ``cur`` and ``new``, by name.

    Raises:
        MailboxError: it is no maildir.
    """
    folders = [path / "cur", path / "new"]
    if not any(folder.is_dir() for folder in folders):
        raise MailboxError(
            f"{path}: has neither cur nor new, so it is no maildir; give the folder that holds them"
        )
    for folder in folders:
        try:
            entries = sorted(entry for entry in folder.iterdir() if entry.is_file()) if folder.is_dir() else []
        except OSError as error:
            raise MailboxError(f"{folder}: cannot be read: {error.strerror}") from error
        for entry in entries:
            yield str(entry), read_file(entry, limit)
