"""Branches that never run, since their condition is the same whatever happens.

Obfuscators put copies of other code behind ``if (table.differs('abcde', table.name))``. Such a copy reaches for
names that are declared nowhere, and says nothing about the function in which it stands.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS, Binding, How
from npmguard.javascript.callsites import unwrap
from npmguard.javascript.index import MEMBERS, Index
from npmguard.javascript.scopes import Scopes
from npmguard.javascript.tree import operator_of, sides, way_to
from npmguard.javascript.values import UNKNOWN, Value, truth

_MAX_LOOKED_AT = 5_000  # places of one file
_MAX_STEPS = 200_000  # nodes around them
_MAX_NAMED = 16  # names in a condition
_MAX_ALIASES = 8  # names of one object
_MAX_USES = 2_000  # of one name
_CHANGING = frozenset(
    {
        *("update_expression", "augmented_assignment_expression", "for_in_statement"),
        *("array_pattern", "object_pattern", "pair_pattern", "assignment_pattern", "rest_pattern"),
    }
)
_LOOKED_INTO = re.compile(rb"\s*(?:\.(?!\.)|[\[(])")


class DeadBranches:
    """The branches of one file that were found to be dead; they are looked for where something is asked."""

    def __init__(
        self,
        index: Index,
        scopes: Scopes,
        writes: Callable[[], Mapping[Binding, Sequence[int]]],
        fold: Callable[[Node], Value],
    ) -> None:
        """Prepare: *writes* tells where variables are given values, *fold* what an expression stands for."""
        self._index = index
        self._scopes = scopes
        self._writes = writes
        self._fold = fold
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._known: dict[int, bool] = {}
        self._decided: dict[int, bool | None] = {}
        self._kept: dict[Binding, bool] = {}
        self._steps = _MAX_STEPS

    def close(self) -> None:
        """Let go of what refers back to this."""
        self._fold = _nothing_known

    def holds(self, offset: int) -> bool:
        """Whether a place is in a branch that never runs."""
        if self.held(offset):
            return True
        known = self._known.get(offset)
        if known is None:
            able = len(self._known) < _MAX_LOOKED_AT and self._steps > 0
            known = self._known[offset] = able and self._look(offset)
        return known

    def held(self, offset: int) -> bool:
        """Whether a place is in a branch that was found to be dead already."""
        at = bisect_right(self._starts, offset) - 1
        return at >= 0 and offset < self._ends[at]

    def any_between(self, start: int, end: int) -> bool:
        """Whether a dead branch was found in a part of the file."""
        at = bisect_left(self._starts, start)
        return at < len(self._starts) and self._starts[at] < end

    def _look(self, offset: int) -> bool:
        way = way_to(self._index.root, offset, offset + 1)
        self._steps -= len(way)
        for around, inner in pairwise(way):
            if self._is_dead(around, inner):
                if not self.held(offset):
                    self._add(inner.start_byte, inner.end_byte)
                return True
        return False

    def _add(self, start: int, end: int) -> None:
        """Keep a span; those that were found inside of it go."""
        low, high = bisect_left(self._starts, start), bisect_left(self._starts, end)
        self._starts[low:high] = [start]
        self._ends[low:high] = [end]

    def _is_dead(self, around: Node, inner: Node) -> bool:
        kind = around.type
        if kind in {"if_statement", "ternary_expression"}:
            condition = around.child_by_field_name("condition")
            if condition is None or condition.id == inner.id:
                return False
            held = self._decides(condition)
            alternative = around.child_by_field_name("alternative")
            is_alternative = alternative is not None and alternative.id == inner.id
            return held is not None and held == is_alternative
        if kind == "binary_expression" and operator_of(around) in {"&&", "||"}:
            pair = sides(around)
            if pair is None or pair[1].id != inner.id:
                return False
            held = self._decides(pair[0])
            return held is not None and held == (operator_of(around) == "||")
        return False

    def _decides(self, condition: Node) -> bool | None:
        """What a condition comes to that is always the same; None for any other."""
        if condition.id not in self._decided:
            self._decided[condition.id] = None
            if self._is_settled(condition):
                self._decided[condition.id] = truth(self._fold(unwrap(condition)))
        return self._decided[condition.id]

    def _is_settled(self, condition: Node) -> bool:
        """Whether the names in a condition are declared once, and are only called or looked into.

        What is called or looked into before it is given its value throws, so that the branch does not run
        either. A name that stands for itself would be ``undefined`` until then.
        """
        scopes = self._scopes
        low = bisect_left(scopes.uses, condition.start_byte)
        high = bisect_left(scopes.uses, condition.end_byte)
        for use in scopes.uses[low : min(high, low + _MAX_NAMED)]:
            binding = scopes.at(use)
            if binding is None or not _LOOKED_INTO.match(scopes.text, use + len(binding.name)):
                return False
            if not self._is_kept(binding):
                return False
        return high - low <= _MAX_NAMED

    def _is_kept(self, binding: Binding) -> bool:
        """Whether a name stands for one function, or for one object that is only looked into by its names."""
        kept = self._kept.get(binding)
        if kept is None:
            chain = self._chain(binding)
            end = None if chain is None else chain[-1].definitions[0]
            if chain is None or end is None:
                kept = False
            elif end.how is How.FUNCTION or (end.node is not None and unwrap(end.node).type in FUNCTIONS):
                kept = True
            else:
                kept = self._is_only_looked_into(chain)
            self._kept[binding] = kept
        return kept

    def _chain(self, binding: Binding) -> list[Binding] | None:
        """A name and those that it is declared as, up to one that is declared as a function or an object."""
        chain: list[Binding] = []
        writes = self._writes()
        while len(chain) < _MAX_ALIASES and len(binding.definitions) == 1 and not writes.get(binding):
            chain.append(binding)
            how, node, path, _function, _default = binding.definitions[0]
            if how is How.FUNCTION:
                return chain
            if how is not How.VALUE or node is None or path:
                return None
            node = unwrap(node)
            if node.type in FUNCTIONS or node.type == "object":
                return chain
            inner = self._scopes.binding(node) if node.type == "identifier" else None
            if inner is None:
                return None
            binding = inner
        return None

    def _is_only_looked_into(self, names: list[Binding]) -> bool:
        """Whether an object is changed by nothing but ``name.member = value`` by its first name."""
        text, seen = self._scopes.text, set(names)
        literal = names[-1].definitions[0].node
        if literal is None or b"this" in text[literal.start_byte : literal.end_byte]:
            return False
        pending = list(names)
        while pending:
            binding = pending.pop()
            if len(binding.uses) > _MAX_USES or len(seen) > _MAX_ALIASES or self._steps < 0:
                return False
            if len(binding.definitions) != 1 or self._writes().get(binding):
                return False
            for use in binding.uses:
                way = way_to(self._index.root, use, use + len(binding.name))
                self._steps -= len(way)
                alias = self._alias_at(way)
                if alias is not None and alias not in seen:
                    seen.add(alias)
                    pending.append(alias)
                elif alias is None and not self._looks_into(way, gives=binding is names[-1]):
                    return False
        return True

    def _alias_at(self, way: list[Node]) -> Binding | None:
        """The name that is declared there, by itself or as another one."""
        declared = way[-2] if len(way) > 1 else None
        name = None if declared is None or declared.type != "variable_declarator" else declared.named_child(0)
        return None if name is None or name.type != "identifier" else self._scopes.binding(name)

    def _looks_into(self, way: list[Node], *, gives: bool) -> bool:
        """Whether an object's name is looked into there, or by that name given a member by ``=``."""
        if len(way) < 3 or way[-2].type not in MEMBERS:
            return False
        name, member, around = way[-1], way[-2], way[-3]
        base = member.child_by_field_name("object")
        if base is None or base.id != name.id or around.type in _CHANGING:
            return False
        if around.type == "assignment_expression":
            left, right = around.child_by_field_name("left"), around.child_by_field_name("right")
            given = b"" if right is None else self._scopes.text[right.start_byte : right.end_byte]
            return left is None or left.id != member.id or (gives and b"this" not in given)
        return around.type != "unary_expression" or operator_of(around) != "delete"


def _nothing_known(_node: Node) -> Value:
    return UNKNOWN
