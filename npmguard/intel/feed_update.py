"""Brings the index of known malware up to date with the feed: checked, incremental, all or nothing."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import sqlite3
import struct
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from npmguard.config import Limits
from npmguard.errors import CacheError, FeedError, RegistryError
from npmguard.intel.feed import (
    APPLICATION_ID,
    FILE_NAME,
    SCHEMA,
    SCHEMA_VERSION,
    FeedIndex,
    mark_checked,
    validators,
)
from npmguard.intel.malware import one_line
from npmguard.intel.osv import RECORD_ID, OsvRecord, parse_osv
from npmguard.intel.web import Downloaded, Downloader

_MEMBER = re.compile(rf"({RECORD_ID.pattern})\.json", re.ASCII)
_LOCK_SECONDS = 5.0
_READABLE_SHARE: Final = 1000  # one unreadable record in so many is told; more, and the feed is not taken
_LOST_SHARE: Final = 2  # a feed that has lost so much of its records at once is not taken
_BATCH = 5000
_END_BYTES = 65536 + 22 + 76  # the end of an archive with the longest comment, and its 64-bit fore-runners
_ENTRY_BYTES = 128  # of one record in the table of contents; OSV's have 66 and a little


@dataclass(frozen=True, slots=True)
class FeedUpdate:
    """What an update did: ``parsed`` records were read, ``kept`` ones taken over, ``removed`` ones dropped.

    Nothing of it where the feed had not ``changed``. ``unreadable`` says, a line each, which records could
    not be read and why (at most twenty lines).
    """

    changed: bool
    records: int = 0
    parsed: int = 0
    kept: int = 0
    removed: int = 0
    unreadable: tuple[str, ...] = ()


def update_feed(directory: Path, url: str, web: Downloader, limits: Limits, now: datetime) -> FeedUpdate:
    """Download the feed at *url* and put an index of it in place of the one in *directory*.

    The feed is a zip of OSV records, a file each, as OSV's bucket has it for each ecosystem. It is asked for
    on the condition that it has changed; records whose checksum and size have not are not read again. The new
    index is built beside the old one and takes its place when it is whole.

    Raises:
        FeedError: the feed cannot be had, is damaged or over a limit, or there is no room for it. The index
            that there was is untouched.
    """
    index = FeedIndex(directory)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(directory):
            archive, build = directory / f"{FILE_NAME}.zip", directory / f"{FILE_NAME}.new"
            try:
                answer = web.download(url, archive, limit=limits.feed_bytes, headers=_conditions(index, url))
                if not answer.modified:
                    mark_checked(index.path, now)
                    return FeedUpdate(changed=False)
                result = _rebuild(index, archive, build, url, answer, limits, now)
                _put_in_place(build, index.path)
                return result
            finally:
                for left in (archive, build):
                    left.unlink(missing_ok=True)
    except RegistryError as error:
        raise FeedError(f"{error}; the index stays as it was") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise FeedError(
            f"{url} is no whole zip archive: {one_line(str(error), 120)}; the index stays as it was"
        ) from error
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise FeedError(f"no index can be written in {directory}: {reason}; make room there") from error


def _conditions(index: FeedIndex, url: str) -> dict[str, str]:
    etag, last_modified = validators(index, url)
    headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
    if etag is not None:
        headers["If-None-Match"] = etag
    elif last_modified is not None:
        headers["If-Modified-Since"] = last_modified
    return headers


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep other updates out."""
    descriptor = os.open(directory / f"{FILE_NAME}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise FeedError(
                        f"another update of {directory / FILE_NAME} is running; wait for it to end"
                    ) from None
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


# --- building --------------------------------------------------------------------------------------------


def _rebuild(
    index: FeedIndex, archive: Path, build: Path, url: str, answer: Downloaded, limits: Limits, now: datetime
) -> FeedUpdate:
    build.unlink(missing_ok=True)
    if _is_sound(index):
        shutil.copyfile(index.path, build)
        try:
            with closing(_open(build)) as database:
                return _fill(database, archive, url, answer, limits, now)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # no room, or a file that cannot be written: not the old index's fault
            build.unlink()  # it was damaged further inside than anyone had looked
    with closing(_open(build)) as database:
        database.executescript(SCHEMA)
        return _fill(database, archive, url, answer, limits, now)


def _is_sound(index: FeedIndex) -> bool:
    try:
        with closing(index.connect()) as database:
            (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
            return bool(answer == "ok")
    except (CacheError, sqlite3.Error):
        return False


def _open(path: Path) -> sqlite3.Connection:
    """A file that nobody reads before it is whole, so that it needs no journal and no waiting for the disk."""
    path.touch(mode=0o600)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA cache_size = -32768")
    return database


def _fill(
    database: sqlite3.Connection, archive: Path, url: str, answer: Downloaded, limits: Limits, now: datetime
) -> FeedUpdate:
    _check_directory(archive, limits, url)
    with zipfile.ZipFile(archive) as feed:
        changed = _members(feed, limits, url)
        members = len(changed)
        (held,) = database.execute("SELECT count(*) FROM records").fetchone()
        if members * _LOST_SHARE < held:
            raise FeedError(
                f"{url} holds {members} records of malware where the index has {held}; it is not "
                f"taken. If that is right, delete {FILE_NAME} and update again"
            )
        stale: list[str] = []
        removed = 0
        for id_, crc, size in database.execute("SELECT id, crc, size FROM records"):
            info = changed.get(id_)
            if info is not None and (info.CRC, info.file_size) == (crc, size):
                del changed[id_]
            else:
                stale.append(id_)
                removed += info is None
        database.execute("BEGIN")
        _forget(database, stale)
        unreadable = _add(database, feed, changed.values(), limits, url)
        if len(unreadable) * _READABLE_SHARE > members:
            raise FeedError(
                f"{url} holds {len(unreadable)} of {members} records that cannot be read, "
                f"the first: {unreadable[0]}; the index stays as it was"
            )
    _summarise(database, url, answer, len(unreadable), now)
    database.execute("COMMIT")
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return FeedUpdate(
        changed=True,
        records=members - len(unreadable),
        parsed=len(changed) - len(unreadable),
        kept=members - len(changed),
        removed=removed,
        unreadable=tuple(unreadable[:20]),
    )


def _check_directory(archive: Path, limits: Limits, url: str) -> None:
    """Refuse an archive whose table of contents alone, which is read as a whole, would fill the memory."""
    with archive.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _END_BYTES))
        tail = file.read(_END_BYTES)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < 22:
        raise zipfile.BadZipFile("it has no end")
    (directory,) = struct.unpack_from("<L", tail, end + 12)
    wide = tail.rfind(b"PK\x06\x06", 0, end)
    if directory == 0xFFFFFFFF and wide >= 0 and len(tail) - wide >= 48:
        (directory,) = struct.unpack_from("<Q", tail, wide + 40)
    if directory > limits.feed_records * _ENTRY_BYTES:
        raise FeedError(
            f"{url} is over the limit limits.feed-records: its table of contents has {directory} bytes; "
            "the index stays as it was"
        )


def _members(feed: zipfile.ZipFile, limits: Limits, url: str) -> dict[str, zipfile.ZipInfo]:
    """The records of malware in the archive, by id; what the archive claims of its sizes is held to later."""
    found: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for info in feed.infolist():
        named = _MEMBER.fullmatch(info.filename)
        if named is None:
            continue  # advisories of vulnerabilities have other names
        if named[1] in found:
            raise FeedError(f"{url} holds {info.filename} twice; the index stays as it was")
        if info.flag_bits & 0x1 or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise FeedError(
                f"{url} holds {info.filename} in an encoding that is not read; the index stays as it was"
            )
        total += info.file_size
        found[named[1]] = info
    for name, value, most in (
        ("feed-records", len(found), limits.feed_records),
        ("feed-unpacked-bytes", total, limits.feed_unpacked_bytes),
    ):
        if value > most:
            raise FeedError(
                f"{url} is over the limit limits.{name} ({value} > {most}); the index stays as it was"
            )
    if not found:
        raise FeedError(f"{url} holds no record of malware; look at feed.url. The index stays as it was")
    return found


def _add(
    database: sqlite3.Connection,
    feed: zipfile.ZipFile,
    members: Iterable[zipfile.ZipInfo],
    limits: Limits,
    url: str,
) -> list[str]:
    """Read these records into the tables; those that cannot be read are told, with the reason."""
    unreadable: list[str] = []
    encode = msgspec.msgpack.Encoder().encode
    (number,) = database.execute("SELECT coalesce(max(number), 0) FROM records").fetchone()
    records: list[tuple[object, ...]] = []
    packages: list[tuple[str, int, bytes]] = []
    indicators: list[tuple[int, str, str, bool]] = []
    for info in members:
        document = _read(feed, info, limits.feed_record_bytes)
        if document is None:
            raise FeedError(
                f"{url} holds {info.filename}, which is over the limit limits.feed-record-bytes; "
                "the index stays as it was"
            )
        try:
            osv = parse_osv(document)
            if osv.record.id != _id_of(info):
                raise ValueError(f"holds the record {osv.record.id}")
        except ValueError as error:
            unreadable.append(f"{info.filename} {error}")
            continue
        number += 1
        records.append(_row(number, info, osv))
        packages += [(name, number, encode(bounds)) for name, bounds in osv.packages.items()]
        indicators += [(number, str(it.kind), it.value, it.sure) for it in osv.indicators]
        if len(records) >= _BATCH:
            _insert(database, records, packages, indicators)
    _insert(database, records, packages, indicators)
    return unreadable


def _read(feed: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes | None:
    """One member, whole, its checksum compared; None where it is bigger than *limit*, whatever it claims."""
    if info.file_size > limit:
        return None
    with feed.open(info) as stream:
        document = stream.read(info.file_size)
        if len(document) != info.file_size or stream.read(1):
            raise zipfile.BadZipFile(f"{info.filename} is not as long as it says")
    return document


def _row(number: int, info: zipfile.ZipInfo, osv: OsvRecord) -> tuple[object, ...]:
    record = osv.record
    return (
        number,
        record.id,
        info.CRC,
        info.file_size,
        osv.modified,
        record.date,
        record.summary,
        json.dumps(record.aliases),
        osv.withdrawn,
    )


def _insert(
    database: sqlite3.Connection,
    records: list[tuple[object, ...]],
    packages: list[tuple[str, int, bytes]],
    indicators: list[tuple[int, str, str, bool]],
) -> None:
    database.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", records)
    database.executemany("INSERT INTO packages VALUES (?, ?, ?)", packages)
    database.executemany("INSERT OR IGNORE INTO indicators VALUES (?, ?, ?, ?)", indicators)
    for written in (records, packages, indicators):
        written.clear()


def _forget(database: sqlite3.Connection, ids: list[str]) -> None:
    if not ids:
        return
    gone = (json.dumps(ids),)
    numbers = "SELECT number FROM records WHERE id IN (SELECT value FROM json_each(?))"
    for table in ("packages", "indicators"):
        database.execute(f"DELETE FROM {table} WHERE number IN ({numbers})", gone)  # noqa: S608 - constants
    database.execute("DELETE FROM records WHERE id IN (SELECT value FROM json_each(?))", gone)


def _summarise(
    database: sqlite3.Connection, url: str, answer: Downloaded, unreadable: int, now: datetime
) -> None:
    records, withdrawn, newest = database.execute(
        "SELECT count(*), coalesce(sum(withdrawn), 0), coalesce(max(modified), '') FROM records"
    ).fetchone()
    (packages,) = database.execute("SELECT count(DISTINCT name) FROM packages").fetchone()
    database.execute("DELETE FROM names")
    database.execute(
        "INSERT INTO names SELECT i.kind, i.value, i.sure, r.id, r.date, r.summary FROM indicators AS i"
        " JOIN records AS r ON r.number = i.number ORDER BY r.date, r.id ON CONFLICT DO NOTHING"
    )
    (indicators,) = database.execute("SELECT count(*) FROM names").fetchone()
    meta = {
        "url": url,
        "etag": answer.etag or "",
        "last-modified": answer.last_modified or "",
        "checked": now.astimezone(UTC).isoformat(),
        "records": str(records),
        "withdrawn": str(withdrawn),
        "packages": str(packages),
        "indicators": str(indicators),
        "unreadable": str(unreadable),
        "newest": newest,
    }
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", sorted(meta.items()))


def _id_of(info: zipfile.ZipInfo) -> str:
    return info.filename.removesuffix(".json")


def _put_in_place(build: Path, target: Path) -> None:
    """Swap the files, so that after a power cut there is one or the other, whole."""
    for path in (build, build.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if path is build:
            build.replace(target)
