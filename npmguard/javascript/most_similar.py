"""The shape ``most-similar-choice``: of several candidates the one is kept that compares best.

Kept by the least result of a comparison of two texts, or by the greatest; in a loop, by ``reduce``, by
``sort``, or by the place of the least in a list of results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS, How
from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.edit_distance import LESS, MAX_BYTES, is_loop
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.paths import Root
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place, first_child, inside, operation, operator_of

_TEXTUAL = re.compile(
    rb"\[[^\]]{1,40}\]\s*[!=]==?|[!=]==?\s*[\w$.]{1,40}\[|\.(?:charAt|charCodeAt|codePointAt|startsWith|endsWith"
    rb"|split|slice|substring|substr|localeCompare|indexOf|includes)\b|\.\.\."
)
_COMPARING = re.compile(rb"(?i)dist|simil|leven|score|compare")


_CHOSEN = frozenset({"identifier", "object", "array", "parenthesized_expression", "subscript_expression"})
_NUMBERS = frozenset({"number", "unary_expression"})
_MAX_SOURCE = 200  # bytes of what a name is declared with
_COMPARED = frozenset({"identifier", "call_expression", "parenthesized_expression"})


class Choices:
    """Searches one file for the shape."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program
        self._index = program.index
        self._scopes = program.scopes
        self._constants = program.constants
        self._names = program.names
        self._less = [node for operator in LESS for node in self._index.operations(operator)]

    def find(self) -> Iterator[Place]:
        """The places that keep the candidate for which a comparison gives the least or the most."""
        seen: set[tuple[int, int]] = set()
        found = [*self._kept_in_loops(), *self._compared_twice(), *self._indexed_by_least()]
        for node in found:
            place = (node.start_byte, node.end_byte)
            if place not in seen:
                seen.add(place)
                yield (*place, None)

    def _comparing_call(self, node: Node | None) -> Node | None:
        """The call of a comparison of two texts that an expression is or was assigned from."""
        for _ in range(4):
            node = None if node is None else unwrap(node)
            if node is None:
                return None
            if node.type == "identifier":
                binding = self._scopes.binding(node)
                values = (
                    [] if binding is None else [each for each in binding.definitions if each.how is How.VALUE]
                )
                node = values[0].node if len(values) == 1 and not values[0].path else None
                continue
            if node.type == "assignment_expression":
                node = node.child_by_field_name("right")
                continue
            if node.type == "binary_expression":  # a similarity made of a distance: 1 - d / n
                calls = [each for each in inside(node, 12) if each.type in {"call_expression", "identifier"}]
                node = calls[0] if calls else None
                continue
            break
        if node is None or node.type != "call_expression":
            return None
        return node if self._compares(node) else None

    def _compares(self, call: Node) -> bool:
        """Whether a call may compare two texts: two operands, and a known function looks into them."""
        callee, given = first_child(call), arguments(call)
        if callee is None or not given or len(given) > 4:
            return False
        if len(given) < 2 and callee.type != "member_expression":
            return False
        if all(node.type in {"number", "string"} for node in given):
            return False
        path = self._names.path(callee)
        if path.root is Root.GLOBAL:
            return False
        function = self._constants.function_of(callee)
        if function is None and callee.type in MEMBERS and not path.known:
            return len(given) > 1 or self._names_distance(callee)
        if function is None:
            return len(given) > 1 or path.known
        return self._looks_into_texts(function)

    def _names_distance(self, callee: Node) -> bool:
        tail = self._index.tail(callee) if callee.type == "member_expression" else b""
        return _COMPARING.search(tail) is not None

    def _looks_into_texts(self, function: Node) -> bool:
        """Whether a function, or one that it calls, compares pieces of text."""
        index = self._scopes.function_of_node.get(function.id, 0)
        pending, seen = [index], {0}
        while pending and len(seen) < 12:
            current = pending.pop()
            if current in seen:
                continue
            seen.add(current)
            node = self._scopes.functions[current]
            text = self._index.text[node.start_byte : min(node.end_byte, node.start_byte + MAX_BYTES)]
            if _TEXTUAL.search(text):
                return True
            for binding in sorted(self._scopes.mentions[current], key=lambda each: each.uses[0]):
                for how, _node, _path, defined, _default in binding.definitions:
                    if how is How.FUNCTION:
                        pending.append(defined)
                    elif how is How.MODULE or self._names.of_binding(binding).known:
                        return True
        return False

    def _kept_in_loops(self) -> Iterator[Node]:
        """``if (d < least) { least = d; best = candidate; }`` and what minifiers make of it."""
        for node in self._program.in_time(self._less):
            parts = operation(node)
            if parts is None:
                continue
            pair = parts[0], parts[2]
            if any(side.type in _NUMBERS for side in pair):
                continue
            call = next((made for side in pair if (made := self._comparing_side(side)) is not None), None)
            if call is None:
                continue
            way = self._program.way_to(node)
            if not any(is_loop(self._index, way, position) for position in range(len(way))):
                continue
            guarded = self._guarded(way, node)
            if guarded is not None and self._keeps(guarded, self._guarded_parts(way, guarded), pair, call):
                yield guarded

    def _comparing_side(self, side: Node) -> Node | None:
        return self._comparing_call(side) if side.type in _COMPARED else None

    @staticmethod
    def _guarded(way: list[Node], comparison: Node) -> Node | None:
        """The statement or expression that decides by a comparison."""
        for node in reversed(way):
            if node.type in {"if_statement", "ternary_expression"}:
                return node
            if node.type == "binary_expression" and node.id != comparison.id and operator_of(node) == "&&":
                return node
            if node.type in FUNCTIONS or node.type.startswith(("for_", "while_", "do_")):
                return None
        return None

    def _guarded_parts(self, way: list[Node], guarded: Node) -> list[Node]:
        """What runs as the comparison decides: after ``continue``, that is the rest of the block."""
        fields = ("right",) if guarded.type == "binary_expression" else ("consequence", "alternative")
        parts = [part for field in fields if (part := guarded.child_by_field_name(field)) is not None]
        if parts and self._spelled(parts[0]).startswith((b"continue", b"{continue")):
            around = [
                node for node in way if node.type == "statement_block" and node.end_byte >= guarded.end_byte
            ]
            rest = around[-1].named_children if around else []
            parts = [node for node in rest if node.start_byte >= guarded.end_byte]
        return parts

    def _keeps(self, guarded: Node, parts: list[Node], pair: tuple[Node, Node], call: Node) -> bool:
        """Whether the result and the candidate are both kept; the candidate is one of what was compared."""
        compared = {self._spelled(each) for each in pair}
        for side in map(unwrap, pair):
            target = first_child(side) if side.type == "assignment_expression" else None
            if target is not None:
                compared.add(self._spelled(target))
        candidates = self._names_in(arguments(call))
        if guarded.type == "ternary_expression" and all(part.type in _CHOSEN for part in parts):
            chosen = {self._spelled(part) for part in parts}
            return not compared >= chosen and bool(candidates & self._names_in(parts))
        best = other = record = False
        for part in parts:
            for each in [part, *inside(part, 200)]:
                target = first_child(each) if each.type == "assignment_expression" else None
                value = each.child_by_field_name("right")
                if target is None or value is None:
                    continue
                of_candidate = bool(candidates & self._names_in([value]))
                record |= of_candidate and unwrap(value).type in {"object", "array"}
                if self._spelled(target) in compared:
                    best = True
                else:
                    other |= of_candidate
        return (best and other) or record

    def _names_in(self, nodes: list[Node]) -> set[bytes]:
        """The names in some expressions, and those in what the names are declared with."""
        found: set[bytes] = set()
        for node in nodes:
            for each in [node, *inside(node, 60)]:
                if not _is_name(each):
                    continue
                found.add(self._spelled(each))
                binding = self._scopes.binding(each)
                value = (
                    None if binding is None or len(binding.definitions) != 1 else binding.definitions[0].node
                )
                if value is not None and value.end_byte - value.start_byte < _MAX_SOURCE:
                    found.update(
                        self._spelled(part) for part in [value, *inside(value, 60)] if part.type == "identifier"
                    )
        return found

    def _compared_twice(self) -> Iterator[Node]:
        """``distance(a, x) - distance(a, y)`` or ``<``: one comparison of one text with two candidates."""
        for node in self._program.in_time([*self._index.operations("-"), *self._less]):
            parts = operation(node)
            if parts is None:
                continue
            left, _operator, right = parts
            if left.type == "call_expression" and right.type == "call_expression":
                if self._same_comparison(left, right) and self._decides(node):
                    yield node
            elif (
                left.type in MEMBERS and right.type in MEMBERS and self._sorts_by_comparison(node, left, right)
            ):
                yield node

    def _same_comparison(self, left: Node, right: Node) -> bool:
        """Whether two calls are of one comparison, with one text in common and another one apart."""
        one, other = first_child(left), first_child(right)
        if one is None or other is None or self._spelled(one) != self._spelled(other):
            return False
        if self._spelled(left) == self._spelled(right):
            return False
        named = [
            {
                self._spelled(each)
                for given in arguments(call)
                for each in [given, *inside(given, 60)]
                if _is_name(each)
            }
            for call in (left, right)
        ]
        method = one.type == "member_expression" and not self._names.path(one).known
        if not (named[0] & named[1] or method):
            return False
        return self._comparing_call(left) is not None

    def _decides(self, node: Node) -> bool:
        """Whether a comparison stands in what ``sort`` or ``reduce`` is given, or in a loop."""
        way = self._program.way_to(node)
        return any(is_loop(self._index, way, position) for position in range(len(way)))

    def _sorts_by_comparison(self, node: Node, left: Node, right: Node) -> bool:
        """``list.map(x => ({x, d: distance(a, x)})).sort((p, q) => p.d - q.d)``."""
        name = self._constants.property_name(left)
        if name is None or name != self._constants.property_name(right) or name == "length":
            return False
        way = self._program.way_to(node)
        for position in range(len(way) - 1, 0, -1):
            if (
                way[position].type == "call_expression"
                and way[position].end_byte - way[position].start_byte < MAX_BYTES
            ):
                callee = first_child(way[position])
                if callee is None or callee.type != "member_expression":
                    return False
                if self._index.tail(callee) not in {b"sort", b"toSorted", b"reduce"}:
                    return False
                return self._is_computed(name, callee)
        return False

    def _is_computed(self, name: str, callee: Node) -> bool:
        """Whether records in the list that is sorted keep a comparison under that name."""
        receiver = first_child(callee)
        for _ in range(4):
            receiver = None if receiver is None else unwrap(receiver)
            if receiver is None or receiver.type != "identifier":
                break
            receiver = self._value_of(receiver)
        if receiver is None:
            return False
        for node in inside(receiver, 400):
            kept: Node | None = None
            if node.type == "pair":
                key = node.child_by_field_name("key")
                if key is not None and self._constants.key(key) == name:
                    kept = node.child_by_field_name("value")
            elif node.type == "array" and name.isdigit():
                items = [child for child in node.named_children if child.type != "comment"]
                kept = items[int(name)] if int(name) < len(items) else None
            elif node.type == "shorthand_property_identifier" and self._spelled(node) == name.encode():
                kept = self._value_of(node)
            if kept is not None and self._comparing_call(kept) is not None:
                return True
        return False

    def _indexed_by_least(self) -> Iterator[Node]:
        """``list[distances.indexOf(Math.min(...distances))]``."""
        for call, callee, _kind in self._index.calls_of((b"indexOf", b"findIndex")):
            given, distances = arguments(call), first_child(callee)
            if len(given) != 1 or distances is None or distances.type != "identifier":
                continue
            least = unwrap(given[0])
            if least.type == "identifier":
                least = unwrap(self._value_of(least) or least)
            function = first_child(least) if least.type == "call_expression" else None
            if function is None or self._names.path(function).name not in {"Math.min", "Math.max"}:
                continue
            spread = [self._spelled(node) for node in arguments(least)]
            if spread != [b"..." + self._spelled(distances)]:
                continue
            made = self._value_of(distances)
            if made is not None and any(
                each.type == "call_expression" and self._compares(each) for each in inside(made, 200)
            ):
                yield call

    def _value_of(self, name: Node) -> Node | None:
        """The one expression that a name is given, as a whole."""
        binding = self._scopes.binding(name)
        values = [] if binding is None else [each for each in binding.definitions if each.how is How.VALUE]
        return values[0].node if len(values) == 1 and not values[0].path else None

    def _spelled(self, node: Node) -> bytes:
        return b"".join(self._index.text[node.start_byte : node.end_byte].split())


def _is_name(node: Node) -> bool:
    return node.type in {"identifier", "shorthand_property_identifier"}
