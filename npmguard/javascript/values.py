"""Constant values of JavaScript and the pure operations on them that hide strings.

A string is a Python ``str`` of UTF-16 code units (a character beyond the BMP is its two surrogates), so that
indices and lengths are those of JavaScript; :func:`as_text` joins them again. An array is a tuple, a Buffer or
typed array of bytes is ``bytes``. Whatever cannot be known is :data:`UNKNOWN`.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

import re2

from npmguard.javascript import numerals


class Special(Enum):
    """The values that have no Python twin of their own; UNKNOWN is "not a constant"."""

    UNKNOWN = "unknown"
    UNDEFINED = "undefined"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression literal."""

    source: str
    flags: str


Value: TypeAlias = "str | float | Special | Regex | bytes | tuple[Value, ...]"

UNKNOWN = Special.UNKNOWN
UNDEFINED = Special.UNDEFINED
NULL = Special.NULL


class TooLarge(Exception):  # noqa: N818 - not an error: the folder turns it into UNKNOWN and a problem
    """A constant would grow over the cap."""


_ESCAPE = re.compile(
    r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|([0-3]?[0-7]{1,2})|(\r\n|[\s\S])?)"
)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"} | dict.fromkeys(
    ("\n", "\r", "\r\n", "\u2028", "\u2029"), ""
)
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def as_text(value: str) -> str:
    """A JavaScript string as Python text: surrogate pairs joined, lone ones replaced by U+FFFD."""
    if value.isascii():
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def as_units(text: str) -> str:
    """Python text as a JavaScript string of UTF-16 code units."""
    if text.isascii():
        return text
    return _ASTRAL.sub(lambda match: _pair(ord(match[0])), text)


def code_point(code: int) -> str:
    """The JavaScript string of one code point."""
    if code < 0x10000:
        return chr(code)
    return _pair(code) if code < 0x110000 else "\ufffd"


def unescape_literal(raw: bytes) -> str:
    """What the inside of a string or template literal stands for."""
    if b"\\" not in raw:
        return as_units(raw.decode("utf-8", "replace"))
    return _ESCAPE.sub(_unescaped, as_units(raw.decode("utf-8", "replace")))


def _unescaped(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3]
    if digits:
        return code_point(int(digits, 16))
    if match[4]:
        return chr(int(match[4], 8))
    return _SIMPLE.get(match[5] or "", match[5] or "")


def to_string(value: Value, limit: int) -> str | None:
    """What JavaScript's ``String(value)`` is; None where it is not known."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return numerals.number_text(value)
    if isinstance(value, Regex):
        return f"/{value.source}/{value.flags}"
    if isinstance(value, bytes):
        return as_units(value.decode("utf-8", "replace"))
    if isinstance(value, tuple):
        return join(value, ",", limit)
    return None if value is UNKNOWN else value.value


def to_number(value: Value) -> float | None:
    """What JavaScript's ``Number(value)`` is; None where it is not known."""
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str):
        stripped = value.strip()
        return numerals.number(stripped) if stripped else 0
    return 0 if value is NULL else None


def truth(value: Value) -> bool | None:
    """Whether JavaScript takes the value for true; None where it is not known."""
    if value is UNKNOWN:
        return None
    if isinstance(value, Special):
        return False
    if isinstance(value, (tuple, Regex, bytes)):
        return True
    return bool(value) and value == value  # noqa: PLR0124 - NaN is false


def index_of(value: Value) -> int | None:
    """A whole number given as a number or its decimal text, for indexing."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    if isinstance(value, (int, float)) and math.isfinite(value) and int(value) == value:
        return int(value)
    return None


def join(items: Sequence[Value], separator: str, limit: int) -> str | None:
    """``items.join(separator)``; None where an item is not known."""
    parts = []
    size = len(separator) * len(items)
    for item in items:
        part = "" if item is UNDEFINED or item is NULL else to_string(item, limit)
        if part is None:
            return None
        size += len(part)
        check(size, limit)
        parts.append(part)
    return separator.join(parts)


def from_codes(codes: Sequence[Value], *, points: bool) -> Value:
    """``String.fromCharCode`` or, with *points*, ``String.fromCodePoint``."""
    parts = []
    for code in codes:
        value = to_number(code)
        if value is None or not math.isfinite(value):
            return UNKNOWN
        if points and not 0 <= value < 0x110000:
            return UNKNOWN
        parts.append(code_point(int(value)) if points else chr(int(value) & 0xFFFF))
    return "".join(parts)


def decode_bytes(data: bytes, encoding: str) -> Value:
    """``buffer.toString(encoding)``."""
    name = encoding.lower()
    if name in {"utf8", "utf-8"}:
        return as_units(data.decode("utf-8", "replace"))
    if name in {"latin1", "binary"}:
        return data.decode("latin-1")
    if name == "ascii":
        return bytes(byte & 0x7F for byte in data).decode("ascii")
    if name in {"utf16le", "utf-16le", "ucs2", "ucs-2"}:
        return data[: len(data) & ~1].decode("utf-16-le", "replace")
    if name == "hex":
        return data.hex()
    return UNKNOWN


def encode_bytes(text: str, encoding: str) -> bytes | None:
    """``Buffer.from(text, encoding)``; None for an encoding that there is not."""
    name = encoding.lower()
    if name == "hex":
        digits = re.match("(?:[0-9A-Fa-f]{2})*", text)
        return bytes.fromhex(digits[0]) if digits else b""
    if name in {"base64", "base64url"}:
        return base64(text)
    if name in {"utf8", "utf-8"}:
        return as_text(text).encode("utf-8", "replace")
    if name in {"latin1", "binary", "ascii"}:
        return bytes(ord(unit) & 0xFF for unit in text)
    if name in {"utf16le", "utf-16le", "ucs2", "ucs-2"}:
        return text.encode("utf-16-le", "surrogatepass")
    return None


def base64(text: str) -> bytes | None:
    """Base64 of either alphabet, with or without padding, as Node and ``atob`` read it; None if broken."""
    digits = re.sub(r"[\s=]+", "", text).translate({45: "+", 95: "/"})
    if not digits.isascii():
        return None
    try:
        return b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except Base64Error:
        return None


def percent_decode(text: str) -> Value:
    """``decodeURIComponent``."""
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        return UNKNOWN
    try:
        return as_units(unquote_to_bytes(as_text(text)).decode("utf-8"))
    except UnicodeDecodeError:
        return UNKNOWN


def unescape(text: str) -> str:
    """The old global ``unescape``: ``%xx`` and ``%uxxxx``."""
    return re.sub(
        "%(?:u([0-9A-Fa-f]{4})|([0-9A-Fa-f]{2}))", lambda match: chr(int(match[1] or match[2], 16)), text
    )


def replace(text: str, pattern: Value, new: str, *, every: bool, limit: int) -> Value:
    """``text.replace(pattern, new)`` or ``replaceAll``, for a replacement without ``$``."""
    if "$" in new:
        return UNKNOWN
    if isinstance(pattern, str):
        check(len(text) + text.count(pattern) * len(new), limit)
        return text.replace(pattern, new, -1 if every else 1)
    if not isinstance(pattern, Regex):
        return UNKNOWN
    compiled = _compile(pattern)
    if compiled is None:
        return UNKNOWN
    check((len(text) + 1) * (len(new) + 1), 64 * limit)
    result = compiled.sub(lambda _match: as_text(new), as_text(text), 0 if "g" in pattern.flags else 1)
    check(len(result), limit)
    return as_units(str(result))


def split(text: str, separator: Value) -> Value:
    """``text.split(separator)``."""
    if isinstance(separator, str):
        return tuple(text) if not separator else tuple(text.split(separator))
    if separator is UNDEFINED:
        return (text,)
    if isinstance(separator, Regex):
        if separator.source in {"", "(?:)"}:
            return tuple(text)
        compiled = _compile(separator)
        if compiled is not None and not compiled.groups:
            return tuple(as_units(str(part)) for part in compiled.split(as_text(text)))
    return UNKNOWN


def slice_like(value: str | tuple[Value, ...] | bytes, name: str, bounds: Sequence[float]) -> Value:
    """``slice``, ``subarray``, ``substring`` or ``substr`` of a string, array or Buffer."""
    size = len(value)
    first = _bound(bounds, 0, 0)
    if name == "substr":
        start = max(size + first, 0) if first < 0 else first
        return value[start : start + max(_bound(bounds, 1, size), 0)]
    last = _bound(bounds, 1, size)
    if name == "substring":
        first, last = sorted((min(max(first, 0), size), min(max(last, 0), size)))
        return value[first:last]
    first = max(size + first, 0) if first < 0 else first
    last = max(size + last, 0) if last < 0 else last
    return value[first:last]


def pad(text: str, size: float, filler: str, *, start: bool, limit: int) -> Value:
    """``padStart`` or ``padEnd``."""
    if not math.isfinite(size) or not filler or size <= len(text):
        return text
    check(size, limit)
    missing = int(size) - len(text)
    padding = (filler * (missing // len(filler) + 1))[:missing]
    return padding + text if start else text + padding


def repeat(text: str, times: float, limit: int) -> Value:
    """``text.repeat(times)``."""
    if not math.isfinite(times) or times < 0:
        return UNKNOWN
    check(len(text) * int(times), limit)
    return text * int(times)


def _pair(code: int) -> str:
    offset = code - 0x10000
    return chr(0xD800 + (offset >> 10)) + chr(0xDC00 + (offset & 0x3FF))


def _bound(bounds: Sequence[float], position: int, default: int) -> int:
    if position >= len(bounds):
        return default
    value = bounds[position]
    if math.isnan(value):
        return 0
    return int(min(max(value, -(2**31)), 2**31))


def check(size: float, limit: int) -> None:
    """Raise :class:`TooLarge` for a constant over the cap."""
    if size > limit:
        raise TooLarge


def _compile(pattern: Regex) -> re2._Regexp | None:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    options.case_sensitive = "i" not in pattern.flags
    options.dot_nl = "s" in pattern.flags
    try:
        return re2.compile(as_text(pattern.source), options)
    except re2.error:
        return None
