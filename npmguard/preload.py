"""Loads at the start all that reading a package would load later, for a process that may open nothing then."""

from __future__ import annotations

import codecs
import importlib
import io
import tarfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Modules that are imported where they are first needed.
LATE: Final = (
    "Crypto.Hash.keccak",
    "hyperscan",
    "npmguard.javascript.facts",
    "npmguard.javascript.interest",
    "npmguard.javascript.syntax",
    "npmguard.javascript.windows",
    "re2",
    "unicodedata",
    "yara_x",
)
_CODECS: Final = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-be", "utf-16-le")
_LONG: Final = b"//" + b"a" * 65536 + b"\n"  # than which patterns are shorter: all are compiled
_CODE: Final = b"const a = require('fs'); eval('a' + 1); fetch(`https://registry.invalid/${a}`)\n"
_SAMPLE: Final = {
    "package/package.json": b'{"name": "sample", "version": "1.0.0", "main": "a.js"}',
    "package/a.js": _CODE + _LONG,
    "package/b.ts": _CODE,
    "package/c.tsx": _CODE,
}


def preload(analyse: Callable[[bytes], object]) -> None:
    """Import what is imported late, and have a package of our own read, so that what is built once is built.

    *analyse* reads a tarball.
    """
    for name in LATE:
        importlib.import_module(name)
    for name in _CODECS:
        codecs.lookup(name)
    analyse(_sample())


def _sample() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in _SAMPLE.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
