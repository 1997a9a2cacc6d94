"""Whether a value may be a wallet address that stands in the code.

A value is followed back to what it may be: through names with all that they are given, tables, choices, texts
that are put together, small functions, the calls of a function for its parameters, and members of ``this``.
Methods return what they are called on or given (``table.concat(found).find(…)``). It is a guess on the wide
side: neutral by itself, and meant for what is put where an address matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tree_sitter import Node

from npmguard.javascript.bindings import CLASSES, FUNCTIONS, Binding, Definition, How, spelled
from npmguard.javascript.callsites import arguments, returns, unwrap
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.program import Program
from npmguard.javascript.tree import first_child, operator_of
from npmguard.javascript.wallets import ETHEREUM, addresses_in

_PARTS = frozenset(
    {
        *("sequence_expression", "array", "template_string", "template_substitution"),
        *("spread_element", "await_expression", "parenthesized_expression", "yield_expression"),
    }
)
_JOINS = frozenset({"+", "||", "??", "&&"})
_OPAQUE = FUNCTIONS | {"object", "array", "identifier", "regex", "number"}
_SHORTEST = 26  # characters of an address
_MAX_STEPS = 400  # nodes that one value is followed through
_MAX_ALL_STEPS = 60_000  # of one file
_MAX_CALLS = 12  # of a function whose parameter is followed


Part = tuple[Node, str | None]
"""A node, and which of its properties is meant; None for all of it."""


def own_addresses(program: Program) -> OwnAddresses:
    """What answers the question for the nodes of *program*, for one search more."""
    if program.own_addresses is None:
        program.own_addresses = OwnAddresses(program)
    program.own_addresses.steps = _MAX_ALL_STEPS
    return program.own_addresses


class OwnAddresses:
    """Answers the question for the nodes of one program, remembering what it has followed to its end."""

    def __init__(self, program: Program) -> None:
        """Prepare to follow values in *program*."""
        self._program = program
        self._index = program.index
        self._scopes = program.scopes
        self._constants = program.constants
        self._decided: dict[int, tuple[str, ...]] = {}
        self._given_to: dict[Binding, list[Node]] = {}
        self._returns: dict[int, list[Node]] = {}
        self._clean: set[tuple[int, str | None]] = set()  # with all that they may be
        self.steps = _MAX_ALL_STEPS  # that are left of one search
        self._functions: dict[int, Node] | None = None
        self._names: dict[int, Binding] = {}
        self._members: dict[bytes, list[Node]] | None = None
        self._computed: dict[bytes, list[Node]] | None = None

    def may_be(self, value: Node) -> bool:
        """Whether *value* is, has in it, or is chosen from something that has in it, an address of the code.

        What was followed to its end without one is not followed again.
        """
        return next(self.found(value), None) is not None

    def found(self, value: Node) -> Iterator[str]:
        """The addresses of the code that *value* may be, in lower case where case does not matter."""
        pending: list[Part] = [(value, None)]
        seen = set[tuple[int, str | None]]()
        clean, none = self._clean, True
        while pending and len(seen) < _MAX_STEPS and self.steps > 0:
            node, name = pending.pop()
            node = unwrap(node)
            part = (node.id, name)
            if part in seen or part in clean:
                continue
            seen.add(part)
            self.steps -= 1
            for address in self._addresses(node) if name is None else ():
                none = False
                yield address
            pending.extend(self._sources(node, name))
        if none and not pending:
            clean |= seen

    def called(self, callee: Node) -> bytes:
        """The last name of a member that is called or written; empty for anything else."""
        if callee.type == "member_expression":
            return spelled(self._index.tail(callee))
        if callee.type == "subscript_expression":
            return (self._constants.property_name(callee) or "").encode("utf-8", "replace")
        return b""

    def _addresses(self, node: Node) -> tuple[str, ...]:
        """The addresses in a constant text."""
        if node.type in _OPAQUE:
            return ()
        known = self._decided.get(node.id)
        if known is None:
            text = self._constants.text(node)
            found = () if text is None or len(text) < _SHORTEST else addresses_in(text)
            known = self._decided[node.id] = tuple(
                address.lower() if kind == ETHEREUM else address for kind, address in found
            )
        return known

    def _sources(self, node: Node, name: str | None) -> Iterable[Part]:
        """What a node, or its property *name*, may be or takes its value from."""
        kind = node.type
        if kind in MEMBERS:
            return self._member(node, name)
        if kind == "object":
            return self._of_literal(node, name)
        if kind in _PARTS or (kind == "binary_expression" and operator_of(node) in _JOINS):
            return [(each, name) for each in node.named_children]
        if kind == "ternary_expression":
            return [(each, name) for each in node.named_children[1:]]
        if kind == "assignment_expression":
            return [(each, name) for each in node.named_children[-1:]]
        if kind in {"call_expression", "new_expression"}:
            return self._call(node, name)
        if kind in {"identifier", "shorthand_property_identifier"}:
            binding = self._scopes.at(node.start_byte)
            return [] if binding is None else self._of_binding(binding, name)
        return (
            [(each, name) for each in self._returned(node)] if kind in FUNCTIONS and kind not in CLASSES else []
        )

    def _returned(self, function: Node) -> list[Node]:
        found = self._returns.get(function.id)
        if found is None:
            found = self._returns[function.id] = returns(function)
        return found

    def _of_literal(self, literal: Node, name: str | None) -> list[Part]:
        table = self._constants.table(literal)
        if name is None:
            return [(value, None) for value in table.values() if value.type not in FUNCTIONS]
        if name in table:
            return [(table[name], None)]
        return [(child, name) for child in literal.named_children if child.type == "spread_element"]

    def _of_binding(self, binding: Binding, name: str | None) -> list[Part]:
        if name is None:
            stored = self._constants.stored(binding)
        else:
            stored = self._constants.stored_under(binding, name)
        found: list[Part] = [(each, name) for each in self._given(binding)]
        return found + [(each, None) for each in stored if each.type not in FUNCTIONS]

    def _given(self, binding: Binding) -> list[Node]:
        """What a declared name is given; remembered."""
        known = self._given_to.get(binding)
        if known is None:
            known = self._given_to[binding] = self._work_out_given(binding)
        return known

    def _work_out_given(self, binding: Binding) -> list[Node]:
        found: list[Node] = []
        for definition in binding.definitions:
            if definition.how is How.VALUE and definition.node is not None:
                found.append(definition.node)
            elif definition.how is How.PARAMETER:
                found += self._arguments(definition)
        return found

    def _arguments(self, definition: Definition) -> list[Node]:
        """What a parameter is given by the calls of its function that are seen in the file."""
        position = definition.path[0] if definition.path else None
        if not isinstance(position, int):
            return []
        known = self._constants.argument_node(definition)
        if known is not None:
            return [known]
        found: list[Node] = []
        for call in self._calls(definition.function):
            given = arguments(call)[: position + 1]
            if len(given) > position and not any(each.type == "spread_element" for each in given):
                found.append(given[position])
        return found

    def _calls(self, function: int) -> list[Node]:
        if self._functions is None:
            self._functions = {}
            for node in self._index.of("function"):
                self._functions[self._scopes.function_of_node.get(node.id, 0)] = node
            self._names = self._named_functions()
        binding, body = self._names.get(function), self._functions.get(function)
        if binding is not None:
            by_callee = self._program.sites.by_callee
            return [by_callee[use] for use in binding.uses if use in by_callee][:_MAX_CALLS]
        if body is None or body.type != "method_definition":
            return []
        key = body.child_by_field_name("name")
        name = None if key is None else self._constants.key(key)
        if name is None or name == "constructor":
            return []
        return self._method_calls(name.encode("utf-8", "replace"))[:_MAX_CALLS]

    def _method_calls(self, name: bytes) -> list[Node]:
        if self._computed is None:
            self._computed = {}
            for call, callee, kind in self._index.calls:
                if kind == "subscript_expression":
                    self._computed.setdefault(self.called(callee), []).append(call)
        plain = [call for call, _callee, _kind in self._index.method_calls.get(name, ())]
        return plain + self._computed.get(name, [])

    def _named_functions(self) -> dict[int, Binding]:
        named: dict[int, Binding] = {}
        for binding in self._scopes.bindings:
            if len(binding.definitions) != 1:
                continue
            how, node, path, function, _default = binding.definitions[0]
            if how is How.FUNCTION:
                named[function] = binding
            elif how is How.VALUE and node is not None and not path and node.type in FUNCTIONS:
                named[self._scopes.function_of_node.get(node.id, 0)] = binding
        return named

    def _member(self, node: Node, further: str | None) -> list[Part]:
        base, name = first_child(node), self._constants.property_name(node)
        if base is None:
            return []
        if base.type == "this" and name is not None:
            return [(each, further) for each in self._of_this(name.encode("utf-8", "replace"))]
        kept = None if name is None else self._constants.property_node(base, name)
        if kept is not None:
            return [(kept, further)]
        return [(base, None if name is None or name.isdigit() else name)]

    def _of_this(self, name: bytes) -> list[Node]:
        """What is assigned to a member of ``this`` of that name, in any class of the file."""
        if self._members is None:
            self._members = {}
            for _node, left, kind, right, _compound in self._index.assignments:
                base = first_child(left) if kind in MEMBERS else None
                if base is not None and base.type == "this" and right is not None:
                    self._members.setdefault(self.called(left), []).append(right)
            for field in self._index.of("field"):
                key, value = field.child_by_field_name("property"), field.child_by_field_name("value")
                if key is not None and value is not None:
                    text = self._index.text[key.start_byte : key.end_byte]
                    self._members.setdefault(text, []).append(value)
        return self._members.get(name, [])

    def _call(self, node: Node, name: str | None) -> list[Part]:
        callee, given = first_child(node), [(each, name) for each in arguments(node)]
        if callee is None:
            return given
        function = self._constants.function_of(callee)
        if function is not None:
            return (
                []
                if function.type in CLASSES
                else [*((each, name) for each in self._returned(function)), *given]
            )
        base = first_child(callee) if callee.type in MEMBERS else None
        return given if base is None else [*given, (base, name)]
