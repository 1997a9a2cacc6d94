"""OSV's records."""

from __future__ import annotations

from npmguard.intel.osv import parse_osv
from tests.fuzz.harness import Harness, hold, refused

_VERSIONS = ("0.0.0", "1.0.0", "1.0.0-rc.1", "99.99.99", "not a version", "")


def read(data: bytes) -> str:
    """A record that can be asked of any version, or the ValueError that it documents, in one line."""
    try:
        found = parse_osv(data)
    except ValueError as error:
        hold(type(error) is ValueError, f"a {type(error).__name__} instead of the error documented")
        return refused(error)
    for bounds in found.packages.values():
        for version in _VERSIONS:
            bounds.covers(version)
    return f"{len(found.packages)} {len(found.indicators)} {found.withdrawn}"


HARNESS = Harness(
    read,
    "json",
    words=(
        b'"MAL-2025-1"',
        b'"affected":[',
        b'"ranges":[',
        b'"events":[',
        b'"introduced":"0"',
        b'"fixed":',
        b'"last_affected":',
    ),
    share=3000,
)
