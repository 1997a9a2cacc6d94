"""Hidden text made visible at the level of bytes: the prefilter's cheap shadow of constant folding."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Collection, Iterator
from enum import StrEnum
from functools import cache
from typing import Protocol

_ESCAPE = re.compile(rb"\\(?:x([2-7][0-9a-fA-F])|u00([2-7][0-9a-fA-F])|u\{0{0,4}([2-7][0-9a-fA-F])\}|\r?\n)")
_ESCAPED = (
    rb"""[^"'`\s;,(){}]*\\(?:x[2-7][0-9a-fA-F]|u00[2-7]|u\{0{0,4}[2-7]|\r?\n)"""
    rb"""(?:[^"'`\n]|\\\r?\n)*"""
)
_LITERAL = rb"""(?:"[^"\n]*"|'[^'\n]*'|`[^`\n]*`)"""
_PLUS = rb"""\s*\+\s*(?:[0-9]{1,3}\s*\+\s*)?"""
_JOINED = _LITERAL + rb"(?:" + _PLUS + _LITERAL + rb")+"
_JOINT = re.compile(rb"""["'`]\s*\+\s*(?:([0-9]{1,3})\s*\+\s*)?["'`]""")
_ARRAY = rb"""\[\s*["'`][^"'`\]\n]{0,96}["'`]\s*(?:,\s*["'`][^"'`\]\n]{0,96}["'`]\s*)+,?\s*\]"""
_NO_CODE = bytes(32 if byte in b"=(," else byte for byte in range(256))  # words read backwards, not statements
_PIECE = re.compile(rb"""["'`]([^"'`\]\n]{0,96})["'`]""")
_ENCODED = rb"""["'`][A-Za-z0-9+/_-]{8,}={0,2}["'`]"""
_PRINTABLE = rb"(?:3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6]|0x[2-7][0-9a-fA-F])"
_CODES = rb"[\[(]\s*" + _PRINTABLE + rb"(?:\s*,\s*" + _PRINTABLE + rb"){3,}"
_CODE = re.compile(rb"0x[0-9a-fA-F]{2}|[0-9]{2,3}")
_HEX = re.compile(rb"(?:[2-7][0-9a-fA-F]){4,}")
_READABLE = re.compile(rb"[\t\n\r -~]{4}")
# How base64 begins of bytes that begin so: most words in quotes do not.
_OF_READABLE = re.compile(
    rb"[CDI-Za-f][ACDEFGHQSTUVWXgijklmnwyz0123][ABEFIJMNQRUVYZcdghklopstwx014589].[CDI-Za-f]"
)


class _Pattern(Protocol):
    def search(self, text: bytes) -> object: ...
    def finditer(self, text: bytes) -> Iterator[re.Match[bytes]]: ...


class Means(StrEnum):
    """What code builds strings with at run time."""

    ESCAPES = "escapes"
    JOINTS = "joints"  # literals with a + between
    ARRAYS = "arrays"  # of literals that are joined
    CODES = "codes"  # of characters
    ENCODED = "encoded"  # base64, hexadecimal
    REVERSED = "reversed"


def unfold(content: bytes, means: Collection[Means]) -> bytes:
    """The texts that *content* could make of its own literals by *means*; nothing if there are none.

    Escapes are decoded and literals that a ``+`` joins are put together; then literals of an array are
    joined, forwards and backwards, character codes become characters, base64 and hexadecimal literals are
    decoded, and where something is reversed all of it is read backwards too. More is produced than the code
    would: this decides what is read, never what is said of it.
    """
    parts: list[bytes] = []
    if Means.REVERSED not in means and _any_of(frozenset(means)).search(content) is None:
        return b""
    if Means.ESCAPES in means:
        parts.extend(_ESCAPE.sub(_unescaped, match[0]) for match in _compiled(_ESCAPED).finditer(content))
    if Means.JOINTS in means:
        parts.extend(_JOINT.sub(rb"\1", match[0]) for match in _compiled(_JOINED).finditer(content))
    text = b"\n".join([content, *parts]) if parts else content
    if Means.ARRAYS in means:
        parts.extend(_joined_arrays(text))
    if Means.CODES in means:
        parts.extend(_characters(text))
    if Means.ENCODED in means:
        parts.extend(_decoded(text))
    if Means.REVERSED in means:
        parts.append(text[::-1].translate(_NO_CODE))
    return b"\n".join(parts)


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex((match[1] or match[2] or match[3] or b"").decode())


def _joined_arrays(text: bytes) -> Iterator[bytes]:
    for match in _compiled(_ARRAY).finditer(text):
        pieces = _PIECE.findall(match[0])
        yield b"'" + b"".join(pieces) + b"'"
        yield b"'" + b"".join(reversed(pieces)) + b"'"


def _characters(text: bytes) -> Iterator[bytes]:
    for match in _compiled(_CODES).finditer(text):
        yield b"'" + bytes(int(code, 0) for code in _CODE.findall(match[0])) + b"'"


def _decoded(text: bytes) -> Iterator[bytes]:
    for match in _compiled(_ENCODED).finditer(text):
        encoded = match[0][1:-1]
        if _HEX.fullmatch(encoded):
            yield b"'" + bytes.fromhex(encoded.decode("ascii")) + b"'"
        body = encoded.rstrip(b"=")
        if len(body) % 4 == 1 or not _OF_READABLE.match(body):
            continue
        plain = b64decode(body.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(body) % 4))
        if _READABLE.match(plain):
            yield b"'" + plain + b"'"


_SHAPES = {
    Means.ESCAPES: _ESCAPED,
    Means.JOINTS: _JOINED,
    Means.ARRAYS: _ARRAY,
    Means.CODES: _CODES,
    Means.ENCODED: _ENCODED,
}
"""What each means needs in the source, or in what another one makes of it."""


@cache
def _any_of(means: frozenset[Means]) -> _Pattern:
    """What is there where *means* make anything: whole files have none of it."""
    return _compiled(b"|".join(shape for each, shape in _SHAPES.items() if each in means))


@cache
def _compiled(pattern: bytes) -> _Pattern:
    """RE2 for the passes over whole files: it keeps its speed whatever the bytes are."""
    import re2  # noqa: PLC0415 - a warm scan reads no package

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.never_capture = True
    options.max_mem = 64 << 20
    compiled: _Pattern = re2.compile(pattern, options)
    return compiled
