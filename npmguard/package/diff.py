"""What one version of a package changed against another: files by their bytes, text by its lines."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from npmguard.model import FileChange, Manifest, ManifestDelta, PackageArchive, PackageFile, VersionDiff

_LONG_LINE = 1000  # bytes; a longer line, as minifiers write them, is taken apart
_STATEMENT = re.compile(rb"[^;{}]*[;{}]|[^;{}]+")


@dataclass(frozen=True, slots=True)
class AddedText:
    """The parts of a new text that the old one does not hold.

    ``lines`` are 1-based, ``spans`` byte ranges: half open, sorted, apart.
    """

    lines: frozenset[int]
    spans: tuple[tuple[int, int], ...]


def diff_archives(old: PackageArchive, new: PackageArchive, old_version: str, new_version: str) -> VersionDiff:
    """Compare two archives of a package; both have to be read with hashes, or with all content kept.

    Files are the same when their bytes are: where neither content nor hash is known they count as changed. A
    file whose bytes any file of the old version held is in ``moved``, whatever it was called there, and has no
    added lines. What a changed file adds is told where its content is kept; where the old one's is not, all of
    it is new.
    """
    added = sorted(new.files.keys() - old.files.keys())
    removed = sorted(old.files.keys() - new.files.keys())
    changed = [path for path in sorted(new.files.keys() & old.files.keys()) if not _same(old, new, path)]
    origins = _origins(old, [new.files[path] for path in (*added, *changed)])
    moved = sorted((path, origins[path]) for path in (*added, *changed) if path in origins)
    return VersionDiff(
        old_version=old_version,
        new_version=new_version,
        added=tuple(added),
        removed=tuple(removed),
        changed=tuple(
            FileChange(path, frozenset()) if path in origins else _change(old.files[path], new.files[path])
            for path in changed
        ),
        manifest=diff_manifests(old.manifest, new.manifest) if old.manifest and new.manifest else (),
        moved=tuple(moved),
    )


def diff_manifests(old: Manifest, new: Manifest) -> tuple[ManifestDelta, ...]:
    """The fields that decide what npm installs, links and runs, then ``main`` and ``repository``."""
    deltas: list[ManifestDelta] = []
    for field, before, after in (
        ("name", {"": old.name}, {"": new.name}),
        ("scripts", old.scripts, new.scripts),
        ("dependencies", old.dependencies, new.dependencies),
        ("optionalDependencies", old.optional_dependencies, new.optional_dependencies),
        ("peerDependencies", old.peer_dependencies, new.peer_dependencies),
        ("bundleDependencies", dict.fromkeys(old.bundled, "*"), dict.fromkeys(new.bundled, "*")),
        ("bin", old.bin, new.bin),
        ("gypfile", _single(old.gypfile), _single(new.gypfile)),
        ("main", _single(old.main), _single(new.main)),
        ("repository", _single(old.repository), _single(new.repository)),
    ):
        deltas += _deltas(field, before, after)
    return tuple(deltas)


def added_text(old: bytes, new: bytes) -> AddedText:
    """What *new* holds that *old* does not, in time linear in both.

    Lines that both begin with, and both end with, are the same. Of those between, a line is old as often as
    the old text holds it there, wherever that is, blanks around it not counted: a moved line is not new, a
    repeated one is. A line of more than 1000 bytes is taken apart at ``;``, ``{`` and ``}``, and its parts are
    counted like lines.
    """
    old_lines, new_lines = old.split(b"\n"), new.split(b"\n")
    head = _common(old_lines, new_lines)
    shortest = min(len(old_lines), len(new_lines))
    tail = _common(old_lines[: -shortest - 1 + head : -1], new_lines[: -shortest - 1 + head : -1])
    known = Counter(
        unit for line in old_lines[head : len(old_lines) - tail] for unit in map(bytes.strip, _units(line))
    )
    known[b""] = len(new) + 1  # nothing is never new
    position = sum(map(len, new_lines[:head])) + head
    lines: set[int] = set()
    spans: list[tuple[int, int]] = []
    for number, line in enumerate(new_lines[head : len(new_lines) - tail], head + 1):
        end = position
        for unit in _units(line):
            start, end = end, end + len(unit)
            stripped = unit.strip()
            if known[stripped]:
                known[stripped] -= 1
                continue
            lines.add(number)
            if spans and spans[-1][1] >= start - 1:  # adjoining, or with a line break between
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
        position += len(line) + 1
    return AddedText(frozenset(lines), tuple(spans))


def is_added(spans: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Whether the bytes from *start* up to *end* touch one of the *spans* (sorted, apart)."""
    index = bisect_right(spans, (start, start))
    if index and spans[index - 1][1] > start:
        return True
    return index < len(spans) and spans[index][0] < max(end, start + 1)


def _units(line: bytes) -> list[bytes]:
    return [line] if len(line) <= _LONG_LINE else _STATEMENT.findall(line)


def _common(left: Sequence[bytes], right: Sequence[bytes]) -> int:
    """How many items both begin with."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _change(old: PackageFile, new: PackageFile) -> FileChange:
    if new.content is None:
        return FileChange(new.path, frozenset())
    text = added_text(old.content or b"", new.content)
    return FileChange(new.path, text.lines, text.spans)


def _same(old: PackageArchive, new: PackageArchive, path: str) -> bool:
    one, other = old.files[path], new.files[path]
    if one.size != other.size:
        return False
    if one.content is not None and other.content is not None:
        return one.content == other.content
    return _digest(one) == _digest(other) != ""


def _origins(old: PackageArchive, files: Sequence[PackageFile]) -> dict[str, str]:
    """For each of the new *files* whose bytes the old archive holds: its path, and the (first) one there."""
    sizes = {file.size for file in files if file.size}  # empty files are all alike and say nothing
    known: dict[tuple[int, str], str] = {}
    for path in sorted(old.files):
        file = old.files[path]
        if file.size in sizes:
            known.setdefault((file.size, _digest(file)), path)
    found = {file.path: known.get((file.size, _digest(file))) for file in files if file.size in sizes}
    return {path: origin for path, origin in found.items() if origin is not None and _digest(old.files[origin])}


def _digest(file: PackageFile) -> str:
    if file.sha256 or file.content is None:
        return file.sha256
    return sha256(file.content).hexdigest()


def _deltas(field: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[ManifestDelta]:
    return [
        ManifestDelta(field, key, old.get(key), new.get(key))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _single(value: str | bool | None) -> dict[str, str]:
    if value is None:
        return {}
    return {"": str(value).lower() if isinstance(value, bool) else value}
