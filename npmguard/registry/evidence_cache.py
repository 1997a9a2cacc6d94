"""Evidence about releases, kept on disk between runs: one SQLite file of values by kind and key.

It is a convenience, shared by as many processes as like: one that cannot be used ends in a note, and the run
goes on without it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

FILE_NAME: Final = "evidence.db"
_SCHEMA_VERSION = 2
_SCHEMA = (
    "CREATE TABLE evidence (kind TEXT NOT NULL, key TEXT NOT NULL, stored REAL NOT NULL, value BLOB NOT NULL,"
    " checksum BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
)
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_BUSY_SECONDS = 5.0
_KEPT_SECONDS = 90 * 86400

_T = TypeVar("_T")


class Kept(NamedTuple):
    """A value, and when it was stored, in seconds since the epoch."""

    value: bytes
    stored: float


class EvidenceCache:
    """The cache below one folder; *directory* None is the cache that holds nothing. For many threads."""

    def __init__(self, directory: Path | None) -> None:
        self._lock = threading.Lock()
        self._notes: list[str] = []
        self._path = directory / FILE_NAME if directory is not None else None
        self._database: sqlite3.Connection | None = None
        self._written = False
        self._private = False
        if self._path is not None:
            self._attempt(self._open)

    @property
    def is_private(self) -> bool:
        """Whether nobody but this user can have written what is kept, the system's administrator aside."""
        return self._private

    @property
    def notes(self) -> tuple[str, ...]:
        """Why it is not used, one line; empty as a rule."""
        return tuple(self._notes)

    def get(self, kind: str, key: str) -> Kept | None:
        """What is kept under that kind and key; None where nothing is, or nothing whole."""
        with self._lock:
            row = self._attempt(lambda: self._read(kind, key))
        if row is None:
            return None
        value, stored, checksum = row
        if (
            not isinstance(value, bytes)
            or not isinstance(stored, float)
            or checksum != _checksum(kind, key, value)
        ):
            return None
        return Kept(value, stored)

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Keep *value*."""
        row = (kind, key, time.time(), value, _checksum(kind, key, value))
        with self._lock:
            self._attempt(lambda: self._write(row))

    def close(self) -> None:
        """Forget what is old, and let go of the file."""
        with self._lock:
            self._attempt(self._forget)
            self._release()

    # --- each of these may raise sqlite3.Error or OSError -------------------------------------------------

    def _attempt(self, action: Callable[[], _T]) -> _T | None:
        try:
            return action()
        except (sqlite3.Error, OSError) as error:
            self._notes.append(f"the evidence cache {self._path} is not used: {error}")
            self._release()
            if _is_damage(error):
                with suppress(OSError):  # it is told already that the file cannot be used
                    self._remove()  # so that the next scan starts afresh
        return None

    def _open(self) -> None:
        assert self._path is not None
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._connect(self._path)
        except sqlite3.OperationalError:
            raise  # locked, read-only or full: the file itself may be sound
        except sqlite3.DatabaseError:
            self._release()
            self._remove()  # not a database: nothing in it can be believed
            self._connect(self._path)

    def _remove(self) -> None:
        if self._path is not None:
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)

    def _connect(self, path: Path) -> None:
        path.touch(mode=0o600, exist_ok=True)
        self._private = _is_private(path) and _is_private(path.parent)
        database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._database = database
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        if _is_ours(database):
            return
        database.execute("BEGIN IMMEDIATE")
        if not _is_ours(database):  # another process may have been at it meanwhile
            database.execute("DROP TABLE IF EXISTS evidence")
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        database.execute("COMMIT")

    def _read(self, kind: str, key: str) -> tuple[object, object, object] | None:
        if self._database is None:
            return None
        row: tuple[object, object, object] | None = self._database.execute(
            "SELECT value, stored, checksum FROM evidence WHERE kind = ? AND key = ?", (kind, key)
        ).fetchone()
        return row

    def _write(self, row: tuple[str, str, float, bytes, bytes]) -> None:
        if self._database is not None:
            self._database.execute("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?, ?, ?)", row)
            self._written = True

    def _forget(self) -> None:
        if self._database is not None and self._written:
            self._database.execute("DELETE FROM evidence WHERE stored < ?", (time.time() - _KEPT_SECONDS,))

    def _release(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):  # nothing is waiting to be written
                database.close()


def _is_private(path: Path) -> bool:
    state = path.lstat()
    return state.st_uid == os.geteuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_ours(database: sqlite3.Connection) -> bool:
    version = database.execute("PRAGMA user_version").fetchone()
    table = database.execute("SELECT sql FROM sqlite_master WHERE name = 'evidence'").fetchone()
    return bool(version == (_SCHEMA_VERSION,) and table == (_SCHEMA.strip(),))


def _checksum(kind: str, key: str, value: bytes) -> bytes:
    """Tells of flipped bits, which SQLite does not notice: one in a key would read as tampering."""
    return blake2b(f"{kind}\0{key}\0".encode() + value, digest_size=16).digest()


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
    }
