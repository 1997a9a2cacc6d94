"""Which facts a set of rules asks for, so that the others need not be worked out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from npmguard.model import Fact, FactKind

Names = frozenset[str]


class BytesMatch(Protocol):
    """A match of such a pattern."""

    def start(self) -> int:
        """Where it begins."""


class BytesPattern(Protocol):
    """A compiled pattern over bytes, of ``re`` or of ``re2``."""

    def search(self, data: bytes, /) -> object | None:
        """A match anywhere in *data*, or None."""

    def finditer(self, data: bytes, /) -> Iterator[BytesMatch]:
        """All matches, in order."""


@dataclass(frozen=True, slots=True)
class Interest:
    """The facts that are wanted; None in any field means all of that kind.

    Calls, constructions, writes and reads are wanted by the last segment of their name (``fetch``, ``open``,
    ``[]``), modules by their name, shapes and flows by theirs. A string is wanted if it has ``string_length``
    characters or more, is one of ``string_values``, or ``string_pattern`` is found in its UTF-8 form; a regular
    expression if its source has ``regex_length`` characters or more. The pattern matches no NUL, nor
    asks what is around it.
    """

    calls: Names | None = frozenset()
    news: Names | None = frozenset()
    writes: Names | None = frozenset()
    reads: Names | None = frozenset()
    modules: Names | None = frozenset()
    shapes: Names | None = frozenset()
    flows: Names | None = frozenset()
    strings: bool = False
    string_length: int = 0
    string_values: frozenset[str] = frozenset()
    string_pattern: BytesPattern | None = None
    regexes: bool = False
    regex_length: int = 0

    def wants(self, fact: Fact) -> bool:
        """Whether *fact* is one of those asked for."""
        kind = fact.kind
        if kind is FactKind.STRING:
            return self.wants_string(fact.value or "")
        if kind is FactKind.REGEX:
            return self.regexes and len(fact.value or "") >= self.regex_length
        names = self.names_of(kind)
        if kind in {FactKind.MODULE, FactKind.SHAPE, FactKind.FLOW}:
            return names is None or fact.name in names
        return names is None or fact.name.rpartition(".")[2] in names

    def wants_string(self, value: str) -> bool:
        """Whether a STRING fact of that value is asked for."""
        if not self.strings:
            return False
        if len(value) >= self.string_length or value in self.string_values:
            return True
        pattern = self.string_pattern
        return pattern is not None and pattern.search(value.encode("utf-8", "replace")) is not None

    def names_of(self, kind: FactKind) -> Names | None:
        """The names wanted of that kind; None for all."""
        by_kind: Mapping[FactKind, Names | None] = MappingProxyType(
            {
                FactKind.CALL: self.calls,
                FactKind.NEW: self.news,
                FactKind.WRITE: self.writes,
                FactKind.READ: self.reads,
                FactKind.MODULE: self.modules,
                FactKind.SHAPE: self.shapes,
                FactKind.FLOW: self.flows,
            }
        )
        return by_kind[kind]


EVERYTHING = Interest(None, None, None, None, None, None, None, strings=True, regexes=True)
