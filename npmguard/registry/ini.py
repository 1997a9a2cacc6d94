"""The dialect of ini that npm's configuration files are written in.

A port of ``decode`` of the npm package `ini <https://github.com/npm/ini/blob/main/lib/ini.js>`_, with which
npm reads every ``.npmrc``. A property test holds the two together.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple, NoReturn, TypeAlias

#: What a value can be: JavaScript's ``JSON.parse`` is let loose on whatever stands between quotes.
Value: TypeAlias = str | int | float | bool | list["Value"] | dict[str, "Value"] | None

#: What JavaScript's ``trim`` and ``\s`` call white space; Python's own notion differs.
WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(
    rf"\[(?P<section>[^\]]*)\][{WHITE_SPACE}]*|(?P<key>[^=]+)(?P<has_value>=(?P<value>[^\u2028\u2029]*))?"
)
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class Ini(NamedTuple):
    """A file as read: sections are nested objects; ``lines`` has the 1-based line of each top-level key."""

    values: dict[str, Value]
    lines: dict[str, int]


def decode(text: str) -> Ini:
    """Read *text* as npm does. Never fails: like npm, it passes over what it cannot make sense of."""
    values: dict[str, Value] = {}
    lines: dict[str, int] = {}
    target: dict[str, Value] = values
    for number, line in enumerate(_LINE_END.split(text), start=1):
        bare = line.lstrip(WHITE_SPACE)
        if not bare or bare[0] in ";#":
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        if match["section"] is not None:
            target = _open_section(values, as_text(_unquote(match["section"])))
            continue
        key = as_text(_unquote(match["key"]))
        is_list = len(key) > 2 and key.endswith("[]")
        key = key.removesuffix("[]") if is_list else key
        if key == "__proto__":
            continue
        value: Value = _unquote(match["value"]) if match["has_value"] else True
        if isinstance(value, str):
            value = _LITERALS.get(value, value)
        old = target.get(key)
        if isinstance(old, list):
            old.append(value)
        elif is_list:
            target[key] = [old, value] if key in target else [value]
        else:
            target[key] = value
        if target is values:
            lines[key] = number
    _nest(values)
    return Ini(values, lines)


def as_text(value: Value) -> str:
    """What JavaScript's ``String()`` makes of a value."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join("" if item is None else as_text(item) for item in value)
    if isinstance(value, dict):
        return "[object Object]"
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _open_section(values: dict[str, Value], name: str) -> dict[str, Value]:
    """The object that the lines under ``[name]`` go to; a throw-away one where JavaScript drops them too."""
    if name == "__proto__":
        return {}
    section = values.get(name) or {}  # an empty or false value makes way
    values[name] = section
    return section if isinstance(section, dict) else {}


def _nest(values: dict[str, Value]) -> None:
    """Turn ``{"a": {…}, "a.b": {…}}`` into ``{"a": {…, "b": {…}}}``; null counts as an object, as in npm."""
    for key in list(values):
        value = values.get(key)
        if not (isinstance(value, dict) or (value is None and key in values)):
            continue
        *parents, last = _split_at_dots(key)
        name = last.replace("\\.", ".")
        target = values
        for parent in parents:
            if parent == "__proto__":
                continue
            inner = target.get(parent)
            if not isinstance(inner, dict):
                inner = target[parent] = {}
            target = inner
        if target is values and name == last:
            continue
        target[name] = value
        del values[key]


def _split_at_dots(text: str) -> list[str]:
    """Split at each dot that no backslash stands before."""
    parts = []
    start = 0
    for index, character in enumerate(text):
        if character == "." and not (index and text[index - 1] == "\\"):
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _unquote(raw: str) -> Value:
    """Undo quotes and backslashes, and cut a comment off."""
    text = raw.strip(WHITE_SPACE)
    if text[:1] == text[-1:] and text[:1] in ('"', "'"):
        inner = text if text[0] == '"' else text[1:-1]
        try:
            parsed: Value = json.loads(inner, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return inner
        return parsed
    plain: list[str] = []
    escaped = False
    for character in text:
        if escaped:
            plain.append(character if character in "\\;#" else f"\\{character}")
            escaped = False
        elif character in ";#":
            break
        elif character == "\\":
            escaped = True
        else:
            plain.append(character)
    if escaped:
        plain.append("\\")
    return "".join(plain).strip(WHITE_SPACE)


def _refuse(constant: str) -> NoReturn:
    """JavaScript's ``JSON.parse`` knows no NaN and no Infinity."""
    raise ValueError(constant)
