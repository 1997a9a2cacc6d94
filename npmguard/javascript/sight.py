"""Code that white space pushes out of an editor's window."""

from __future__ import annotations

import re
from collections.abc import Iterator

from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place

LEAST = 120  # columns, wider than most windows
_TAB = 4  # columns
_SHORT = 240  # bytes of a line before the white space; a line that is longer runs out of the window anyway
_LEAST_CODE = 6  # bytes that can do anything
_DEEPER = 60  # columns by which nested code is set in at once
_TABLE = 2  # lines beside it that are set in to the same column
_BLANK = rb"(?:[ \t\v\f]|\xc2\xa0|\xe3\x80\x80|\xe2\x80[\x80-\x8a\xaf])"
_LEAST_RUN = b" " * 30  # blanks, which are LEAST columns where they are tabs
_RUN = re.compile(rb"(?<![ \t\v\f])" + _BLANK + rb"{%d,}+(?=[^\s/*])" % len(_LEAST_RUN))
_BLANKS = b"\t\v\f\xc2\xa0\xe3\x80\xe2\xaf" + bytes(range(0x81, 0x8B))  # all bytes of them, besides the space
_TO_SPACES = bytes.maketrans(_BLANKS, b" " * len(_BLANKS))
_SPACES = re.compile(rb" *+")
_INDENT = re.compile(_BLANK + rb"*+")
_TEXT = frozenset(
    {
        *("comment", "html_comment", "hash_bang_line", "jsx_text", "ERROR"),
        *("string", "string_fragment", "template_string", "template_literal_type", "regex", "regex_pattern"),
    }
)


class OutOfSight:
    """Searches one program for code behind a run of blanks."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program
        self._text = program.text

    def find(self) -> Iterator[Place]:
        """The hidden code, to the end of its line."""
        for start, end, stop in self._program.in_time(list(pushed(self._text))):
            if not self._is_text(start, end):
                yield end, stop, None

    def _is_text(self, start: int, end: int) -> bool:
        """Whether the blanks stand in a string, a comment or the like."""
        node = self._program.index.root.descendant_for_byte_range(start, end)
        return node is not None and node.type in _TEXT


def pushed(text: bytes) -> Iterator[tuple[int, int, int]]:
    """What stands out of sight in *text*, code or not: where blanks start and end, and the line's end."""
    for match in _runs(text):
        start, end = match.span()
        if _columns(match.group()) < LEAST:
            continue
        line = text.rfind(b"\n", 0, start) + 1
        stop = text.find(b"\n", end)
        stop = len(text) if stop < 0 else stop
        if start - line > _SHORT or len(text[end:stop].strip()) < _LEAST_CODE:
            continue
        if not _is_layout(text, line, start, end, stop):
            yield start, end, stop


def _runs(text: bytes) -> Iterator[re.Match[bytes]]:
    """The runs of blanks, in stretches of their bytes: those are found faster than by any expression."""
    spaces = text.translate(_TO_SPACES)
    start = spaces.find(_LEAST_RUN)
    while start >= 0:
        stretch = _SPACES.match(spaces, start)
        end = len(text) if stretch is None else stretch.end()
        yield from _RUN.finditer(text, start, min(end + 1, len(text)))
        start = spaces.find(_LEAST_RUN, end)


def _is_layout(text: bytes, line: int, start: int, end: int, stop: int) -> bool:
    """Whether the lines beside are set in as far: nested code, or a table."""
    column = _columns(text[line:end])
    if start == line:
        above = text.rfind(b"\n", 0, max(line - 1, 0)) + 1
        while above and not text[above:line].strip():
            line, above = above, text.rfind(b"\n", 0, max(above - 1, 0)) + 1
        indent = _INDENT.match(text, above)
        if indent is not None and column - _columns(indent.group()) < _DEEPER:
            return True
    beside = 0
    for place in _beside(text, line, stop):
        below = text.find(b"\n", place)
        around = _RUN.finditer(text, place, len(text) if below < 0 else below)
        beside += column in [_columns(text[place : each.end()]) for each in around]
    return beside >= _TABLE


def _beside(text: bytes, line: int, stop: int) -> Iterator[int]:
    """The starts of the lines around."""
    above, below = line, stop
    for _ in range(_TABLE):
        if above:
            above = text.rfind(b"\n", 0, above - 1) + 1
            yield above
        if 0 <= below < len(text):
            yield below + 1
            below = text.find(b"\n", below + 1)


def _columns(blanks: bytes) -> int:
    return len(blanks.decode("utf-8", "replace")) + (_TAB - 1) * blanks.count(b"\t")
