"""Which nodes can become facts that are asked for, judged before anything is worked out about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS, Binding
from npmguard.javascript.index import MEMBERS, Call
from npmguard.javascript.interest import Interest
from npmguard.javascript.passing import passes
from npmguard.javascript.program import Program

Wanted = frozenset[bytes] | None
"""Last segments of names, as UTF-8; None for all names."""

HEAD = re.compile(rb"[\s(]*([\w$\x80-\xff\\]+)")
"""The first name of an expression, after parentheses."""

_NO_SEGMENT = b"\xff"  # no name is that in UTF-8
_INERT = FUNCTIONS | {
    "string",
    "number",
    "object",
    "array",
    "true",
    "false",
    "null",
    "template_string",
    "regex",
}


class Relevance:
    """What an interest asks of one program.

    A name may be hidden: by a computed member, an alias, or a local object that keeps it under another name.
    Whatever may be so is judged relevant, so that a fact is found under every interest that wants it.
    """

    def __init__(self, program: Program, interest: Interest) -> None:
        """Find the names under which something of interest may be kept in *program*."""
        self.interest = interest
        self.calls = _encoded(interest.calls)
        self.news = _encoded(interest.news)
        self.writes = _encoded(interest.writes)
        self.reads = _encoded(interest.reads)
        self.modules = _encoded(interest.modules)
        self._program = program
        if program.holders is None:
            program.holders = program.constants.holders()
        self.holders = program.holders
        self._hidden: frozenset[bytes] = frozenset()
        if self.holders and any(
            wanted is not None for wanted in (self.calls, self.news, self.writes, self.reads)
        ):
            if program.hidden is None:
                program.hidden = self._find_hidden()
            self._hidden = program.hidden

    @staticmethod
    def wants(name: str, wanted: Wanted) -> bool:
        """Whether a fact of that name is asked for; a local value of unknown origin alone is no name."""
        if not name or name in {"?", "this"}:
            return False
        return wanted is None or name.rpartition(".")[2].encode("utf-8", "replace") in wanted

    def likely(
        self, names: dict[bytes, list[Node]] | dict[bytes, list[tuple[Node, Node, str]]], wanted: Wanted
    ) -> list[bytes]:
        """Those of some last segments, as spelled, that may stand for one that is wanted."""
        if wanted is None:
            return list(names)
        return [name for name in names if name in wanted or name in self._hidden or b"\\" in name]

    def likely_calls(self, wanted: Wanted) -> Iterator[Call]:
        """The calls whose name may end in a segment that is wanted, until the time for the file is over."""
        program, maybe = self._program, self.maybe
        for call in program.in_time(program.index.calls):
            if maybe(call[1], call[2], wanted):
                yield call
        methods = program.index.method_calls
        for name in self.likely(methods, wanted):
            certain = self._is_certain(name, wanted)
            for call in program.in_time(methods[name]):
                if certain or self._may_hold(call[1]):
                    yield call

    def likely_members(self, wanted: Wanted) -> list[Node]:
        """The member expressions whose name may end in a segment that is wanted."""
        members = self._program.index.members
        found: list[Node] = []
        for name in self.likely(members, wanted):
            nodes = members[name]
            if not self._is_certain(name, wanted):
                nodes = [node for node in nodes if self._may_hold(node)]
            found += nodes
        return found

    def maybe(self, node: Node, kind: str, wanted: Wanted) -> bool:
        """Whether the name of *node* may end in a segment that is wanted."""
        if wanted is None:
            return True
        if kind == "identifier":
            start = node.start_byte
            name = self._program.text[start : node.end_byte]
            if name in wanted or b"\\" in name:
                return True
            binding = self._program.scopes.at(start)
            return binding is not None and self._last_of(binding) in wanted
        if kind == "member_expression":
            name = self._program.index.tail(node)
            return self._is_certain(name, wanted) or (name in self._hidden and self._may_hold(node))
        return True

    @staticmethod
    def _is_certain(name: bytes, wanted: Wanted) -> bool:
        """Whether a last segment, as it is spelled, is wanted or may stand for any."""
        return wanted is None or name in wanted or b"\\" in name

    def _last_of(self, binding: Binding) -> bytes:
        """The last segment of what a declared name refers to; remembered, since many calls are of one name."""
        known = self._program.last_segments.get(binding)
        if known is None:
            last = self._program.names.of_binding(binding).segments[-1:]
            known = last[0].encode("utf-8", "replace") if last else _NO_SEGMENT
            self._program.last_segments[binding] = known
        return known

    def _may_hold(self, member: Node) -> bool:
        """Whether the object of *member* may be a local object literal."""
        head = HEAD.match(self._program.text, member.start_byte)
        return head is None or head[1] in self.holders or head[1] == b"await" or b"\\" in head[1]

    def _find_hidden(self) -> frozenset[bytes]:
        """The properties under which local objects may keep something by another name."""
        index, constants = self._program.index, self._program.constants
        plain: set[bytes] = set()
        folded: set[str | None] = set()
        text = self._program.text
        for key, value, kind, name in index.pairs:
            if kind not in _INERT or (kind in FUNCTIONS and passes(text, value)):
                if name is not None:
                    plain.add(name)
                else:
                    folded.add(constants.key(key))
        for _node, left, kind, right, _compound in index.assignments:
            if kind not in MEMBERS or right is None or not self._may_hold(left):
                continue
            if right.type not in _INERT or (right.type in FUNCTIONS and passes(text, right)):
                folded.add(constants.property_name(left))
        plain.update(name.encode("utf-8", "replace") for name in folded if name is not None)
        return frozenset(plain)


@lru_cache(64)
def _encoded(names: frozenset[str] | None) -> Wanted:
    return None if names is None else frozenset(name.encode() for name in names)
