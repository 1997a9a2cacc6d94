"""The facts of one file while they are drawn: what is found, and where it is told to be."""

from __future__ import annotations

import re
from bisect import bisect_right
from operator import itemgetter
from typing import NamedTuple

from tree_sitter import Node

from npmguard.javascript.callsites import WRAPPERS, unwrap
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.paths import Path
from npmguard.javascript.program import Program
from npmguard.javascript.relevance import Relevance
from npmguard.javascript.tree import first_child
from npmguard.javascript.values import Value
from npmguard.model import Fact, FactKind

MAX_ARGUMENTS = 16  # of a call that a fact keeps

_CONTINUES = re.compile(
    rb"(?:\s|/\*[^*]{0,200}\*/)*(?:\?\.(?!\d)|\.(?!\.\.)|\[|\(|`"
    rb"|(?:\+|-|\*\*?|/|%|<<|>>>?|&&?|\|\|?|\^|\?\?)?=(?![=>]))"
)
_AT = itemgetter(0)


class _Found(NamedTuple):
    """A fact before its place is known as line and column; ``at`` is the offset that they tell."""

    at: int
    kind: FactKind
    name: str
    start: int
    end: int
    function: int
    value: str | None
    args: tuple[str | None, ...]
    target: int | None
    decoded: bool


class Site(NamedTuple):
    """An expression that evaluates code: its place, and the function around it."""

    line: int
    column: int
    start: int
    end: int
    function: int


class Draft:
    """Collects the facts of one program that are relevant."""

    def __init__(self, program: Program, relevance: Relevance) -> None:
        """Begin with nothing found."""
        self.program = program
        self.relevance = relevance
        self._text = program.text
        self._found: list[_Found] = []
        self._consumed: set[tuple[int, int]] = set()
        self._lines: list[int] | None = None

    def add(
        self,
        kind: FactKind,
        name: str,
        span: Node | tuple[int, int],
        *,
        at: int | None = None,
        value: str | None = None,
        args: tuple[str | None, ...] = (),
        target: int | None = None,
        decoded: bool = False,
    ) -> None:
        """Add a fact about a node or byte range; *at* is where its line and column are, if not at the start."""
        start, end = span if isinstance(span, tuple) else (span.start_byte, span.end_byte)
        function = self.program.scopes.function_at(start)
        at = start if at is None else at
        self._found.append(_Found(at, kind, name, start, end, function, value, args, target, decoded))

    def has_local_module(self) -> bool:
        """Whether a module of the package's own has been found."""
        return any(each.kind is FactKind.MODULE and each.name.startswith(".") for each in self._found)

    def placed(self) -> tuple[Fact, ...]:
        """The facts with their lines and columns (1-based, in characters), in source order."""
        text = self._text
        lines = self._line_starts()
        ascii_only = text.isascii()
        last_line = last = characters = 0
        placed = []
        for at, kind, name, start, end, function, value, args, target, decoded in sorted(self._found, key=_AT):
            line = bisect_right(lines, at)
            begin = lines[line - 1]
            column = at - begin
            if not ascii_only:
                if line != last_line:
                    last_line, last, characters = line, begin, 0
                characters += len(text[last:at].decode("utf-8", "replace"))
                last = at
                column = characters
            placed.append(
                Fact(kind, name, line, column + 1, start, end, function, value, args, target, decoded)
            )
        placed.sort(key=in_source_order)
        return tuple(placed)

    def site(self, start: int, end: int) -> Site:
        """Where an expression of those bytes stands."""
        text = self._text
        begin = text.rfind(b"\n", 0, start) + 1
        line = bisect_right(self._line_starts(), start)
        column = len(text[begin:start].decode("utf-8", "replace")) + 1
        return Site(line, column, start, end, self.program.scopes.function_at(start))

    def consume(self, node: Node) -> None:
        """Remember that a callee or target is not read, nor what it is in parentheses."""
        while True:
            self._consumed.add((node.start_byte, node.end_byte))
            kind = node.type
            if kind not in WRAPPERS and kind != "sequence_expression":
                return
            inner = node.named_children[-1] if kind == "sequence_expression" else unwrap(node)
            if inner.id == node.id:
                return
            node = inner

    def is_read(self, start: int, end: int) -> bool:
        """Whether a name in that byte range is read, not called, written or the start of a longer name."""
        return (start, end) not in self._consumed and not _CONTINUES.match(self._text, end)

    def hides(self, path: Path, node: Node) -> bool:
        """Whether a segment of a name is not spelled in the expression that stands for it."""
        own = 0
        inner: Node | None = unwrap(node)
        while inner is not None and inner.type in MEMBERS and own < len(path.segments):
            own += 1
            base = first_child(inner)
            inner = None if base is None else unwrap(base)
        return any(
            self.is_hidden(segment, node) for segment in path.segments[-max(own, 1) :] if segment != "[]"
        )

    def is_hidden(self, text: str, span: Node | tuple[int, int]) -> bool:
        """Whether *text* does not stand literally in the source of a node or byte range."""
        start, end = span if isinstance(span, tuple) else (span.start_byte, span.end_byte)
        return text.encode("utf-8", "replace") not in self._text[start:end]

    def arguments(self, given: list[Node] | None) -> tuple[str | None, ...]:
        """The constant arguments among the nodes given to a call, None for the others."""
        constants = self.program.constants
        found = [] if given is None else constants.argument_values(given[:MAX_ARGUMENTS])
        return tuple(self._argument(value) for value in found[:MAX_ARGUMENTS])

    def _line_starts(self) -> list[int]:
        if self._lines is None:
            self._lines = [0, *(match.end() for match in re.finditer(rb"\n", self._text))]
        return self._lines

    def _argument(self, value: Value) -> str | None:
        return None if isinstance(value, (tuple, bytes)) else self.program.constants.spell(value)


def place_of(node: Node) -> int:
    """Where the last segment of a name is spelled."""
    node = unwrap(node)
    for field in ("property", "index"):
        inner = node.child_by_field_name(field) if node.type in MEMBERS else None
        if inner is not None:
            return inner.start_byte
    return node.start_byte


def in_source_order(fact: Fact) -> tuple[int, int, int, int, str, str, str, tuple[str, ...]]:
    """The key by which facts are sorted."""
    args = tuple(each or "" for each in fact.args)
    start, end = fact.inside or (0, 0)
    return (fact.start, -fact.end, start, -end, fact.kind.value, fact.name, fact.value or "", args)
