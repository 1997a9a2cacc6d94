"""Version numbers as npm reads them: semver 2.0, and the loose spellings of the registry's early years."""

from __future__ import annotations

import re
from functools import lru_cache

from semver import Version

#: major, minor, patch, whether it is a release, and the identifiers of a prerelease: numbers before words
Precedence = tuple[int, int, int, bool, tuple[tuple[int, int, str], ...]]

_MAX_LENGTH = 256  # of npm's own semver
_MAX_NUMBER = 2**53 - 1
_IDENTIFIER = r"(?:[0-9]*[a-zA-Z-][a-zA-Z0-9-]*|[0-9]+)"
_LOOSE = re.compile(
    rf"[v=\s]*([0-9]+)\.([0-9]+)\.([0-9]+)(?:-?({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[a-zA-Z0-9.-]+)?",
    re.ASCII,
)


@lru_cache(maxsize=65536)
def parse_version(text: str) -> Version | None:
    """The version that npm's semver reads with ``loose: true``, without build metadata; None for none.

    Loose means ``v1.2.3``, ``=1.2.3``, ``01.2.3`` and ``1.2.3beta``, all of which the registry holds.
    """
    found = _read(text)
    if found is None:
        return None
    major, minor, patch, prerelease = found
    return Version(
        major, minor, patch, ".".join(map(_identifier, prerelease.split("."))) if prerelease else None
    )


@lru_cache(maxsize=65536)
def precedence(text: str) -> Precedence | None:
    """What versions are sorted by, in the order of semver and many times as fast; None where it is none."""
    found = _read(text)
    if found is None:
        return None
    major, minor, patch, prerelease = found
    if not prerelease:
        return (major, minor, patch, True, ())
    parts = tuple((0, int(it), "") if it.isdigit() else (1, 0, it) for it in prerelease.split("."))
    return (major, minor, patch, False, parts)


def clean_version(text: str) -> str:
    """What npm makes of a manifest's version: ``v1.2.3+build`` is 1.2.3; as it stands where it is none."""
    version = parse_version(text)
    return text if version is None else str(version)


def _read(text: str) -> tuple[int, int, int, str | None] | None:
    """The numbers, and the identifiers of a prerelease as they are spelled."""
    found = _LOOSE.fullmatch(text.strip()) if len(text) <= _MAX_LENGTH else None
    if found is None:
        return None
    first, second, third, prerelease = found.groups()
    major, minor, patch = int(first), int(second), int(third)
    if major > _MAX_NUMBER or minor > _MAX_NUMBER or patch > _MAX_NUMBER:
        return None
    return major, minor, patch, prerelease


def _identifier(part: str) -> str:
    return str(int(part)) if part.isdigit() and int(part) < _MAX_NUMBER else part
