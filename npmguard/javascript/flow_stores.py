"""The stores into objects, the returns and the holders of functions that flows of values go by."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

from tree_sitter import Node

from npmguard.javascript.bindings import CLASSES, FUNCTIONS, Binding, How, pattern_names
from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.flow_names import ELEMENT, Key
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.program import Program
from npmguard.javascript.reach import MAX_CANDIDATES, Reach

_Item = TypeVar("_Item")
Keys = tuple[Key, ...]
Store = tuple[Keys, Node]
"""What is put into an object: the steps to its place in it, and the value."""

MAX_KEYS = 3  # steps into an object that are told apart

_ADDERS = {
    b"push": 0,
    b"unshift": 0,
    b"add": 0,
    b"append": 1,
    b"set": 1,
    b"write": 0,
    b"concat": 0,
    b"enqueue": 0,
}
_ADDERS |= {b"file": 0, b"addFile": 1, b"addLocalFile": 0, b"addLocalFolder": 0, b"directory": 0, b"fill": 0}
"""Methods that put their arguments, from that position on, into what they are called on."""

_ASSIGNERS = (b"assign", b"extend", b"merge", b"defaults")


MAX_LOOKED_AT = 400_000  # nodes of a kind; more than any program has that is not made to be searched


def bounded(items: Sequence[_Item]) -> Sequence[_Item]:
    """The items, or the first ones where there are more than any program has."""
    return items[:MAX_LOOKED_AT] if len(items) > MAX_LOOKED_AT else items


class Stores:
    """What is stored where in one file; each table is made when it is first asked for."""

    def __init__(self, program: Program, reach: Reach) -> None:
        """Prepare to look at *program*."""
        self._program = program
        self._scopes = program.scopes
        self._reach = reach

    def into(self, binding: Binding) -> list[Store]:
        """What is stored in the object that a declared name holds."""
        return self._stores[0].get(binding, [])

    def into_this(self, owner: int) -> list[Store]:
        """What is stored in ``this`` of an owner."""
        return self._stores[1].get(owner, [])

    def owner(self, offset: int) -> int:
        """What ``this`` belongs to at *offset*: a class, or for other functions the negative of where they are.

        The constructor and the methods of an old-style class are written in one function, that of their module.
        """
        functions, parents = self._scopes.functions, self._scopes.parents
        index = self._scopes.function_at(offset)
        while index > 0 and functions[index].type == "arrow_function":
            index = parents[index]
        if index <= 0 or functions[index].type in CLASSES:
            return index
        around = parents[index]
        return around if around > 0 and functions[around].type in CLASSES else -1 - around

    def returned(self, function: int) -> list[Node]:
        """The expressions that a function returns."""
        node = self._scopes.functions[function]
        body = node.child_by_field_name("body")
        if body is not None and body.type != "statement_block":
            return [body] if node.type == "arrow_function" else []
        return self._returns.get(function, [])

    def holders(self, function: int) -> list[Binding]:
        """The declared names that hold a function."""
        return self._holders.get(function, [])

    def names(self, function: int) -> list[bytes]:
        """The properties and methods under which a function is stored."""
        return self._names.get(function, [])

    def stored(self, name: str) -> list[int]:
        """The functions that are stored under that name; none if too many share it."""
        found = self._by_name.get(name.encode("utf-8", "replace"), [])
        return found if len(found) <= MAX_CANDIDATES else []

    def method(self, owner: int, name: str) -> int | None:
        """The method of that name of a class."""
        return self._methods.get((owner, name))

    def constructions(self, owner: int) -> list[Node]:
        """The constructions of a class."""
        return self._constructions.get(owner, [])

    def place(self, node: Node) -> tuple[Node, Keys] | None:
        """The identifier or ``this`` that a member expression starts from, and the steps from there."""
        keys: list[Key] = []
        node = unwrap(node)
        while node.type in MEMBERS:
            if len(keys) > 2 * MAX_KEYS:
                return None
            keys.append(self._program.constants.property_name(node))
            node = unwrap(node.named_child(0))
        if node.type not in {"identifier", "this"}:
            return None
        return node, tuple(reversed(keys))[:MAX_KEYS]

    # --- tables ------------------------------------------------------------------------------------------

    @cached_property
    def _stores(self) -> tuple[dict[Binding, list[Store]], dict[int, list[Store]]]:
        self._of_binding: dict[Binding, list[Store]] = {}
        self._of_this: dict[int, list[Store]] = {}
        index = self._program.index
        for _node, left, kind, right, compound in bounded(index.assignments):
            if kind in MEMBERS:
                value = right or _node.child_by_field_name("right")
                if value is not None and value.type not in FUNCTIONS:
                    self._put(left, (), value)
            elif compound and kind == "identifier":
                value = _node.child_by_field_name("right")
                if value is not None:
                    self._put(left, (), value)
            elif right is not None and kind in {"object_pattern", "array_pattern"}:
                for target, _path in pattern_names(left, index.text):
                    if target.type in MEMBERS:
                        self._put(target, (), right)
        for name, first in _ADDERS.items():
            for call, callee, _kind in bounded(index.method_calls.get(name, [])):
                self._add(call, callee, first)
        for call, callee, kind in bounded(index.calls):
            if kind == "subscript_expression":
                method = self._program.constants.property_name(callee)
                adds = None if method is None else _ADDERS.get(method.encode("utf-8", "replace"))
                if adds is not None:
                    self._add(call, callee, adds)
        for name in _ASSIGNERS:
            for call, _callee, _kind in index.method_calls.get(name, ()):
                given = arguments(call)
                for value in given[1:]:
                    self._put(given[0], (), value)
        for field in index.of("field"):
            held = field.child_by_field_name("value")
            key = field.child_by_field_name("property") or field.child_by_field_name("name")
            if held is not None and key is not None and held.type not in FUNCTIONS:
                stored = ((self._program.constants.key(key),), held)
                self._of_this.setdefault(self.owner(field.start_byte), []).append(stored)
        return self._of_binding, self._of_this

    def _add(self, call: Node, callee: Node, first: int) -> None:
        given = arguments(call)
        for value in given[first:] or given:
            self._put(callee.named_child(0), (ELEMENT,), value)

    def _put(self, target: Node, more: Keys, value: Node) -> None:
        place = self.place(target)
        if place is None:
            return
        root, keys = place
        keys = (*keys, *more)[:MAX_KEYS]
        if root.type == "this":
            self._of_this.setdefault(self.owner(root.start_byte), []).append((keys, value))
            return
        binding = self._scopes.binding(root)
        if binding is not None:
            self._of_binding.setdefault(binding, []).append((keys, value))

    @cached_property
    def _returns(self) -> dict[int, list[Node]]:
        found: dict[int, list[Node]] = {}
        for node in self._program.index.of("return"):
            given = [child for child in node.named_children if child.type != "comment"][:1]
            if given:
                found.setdefault(self._scopes.function_at(node.start_byte), []).extend(given)
        return found

    @cached_property
    def _holders(self) -> dict[int, list[Binding]]:
        found: dict[int, list[Binding]] = {}
        for binding in self._scopes.bindings:
            for how, node, path, function, _default in binding.definitions:
                held = function if how is How.FUNCTION else 0
                if how is How.VALUE and node is not None and not path and node.type in FUNCTIONS:
                    held = self._scopes.function_of_node.get(node.id, 0)
                if held:
                    found.setdefault(held, []).append(binding)
        return found

    @cached_property
    def _by_name(self) -> dict[bytes, list[int]]:
        """The functions by the names under which they are stored, computed names included."""
        found = {name: list(functions) for name, functions in self._reach.by_property.items()}
        known = {function for functions in found.values() for function in functions}
        constants, index = self._program.constants, self._program.index
        computed: list[tuple[Node, str | None]] = []
        for node in bounded(index.of("function")):
            name = node.child_by_field_name("name") if node.type == "method_definition" else None
            if name is not None and name.type == "computed_property_name":
                computed.append((node, constants.key(name)))
        for key, value, kind, plain in bounded(index.pairs):
            if kind in FUNCTIONS and plain is None:
                computed.append((value, constants.key(key)))
        for _node, left, kind, right, _compound in bounded(index.assignments):
            if kind == "subscript_expression" and right is not None and right.type in FUNCTIONS:
                computed.append((right, constants.property_name(left)))
        for node, told in computed:
            function = self._scopes.function_of_node.get(node.id, 0)
            if told is not None and function not in known:
                found.setdefault(told.encode("utf-8", "replace"), []).append(function)
        return found

    @cached_property
    def _names(self) -> dict[int, list[bytes]]:
        found: dict[int, list[bytes]] = {}
        for name, functions in self._by_name.items():
            for function in functions:
                found.setdefault(function, []).append(name)
        return found

    @cached_property
    def _methods(self) -> dict[tuple[int, str], int]:
        found: dict[tuple[int, str], int] = {}
        for function, names in self._names.items():
            parent = self._scopes.parents[function]
            if parent > 0 and self._scopes.functions[parent].type in CLASSES:
                for name in names:
                    found[parent, name.decode("utf-8", "replace")] = function
        return found

    @cached_property
    def _constructions(self) -> dict[int, list[Node]]:
        found: dict[int, list[Node]] = {}
        for node in bounded(self._program.index.of("new")):
            constructor = node.child_by_field_name("constructor")
            if constructor is None or constructor.type in MEMBERS:
                continue
            function = self._program.constants.function_of(constructor)
            owner = 0 if function is None else self._scopes.function_of_node.get(function.id, 0)
            if owner:
                found.setdefault(owner, []).append(node)
        return found
