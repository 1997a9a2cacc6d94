"""The shape ``wraps-original``: a member is given a function that calls what the member was before."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node

from npmguard.javascript.bindings import Binding, How
from npmguard.javascript.paths import Path
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place, first_child
from npmguard.model import FunctionSpan

_CALLED = re.compile(
    rb"\s*(?:\?\.)?\s*\(|\s*(?:\?\.|\.)\s*(?:call|apply|bind)\b|\s*(?:\?\.)?\[[^\[\]\n]{1,60}\]\s*\("
)
"""A call, also through ``call`` and the like, whose name may be computed (``original[decode(4)](this)``)."""

_HANDED = re.compile(rb"[(,]\s*\Z")
_HANDED_ON = re.compile(rb"\s*[,)]")
_MAX_REACHED = 64  # functions behind a hook that are searched for a call of the original
_MAX_STEPS = 4  # from an alias to what it refers to
_REFERENCES = frozenset({"member_expression", "subscript_expression", "identifier", "call_expression"})


class Hook(NamedTuple):
    """A member that is given a function: what it is, the assignment or call, its target, and the function."""

    path: Path
    node: Node
    target: Node | None
    function: int
    proxied: Path | None = None


class Wrapping:
    """Finds hooks that call what they replace.

    What is kept of originals is found first: names that are given a member of something, and properties. Only
    a member of which some original is kept can be wrapped, which :meth:`may_wrap` tells before any of its
    functions are looked for.
    """

    def __init__(self, program: Program, spans: tuple[FunctionSpan, ...]) -> None:
        """Prepare to judge the hooks of *program*, whose functions are *spans*."""
        self._program = program
        self._scopes = program.scopes
        self._constants = program.constants
        self._names = program.names
        self._index = program.index
        self._spans = spans
        self._starts = [span.start for span in spans]
        self._named: dict[str, list[Binding]] = {}
        self._kept: dict[str, list[tuple[bytes, Node]]] = {}
        self._by_reference: dict[str, dict[str | bytes, set[Binding]]] = {}
        self._find_names()
        self._find_kept()

    def may_wrap(self, last: str) -> bool:
        """Whether some member of that last name is kept anywhere in the file."""
        return last in self._named or last in self._kept

    def find(self, hooks: Sequence[Hook]) -> Iterator[Place]:
        """The hooks that call the original."""
        for hook in self._program.in_time(hooks):
            if hook.proxied == hook.path or self._calls_original(hook):
                yield (hook.node.start_byte, hook.node.end_byte, hook.function)

    def _calls_original(self, hook: Hook) -> bool:
        originals, kept = self._originals(hook), self._kept_under(hook)
        if not originals and kept is None:
            return False
        reached = dict.fromkeys([hook.function, *self._spans[hook.function].reaches])
        for index in list(reached)[:_MAX_REACHED]:
            span = self._spans[index]
            position = bisect_left(self._starts, span.start, 1)
            while position < len(self._spans) and self._spans[position].start < span.end:
                named = self._scopes.mentions[position] & originals
                if any(self._is_called(binding, span) for binding in named):
                    return True
                position += 1
            if kept is not None and kept.search(self._scopes.text, span.start, span.end):
                return True
        return False

    def _originals(self, hook: Hook) -> set[Binding]:
        """The names that stand for what the hook replaces; of an unknown object, by how it is spelled."""
        last = hook.path.segments[-1]
        by_reference = self._by_reference.get(last)
        if by_reference is None:
            by_reference = self._by_reference[last] = {}
            for binding in self._named.get(last, ()):
                by_reference.setdefault(self._reference_of(binding), set()).add(binding)
        if hook.path.known:
            return by_reference.get(hook.path.name, set())
        return set() if hook.target is None else by_reference.get(self._spell(hook.target), set())

    def _reference_of(self, binding: Binding) -> str | bytes:
        """What a name stands for: its path if that is known, or else how it is spelled."""
        path = self._names.of_binding(binding)
        _how, node, steps, _function, _default = binding.definitions[0]
        if path.known or node is None:
            return path.name
        spelled = self._spell(node)
        if steps:
            return spelled + b"".join(b"." + step.encode() for step in steps if isinstance(step, str))
        return spelled.partition(b".bind(")[0] if node.type == "call_expression" else spelled

    def _find_names(self) -> None:
        """The names that are given members, by the last name of the member."""
        for binding in self._scopes.bindings:
            if len(binding.definitions) != 1 or not binding.uses:
                continue
            how, node, steps, function, _default = binding.definitions[0]
            last: str | None = None
            if how is How.VALUE and node is not None:
                if steps:
                    last = steps[-1] if isinstance(steps[-1], str) else None
                elif node.type in _REFERENCES:
                    last = self._last_of(node)
            elif how is How.PARAMETER and self._program.sites.known(function):
                last = "".join(self._names.of_binding(binding).segments[-1:])
            if last:
                self._named.setdefault(last, []).append(binding)

    def _last_of(self, node: Node | None) -> str | None:
        """The last name of the member that an expression refers to, bound or by another name."""
        for _ in range(_MAX_STEPS):
            kind = "" if node is None else node.type
            if node is None or kind not in _REFERENCES:
                return None
            if kind == "member_expression":
                return self._index.tail(node).decode("utf-8", "replace")
            if kind == "subscript_expression":
                return self._constants.property_name(node)
            if kind == "call_expression":
                callee = first_child(node)
                if callee is None or callee.type != "member_expression" or self._index.tail(callee) != b"bind":
                    return None
                node = first_child(callee)
                continue
            binding = self._scopes.binding(node)
            if binding is None:
                return self._scopes.name(node).decode("utf-8", "replace")
            if len(binding.definitions) != 1:
                return None
            _how, node, steps, _function, _default = binding.definitions[0]
            if steps:
                return steps[-1] if isinstance(steps[-1], str) else None
        return None

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
