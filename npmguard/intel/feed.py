"""The index of known malware below the cache folder: one SQLite file, read by scans, replaced by updates."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

import msgspec

from npmguard.errors import CacheError
from npmguard.intel.malware import Bounds, Record, Source, Statement
from npmguard.model import Indicator, IndicatorKind

FILE_NAME: Final = "malware.db"
APPLICATION_ID: Final = 0x6E706D6D  # "npmm"
SCHEMA_VERSION: Final = 3
SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    crc INTEGER NOT NULL,  -- of the document in the feed, with its size: whether it has changed
    size INTEGER NOT NULL,
    modified TEXT NOT NULL,
    date TEXT NOT NULL,
    summary TEXT NOT NULL,
    aliases TEXT NOT NULL,  -- JSON
    withdrawn INTEGER NOT NULL
);
CREATE TABLE packages (
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    bounds BLOB NOT NULL,  -- MessagePack
    PRIMARY KEY (name, number)
) WITHOUT ROWID;
CREATE TABLE indicators (
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    sure INTEGER NOT NULL,
    PRIMARY KEY (number, kind, value)
) WITHOUT ROWID;
CREATE TABLE names (  -- each of those once, with the first record that has it; made anew by each update
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    sure INTEGER NOT NULL,
    id TEXT NOT NULL,
    date TEXT NOT NULL,
    summary TEXT NOT NULL,
    PRIMARY KEY (kind, value)
) WITHOUT ROWID;
"""
_BUSY_SECONDS = 5.0
_KINDS = {str(kind): kind for kind in IndicatorKind}
_decoder = msgspec.msgpack.Decoder(Bounds)


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What the index holds.

    ``problem`` says why there is none that can be used. ``checked`` is when the feed last said that the index
    is up to date, ``newest`` the latest change of a record in it. ``unreadable`` counts records of the feed
    that npmguard could not read. Times are aware, in UTC; ``age`` is in seconds, seen from the time given.
    """

    path: Path
    problem: str | None = None
    url: str = ""
    records: int = 0
    withdrawn: int = 0
    packages: int = 0
    indicators: int = 0
    unreadable: int = 0
    newest: str = ""
    checked: datetime | None = None
    age: float | None = None

    def is_fresh(self, max_age: float) -> bool:
        """Whether the index can be used, and is no older than *max_age* seconds (nor from the future)."""
        return self.problem is None and self.age is not None and -60.0 <= self.age <= max_age


class FeedIndex:
    """The index below one cache folder. Reading takes no lock on it: updates put another file in its place."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME

    def status(self, now: datetime) -> FeedStatus:
        """What the index holds, seen at *now*; never raises for a missing or damaged one."""
        try:
            with closing(self.connect()) as database:
                return self._status(database, now)
        except CacheError as error:
            return FeedStatus(self.path, problem=str(error))
        except (sqlite3.Error, ValueError, KeyError) as error:
            return FeedStatus(self.path, problem=f"the index {self.path} is damaged: {error}")

    def statements(self, names: Iterable[str]) -> Mapping[str, tuple[Statement, ...]]:
        """What the records say of each of *names*, all looked up in one go.

        Raises:
            CacheError: there is no index, or none that can be read.
        """
        found: dict[str, list[Statement]] = {}
        records: dict[int, Record] = {}
        query = (
            "SELECT p.name, p.bounds, r.number, r.id, r.date, r.summary, r.aliases"
            " FROM json_each(?) AS wanted JOIN packages AS p ON p.name = wanted.value"
            " JOIN records AS r ON r.number = p.number ORDER BY p.name, r.id"
        )
        wanted = json.dumps(sorted(set(names)))
        try:
            with closing(self.connect()) as database:
                for name, bounds, number, id_, date, summary, aliases in database.execute(query, (wanted,)):
                    if number not in records:
                        records[number] = Record(
                            id=id_,
                            source=Source.OSV,
                            date=date,
                            summary=summary,
                            url=f"https://osv.dev/vulnerability/{id_}",
                            aliases=tuple(json.loads(aliases)),
                        )
                    statement = Statement(records[number], _decoder.decode(bounds))
                    found.setdefault(name, []).append(statement)
        except (sqlite3.Error, msgspec.DecodeError, ValueError) as error:
            raise CacheError(f"the index {self.path} is damaged: {error}; run npmguard feed update") from error
        return {name: tuple(statements) for name, statements in found.items()}

    def indicators(self) -> tuple[Indicator, ...]:
        """What the records name beside packages, each value once, with the first record that names it; sorted.

        Raises:
            CacheError: as :meth:`statements`.
        """
        query = "SELECT kind, value, sure, id, date, summary FROM names ORDER BY kind, value"
        try:
            with closing(self.connect()) as database:
                return tuple(
                    Indicator(_KINDS[kind], value, f"{Source.OSV} {id_}", date, summary, bool(sure))
                    for kind, value, sure, id_, date, summary in database.execute(query)
                )
        except (sqlite3.Error, KeyError) as error:
            raise CacheError(f"the index {self.path} is damaged: {error}; run npmguard feed update") from error

    def lookup(self, versions: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], tuple[Record, ...]]:
        """The records that call a (name, version) malware, for those where there are any.

        Raises:
            CacheError: as :meth:`statements`.
        """
        pairs = sorted(set(versions))
        statements = self.statements(name for name, _ in pairs)
        found = {
            (name, version): tuple(it.record for it in statements.get(name, ()) if it.bounds.covers(version))
            for name, version in pairs
        }
        return MappingProxyType({pair: records for pair, records in found.items() if records})

    def is_there(self) -> bool:
        """Whether there is an index; one in a folder that may not be read is none."""
        try:
            return self.path.is_file()
        except OSError:
            return False

    def connect(self) -> sqlite3.Connection:
        """The index, opened for reading.

        Raises:
            CacheError: there is none, or it is of another kind or version.
        """
        if not self.is_there():
            raise CacheError(f"there is no index {self.path}; run npmguard feed update")
        try:
            database = sqlite3.connect(
                f"file:{quote(str(self.path))}?mode=ro",
                uri=True,
                timeout=_BUSY_SECONDS,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise CacheError(f"the index {self.path} cannot be opened: {error}") from error
        try:
            stamp = (
                *database.execute("PRAGMA application_id").fetchone(),
                *database.execute("PRAGMA user_version").fetchone(),
            )
        except sqlite3.Error as error:
            database.close()
            raise CacheError(f"the index {self.path} is damaged: {error}; run npmguard feed update") from error
        if stamp != (APPLICATION_ID, SCHEMA_VERSION):
            database.close()
            raise CacheError(
                f"the index {self.path} was written by another version of npmguard; run npmguard feed update"
            )
        return database

    def _status(self, database: sqlite3.Connection, now: datetime) -> FeedStatus:
        meta = dict(database.execute("SELECT key, value FROM meta"))
        checked = datetime.fromisoformat(meta["checked"])
        return FeedStatus(
            path=self.path,
            url=meta["url"],
            records=int(meta["records"]),
            withdrawn=int(meta["withdrawn"]),
            packages=int(meta["packages"]),
            indicators=int(meta["indicators"]),
            unreadable=int(meta["unreadable"]),
            newest=meta["newest"],
            checked=checked,
            age=(now - checked).total_seconds(),
        )


def mark_checked(path: Path, now: datetime) -> None:
    """Note in the index that the feed vouched for it at *now*.

    Raises:
        sqlite3.Error: it cannot be written.
    """
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as database:
        database.execute("UPDATE meta SET value = ? WHERE key = 'checked'", (now.astimezone(UTC).isoformat(),))


def validators(index: FeedIndex, url: str) -> tuple[str | None, str | None]:
    """The ``ETag`` and ``Last-Modified`` that the index was made from, where that was *url*."""
    with suppress(CacheError, sqlite3.Error), closing(index.connect()) as database:
        meta = dict(database.execute("SELECT key, value FROM meta"))
        if meta.get("url") == url:
            return meta.get("etag") or None, meta.get("last-modified") or None
    return None, None
