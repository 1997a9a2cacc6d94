"""Alerts as an Atom feed (RFC 4287) in one file, for feed readers and whatever else polls a web server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, tostring

from npmguard.errors import SinkError
from npmguard.monitor.alert_text import alert_text
from npmguard.monitor.sinks.json_lines import sync_folder
from npmguard.monitor.sinks.sink import for_people

if TYPE_CHECKING:
    from npmguard.monitor.alert import Alert

_ATOM: Final = "http://www.w3.org/2005/Atom"
_NAMESPACE: Final = UUID("0b2c1f0e-6a57-5f0c-8d1e-5a8f7d1c9a42")
_MOST_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class AtomFeed:
    """The file at *path*, replaced as a whole with each alert; the newest *entries* stay in it."""

    path: Path
    entries: int = 100

    @property
    def name(self) -> str:
        """``atom:`` and the file."""
        return f"atom:{self.path}"

    def takes(self, alert: Alert) -> bool:
        """Those for people."""
        return for_people(alert)

    def deliver(self, alert: Alert) -> None:
        """Put *alert* first, unless the feed has it already.

        Raises:
            SinkError: the file cannot be read or written, or is no Atom feed.
        """
        try:
            feed_id, entries = self._read()
            entry_id = f"urn:uuid:{uuid5(_NAMESPACE, alert.id)}"
            if any(entry.findtext("id") == entry_id for entry in entries):
                return
            entries = [_entry(alert, entry_id), *entries][: self.entries]
            replace_file(self.path, _feed(feed_id, alert.time, entries))
        except OSError as error:
            raise SinkError(f"{self.name}: cannot be written: {error.strerror}") from error

    def _read(self) -> tuple[str, list[Element]]:
        from defusedxml.common import DefusedXmlException  # noqa: PLC0415
        from defusedxml.ElementTree import fromstring  # noqa: PLC0415 - only who asked for a feed needs it

        if not self.path.exists():
            return f"urn:uuid:{uuid5(_NAMESPACE, f'{os.uname().nodename}:{self.path.absolute()}')}", []
        try:
            with self.path.open("rb") as file:
                root: Element = fromstring(file.read(_MOST_BYTES))
        except (ParseError, DefusedXmlException, ValueError) as error:
            raise SinkError(
                f"{self.name}: is no Atom feed: {error}; move it away or name another file"
            ) from error
        feed_id = root.findtext(_tag("id"))
        if root.tag != _tag("feed") or feed_id is None:
            raise SinkError(f"{self.name}: is no Atom feed; move it away or name another file")
        entries = root.findall(_tag("entry"))
        for element in (each for entry in entries for each in entry.iter()):
            element.tag = element.tag.removeprefix(_tag(""))
        return feed_id, entries


def replace_file(path: Path, content: bytes) -> None:
    """Put *content* in the place of the file at *path*, so that a reader or a crash sees the old or the new."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _feed(feed_id: str, updated: str, entries: list[Element]) -> bytes:
    root = Element("feed", {"xmlns": _ATOM})
    _text(root, "id", feed_id)
    _text(root, "title", "npmguard: compromised npm releases")
    _text(root, "updated", updated)
    _text(SubElement(root, "author"), "name", "npmguard")
    root.extend(entries)
    indent(root)
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _entry(alert: Alert, entry_id: str) -> Element:
    text = alert_text(alert)
    entry = Element("entry")
    _text(entry, "id", entry_id)
    _text(entry, "title", text.headline)
    _text(entry, "updated", alert.time)
    SubElement(entry, "category", {"term": alert.verdict})
    SubElement(entry, "category", {"term": alert.kind.value})
    _text(entry, "content", text.plain())
    return entry


def _text(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text


def _tag(name: str) -> str:
    return f"{{{_ATOM}}}{name}"
