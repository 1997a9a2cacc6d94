"""Byte patterns that one pass of RE2 answers for nearly every file.

Runs of blanks and lists of numbers are repetitions that have to be counted all over a file, which takes
Vectorscan longer than most of its patterns together. Here RE2 asks for all of them at once, then for either
half of them where any is, down to each one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple, Protocol


class Screens:
    """Some patterns in yara-x's spelling (``/…/``), each with the name under which its answer is told."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Take the patterns; they are compiled when the first file is looked at."""
        self.names = {pattern: f"screen_{number}" for number, pattern in enumerate(patterns)}

    def patterns(self) -> Iterator[bytes]:
        """The patterns in RE2's spelling, for :func:`any_of`."""
        return map(_bytes_of, self.names)

    def holding(self, content: bytes) -> frozenset[str]:
        """The names of the patterns that *content* has."""
        groups = self._compiled[:1] if content.isascii() else self._compiled
        return frozenset(name for group in groups for name in _found(group, content))

    @cached_property
    def _compiled(self) -> tuple[_Group, _Group]:
        """The patterns that ASCII text can have, and the others."""
        plain = [(name, _bytes_of(pattern)) for pattern, name in self.names.items()]
        others = [(name, pattern) for name, pattern in plain if _HIGH.search(pattern)]
        return _group([each for each in plain if each not in others]), _group(others)


class Pattern(Protocol):
    """What can be searched for in bytes."""

    def search(self, text: bytes) -> object:
        """The first match, or None."""


def any_of(patterns: Iterable[bytes]) -> Pattern:
    """What is found where any of *patterns*, in RE2's spelling and of single bytes, is."""
    return _compile(b"|".join(b"(?:" + pattern + b")" for pattern in patterns))


class _Group(NamedTuple):
    """What finds any of some patterns; which of them is told by its halves, or by the name of the only one."""

    pattern: Pattern
    halves: tuple[_Group, ...]
    name: str


_HIGH = re.compile(rb"\\x[89a-f][0-9a-f]|\[\\x[89a-f]")


def _bytes_of(pattern: str) -> bytes:
    return pattern[1:-1].encode("ascii")


def _group(patterns: list[tuple[str, bytes]]) -> _Group:
    together = any_of(pattern for _, pattern in patterns)
    if len(patterns) < 2:
        return _Group(together, (), patterns[0][0] if patterns else "")
    middle = len(patterns) // 2
    return _Group(together, (_group(patterns[:middle]), _group(patterns[middle:])), "")


def _found(group: _Group, content: bytes) -> Iterator[str]:
    if group.pattern.search(content) is not None:
        if group.name:
            yield group.name
        for half in group.halves:
            yield from _found(half, content)


def _compile(pattern: bytes) -> Pattern:
    import re2  # noqa: PLC0415 - a warm scan reads no package

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    options.max_mem = 64 << 20
    compiled: Pattern = re2.compile(pattern, options)
    return compiled
