"""The shape ``endless-loop-at-load``: a loop without an end in what runs when a file is loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS
from npmguard.javascript.callsites import unwrap
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place, inside, operator_of, sides
from npmguard.javascript.values import truth

_LOOPS = frozenset({"while_statement", "do_statement", "for_statement"})
_BREAKABLE = _LOOPS | {"for_in_statement", "switch_statement"}
_LEAVES = frozenset({"return_statement", "throw_statement", "yield_expression", "await_expression"})
_STOPS = frozenset({b"exit", b"abort", b"kill"})
_MAX_NODES = 4000  # of a loop's body
_ROUNDS = 6  # functions that functions call at load
_LARGEST = 10**12  # times that no program does anything


class EndlessLoops:
    """Finds loops at load that nothing ends."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program
        self._constants = program.constants
        self._scopes = program.scopes

    def find(self) -> Iterator[Place]:
        """The loops."""
        index = self._program.index
        loops = [*index.of("loop"), *(node for node in index.of("block") if node.type == "for_statement")]
        endless = [node for node in self._program.in_time(loops) if self._is_endless(node)]
        if not endless:
            return
        at_load = self._at_load()
        for node in endless:
            if self._scopes.function_at(node.start_byte) in at_load:
                yield (node.start_byte, node.end_byte, None)

    def _is_endless(self, loop: Node) -> bool:
        condition = loop.child_by_field_name("condition")
        if condition is not None and condition.type != "empty_statement" and not self._holds(unwrap(condition)):
            return False
        body = loop.child_by_field_name("body")
        return body is not None and not self._is_left(body)

    def _holds(self, condition: Node) -> bool:
        if condition.type == "expression_statement" and condition.named_children:  # as for_statement has it
            condition = unwrap(condition.named_children[0])
        pair = sides(condition) if condition.type == "binary_expression" else None
        if pair is not None and operator_of(condition) in {"<", "<=", "!=", "!=="}:
            limit = self._number(pair[1])
            return limit is not None and limit > _LARGEST
        return truth(self._constants.fold(condition)) is True

    def _number(self, node: Node) -> float | None:
        node = unwrap(node)
        if self._program.text[node.start_byte : node.end_byte] in {
            b"Infinity",
            b"1/0",
            b"Number.POSITIVE_INFINITY",
        }:
            return math.inf
        value = self._constants.fold(node)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    def _is_left(self, body: Node) -> bool:
        """Whether something in a loop's body may end it, or lets others run in between."""
        seen = inside(body, _MAX_NODES, lambda node: node.type not in FUNCTIONS)
        if len(seen) >= _MAX_NODES:
            return True
        for node in seen:
            if node.type in _LEAVES or (node.type == "for_in_statement" and _waits(node)):
                return True
            if node.type in {"break_statement", "continue_statement"}:
                labelled = node.named_child_count > 0
                if labelled or (node.type == "break_statement" and not self._breaks_inner(node, body)):
                    return True
            if node.type == "call_expression" and self._ends_process(node):
                return True
        return False

    def _breaks_inner(self, node: Node, body: Node) -> bool:
        """Whether a ``break`` is of a loop or switch inside *body*."""
        around = [each for each in self._program.way_to(node) if each.start_byte >= body.start_byte]
        return any(each.type in _BREAKABLE for each in around if each.id != body.id)

    def _ends_process(self, call: Node) -> bool:
        callee = call.child_by_field_name("function")
        return (
            callee is not None
            and callee.type == "member_expression"
            and self._program.index.tail(callee) in _STOPS
        )

    def _at_load(self) -> set[int]:
        """The functions that run when the file is loaded: called at its top level, and by those in turn."""
        found = {0}
        calls = [(call, callee) for call, callee, _kind in self._program.index.calls]
        for _ in range(_ROUNDS):
            before = len(found)
            for call, callee in calls:
                if self._scopes.function_at(call.end_byte - 1) not in found:  # it may start with its function
                    continue
                function = unwrap(callee)
                if function.type not in FUNCTIONS:
                    target = self._constants.function_of(function) if function.type == "identifier" else None
                    if target is None:
                        continue
                    function = target
                found.add(self._scopes.function_of_node.get(function.id, 0))
            if len(found) == before:
                break
        return found


def _waits(loop: Node) -> bool:
    return any(child.type == "await" for child in loop.children)
