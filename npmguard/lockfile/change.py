"""What one state of a lock brings in against another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from npmguard.model import ChangeKind, LockChange, LockedPackage, Lockfile, SkippedPackage


def narrowed(new: Lockfile, old: Lockfile) -> Lockfile:
    """*new* with those of its entries alone that *old* does not hold with the same bytes from the same place.

    The dependency graph stays whole, so that the way to each of them can be told. What the project asks for
    and neither lock holds is left out, too.
    """
    known = {_identity(package) for package in old.packages}
    skipped = {_skip_identity(entry) for entry in old.skipped}
    packages = tuple(package for package in new.packages if _identity(package) not in known)
    others = tuple(entry for entry in new.skipped if _skip_identity(entry) not in skipped)
    missing = tuple(each for each in new.missing if each not in set(old.missing))
    entries = len(packages) + len(others)
    return replace(new, packages=packages, skipped=others, missing=missing, entries=entries)


def changes(old: Lockfile, new: Lockfile) -> tuple[LockChange, ...]:
    """What came, went and changed between two states of a lock, by name, then version.

    A version is *changed* where the name had another one that is gone: the highest place in the tree pairs
    first. One that stays with other bytes, or from another place, is *replaced*.
    """
    before, after = _versions(old.packages), _versions(new.packages)
    found: list[LockChange] = []
    for name in sorted({*before, *after}):
        gone = [version for version in before.get(name, {}) if version not in after.get(name, {})]
        for version, entries in after.get(name, {}).items():
            was = before.get(name, {}).get(version)
            if was is None:
                earlier = gone.pop(0) if gone else None
                kind = ChangeKind.ADDED if earlier is None else ChangeKind.CHANGED
                found.append(LockChange(name, kind, earlier, version))
            elif {_identity(each) for each in entries} - {_identity(each) for each in was}:
                found.append(LockChange(name, ChangeKind.REPLACED, version, version))
        found += [LockChange(name, ChangeKind.REMOVED, version, None) for version in gone]
    return tuple(found)


def _versions(packages: Iterable[LockedPackage]) -> Mapping[str, dict[str, list[LockedPackage]]]:
    """The entries of each version of each name; the versions in the order of their highest place."""
    found: dict[str, dict[str, list[LockedPackage]]] = defaultdict(dict)
    for package in sorted(packages, key=lambda it: (it.location.count("node_modules/"), it.location)):
        found[package.name].setdefault(package.version, []).append(package)
    return found


def _identity(package: LockedPackage) -> tuple[str, str, str, str]:
    return package.name, package.version, str(package.integrity or ""), package.resolved or ""


def _skip_identity(entry: SkippedPackage) -> tuple[str, str, str, str]:
    return entry.location, entry.reason.value, entry.detail, entry.version or ""
