"""Calls whose result is run and never used, which obfuscators put into functions to defend them.

``const guard = once(this, function () { … }); guard()`` looks for debuggers and formatters, or silences the
console; so does ``once(this, function () { … })()``. What the function around it returns does not depend on it,
so that the function can be worked out although the guard reaches for what only a run has.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS, Binding
from npmguard.javascript.index import MEMBERS, Index
from npmguard.javascript.scopes import Scopes

_PLACE = re.compile(rb"[(,]\s*(this)\s*,\s*(?:function\b|async\b|\()")
_NAMES = frozenset({"identifier", *MEMBERS})


class Inert:
    """The guards of one file, outermost ones only."""

    def __init__(
        self, index: Index, scopes: Scopes, writes: Callable[[], Mapping[Binding, Sequence[int]]]
    ) -> None:
        """Find them; *writes* tells where variables are given values."""
        spans: list[tuple[int, int, bool]] = []
        for place in _PLACE.finditer(index.text):
            this = index.root.descendant_for_byte_range(place.start(1), place.end(1))
            call = None if this is None or this.type != "this" else _guard_of(this)
            run = None if call is None else _called_at_once(call)
            if run is not None:
                spans.append((run.start_byte, run.end_byte, True))
            elif call is not None and _is_never_used(call, index.root, scopes):
                spans.append((call.start_byte, call.end_byte, False))
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._at_once: set[int] = set()
        for start, end, at_once in sorted(spans):
            if (not self._ends or start >= self._ends[-1]) and not _changes_others(
                start, end, scopes, writes()
            ):
                self._starts.append(start)
                self._ends.append(end)
                if at_once:
                    self._at_once.add(start)

    def is_guard(self, call: Node) -> bool:
        """Whether a call makes a guard, which is only run later."""
        return self._begins(call) and call.start_byte not in self._at_once

    def is_run(self, call: Node) -> bool:
        """Whether a call makes a guard and runs it at once."""
        return self._begins(call) and call.start_byte in self._at_once

    def _begins(self, call: Node) -> bool:
        at = bisect_left(self._starts, call.start_byte)
        return (
            at < len(self._starts) and self._starts[at] == call.start_byte and self._ends[at] == call.end_byte
        )

    def holds(self, offset: int) -> bool:
        """Whether a place is in a guard."""
        at = bisect_right(self._starts, offset) - 1
        return at >= 0 and offset < self._ends[at]

    def any_between(self, start: int, end: int) -> bool:
        """Whether a guard is in a part of the file."""
        at = bisect_left(self._starts, start)
        return at < len(self._starts) and self._starts[at] < end


def _guard_of(this: Node) -> Node | None:
    """The call that is given ``this`` and a function, be it through a function that passes calls on."""
    arguments = this.parent
    if arguments is None or arguments.type != "arguments":
        return None
    given = arguments.named_children
    passed_on = len(given) == 3 and given[0].type in _NAMES
    if (len(given) == 2 or passed_on) and given[-2].id == this.id and given[-1].type in FUNCTIONS:
        return arguments.parent
    return None


def _called_at_once(call: Node) -> Node | None:
    """The call, without arguments and for nothing that comes of it, of what a call returns."""
    outer = call.parent
    callee = None if outer is None else outer.child_by_field_name("function")
    if outer is None or outer.type != "call_expression" or callee is None or callee.id != call.id:
        return None
    given = outer.child_by_field_name("arguments")
    return outer if given is not None and not given.named_children and _is_dropped(outer) else None


def _is_never_used(call: Node, root: Node, scopes: Scopes) -> bool:
    """Whether what a call returns has a name of its own, and is only run, for nothing that comes of it."""
    declared = call.parent
    name = declared.child_by_field_name("name") if declared is not None else None
    if declared is None or declared.type != "variable_declarator" or name is None or name.type != "identifier":
        return False
    binding = scopes.binding(name)
    if binding is None or len(binding.definitions) != 1:
        return False
    outside = [use for use in binding.uses if not declared.start_byte <= use < declared.end_byte]
    return all(_is_only_run(root, use, len(binding.name)) for use in outside)


def _is_only_run(root: Node, use: int, size: int) -> bool:
    """Whether a name is called there, or handed to what may call it, and the result is dropped."""
    name = root.descendant_for_byte_range(use, use + size)
    around = None if name is None else name.parent
    if around is not None and around.type == "arguments" and len(around.named_children) == 1:
        around = around.parent
    return around is not None and around.type == "call_expression" and _is_dropped(around)


def _is_dropped(call: Node) -> bool:
    """Whether nothing comes of what a call returns."""
    around, outer = call, call.parent
    while (
        outer is not None and outer.type == "sequence_expression" and outer.named_children[-1].id == around.id
    ):
        around, outer = outer, outer.parent
    return outer is not None and outer.type in {"expression_statement", "sequence_expression"}


def _changes_others(start: int, end: int, scopes: Scopes, writes: Mapping[Binding, Sequence[int]]) -> bool:
    """Whether a part of the file gives a value to a variable that is declared outside of it."""
    for binding, places in writes.items():
        if any(start <= place < end for place in places):
            function = scopes.functions[binding.function]
            if not start <= function.start_byte < end:
                return True
    return False
