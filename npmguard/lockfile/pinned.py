"""The versions that one state of a lock pins, read fast, as hundreds of old states need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from npmguard.errors import LockfileError
from npmguard.lockfile.package_lock import FILE_NAMES
from npmguard.lockfile.reader import parse_lockfile
from npmguard.model import Integrity, LockedPackage

_TREE = "node_modules/"


class Pinned(NamedTuple):
    """One version of one package, known by its bytes; ``integrity`` as the lock spells it, or empty."""

    name: str
    version: str
    integrity: str

    def as_locked(self) -> LockedPackage:
        """The same as an entry of a lock."""
        integrity = Integrity.parse(self.integrity)
        return LockedPackage(name=self.name, version=self.version, location="", line=0, integrity=integrity)


class _Entry(msgspec.Struct):
    version: str | None = None
    name: str | None = None
    integrity: str | None = None
    resolved: str | None = None
    link: bool = False


class _Lock(msgspec.Struct):
    packages: dict[str, _Entry] = {}


_DECODER = msgspec.json.Decoder(_Lock)
Reader = Callable[[bytes, str], Iterator[LockedPackage]]


def pinned_versions(data: bytes, path: str, name: str = "package-lock.json") -> frozenset[Pinned]:
    """Every registry version that the lock in *data* pins; *path* is named in errors, *name* is the file's.

    Raises:
        LockfileError: it is none of the locks that npmguard reads.
    """
    if name in FILE_NAMES:
        try:
            packages = _DECODER.decode(data).packages
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            packages = {}
        if packages:
            return frozenset(_of_entries(packages))
    return frozenset(
        Pinned(each.name, each.version, str(each.integrity or ""))
        for each in parse_lockfile(data, path, name).packages
    )


def try_pinned(data: bytes, path: str, name: str = "package-lock.json") -> frozenset[Pinned] | str:
    """As :func:`pinned_versions`, or why it cannot be read."""
    try:
        return pinned_versions(data, path, name)
    except LockfileError as error:
        return str(error)


def _of_entries(packages: dict[str, _Entry]) -> Iterator[Pinned]:
    for location, entry in packages.items():
        _, inside, last = location.rpartition(_TREE)
        if not inside or entry.link or entry.version is None or _elsewhere(entry.resolved):
            continue
        yield Pinned(entry.name or last, entry.version, entry.integrity or "")


def _elsewhere(resolved: str | None) -> bool:
    return resolved is not None and resolved.startswith(("git", "file:"))
