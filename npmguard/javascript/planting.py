"""The shapes ``plants-address-…``: an address of the code's own is put where somebody will take it for another.

=============================== ================================================================
``plants-address-in-page``      in a node's text, a field, an image's or link's address, an attribute
``plants-address-in-clipboard`` on the clipboard, or into a program of the system that writes it
``plants-address-in-text``      in the place of a part of a text
=============================== ================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS
from npmguard.javascript.callsites import arguments, returns
from npmguard.javascript.own_addresses import own_addresses
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place

_SHOWN = frozenset(
    b"textContent innerText innerHTML outerHTML nodeValue data value src srcset href content".split()
)
_PUT_IN_PAGE = frozenset(
    b"setAttribute setRangeText replaceData replaceWith insertAdjacentHTML toCanvas toDataURL write".split()
)
_PUT_IN_CLIPBOARD = frozenset(
    b"setData writeText write writeSync setString setStringAsync copy execSync exec execFileSync spawnSync "
    b"spawn end".split()
)
_REPLACED = frozenset({b"replace", b"replaceAll", b"join", b"splice"})
_MAX_PUTS = 4_000  # places of a file that are looked at


class _Planting:
    """Finds where code puts an address of its own."""

    members: ClassVar[frozenset[bytes]] = frozenset()
    methods: ClassVar[frozenset[bytes]] = frozenset()
    functions: ClassVar[bool] = False  # whether functions of other names may be meant (``{ spawnSync: run }``)
    first: ClassVar[int] = 0  # argument of the methods that is put somewhere

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program
        self._index = program.index
        self._own = own_addresses(program)

    def find(self) -> Iterator[Place]:
        """The assignments, properties and calls that put one somewhere."""
        for node, value in self._program.in_time(self._puts()[:_MAX_PUTS]):
            if self._own.may_be(value):
                yield (node.start_byte, node.end_byte, None)
                if value.type in FUNCTIONS:  # a replacer is where it happens, for who looks at it alone
                    yield from ((each.start_byte, each.end_byte, None) for each in returns(value))

    def _puts(self) -> list[tuple[Node, Node]]:
        """What is put anywhere, and the assignment or call that does it."""
        found: list[tuple[Node, Node]] = []
        for node, left, _kind, right, _compound in self._index.assigned(self.members):
            if right is not None and self._own.called(left) in self.members:
                found.append((node, right))
        for call, callee, kind in self._index.calls if self.functions else self._index.unnamed_calls:
            if kind == "identifier":
                path = self._program.names.path(callee) if self.functions else None
                name = path.segments[-1].encode("utf-8", "replace") if path and path.segments else b""
            else:
                name = self._own.called(callee)
            found += self._given(call, name)
        for call, callee, _kind in self._index.calls_of(sorted(self.methods)):
            found += self._given(call, self._own.called(callee))
        return found

    def _given(self, call: Node, name: bytes) -> list[tuple[Node, Node]]:
        if name not in self.methods:
            return []
        return [(call, given) for given in arguments(call)[0 if name == b"join" else self.first :]]


class PlantingInPage(_Planting):
    """Finds where it is put into a page."""

    members = _SHOWN
    methods = _PUT_IN_PAGE


class PlantingInClipboard(_Planting):
    """Finds where it is put on the clipboard."""

    methods = _PUT_IN_CLIPBOARD
    functions = True


class PlantingInText(_Planting):
    """Finds where it takes the place of a part of a text."""

    methods = _REPLACED
    first = 1
