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
from npmguard.javascript.scopes import Binding, Definition, How, Step
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


_REFERENCES = frozenset({"member_expression", "subscript_expression", "identifier", "call_expression"})


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
    """Finds hooks that call what they replace.

    What is kept of originals is found first: names that are given a member of something, and properties. Only a
    member of which some original is kept can be wrapped, which :meth:`may_wrap` tells before any of its functions
    are looked for.
    """

    def __init__(self, program: Program, spans: tuple[FunctionSpan, ...]) -> None:
        """Prepare to judge the hooks of *program*, whose functions are *spans*."""
        self._program = program
        self._scopes = program.scopes
        self._constants = program.constants
        self._names = program.names
        self._index = program.index
        self._spans = spans
        self._named: dict[str, list[Binding]] = {}
        self._kept: dict[str, list[tuple[bytes, Node]]] = {}
        self._find_names()
        self._find_kept()

    def may_wrap(self, last: str) -> bool:
        """Whether some member of that last name is kept anywhere in the file."""
        return last in self._named or last in self._kept

    def find(self, hooks: Iterable[Hook]) -> Iterator[Shape]:
        """The hooks that call the original."""
        for hook in hooks:
            if hook.proxied == hook.path or self._calls_original(hook):
                yield Shape(WRAPS_ORIGINAL, hook.node.start_byte, hook.node.end_byte, hook.function)

    def _calls_original(self, hook: Hook) -> bool:
        bindings = [
            each for each in self._named.get(hook.path.segments[-1], ()) if self._is_original(each, hook)
        ]
        kept = self._kept_under(hook)
        if not bindings and kept is None:
            return False
        reached = dict.fromkeys([hook.function, *self._spans[hook.function].reaches])
        for index in list(reached)[:_MAX_REACHED]:
            span = self._spans[index]
            if any(self._is_called(binding, span) for binding in bindings):
                return True
            if kept is not None and kept.search(self._scopes.text, span.start, span.end):
                return True
        return False

    def _is_original(self, binding: Binding, hook: Hook) -> bool:
        """Whether a name stands for what the hook replaces; of an unknown object, by how it is spelled."""
        path = self._names.of_binding(binding)
        if path.known or hook.path.known:
            return path == hook.path
        _how, node, steps, _function, _default = binding.definitions[0]
        if hook.target is None or node is None:
            return False
        spelled = self._spell(node)
        if steps:
            spelled += b"".join(b"." + step.encode() for step in steps if isinstance(step, str))
        elif node.type == "call_expression":
            spelled = spelled.partition(b".bind(")[0]
        return spelled == self._spell(hook.target)

    def _find_names(self) -> None:
        """The names that are given members, by the last name of the member."""
        for binding in self._scopes.bindings:
            if len(binding.definitions) != 1 or not binding.uses:
                continue
            how, node, steps, function, _default = binding.definitions[0]
            last: str | None = None
            if how is How.VALUE and node is not None:
                step = steps[-1] if steps else None
                last = step if isinstance(step, str) else self._last_of(node) if not steps else None
            elif how is How.PARAMETER and self._program.sites.known(function):
                last = "".join(self._names.of_binding(binding).segments[-1:])
            if last:
                self._named.setdefault(last, []).append(binding)

    def _last_of(self, node: Node) -> str | None:
        """The last name of the member that an expression refers to."""
        kind = node.type
        if kind == "member_expression":
            return self._index.tail(node).decode("utf-8", "replace")
        if kind == "identifier":
            binding = self._scopes.binding(node)
            if binding is None:
                return self._scopes.name(node).decode("utf-8", "replace")
            if len(binding.definitions) != 1:
                return None
            _how, source, steps, _function, _default = binding.definitions[0]
            if steps:
                return steps[-1] if isinstance(steps[-1], str) else None
            return None if source is None or source.type == "identifier" else self._last_of(source)
        if kind == "call_expression":
            callee = node.named_child(0)
            if callee.type != "member_expression" or self._index.tail(callee) != b"bind":
                return None
            return self._last_of(callee.named_child(0))
        return self._constants.property_name(node) if kind == "subscript_expression" else None

    def _find_kept(self) -> None:
        """The members that are kept under a property (``window._fetch = window.fetch``)."""
        for _node, left, kind, right, _compound in self._index.assignments:
            if kind == "member_expression" and right is not None and right.type in _REFERENCES:
                self._keep(self._index.tail(left), right)
        for _key, value, kind, name in self._index.pairs:
            if name is not None and kind in _REFERENCES:
                self._keep(name, value)

    def _keep(self, name: bytes, value: Node) -> None:
        last = self._last_of(value)
        if last:
            self._kept.setdefault(last, []).append((name, value))

    def _kept_under(self, hook: Hook) -> re.Pattern[bytes] | None:
        """Calls of the properties under which the original is kept."""
        properties = {
            name
            for name, value in self._kept.get(hook.path.segments[-1], ())
            if hook.path.known and self._names.path(value) == hook.path
        }
        if not properties:
            return None
        names = b"|".join(re.escape(name) for name in sorted(properties))
        return re.compile(rb"\.(?:%s)(?:%s)" % (names, _CALLED.pattern))

    def _spell(self, node: Node) -> bytes:
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
        for key, _value in keys:
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
        for call, _callee, _kind in self._index.calls_of((b"set", b"defineProperty")):
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
