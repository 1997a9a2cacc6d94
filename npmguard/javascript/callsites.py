"""What the parameters of a function are given, where its only call can be seen.

That is the case for functions called where they stand (UMD wrappers, ``.call(this, …)``, minified modules), for
named functions called once, for the callback of ``import(…).then`` and for the traps of a Proxy.
"""

from __future__ import annotations

from collections.abc import Sequence

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTIONS, Binding, How, key_name
from npmguard.javascript.index import Index
from npmguard.javascript.scopes import Scopes

_MAX_RETURNS = 400  # nodes of a small function that are searched for what it returns
_WRAPPED = FUNCTIONS | {"parenthesized_expression"}


class CallSites:
    """The calls of one file, and the arguments that reach its functions."""

    def __init__(self, index: Index, scopes: Scopes) -> None:
        """Find the call sites among the nodes of a file."""
        self._scopes = scopes
        self._sites: dict[int, list[list[Node | None]]] = {}
        self._named: dict[int, Binding] | None = None
        self.by_callee: dict[int, Node] = {}
        text = index.text
        for call, callee, kind in index.calls:
            if kind == "identifier":
                self.by_callee[callee.start_byte] = call
            elif kind in _WRAPPED:
                self._add(callee, arguments(call))
        for name in (b"call", b"apply"):
            for call, callee, _kind in index.method_calls.get(name, ()):
                self._called_through(call, callee, apply=name == b"apply")
        for call, callee, _kind in index.method_calls.get(b"then", ()):
            self._then(call, callee)
        for new in index.of("new"):
            constructor = new.child_by_field_name("constructor")
            if constructor is not None and text[constructor.end_byte - 5 : constructor.end_byte] == b"Proxy":
                self._proxy(arguments(new))

    def known(self, function: int) -> bool:
        """Whether the function is called where it stands."""
        return function in self._sites

    def direct(self, function: int) -> list[list[Node | None]]:
        """What the function is given where it is called where it stands, a list for each call."""
        return self._sites.get(function, [])

    def argument(self, function: int, position: int) -> Node | None:
        """The node that the parameter of that position is given; None if that is not known."""
        sites = self._sites.get(function)
        if sites is None:
            binding = self._bindings().get(function)
            if binding is None or len(binding.uses) != 1:
                return None
            call = self.by_callee.get(binding.uses[0])
            sites = [] if call is None else [list(arguments(call))]
        if len(sites) != 1 or position >= len(sites[0]):
            return None
        given = sites[0][: position + 1]
        if any(node is not None and node.type == "spread_element" for node in given):
            return None
        return given[position]

    def _bindings(self) -> dict[int, Binding]:
        if self._named is None:
            self._named = {}
            for binding in self._scopes.bindings:
                if len(binding.definitions) == 1:
                    how, node, path, function, _ = binding.definitions[0]
                    if how is How.VALUE and node is not None and not path and node.type in FUNCTIONS:
                        function = self._scopes.function_of_node.get(node.id, 0)
                    if function and how is not How.PARAMETER:
                        self._named[function] = binding
        return self._named

    def _add(self, callee: Node, given: Sequence[Node | None]) -> None:
        function = unwrap(callee)
        if function.type in FUNCTIONS:
            index = self._scopes.function_of_node.get(function.id)
            if index is not None:
                self._sites.setdefault(index, []).append(list(given))

    def _called_through(self, call: Node, callee: Node, *, apply: bool) -> None:
        target = callee.child_by_field_name("object")
        if target is None or target.type not in _WRAPPED:
            return
        given = arguments(call)[1:]
        if apply:
            given = given[0].named_children if given and given[0].type == "array" else []
        self._add(target, given)

    def _then(self, call: Node, callee: Node) -> None:
        promise = callee.child_by_field_name("object")
        given = arguments(call)
        if promise is not None and given and promise.type == "call_expression":
            imported = promise.child_by_field_name("function")
            if imported is not None and imported.type == "import":
                self._add(given[0], [promise])

    def _proxy(self, given: list[Node]) -> None:
        if len(given) < 2:
            return
        for name, trap in members(given[1], self._scopes.text):
            if name in {"apply", "construct", "get", "set"}:
                self._add(trap, [given[0]])


def arguments(call: Node) -> list[Node]:
    """The argument nodes of a call or ``new``; none for a tagged template."""
    given = call.child_by_field_name("arguments")
    if given is None or given.type != "arguments":
        return []
    return [node for node in given.named_children if node.type != "comment"]


def members(literal: Node, text: bytes) -> list[tuple[str | None, Node]]:
    """The named members of an object literal: values of its pairs, and its methods."""
    found = []
    if literal.type != "object":
        return []
    for child in literal.named_children:
        if child.type == "pair":
            key, value = child.child_by_field_name("key"), child.child_by_field_name("value")
            if key is not None and value is not None:
                found.append((key_name(key, text), value))
        elif child.type == "method_definition":
            name = child.child_by_field_name("name")
            if name is not None:
                found.append((key_name(name, text), child))
        elif child.type == "shorthand_property_identifier":
            found.append((text[child.start_byte : child.end_byte].decode("utf-8", "replace"), child))
    return found


def returns(function: Node) -> list[Node]:
    """The expressions that a small function returns, leaving out functions inside it."""
    found: list[Node] = []
    body = function.child_by_field_name("body")
    if body is None:
        return found
    if body.type != "statement_block":
        return [body]
    pending, seen = [body], 0
    while pending:
        node = pending.pop()
        seen += 1
        if seen > _MAX_RETURNS:
            return []
        if node.type == "return_statement":
            found.extend([child for child in node.named_children if child.type != "comment"][:1])
        elif node.type.endswith(
            ("_statement", "_block", "_clause", "switch_body", "switch_case", "switch_default")
        ):
            pending.extend(reversed(node.named_children))
    return found


def unwrap(node: Node) -> Node:
    """The expression inside parentheses, TypeScript's assertions and ``await``."""
    while node.type in WRAPPERS:
        inner = [child for child in node.named_children if child.type != "comment"]
        if not inner:
            break
        node = inner[-1] if node.type == "type_assertion" else inner[0]
    return node


WRAPPERS = frozenset(
    {
        "parenthesized_expression",
        "non_null_expression",
        "as_expression",
        "satisfies_expression",
        "type_assertion",
        "await_expression",
    }
)
"""Kinds of nodes that stand for the expression inside them."""
