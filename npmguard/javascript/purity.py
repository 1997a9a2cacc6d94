"""Which functions and expressions of a file need nothing but the file itself.

One does where all that it reaches by name is functions, constants and variables that nothing else changes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

from tree_sitter import Node

from npmguard.javascript.bindings import CLASSES, FUNCTIONS, Binding, How, pattern_names
from npmguard.javascript.dead_branches import DeadBranches
from npmguard.javascript.index import MEMBERS, Index
from npmguard.javascript.inert import Inert
from npmguard.javascript.interpreter.model import Func
from npmguard.javascript.interpreter.world import KNOWN_GLOBALS, PURE_GLOBALS
from npmguard.javascript.scopes import Scopes
from npmguard.javascript.tree import first_child
from npmguard.javascript.values import UNKNOWN, Value

_MAX_REACHED = 400  # functions and variables that a function may reach
_MADE = frozenset(
    {"call_expression", "new_expression", "await_expression", "member_expression", "subscript_expression"}
)
_MAX_WORK = 400_000  # names that are looked at for one file, to find what functions reach


@dataclass(slots=True)
class Root:
    """A function or expression that can be worked out, and what it reaches.

    ``partial`` where something was left out of that: branches that never run, guards.
    """

    node: Node
    functions: frozenset[int]
    bindings: tuple[Binding, ...]
    partial: bool = False
    closure: Func | None = None
    settled: bool = False
    results: int = 0
    failures: int = 0
    known: dict[tuple[tuple[type, Value], ...], Value] = field(default_factory=dict)


class Purity:
    """Judges the functions and expressions of one file."""

    def __init__(
        self,
        index: Index,
        scopes: Scopes,
        constant: Callable[[Binding], Value],
        fold: Callable[[Node], Value],
    ) -> None:
        """Prepare for a file; *constant* is what a name stands for, *fold* what an expression does."""
        self.scopes = scopes
        self._index = index
        self._constant = constant
        self._unknown_names: list[int] | None = None
        self._impure_names: list[int] | None = None
        self._changed: dict[Binding, list[int]] | None = None
        self._ends = [node.end_byte for node in scopes.functions]
        self._starts = [node.start_byte for node in scopes.functions]
        self._meanings: dict[Binding, tuple[list[int], list[Binding]]] = {}
        self._outside: dict[int, list[Binding]] = {}
        self._work = _MAX_WORK
        self._inert: Inert | None = None
        self._dead = DeadBranches(index, scopes, self.writes, fold)

    def close(self) -> None:
        """Let go of what refers back to this."""
        self._dead.close()
        del self._dead  # which asks this in turn
        self._constant = _nothing_known

    @property
    def inert(self) -> Inert:
        """The guards of the file, which matter to nothing that is worked out."""
        if self._inert is None:
            self._inert = Inert(self._index, self.scopes, self.writes)
        return self._inert

    def function(self, index: int) -> Root | None:
        """What a function reaches, if it is nothing but functions and variables of the file."""
        return self._closed(self.scopes.functions[index], [index], [])

    def expression(self, node: Node) -> Root | None:
        """What an expression reaches, if it is nothing but functions, constants and variables of the file."""
        if self._unknown_between(node.start_byte, node.end_byte):
            return None
        named = [binding for binding in self.named(node) if not self._is_inside(binding, node)]
        return self._closed(node, [], named)

    def _is_inside(self, binding: Binding, node: Node) -> bool:
        """Whether a name is declared by a function in an expression."""
        start = self._starts[binding.function]
        return binding.function > 0 and node.start_byte <= start < node.end_byte

    def _closed(self, node: Node, functions: list[int], variables: list[Binding]) -> Root | None:
        """All that those functions and variables reach; None where that is too much, or anything unknown."""
        reached: set[int] = set()
        bindings: dict[Binding, None] = {}
        while functions or variables:
            if functions:
                index = functions.pop()
                if index in reached:
                    continue
                if self._touches_unknown(index):
                    return None
                reached.add(index)
                found = self._named_in_function(index)
            else:
                found = [variables.pop()]
            for binding in found:
                if binding not in bindings:
                    bindings[binding] = None
                    meant, named = self._meant(binding)
                    functions.extend(meant)
                    variables.extend(named)
            if self._work < 0 or len(reached) + len(bindings) > _MAX_REACHED:
                return None
        if any(self._changed_elsewhere(binding, reached) for binding in bindings):
            return None
        spans = [(self._starts[index], self._ends[index]) for index in reached]
        partial = any(self._is_skipped_between(*span) for span in [(node.start_byte, node.end_byte), *spans])
        ordered = tuple(sorted(bindings, key=lambda binding: binding.uses[:1]))
        return Root(node, frozenset(reached), ordered, partial)

    def _meant(self, binding: Binding) -> tuple[list[int], list[Binding]]:
        """The functions that a name may mean, and the names in what it is given otherwise.

        The file itself, which is index 0, stands for a value from outside.
        """
        known = self._meanings.get(binding)
        if known is None:
            functions: list[int] = []
            named: dict[Binding, None] = {}
            for how, node, _path, function, _default in binding.definitions:
                if how is How.FUNCTION:
                    functions.append(function)
                elif how is not How.VALUE or node is None:
                    if self._constant(binding) is UNKNOWN:
                        functions.append(0)
                elif node.type in FUNCTIONS:
                    functions.append(self.scopes.function_of_node.get(node.id, 0))
                elif node.type in _MADE and self._unknown_between(node.start_byte, node.end_byte):
                    functions.append(0)
                else:
                    inner = (each for each in self.named(node) if not self._is_inside(each, node))
                    named.update(dict.fromkeys(inner))
            known = self._meanings[binding] = (functions, list(named))
        self._work -= 1 + len(known[1])
        return known

    def _named_in_function(self, index: int) -> list[Binding]:
        """The names that a function mentions and that are declared outside of it."""
        known = self._outside.get(index)
        if known is None:
            last = bisect_left(self._starts, self._ends[index], index + 1)
            found: dict[Binding, None] = {}
            guarded = index > 0 and self._is_skipped_between(self._starts[index], self._ends[index])
            for each in range(index, index if guarded else last):
                mentioned = self.scopes.mentions[each]
                self._work -= 1 + len(mentioned)
                found.update(
                    dict.fromkeys(binding for binding in mentioned if not index <= binding.function < last)
                )
            if guarded:
                named = self._between(self._starts[index], self._ends[index])
                found = dict.fromkeys(each for each in named if not index <= each.function < last)
            known = self._outside[index] = sorted(found, key=lambda binding: binding.uses[0])
        self._work -= 1 + len(known)
        return known

    def named(self, node: Node) -> list[Binding]:
        """The names in a node that are declared in the file."""
        return self._between(node.start_byte, node.end_byte)

    def _between(self, start: int, end: int) -> list[Binding]:
        uses = self.scopes.uses
        low, high = bisect_left(uses, start), bisect_left(uses, end)
        self._work -= 1 + high - low
        used = uses[low:high]
        if self._is_skipped_between(start, end):
            used = [use for use in used if not (self.inert.holds(use) or self._dead.held(use))]
        found = dict.fromkeys(self.scopes.at(use) for use in used)
        return [binding for binding in found if binding is not None]

    def skips(self, node: Node) -> bool:
        """Whether something in a node does not matter to what is worked out."""
        return self._is_skipped_between(node.start_byte, node.end_byte)

    def _is_skipped_between(self, start: int, end: int) -> bool:
        """Whether something in a part of the file does not matter to what is worked out."""
        return self.inert.any_between(start, end) or self._dead.any_between(start, end)

    def _touches_unknown(self, index: int) -> bool:
        """Whether a function has a name in it that is neither declared nor one of a pure built-in."""
        if index == 0 or self.scopes.functions[index].type in CLASSES:
            return True
        return self._unknown_between(self._starts[index], self._ends[index])

    def _unknown_between(self, start: int, end: int) -> bool:
        if self._unknown_names is None:
            self._unknown_names = self._unbound_but(KNOWN_GLOBALS)
        names = self._unknown_names
        for at in range(bisect_left(names, start), len(names)):
            if names[at] >= end:
                break
            self._work -= 1
            if self._work < 0 or not self._dead.holds(names[at]):
                return True
        return False

    def touches_unknown(self, node: Node) -> bool:
        """Whether a node has a name in it that is neither declared nor one of a pure built-in."""
        return self._unknown_between(node.start_byte, node.end_byte)

    def variables(self, node: Node, variables: list[Binding]) -> Root | None:
        """What those variables, used in a node, reach, if it is nothing unknown."""
        return self._closed(node, [], variables)

    def is_impure(self, index: int) -> bool:
        """Whether a function has a name in it that may mean something else elsewhere."""
        if self._impure_names is None:
            self._impure_names = self._unbound_but(PURE_GLOBALS)
        return _any_between(self._impure_names, self._starts[index], self._ends[index])

    def _unbound_but(self, known: frozenset[bytes]) -> list[int]:
        """Where the file uses names that it does not declare, but for some."""
        unbound = self.scopes.unbound.items()
        offsets = (offset for name, offsets in unbound if name not in known for offset in offsets)
        return sorted(offset for offset in offsets if not self.inert.holds(offset))

    def _changed_elsewhere(self, binding: Binding, functions: set[int]) -> bool:
        """Whether something else than those functions gives a variable another value."""
        return any(not self._is_in(offset, functions) for offset in self.writes().get(binding, ()))

    def _is_in(self, offset: int, functions: set[int] | frozenset[int]) -> bool:
        function = self.scopes.function_at(offset)
        while function > 0:
            if function in functions:
                return True
            function = self.scopes.parents[function]
        return False

    def writes(self) -> dict[Binding, list[int]]:
        """Where each variable is given a value other than by its declaration."""
        if self._changed is not None:
            return self._changed
        changed = self._changed = {}
        targets: list[Node] = []
        for _node, left, kind, _right, _compound in self._index.assignments:
            if kind == "identifier":
                targets.append(left)
            elif kind in {"object_pattern", "array_pattern"}:
                targets.extend(target for target, _ in pattern_names(left, self.scopes.text))
        for node in self._index.of("update"):
            inner = first_child(node)
            if inner is not None:
                targets.append(inner)
        for target in targets:
            binding = self.scopes.binding(target) if target.type not in MEMBERS else None
            if binding is not None:
                changed.setdefault(binding, []).append(target.start_byte)
        for node in self._index.of("block"):
            if node.type == "for_in_statement" and node.child_by_field_name("kind") is None:
                left_side = node.child_by_field_name("left")
                binding = None if left_side is None else self.scopes.binding(left_side)
                if binding is not None:
                    changed.setdefault(binding, []).append(node.start_byte)
        return changed


def _any_between(offsets: list[int], start: int, end: int) -> bool:
    at = bisect_left(offsets, start)
    return at < len(offsets) and offsets[at] < end


def _nothing_known(_binding: Binding) -> Value:
    return UNKNOWN
