"""The index holds what the feed says; whatever is wrong with a feed leaves the index as it was."""

from __future__ import annotations

import sqlite3
import struct
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from npmguard.config import Limits
from npmguard.errors import CacheError, FeedError, RegistryUnreachable
from npmguard.intel import feed_update
from npmguard.intel.command import render_status, render_update
from npmguard.intel.feed import FILE_NAME, FeedIndex
from npmguard.intel.feed_update import FeedUpdate, update_feed
from npmguard.intel.web import Downloader
from tests.feeds import osv_record, zipped

URL = "https://feed.example/npm/all.zip"
NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)
ONE = osv_record("MAL-2026-1", "evil", "1.0.0", "1.0.1", aliases=["GHSA-aaaa-bbbb-cccc"])
TWO = osv_record("MAL-2026-2", "chalk", "5.6.1", modified="2026-05-02T00:00:00Z")


class Answer(NamedTuple):
    modified: bool
    etag: str | None
    last_modified: str | None = None


class Page(Downloader):
    """One page of the web, with its ETag, that remembers what it was asked."""

    def __init__(self, content: bytes, etag: str | None = None) -> None:
        self.content, self.etag = content, etag
        self.asked: list[Mapping[str, str]] = []

    def download(self, url: str, target: Path, *, limit: int, headers: Mapping[str, str]) -> Answer:
        assert url.startswith("https://")
        assert limit > 0
        self.asked.append(headers)
        if self.etag is not None and headers.get("If-None-Match") == self.etag:
            return Answer(False, self.etag)
        target.write_bytes(self.content)
        return Answer(True, self.etag)


class Interrupted(Page):
    def download(self, url: str, target: Path, *, limit: int, headers: Mapping[str, str]) -> Answer:
        super().download(url, target, limit=limit, headers=headers)
        raise RegistryUnreachable("feed.example was cut short")


def update(folder: Path, content: bytes, limits: Limits | None = None, now: datetime = NOW) -> FeedUpdate:
    return update_feed(folder, URL, Page(content), limits or Limits(), now)


def ids(folder: Path, *pairs: tuple[str, str]) -> dict[tuple[str, str], list[str]]:
    return {pair: [it.id for it in records] for pair, records in FeedIndex(folder).lookup(pairs).items()}


# --- what is in it ---------------------------------------------------------------------------------------


def test_records_are_found_by_name_and_version(tmp_path: Path) -> None:
    assert update(tmp_path, zipped(ONE, TWO)) == FeedUpdate(changed=True, records=2, parsed=2)
    assert ids(tmp_path, ("evil", "1.0.1"), ("evil", "1.0.2"), ("chalk", "5.6.1"), ("chalk", "5.6.0")) == {
        ("evil", "1.0.1"): ["MAL-2026-1"],
        ("chalk", "5.6.1"): ["MAL-2026-2"],
    }
    (record,) = FeedIndex(tmp_path).lookup([("evil", "1.0.0")])["evil", "1.0.0"]
    assert (record.aliases, record.date) == (("GHSA-aaaa-bbbb-cccc",), "2026-04-30")
    assert record.url == "https://osv.dev/vulnerability/MAL-2026-1"


def test_hostile_names_are_only_names(tmp_path: Path) -> None:
    names = ["it's", 'a"b', "é", "\ud7ff", "*", "%", "' OR 1=1 --"]
    records = [osv_record(f"MAL-2026-{i}", name, "1.0.0") for i, name in enumerate(names, 1)]
    update(tmp_path, zipped(*records))
    found = FeedIndex(tmp_path).lookup([(name, "1.0.0") for name in [*names, "b"]])
    assert {name for name, _ in found} == set(names)


def test_a_withdrawn_record_is_held_and_says_nothing(tmp_path: Path) -> None:
    update(tmp_path, zipped(ONE, {**TWO, "withdrawn": "2026-05-02T00:00:00Z"}))
    assert ids(tmp_path, ("chalk", "5.6.1")) == {}
    assert FeedIndex(tmp_path).status(NOW).withdrawn == 1


def test_advisories_of_vulnerabilities_are_passed_over(tmp_path: Path) -> None:
    update(tmp_path, zipped(ONE, members={"GHSA-1111-2222-3333.json": b"{", "README": b""}))
    assert FeedIndex(tmp_path).status(NOW).records == 1


def test_many_names_are_looked_up_at_once(tmp_path: Path) -> None:
    update(tmp_path, zipped(*(osv_record(f"MAL-2026-{i}", f"p{i}", "1.0.0") for i in range(1, 3001))))
    assert len(FeedIndex(tmp_path).lookup((f"p{i}", "1.0.0") for i in range(5000))) == 3000


# --- bringing it up to date ------------------------------------------------------------------------------


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    three = osv_record("MAL-2026-3", "gone", "1.0.0")
    update(tmp_path, zipped(ONE, TWO, three))
    changed = osv_record("MAL-2026-2", "chalk", "5.6.1", "5.6.2")
    new = osv_record("MAL-2026-4", "new", "1.0.0")
    assert update(tmp_path, zipped(ONE, changed, new)) == FeedUpdate(
        True, records=3, parsed=2, kept=1, removed=1
    )
    pairs = [("evil", "1.0.0"), ("chalk", "5.6.2"), ("gone", "1.0.0"), ("new", "1.0.0")]
    assert ids(tmp_path, *pairs) == {
        ("evil", "1.0.0"): ["MAL-2026-1"],
        ("chalk", "5.6.2"): ["MAL-2026-2"],
        ("new", "1.0.0"): ["MAL-2026-4"],
    }


def test_a_record_that_is_withdrawn_later_stops_to_count(tmp_path: Path) -> None:
    update(tmp_path, zipped(ONE, TWO))
    update(tmp_path, zipped(ONE, {**TWO, "withdrawn": "2026-05-02T00:00:00Z"}))
    assert ids(tmp_path, ("chalk", "5.6.1")) == {}


def test_updating_ends_where_building_anew_does(tmp_path: Path) -> None:
    first = [osv_record(f"MAL-2026-{i}", f"p{i}", "1.0.0") for i in range(1, 30)]
    second = [osv_record(f"MAL-2026-{i}", f"p{i}", f"1.0.{i % 3}") for i in range(5, 40)]
    update(tmp_path / "a", zipped(*first))
    update(tmp_path / "a", zipped(*second))
    update(tmp_path / "b", zipped(*second))
    names = [f"p{i}" for i in range(45)]
    assert FeedIndex(tmp_path / "a").statements(names) == FeedIndex(tmp_path / "b").statements(names)
    one, other = (FeedIndex(tmp_path / it).status(NOW) for it in "ab")
    assert (one.records, one.packages, one.newest) == (other.records, other.packages, other.newest)


def test_an_unchanged_feed_is_not_sent_again(tmp_path: Path) -> None:
    page = Page(zipped(ONE), '"v1"')
    update_feed(tmp_path, URL, page, Limits(), NOW)
    later = NOW + timedelta(days=3)
    assert update_feed(tmp_path, URL, page, Limits(), later) == FeedUpdate(changed=False)
    assert page.asked[1]["If-None-Match"] == '"v1"'
    assert FeedIndex(tmp_path).status(later).age == 0
    assert ids(tmp_path, ("evil", "1.0.0"))


def test_another_feed_is_asked_for_whole(tmp_path: Path) -> None:
    update_feed(tmp_path, URL, Page(zipped(ONE), '"v1"'), Limits(), NOW)
    page = Page(zipped(TWO), '"v1"')
    assert update_feed(tmp_path, "https://other.example/all.zip", page, Limits(), NOW).changed
    assert "If-None-Match" not in page.asked[0]


def test_a_reader_keeps_what_it_has_open(tmp_path: Path) -> None:
    update(tmp_path, zipped(ONE))
    database = FeedIndex(tmp_path).connect()
    update(tmp_path, zipped(TWO))
    assert database.execute("SELECT id FROM records").fetchall() == [("MAL-2026-1",)]
    database.close()


def test_nothing_is_left_lying_about(tmp_path: Path) -> None:
    update(tmp_path, zipped(ONE))
    with pytest.raises(FeedError):
        update(tmp_path, b"no zip")
    assert sorted(it.name for it in tmp_path.iterdir()) == [FILE_NAME, f"{FILE_NAME}.lock"]


def test_a_damaged_index_is_built_anew(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 100)
    assert update(tmp_path, zipped(ONE)).parsed == 1
    assert ids(tmp_path, ("evil", "1.0.0"))


def test_an_index_damaged_inside_is_built_anew(tmp_path: Path) -> None:
    update(tmp_path, zipped(*(osv_record(f"MAL-2026-{i}", f"p{i}", "1.0.0") for i in range(1, 500))))
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    content[8192:-4096] = b"\xff" * (len(content) - 12288)
    path.write_bytes(content)
    with pytest.raises(CacheError, match="damaged"):
        FeedIndex(tmp_path).lookup((f"p{i}", "1.0.0") for i in range(500))
    assert update(tmp_path, zipped(ONE)).parsed == 1
    assert ids(tmp_path, ("evil", "1.0.0"))


# --- broken feeds ----------------------------------------------------------------------------------------

SOUND = zipped(ONE, TWO)
LIMITS = msgspec.structs.replace(
    Limits(), feed_records=50, feed_record_bytes=1_000_000, feed_unpacked_bytes=3_000_000
)


def with_flipped_byte(content: bytes) -> bytes:
    place = content.rindex(b"Malicious code")
    return content[:place] + b"m" + content[place + 1 :]


def with_lying_size(content: bytes) -> bytes:
    """The table of contents says that the first file is a few bytes long; its data is a bomb."""
    place = content.index(b"PK\x01\x02") + 24
    return content[:place] + struct.pack("<L", 40) + content[place + 4 :]


def encrypted(content: bytes) -> bytes:
    place = content.index(b"PK\x01\x02") + 8
    return content[:place] + b"\x01\x00" + content[place + 2 :]


def with_twice_the_same() -> bytes:
    return zipped(ONE, TWO).replace(b"MAL-2026-2.json", b"MAL-2026-1.json")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no whole zip"),
        (b"<html>sign in</html>", "no whole zip"),
        (SOUND[:-30], "no whole zip"),
        (SOUND[: len(SOUND) // 2], "no whole zip"),
        (with_flipped_byte(zipped(ONE, TWO, stored=True)), "no whole zip"),
        (with_lying_size(zipped(osv_record("MAL-2026-1", "a", details="x" * 900_000))), "no whole zip"),
        (encrypted(SOUND), "encoding that is not read"),
        (with_twice_the_same(), "twice"),
        (zipped(members={"GHSA-1.json": b"{}"}), "no record of malware"),
        (zipped(ONE, members={"MAL-2026-2.json": b"{"}), "1 of 2 records that cannot be read"),
        (zipped(ONE, members={"MAL-2026-9.json": b'{"id": 9}'}), "MAL-2026-9.json is no OSV record"),
        (
            zipped({**ONE, "id": "MAL-2026-7"}).replace(b"MAL-2026-7.json", b"MAL-2026-8.json"),
            "holds the record",
        ),
        (zipped(osv_record("MAL-2026-1", "a", details="x" * 2_000_000)), "limits.feed-record-bytes"),
        (
            zipped(*(osv_record(f"MAL-2026-{i}", "a", details="x" * 900_000) for i in range(1, 6))),
            "limits.feed-unpacked-bytes",
        ),
        (zipped(*(osv_record(f"MAL-2026-{i}", "a") for i in range(1, 60))), "limits.feed-records"),
        (zipped(ONE, members={f"{i}": b"" for i in range(200)}), "limits.feed-records"),
    ],
)
def test_a_broken_feed_leaves_the_index_as_it_was(tmp_path: Path, content: bytes, reason: str) -> None:
    update(tmp_path, zipped(ONE))
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(FeedError) as caught:
        update(tmp_path, content, LIMITS)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert ids(tmp_path, ("evil", "1.0.0"))


def test_a_broken_download_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    update(tmp_path, zipped(ONE))
    with pytest.raises(FeedError, match="cut short; the index stays as it was"):
        update_feed(tmp_path, URL, Interrupted(SOUND[:20]), Limits(), NOW)
    assert ids(tmp_path, ("evil", "1.0.0"))


def test_a_feed_that_lost_most_of_its_records_is_not_taken(tmp_path: Path) -> None:
    update(tmp_path, zipped(*(osv_record(f"MAL-2026-{i}", "a", f"1.0.{i}") for i in range(1, 11))))
    with pytest.raises(FeedError, match="holds 4 records of malware where the index has 10"):
        update(tmp_path, zipped(*(osv_record(f"MAL-2026-{i}", "a", f"1.0.{i}") for i in range(1, 5))))
    assert len(FeedIndex(tmp_path).statements(["a"])["a"]) == 10


def test_one_odd_record_among_thousands_is_told_and_not_read(tmp_path: Path) -> None:
    records = [osv_record(f"MAL-2026-{i}", f"p{i}", "1.0.0") for i in range(1, 1200)]
    result = update(tmp_path, zipped(*records, members={"MAL-2026-9999.json": b"[]"}))
    assert result.records == 1199
    assert len(result.unreadable) == 1
    assert result.unreadable[0].startswith("MAL-2026-9999.json is no OSV record")
    status = FeedIndex(tmp_path).status(NOW)
    assert status.unreadable == 1
    assert "1 records of the feed could not be read" in render_status(status, 86400)


def test_a_full_disk_leaves_the_index_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update(tmp_path, zipped(ONE))

    really_open = feed_update._open

    def nearly_full(path: Path) -> sqlite3.Connection:
        database = really_open(path)
        database.execute("PRAGMA max_page_count = 1")  # no more than there are already
        return database

    with monkeypatch.context() as patch:
        patch.setattr(feed_update, "_open", nearly_full)
        with pytest.raises(FeedError, match="full; make room there"):
            update(tmp_path, zipped(*(osv_record(f"MAL-2026-{i}", f"p{i}", "1.0.0") for i in range(1, 500))))
    assert ids(tmp_path, ("evil", "1.0.0"))
    assert sorted(it.name for it in tmp_path.iterdir()) == [FILE_NAME, f"{FILE_NAME}.lock"]


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FeedError, match="no index can be written in"):
        update(tmp_path / "file" / "below", zipped(ONE))


def test_two_updates_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_update, "_LOCK_SECONDS", 0.1)

    class Nested(Page):
        def download(self, url: str, target: Path, *, limit: int, headers: Mapping[str, str]) -> Answer:
            with pytest.raises(FeedError, match="another update"):
                update(tmp_path, zipped(TWO))
            return super().download(url, target, limit=limit, headers=headers)

    update_feed(tmp_path, URL, Nested(zipped(ONE)), Limits(), NOW)
    assert ids(tmp_path, ("evil", "1.0.0"), ("chalk", "5.6.1")) == {("evil", "1.0.0"): ["MAL-2026-1"]}


# --- its state -------------------------------------------------------------------------------------------


def test_the_state_tells_records_newest_date_and_age(tmp_path: Path) -> None:
    result = update(tmp_path, zipped(ONE, TWO))
    status = FeedIndex(tmp_path).status(NOW + timedelta(hours=5))
    assert (status.records, status.packages, status.newest, status.age) == (2, 2, "2026-05-02T00:00:00Z", 18000)
    text = render_status(status, 86400)
    assert "2026-05-02 12:00 UTC, 5.0 hours ago: fresh" in text
    assert "too old" in render_status(status, 3600)
    assert render_update(result, status).startswith("2 records: 2 read, 0 unchanged, 0 gone")
    assert "not changed" in render_update(FeedUpdate(changed=False), status)


@pytest.mark.parametrize(("hours", "fresh"), [(0, True), (24, True), (25, False), (-1, False)])
def test_it_is_fresh_for_as_long_as_configured(tmp_path: Path, hours: int, fresh: bool) -> None:
    update(tmp_path, zipped(ONE))
    assert FeedIndex(tmp_path).status(NOW + timedelta(hours=hours)).is_fresh(86400) is fresh


def test_no_index_is_told_with_what_to_do(tmp_path: Path) -> None:
    status = FeedIndex(tmp_path).status(NOW)
    assert not status.is_fresh(86400)
    assert "run npmguard feed update" in render_status(status, 86400)
    with pytest.raises(CacheError, match="run npmguard feed update"):
        FeedIndex(tmp_path).lookup([("a", "1.0.0")])


def test_an_index_of_another_version_is_not_read(tmp_path: Path) -> None:
    update(tmp_path, zipped(ONE))
    database = sqlite3.connect(tmp_path / FILE_NAME)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(CacheError, match="another version"):
        FeedIndex(tmp_path).lookup([("evil", "1.0.0")])
    assert update(tmp_path, zipped(ONE)).parsed == 1


def test_the_feed_is_a_zip_that_others_read(tmp_path: Path) -> None:
    """The made-up feed is a real archive: what the tests rest on."""
    (tmp_path / "all.zip").write_bytes(SOUND)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None


def test_what_records_name_is_held_once_with_the_first_record(tmp_path: Path) -> None:
    def naming(id_: str, day: str, *domains: str, **fields: Any) -> dict[str, Any]:
        specific = {"iocs": {"domains": list(domains)}}
        published = f"{day}T00:00:00Z"
        return osv_record(id_, f"p-{id_}", "1.0.0", published=published, database_specific=specific, **fields)

    first = naming("MAL-2026-2", "2026-01-01", "a.example")
    second = naming("MAL-2026-1", "2026-02-01", "a.example", "b.example")
    update(tmp_path, zipped(first, second))
    found = [(it.value, it.source, it.date) for it in FeedIndex(tmp_path).indicators()]
    assert found == [
        ("a.example", "OSV MAL-2026-2", "2026-01-01"),
        ("b.example", "OSV MAL-2026-1", "2026-02-01"),
    ]
    assert FeedIndex(tmp_path).status(NOW).indicators == 2
    gone = naming("MAL-2026-2", "2026-01-01", "a.example", withdrawn="2026-03-01T00:00:00Z")
    update(tmp_path, zipped(gone, second))
    assert [it.source for it in FeedIndex(tmp_path).indicators()] == ["OSV MAL-2026-1"] * 2
