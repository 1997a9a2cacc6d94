"""Judgements that still stand, so that a second scan judges no version again of which nothing has changed.

What a judgement follows from is part of its key, or is kept beside it and held against what is so now: the
bytes that the lock pins, the settings, every byte of npmguard, its rules and its data, the libraries' versions,
the documents of the registry, its signing keys. A judgement that an age or a stranger's word had a part in is
not kept at all. One that does not fit is made anew.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from npmguard.judgement import Judgement
from npmguard.shipped import shipped_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from npmguard.model import LockedPackage
    from npmguard.registry.evidence_cache import EvidenceCache

_KIND: Final = "judgement"
_PASSED_OVER: Final = "__pycache__"


class Grounds(msgspec.Struct, frozen=True, array_like=True):
    """What a judgement rests on that its key does not hold.

    ``documents`` are the packuments that were looked into, by name, each by its digest; ``keys`` is the digest
    of the registry's answer about its signing keys, ``since`` when (UTC) its age began not to matter,
    ``malicious`` the versions of that package that were known to be malware, and that no baseline may be.
    ``program`` is the digest of what judged, which another version of npmguard replaces in its place.
    """

    documents: tuple[tuple[str, bytes], ...]
    keys: bytes
    since: datetime
    malicious: tuple[str, ...]
    program: bytes


class Recall:
    """Judgements in a cache; every method may be called from many threads.

    Args:
        cache: where they are kept.
        scope: the settings, and whatever else may differ between scans that take turns.
        rules: the digest of the rules in force.
    """

    def __init__(self, cache: EvidenceCache, scope: bytes, rules: bytes) -> None:
        self._cache = cache
        self._scope = sha256(scope)
        self.program = sha256(program_digest() + rules).digest()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(tuple[Grounds, Judgement])

    def get(self, package: LockedPackage, registry: str) -> tuple[Grounds, Judgement] | None:
        """What was judged of that entry of a lock, wherever it stands in it, and what that rests on."""
        kept = self._cache.get(_KIND, self._key(package, registry))
        if kept is None:
            return None
        try:
            return self._decoder.decode(kept.value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError, ValueError):
            return None  # it is judged again, and the row written anew

    def put(self, package: LockedPackage, registry: str, grounds: Grounds, judgement: Judgement) -> None:
        """Keep a judgement, in the place of an earlier one of that entry."""
        value = self._encoder.encode((grounds, replace(judgement, packument=None)))
        self._cache.put(_KIND, self._key(package, registry), value)

    def _key(self, package: LockedPackage, registry: str) -> str:
        digest = self._scope.copy()
        digest.update(self._encoder.encode((registry, replace(package, location="", line=0))))
        return digest.hexdigest()


@cache
def program_digest() -> bytes:
    """Digest of all that npmguard is: its files, its data, this Python, the versions of what is installed."""
    digest = sha256(sys.version.encode())
    for folder in map(str, (Path(__file__).parent, shipped_folder())):
        for path in sorted(_files(folder)):
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - hundreds of small files
                content = file.read()
            digest.update(b"%b\0%d\0%b" % (os.fsencode(path[len(folder) :]), len(content), content))
    libraries = Path(msgspec.__file__).parents[1]
    for name in sorted(name for name in os.listdir(libraries) if name.endswith(".dist-info")):  # noqa: PTH208 - names
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
    return digest.digest()


def _files(folder: str) -> Iterable[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != _PASSED_OVER:
                    yield from _files(entry.path)
            else:
                yield entry.path
