"""Projections of packuments, kept on disk between runs.

One SQLite file, shared by as many processes as like. It is a convenience: whatever is wrong with it (damaged,
read-only, of another version, no room left) ends in a note, and the run goes on without it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec
from isal import isal_zlib

from npmguard.errors import CacheError

FILE_NAME: Final = "packuments.db"
_APPLICATION_ID = 0x6E706D67  # "npmg"
_SCHEMA_VERSION = 4  # raised with what a projection holds
_SCHEMA = """
CREATE TABLE packuments (
    registry TEXT NOT NULL,
    name TEXT NOT NULL,
    fetched REAL NOT NULL,
    max_age REAL,
    etag TEXT,
    last_modified TEXT,
    digest BLOB NOT NULL, -- of the projection, with the registry and the name
    projection BLOB NOT NULL, -- zlib
    PRIMARY KEY (registry, name)
)
"""
_BUSY_SECONDS = 5.0
_LOCK_SECONDS = 0.5
_BATCH_ENTRIES = 256
_BATCH_BYTES = 8 * 1024**2
_KEPT_DAYS = 30
_LEVEL = 1
_ZlibError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # isal's stub takes it for an instance

_T = TypeVar("_T")


class Entry(NamedTuple):
    """What is kept of one packument.

    ``fetched`` is when the registry last vouched for it, in seconds since the epoch; ``max_age`` for how many
    seconds it said that this holds, or None. ``etag`` and ``last_modified`` are its validators. ``digest``
    names the projection, with its registry and package; :meth:`PackumentCache.put` makes it itself.
    """

    projection: bytes
    fetched: float
    max_age: float | None = None
    etag: str | None = None
    last_modified: str | None = None
    digest: bytes = b""

    def is_fresh(self, default_max_age: float) -> bool:
        """Whether it may be used without asking the registry again."""
        return is_fresh(self.fetched, self.max_age, default_max_age)


class Head(NamedTuple):
    """An entry without its projection; reading it costs the same for a document of any size."""

    fetched: float
    max_age: float | None
    digest: bytes

    def is_fresh(self, default_max_age: float) -> bool:
        """Whether what it names may be used without asking the registry again."""
        return is_fresh(self.fetched, self.max_age, default_max_age)


def is_fresh(fetched: float, max_age: float | None, default_max_age: float) -> bool:
    """Whether the registry's word of that time still holds; one from the future never does."""
    return 0 <= time.time() - fetched < (default_max_age if max_age is None else max_age)


def digest_of(registry: str, name: str, projection: bytes) -> bytes:
    """What names a projection of that package of that registry: another's is never taken for it."""
    digest = blake2b(f"{registry}\0{name}\0".encode(), digest_size=16)
    digest.update(projection)
    return digest.digest()


class PackumentCache:
    """The cache below one folder; safe to use from many threads, and from many processes at once."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._mutex = threading.Lock()
        self._notes: list[str] = []
        self._pending: dict[tuple[str, str], Entry] = {}
        self._pending_bytes = 0
        self._written = False
        self._inode: int | None = None
        self._lock_file: int | None = None
        self._database: sqlite3.Connection | None = None
        self._attempt(self._open)

    @property
    def notes(self) -> tuple[str, ...]:
        """What went wrong with it, one line each; empty as a rule."""
        return tuple(self._notes)

    def get(self, registry: str, name: str) -> Entry | None:
        """What is kept of that package of that registry; None where nothing is, or nothing whole."""
        with self._mutex:
            entry = self._pending.get((registry, name))
            if entry is None:
                entry = self._attempt(lambda: self._read(registry, name))
        return None if entry is None else _unpack(registry, name, entry)

    def head(self, registry: str, name: str) -> Head | None:
        """What :meth:`get` would give, without the projection, which is not looked at."""
        with self._mutex:
            entry = self._pending.get((registry, name))
            if entry is not None:
                return Head(entry.fetched, entry.max_age, entry.digest)
            return self._attempt(lambda: self._read_head(registry, name))

    def put(self, registry: str, name: str, entry: Entry) -> bytes:
        """Keep *entry*, and give its digest; it reaches the disk with the next batch, or on :meth:`close`."""
        digest = digest_of(registry, name, entry.projection)
        packed = entry._replace(projection=isal_zlib.compress(entry.projection, _LEVEL), digest=digest)
        with self._mutex:
            if self._database is None:
                return b""
            self._pending[registry, name] = packed
            self._pending_bytes += len(packed.projection)
            if len(self._pending) >= _BATCH_ENTRIES or self._pending_bytes >= _BATCH_BYTES:
                self._attempt(self._write)
        return digest

    def close(self) -> None:
        """Write what is waiting, and let go of the file."""
        with self._mutex:
            self._attempt(self._write)
            self._attempt(self._forget)
            self._release()

    # --- each of these may raise CacheError or sqlite3.Error ----------------------------------------------

    def _attempt(self, action: Callable[[], _T]) -> _T | None:
        """Do it; or note why it could not be done, and go on with an empty cache, or without one."""
        try:
            try:
                return action()
            except (CacheError, sqlite3.DatabaseError) as error:
                if isinstance(error, sqlite3.DatabaseError) and not _is_damage(error):
                    raise
                self._rebuild()
                self._notes.append(f"the packument cache {self._path} was started afresh: {error}")
        except (CacheError, sqlite3.Error, OSError) as error:
            self._notes.append(f"the packument cache {self._path} is not used: {error}")
            self._release()
        return None

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # every user of the file holds the lock for reading; who wants to start afresh needs it for himself
        self._lock_file = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock(fcntl.LOCK_SH, "it is being started afresh by another process")
        self._connect()

    def _lock(self, kind: int, otherwise: str) -> None:
        assert self._lock_file is not None
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._lock_file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise CacheError(otherwise) from None
                time.sleep(0.05)
            else:
                return

    def _connect(self) -> None:
        self._path.touch(mode=0o600, exist_ok=True)
        self._inode = self._path.stat().st_ino
        database = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._database = database
        if _is_empty(database):
            _set_up(database)
        stamp = (
            *database.execute("PRAGMA application_id").fetchone(),
            *database.execute("PRAGMA user_version").fetchone(),
        )
        found = database.execute("SELECT sql FROM sqlite_master WHERE name = 'packuments'").fetchone()
        if stamp != (_APPLICATION_ID, _SCHEMA_VERSION) or found != (_SCHEMA.strip(),):
            raise CacheError("it was written by another version of npmguard")
        database.execute("PRAGMA synchronous = NORMAL")

    def _rebuild(self) -> None:
        """Start over with an empty file, unless other processes are at work on this one."""
        self._pending, self._pending_bytes = {}, 0
        database, self._database = self._database, None
        if database is not None:
            database.close()
        self._lock(fcntl.LOCK_EX, "it is damaged or of another version, and in use by another process")
        if self._path.exists() and self._path.stat().st_ino == self._inode:  # nobody else was faster
            for suffix in ("", "-wal", "-shm", "-journal"):
                self._path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
        self._connect()
        self._lock(fcntl.LOCK_SH, "it is in use by another process")

    def _read(self, registry: str, name: str) -> Entry | None:
        if self._database is None:
            return None
        row = self._database.execute(
            "SELECT projection, fetched, max_age, etag, last_modified, digest FROM packuments"
            " WHERE registry = ? AND name = ?",
            (registry, name),
        ).fetchone()
        try:
            return None if row is None else msgspec.convert(row, Entry)
        except msgspec.ValidationError:
            return None

    def _read_head(self, registry: str, name: str) -> Head | None:
        if self._database is None:
            return None
        row = self._database.execute(
            "SELECT fetched, max_age, digest FROM packuments WHERE registry = ? AND name = ?", (registry, name)
        ).fetchone()
        try:
            return None if row is None else msgspec.convert(row, Head)
        except msgspec.ValidationError:
            return None

    def _write(self) -> None:
        database, entries = self._database, self._pending
        self._pending, self._pending_bytes = {}, 0
        if database is None or not entries:
            return
        rows = [
            (*key, it.fetched, it.max_age, it.etag, it.last_modified, it.digest, it.projection)
            for key, it in entries.items()
        ]
        insert = "INSERT OR REPLACE INTO packuments VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        _in_transaction(database, lambda: database.executemany(insert, rows))
        self._written = True

    def _forget(self) -> None:
        if self._database is not None and self._written:
            oldest = time.time() - _KEPT_DAYS * 86400
            self._database.execute("DELETE FROM packuments WHERE fetched < ?", (oldest,))

    def _release(self) -> None:
        self._pending, self._pending_bytes = {}, 0
        database, self._database = self._database, None
        lock_file, self._lock_file = self._lock_file, None
        if database is not None:
            with suppress(sqlite3.Error):  # nothing is waiting to be written any more
                database.close()
        if lock_file is not None:
            os.close(lock_file)


def _is_empty(database: sqlite3.Connection) -> bool:
    tables, version = database.execute(
        "SELECT (SELECT count(*) FROM sqlite_master), user_version FROM pragma_user_version"
    ).fetchone()
    return (tables, version) == (0, 0)


def _set_up(database: sqlite3.Connection) -> None:
    """Make the table; several processes may be at it at once, and only one of them finds the file empty."""

    def create() -> None:
        if _is_empty(database):
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            _in_transaction(database, create)
        except sqlite3.OperationalError as error:
            # the change of the journal mode does not wait for other processes by itself
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _in_transaction(database: sqlite3.Connection, action: Callable[[], object]) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        action()
        database.execute("COMMIT")
    except sqlite3.Error:
        with suppress(sqlite3.Error):  # SQLite has rolled back by itself after some errors
            database.execute("ROLLBACK")
        raise


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # errors that Python's module raises by itself have none
    return code is not None and code & 0xFF in {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
    }


def _unpack(registry: str, name: str, entry: Entry) -> Entry | None:
    """Undo the compression; None for what is damaged, or is another package's.

    SQLite does not notice flipped bits, and one in an integrity would read as tampering.
    """
    try:
        projection = isal_zlib.decompress(entry.projection)
    except _ZlibError:
        return None
    whole = digest_of(registry, name, projection) == entry.digest
    return entry._replace(projection=projection) if whole else None
