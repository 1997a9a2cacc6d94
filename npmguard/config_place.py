"""The line of a settings file on which a key stands, to name it in an error."""

from __future__ import annotations

import json
import re

_STEP = re.compile(r"\.([\w@/-]+)|\[(\d+|\.\.\.)\]")
_HEADER = re.compile(r"^\s*\[(\[)?\s*(?P<name>[^\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*(?P<key>(?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=""")
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([\w@/-]+)""")
_UNKNOWN_FIELD = re.compile(r"unknown field `([^`]*)`")
_AT = re.compile(r"at `\$([^`]*)`")


def steps_of(message: str) -> list[str]:
    """The keys, from the outside in, that one of msgspec's messages names: ``… - at `$.a.b[0]```."""
    place = _AT.search(message)
    steps = [key or index for key, index in _STEP.findall(place[1])] if place else []
    unknown = _UNKNOWN_FIELD.search(message)
    return [*steps, unknown[1]] if unknown else steps


def toml_line(text: str, steps: list[str]) -> int | None:
    """The 1-based line of the innermost of *steps* that is spelled in a TOML document; None for none of them.

    An index counts the tables of an array (``[[feed.accept]]``). The items of an array on one key are on the
    key's line.
    """
    best, depth = None, 0
    table: list[str] = []
    counts: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            table = _parts(header["name"])
            if header[1]:
                count = counts[tuple(table)] = counts.get(tuple(table), -1) + 1
                table = [*table, str(count)]
            found = table
        else:
            key = _KEY.match(line)
            if key is None:
                continue
            found = [*table, *_parts(key["key"])]
        if len(found) > depth and found == steps[: len(found)]:
            best, depth = number, len(found)
    return best


def json_line(text: str, steps: list[str]) -> int | None:
    """The 1-based line of the innermost of *steps* that is found, in that order, as a key of JSON text."""
    position, found = 0, None
    for step in steps:
        if step.isdigit() or step == "...":
            continue
        match = re.compile(re.escape(json.dumps(step)) + r"\s*:").search(text, position)
        if match is None:
            break
        position, found = match.end(), text.count("\n", 0, match.start()) + 1
    return found


def _parts(name: str) -> list[str]:
    return [double or single or bare for double, single, bare in _PART.findall(name)]
