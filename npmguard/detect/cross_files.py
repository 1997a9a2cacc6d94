"""Which files of a package may bring a source of values and a sink together that stand in different files."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from npmguard.detect.match import resolve_local

_MAX_DISTANCE = 3  # imports from a file that brings both together
_MAX_ENDS = 400  # files that hold a source or a sink; in a larger package any two are connected somehow
_MAX_FILES = 48  # that are found, those nearest to each other first
_LOCAL = re.compile(rb"""["'`](\.\.?/[^"'`\n]{0,200}|\.\.?)["'`]""")


def between(files: Mapping[str, bytes], sources: Collection[str], sinks: Collection[str]) -> frozenset[str]:
    """Those of *files* (content by path) that values may go through from one of *sources* to one of *sinks*.

    That is, for every file whose imports lead to a source and to a sink in another file, those three and the
    files on the way. Imports whose names are built at run time are not seen.
    """
    if not sources or not sinks or len(sources) + len(sinks) > _MAX_ENDS:
        return frozenset()
    imported = {path: imports(path, content, files) for path, content in files.items()}
    importers: dict[str, list[str]] = {}
    for path, targets in imported.items():
        for target in targets:
            importers.setdefault(target, []).append(path)
    from_source = _upwards(sources, importers)
    from_sink = _upwards(sinks, importers)
    both = from_source.keys() & from_sink.keys()
    found: set[str] = set()
    for path in sorted(both, key=lambda each: (from_source[each].distance + from_sink[each].distance, each)):
        more = _way(path, from_source) | _way(path, from_sink)
        if len(found | more) <= _MAX_FILES:
            found |= more
    return frozenset(found)


def imports(path: str, content: bytes, files: Collection[str]) -> list[str]:
    """Those of *files* that the file at *path* names by relative paths in the clear."""
    names = dict.fromkeys(match[1].decode("utf-8", "replace") for match in _LOCAL.finditer(content))
    targets = (resolve_local(path, name, files) for name in names)
    return [target for target in targets if target is not None and target != path]


class _Reached(NamedTuple):
    """How many imports away from one of some files, and the next files on the ways there."""

    distance: int
    following: set[str]


def _upwards(starts: Iterable[str], importers: Mapping[str, list[str]]) -> dict[str, _Reached]:
    """The files that import one of *starts*, directly or not."""
    reached = {start: _Reached(0, set()) for start in sorted(starts)}
    queue = deque(reached)
    while queue:
        path = queue.popleft()
        distance = reached[path].distance
        for importer in importers.get(path, ()) if distance < _MAX_DISTANCE else ():
            if importer not in reached:
                reached[importer] = _Reached(distance + 1, set())
                queue.append(importer)
            if reached[importer].distance > distance:
                reached[importer].following.add(path)
    return reached


def _way(path: str, reached: Mapping[str, _Reached]) -> set[str]:
    found = {path}
    queue = deque([path])
    while queue:
        for each in sorted(reached[queue.popleft()].following - found):
            found.add(each)
            queue.append(each)
    return found
