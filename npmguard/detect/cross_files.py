"""Which files of a package may bring a source of values and a sink together that stand in different files."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Mapping

from npmguard.detect.match import resolve_local

_MAX_DISTANCE = 3  # imports from a file that brings both together
_MAX_FILES = 400  # that hold a source or a sink; in a larger package any two are connected somehow
_LOCAL = re.compile(rb"""["'`](\.\.?/[^"'`\n]{0,200}|\.\.?)["'`]""")


def between(files: Mapping[str, bytes], sources: Collection[str], sinks: Collection[str]) -> frozenset[str]:
    """Those of *files* (content by path) that values may go through from one of *sources* to one of *sinks*.

    That is, for every file whose imports lead to a source and to a sink in another file, those three and the
    files on the way. Imports whose names are built at run time are not seen.
    """
    if not sources or not sinks or len(sources) + len(sinks) > _MAX_FILES:
        return frozenset()
    imported = {path: _imports(path, content, files) for path, content in files.items()}
    importers: dict[str, list[str]] = {}
    for path, targets in imported.items():
        for target in targets:
            importers.setdefault(target, []).append(path)
    from_source = _upwards(sources, importers)
    from_sink = _upwards(sinks, importers)
    found: set[str] = set()
    for path in from_source.keys() & from_sink.keys():
        for way in (from_source, from_sink):
            found.update(_way(path, way))
    return frozenset(found)


def _imports(path: str, content: bytes, files: Collection[str]) -> list[str]:
    names = dict.fromkeys(match[1].decode("utf-8", "replace") for match in _LOCAL.finditer(content))
    targets = (resolve_local(path, name, files) for name in names)
    return [target for target in targets if target is not None and target != path]


def _upwards(starts: Iterable[str], importers: Mapping[str, list[str]]) -> dict[str, set[str]]:
    """The files that import one of *starts*, directly or not, each with the next ones on its ways there."""
    reached: dict[str, set[str]] = {start: set() for start in sorted(starts)}
    distance = dict.fromkeys(reached, 0)
    queue = deque(reached)
    while queue:
        path = queue.popleft()
        if distance[path] >= _MAX_DISTANCE:
            continue
        for importer in importers.get(path, ()):
            if importer not in reached:
                reached[importer] = set()
                distance[importer] = distance[path] + 1
                queue.append(importer)
            if distance[importer] > distance[path]:
                reached[importer].add(path)
    return reached


def _way(path: str, reached: Mapping[str, set[str]]) -> set[str]:
    found = {path}
    queue = deque([path])
    while queue:
        for each in reached[queue.popleft()] - found:
            found.add(each)
            queue.append(each)
    return found
