"""The prefilter's patterns as compiled before, so that workers need not compile them at every start.

A worker that was given none compiles them, before it has seen a byte of any package, and sends them to be kept
here; later ones are handed them in their first message. A file is named by all that its content depends on
(rules, engine, Vectorscan, machine) and holds that name and a checksum, as Vectorscan believes what it is
given.
What does not fit, or is another user's to write, is not read; what was made for a processor with more abilities
is refused by Vectorscan, and made anew.
"""

from __future__ import annotations

import contextlib
import os
import platform
import stat
import sys
import tempfile
import threading
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

from npmguard.results import engine_digest

FOLDER: Final = "compiled"
_HEAD: Final = b"npmguard compiled rules 1\n"
_SUM: Final = sha256().digest_size
_MOST_BYTES: Final = 64 * 1024**2  # the shipped rules take 4 MB
_MOST_FILES: Final = 8  # rule packs, and versions beside each other
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class CompiledRules:
    """What was compiled of one ruleset; every method may be called from several threads.

    ``starting`` is held by whoever starts a worker without any: the others wait for what that one makes.
    *directory* None keeps it for this run alone. *ruleset* is the digest of the rules in force.
    """

    def __init__(self, directory: Path | None, ruleset: str) -> None:
        self.starting = threading.Lock()
        self._directory = directory / FOLDER if directory is not None else None
        self._ruleset = ruleset
        self._held: bytes | None = None

    def get(self) -> bytes:
        """The compiled patterns; empty where there are none that can be relied on."""
        if self._held is None:
            self._held = self._read()
        return self._held

    def put(self, compiled: bytes) -> None:
        """Keep them; a folder that cannot be written makes no difference but that of time."""
        self._held = compiled
        if self._directory is None or len(compiled) > _MOST_BYTES:
            return
        name = self._name()
        content = b"".join((_HEAD, name, sha256(name + compiled).digest(), compiled))
        with contextlib.suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(self._directory / name.hex(), content)
            _forget(self._directory)

    def _read(self) -> bytes:
        if self._directory is None:
            return b""
        name = self._name()
        try:
            content = _own_bytes(self._directory / name.hex())
        except OSError:
            return b""
        start = len(_HEAD) + len(name) + _SUM
        compiled = content[start:]
        fits = content[:start] == b"".join((_HEAD, name, sha256(name + compiled).digest()))
        return compiled if fits else b""

    def _name(self) -> bytes:
        """Digest of all that has a say in what compiling gives."""
        made_by = (engine_digest(), version("hyperscan"), sys.platform, platform.machine(), sys.byteorder)
        return sha256("\0".join((self._ruleset, *made_by)).encode()).digest()


def _own_bytes(path: Path) -> bytes:
    """The content of a file that nobody but this user can have written; empty where that is not so."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        own = stat.S_ISREG(state.st_mode) and state.st_uid == os.geteuid()
        if not own or state.st_mode & _OTHERS_WRITE or state.st_size > _MOST_BYTES:
            return b""
        return file.read(_MOST_BYTES)


def _write(path: Path, content: bytes) -> None:
    """Write a file of this user alone, so that a reader sees all of it or none."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _forget(folder: Path) -> None:
    """Remove the oldest files, and with them what a run that was killed left half-written."""
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in files[:-_MOST_FILES]:
        path.unlink(missing_ok=True)
