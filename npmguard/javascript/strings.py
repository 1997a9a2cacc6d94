"""Facts about strings and regular expressions: those that are spelled, and those that are worked out."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from operator import itemgetter

from tree_sitter import Node

from npmguard.javascript import folding, values
from npmguard.javascript.bindings import Binding
from npmguard.javascript.constants import FOLDED_CALLS
from npmguard.javascript.draft import Draft
from npmguard.javascript.interest import BytesPattern
from npmguard.javascript.relevance import HEAD
from npmguard.javascript.values import UNKNOWN
from npmguard.model import FactKind

_METHODS = frozenset(name.encode() for name in FOLDED_CALLS) | {b"reduce", b"reduceRight"}
_FUNCTIONS = frozenset(name.encode() for name in folding.FUNCTIONS if "." not in name)
_ROOTS = _FUNCTIONS | frozenset(
    {
        *(b"JSON", b"require", b"module", b"process", b"Function", b"eval", b"new", b"await"),
        *(b"window", b"self", b"globalThis", b"global", b"top", b"frames", b"parent"),
    }
)
_STATEMENT_ENDS = frozenset({b"", b";", b"{", b"}"})
_POSITION = itemgetter(0)
_ENDS = re.compile(rb"\s*(?:;|\}|\Z)")


class Strings:
    """Draws the STRING and REGEX facts of one file."""

    def __init__(self, draft: Draft) -> None:
        """Prepare to add to *draft*."""
        self._draft = draft
        self._program = draft.program
        self._text = draft.program.text
        self._constants = draft.program.constants
        self._interest = draft.relevance.interest
        self._decoding: dict[Binding, bool] = {}
        self._found: list[tuple[str, tuple[int, int], bool]] = []  # and whether it is wanted for sure

    def draw(self) -> None:
        """Add all that are wanted; a REGEX made by a call is added by what draws calls."""
        if self._interest.strings:
            self._literals()
            self._templates()
            self._worked_out()
            self._add_wanted()
        if self._interest.regexes:
            for node in self._program.in_time(self._program.index.of("regex")):
                value = self._constants.fold(node)
                if isinstance(value, values.Regex):
                    add_regex(self._draft, node, values.as_text(value.source), value.flags)

    def _literals(self) -> None:
        """String literals, passed over by their spelling where they cannot be wanted."""
        interest, text = self._interest, self._text
        nodes = self._program.index.of("string")
        least = interest.string_length
        if least > 1:
            raws = [text[node.start_byte + 1 : node.end_byte - 1] for node in nodes]
            likely = [(nodes[position], held) for position, held in self._likely(raws, least)]
        else:
            likely = [(node, None) for node in nodes]
        for node, held in self._program.in_time(likely):
            value = self._constants.fold(node)
            if isinstance(value, str):
                told = values.as_text(value)
                sure = held is not None and told.encode("utf-8", "replace") == held
                self._found.append((told, (node.start_byte, node.end_byte), sure))

    def _likely(self, raws: Sequence[bytes], least: int) -> list[tuple[int, bytes | None]]:
        """The positions of spelled literals that may be wanted, and the bytes in which the pattern is found."""
        pattern = self._interest.string_pattern
        exact = _exact(self._interest.string_values)
        found: list[tuple[int, bytes | None]] = []
        doubtful = []
        for position, raw in enumerate(raws):
            if len(raw) >= least or raw in exact or b"\\" in raw or b"&" in raw:
                found.append((position, None))
            else:
                doubtful.append(position)
        if pattern is not None:
            places = _holding([raws[position] for position in doubtful], pattern)
            found.extend((doubtful[place], raws[doubtful[place]]) for place in places)
            found.sort(key=_POSITION)
        return found

    def _templates(self) -> None:
        """The texts of template literals."""
        for node in self._program.in_time(self._program.index.of("template")):
            parts = self._constants.template_parts(node)
            for part in parts:
                if isinstance(part, str) and (part or len(parts) == 1):
                    self._add(part, (node.start_byte, node.end_byte))

    def _worked_out(self) -> None:
        """The outermost expressions that are constant, and constant neighbours in sums that are not."""
        index = self._program.index
        candidates = list(index.operations("+"))
        candidates += [
            call
            for call, callee, _kind in index.calls_of(name for name in index.method_calls if name in _METHODS)
            if self._may_be_constant(callee)
        ]
        candidates += [
            call
            for call, callee, kind in index.calls
            if kind != "identifier" or (self._decodes(callee) and not self._is_statement(call))
        ]
        candidates += [
            node for node in index.of("template") if b"${" in self._text[node.start_byte : node.end_byte]
        ]
        candidates.sort(key=lambda node: (node.start_byte, -node.end_byte))
        covered = 0
        summed: set[int] = set()
        for node in self._program.in_time(candidates):
            if node.end_byte <= covered or node.id in summed:
                continue
            value = self._constants.fold(node)
            if isinstance(value, str):
                covered = node.end_byte
                self._add(value, (node.start_byte, node.end_byte))
            elif value is UNKNOWN and node.type == "binary_expression":
                for start, end, text in self._constants.runs(node):
                    self._add(text, (start, end))
                inner: Node | None = node
                while inner is not None and inner.type == "binary_expression":  # its parts are in the runs
                    summed.add(inner.id)
                    inner = inner.child_by_field_name("left")

    def _may_be_constant(self, callee: Node) -> bool:
        """Whether what a method is called on may be constant, judged by how it starts."""
        head = HEAD.match(self._text, callee.start_byte)
        if head is None:
            return True
        binding = self._program.scopes.at(head.start(1))
        if binding is None:
            return head[1] in _ROOTS or b"\\" in head[1]
        if self._text[head.end() : head.end() + 1] == b"(" or binding.name in self._draft.relevance.holders:
            return True
        return (
            self._constants.of_binding(binding) is not UNKNOWN or self._program.names.of_binding(binding).known
        )

    def _is_statement(self, call: Node) -> bool:
        """Whether nothing uses what a call returns."""
        start, text = call.start_byte, self._text
        before = text[max(start - 24, 0) : start].rstrip()[-1:]
        return before in _STATEMENT_ENDS and _ENDS.match(text, call.end_byte) is not None

    def _decodes(self, callee: Node) -> bool:
        """Whether a plain name is, or is an alias of, a function that is folded."""
        binding = self._program.scopes.at(callee.start_byte)
        if binding is None:
            return self._program.scopes.name(callee) in _FUNCTIONS
        known = self._decoding.get(binding)
        if known is None:
            known = self._constants.root_of(callee) is not None
            if not known:
                path = self._program.names.of_binding(binding)
                known = path.known and path.name in folding.FUNCTIONS
            self._decoding[binding] = known
        return known

    def _add(self, value: str, span: tuple[int, int]) -> None:
        self._found.append((values.as_text(value), span, False))

    def _add_wanted(self) -> None:
        """Add those of the strings found that are wanted, all looked at together."""
        interest, pattern = self._interest, self._interest.string_pattern
        wanted = []
        doubtful = []
        for position, (text, _span, sure) in enumerate(self._found):
            if sure or len(text) >= interest.string_length or text in interest.string_values:
                wanted.append(position)
            else:
                doubtful.append(position)
        if pattern is not None:
            encoded = [self._found[position][0].encode("utf-8", "replace") for position in doubtful]
            wanted.extend(doubtful[place] for place in _holding(encoded, pattern))
        for position in sorted(wanted):
            text, span, _sure = self._found[position]
            decoded = self._draft.is_hidden(text, span)
            self._draft.add(FactKind.STRING, "", span, value=text, decoded=decoded)


def add_regex(draft: Draft, node: Node, source: str, flags: str) -> None:
    """Add the fact of a regular expression, if it is wanted."""
    interest = draft.relevance.interest
    if interest.regexes and len(source) >= interest.regex_length:
        decoded = draft.is_hidden(source, node)
        draft.add(FactKind.REGEX, "", node, value=source, args=(flags,), decoded=decoded)


@lru_cache(64)
def _exact(texts: frozenset[str]) -> frozenset[bytes]:
    return frozenset(text.encode("utf-8", "replace") for text in texts)


def _holding(texts: Sequence[bytes], pattern: BytesPattern) -> list[int]:
    """The places of those texts in which a pattern is found.

    It is searched for in all of them at once: a search costs more to begin than to carry on.
    """
    starts = [0, *accumulate(len(text) + 1 for text in texts)]
    matches = pattern.finditer(b"\0".join(texts)) if texts else iter(())
    return sorted({bisect_right(starts, match.start()) - 1 for match in matches})
