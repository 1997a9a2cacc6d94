"""npm's own content-addressed cache, read and never written.

Layout: https://github.com/npm/cacache, ``content-v2/<algorithm>/<2 hex>/<2 hex>/<rest of the hex digest>``
below ``_cacache`` in npm's cache folder.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from npmguard.model import Integrity

_KNOWN = ("sha512", "sha384", "sha256", "sha1")


def read_npm_cache(cache: Path, integrity: Integrity, limit: int) -> bytes | None:
    """The bytes that *integrity* names, from npm's cache folder *cache*; None where it does not hold them.

    The strongest hash decides, and the bytes are hashed here: what a cache claims is not believed. A file that
    cannot be read, is bigger than *limit* bytes or holds other bytes is as good as none: the registry is asked.
    """
    if not integrity.hashes or integrity.hashes[0].algorithm not in _KNOWN:
        return None
    strongest = integrity.hashes[0]
    digest = strongest.digest.hex()
    path = cache.joinpath("_cacache", "content-v2", strongest.algorithm, digest[:2], digest[2:4], digest[4:])
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # ValueError: a NUL in the configured path
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(status.st_size + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    matches = hashlib.new(strongest.algorithm, content, usedforsecurity=False).digest() == strongest.digest
    return content if matches else None
