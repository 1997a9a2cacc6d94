"""Structural patterns of code that survive renaming and minifying.

==================== ==================================================================================
``wraps-original``   a member is given a function that calls what the member was before
``rewrites-recipient`` a function changes who receives what one of its parameters describes
``edit-distance``    an edit distance of two texts is computed
``most-similar-choice`` of several candidates, the one is kept for which a comparison gives the least (or most)
==================== ==================================================================================

Each is neutral: libraries have them by trade.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tree_sitter import Node

from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.names import Path
from npmguard.javascript.program import Program
from npmguard.javascript.scopes import Binding, Definition, How
from npmguard.javascript.tree import way_to
from npmguard.model import FunctionSpan

WRAPS_ORIGINAL = "wraps-original"
REWRITES_RECIPIENT = "rewrites-recipient"

_CALLED = re.compile(rb"\s*(?:\?\.)?\s*\(|\s*(?:\?\.|\.)\s*(?:call|apply|bind)\b")
_HANDED = re.compile(rb"[(,]\s*\Z")
_HANDED_ON = re.compile(rb"\s*[,)]")
_RECIPIENTS = frozenset(
    "to recipient destination toPubkey pubkey toAddress to_address recipientAddress receiver payTo".split()
)
_RECIPIENT_KEY = re.compile(
    rb"[\"'\[]{0,2}(?:%s)\b[\"'\]]{0,2}\s*:" % b"|".join(name.encode() for name in sorted(_RECIPIENTS))
)
_NO_ADDRESS = frozenset({"number", "true", "false", "null", "undefined", "unary_expression"})
_MAX_REACHED = 64  # functions behind a hook that are searched for a call of the original
_MAX_STEPS = 12  # from a name back to the parameter that it comes from


class Shape(NamedTuple):
    """A structural pattern that was found, where, and the function that it is about, if one is."""

    name: str
    start: int
    end: int
    target: int | None = None


class Hook(NamedTuple):
    """A member that is given a function: what it is, the assignment or call, its target, and the function."""

    path: Path
    node: Node
    target: Node | None
    function: int
    proxied: Path | None = None


class Wrapping:
    """Finds hooks that call what they replace."""

    def __init__(self, program: Program, spans: tuple[FunctionSpan, ...]) -> None:
        """Prepare to judge the hooks of *program*, whose functions are *spans*."""
        self._scopes = program.scopes
        self._names = program.names
        self._spans = spans
        self._starts = [span.start for span in spans]
        self._index = program.index
        self._kept: dict[bytes, list[tuple[bytes, Node]]] = {}

    def find(self, hooks: Iterable[Hook]) -> Iterator[Shape]:
        """The hooks that call the original."""
        hooks = list(hooks)
        if hooks:
            self._kept = self._find_kept()
        for hook in hooks:
            if hook.proxied == hook.path or self._calls_original(hook):
                yield Shape(WRAPS_ORIGINAL, hook.node.start_byte, hook.node.end_byte, hook.function)

    def _calls_original(self, hook: Hook) -> bool:
        last = hook.path.segments[-1]
        if last == "[]":
            return False
        reached = dict.fromkeys([hook.function, *self._spans[hook.function].reaches])
        kept = self._kept_under(hook)
        for index in list(reached)[:_MAX_REACHED]:
            span = self._spans[index]
            position = bisect_left(self._starts, span.start, 1)
            while position < len(self._spans) and self._spans[position].start < span.end:
                for binding in self._scopes.mentions[position]:
                    if self._is_original(binding, hook) and self._is_called(binding, span):
                        return True
                position += 1
            if kept is not None and kept.search(self._scopes.text, span.start, span.end):
                return True
        return False

    def _kept_under(self, hook: Hook) -> re.Pattern[bytes] | None:
        """Calls of the properties under which the original is kept (``window._fetch = window.fetch``)."""
        properties = {
            name
            for name, value in self._kept.get(hook.path.segments[-1].encode("utf-8", "replace"), ())
            if self._names.path(value) == hook.path
        }
        if not properties:
            return None
        names = b"|".join(re.escape(name) for name in sorted(properties))
        return re.compile(rb"\.(?:%s)(?:%s)" % (names, _CALLED.pattern))

    def _find_kept(self) -> dict[bytes, list[tuple[bytes, Node]]]:
        """Members that are kept under a property, by their last segment."""
        kept: dict[bytes, list[tuple[bytes, Node]]] = {}
        index = self._index
        for _node, left, kind, right, _compound in index.assignments:
            if kind == "member_expression" and right is not None:
                self._keep(kept, index.tail(left), right)
        for pair in index.of("pair"):
            key, value = pair.child_by_field_name("key"), pair.child_by_field_name("value")
            if key is not None and value is not None and key.type == "property_identifier":
                self._keep(kept, index.text[key.start_byte : key.end_byte], value)
        return kept

    def _keep(self, kept: dict[bytes, list[tuple[bytes, Node]]], name: bytes, value: Node) -> None:
        if value.type == "member_expression":
            kept.setdefault(self._index.tail(value), []).append((name, value))
        elif value.type == "identifier":
            last = self._names.path(value).segments[-1:]
            if last:
                kept.setdefault(last[0].encode("utf-8", "replace"), []).append((name, value))

    def _is_original(self, binding: Binding, hook: Hook) -> bool:
        path = self._names.of_binding(binding)
        if path.known:
            return path == hook.path
        if hook.path.known or hook.target is None or len(binding.definitions) != 1:
            return False
        how, node, steps, _function, _default = binding.definitions[0]
        if how is not How.VALUE or node is None:
            return False
        spelled = self._spelled(node)
        if steps:
            spelled += b"".join(b"." + step.encode() for step in steps if isinstance(step, str))
        elif node.type == "call_expression" and b".bind(" in spelled:
            spelled = spelled.partition(b".bind(")[0]
        return spelled == self._spelled(hook.target)

    def _spelled(self, node: Node) -> bytes:
        return b"".join(self._scopes.text[node.start_byte : node.end_byte].split())

    def _is_called(self, binding: Binding, span: FunctionSpan) -> bool:
        text, size = self._scopes.text, len(binding.name)
        position = bisect_left(binding.uses, span.start)
        while position < len(binding.uses) and binding.uses[position] < span.end:
            use = binding.uses[position]
            if _CALLED.match(text, use + size):
                return True
            if _HANDED.search(text[max(use - 24, 0) : use]) and _HANDED_ON.match(text, use + size):
                return True
            position += 1
        return False


class Recipients:
    """Finds functions that change who is paid."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._index = program.index
        self._scopes = program.scopes
        self._constants = program.constants

    def find(self) -> Iterator[Shape]:
        """Assignments to, and replaced copies of, what a parameter describes."""
        for node, left, kind, right, _compound in self._index.assignments:
            if kind not in MEMBERS or right is None or unwrap(right).type in _NO_ADDRESS:
                continue
            if kind == "member_expression":
                if self._index.tail(left).decode("utf-8", "replace") not in _RECIPIENTS:
                    continue
            elif self._constants.property_name(left) not in _RECIPIENTS:
                continue
            if self._given(left.named_child(0)):
                yield Shape(REWRITES_RECIPIENT, node.start_byte, node.end_byte)
        yield from self._copies()
        yield from self._definitions()

    def _copies(self) -> Iterator[Shape]:
        """``{...transaction, to: other}`` and ``Object.assign({}, transaction, {to: other})``."""
        text = self._index.text
        keys = [pair for pair in self._index.of("pair") if _RECIPIENT_KEY.match(text, pair.start_byte)]
        keys += [
            node
            for node in self._index.of("shorthand")
            if text[node.start_byte : node.end_byte].decode("utf-8", "replace") in _RECIPIENTS
        ]
        for key in keys:
            value = key.child_by_field_name("value")
            if value is not None and value.type in _NO_ADDRESS:
                continue
            way = way_to(self._index.root, key.start_byte, key.end_byte)
            holders = [position for position, node in enumerate(way) if node.type == "object"]
            if not holders:
                continue
            literal = way[holders[-1]]
            before = [child for child in literal.named_children if child.end_byte <= key.start_byte]
            spread = [child.named_child(0) for child in before if child.type == "spread_element"]
            spread += self._assigned_with(way[: holders[-1]], literal)
            if any(self._given(node) for node in spread):
                yield Shape(REWRITES_RECIPIENT, literal.start_byte, literal.end_byte)

    def _assigned_with(self, around: list[Node], literal: Node) -> list[Node | None]:
        """What stands before an object literal in ``Object.assign``."""
        if len(around) < 2 or around[-1].type != "arguments" or around[-2].type != "call_expression":
            return []
        callee = around[-2].named_child(0)
        if callee is None or callee.type != "member_expression" or self._index.tail(callee) != b"assign":
            return []
        return [node for node in arguments(around[-2]) if node.end_byte <= literal.start_byte]

    def _definitions(self) -> Iterator[Shape]:
        """``Reflect.set(transaction, "to", other)`` and ``Object.defineProperty``."""
        for call, callee, kind in self._index.calls:
            if kind == "member_expression" and self._index.tail(callee) in {b"set", b"defineProperty"}:
                given = arguments(call)
                if len(given) > 2 and self._constants.text(given[1]) in _RECIPIENTS and self._given(given[0]):
                    yield Shape(REWRITES_RECIPIENT, call.start_byte, call.end_byte)

    def _given(self, node: Node | None) -> bool:
        """Whether an expression is, or is taken from, a parameter of a function around it."""
        for _ in range(_MAX_STEPS):
            if node is None:
                return False
            node = unwrap(node)
            while node is not None and node.type in MEMBERS:
                inner = node.named_child(0)
                node = None if inner is None else unwrap(inner)
            if node is None:
                return False
            if node.type == "call_expression":
                node = self._copied(node)
                continue
            if node.type == "object":
                spread = [child for child in node.named_children if child.type == "spread_element"]
                node = spread[0].named_child(0) if spread else None
                continue
            if node.type in {"ternary_expression", "binary_expression"}:
                node = node.child_by_field_name("consequence") or node.child_by_field_name("left")
                continue
            if node.type != "identifier":
                return False
            binding = self._scopes.binding(node)
            if binding is None:
                return self._scopes.name(node) == b"arguments"
            source = self._source(binding.definitions)
            if source is None or isinstance(source, bool):
                return bool(source)
            node = source
        return False

    def _source(self, definitions: list[Definition]) -> Node | bool | None:
        """The node that a name comes from, or True if it is a parameter."""
        if any(definition.how is How.PARAMETER for definition in definitions):
            return True
        found = [each.node for each in definitions if each.how is How.VALUE and each.node is not None]
        return found[0] if found else None

    def _copied(self, call: Node) -> Node | None:
        """What ``structuredClone``, ``JSON.parse(JSON.stringify(…))``, ``Object.assign`` and methods copy."""
        callee, given = call.named_child(0), arguments(call)
        if callee is None:
            return None
        if callee.type == "member_expression":
            tail = self._index.tail(callee)
            if tail in {b"parse", b"stringify", b"assign", b"from", b"values", b"freeze"} and given:
                return given[-1] if tail == b"assign" and given[0].type == "object" else given[0]
            return callee.named_child(0)
        return given[0] if given and callee.type == "identifier" else None
