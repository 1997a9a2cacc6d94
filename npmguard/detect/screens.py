"""Byte patterns that one pass of RE2 answers for nearly every file.

A yara-x pattern is searched by a few of its bytes that stand together. Runs of blanks, lists of numbers and
characters outside ASCII have none that are rare, so that yara-x would try them all over a file: nine patterns
took half the time of 2,700. Here RE2 asks for all of them at once, and for each one only where any is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Protocol


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
        ascii_only = content.isascii()
        plain, others = self._compiled
        groups = (plain,) if ascii_only else (plain, others)
        return frozenset(
            name
            for together, each in groups
            if together.search(content) is not None
            for name, pattern in each
            if pattern.search(content) is not None
        )

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


_Group = tuple[Pattern, tuple[tuple[str, Pattern], ...]]
"""What finds any of some patterns, and those by name."""

_HIGH = re.compile(rb"\\x[89a-f][0-9a-f]|\[\\x[89a-f]")


def _bytes_of(pattern: str) -> bytes:
    return pattern[1:-1].encode("ascii")


def _group(patterns: list[tuple[str, bytes]]) -> _Group:
    together = any_of(pattern for _, pattern in patterns)
    return together, tuple((name, _compile(pattern)) for name, pattern in patterns)


def _compile(pattern: bytes) -> Pattern:
    import re2  # noqa: PLC0415 - a warm scan reads no package

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    options.max_mem = 64 << 20
    compiled: Pattern = re2.compile(pattern, options)
    return compiled
