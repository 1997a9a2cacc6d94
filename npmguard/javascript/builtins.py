"""The shape ``corrupts-builtin``: a method that every program uses is replaced by one left to chance."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS
from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place

#: The methods, by what holds them.
BUILTINS: Final = frozenset(
    f"{holder}.{method}"
    for holder, methods in {
        "Array.prototype": "filter map forEach push pop slice splice concat indexOf includes join sort find",
        "String.prototype": "split replace slice indexOf includes substring match trim",
        "JSON": "parse stringify",
        "Object": "keys assign",
        "localStorage": "getItem setItem",
        "Storage.prototype": "getItem setItem",
    }.items()
    for method in methods.split()
)
_METHODS = frozenset(name.rpartition(".")[2] for name in BUILTINS)
_METHOD_NAMES = frozenset(name.encode() for name in _METHODS)
_CHANCE = frozenset({"Math.random", "crypto.randomInt", "crypto.getRandomValues"})
_DATES = frozenset({"getHours", "getDay", "getDate", "getMonth", "getFullYear", "getUTCDay", "getUTCHours"})
_DEFINERS = frozenset({"Object.defineProperty", "Reflect.defineProperty", "Reflect.set"})


class BuiltinReplacements:
    """Finds methods of the language that are replaced by functions which draw lots or ask for the day."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program
        self._names = program.names
        self._constants = program.constants

    def find(self) -> Iterator[Place]:
        """The assignments and definitions, each with the function that is put there."""
        index = self._program.index
        for node, left, _kind, right, compound in self._program.in_time(index.assigned(_METHOD_NAMES)):
            if compound or right is None:
                continue
            if self._constants.property_name(left) in _METHODS and self._names.target(left).name in BUILTINS:
                yield from self._given(node, right)
        for call, callee, _kind in index.calls_of((b"defineProperty", b"set")):
            given = arguments(call)
            if len(given) < 3 or self._names.path(callee).name not in _DEFINERS:
                continue
            name = self._constants.text(given[1])
            if name in _METHODS and f"{self._names.path(given[0]).name}.{name}" in BUILTINS:
                descriptor = unwrap(given[2])
                value = (
                    self._constants.property_node(descriptor, "value") if descriptor.type == "object" else None
                )
                yield from self._given(call, value or descriptor)

    def _given(self, node: Node, value: Node) -> Iterator[Place]:
        function = self._constants.function_of(value)
        if function is None or function.type not in FUNCTIONS:
            return
        first = bisect_left(self._chances, function.start_byte)
        if first < len(self._chances) and self._chances[first] < function.end_byte:
            target = self._program.scopes.function_of_node.get(function.id)
            yield (node.start_byte, node.end_byte, target)

    @cached_property
    def _chances(self) -> list[int]:
        """Where a random number is drawn, or a part of the date asked for."""
        index = self._program.index
        found = []
        for call, callee, _kind in self._program.in_time(index.every_call()):
            path = self._names.path(callee)
            if path.name in _CHANCE or (path.segments and path.segments[-1] in _DATES):
                found.append(call.start_byte)
        return sorted(found)
