"""Which functions of a file a function calls or refers to by name, and which outer tables it reads."""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter

from tree_sitter import Node

from npmguard.javascript.bindings import CLASSES, FUNCTION_DECLARATIONS, FUNCTIONS, Binding, How, key_name
from npmguard.javascript.index import MEMBERS, Index
from npmguard.javascript.objects import Objects
from npmguard.javascript.scopes import Scopes
from npmguard.model import FunctionSpan

MAX_SHORT = 512  # bytes of an initialiser that is followed into what it names
MAX_NAMED = 8  # bindings that it may name
MAX_FOLLOWED = 24  # bindings that are followed from one name
MAX_CANDIDATES = 4  # functions under one property name, beyond which the name says nothing

MAX_ASSIGNED = 64  # members of an object that are given texts or tables after it was made
_TABLES = frozenset({"array", "string", "template_string", "object", "binary_expression"})

_Held = tuple[tuple[int, ...], tuple[tuple[int, int], ...]]


class Reach:
    """The functions of one file by the property names they are stored under, and who reaches whom."""

    def __init__(self, index: Index, scopes: Scopes, names: Objects | None = None) -> None:
        """Find the functions that are stored under a property name; *names* works out computed ones."""
        self._names = names
        self._scopes = scopes
        self._index = index
        self._held: dict[Binding, _Held] = {}
        self._assigned: dict[Binding, list[Node]] = {}
        self.by_property: dict[bytes, list[int]] = {}
        self._targets: set[int] = set()
        self._collect()

    def stored(self, name: bytes) -> list[int]:
        """The functions stored under that property name; none if too many share it."""
        found = self.by_property.get(name, [])
        return found if len(found) <= MAX_CANDIDATES else []

    def spans(self) -> tuple[FunctionSpan, ...]:
        """Every function of the file with what it reaches and refers to."""
        scopes = self._scopes
        reaches: list[set[int]] = [set() for _ in scopes.functions]
        for index, node in enumerate(scopes.functions):
            parent = scopes.parents[index]
            if parent >= 0 and node.type not in FUNCTION_DECLARATIONS and node.type not in _NAMED_CLASSES:
                reaches[parent].add(index)
        self._by_name(reaches)
        spans = []
        for index, node in enumerate(scopes.functions):
            refers: set[tuple[int, int]] = set()
            for binding in scopes.mentions[index]:
                if binding.function == index:  # what its initialiser names, this function names itself
                    reaches[index].update(each.function for each in binding.definitions if each.function)
                    continue
                functions, ranges = self._holds(binding)
                reaches[index].update(functions)
                refers.update(ranges)
            reaches[index].discard(index)
            spans.append(
                FunctionSpan(
                    node.start_byte if index else 0,
                    node.end_byte if index else len(scopes.text),
                    scopes.parents[index],
                    tuple(sorted(reaches[index])),
                    tuple(sorted(refers)),
                )
            )
        return tuple(spans)

    def held(self, binding: Binding) -> _Held:
        """The functions that a binding holds, and the byte ranges of its other initialisers."""
        return self._holds(binding)

    def _by_name(self, reaches: list[set[int]]) -> None:
        """Add the functions that are stored under the property names that each function mentions."""
        targets, scopes, members = self._targets, self._scopes, self._index.members
        mentioned = [
            (member.end_byte, found)
            for name, found in self.by_property.items()
            if name in members and len(found) <= MAX_CANDIDATES
            for member in members[name]
            if member.end_byte not in targets
        ]
        mentioned.sort(key=itemgetter(0))
        starts = self._starts
        ends = [node.end_byte for node in scopes.functions]
        ends[0] = len(scopes.text) + 1
        function, following = 0, 1
        for end, found in mentioned:
            if following < len(starts) and starts[following] < end:
                following = bisect_left(starts, end, following)
                function = following - 1
            while ends[function] < end:
                function = scopes.parents[function]
            reaches[function].update(found)

    def _holds(self, binding: Binding) -> _Held:
        """The functions that a binding holds or is made with, and the initialisers that it has otherwise.

        What the initialisers name is followed too, nearest first, for a few bindings.
        """
        held = self._held.get(binding)
        if held is not None:
            return held
        functions: set[int] = set()
        ranges: set[tuple[int, int]] = set()
        pending, position = [binding], 0
        while position < len(pending) and position < MAX_FOLLOWED:
            own, tables, named = self._holds_itself(pending[position])
            position += 1
            functions.update(own)
            ranges.update(tables)
            pending.extend(each for each in named if each not in pending)
        held = self._held[binding] = (tuple(sorted(functions)), tuple(sorted(ranges)))
        return held

    def _holds_itself(self, binding: Binding) -> tuple[set[int], set[tuple[int, int]], list[Binding]]:
        scopes = self._scopes
        functions: set[int] = set()
        ranges: set[tuple[int, int]] = set()
        named: list[Binding] = []
        for how, node, _path, function, _default in binding.definitions:
            if how is How.FUNCTION:
                functions.add(function)
            elif how is How.VALUE and node is not None:
                if node.type in FUNCTIONS:
                    functions.add(scopes.function_of_node.get(node.id, 0))
                else:
                    functions.update(self._inside(node))
                    ranges.add((node.start_byte, node.end_byte))
                    named.extend(self._named_in(node))
            elif how is How.MODULE and node is not None:
                ranges.add((node.start_byte, node.end_byte))
        for table in self._assigned.get(binding, ()):
            ranges.add((table.start_byte, table.end_byte))
        functions.discard(0)
        return functions, ranges, named

    def _named_in(self, node: Node) -> list[Binding]:
        """The bindings that a short initialiser names: what it is an alias, a list or the result of."""
        scopes = self._scopes
        if node.end_byte - node.start_byte > MAX_SHORT:
            return []
        uses = scopes.uses
        low, high = bisect_left(uses, node.start_byte), bisect_left(uses, node.end_byte)
        found = {binding for use in uses[low:high] if (binding := scopes.at(use)) is not None}
        return sorted(found, key=lambda binding: binding.uses) if len(found) <= MAX_NAMED else []

    def _inside(self, node: Node) -> list[int]:
        """The outermost functions written inside an initialiser, at most a few."""
        scopes = self._scopes
        starts = self._starts
        found: list[int] = []
        index = bisect_left(starts, node.start_byte)
        end = node.end_byte
        while index < len(starts) and starts[index] < end and len(found) < 64:
            found.append(index)
            skip = scopes.functions[index].end_byte
            index = bisect_left(starts, skip, index + 1)
        return found

    def _collect(self) -> None:
        scopes = self._scopes
        self._starts = [node.start_byte for node in scopes.functions]
        self._starts[0] = -1
        for index, node in enumerate(scopes.functions):
            if node.type == "method_definition":
                self._store(node.child_by_field_name("name"), index)
        for key, value, kind, plain in self._index.pairs:
            if kind in FUNCTIONS:
                index = scopes.function_of_node.get(value.id, 0)
                if plain is not None and b"\\" not in plain:
                    self.by_property.setdefault(plain, []).append(index)
                else:
                    self._store(key, index)
        for field in self._index.of("field"):
            held = field.child_by_field_name("value")
            if held is not None and held.type in FUNCTIONS:
                name = field.child_by_field_name("property") or field.child_by_field_name("name")
                self._store(name, scopes.function_of_node.get(held.id, 0))
        for _node, left, kind, right, _compound in self._index.assignments:
            if kind in MEMBERS and right is not None and right.type in _TABLES:
                self._assign(left, right)
            if kind == "subscript_expression" and right is not None and right.type in FUNCTIONS:
                known = None if self._names is None else self._names.property_name(left)
                if known is not None:
                    index = scopes.function_of_node.get(right.id, 0)
                    self.by_property.setdefault(known.encode("utf-8", "replace"), []).append(index)
            if kind != "member_expression" or right is None:
                continue
            self._targets.add(left.end_byte)
            if right.type in FUNCTIONS:
                index = scopes.function_of_node.get(right.id, 0)
                self.by_property.setdefault(self._index.tail(left), []).append(index)

    def _assign(self, left: Node, right: Node) -> None:
        """Remember what an object is filled with after it was made (``table.evm = [...]``)."""
        target = left.named_child(0)
        if target.type != "identifier":
            return
        binding = self._scopes.binding(target)
        if binding is not None and any(how is How.VALUE for how, *_ in binding.definitions):
            kept = self._assigned.setdefault(binding, [])
            if len(kept) < MAX_ASSIGNED:
                kept.append(right)

    def _store(self, key: Node | None, index: int) -> None:
        name = None if key is None else key_name(key, self._scopes.text)
        if name is None and key is not None and self._names is not None:
            name = self._names.key(key)
        if name is not None and name != "constructor":
            self.by_property.setdefault(name.encode("utf-8", "replace"), []).append(index)


_NAMED_CLASSES = CLASSES - {"class"}
