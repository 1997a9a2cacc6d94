"""The nodes of a file, looked at once and kept by what the analyses need of them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from operator import attrgetter

from tree_sitter import Node

from npmguard.javascript.syntax import Captures
from npmguard.javascript.tree import operator_of

BY_START = attrgetter("start_byte")

MEMBERS = frozenset({"member_expression", "subscript_expression"})

_WINDOW = 40  # bytes before the end of a member expression in which its last segment is looked for
_ODD = re.compile(rb"[^\w$\x80-\xff]")


Assignment = tuple[Node, Node, str, Node | None, bool]
"""An assignment, its target, the target's kind, what it is given, and whether it is compound (``+=``)."""

Call = tuple[Node, Node, str]
"""A call, its callee and the callee's kind."""


class Index:
    """Assignments, calls and member expressions of one file, and its captured nodes by kind."""

    def __init__(self, text: bytes, root: Node, nodes: Captures) -> None:
        """Look at the nodes that :func:`npmguard.javascript.syntax.captures` found below *root*."""
        self.text = text
        self.root = root
        self.nodes = nodes
        self._operations: dict[str, list[Node]] | None = None
        self.assignments: list[Assignment] = []
        self.calls: list[Call] = []
        for node in nodes.get("assignment", ()):
            left = node.named_child(0)
            if left is not None:
                right = node.child(2) if node.child_count == 3 else node.child_by_field_name("right")
                self.assignments.append((node, left, left.type, right, False))
        for node in nodes.get("augmented", ()):
            left, operator = node.child_by_field_name("left"), node.child_by_field_name("operator")
            if left is not None and operator is not None:
                compound = operator.type not in {"||=", "&&=", "??="}
                right = None if compound else node.child_by_field_name("right")
                self.assignments.append((node, left, left.type, right, compound))
        for node in nodes.get("call", ()):
            callee = node.named_child(0)
            if callee is not None:
                self.calls.append((node, callee, callee.type))
        self.members = nodes.get("member", [])
        self._tails: dict[int, bytes] = {}
        tails = self._tails
        for node in self.members:
            end = node.end_byte
            name = text[end - _WINDOW if end > _WINDOW else 0 : end].rpartition(b".")[2]
            if not name.isalnum() or len(name) == _WINDOW:
                name = self._spelled_tail(node, name)
            tails[end] = name

    def of(self, kind: str) -> list[Node]:
        """The captured nodes of that kind, in no particular order."""
        return self.nodes.get(kind, [])

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

    def tails(self) -> Iterable[tuple[int, bytes]]:
        """Where each member expression ends, with its last segment as spelled."""
        return self._tails.items()

    def tail(self, member: Node) -> bytes:
        """The last segment of a member expression, as it is spelled."""
        name = self._tails.get(member.end_byte)
        return self._spelled_tail(member, b"") if name is None else name

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
            spans.append((node.start_byte, node.end_byte))
    spans.sort()
    starts = [start for start, _ in spans]

    def kept(node: Node) -> bool:
        index = bisect_right(starts, node.start_byte) - 1
        return index < 0 or node.start_byte >= spans[index][1]

    return {kind: [node for node in found if kept(node)] for kind, found in nodes.items()}
