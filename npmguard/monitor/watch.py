"""The names that a monitor is restricted to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from npmguard.errors import LockfileError, UsageError
from npmguard.lockfile.reader import find_lockfile, read_lockfile
from npmguard.target import parse_spec

if TYPE_CHECKING:
    from npmguard.config import Limits


def watched_names(sources: Sequence[Path], limits: Limits) -> frozenset[str]:
    """All names in *sources*, each a lockfile, a project's folder, a CycloneDX SBOM, or a list of names.

    Raises:
        UsageError: one of them is missing, is neither, or names no package.
    """
    found: set[str] = set()
    for source in sources:
        names = listed_names(source) if is_list(source) else _locked_names(source, limits)
        if not names:
            raise UsageError(f"{source}: names no package to watch")
        found |= names
    return frozenset(found)


def listed_names(path: Path) -> set[str]:
    """The names of a list, one a line; versions after them, empty lines and ``#`` comments are passed over.

    Raises:
        UsageError: it cannot be read, or a line is no package's name.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a list of names: {error}") from error
    names = set()
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            names.add(parse_spec(text)[0])
        except UsageError as error:
            raise UsageError(f"{path}:{number}: {error}") from error
    return names


def is_list(path: Path) -> bool:
    """Whether it is plain text with a name in its first line: no JSON, no YAML, no lock of Yarn's."""
    if path.suffix in {".txt", ".list"}:
        return True
    if path.is_dir() or path.suffix:
        return False
    return path.is_file()


def _locked_names(path: Path, limits: Limits) -> set[str]:
    try:
        lock = read_lockfile(find_lockfile(path), limits)
    except LockfileError as error:
        raise UsageError(f"{error}; a list of names has to end in .txt") from error
    return {package.name for package in lock.packages}
