"""The nested ``dependencies`` of lockfileVersion 1, turned into the flat entries of versions 2 and 3."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field

from npmguard.lockfile.entries import Entry
from npmguard.lockfile.identity import LOCATION_LENGTH, is_clean_location, is_version
from npmguard.lockfile.json_text import JsonText, ObjectReader, kind_of
from npmguard.lockfile.printable import printable
from npmguard.lockfile.resolved import Source, classify

_SAME_FIELDS = ("resolved", "integrity", "dev", "optional", "peer", "requires", "hasInstallScript")
_FILE_SCHEME = re.compile(r"file:(?://)?", re.IGNORECASE)
_TARBALL_FILE = re.compile(r"\.(?:tgz|tar\.gz|tar)$", re.IGNORECASE)


@dataclass(slots=True)
class _Record:
    """One entry as it stands in the file."""

    name: str
    offset: int
    fields: dict[str, object] = field(default_factory=dict)
    dependencies: list[_Record] | None = None


def read_dependencies(json_text: JsonText, start: int) -> tuple[list[Entry], int]:
    """The entries of the ``dependencies`` object at offset *start*, and the offset behind it.

    They come in file order, with locations as npm 7 and newer give them when they convert such a lock:
    what stands below a linked folder is installed inside that folder.

    Raises:
        LockfileSyntaxError: an entry, or its ``dependencies``, is no object; or the nesting is so deep that
            no file system could hold it.
    """
    records, end = _read_records(json_text, start)
    entries: list[Entry] = []
    stack = [(record, "") for record in reversed(records)]
    while stack:
        record, base = stack.pop()
        location = f"{base}/node_modules/{record.name}" if base else f"node_modules/{record.name}"
        if len(location) > LOCATION_LENGTH:
            raise json_text.error(
                record.offset, "nested deeper than any folder can be; remake the lock with npm"
            )
        meta, target = _flat_meta(record)
        entries.append(Entry(location, json_text.line(record.offset), meta, target))
        inner = location if target is None else target
        stack.extend((child, inner) for child in reversed(record.dependencies or []))
    return entries, end


def _read_records(json_text: JsonText, start: int) -> tuple[list[_Record], int]:
    """The tree of entries; a loop with its own stack, so that no nesting can exhaust Python's."""
    top: list[_Record] = []
    stack: list[tuple[ObjectReader, _Record | None, list[_Record]]] = [
        (ObjectReader(json_text, start), None, top)
    ]
    while True:
        reader, record, section = stack[-1]
        key = reader.key()
        if key is None:
            stack.pop()
            if not stack:
                return top, reader.position
            stack[-1][0].resume(reader.position)
        elif record is None:
            if not reader.at_object():
                what = kind_of(reader.value())
                raise json_text.error(
                    reader.key_offset, f'the entry "{printable(key)}" is {what} where an object belongs'
                )
            entry = _Record(key, reader.key_offset)
            section.append(entry)
            stack.append((ObjectReader(json_text, reader.position), entry, section))
        elif key != "dependencies":
            record.fields[key] = reader.value()
        elif reader.at_object():
            if record.dependencies is not None:
                raise json_text.error(reader.key_offset, '"dependencies" stands twice in one entry')
            record.dependencies = []
            stack.append((ObjectReader(json_text, reader.position), None, record.dependencies))
        else:
            offset, value = reader.key_offset, reader.value()
            if value:
                raise json_text.error(offset, f'"dependencies" is {kind_of(value)} where an object belongs')


def _flat_meta(record: _Record) -> tuple[dict[str, object], str | None]:
    """The entry's fields as v2 and v3 name them, and the folder it links to, if it does.

    ``version`` holds an exact version, an alias (``npm:name@version``) or an address, as npm 6 wrote it.
    """
    fields = record.fields
    meta: dict[str, object] = {key: fields[key] for key in _SAME_FIELDS if key in fields}
    if fields.get("bundled"):
        meta["inBundle"] = True
    version = fields.get("version")
    if not isinstance(version, str) or is_version(version):
        meta["version"] = version
        return meta, None
    if version[:4].lower() == "npm:":
        name, _, exact = version[4:].rpartition("@")
        meta["name"], meta["version"] = (name, exact) if name else (exact, None)
        return meta, None
    source, tarball = classify(version)
    if source is Source.UNKNOWN:
        meta["version"] = version
        return meta, None
    meta["resolved"] = version
    if tarball is not None and tarball.name != record.name:
        meta["name"] = tarball.name
    path = _FILE_SCHEME.sub("", version, count=1)
    if source is Source.FILE and not _TARBALL_FILE.search(path):
        target = posixpath.normpath(path)
        if is_clean_location(target):
            return meta, target
    return meta, None
