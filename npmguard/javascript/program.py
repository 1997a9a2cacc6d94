"""A parsed file with all that is known of it: nodes, scopes, calls, constants, names."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from tree_sitter import Node

from npmguard.config import Limits
from npmguard.javascript.callsites import CallSites
from npmguard.javascript.constants import Constants
from npmguard.javascript.index import Index
from npmguard.javascript.names import Names
from npmguard.javascript.paths import Path
from npmguard.javascript.scopes import Scopes
from npmguard.javascript.syntax import Captures, Parsed
from npmguard.javascript.tree import way_to

if TYPE_CHECKING:
    from npmguard.javascript.bindings import Binding
    from npmguard.javascript.invisible import Concealed
    from npmguard.javascript.own_addresses import OwnAddresses

_Item = TypeVar("_Item")
CalledPath = tuple[Node, Node, str, Path]
"""A call, its callee, the callee's kind, and what that refers to."""

_MAX_LEVELS = 2_000_000  # of the tree that are passed in all on ways to nodes: about a second


class Program:
    """What the searches for facts and shapes share."""

    def __init__(self, parsed: Parsed, root: Node, nodes: Captures, limits: Limits) -> None:
        """Work out scopes and calls; constants and names are worked out when they are asked for."""
        text = self.text = parsed.text
        self.typed = parsed.grammar.typed
        self.index = Index(text, root, nodes)
        self.scopes = Scopes(self.index)
        self.sites = CallSites(self.index, self.scopes)
        self.constants = Constants(self.index, self.scopes, self.sites, limits)
        self.names = Names(self.scopes, self.constants)
        self.late = False
        self._called: list[CalledPath] | None = None
        self._called_as: dict[str, list[int]] | None = None
        self.holders: frozenset[bytes] | None = None  # these are remembered for those that work them out
        self.hidden: frozenset[bytes] | None = None
        self.last_segments: dict[Binding, bytes] = {}
        self.own_addresses: OwnAddresses | None = None
        self.concealed: tuple[Concealed, ...] | None = None
        self._levels = _MAX_LEVELS
        self.deadline = parsed.deadline

    def called(self) -> list[CalledPath]:
        """All calls but those of methods by a plain name, with what they call; worked out once."""
        if self._called is None:
            path = self.names.path
            calls = self.in_time(self.index.calls)
            self._called = [(call, callee, kind, path(callee)) for call, callee, kind in calls]
        return self._called

    def called_as(self, names: Collection[str]) -> list[CalledPath]:
        """Those of :meth:`called` whose name ends in one of *names*, which have no dot in them, in order."""
        if self._called_as is None:
            self._called_as = {}
            for position, (_call, _callee, _kind, path) in enumerate(self.called()):
                if path.segments:
                    last = path.segments[-1].rpartition(".")[2]
                    self._called_as.setdefault(last, []).append(position)
        called, positions = self.called(), [at for name in names for at in self._called_as.get(name, ())]
        return [called[position] for position in sorted(positions)]

    def in_time(self, items: Sequence[_Item], step: int = 256) -> Iterator[_Item]:
        """The items, until the time for this file is over; then :attr:`late` is set. Asked every *step*."""
        for position, item in enumerate(items):
            if not position % step and time.thread_time() > self.deadline + self.constants.evaluation.seconds:
                self.late = True
                return
            yield item

    def way_to(self, node: Node) -> list[Node]:
        """The nodes around *node*, outermost first and itself last; none when too many were asked for."""
        return self.way_to_span(node.start_byte, node.end_byte)

    def way_to_span(self, start: int, end: int) -> list[Node]:
        """The same for the outermost node of a byte range."""
        if self._levels <= 0:
            self.constants.give_up("nested too deeply for its shapes to be searched")
            return []
        way = way_to(self.index.root, start, end)
        self._levels -= len(way)
        return way

    def close(self) -> None:
        """Let go of what refers back, so that the memory is free at once."""
        self.constants.close()
        self.own_addresses = None
