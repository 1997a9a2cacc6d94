"""Which declaration a name in a file means: functions, blocks, hoisting, parameters, imports.

One sweep over the functions, blocks and declarations of a file, in source order, builds the table; a second
over its identifiers resolves each of them. Names are kept as bytes, as the source spells them (escapes
decoded).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from tree_sitter import Node

from npmguard.javascript.index import MEMBERS, Index
from npmguard.javascript.syntax import BY_START

FUNCTION_EXPRESSIONS = frozenset({"function_expression", "arrow_function", "generator_function"})
FUNCTION_DECLARATIONS = frozenset({"function_declaration", "generator_function_declaration"})
CLASSES = frozenset({"class", "class_declaration", "abstract_class_declaration"})
FUNCTIONS = FUNCTION_EXPRESSIONS | FUNCTION_DECLARATIONS | CLASSES | {"method_definition"}

_ESCAPE = re.compile(rb"\\u(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{4}))")

Step = str | int | Node | None
"""One step into a destructured value: a property, an index, a computed key, or None for one that is not known."""


class How(Enum):
    """Where a binding's value comes from."""

    VALUE = "value"  # the node, then the path into it
    FUNCTION = "function"  # the function or class of that index
    PARAMETER = "parameter"  # of the function of that index; the path starts with the position
    MODULE = "module"  # an import: the node is the module's string
    OPAQUE = "opaque"  # something that is not followed


class Definition(NamedTuple):
    """One place that gives a binding a value; ``default`` is what a parameter is without an argument."""

    how: How
    node: Node | None = None
    path: tuple[Step, ...] = ()
    function: int = 0
    default: Node | None = None


@dataclass(slots=True, eq=False)
class Binding:
    """A declared name: where, what it is given, and the offsets at which it is used."""

    name: bytes
    function: int
    definitions: list[Definition]
    uses: list[int]


@dataclass(slots=True)
class Scope:
    """A function or block: its span, the scope around it, its function and the names visible in it."""

    start: int
    end: int
    parent: int
    function: int
    names: dict[bytes, Binding]


class Scopes:
    """The scopes, functions and bindings of one file."""

    def __init__(self, index: Index) -> None:
        """Build the table from the nodes of a file."""
        text = self.text = index.text
        self.functions: list[Node] = [index.root, *sorted(index.of("function"), key=_span)]
        self.parents: list[int] = [-1]
        self.scopes: list[Scope] = [Scope(0, len(text) + 1, -1, 0, {})]
        self.bindings: list[Binding] = []
        self.uses: list[int] = []
        self.unbound: dict[bytes, list[int]] = {}
        self.mentions: list[set[Binding]] = []
        self.function_of_node: dict[int, int] = {index.root.id: 0}
        self._bound: dict[int, Binding] = {}
        _Builder(self, index)
        self._places, self._innermost = self._boundaries()
        self._resolve(index)
        self._resolve_writes(index)

    def binding(self, identifier: Node) -> Binding | None:
        """The binding that an identifier means; None if the name is not declared in the file."""
        return self._bound.get(identifier.start_byte)

    def at(self, offset: int) -> Binding | None:
        """The same for the identifier that starts at *offset*."""
        return self._bound.get(offset)

    def function_at(self, offset: int) -> int:
        """The index of the innermost function around *offset*; 0 is the file's top level."""
        return self.scopes[self._innermost[bisect_right(self._places, offset) - 1]].function

    def name(self, node: Node) -> bytes:
        """The name that an identifier node spells."""
        return spelled(self.text[node.start_byte : node.end_byte])

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
        self._bound[start] = binding
        return binding

    def open(self, start: int, end: int, parent: int, function: int) -> int:
        """Add a scope; they are opened in the order of their starts."""
        self.scopes.append(Scope(start, end, parent, function, {}))
        return len(self.scopes) - 1

    def _boundaries(self) -> tuple[list[int], list[int]]:
        """The offsets at which the innermost scope changes, and the scope from there on."""
        places, innermost = [0], [0]
        stack = [0]
        scopes = self.scopes
        for position in range(1, len(scopes) + 1):
            start = scopes[position].start if position < len(scopes) else scopes[0].end
            while len(stack) > 1 and scopes[stack[-1]].end <= start:
                places.append(scopes[stack.pop()].end)
                innermost.append(stack[-1])
            if position < len(scopes):
                places.append(start)
                innermost.append(position)
                stack.append(position)
        return places, innermost

    def _resolve(self, index: Index) -> None:
        """Resolve every identifier in source order, keeping what each function mentions.

        The names in force are kept in one table, which entering a scope changes and leaving it restores, so
        that neither depth nor number of scopes makes a look-up slow.
        """
        text, scopes, bound, unbound = self.text, self.scopes, self._bound, self.unbound
        mentions: list[set[Binding]] = [set() for _ in self.functions]
        identifiers = [*index.of("identifier"), *index.of("shorthand"), *self._assigned_names(index)]
        identifiers.sort(key=BY_START)
        active: dict[bytes, Binding | None] = dict(scopes[0].names)
        stack: list[tuple[int, int, list[tuple[bytes, Binding | None]]]] = [(scopes[0].end, 0, [])]
        following, beyond = 1, len(text) + 2
        next_start = scopes[1].start if len(scopes) > 1 else beyond
        end, mentioned = scopes[0].end, mentions[0]
        uses = self.uses
        for node in identifiers:
            start = node.start_byte
            if start >= next_start or start >= end:
                while True:
                    while stack[-1][0] <= min(next_start, start):
                        for name, before in stack.pop()[2]:
                            active[name] = before
                    if next_start > start:
                        break
                    scope = scopes[following]
                    stack.append((scope.end, following, [(name, active.get(name)) for name in scope.names]))
                    active.update(scope.names)
                    following += 1
                    next_start = scopes[following].start if following < len(scopes) else beyond
                end = stack[-1][0]
                mentioned = mentions[scopes[stack[-1][1]].function]
            if start in bound:
                continue
            name = text[start : node.end_byte]
            binding = active.get(name)
            if binding is not None:
                bound[start] = binding
                binding.uses.append(start)
                uses.append(start)
                mentioned.add(binding)
                continue
            if b"\\" in name:
                name = spelled(name)
                binding = active.get(name)
                if binding is not None:
                    bound[start] = binding
                    binding.uses.append(start)
                    uses.append(start)
                    mentioned.add(binding)
                    continue
            if name in unbound:
                unbound[name].append(start)
            else:
                unbound[name] = [start]
        self.mentions = mentions

    def _assigned_names(self, index: Index) -> list[Node]:
        """The names that destructuring assignments give a value, which the grammar has a kind of its own for."""
        found: list[Node] = []
        for _node, left, kind, _right, _compound in index.assignments:
            if kind == "object_pattern" or kind == "array_pattern":
                targets = (target for target, _path in pattern_names(left, self.text))
                found.extend(
                    target for target in targets if target.type == "shorthand_property_identifier_pattern"
                )
        return found

    def _resolve_writes(self, index: Index) -> None:
        """Add assignments to the bindings that they change."""
        for _node, left, kind, right, compound in index.assignments:
            if kind == "identifier":
                self._write(left, Definition(How.OPAQUE) if compound else Definition(How.VALUE, right))
            elif kind == "object_pattern" or kind == "array_pattern":
                for target, path in pattern_names(left, self.text):
                    if target.type not in MEMBERS:
                        self._write(target, Definition(How.VALUE, right, path))
        for node in index.of("update"):
            target = node.named_child(0)
            if target is not None and target.type == "identifier":
                self._write(target, Definition(How.OPAQUE))
        for node in index.of("block"):
            if node.type == "for_in_statement" and node.child_by_field_name("kind") is None:
                left = node.child_by_field_name("left")
                for target, _path in [] if left is None else pattern_names(left, self.text):
                    if target.type not in MEMBERS:
                        self._write(target, Definition(How.OPAQUE))

    def _write(self, target: Node, definition: Definition) -> None:
        binding = self._bound.get(target.start_byte)
        if binding is not None:
            binding.definitions.append(definition)


def spelled(name: bytes) -> bytes:
    r"""A name with its escapes (``\u0066``) decoded."""
    if b"\\" not in name:
        return name
    return _ESCAPE.sub(lambda match: _character(match[1] or match[2]), name)


def _character(digits: bytes) -> bytes:
    code = int(digits, 16)
    return chr(code if code < 0x110000 else 0xFFFD).encode("utf-8", errors="replace")


def pattern_names(pattern: Node, text: bytes) -> list[tuple[Node, tuple[Step, ...]]]:
    """The targets in a destructuring pattern, each with the path to its part of the value.

    A target is an identifier, or in an assignment also a member. The rest of an object keeps the path of the
    object itself, the rest of an array is a step that is not constant.
    """
    found: list[tuple[Node, tuple[Step, ...]]] = []
    pending: list[tuple[Node, tuple[Step, ...]]] = [(pattern, ())]
    while pending:
        node, path = pending.pop()
        kind = node.type
        if kind in {"assignment_pattern", "object_assignment_pattern"}:
            left = node.child_by_field_name("left")
            if left is not None:
                pending.append((left, path + _shorthand_step(left, text)))
        elif kind == "object_pattern":
            pending.extend((child, path + _shorthand_step(child, text)) for child in node.named_children)
        elif kind == "array_pattern":
            position = 0
            for child in node.children:
                if child.type == ",":
                    position += 1
                elif child.is_named and child.type != "comment":
                    pending.append((child, (*path, position)))
        elif kind == "pair_pattern":
            key, value = node.child_by_field_name("key"), node.child_by_field_name("value")
            if key is not None and value is not None:
                computed = key.named_children if key.type == "computed_property_name" else []
                pending.append((value, (*path, computed[0] if computed else key_name(key, text))))
        elif kind == "rest_pattern":
            rest = path[:-1] + (None,) if path and isinstance(path[-1], int) else path
            pending.extend((child, rest) for child in node.named_children)
        elif kind in {"required_parameter", "optional_parameter"}:
            inner = node.child_by_field_name("pattern")
            if inner is not None:
                pending.append((inner, path))
        elif kind in _TARGETS:
            found.append((node, path))
    return found


_TARGETS = frozenset(
    {"identifier", "shorthand_property_identifier_pattern", "member_expression", "subscript_expression"}
)


def _shorthand_step(node: Node, text: bytes) -> tuple[Step, ...]:
    if node.type == "shorthand_property_identifier_pattern":
        return (_text(node, text),)
    return ()


def key_name(key: Node, text: bytes) -> str | None:
    """The name that an object's key spells, if it is spelled plainly."""
    if key.type in {"property_identifier", "private_property_identifier", "number"}:
        return _text(key, text)
    if key.type == "computed_property_name":
        inner = key.named_children
        return key_name(inner[0], text) if len(inner) == 1 and inner[0].type == "string" else None
    if key.type == "string" and b"\\" not in text[key.start_byte : key.end_byte]:
        return text[key.start_byte + 1 : key.end_byte - 1].decode("utf-8", errors="replace")
    return None


def _text(node: Node, text: bytes) -> str:
    return spelled(text[node.start_byte : node.end_byte]).decode("utf-8", errors="replace")


def _span(node: Node) -> tuple[int, int]:
    return (node.start_byte, -node.end_byte)


def _iterates(loop: Node) -> bool:
    """Whether a loop goes over values (``of``), not over keys (``in``)."""
    operator = loop.child_by_field_name("operator")
    return operator is not None and operator.type == "of"


class _Open(NamedTuple):
    end: int
    scope: int
    function_scope: int
    function: int


class _Builder:
    """The sweep that opens scopes and declares names."""

    def __init__(self, scopes: Scopes, index: Index) -> None:
        self.scopes = scopes
        self.text = scopes.text
        self.stack = [_Open(len(scopes.text) + 1, 0, 0, 0)]
        events: list[tuple[int, int, int, Node]] = []
        for order, name in enumerate(("function", "block", "let", "var", "module", "enum")):
            events += [(node.start_byte, -node.end_byte, order, node) for node in index.of(name)]
        events.sort(key=lambda event: event[:3])
        handlers = (self._function, self._block, self._let, self._var, self._module, self._enum)
        stack = self.stack
        for start, _end, order, node in events:
            while stack[-1].end <= start:
                stack.pop()
            handlers[order](node)

    def _function(self, node: Node) -> None:
        scopes = self.scopes
        around = self.stack[-1]
        index = len(scopes.parents)
        start, end, kind = node.start_byte, node.end_byte, node.type
        scopes.parents.append(around.function)
        scopes.function_of_node[node.id] = index
        scope = scopes.open(start, end, around.scope, index)
        self.stack.append(_Open(end, scope, scope, index))
        if kind == "arrow_function":
            single = node.child_by_field_name("parameter")
            if single is not None:
                scopes.bind(scope, single, Definition(How.PARAMETER, None, (0,), index))
                return
        elif kind != "method_definition":
            name = node.child_by_field_name("name")
            if name is not None:
                self._named_function(name, kind, Definition(How.FUNCTION, node, (), index), scope, around)
        if kind not in CLASSES:
            self._parameters(node, scope, index)

    def _named_function(self, name: Node, kind: str, definition: Definition, own: int, around: _Open) -> None:
        scopes = self.scopes
        if kind in FUNCTION_EXPRESSIONS or kind == "class":
            scopes.bind(own, name, definition)
            return
        binding = scopes.bind(around.scope, name, definition)
        if kind in FUNCTION_DECLARATIONS and around.scope != around.function_scope:
            scopes.scopes[around.function_scope].names.setdefault(binding.name, binding)

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
                self.scopes.bind(scope, parameter, Definition(How.PARAMETER, None, (position,), index))
                continue
            default = parameter.child_by_field_name("right") or parameter.child_by_field_name("value")
            for target, path in pattern_names(parameter, self.text):
                steps = (None,) if kind == "rest_pattern" else (position, *path)
                self.scopes.bind(scope, target, Definition(How.PARAMETER, None, steps, index, default))

    def _block(self, node: Node) -> None:
        around = self.stack[-1]
        kind = node.type
        if kind == "statement_block" and node.end_byte == around.end and around.scope == around.function_scope:
            return  # a function's own body: one scope with its parameters
        scope = self.scopes.open(node.start_byte, node.end_byte, around.scope, around.function)
        self.stack.append(_Open(node.end_byte, scope, around.function_scope, around.function))
        if kind == "catch_clause":
            self._declare(node.child_by_field_name("parameter"), scope, None)
        elif kind == "for_in_statement":
            left, keyword = node.child_by_field_name("left"), node.child_by_field_name("kind")
            if keyword is not None:
                each = node.child_by_field_name("right") if _iterates(node) else None
                self._declare(left, around.function_scope if keyword.type == "var" else scope, each, (None,))

    def _let(self, node: Node) -> None:
        self._declarators(node, self.stack[-1].scope)

    def _var(self, node: Node) -> None:
        self._declarators(node, self.stack[-1].function_scope)

    def _declarators(self, node: Node, scope: int) -> None:
        for declarator in node.named_children:
            if declarator.type != "variable_declarator":
                continue
            name, value = declarator.child_by_field_name("name"), declarator.child_by_field_name("value")
            if name is None:
                continue
            if name.type == "identifier":
                self.scopes.bind(scope, name, None if value is None else Definition(How.VALUE, value))
            else:
                self._declare(name, scope, value)

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
            self.scopes.bind(scope, target, definition)

    def _module(self, node: Node) -> None:
        source = node.child_by_field_name("source")
        if node.type == "export_statement":
            return
        pending = [child for child in node.named_children if child.type != "string"]
        while pending:
            part = pending.pop()
            if part.type == "identifier":
                self.scopes.bind(0, part, Definition(How.MODULE, source))
            elif part.type == "import_specifier":
                name, alias = part.child_by_field_name("name"), part.child_by_field_name("alias")
                if name is not None:
                    step = key_name(name, self.text) or _text(name, self.text)
                    self.scopes.bind(0, alias or name, Definition(How.MODULE, source, (step,)))
            elif part.type == "import_require_clause":
                source = part.child_by_field_name("source")
                pending.extend(child for child in part.named_children if child.type == "identifier")
            else:
                pending.extend(part.named_children)

    def _enum(self, node: Node) -> None:
        name = node.child_by_field_name("name")
        if name is not None:
            self.scopes.bind(self.stack[-1].scope, name, Definition(How.OPAQUE))
