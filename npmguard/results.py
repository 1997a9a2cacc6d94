"""Analyses of tarballs that were read before, so that the same bytes are not read twice.

One SQLite file, keyed by the tarball's sha512 (and its baseline's), the ruleset's digest and the engine's: a
change of any rule, cap or line of analysing code makes a new key, so that a stored result is always what
this npmguard would say now. A checksum ties each one to its key, as SQLite notices no flipped bits. Only
complete analyses are stored. A cache that cannot be used is told in ``notes`` and the scan goes on without it.
"""

from __future__ import annotations

import sqlite3
import threading
from functools import cache
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from npmguard import __version__
from npmguard.model import TarballAnalysis

if TYPE_CHECKING:
    from npmguard.config import Limits

SCHEMA = 3
FILE_NAME = "results.db"
_TABLE = (
    "CREATE TABLE analyses (scope TEXT NOT NULL, tarball TEXT NOT NULL, baseline TEXT NOT NULL,"
    " value BLOB NOT NULL, checksum BLOB NOT NULL, PRIMARY KEY (scope, tarball, baseline)) WITHOUT ROWID"
)
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_ENGINE_PACKAGES = ("javascript", "detect", "package", "integrity")
_ENGINE_MODULES = ("model.py", "worker.py")


@cache
def engine_digest() -> str:
    """Digest of npmguard's version and of the source of every module that has a say in an analysis."""
    root = Path(__file__).parent
    paths = [root / name for name in _ENGINE_MODULES]
    paths += [path for package in _ENGINE_PACKAGES for path in (root / package).rglob("*.py")]
    digest = sha256(__version__.encode())
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class ResultsCache:
    """Stored analyses; every method may be called from several threads, several processes may share the file.

    *directory* None is the cache that holds nothing. ``notes`` says, in at most one line, why the cache
    could not be used.
    """

    def __init__(self, directory: Path | None, ruleset: str, limits: Limits) -> None:
        self._scope = sha256(
            b"\0".join((engine_digest().encode(), ruleset.encode(), msgspec.msgpack.encode(limits)))
        ).hexdigest()
        self._lock = threading.Lock()
        self._decoder = msgspec.msgpack.Decoder(TarballAnalysis)
        self._connection: sqlite3.Connection | None = None
        self._path = directory / FILE_NAME if directory is not None else None
        self._notes: list[str] = []
        if directory is not None:
            self._open(directory)

    @property
    def notes(self) -> tuple[str, ...]:
        """Why the cache was not used, for the report."""
        return tuple(self._notes)

    def get(self, tarball: str, baseline: str = "") -> TarballAnalysis | None:
        """The stored analysis of the tarball with that sha512 (hex) against that baseline's, or None."""
        with self._lock:
            if self._connection is None:
                return None
            try:
                row = self._connection.execute(
                    "SELECT value, checksum FROM analyses WHERE scope = ? AND tarball = ? AND baseline = ?",
                    (self._scope, tarball, baseline),
                ).fetchone()
            except sqlite3.Error as error:
                self._give_up(error)
                return None
        if row is None or row[1] != self._checksum(tarball, baseline, row[0]):
            return None
        try:
            return self._decoder.decode(row[0])
        except (msgspec.DecodeError, TypeError):
            return None  # the tarball is simply read again, and the row written anew

    def put(self, tarball: str, analysis: TarballAnalysis, baseline: str = "") -> None:
        """Store a complete analysis; one that ended `unverified` is not stored."""
        if analysis.unverified is not None:
            return
        value = msgspec.msgpack.encode(analysis)
        with self._lock:
            if self._connection is None:
                return
            try:
                self._connection.execute(
                    "INSERT OR REPLACE INTO analyses VALUES (?, ?, ?, ?, ?)",
                    (self._scope, tarball, baseline, value, self._checksum(tarball, baseline, value)),
                )
            except sqlite3.Error as error:
                self._give_up(error)

    def close(self) -> None:
        """Write what is pending and let go of the file."""
        with self._lock:
            if self._connection is not None:
                try:
                    self._connection.commit()
                    self._connection.close()
                except sqlite3.Error as error:
                    self._notes.append(f"results cache: not all of it could be written ({error})")
                self._connection = None

    def _open(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            connection = self._connect(directory / FILE_NAME)
        except (sqlite3.Error, OSError) as error:
            self._notes.append(
                f"results cache in {directory} is not usable ({error}); the scan went on without it"
            )
            return
        self._connection = connection

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
        try:
            _prepare(connection)
        except sqlite3.DatabaseError as error:
            connection.close()
            if isinstance(error, sqlite3.OperationalError):
                raise  # locked, read-only or full: the file itself may be sound
            _remove(path)  # not a database: nothing in it can be trusted
            connection = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
            _prepare(connection)
        return connection

    def _give_up(self, error: sqlite3.Error) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._path is not None and _is_damage(error):
            try:
                _remove(self._path)  # so that the next scan starts afresh
            except OSError as problem:
                self._notes.append(f"results cache {self._path} cannot be removed ({problem.strerror})")
        self._notes.append(f"results cache could not be used ({error}); the scan went on without it")

    def _checksum(self, tarball: str, baseline: str, value: object) -> bytes:
        key = f"{self._scope}\0{tarball}\0{baseline}\0".encode()
        return blake2b(key + (value if isinstance(value, bytes) else b""), digest_size=16).digest()


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # errors that Python's module raises by itself have none
    return code is not None and code & 0xFF in {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
    }


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if _is_ours(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    if not _is_ours(connection):  # another process may have been at it meanwhile
        connection.execute("DROP TABLE IF EXISTS analyses")
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _is_ours(connection: sqlite3.Connection) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    table = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'analyses'").fetchone()
    return bool(version == SCHEMA and table == (_TABLE,))
