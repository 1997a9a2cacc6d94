"""Alerts as a feed that feed readers read."""

from __future__ import annotations

from pathlib import Path

import feedparser
import pytest

from npmguard.errors import SinkError
from npmguard.monitor.alert import AlertKind
from npmguard.monitor.sinks.atom import AtomFeed
from tests.unit.monitor.released import alert, hostile_alert


def test_a_feed_reader_reads_it(tmp_path: Path) -> None:
    feed = AtomFeed(tmp_path / "alerts.atom")
    feed.deliver(alert("1" * 32))
    feed.deliver(alert("2" * 32, AlertKind.GROWN))
    read = feedparser.parse(feed.path.read_bytes())
    assert read.bozo is False
    assert read.version == "atom10"
    assert read.feed.id.startswith("urn:uuid:")
    assert (read.feed.title, read.feed.author) == ("npmguard: compromised npm releases", "npmguard")
    assert [entry.title.split(",")[0] for entry in read.entries] == [
        "npmguard: incident has grown",
        "npmguard: new incident",
    ]
    assert all(entry.updated and entry.id.startswith("urn:uuid:") and entry.summary for entry in read.entries)


def test_the_newest_entries_stay_and_keep_their_ids(tmp_path: Path) -> None:
    feed = AtomFeed(tmp_path / "alerts.atom", entries=3)
    seen: list[list[str]] = []
    for number in range(5):
        feed.deliver(alert(f"{number:032x}"))
        seen.append([entry.id for entry in feedparser.parse(feed.path.read_bytes()).entries])
    assert [len(each) for each in seen] == [1, 2, 3, 3, 3]
    assert seen[4][1:] == seen[3][:2]


def test_a_repeat_changes_nothing(tmp_path: Path) -> None:
    feed = AtomFeed(tmp_path / "alerts.atom")
    feed.deliver(alert())
    before = feed.path.read_bytes()
    feed.deliver(alert())
    assert feed.path.read_bytes() == before


def test_the_feed_keeps_its_id_where_it_is_moved(tmp_path: Path) -> None:
    feed = AtomFeed(tmp_path / "alerts.atom")
    feed.deliver(alert("1" * 32))
    before = feedparser.parse(feed.path.read_bytes()).feed.id
    moved = AtomFeed(feed.path.rename(tmp_path / "other.atom"))
    moved.deliver(alert("2" * 32))
    assert feedparser.parse(moved.path.read_bytes()).feed.id == before


def test_hostile_texts_are_text(tmp_path: Path) -> None:
    feed = AtomFeed(tmp_path / "alerts.atom")
    feed.deliver(hostile_alert())
    read = feedparser.parse(feed.path.read_bytes(), sanitize_html=False, resolve_relative_uris=False)
    assert read.bozo is False
    assert read.entries[0].content[0].type == "text/plain"
    assert b"<script" not in feed.path.read_bytes()
    assert b"https://" not in feed.path.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"not xml",
        b"<rss/>",
        b'<!DOCTYPE f [<!ENTITY a "aa">]><feed xmlns="http://www.w3.org/2005/Atom"><id>&a;</id></feed>',
        b"",
    ],
)
def test_another_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "alerts.atom"
    path.write_bytes(content)
    with pytest.raises(SinkError, match="is no Atom feed"):
        AtomFeed(path).deliver(alert())
    assert path.read_bytes() == content
