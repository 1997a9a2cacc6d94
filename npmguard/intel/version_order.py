"""The order of npm's versions, in which the ranges of advisories are evaluated."""

from __future__ import annotations

import re
from functools import lru_cache

#: A key that sorts as Semantic Versioning 2.0 (section 11) does; build metadata has no say.
Key = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]

_LENGTH = 256  # the longest version that npm accepts
_IDENTIFIER = r"(?:[0-9]*[a-zA-Z-][a-zA-Z0-9-]*|[0-9]+)"
_VERSION = re.compile(
    r"[v=\s]*([0-9]+)\.([0-9]+)\.([0-9]+)"
    rf"(?:-?({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[a-zA-Z0-9.-]+)?",
    re.ASCII,
)
_SHORT = re.compile(r"v?([0-9]+)(?:\.([0-9]+))?", re.ASCII)


@lru_cache(maxsize=16384)
def version_key(text: str) -> Key | None:
    """The sort key of a version in npm's loose spelling (``v1.2.3``, ``1.2.3beta``); None where it is none."""
    found = _VERSION.fullmatch(text.strip()) if len(text) <= _LENGTH else None
    if found is None:
        return None
    prerelease = tuple(
        (False, int(part), "") if part.isdigit() else (True, 0, part)
        for part in (found[4] or "").split(".")
        if part
    )
    return int(found[1]), int(found[2]), int(found[3]), not prerelease, prerelease


def bound_key(text: str) -> Key | None:
    """The sort key of a bound in an advisory, where ``1`` and ``1.2`` stand for ``1.0.0`` and ``1.2.0``."""
    short = _SHORT.fullmatch(text.strip()) if len(text) <= _LENGTH else None
    return version_key(f"{short[1]}.{short[2] or 0}.0") if short is not None else version_key(text)
