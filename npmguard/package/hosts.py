"""The hosts that a version's code names and the one before does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from npmguard.model import PackageArchive

MAX_HOSTS: Final = 1000

_HOST = re.compile(
    rb"\b(?:https?|wss?|ftp):\\?/\\?/(?:[^\s/@\"'`<>\\]{1,64}@)?"
    rb"([a-z0-9](?:[a-z0-9-]{0,62}\.){0,8}[a-z0-9-]{0,62}[a-z0-9]|\[[0-9a-f:.]{2,45}\])",
    re.IGNORECASE,
)
_DOCUMENTS = (".md", ".markdown", ".txt", ".map")


def added_hosts(old: PackageArchive, new: PackageArchive) -> tuple[str, ...]:
    """Hosts of URLs in the *new* archive's kept files that no kept file of the *old* one names, sorted.

    Spelled-out URLs only, wherever they stand: a comment counts, documents and source maps do not. An address
    that code puts together is a matter of facts. At most :data:`MAX_HOSTS`.
    """
    known = {host for content in _contents(old) for host in _hosts(content)}
    found: set[str] = set()
    for content in _contents(new):
        found |= _hosts(content) - known
        if len(found) > MAX_HOSTS:
            break
    return tuple(sorted(found)[:MAX_HOSTS])


def _contents(archive: PackageArchive) -> Iterator[bytes]:
    for path in sorted(archive.files):
        content = archive.files[path].content
        if content is not None and not path.lower().endswith(_DOCUMENTS):
            yield content


def _hosts(content: bytes) -> set[str]:
    return {match[1].decode("ascii").lower() for match in _HOST.finditer(content)}
