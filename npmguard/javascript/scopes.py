"""Which declaration a name in a file means: functions, blocks, hoisting, parameters, imports.

One sweep over the functions, blocks and declarations of a file, in source order, builds the table; a second
over its identifiers resolves each of them. Names are kept as bytes, as the source spells them (escapes
decoded).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from typing import NamedTuple

from tree_sitter import Node

from npmguard.javascript.syntax import Captures

BY_START = attrgetter("start_byte")

FUNCTION_EXPRESSIONS = frozenset({"function_expression", "arrow_function", "generator_function"})
FUNCTION_DECLARATIONS = frozenset({"function_declaration", "generator_function_declaration"})
CLASSES = frozenset({"class", "class_declaration", "abstract_class_declaration"})
FUNCTIONS = FUNCTION_EXPRESSIONS | FUNCTION_DECLARATIONS | CLASSES | {"method_definition"}

_ESCAPE = re.compile(rb"\\u(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{4}))")

Step = str | int | None
"""One step into a destructured value: a property, an index, or None for one that is not constant."""


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
    scope: int
    function: int
    definitions: list[Definition] = field(default_factory=list)
    uses: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Scope:
    """A function or block: its span, the scope around it, its function and the names visible in it."""

    start: int
    end: int
    parent: int
    function: int
    names: dict[bytes, Binding | None] = field(default_factory=dict)


class Scopes:
    """The scopes, functions and bindings of one file."""

    def __init__(self, text: bytes, root: Node, nodes: Captures) -> None:
        """Build the table from the nodes that :func:`npmguard.javascript.syntax.captures` found below *root*."""
        self.text = text
        self.functions: list[Node] = [root, *sorted(nodes.get("function", ()), key=_span)]
        self.parents: list[int] = [-1]
        self.scopes: list[Scope] = [Scope(0, len(text), -1, 0)]
        self.function_scopes: list[int] = [0]
        self.bindings: list[Binding] = []
        self.declared: set[int] = set()
        self.unbound: dict[bytes, list[int]] = {}
        self.mentions: list[set[Binding]] = []
        self.function_of_node: dict[int, int] = {}
        self._starts: list[int] = [0]
        _Builder(self, nodes)
        self._resolve_writes(nodes)
        self._resolve(nodes)

    def lookup(self, name: bytes, offset: int) -> Binding | None:
        """The binding that *name* means at *offset*; None if it is not declared in the file."""
        return self.visible(name, self.scope_at(offset))

    def visible(self, name: bytes, scope: int) -> Binding | None:
        """The binding that *name* means inside that scope."""
        scopes = self.scopes
        index = scope
        passed = []
        found: Binding | None = None
        while index >= 0:
            names = scopes[index].names
            if name in names:
                found = names[name]
                break
            passed.append(names)
            index = scopes[index].parent
        for names in passed:
            names[name] = found
        return found

    def scope_at(self, offset: int) -> int:
        """The index of the innermost scope around *offset*."""
        scopes = self.scopes
        index = bisect_right(self._starts, offset) - 1
        while index > 0 and scopes[index].end <= offset:
            index = scopes[index].parent
        return max(index, 0)

    def function_at(self, offset: int) -> int:
        """The index of the innermost function around *offset*; 0 is the file's top level."""
        return self.scopes[self.scope_at(offset)].function

    def name(self, node: Node) -> bytes:
        """The name that an identifier node spells."""
        return spelled(self.text[node.start_byte : node.end_byte])

    def bind(self, scope: int, node: Node, definition: Definition | None) -> Binding:
        """Declare the identifier *node* in that scope, with what gives it its value, if anything does."""
        name = self.name(node)
        names = self.scopes[scope].names
        binding = names.get(name)
        if binding is None:
            binding = names[name] = Binding(name, scope, self.scopes[scope].function)
            self.bindings.append(binding)
        if definition is not None:
            binding.definitions.append(definition)
        self.declared.add(node.start_byte)
        return binding

    def open(self, start: int, end: int, parent: int, function: int) -> int:
        """Add a scope; they are opened in the order of their starts."""
        self.scopes.append(Scope(start, end, parent, function))
        self._starts.append(start)
        return len(self.scopes) - 1

    def _resolve_writes(self, nodes: Captures) -> None:
        """Add assignments to the bindings that they change."""
        for node in nodes.get("assignment", ()):
            left = node.child_by_field_name("left")
            if left is None:
                continue
            if left.type == "identifier":
                self._write(left, Definition(How.VALUE, node.child_by_field_name("right")))
            elif left.type in {"array_pattern", "object_pattern"}:
                right = node.child_by_field_name("right")
                for target, path in pattern_names(left, self.text):
                    if target.type not in {"member_expression", "subscript_expression"}:
                        self._write(target, Definition(How.VALUE, right, path))
        changed = [node.child_by_field_name("left") for node in nodes.get("augmented", ())]
        changed += [node.child_by_field_name("argument") for node in nodes.get("update", ())]
        for target in changed:
            if target is not None and target.type == "identifier":
                self._write(target, Definition(How.OPAQUE))

    def _write(self, target: Node, definition: Definition) -> None:
        binding = self.lookup(self.name(target), target.start_byte)
        if binding is not None:
            binding.definitions.append(definition)

    def _resolve(self, nodes: Captures) -> None:
        """Resolve every identifier in source order, keeping what each function mentions."""
        text, scopes, declared = self.text, self.scopes, self.declared
        mentions: list[set[Binding]] = [set() for _ in self.functions]
        unbound = self.unbound
        identifiers = [*nodes.get("identifier", ()), *nodes.get("shorthand", ())]
        identifiers.sort(key=BY_START)
        following = 1
        beyond = len(text) + 1
        next_start = scopes[1].start if len(scopes) > 1 else beyond
        scope = 0
        end, names, mentioned = scopes[0].end, scopes[0].names, mentions[0]
        for node in identifiers:
            start = node.start_byte
            if start >= next_start or start >= end:
                while following < len(scopes) and scopes[following].start <= start:
                    following += 1
                next_start = scopes[following].start if following < len(scopes) else beyond
                scope = following - 1
                while scope > 0 and scopes[scope].end <= start:
                    scope = scopes[scope].parent
                end, names = scopes[scope].end, scopes[scope].names
                mentioned = mentions[scopes[scope].function]
            if start in declared:
                continue
            name = text[start : node.end_byte]
            try:
                binding = names[name]
            except KeyError:
                if b"\\" in name:
                    name = spelled(name)
                binding = self.visible(name, scope)
            if binding is None:
                if name in unbound:
                    unbound[name].append(start)
                else:
                    unbound[name] = [start]
            else:
                binding.uses.append(start)
                mentioned.add(binding)
        self.mentions = mentions


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
                pending.append((value, (*path, key_name(key, text))))
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


class _Open(NamedTuple):
    end: int
    scope: int
    function_scope: int
    function: int


class _Builder:
    """The sweep that opens scopes and declares names."""

    def __init__(self, scopes: Scopes, nodes: Captures) -> None:
        self.scopes = scopes
        self.text = scopes.text
        self.stack = [_Open(len(scopes.text) + 1, 0, 0, 0)]
        scopes.function_of_node[scopes.functions[0].id] = 0
        events: list[tuple[int, int, int, Node]] = []
        for order, name in enumerate(("function", "block", "let", "var", "module", "enum")):
            events += [(node.start_byte, -node.end_byte, order, node) for node in nodes.get(name, ())]
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
        scopes.parents.append(around.function)
        scopes.function_of_node[node.id] = index
        kind = node.type
        name = node.child_by_field_name("name") if kind != "arrow_function" else None
        scope = scopes.open(node.start_byte, node.end_byte, around.scope, index)
        scopes.function_scopes.append(scope)
        self.stack.append(_Open(node.end_byte, scope, scope, index))
        if name is not None and kind != "method_definition":
            definition = Definition(How.FUNCTION, node, (), index)
            if kind in FUNCTION_EXPRESSIONS or kind == "class":
                scopes.bind(scope, name, definition)
            else:
                binding = scopes.bind(around.scope, name, definition)
                if kind in FUNCTION_DECLARATIONS and around.scope != around.function_scope:
                    scopes.scopes[around.function_scope].names.setdefault(binding.name, binding)
        if kind not in CLASSES:
            self._parameters(node, scope, index)

    def _parameters(self, node: Node, scope: int, index: int) -> None:
        single = node.child_by_field_name("parameter")
        if single is not None:
            self.scopes.bind(scope, single, Definition(How.PARAMETER, None, (0,), index))
            return
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
                rest = kind == "rest_pattern"
                definition = Definition(How.PARAMETER, None, (position, *path), index, default)
                self.scopes.bind(scope, target, Definition(How.OPAQUE) if rest else definition)

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
                self._declare(left, around.function_scope if keyword.type == "var" else scope, None)

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
            elif value is None:  # for (const {a} of b), which the grammar may read so in broken code
                self._declare(name, scope, None)
            else:
                self._declare(name, scope, value)

    def _declare(self, pattern: Node | None, scope: int, value: Node | None) -> None:
        if pattern is None:
            return
        for target, path in pattern_names(pattern, self.text):
            if target.type in {"member_expression", "subscript_expression"}:
                continue
            definition = Definition(How.OPAQUE) if value is None else Definition(How.VALUE, value, path)
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
