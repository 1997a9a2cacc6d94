"""Which files of a package load one another, so that values may go from one into the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from npmguard.detect.cross_files import imports
from npmguard.detect.match import resolve_local
from npmguard.model import FactKind, FileFacts


def seem_linked(files: Mapping[str, bytes]) -> frozenset[str]:
    """Those of *files* (content by path) that name another one of them, or are named by one, in the clear."""
    found: set[str] = set()
    for path, content in files.items() if len(files) > 1 else ():
        targets = imports(path, content, files)
        found.update((path, *targets) if targets else ())
    return frozenset(found)


def are_linked(files: Iterable[FileFacts]) -> frozenset[str]:
    """The paths of those of *files* that load one of them, however its name is put together, or are loaded."""
    by_path = {each.path: each for each in files}
    found: set[str] = set()
    for path, each in by_path.items() if len(by_path) > 1 else ():
        for fact in each.facts:
            if fact.kind is FactKind.MODULE and fact.name.startswith("."):
                target = resolve_local(path, fact.name, by_path)
                found.update((path, target) if target is not None else ())
    return frozenset(found)
