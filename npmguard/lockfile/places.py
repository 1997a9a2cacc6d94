"""The lockfiles of a monorepo, wherever they stand below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from npmguard.config import Limits
from npmguard.errors import LockfileError
from npmguard.lockfile.reader import find_lockfile, locks_in


@dataclass(frozen=True, slots=True)
class FoundLock:
    """A lockfile to scan: ``named`` says that the user gave it.

    ``beside`` names the locks of other package managers in its folder, ``notes`` say what was not read.
    """

    path: Path
    named: bool
    beside: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_lockfiles(paths: Sequence[Path], limits: Limits) -> tuple[FoundLock, ...]:
    """The lockfiles that *paths* mean, each once: files themselves, and all that stand in folders or below.

    Folders called node_modules and hidden ones are passed over, links to folders are not followed; the first
    lock has a note on each folder that cannot be read. A folder's own lock comes before those below.

    Raises:
        LockfileNotFound: there is nothing at a path, or no lock in a folder and below.
        LockfileError: over ``limits.lockfile_depth`` or ``limits.lockfile_count``.
        UnsupportedLockfile: a file, or all that a folder has, is a lock that nothing here reads.
    """
    found: dict[Path, FoundLock] = {}
    unread: list[str] = []
    for path in paths:
        for each in _meant(path, limits, unread):
            found.setdefault(Path(os.path.realpath(each.path)), each)
            if len(found) > limits.lockfile_count:
                raise LockfileError(
                    f"{path}: over {limits.lockfile_count} lockfiles; name some of them, or raise"
                    " lockfile-count under [limits] of npmguard.toml"
                )
    first, *others = found.values()
    return (replace(first, notes=tuple(unread)), *others)


def _meant(path: Path, limits: Limits, unread: list[str]) -> Iterator[FoundLock]:
    if not path.is_dir():
        yield FoundLock(find_lockfile(path), named=True)
        return
    found = False
    for folder, depth in _folders(path, unread):
        locks = list(locks_in(folder))
        if locks and depth > limits.lockfile_depth:
            raise LockfileError(
                f"{locks[0]}: deeper than {limits.lockfile_depth} folders below {path}; give a folder nearer to"
                " it, or raise lockfile-depth under [limits] of npmguard.toml"
            )
        names = [it.name for it in locks]
        for lock in locks:
            found = True
            beside = tuple(name for name in names if name != lock.name)
            yield FoundLock(lock, named=folder == path and len(locks) == 1, beside=beside)
    if not found:
        yield FoundLock(find_lockfile(path), named=True)  # says what is wrong


def _folders(top: Path, unread: list[str]) -> Iterator[tuple[Path, int]]:
    """*top* and the folders below it, with their depth; sorted, and without recursion."""
    waiting = [(top, 0)]
    while waiting:
        folder, depth = waiting.pop()
        yield folder, depth
        try:
            with os.scandir(folder) as entries:
                names = sorted(
                    (
                        it.name
                        for it in entries
                        if it.is_dir(follow_symlinks=False) and _is_looked_into(it.name)
                    ),
                    reverse=True,
                )
        except OSError as error:
            unread.append(f"{folder}: cannot be read ({error.strerror}): lockfiles below it were not scanned")
            continue
        waiting.extend((folder / name, depth + 1) for name in names)


def _is_looked_into(name: str) -> bool:
    return name != "node_modules" and not name.startswith(".")
