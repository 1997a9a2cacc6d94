"""What a v2 lock tells npm 6 beyond what it tells newer versions of npm."""

from __future__ import annotations

from npmguard.model import Integrity, LockedPackage, SkippedPackage, SkipReason

Judged = LockedPackage | SkippedPackage
_FOLDERS = frozenset({SkipReason.LINK, SkipReason.FILE})


def told_to_npm_6_alone(legacy: list[Judged], current: list[Judged]) -> list[Judged]:
    """Those of *legacy* (from ``dependencies``) that *current* (from ``packages``) does not cover.

    npm writes the same tree twice into a v2 lock. A package whose name, version, address and hashes stand in
    ``packages`` too, at whatever location, is judged by that entry; what is left could be installed by npm 6
    only, and a reader of one section would never see it.
    """
    told: set[tuple[str, str, str | None, Integrity | None]] = set()
    skipped: dict[str, SkippedPackage] = {}
    for it in current:
        if isinstance(it, LockedPackage):
            # v1 states no address for what was asked for by address, and may state no hash
            told |= {(it.name, it.version, a, i) for a in (it.resolved, None) for i in (it.integrity, None)}
        else:
            skipped[it.location] = it
    return [
        it
        for it in legacy
        if not (
            (it.name, it.version, it.resolved, it.integrity) in told
            or _inside_a_bundle(it, skipped.get(it.location))
            if isinstance(it, LockedPackage)
            else _same_skip(it, skipped.get(it.location))
        )
    ]


def _inside_a_bundle(legacy: LockedPackage, current: SkippedPackage | None) -> bool:
    """v1 cannot tell of every bundled package whose tarball brings it; then it looks like any other."""
    return (
        current is not None
        and current.reason is SkipReason.BUNDLED
        and (legacy.name, legacy.version, legacy.resolved) == (current.name, current.version, None)
    )


def _same_skip(legacy: SkippedPackage, current: SkippedPackage | None) -> bool:
    if current is None:
        return False
    if legacy.reason is SkipReason.FILE and current.reason in _FOLDERS:
        return legacy.detail.removeprefix("file:") == current.detail.removeprefix("link to ").removeprefix(
            "file:"
        )
    return legacy.reason is current.reason and legacy.detail == current.detail
