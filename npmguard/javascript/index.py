"""The nodes of a file, looked at once and kept by what the analyses need of them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable
from functools import cached_property
from itertools import chain

from tree_sitter import Node

from npmguard.javascript.syntax import BY_START, Captures
from npmguard.javascript.tree import operator_of

MEMBERS = frozenset({"member_expression", "subscript_expression"})

_WINDOW = 40  # bytes before the end of a member expression in which its last segment is looked for
_ODD = re.compile(rb"[^\w$\x80-\xff]")


Assignment = tuple[Node, Node, str, Node | None, bool]
"""An assignment, its target, the target's kind, what it is given, and whether it is compound (``+=``)."""

Pair = tuple[Node, Node, str, bytes | None]
"""A key with its value, the value's kind, and the name where the key is a plain one."""

Call = tuple[Node, Node, str]
"""A call, its callee and the callee's kind."""


class Index:
    """The nodes of one file by kind, and looked at: assignments, pairs, calls and member expressions.

    ``method_calls`` and ``members`` are by the last segment of their names as spelled; ``calls`` are the rest.
    """

    def __init__(self, text: bytes, root: Node, nodes: Captures) -> None:
        """Look at the nodes that :func:`npmguard.javascript.syntax.captures` found below *root*."""
        self.text = text
        self.root = root
        self.nodes = nodes
        self._operations: dict[str, list[Node]] | None = None
        self.assignments: list[Assignment] = []
        for node in nodes.get("assignment", ()):
            left = node.named_child(0)
            right = node.child(2) if node.child_count == 3 else node.child_by_field_name("right")
            self.assignments.append((node, left, left.type, right, False))
        for node in nodes.get("augmented", ()):
            left = node.named_child(0)
            compound = operator_of(node) not in {"||=", "&&=", "??="}
            right = None if compound else node.child_by_field_name("right")
            self.assignments.append((node, left, left.type, right, compound))
        self.pairs: list[Pair] = []
        for node in nodes.get("pair", ()):
            key = node.named_child(0)
            value = node.child(2) if node.child_count == 3 else node.child_by_field_name("value")
            if value is not None:
                plain = key.type == "property_identifier"
                spelled = text[key.start_byte : key.end_byte] if plain else None
                self.pairs.append((key, value, value.type, spelled))
        self.members: dict[bytes, list[Node]] = {}
        self._tails: dict[int, bytes] = {}
        members, tails = self.members, self._tails
        for node in nodes.get("member", ()):
            end = node.end_byte
            name = text[end - _WINDOW if end > _WINDOW else 0 : end].rpartition(b".")[2]
            if not name.isalnum() or len(name) == _WINDOW:
                name = self._spelled_tail(node, name)
            tails[end] = name
            if name in members:
                members[name].append(node)
            else:
                members[name] = [node]
        self.calls: list[Call] = []
        self.method_calls: dict[bytes, list[Call]] = {}
        calls, methods = self.calls, self.method_calls
        for node in nodes.get("call", ()):
            callee = node.named_child(0)
            kind = callee.type
            if kind != "member_expression":
                calls.append((node, callee, kind))
                continue
            name = tails.get(callee.end_byte) or self.tail(callee)
            if name in methods:
                methods[name].append((node, callee, kind))
            else:
                methods[name] = [(node, callee, kind)]

    def of(self, kind: str) -> list[Node]:
        """The captured nodes of that kind, in source order."""
        return self.nodes.get(kind, [])

    @cached_property
    def unnamed_calls(self) -> list[Call]:
        """Those of ``calls`` whose callee is no plain name."""
        return [call for call in self.calls if call[2] != "identifier"]

    def assigned(self, names: Collection[bytes]) -> list[Assignment]:
        """The assignments to members that may be of those names, in source order.

        That is to those of the names, and to those that are computed or spelled with escapes.
        """
        if not names:
            return []
        by_name, computed = self._assigned_members
        found = list(computed)
        for name in names:
            found += by_name.get(name, ())
        return [self.assignments[position] for position in sorted(found)]

    @cached_property
    def _assigned_members(self) -> tuple[dict[bytes, list[int]], list[int]]:
        by_name: dict[bytes, list[int]] = {}
        computed: list[int] = []
        for position, (_node, left, kind, _right, _compound) in enumerate(self.assignments):
            if kind == "subscript_expression":
                computed.append(position)
            elif kind == "member_expression":
                name = self.tail(left)
                if b"\\" in name:
                    computed.append(position)
                else:
                    by_name.setdefault(name, []).append(position)
        return by_name, computed

    def operations(self, operator: str) -> list[Node]:
        """The binary expressions with that operator."""
        if self._operations is None:
            self._operations = {}
            for node in self.of("binary"):
                sign = node.child(1).type
                if sign == "comment":
                    sign = operator_of(node)
                self._operations.setdefault(sign, []).append(node)
        return self._operations.get(operator, [])

    def tail(self, member: Node) -> bytes:
        """The last segment of a member expression, as it is spelled."""
        return self._tails.get(member.end_byte) or self._spelled_tail(member, b"")

    def calls_of(self, names: Iterable[bytes]) -> list[Call]:
        """The calls of methods of those names."""
        return [call for name in names for call in self.method_calls.get(name, ())]

    def every_call(self) -> list[Call]:
        """All calls, in no particular order."""
        return [*self.calls, *chain.from_iterable(self.method_calls.values())]

    def _spelled_tail(self, member: Node, guess: bytes) -> bytes:
        if guess and len(guess) < _WINDOW and not _ODD.search(guess):
            return guess
        prop = member.child_by_field_name("property")
        return b"" if prop is None else self.text[prop.start_byte : prop.end_byte]


def without_types(nodes: Captures) -> Captures:
    """The nodes that are left when TypeScript's types are erased."""
    spans: list[tuple[int, int]] = []
    for node in sorted(nodes.pop("erased", []), key=BY_START):
        if not spans or node.start_byte >= spans[-1][1]:
            spans.append((node.start_byte, node.end_byte))
    for node in nodes.get("module", ()):
        if any(child.type == "type" for child in node.children):
            spans += [(node.start_byte, node.end_byte)]
    spans.sort()
    starts = [start for start, _ in spans]

    def kept(node: Node) -> bool:
        index = bisect_right(starts, node.start_byte) - 1
        return index < 0 or node.start_byte >= spans[index][1]

    return {
        kind: found if kind == "return" else [node for node in found if kept(node)]
        for kind, found in nodes.items()
    }
