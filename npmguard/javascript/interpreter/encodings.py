"""The built-in functions that encode texts: percent signs, base64, Buffers, JSON."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from npmguard.javascript import numerals, values
from npmguard.javascript.interpreter import coerce
from npmguard.javascript.interpreter.arrays import items_of
from npmguard.javascript.interpreter.coerce import int32, tidy
from npmguard.javascript.interpreter.machine import OBJECT_UNITS, Machine
from npmguard.javascript.interpreter.model import (
    CONSTRUCTING,
    JS,
    Arr,
    Failure,
    GiveUp,
    Obj,
    Octets,
    Pattern,
    Thrown,
)
from npmguard.javascript.interpreter.properties import GLOBALS, METHODS, STATICS, Table, keys, native
from npmguard.javascript.interpreter.strings import array_of
from npmguard.javascript.values import NULL, UNDEFINED, UNKNOWN, as_text, as_units

_BROKEN_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_URI_RESERVED = ";/?:@&=+$,#"
_NOT_ESCAPED = re.compile(r"[^A-Za-z0-9@*_+\-./]")
_MAX_DEPTH = 60  # of a value of JSON


def _text(machine: Machine, given: list[JS]) -> str:
    text = coerce.text(machine, given[0] if given else UNDEFINED)
    machine.text(len(text))
    return text


def _decode_component(machine: Machine, _this: JS, given: list[JS], keep: str = "") -> JS:
    text = _text(machine, given)
    if "%" not in text:
        return text
    if _BROKEN_PERCENT.search(text):
        raise Thrown(Failure("URIError"))
    if keep and re.search("%(?:" + "|".join(f"{ord(each):02x}" for each in keep) + ")", text.lower()):
        raise GiveUp
    try:
        return as_units(unquote_to_bytes(as_text(text)).decode("utf-8"))
    except UnicodeDecodeError:
        raise Thrown(Failure("URIError")) from None


def _decode_uri(machine: Machine, this: JS, given: list[JS]) -> JS:
    return _decode_component(machine, this, given, _URI_RESERVED)


def _encode_component(machine: Machine, _this: JS, given: list[JS], keep: str = "") -> JS:
    text = _text(machine, given)
    try:
        data = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le").encode("utf-8")
    except UnicodeDecodeError:
        raise Thrown(Failure("URIError")) from None
    encoded = quote_from_bytes(data, safe="!'()*~" + keep)
    machine.text(len(encoded))
    return encoded


def _encode_uri(machine: Machine, this: JS, given: list[JS]) -> JS:
    return _encode_component(machine, this, given, _URI_RESERVED)


def _unescape(machine: Machine, _this: JS, given: list[JS]) -> JS:
    return values.unescape(_text(machine, given))


def _escape(machine: Machine, _this: JS, given: list[JS]) -> JS:
    text = _text(machine, given)
    machine.text(6 * len(text))
    return _NOT_ESCAPED.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"%{code:02X}" if code < 256 else f"%u{code:04X}"


def _atob(machine: Machine, _this: JS, given: list[JS]) -> JS:
    text = re.sub(r"[\t\n\f\r ]+", "", _text(machine, given))
    bare = text[: -2 if text.endswith("==") else -1] if text.endswith("=") and not len(text) % 4 else text
    if not re.fullmatch("[A-Za-z0-9+/]*", bare) or len(bare) % 4 == 1:
        raise Thrown(Failure("Error"))
    decoded = values.base64(bare)
    if decoded is None:
        raise GiveUp
    return decoded.decode("latin-1")


def _btoa(machine: Machine, _this: JS, given: list[JS]) -> JS:
    text = _text(machine, given)
    machine.text(2 * len(text))
    try:
        return b64encode(text.encode("latin-1")).decode("ascii")
    except UnicodeEncodeError:
        raise Thrown(Failure("Error")) from None


def octets(machine: Machine, data: bytes | bytearray, *, buffer: bool) -> Octets:
    """A new Buffer or Uint8Array."""
    machine.make(OBJECT_UNITS + len(data))
    return Octets(bytearray(data), buffer=buffer)


def _buffer(machine: Machine, _this: JS, given: list[JS]) -> JS:
    source = given[0] if given else UNDEFINED
    if isinstance(source, str):
        encoding = coerce.text(machine, given[1]) if len(given) > 1 and given[1] is not UNDEFINED else "utf8"
        data = values.encode_bytes(source, encoding)
        if data is None:
            raise GiveUp
        return octets(machine, data, buffer=True)
    if isinstance(source, (Arr, Octets)) and len(given) == 1:
        return octets(machine, _bytes_of(machine, source), buffer=True)
    raise GiveUp


def _bytes_of(machine: Machine, source: JS) -> bytes:
    items = items_of(machine, source)
    machine.spend(len(items))
    return bytes([int32(machine, each) & 0xFF for each in items])


def _uint8_array(machine: Machine, this: JS, given: list[JS]) -> JS:
    source = given[0] if given else 0
    if this is not CONSTRUCTING or len(given) > 1:
        raise GiveUp
    if type(source) is int:
        if not 0 <= source <= machine.size:
            raise GiveUp
        machine.make(source)
        return octets(machine, bytes(source), buffer=False)
    if isinstance(source, (Arr, Octets)):
        return octets(machine, _bytes_of(machine, source), buffer=False)
    raise GiveUp


def _uint8_from(machine: Machine, _this: JS, given: list[JS]) -> JS:
    source = given[0] if given else UNDEFINED
    items = items_of(machine, source)
    if len(given) > 1 and given[1] is not UNDEFINED:
        items = items_of(machine, STATICS["Array"]["from"](machine, UNDEFINED, given))  # type: ignore[operator]  # a function
    machine.spend(len(items))
    return octets(machine, bytes([int32(machine, each) & 0xFF for each in items]), buffer=False)


def _uint8_of(machine: Machine, _this: JS, given: list[JS]) -> JS:
    return octets(machine, bytes([int32(machine, each) & 0xFF for each in given]), buffer=False)


def _alloc(machine: Machine, _this: JS, given: list[JS]) -> JS:
    size = given[0] if given else UNDEFINED
    if type(size) is not int or not 0 <= size <= machine.size or len(given) > 1:
        raise GiveUp
    return octets(machine, bytes(size), buffer=True)


def _buffer_concat(machine: Machine, _this: JS, given: list[JS]) -> JS:
    if len(given) != 1 or not isinstance(given[0], Arr):
        raise GiveUp
    joined = bytearray()
    for each in given[0].items:
        if not isinstance(each, Octets):
            raise GiveUp
        joined += each.data
        machine.spend(len(joined) >> 6)
    return octets(machine, joined, buffer=True)


def _octets(this: JS) -> Octets:
    if not isinstance(this, Octets):
        raise GiveUp
    return this


def _buffer_text(machine: Machine, this: JS, given: list[JS]) -> JS:
    found = _octets(this)
    if not found.buffer:
        return coerce.plain_text(machine, found)
    encoding = coerce.text(machine, given[0]) if given and given[0] is not UNDEFINED else "utf8"
    if len(given) > 1:
        raise GiveUp
    machine.text(2 * len(found.data))
    if encoding == "base64":
        return b64encode(found.data).decode("ascii")
    decoded = values.decode_bytes(bytes(found.data), encoding)
    if not isinstance(decoded, str):
        raise GiveUp
    return decoded


def _octets_slice(machine: Machine, this: JS, given: list[JS]) -> JS:
    found = _octets(this)
    ends = []
    for position, default in ((0, 0), (1, len(found.data))):
        value = given[position] if len(given) > position else UNDEFINED
        end = default if value is UNDEFINED else coerce.integer(machine, value)
        ends.append(int(max(len(found.data) + end, 0) if end < 0 else min(end, len(found.data))))
    return octets(machine, found.data[ends[0] : ends[1]], buffer=found.buffer)


def _octets_map(machine: Machine, this: JS, given: list[JS]) -> JS:
    found = _octets(this)
    mapped = METHODS["Array"]["map"](machine, array_of(machine, list(found.data)), given)
    return octets(machine, _bytes_of(machine, mapped), buffer=found.buffer)


def _by_array(name: str) -> Any:
    def run(machine: Machine, this: JS, given: list[JS]) -> JS:
        return METHODS["Array"][name](machine, array_of(machine, list(_octets(this).data)), given)

    return run


def _octets_reverse(machine: Machine, this: JS, _given: list[JS]) -> JS:
    found = _octets(this)
    machine.spend(len(found.data) >> 4)
    found.data.reverse()
    return found


_OCTETS: Table = {
    "toString": _buffer_text,
    "slice": _octets_slice,
    "subarray": _octets_slice,
    "map": _octets_map,
    "reverse": _octets_reverse,
    **{name: _by_array(name) for name in ("join", "forEach", "reduce", "indexOf", "every", "some", "at")},
}
METHODS["Buffer"].update(_OCTETS)
METHODS["Uint8Array"].update(_OCTETS)


def _text_decoder(machine: Machine, this: JS, given: list[JS]) -> JS:
    name = given[0] if given else "utf-8"
    if this is not CONSTRUCTING or not isinstance(name, str) or name.lower() not in {"utf8", "utf-8"}:
        raise GiveUp
    made = Obj()
    made.props["decode"] = native(machine, "TextDecoder", "decode", _decode)
    return made


def _decode(machine: Machine, _this: JS, given: list[JS]) -> JS:
    if len(given) != 1:
        raise GiveUp
    data = bytes(_octets(given[0]).data)
    machine.text(len(data))
    return as_units(data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))


def _parse(machine: Machine, _this: JS, given: list[JS]) -> JS:
    text = _text(machine, given)
    if len(given) > 1 and given[1] is not UNDEFINED:
        raise GiveUp
    machine.make(8 * len(text))
    if _nesting(text) > _MAX_DEPTH:
        raise GiveUp
    try:
        found = json.loads(
            text, parse_int=lambda digits: tidy(float(digits)), parse_constant=_no_constant, strict=True
        )
    except ValueError:
        raise Thrown(Failure("SyntaxError")) from None
    return _from_json(found)


def _nesting(text: str) -> int:
    depth = deepest = 0
    for sign in re.finditer(r"[\[{]|[\]}]", text):
        depth += 1 if sign[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _no_constant(_name: str) -> float:
    raise ValueError


def _from_json(found: Any) -> JS:
    if isinstance(found, str):
        return as_units(found)
    if found is None:
        return NULL
    if isinstance(found, list):
        return Arr([_from_json(each) for each in found])
    if isinstance(found, dict):
        made = Obj()
        if "__proto__" in found:
            raise GiveUp
        made.props = {as_units(name): _from_json(value) for name, value in found.items()}
        return made
    return found if isinstance(found, bool) else tidy(found)


def _stringify(machine: Machine, _this: JS, given: list[JS]) -> JS:
    if len(given) != 1:
        raise GiveUp
    text = _to_json(machine, given[0], 0)
    return UNDEFINED if text is None else text


def _to_json(machine: Machine, value: JS, depth: int) -> str | None:
    machine.spend(4)
    if depth > _MAX_DEPTH or value is UNKNOWN:
        raise GiveUp
    if isinstance(value, str):
        if any("\ud800" <= unit <= "\udfff" for unit in value):
            raise GiveUp
        machine.text(len(value))
        return json.dumps(value, ensure_ascii=False)
    if value is True or value is False or value is NULL:
        return coerce.text(machine, value)
    if isinstance(value, (int, float)):
        return numerals.number_text(value) if abs(value) < float("inf") else "null"
    if isinstance(value, Arr):
        parts = [_to_json(machine, each, depth + 1) or "null" for each in value.items]
        machine.text(sum(map(len, parts)))
        return f"[{','.join(parts)}]"
    if type(value) is Obj:
        pairs = []
        for name in keys(value):
            held = _to_json(machine, value.props[name], depth + 1)
            if name == "toJSON":
                raise GiveUp
            if held is not None:
                pairs.append(f"{_to_json(machine, name, depth)}:{held}")
        machine.text(sum(map(len, pairs)))
        return f"{{{','.join(pairs)}}}"
    if value is UNDEFINED:
        return None
    raise GiveUp


def _pattern(machine: Machine, _this: JS, given: list[JS]) -> JS:
    source = given[0] if given else ""
    flags = given[1] if len(given) > 1 else UNDEFINED
    if isinstance(source, Pattern):
        return Pattern(source.source, source.flags if flags is UNDEFINED else coerce.text(machine, flags))
    machine.make(OBJECT_UNITS)
    return Pattern(coerce.text(machine, source), "" if flags is UNDEFINED else coerce.text(machine, flags))


GLOBALS.update(
    {
        "decodeURIComponent": _decode_component,
        "decodeURI": _decode_uri,
        "encodeURIComponent": _encode_component,
        "encodeURI": _encode_uri,
        "unescape": _unescape,
        "escape": _escape,
        "atob": _atob,
        "btoa": _btoa,
        "Buffer": _buffer,
        "Uint8Array": _uint8_array,
        "TextDecoder": _text_decoder,
        "RegExp": _pattern,
    }
)
STATICS["Buffer"] = {"from": _buffer, "alloc": _alloc, "concat": _buffer_concat}
STATICS["Uint8Array"] = {"from": _uint8_from, "of": _uint8_of}
STATICS["JSON"].update({"parse": _parse, "stringify": _stringify})
