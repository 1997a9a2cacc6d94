"""Regular expressions of JavaScript run in linear time by RE2, where RE2 means the same by them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

import re2

from npmguard.javascript.interpreter.machine import Machine
from npmguard.javascript.interpreter.model import GiveUp, Pattern

_SPACE = r"\t\n\x{b}\x{c}\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}"
_NO_LINE_END = r"[^\n\r\x{2028}\x{2029}]"
_PLAIN_ESCAPES = frozenset("dDwWtnrfvbB")
_LOOKS_AROUND = re.compile(r"\?(?!:|<(?![=!]))")
_LONGEST = 4096  # characters of a pattern


class Match(Protocol):
    """A match of RE2."""

    def span(self, group: int = 0, /) -> tuple[int, int]:
        """Where it is, in characters; -1 for a group that takes no part."""

    def groups(self) -> tuple[str | None, ...]:
        """The texts of its groups."""


class Compiled(Protocol):
    """A pattern of RE2."""

    groups: int

    def search(self, text: str, start: int = 0, /) -> Match | None:
        """The first match at or after a place."""


def compiled(machine: Machine, pattern: Pattern) -> Compiled:
    """The pattern for RE2; raises :class:`GiveUp` where RE2 has no such thing."""
    machine.spend(64 + len(pattern.source))
    found = _compiled(pattern.source, pattern.flags)
    if found is None:
        raise GiveUp
    return found


def find(machine: Machine, pattern: Pattern, text: str, start: int) -> Match | None:
    """The first match at or after *start*."""
    if not text.isascii() and ("i" in pattern.flags or any("\ud800" <= unit <= "\udfff" for unit in text)):
        raise GiveUp
    machine.spend(8 + (len(text) - start) // 8)
    if start > len(text):
        return None
    return compiled(machine, pattern).search(text, start)


@lru_cache(maxsize=512)
def _compiled(source: str, flags: str) -> Compiled | None:
    if len(source) > _LONGEST or set(flags) - set("gimsy") or "y" in flags:
        return None
    if any("\ud800" <= unit <= "\udfff" for unit in source):  # half a character, which RE2 knows nothing of
        return None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    options.case_sensitive = "i" not in flags
    try:
        translated = _translated(source, lines="m" in flags, dot_all="s" in flags)
        result: Compiled = re2.compile(translated, options)
    except (re2.error, GiveUp):
        return None
    return result


def _translated(source: str, *, lines: bool, dot_all: bool) -> str:
    """The pattern in RE2's spelling; raises :class:`GiveUp` for what it has not or means otherwise."""
    out: list[str] = []
    position, in_class = 0, False
    while position < len(source):
        here = source[position]
        if here == "\\":
            piece, position = _escape(source, position + 1, in_class=in_class)
            out.append(piece)
            continue
        position += 1
        if in_class:
            in_class = here != "]"
            out.append("\\[" if here == "[" else here)
        elif here == "[":
            if source.startswith("^]", position):
                out.append(r"[\x{0}-\x{10ffff}]")
                position += 2
            elif source.startswith("]", position):
                raise GiveUp
            else:
                in_class = True
                out.append(here)
        elif here == ".":
            out.append(r"[\x{0}-\x{10ffff}]" if dot_all else _NO_LINE_END)
        elif here == "(" and _LOOKS_AROUND.match(source, position):
            raise GiveUp
        elif here == "(" and source.startswith("?<", position):
            out.append("(?P<")
            position += 2
        elif here in "^$" and lines:
            out.append(f"(?m:{here})")
        else:
            out.append(here)
    return "".join(out)


def _escape(source: str, position: int, *, in_class: bool) -> tuple[str, int]:
    """The escape whose letter is at that position, and where it ends."""
    letter = source[position : position + 1]
    position += 1
    if letter in "sS" and letter:
        negated = letter == "S"
        if in_class and negated:
            raise GiveUp
        return (_SPACE if in_class else f"[{'^' if negated else ''}{_SPACE}]"), position
    if letter == "b" and in_class:
        return r"\x{8}", position
    if letter in _PLAIN_ESCAPES:
        return "\\" + letter, position
    if letter in {"x", "u"}:
        size = 2 if letter == "x" else 4
        digits = source[position : position + size]
        if len(digits) == size and all(digit in "0123456789abcdefABCDEF" for digit in digits):
            return f"\\x{{{digits}}}", position + size
        raise GiveUp
    if letter == "0" and not source[position : position + 1].isdigit():
        return r"\x{0}", position
    if not letter or letter.isalnum():
        raise GiveUp
    return ("\\" + letter if letter.isascii() and letter != "_" else letter), position
