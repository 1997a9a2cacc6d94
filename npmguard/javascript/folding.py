"""What the built-in functions and methods that hide strings return for constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from npmguard.javascript import numerals, values
from npmguard.javascript.values import UNDEFINED, UNKNOWN, Value

FUNCTIONS = frozenset(
    {
        *(
            "String",
            "String.fromCharCode",
            "String.fromCodePoint",
            "atob",
            "unescape",
            "Number",
            "parseInt",
            "Object",
        ),
        *("decodeURIComponent", "decodeURI", "Array", "Array.of", "Array.from"),
        *("Buffer", "Buffer.from", "buffer.Buffer", "buffer.Buffer.from"),
        *("Uint8Array", "Uint8Array.from", "Uint8Array.of"),
    }
)
METHODS = frozenset(
    {
        *(
            "at",
            "charAt",
            "charCodeAt",
            "codePointAt",
            "concat",
            "decode",
            "join",
            "normalize",
            "padEnd",
            "padStart",
        ),
        *("repeat", "replace", "replaceAll", "reverse", "slice", "split", "subarray", "substr", "substring"),
        *(
            "toLocaleLowerCase",
            "toLocaleUpperCase",
            "toLowerCase",
            "toReversed",
            "toString",
            "toUpperCase",
            "trim",
        ),
        *("trimEnd", "trimLeft", "trimRight", "trimStart", "valueOf"),
    }
)
CHEAP = frozenset({"at", "charAt", "charCodeAt", "codePointAt", "slice", "substr", "substring", "subarray"})
"""Methods whose work does not grow with what they are called on."""


def call_function(name: str, given: Sequence[Value], limit: int) -> Value:
    """The value of one of FUNCTIONS for its arguments; *limit* caps the length of what is made."""
    first = given[0] if given else UNDEFINED
    if name in {"String.fromCharCode", "String.fromCodePoint"}:
        return values.from_codes(given, points=name == "String.fromCodePoint")
    if name == "Array.of" or (name == "Array" and (len(given) != 1 or isinstance(first, str))):
        return tuple(given)
    if first is UNKNOWN or UNKNOWN in given[1:2]:
        return UNKNOWN
    if name == "Array.from":
        return tuple(first) if isinstance(first, (str, tuple, bytes)) and len(given) == 1 else UNKNOWN
    if name.startswith(("Buffer", "buffer", "Uint8Array")):
        return _bytes(name, first, given)
    if name in {"String", "Object"}:
        text = values.to_string(first, limit) if given else ""
        return UNKNOWN if text is None else text
    if name == "Number":
        return _known(values.to_number(first))
    return _decoded(name, first, given) if isinstance(first, str) else UNKNOWN


def call_method(value: Value, name: str, given: Sequence[Value], limit: int) -> Value:
    """The value of one of METHODS, called on *value* with constant arguments."""
    if isinstance(value, str):
        return _string_method(value, name, given, limit)
    if isinstance(value, tuple):
        return _array_method(value, name, given, limit)
    if isinstance(value, bytes):
        return _buffer_method(value, name, given)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and name == "toString":
        radix = values.to_number(given[0]) if given else 10
        return UNKNOWN if radix is None else _known(numerals.in_radix(value, radix))
    return UNKNOWN


def _known(value: Value | None) -> Value:
    return UNKNOWN if value is None else value


def _decoded(name: str, text: str, given: Sequence[Value]) -> Value:
    if name == "atob":
        decoded = values.base64(text)
        return UNKNOWN if decoded is None else decoded.decode("latin-1")
    if name == "unescape":
        return values.unescape(text)
    if name in {"decodeURIComponent", "decodeURI"}:
        return values.percent_decode(text)
    if name == "parseInt":
        radix = values.to_number(given[1]) if len(given) > 1 else 0
        return UNKNOWN if radix is None else numerals.parse_int(text, radix)
    return UNKNOWN


def _bytes(name: str, first: Value, given: Sequence[Value]) -> Value:
    if isinstance(first, str) and not name.startswith("Uint8Array"):
        encoding = given[1] if len(given) > 1 else "utf8"
        return _known(values.encode_bytes(first, encoding)) if isinstance(encoding, str) else UNKNOWN
    if isinstance(first, bytes):
        return first
    items = tuple(given) if name.endswith(".of") else first
    if not isinstance(items, tuple):
        return UNKNOWN
    data = bytearray()
    for item in items:
        code = values.index_of(item)
        if code is None:
            return UNKNOWN
        data.append(code & 0xFF)
    return bytes(data)


def _buffer_method(value: bytes, name: str, given: Sequence[Value]) -> Value:
    if name in {"slice", "subarray"}:
        return _sliced(value, "slice", given)
    encoding = given[0] if given else "utf8"
    if name != "toString" or not isinstance(encoding, str) or len(given) > 1:
        return UNKNOWN
    return values.decode_bytes(value, encoding)


def _array_method(value: tuple[Value, ...], name: str, given: Sequence[Value], limit: int) -> Value:
    if name == "slice":
        return _sliced(value, name, given)
    if name in {"reverse", "toReversed"}:
        return value[::-1]
    if name == "at":
        index = values.index_of(given[0]) if given else 0
        return value[index] if index is not None and -len(value) <= index < len(value) else UNDEFINED
    if name in {"join", "toString"}:
        separator = given[0] if given and given[0] is not UNDEFINED else ","
        return _known(values.join(value, separator, limit)) if isinstance(separator, str) else UNKNOWN
    if name == "concat":
        joined = list(value)
        for each in given:
            joined.extend(each if isinstance(each, tuple) else (each,))
            values.check(len(joined), limit)
        return tuple(joined)
    return UNKNOWN


def _string_method(value: str, name: str, given: Sequence[Value], limit: int) -> Value:
    first = given[0] if given else UNDEFINED
    if name in _CASES:
        return _CASES[name](value)
    if name == "decode":  # of a TextDecoder, which stands for an empty string
        return values.decode_bytes(first, "utf8") if isinstance(first, bytes) else UNKNOWN
    if name == "split":
        return values.split(value, first) if len(given) <= 1 else UNKNOWN
    if name == "concat":
        return _known(values.join((value, *given), "", limit))
    if name in {"replace", "replaceAll"}:
        if len(given) != 2 or not isinstance(given[1], str):
            return UNKNOWN
        return values.replace(value, first, given[1], every=name == "replaceAll", limit=limit)
    if name in {"slice", "substring", "substr"}:
        return _sliced(value, name, given)
    if name in {"padStart", "padEnd"}:
        filler = given[1] if len(given) > 1 else " "
        size = values.to_number(first)
        if size is None or not isinstance(filler, str):
            return UNKNOWN
        return values.pad(value, size, filler, start=name == "padStart", limit=limit)
    if name == "repeat":
        times = values.to_number(first)
        return UNKNOWN if times is None else values.repeat(value, times, limit)
    return _character(value, name, given)


def _sliced(value: str | bytes | tuple[Value, ...], name: str, given: Sequence[Value]) -> Value:
    bounds = []
    for each in given[:2]:
        bound = values.to_number(each)
        if bound is None:
            return UNKNOWN
        bounds.append(bound)
    return values.slice_like(value, name, bounds)


def _character(value: str, name: str, given: Sequence[Value]) -> Value:
    index = values.index_of(given[0]) if given else 0
    if index is None or name not in {"charAt", "at", "charCodeAt", "codePointAt"}:
        return UNKNOWN
    if name == "at" and index < 0:
        index += len(value)
    if not 0 <= index < len(value):
        return "" if name == "charAt" else UNKNOWN
    if name in {"charAt", "at"}:
        return value[index]
    return ord(value[index]) if name == "charCodeAt" else ord(values.as_text(value[index : index + 2])[0])


_CASES: dict[str, Callable[[str], str]] = {
    "toString": str,
    "valueOf": str,
    "normalize": str,
    "toLowerCase": str.lower,
    "toLocaleLowerCase": str.lower,
    "toUpperCase": str.upper,
    "toLocaleUpperCase": str.upper,
    "trim": str.strip,
    "trimStart": str.lstrip,
    "trimLeft": str.lstrip,
    "trimEnd": str.rstrip,
    "trimRight": str.rstrip,
}
