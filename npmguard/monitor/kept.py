"""A judged version as it is stored for another judgement."""

from __future__ import annotations

import zlib
from typing import Final

import msgspec

from npmguard.detect.kept import FORMAT
from npmguard.model import Kept, PackageReport

CODE_KEPT: Final = FORMAT
CODE_NOT_KEPT: Final = "npmguard.report-only/1"
"""The facts of the code are over the cap, or the tarball could not be read."""


class KeptVersion(msgspec.Struct, frozen=True):
    """A version with its newest report; ``drawn`` is the ruleset for which its facts were drawn."""

    drawn: str
    report: PackageReport
    kept: Kept


_DECODER = msgspec.msgpack.Decoder(KeptVersion)


def pack(version: KeptVersion) -> bytes:
    """The bytes to store; none where the report cannot be written so."""
    try:
        return zlib.compress(msgspec.msgpack.encode(version))
    except UnicodeEncodeError:  # half of a character in a report
        return b""


def unpack(content: bytes) -> KeptVersion | None:
    """What :func:`pack` stored; None where it is damaged, or of another npmguard."""
    try:
        return _DECODER.decode(zlib.decompress(content))
    except (zlib.error, msgspec.DecodeError):
        return None
