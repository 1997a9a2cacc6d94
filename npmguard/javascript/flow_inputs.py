"""What the parameters of functions get, for the labels that flow through them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tree_sitter import Node

from npmguard.javascript import flow_words as words
from npmguard.javascript.bindings import Binding, How
from npmguard.javascript.callsites import arguments
from npmguard.javascript.flow_graph import Edge
from npmguard.javascript.flow_names import (
    BUILT_IN,
    ELEMENT,
    Key,
    is_command,
    is_decoder,
    is_lister,
    is_network,
    is_reader,
    module_of,
)
from npmguard.javascript.flow_stores import Keys, bounded
from npmguard.javascript.flow_words import Source
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.paths import Root

if TYPE_CHECKING:
    from npmguard.javascript.flow_names import Callee
    from npmguard.javascript.flow_values import FlowValues, Target

_MAX_SITES = 48  # calls of one function
_MAX_PASSED = 12  # places to which one name is passed

_ELEMENTS_TO = frozenset(
    {
        *(
            "map",
            "forEach",
            "filter",
            "find",
            "some",
            "every",
            "flatMap",
            "findIndex",
            "sort",
            "each",
            "mapSeries",
        ),
        *("findLast", "eachSeries", "eachLimit"),
    }
)
_EVENTS = frozenset(
    {"on", "once", "addListener", "prependListener", "addEventListener", "subscribe", "forAwait"}
)
_NODE_STYLE = frozenset(
    {"fs", "fs-extra", "graceful-fs", "child_process", "zlib", "dns", "crypto", "request", "needle"}
)
_PASSED_BEFORE = re.compile(rb"[(,]\s*(?:\.\.\.)?\Z")
_PASSED_AFTER = re.compile(rb"\s*[),]")
_CONTAINERS = frozenset({"object", "array", "new_expression"})


class FlowInputs:
    """Expands parameters."""

    def __init__(self, values: FlowValues) -> None:
        """Prepare to expand parameters for *values*."""
        self._values = values
        self._program = values.program
        self._graph = values.graph
        self._passed: dict[int, list[tuple[Node, int]]] = {}
        self._arguments: dict[int, list[Node]] = {}
        self._prepared: dict[int, tuple[Sequence[Node | None], list[Target | None] | None]] = {}

    def parameters(self, function: int, position: int) -> list[Binding]:
        """The names that a function has for what it gets at that position."""
        return self._parameters.get((function, position), [])

    def calls_of(self, binding: Binding) -> list[Node]:
        """The calls of what a declared name holds."""
        by_callee = self._program.sites.by_callee
        return [by_callee[use] for use in binding.uses if use in by_callee][:_MAX_SITES]

    def passed_to(self, binding: Binding) -> list[tuple[Node, int]]:
        """The calls that a declared name is an argument of, each with its position."""
        found = self._passed.get(id(binding))
        if found is None:
            found = self._passed[id(binding)] = []
            text, size = self._program.text, len(binding.name)
            for use in binding.uses:
                if len(found) >= _MAX_PASSED:
                    break
                if _PASSED_AFTER.match(text, use + size) and _PASSED_BEFORE.search(text, max(use - 40, 0), use):
                    place = self._argument(use, use + size)
                    if place is not None:
                        found.append(place)
        return found

    def expand(self, vertex: int, function: int, position: Key, keys: Keys, *, down: bool) -> None:
        """Add what a function gets at a position: from its own call on the way *down*, else from every call."""
        node = self._program.scopes.functions[function]
        stores = self._values.stores
        for given in self._program.sites.direct(function):
            self.given(vertex, given, position, keys)
        for name in stores.names(function):
            told = name.decode("utf-8", "replace")
            if told in words.KEY_TAKERS and position == "0":
                self._values.source(vertex, Source.SECRET_KEY, told, node.start_byte)
        if down:
            self._values.leave(function, position, keys)
        else:
            self._values.ports.parameter(vertex, function, position, node.start_byte)
            self._called(vertex, function, position, keys)
        self._in_context(vertex, node, position, keys)

    def _called(self, vertex: int, function: int, position: Key, keys: Keys) -> None:
        node = self._program.scopes.functions[function]
        stores = self._values.stores
        for binding in stores.holders(function):
            for call in self.calls_of(binding):
                self.given(vertex, self.arguments(call), position, keys)
            for call, at in self.passed_to(binding):
                self.handed(vertex, call, at, position, keys)
        for name in stores.names(function):
            self._called_as(vertex, function, name, position, keys)
        if node.type == "method_definition" and self._name_of(node) == b"constructor":
            for new in stores.constructions(self._program.scopes.parents[function])[:_MAX_SITES]:
                self.given(vertex, self.arguments(new), position, keys)

    def filled(self, vertex: int, binding: Binding, keys: Keys) -> None:
        """Add what functions put into an object that they are given."""
        if not any(
            each.how is How.VALUE and each.node is not None and not each.path and each.node.type in _CONTAINERS
            for each in binding.definitions[:4]
        ):
            return
        for call, position in self.passed_to(binding):
            callee = self._values.calls.callee(call)
            for function in [] if callee is None else self._values.calls.candidates(callee):
                was = self._values.within()
                for parameter in self.parameters(function, position):
                    self._values.stored(vertex, self._values.stores.into(parameter), keys)
                self._values.back(was)
                self._values.enter(vertex, function, callee.given if callee is not None else [])

    def handed(self, vertex: int, call: Node, at: int, position: Key, keys: Keys) -> None:
        """Add what a function gets at *position* that is the argument *at* of a call."""
        callee = self._values.calls.callee(call)
        if callee is None:
            return
        path, method, receiver = callee.path, callee.method, callee.receiver
        handed = arguments(call)[at : at + 1]
        if handed and callee.node.id == handed[0].id:  # the call only passes on to it
            self.given(vertex, callee.given, position, keys)
            return
        found = [index for index, each in enumerate(callee.given) if handed and each.id == handed[0].id]
        if not found:
            return
        at = found[0]
        if is_network(path) or is_reader(path) or is_lister(path) or is_command(path) or is_decoder(path):
            if not (position == "0" and module_of(path) in _NODE_STYLE):
                self._values.depend(vertex, call)
            return
        candidates = self._values.calls.candidates(callee)
        for function in candidates:
            was = self._values.within()
            for parameter in self.parameters(function, at):
                for inner in self.calls_of(parameter):
                    self.given(vertex, self.arguments(inner), position, keys)
            self._values.back(was)
            self._values.enter(vertex, function, callee.given)
        if receiver is None or (path.known and path.root is Root.MODULE):
            if module_of(path) is not None and not candidates:
                for argument in callee.given[:at]:
                    self._values.depend(vertex, argument, (), Edge.VALUE)
            return
        if method in {"then", "catch", "finally"}:
            if method == "then" and at == 0:
                self._values.depend(vertex, receiver, keys)
        elif method in _EVENTS:
            self._event(vertex, callee, receiver, keys)
        elif method in {"reduce", "reduceRight"}:
            if position == "0":
                for argument in callee.given[1:2]:
                    self._values.depend(vertex, argument, keys)
            else:
                self._values.depend(vertex, receiver, (ELEMENT, *keys))
        elif method in _ELEMENTS_TO:
            if position == "0":
                self._values.depend(vertex, receiver, (ELEMENT, *keys))
        elif method == "replace" or not path.known:
            self._values.depend(vertex, receiver, (), Edge.VALUE)
            self._values.depend(vertex, receiver, (), Edge.RECEIVE)

    def event(self, vertex: int, name: str, receiver: Node | None, keys: Keys, at: int) -> None:
        """Add what the handler of an event of *receiver* (None: the window) gets."""
        if receiver is not None:
            self._values.depend(vertex, receiver, (), Edge.VALUE)
            self._values.depend(vertex, receiver, (), Edge.RECEIVE)
        if name in words.KEY_EVENTS and (
            not keys or keys[0] in {"key", "keyCode", "code", "data", "which"} or "value" in keys
        ):
            self._values.source(vertex, Source.FORM_INPUT, name, at)

    # --- calls -------------------------------------------------------------------------------------------

    def arguments(self, call: Node) -> list[Node]:
        """The arguments of a call or ``new``; remembered."""
        found = self._arguments.get(call.id)
        if found is None:
            found = self._arguments[call.id] = arguments(call)
        return found

    def given(self, vertex: int, given: Sequence[Node | None], position: Key, keys: Keys) -> None:
        """Add what one call gives to a function at that position; *given* is a list that is remembered."""
        used = self.asked(given, position, keys)
        if used:
            self._graph.edges(vertex, used)

    def asked(self, given: Sequence[Node | None], position: Key, keys: Keys) -> list[int]:
        """The vertices of what one call gives to a function at that position, but for what carries nothing."""
        values = self._values
        if position is None or position == ELEMENT:
            found = [values.ask(node, keys[1:]) for node in given if node is not None]
            return [each for each in found if each]
        index = int(position)
        kept = self._prepared.get(id(given))
        targets = self._prepare(given) if kept is None else kept[1]
        if targets is not None:
            target = targets[index] if index < len(targets) else None
            return [] if target is None else [values.at(target, keys)]
        found = []
        for at, node in enumerate(given[: index + 1]):
            if node is not None and node.type == "spread_element":
                found.append(values.ask(node, (ELEMENT, *keys)))
            elif at == index and node is not None:
                found.append(values.ask(node, keys))
        return [each for each in found if each]

    def _prepare(self, given: Sequence[Node | None]) -> list[Target | None] | None:
        """What the arguments of a call are asked of; None where some are spread."""
        targets: list[Target | None] | None = None
        if not any(node is not None and node.type == "spread_element" for node in given):
            targets = [None if node is None else self._values.target(node) for node in given]
        self._prepared[id(given)] = given, targets  # what is kept is never another list of the same id
        return targets

    def _called_as(self, vertex: int, function: int, name: bytes, position: Key, keys: Keys) -> None:
        """Add what a function that is stored under that name gets, wherever a method of the name is called."""
        spelled = name.decode("utf-8", "replace")
        told = bool(self._values.stores.stored(spelled)) and spelled not in BUILT_IN
        owner = self._program.scopes.parents[function]
        calls = [*self._program.index.method_calls.get(name, ()), *self._computed.get(name, ())]
        for call, _callee, _kind in calls[:_MAX_SITES]:
            callee = self._values.calls.callee(call)
            if callee is None or callee.receiver is None or (callee.path.known and not self._is_export(callee)):
                continue
            known = self._values.calls.class_of(callee.receiver)
            if known == owner if known else told:
                self.given(vertex, callee.given, position, keys)

    @staticmethod
    def _is_export(callee: Callee) -> bool:
        return callee.path.segments[:1] in {("module",), ("exports",)}

    def _event(self, vertex: int, callee: Callee, receiver: Node, keys: Keys) -> None:
        given = callee.given
        name = self._program.constants.text(given[0]) if given else None
        self.event(vertex, name or "", receiver, keys, callee.node.start_byte)

    # --- places ------------------------------------------------------------------------------------------

    def _in_context(self, vertex: int, node: Node, position: Key, keys: Keys) -> None:
        """Add what a function gets where it is written: as a callback, or as a handler that is assigned."""
        if node.type in {"function_declaration", "generator_function_declaration", "method_definition"}:
            return
        place = self._argument(node.start_byte, node.end_byte)
        if place is not None:
            self.handed(vertex, *place, position, keys)
            return
        way = self._program.way_to(node)
        around = next((each for each in reversed(way[:-1]) if each.type != "parenthesized_expression"), None)
        if around is None or around.type != "assignment_expression":
            return
        left = around.child_by_field_name("left")
        if left is None or position != "0":
            return
        if left.type == "identifier" and self._program.scopes.binding(left) is None:  # of the window
            name = self._program.text[left.start_byte : left.end_byte].decode("utf-8", "replace")
        elif left.type in MEMBERS:
            name = self._program.constants.property_name(left) or ""
        else:
            return
        if name.startswith("on"):
            receiver = left.named_child(0) if left.type in MEMBERS else None
            self.event(vertex, name[2:], receiver, keys, left.start_byte)

    def _argument(self, start: int, end: int) -> tuple[Node, int] | None:
        """The call that the node of a byte range is an argument of, and its position."""
        way = self._program.way_to_span(start, end)
        for position in range(len(way) - 1, 1, -1):
            around = way[position - 1]
            if around.type == "arguments":
                given = [child for child in around.named_children if child.type != "comment"]
                ids = [child.id for child in given]
                if way[position].id not in ids:
                    return None
                call = way[position - 2]
                if call.type in {"call_expression", "new_expression"}:
                    return call, ids.index(way[position].id)
                return None
            if around.type not in {"parenthesized_expression", "as_expression", "spread_element"}:
                return None
        return None

    def _name_of(self, method: Node) -> bytes:
        name = method.child_by_field_name("name")
        return b"" if name is None else self._program.text[name.start_byte : name.end_byte]

    @cached_property
    def _parameters(self) -> dict[tuple[int, int], list[Binding]]:
        found: dict[tuple[int, int], list[Binding]] = {}
        for binding in self._program.scopes.bindings:
            for how, _node, path, function, _default in binding.definitions:
                if how is How.PARAMETER and len(path) == 1 and isinstance(path[0], int):
                    found.setdefault((function, path[0]), []).append(binding)
        return found

    @cached_property
    def _computed(self) -> dict[bytes, list[tuple[Node, Node, str]]]:
        """The calls of methods whose names are computed."""
        found: dict[bytes, list[tuple[Node, Node, str]]] = {}
        for call in bounded(self._program.index.calls):
            if call[2] == "subscript_expression":
                name = self._program.constants.property_name(call[1])
                if name is not None:
                    found.setdefault(name.encode("utf-8", "replace"), []).append(call)
        return found
