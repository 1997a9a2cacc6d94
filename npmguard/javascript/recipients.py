"""The shape ``rewrites-recipient``: a function changes who receives what one of its parameters describes.

``redirects-recipient`` is the same where a wallet address that stands in the code is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from npmguard.javascript.bindings import How
from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.own_addresses import own_addresses
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place, first_child

_RECIPIENTS = frozenset({"to", "recipient", "destination", "receiver", "payTo", "pubkey", "toPubkey"}) | {
    *("toAddress", "to_address", "recipientAddress"),
}
_RECIPIENT_NAMES = frozenset(name.encode() for name in _RECIPIENTS)
_RECIPIENT_KEY = re.compile(rb"[\"'\[]{0,2}(?:%s)\b[\"'\]]{0,2}\s*:" % b"|".join(sorted(_RECIPIENT_NAMES)))
_NO_ADDRESS = frozenset({"number", "true", "false", "null", "undefined", "unary_expression"})
_MAX_STEPS = 12  # from a name back to the parameter that it comes from


class Recipients:
    """Finds functions that change who is paid."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program
        self._index = program.index
        self._scopes = program.scopes
        self._constants = program.constants

    def find(self) -> Iterator[Place]:
        """Assignments to, and replaced copies of, what a parameter describes."""
        return (place for place, _value in self.rewrites())

    def rewrites(self) -> Iterator[tuple[Place, Node]]:
        """The same, with what is written as the recipient."""
        assigned = self._index.assigned(_RECIPIENT_NAMES)
        for node, left, kind, right, _compound in self._program.in_time(assigned):
            if right is None or unwrap(right).type in _NO_ADDRESS:
                continue
            if kind == "member_expression":
                if self._index.tail(left).decode("utf-8", "replace") not in _RECIPIENTS:
                    continue
            elif self._constants.property_name(left) not in _RECIPIENTS:
                continue
            if self._given(first_child(left)):
                yield (node.start_byte, node.end_byte, None), right
        yield from self._copies()
        yield from self._definitions()

    def _copies(self) -> Iterator[tuple[Place, Node]]:
        """``{...transaction, to: other}`` and ``Object.assign({}, transaction, {to: other})``."""
        text = self._index.text
        keys = [
            (key, value)
            for key, value, kind, _name in self._index.pairs
            if kind not in _NO_ADDRESS and _RECIPIENT_KEY.match(text, key.start_byte)
        ]
        keys += [
            (node, node)
            for node in self._index.of("shorthand")
            if text[node.start_byte : node.end_byte].decode("utf-8", "replace") in _RECIPIENTS
        ]
        for key, value in self._program.in_time(keys):
            way = self._program.way_to(key)
            holders = [position for position, node in enumerate(way) if node.type == "object"]
            if not holders:
                continue
            literal = way[holders[-1]]
            before = [child for child in literal.named_children if child.end_byte <= key.start_byte]
            spread = [first_child(child) for child in before if child.type == "spread_element"]
            spread += self._assigned_with(way[: holders[-1]], literal)
            if any(self._given(node) for node in spread):
                yield (literal.start_byte, literal.end_byte, None), value

    def _assigned_with(self, around: list[Node], literal: Node) -> list[Node | None]:
        """What stands before an object literal in ``Object.assign``."""
        if len(around) < 2 or around[-1].type != "arguments" or around[-2].type != "call_expression":
            return []
        callee = first_child(around[-2])
        if callee is None or callee.type != "member_expression" or self._index.tail(callee) != b"assign":
            return []
        return [node for node in arguments(around[-2]) if node.end_byte <= literal.start_byte]

    def _definitions(self) -> Iterator[tuple[Place, Node]]:
        """``Reflect.set(transaction, "to", other)`` and ``Object.defineProperty``."""
        for call, _callee, _kind in self._program.in_time(self._index.calls_of((b"set", b"defineProperty"))):
            given = arguments(call)
            if len(given) > 2 and self._constants.text(given[1]) in _RECIPIENTS and self._given(given[0]):
                yield (call.start_byte, call.end_byte, None), given[2]

    def _given(self, node: Node | None) -> bool:
        """Whether an expression is, or is taken from, a parameter of a function around it."""
        source = node
        for _ in range(_MAX_STEPS):
            if source is None:
                break
            source = unwrap(source)
            kind = source.type
            if kind in MEMBERS:
                source = _root_of(source)
            elif kind == "call_expression":
                source = self._copied(source)
            elif kind == "object":
                spread = [child for child in source.named_children if child.type == "spread_element"]
                source = first_child(spread[0]) if spread else None
            elif kind in {"ternary_expression", "binary_expression"}:
                source = source.child_by_field_name("consequence") or source.child_by_field_name("left")
            elif kind != "identifier":
                break
            else:
                binding = self._scopes.binding(source)
                if binding is None:
                    return self._scopes.name(source) == b"arguments"
                if any(each.how is How.PARAMETER for each in binding.definitions):
                    return True
                values = [each.node for each in binding.definitions if each.how is How.VALUE]
                source = values[0] if values else None
        return False

    def _copied(self, call: Node) -> Node | None:
        """What ``structuredClone``, ``JSON.parse(JSON.stringify(…))``, ``Object.assign`` and methods copy."""
        callee, given = first_child(call), arguments(call)
        if callee is None:
            return None
        if callee.type == "member_expression":
            tail = self._index.tail(callee)
            if tail in {b"parse", b"stringify", b"assign", b"from", b"values", b"freeze"} and given:
                return given[-1] if tail == b"assign" and given[0].type == "object" else given[0]
            return first_child(callee)
        return given[0] if given and callee.type == "identifier" else None


class OwnRecipients(Recipients):
    """Finds functions that change who is paid to an address that stands in the code."""

    def find(self) -> Iterator[Place]:
        """Those rewrites that write such an address."""
        own = own_addresses(self._program)
        return (place for place, value in self.rewrites() if own.may_be(value))


def _root_of(member: Node) -> Node | None:
    """What the first property of a chain is read from."""
    node: Node | None = member
    while node is not None and node.type in MEMBERS:
        node = first_child(node)
    return node
