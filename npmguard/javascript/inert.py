"""Calls whose result is run and never used, which obfuscators put into functions to defend them.

``const guard = once(this, function () { … }); guard()`` looks for debuggers and formatters, or silences the
console. What the function around it returns does not depend on it, so that the function can be worked out
although the guard reaches for what only a run has.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS, Binding
from npmguard.javascript.index import Index
from npmguard.javascript.scopes import Scopes


class Inert:
    """The guards of one file, outermost ones only."""

    def __init__(
        self, index: Index, scopes: Scopes, writes: Callable[[], Mapping[Binding, Sequence[int]]]
    ) -> None:
        """Find them; *writes* tells where variables are given values."""
        spans = [
            (node.start_byte, node.end_byte)
            for node, callee, kind in index.calls
            if kind == "identifier" and _is_guard(node.child_by_field_name("arguments"))
        ]
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(spans):
            if (not self._ends or start >= self._ends[-1]) and not _changes_others(
                start, end, scopes, writes()
            ):
                self._starts.append(start)
                self._ends.append(end)

    def begins(self, offset: int) -> bool:
        """Whether a guard begins there."""
        at = bisect_left(self._starts, offset)
        return at < len(self._starts) and self._starts[at] == offset

    def holds(self, offset: int) -> bool:
        """Whether a place is in a guard."""
        at = bisect_right(self._starts, offset) - 1
        return at >= 0 and offset < self._ends[at]

    def any_between(self, start: int, end: int) -> bool:
        """Whether a guard is in a part of the file."""
        at = bisect_left(self._starts, start)
        return at < len(self._starts) and self._starts[at] < end


def _is_guard(arguments: Node | None) -> bool:
    given = [] if arguments is None else arguments.named_children
    return len(given) == 2 and given[0].type == "this" and given[1].type in FUNCTIONS


def _changes_others(start: int, end: int, scopes: Scopes, writes: Mapping[Binding, Sequence[int]]) -> bool:
    """Whether a part of the file gives a value to a variable that is declared outside of it."""
    for binding, places in writes.items():
        if any(start <= place < end for place in places):
            function = scopes.functions[binding.function]
            if not start <= function.start_byte < end:
                return True
    return False
