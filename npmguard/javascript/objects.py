"""What local objects keep: the members of object literals, and what is assigned to them later."""

from __future__ import annotations

from abc import ABC, abstractmethod

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS, Binding, Definition, How, Step, key_name, spelled
from npmguard.javascript.callsites import CallSites, arguments, unwrap
from npmguard.javascript.index import MEMBERS, Index
from npmguard.javascript.passing import may_pass, parameters_of, returned_by
from npmguard.javascript.scopes import Scopes
from npmguard.javascript.tree import first_child

MAX_NESTING = 80  # of constants in each other
_MAX_PASSED = 12  # functions that pass a call on to each other


class Objects(ABC):
    """The local objects of one file; :class:`npmguard.javascript.constants.Constants` folds their keys."""

    def __init__(self, index: Index, scopes: Scopes, sites: CallSites) -> None:
        """Prepare to look at the objects of the file that *index*, *scopes* and *sites* tell of."""
        self._index = index
        self._scopes = scopes
        self._sites = sites
        self._nesting = 0
        self._spelled: dict[bytes, str] = {}
        self._stored: dict[Binding, dict[str | None, list[Node]]] = {}
        self._tables: dict[int, dict[str, Node]] = {}
        self._given_to: dict[Binding, list[tuple[Node, Node]]] | None = None

    @abstractmethod
    def spelled(self, node: Node) -> str | None:
        """What ``String(node)`` is, if it is constant."""

    def property_node(self, node: Node, name: str) -> Node | None:
        """What gives property *name* of the object that *node* stands for its value, if only one node does."""
        literal, binding = self._object(node)
        return self._kept(literal, binding, name)

    def property_of(self, binding: Binding, name: str) -> Node | None:
        """The same for an object that a declared name holds."""
        literal = self._literal_of(binding)
        return None if literal is None else self._kept(literal, binding, name)

    def stored(self, binding: Binding) -> list[Node]:
        """What is assigned to members of the local object that a declared name holds, in order."""
        kept = self._stores(binding)
        return [node for nodes in kept.values() for node in nodes]

    def stored_under(self, binding: Binding, name: str) -> list[Node]:
        """The same for the member of that name, or of one that is not constant."""
        kept = self._stores(binding)
        return [*kept.get(name, []), *kept.get(None, [])]

    def holders(self) -> frozenset[bytes]:
        """The names that hold an object literal."""
        found = set[bytes]()
        for binding in self._scopes.bindings:
            if len(binding.definitions) == 1:  # as :meth:`_literal_of` has it
                how, node, path, _function, _default = binding.definitions[0]
                if how is How.VALUE and node is not None and not path and node.type == "object":
                    found.add(binding.name)
        return frozenset(found)

    def object_literal(self, node: Node) -> Node | None:
        """The object literal that *node* stands for, if it is one."""
        return self._object(node)[0]

    def table(self, literal: Node) -> dict[str, Node]:
        """The members of an object literal by name: the values of its pairs, and its methods."""
        table = self._tables.get(literal.id)
        if table is None:
            table = self._tables[literal.id] = {}
            for child in literal.named_children:
                kind = child.type
                if kind == "pair":
                    key, value = child.child_by_field_name("key"), child.child_by_field_name("value")
                elif kind == "method_definition":
                    key, value = child.child_by_field_name("name"), child
                elif kind == "shorthand_property_identifier":
                    key, value = child, child
                else:
                    continue
                name = None if key is None else self.key(key)
                if name is not None and value is not None:
                    table[name] = value
        return table

    def key(self, key: Node) -> str | None:
        """The name that an object's key stands for, if it is constant."""
        if key.type == "shorthand_property_identifier":
            return self._scopes.name(key).decode("utf-8", "replace")
        name = key_name(key, self._scopes.text)
        if name is None:
            inner = (
                key.named_children[0] if key.type == "computed_property_name" and key.named_children else key
            )
            name = self.spelled(inner)
        return name

    def step(self, step: Step) -> str | None:
        """A step into a destructured value as a property name."""
        if isinstance(step, Node):
            return self.spelled(step)
        return None if step is None else str(step)

    def argument_node(self, definition: Definition) -> Node | None:
        """What the parameter of *definition* is given, by its only call or else its default."""
        position = definition.path[0]
        if not isinstance(position, int):
            return None
        return self._sites.argument(definition.function, position) or definition.default

    def property_name(self, member: Node) -> str | None:
        """The last property that a member or subscript expression names, or None if it is not constant."""
        if member.type == "member_expression":
            tail = self._index.tail(member)
            name = self._spelled.get(tail)
            if name is None:
                name = self._spelled[tail] = spelled(tail).decode("utf-8", "replace")
            return name
        index = member.child_by_field_name("index")
        return None if index is None else self.spelled(index)

    def function_of(self, node: Node) -> Node | None:
        """The function or class that an expression is or names, if there is just one."""
        for _ in range(MAX_NESTING):
            node = unwrap(node)
            kind = node.type
            if kind in FUNCTIONS:
                return node
            if kind == "sequence_expression":
                node = node.named_children[-1]
                continue
            binding = self._scopes.at(node.start_byte) if kind == "identifier" else None
            if binding is None or len(binding.definitions) != 1:
                return None
            definition = binding.definitions[0]
            inner = definition.node
            how = definition.how
            if how is How.PARAMETER and len(definition.path) == 1:
                inner = self.argument_node(definition)
            elif (how is not How.VALUE and how is not How.FUNCTION) or definition.path:
                return None
            if inner is None:
                return None
            node = inner
        return None

    def stored_function(self, member: Node) -> Node | None:
        """The function that a local object keeps under the name of a member expression."""
        base, name = member.child_by_field_name("object"), self.property_name(member)
        found = None if base is None or name is None else self.property_node(base, name)
        return found if found is not None and found.type in FUNCTIONS else None

    def through(self, call: Node) -> tuple[Node, list[Node]] | None:
        """What a call of a local object's function amounts to that calls one of its arguments.

        The callee and its arguments; None for any other call. Objects of such functions are what flattened code
        calls everything through.
        """
        callee, given = call.child_by_field_name("function"), None
        for _ in range(_MAX_PASSED):
            callee = None if callee is None else unwrap(callee)
            function = None if callee is None or callee.type not in MEMBERS else self.stored_function(callee)
            if function is None or not may_pass(self._scopes.text, function):
                return None
            parameters, inner = parameters_of(function), returned_by(function)
            if parameters is None or inner is None or inner.type != "call_expression":
                return None
            given = arguments(call) if given is None else given
            positions = {self._scopes.binding(_named(each)): at for at, each in enumerate(parameters)}
            callee = inner.child_by_field_name("function")
            at = self._position(callee, positions)
            if at is not None and at >= len(given):
                return None
            passed: list[Node] = []
            for argument in arguments(inner):
                position = self._position(_named(argument), positions)
                if position is None:
                    passed.append(argument)
                else:
                    end = len(given) if argument.type == "spread_element" else position + 1
                    passed.extend(given[position:end])
            if at is not None:
                return given[at], passed
            given = passed
        return None

    def _position(self, node: Node | None, positions: dict[Binding | None, int]) -> int | None:
        """Which parameter a node names."""
        binding = self._scopes.binding(node) if node is not None and node.type == "identifier" else None
        return None if binding is None else positions.get(binding)

    def _kept(self, literal: Node | None, binding: Binding | None, name: str) -> Node | None:
        stored = {} if binding is None else self._stores(binding)
        if None in stored:
            return None
        assigned = stored.get(name, [])
        given = None if literal is None else self.table(literal).get(name)
        if given is not None:
            return None if assigned else given
        return assigned[0] if len(assigned) == 1 else None

    def _stores(self, binding: Binding) -> dict[str | None, list[Node]]:
        """What is assigned to the members of a local object; under None where the name is not known."""
        stored = self._stored.get(binding)
        if stored is None:
            stored = self._stored[binding] = {}
            for left, right in self._assigned_to().get(binding, ()):
                stored.setdefault(self.property_name(left), []).append(right)
        return stored

    def _assigned_to(self) -> dict[Binding, list[tuple[Node, Node]]]:
        """The members of local objects that are assigned, and what they are given."""
        if self._given_to is None:
            self._given_to = {}
            for _node, left, kind, right, _compound in self._index.assignments:
                if kind not in MEMBERS or right is None:
                    continue
                target = first_child(left)
                binding = (
                    None if target is None or target.type != "identifier" else self._scopes.binding(target)
                )
                if binding is not None and self._literal_of(binding) is not None:
                    self._given_to.setdefault(binding, []).append((left, right))
        return self._given_to

    def _literal_of(self, binding: Binding) -> Node | None:
        """The object literal that a name is declared with, if it is never given anything else."""
        if len(binding.definitions) != 1:
            return None
        how, node, path, _function, _default = binding.definitions[0]
        if how is How.VALUE and node is not None and not path and node.type == "object":
            return node
        return None

    def _object(self, node: Node) -> tuple[Node | None, Binding | None]:
        """The object literal that *node* stands for, and the binding that holds it."""
        binding: Binding | None = None
        for _ in range(MAX_NESTING):
            node = unwrap(node)
            kind = node.type
            if kind == "object":
                return node, binding
            if kind == "identifier":
                binding = self._scopes.at(node.start_byte)
                if binding is None or len(binding.definitions) != 1:
                    return None, None
                definition = binding.definitions[0]
                inner, path = definition.node, definition.path
                if definition.how is How.PARAMETER:
                    inner, path = self.argument_node(definition), path[1:]
                elif definition.how is not How.VALUE:
                    return None, None
                if inner is None or path:
                    return None, None
                node = inner
            elif kind in MEMBERS and self._nesting < MAX_NESTING:
                base, name = node.child_by_field_name("object"), self.property_name(node)
                self._nesting += 4
                found = None if base is None or name is None else self.property_node(base, name)
                self._nesting -= 4
                if found is None:
                    return None, None
                node, binding = found, None
            else:
                break
        return None, None


def _named(node: Node) -> Node:
    """The name in a rest parameter or spread argument, or else the node itself."""
    if node.type in {"rest_pattern", "spread_element"}:
        return first_child(node) or node
    return node
