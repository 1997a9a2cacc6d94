"""The shape ``edit-distance``: code that computes how many edits lie between two texts.

It is known by what it must do: compare the characters of two texts at two indices, inside two loops or in a
function that calls itself, take the least of three neighbours, and add one to them. The bit-parallel form of
Myers (J. ACM 46 (1999) 395) is known by its one formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS, How
from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.index import MEMBERS, Index
from npmguard.javascript.program import Program
from npmguard.javascript.syntax import BY_START
from npmguard.javascript.tree import Place, first_child, inside, operator_of, sides

MAX_BYTES = 12_000  # of a loop or function that is searched
MAX_CANDIDATES = 2_000  # comparisons that are looked at in one file

_MAX_NODES = 4_000
_LOOPS = frozenset({"for_statement", "for_in_statement", "while_statement", "do_statement"})
_LOOPING = frozenset(
    b"forEach map reduce reduceRight some every filter find findIndex flatMap from sort toSorted".split()
)
LESS = ("<", ">", "<=", ">=")
_ELEMENTS = frozenset({b"charAt", b"charCodeAt", b"codePointAt", b"at"})
_CHARACTERS = re.compile(rb"\[|\.(?:charAt|charCodeAt|codePointAt|at)\b|\A[\w$]+\s*[!=]==?\s*[\w$]+\Z")
_ONE = frozenset({b"1", b"0x1"})
_MYERS = re.compile(
    rb"\(\s*\(\s*([\w$]+)\s*&\s*([\w$]+)\s*\)\s*\+\s*(?:\1|\2)\s*\)\s*\^|"
    rb"\(\s*([\w$]+)\s*&\s*([\w$]+)\s*\)\s*\+\s*(?:\3|\4)\s*\^\s*(?:\3|\4)"
)


class EditDistances:
    """Searches one file for the shape."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program
        self._index = program.index
        self._scopes = program.scopes
        self._constants = program.constants
        self._names = program.names

    def find(self) -> Iterator[Place]:
        """The loops or functions that compute an edit distance."""
        text, seen = self._index.text, set[tuple[int, int]]()
        equal = [
            node
            for operator in ("===", "==", "!==", "!=")
            for node in self._index.operations(operator)
            if _CHARACTERS.search(text[node.start_byte : min(node.end_byte, node.start_byte + 400)])
        ]
        equal.sort(key=BY_START)
        for node in self._program.in_time(equal[:MAX_CANDIDATES]):
            if not self._compares_characters(node):
                continue
            way = self._program.way_to(node)
            for region in self._regions(way):
                place = (region.start_byte, region.end_byte)
                if place not in seen:
                    seen.add(place)
                    if self._takes_least_neighbour(region):
                        yield (*place, None)
                        break
        for match in _MYERS.finditer(text):
            yield (match.start(), match.end(), None)

    def _compares_characters(self, node: Node) -> bool:
        """Whether both sides are, or one is and the other may be, a character at an index."""
        pair = sides(node)
        if pair is None:
            return False
        elements = sum(self._is_element(side) for side in pair)
        plain = sum(unwrap(side).type == "identifier" for side in pair)
        return elements == 2 or (elements == 1 and plain == 1)

    def _is_element(self, node: Node) -> bool:
        node = unwrap(node)
        if node.type == "identifier":
            binding = self._scopes.binding(node)
            made = (
                [] if binding is None else [each.node for each in binding.definitions if each.how is How.VALUE]
            )
            if len(made) != 1 or made[0] is None or made[0].type == "identifier":
                return False
            node = unwrap(made[0])
        if node.type == "subscript_expression":
            index = node.child_by_field_name("index")
            return index is not None and index.type not in {"string", "template_string"}
        if node.type != "call_expression":
            return False
        callee = first_child(node)
        if callee is None or callee.type not in MEMBERS:
            return False
        name = self._constants.property_name(callee)
        if name is not None and name.encode() in _ELEMENTS:
            return True
        return name in {"slice", "substring", "substr"} and len(arguments(node)) == 2

    def _regions(self, way: list[Node]) -> Iterator[Node]:
        """Where the rest of it must be: the outer of two loops, or a function that calls itself."""
        loops = [position for position, node in enumerate(way) if is_loop(self._index, way, position)]
        if len(loops) > 1:
            yield way[loops[-2]]
        for node in reversed(way):
            if node.type in FUNCTIONS:
                if node.end_byte - node.start_byte <= MAX_BYTES and self._calls_itself(node):
                    yield node
                break

    def _calls_itself(self, function: Node) -> bool:
        start, end = function.start_byte, function.end_byte
        index = self._scopes.function_of_node.get(function.id, 0)
        for position in range(index, len(self._scopes.functions)):
            if self._scopes.functions[position].start_byte >= end:
                break
            for binding in self._scopes.mentions[position]:
                for how, node, _path, defined, _default in binding.definitions:
                    named = how is How.FUNCTION and defined == index
                    held = (
                        how is How.VALUE
                        and node is not None
                        and node.start_byte <= start
                        and node.end_byte >= end
                    )
                    if (named or held) and sum(start <= use < end for use in binding.uses[:64]) > 1:
                        return True
        return False

    def _takes_least_neighbour(self, region: Node) -> bool:
        """Whether there are a choice of the least of three, and ones added to what is compared."""
        least = added = 0
        indices: set[int] = set()
        for node in inside(region, _MAX_NODES):
            kind = node.type
            if kind == "subscript_expression":
                index = node.child_by_field_name("index")
                if index is not None:
                    indices.add(index.id)
                    indices.update(child.id for child in inside(index, 40))
            elif kind == "call_expression":
                least = max(least, self._least_of(node))
            elif kind == "binary_expression" and node.id not in indices and self._adds_one(node):
                added += 1
                summed = sides(node)
                if summed is not None and any(self._least_of(side) > 0 for side in map(unwrap, summed)):
                    added += 1  # one is added to the least instead of to each
            elif kind == "ternary_expression":
                least += self._picks_lesser(node)
            elif kind == "if_statement":
                least += self._keeps_lesser(node)
        return least >= 2 and added >= 1 and least + added >= 4

    def _least_of(self, call: Node) -> int:
        """Of how many values a call takes the least, less one; nested calls count together."""
        if call.type != "call_expression":
            return 0
        pending, values = [call], 0
        while pending and values < 32:
            node = unwrap(pending.pop())
            function = first_child(node) if node.type == "call_expression" else None
            if function is not None and self._names.path(function).name in {"Math.min", "Math.min.apply"}:
                pending.extend(self._minimised(node))
            elif node.id == call.id:
                return self._sorted_first(node)
            else:
                values += 1
        return values - 1

    @staticmethod
    def _minimised(call: Node) -> list[Node]:
        found: list[Node] = []
        for node in arguments(call):
            inner = first_child(node) if node.type == "spread_element" else node
            if inner is not None:
                found.extend(inner.named_children if inner.type == "array" else [inner])
        return found

    def _sorted_first(self, call: Node) -> int:
        """``[a, b, c].sort()[0]`` and ``[a, b, c].reduce(…)``."""
        callee = first_child(call)
        if callee is None or callee.type != "member_expression":
            return 0
        literal = first_child(callee)
        if literal is None or literal.type != "array" or self._index.tail(callee) not in {b"sort", b"reduce"}:
            return 0
        return literal.named_child_count - 1

    def _adds_one(self, node: Node) -> bool:
        pair = sides(node) if node.type == "binary_expression" and operator_of(node) == "+" else None
        return pair is not None and any(self._spelled(side) in _ONE for side in pair)

    def _picks_lesser(self, node: Node) -> bool:
        """``a < b ? a : b``, with ones added or further choices inside."""
        condition = node.child_by_field_name("condition")
        branches = node.child_by_field_name("consequence"), node.child_by_field_name("alternative")
        if condition is None or None in branches:
            return False
        compared = self._compared(unwrap(condition))
        return bool(compared) and any(
            branch is not None
            and (unwrap(branch).type == "ternary_expression" or self._base(branch) in compared)
            for branch in branches
        )

    def _keeps_lesser(self, node: Node) -> bool:
        """``if (a < least) least = a``."""
        condition, body = node.child_by_field_name("condition"), node.child_by_field_name("consequence")
        if condition is None or body is None:
            return False
        compared = self._compared(unwrap(condition))
        assigned = [each for each in inside(body, 30) if each.type == "assignment_expression"]
        return bool(compared) and any(
            (left := first_child(each)) is not None and self._base(left) in compared for each in assigned[:2]
        )

    def _compared(self, node: Node) -> set[bytes]:
        pair = sides(node) if node.type == "binary_expression" and operator_of(node) in LESS else None
        return set() if pair is None else {self._base(side) for side in pair}

    def _base(self, node: Node) -> bytes:
        """An expression as spelled, without a one that is added to it."""
        node = unwrap(node)
        pair = sides(node) if self._adds_one(node) else None
        if pair is not None:
            node = pair[1] if self._spelled(pair[0]) in _ONE else pair[0]
        return self._spelled(node)

    def _spelled(self, node: Node) -> bytes:
        return b"".join(self._index.text[node.start_byte : node.end_byte].split())


def is_loop(index: Index, way: list[Node], position: int) -> bool:
    """Whether the node at *position* of a way down the tree repeats what follows on the way.

    A method that is called by a computed name with a function is taken for one that repeats it.
    """
    node = way[position]
    if node.end_byte - node.start_byte > MAX_BYTES:
        return False
    if node.type in _LOOPS:
        return True
    if node.type != "call_expression" or position + 2 >= len(way) or way[position + 1].type != "arguments":
        return False
    callee = first_child(node)
    if callee is None:
        return False
    if callee.type == "member_expression":
        return index.tail(callee) in _LOOPING
    name = callee.child_by_field_name("index")
    if name is None:
        return False
    if name.type == "string":
        return index.text[name.start_byte + 1 : name.end_byte - 1] in _LOOPING
    return name.type != "number" and way[position + 2].type in FUNCTIONS
