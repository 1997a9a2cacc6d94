"""The scopes of a file and the names declared in them, hoisting included."""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

from tree_sitter import Node

from npmguard.javascript.bindings import (
    CLASSES,
    FUNCTION_DECLARATIONS,
    FUNCTION_EXPRESSIONS,
    Binding,
    Definition,
    How,
    Scope,
    Step,
    key_name,
    pattern_names,
    spelled,
    spelled_text,
)
from npmguard.javascript.index import MEMBERS, Index


def _iterates(loop: Node) -> bool:
    """Whether a loop goes over values (``of``), not over keys (``in``)."""
    operator = loop.child_by_field_name("operator")
    return operator is not None and operator.type == "of"


class _Open(NamedTuple):
    end: int
    scope: int
    function_scope: int
    function: int


class Declarations:
    """What is declared in one file: found by one sweep over functions, blocks and declarations in source order.

    ``scopes`` are in the order of their starts. ``bound`` is what each declaring name declares,
    by offset, and ``labels`` are the offsets of identifiers that mean nothing in the file.
    """

    def __init__(self, index: Index) -> None:
        """Declare the names of the file whose nodes are in *index*."""
        self.text = index.text
        self.functions: list[Node] = [index.root, *index.of("function")]
        self.parents: list[int] = [-1]
        self.function_of_node: dict[int, int] = {index.root.id: 0}
        self.scopes: list[Scope] = [Scope(0, len(index.text) + 1, -1, 0, {})]
        self.bindings: list[Binding] = []
        self.bound: dict[int, Binding] = {}
        self.labels: set[int] = set()
        self._stack = [_Open(len(index.text) + 1, 0, 0, 0)]
        handlers = {
            "function": self._function,
            "block": self._block,
            "let": self._let,
            "var": self._var,
            "module": self._module,
            "enum": self._enum,
        }
        events = [(node.start_byte, name, node) for name in handlers for node in index.of(name)]
        events.sort(key=itemgetter(0))  # no two of these start at the same place
        stack = self._stack
        for start, name, node in events:
            while stack[-1][0] <= start:
                stack.pop()
            handlers[name](node)

    def bind(self, scope: int, node: Node, definition: Definition | None) -> Binding:
        """Declare the identifier *node* in that scope, with what gives it its value, if anything does."""
        start = node.start_byte
        name = self.text[start : node.end_byte]
        if b"\\" in name:
            name = spelled(name)
        holder = self.scopes[scope]
        binding = holder.names.get(name)
        if binding is None:
            binding = holder.names[name] = Binding(name, holder.function, [], [])
            self.bindings.append(binding)
        if definition is not None:
            binding.definitions.append(definition)
        self.bound[start] = binding
        return binding

    def open(self, start: int, end: int, parent: int, function: int) -> int:
        """Add a scope; they are opened in the order of their starts."""
        self.scopes.append(Scope(start, end, parent, function, {}))
        return len(self.scopes) - 1

    def _function(self, node: Node) -> None:
        around = self._stack[-1]
        index = len(self.parents)
        start, end, kind = node.start_byte, node.end_byte, node.type
        self.parents.append(around.function)
        self.function_of_node[node.id] = index
        scope = self.open(start, end, around.scope, index)
        self._stack.append(_Open(end, scope, scope, index))
        if kind == "arrow_function":
            single = node.child_by_field_name("parameter")
            if single is not None:
                self.bind(scope, single, Definition(How.PARAMETER, None, (0,), index))
                return
        elif kind != "method_definition":
            name = node.child_by_field_name("name")
            if name is not None:
                self._named_function(name, kind, Definition(How.FUNCTION, node, (), index), scope, around)
        if kind not in CLASSES:
            self._parameters(node, scope, index)

    def _named_function(self, name: Node, kind: str, definition: Definition, own: int, around: _Open) -> None:
        if kind in FUNCTION_EXPRESSIONS or kind == "class":
            self.bind(own, name, definition)
            return
        binding = self.bind(around.scope, name, definition)
        if kind in FUNCTION_DECLARATIONS and around.scope != around.function_scope:
            self.scopes[around.function_scope].names.setdefault(binding.name, binding)

    def _parameters(self, node: Node, scope: int, index: int) -> None:
        parameters = node.child_by_field_name("parameters")
        if parameters is None:
            return
        position = -1
        for parameter in parameters.named_children:
            kind = parameter.type
            if kind == "comment":
                continue
            position += 1
            if kind == "identifier":
                self.bind(scope, parameter, Definition(How.PARAMETER, None, (position,), index))
                continue
            default = parameter.child_by_field_name("right") or parameter.child_by_field_name("value")
            for target, path in pattern_names(parameter, self.text):
                steps = (None,) if kind == "rest_pattern" else (position, *path)
                self.bind(scope, target, Definition(How.PARAMETER, None, steps, index, default))

    def _block(self, node: Node) -> None:
        around = self._stack[-1]
        kind = node.type
        if kind == "statement_block" and node.end_byte == around.end and around.scope == around.function_scope:
            return  # a function's own body: one scope with its parameters
        scope = self.open(node.start_byte, node.end_byte, around.scope, around.function)
        self._stack.append(_Open(node.end_byte, scope, around.function_scope, around.function))
        if kind == "catch_clause":
            self._declare(node.child_by_field_name("parameter"), scope, None)
        elif kind == "for_in_statement":
            left, keyword = node.child_by_field_name("left"), node.child_by_field_name("kind")
            if keyword is not None:
                each = node.child_by_field_name("right") if _iterates(node) else None
                self._declare(left, around.function_scope if keyword.type == "var" else scope, each, (None,))

    def _let(self, node: Node) -> None:
        self._declarators(node, self._stack[-1].scope)

    def _var(self, node: Node) -> None:
        self._declarators(node, self._stack[-1].function_scope)

    def _declarators(self, node: Node, scope: int) -> None:
        for declarator in node.named_children:
            if declarator.type != "variable_declarator":
                continue
            parts = declarator.children
            plain = parts[0].type == "identifier"
            if len(parts) == 3:
                value: Node | None = parts[2]
            else:
                value = None if len(parts) == 1 else declarator.child_by_field_name("value")
            if plain:
                self.bind(scope, parts[0], None if value is None else Definition(How.VALUE, value))
            else:
                self._declare(parts[0], scope, value)

    def _declare(
        self, pattern: Node | None, scope: int, value: Node | None, before: tuple[Step, ...] = ()
    ) -> None:
        if pattern is None:
            return
        for target, path in pattern_names(pattern, self.text):
            if target.type in MEMBERS:
                continue
            definition = (
                Definition(How.OPAQUE) if value is None else Definition(How.VALUE, value, before + path)
            )
            self.bind(scope, target, definition)

    def _module(self, node: Node) -> None:
        if node.type == "export_statement":
            self._exports(node)
            return
        source = node.child_by_field_name("source")
        pending = [child for child in node.named_children if child.type != "string"]
        while pending:
            part = pending.pop()
            if part.type == "identifier":
                self.bind(0, part, Definition(How.MODULE, source))
            elif part.type == "import_specifier":
                name, alias = part.child_by_field_name("name"), part.child_by_field_name("alias")
                if name is not None:
                    step = key_name(name, self.text) or spelled_text(name, self.text)
                    self.bind(0, alias or name, Definition(How.MODULE, source, (step,)))
                    if alias is not None:
                        self.labels.add(name.start_byte)
            elif part.type == "import_require_clause":
                source = part.child_by_field_name("source")
                pending.extend(child for child in part.named_children if child.type == "identifier")
            else:
                pending.extend(part.named_children)

    def _exports(self, node: Node) -> None:
        """Note the names in an export that mean nothing in the file: new names, and those of another module."""
        again = node.child_by_field_name("source") is not None
        for clause in node.named_children:
            for specifier in clause.named_children if clause.type == "export_clause" else ():
                alias = specifier.child_by_field_name("alias")
                name = specifier.child_by_field_name("name") if again else None
                self.labels.update(each.start_byte for each in (alias, name) if each is not None)

    def _enum(self, node: Node) -> None:
        name = node.child_by_field_name("name")
        if name is not None:
            self.bind(self._stack[-1].scope, name, Definition(How.OPAQUE))
