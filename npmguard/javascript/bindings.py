"""Declared names and what gives them their values, destructuring patterns included."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from tree_sitter import Node

FUNCTION_EXPRESSIONS = frozenset({"function_expression", "arrow_function", "generator_function"})
FUNCTION_DECLARATIONS = frozenset({"function_declaration", "generator_function_declaration"})
CLASSES = frozenset({"class", "class_declaration", "abstract_class_declaration"})
FUNCTIONS = FUNCTION_EXPRESSIONS | FUNCTION_DECLARATIONS | CLASSES | {"method_definition"}

_ESCAPE = re.compile(rb"\\u(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{4}))")

Step = str | int | Node | None
"""One step into a destructured value: a property, an index, a computed key, or None where it is not known."""


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
            rest = (*path[:-1], None) if path and isinstance(path[-1], int) else path
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
        return (spelled_text(node, text),)
    return ()


def key_name(key: Node, text: bytes) -> str | None:
    """The name that an object's key spells, if it is spelled plainly."""
    if key.type in {"property_identifier", "private_property_identifier", "number"}:
        return spelled_text(key, text)
    if key.type == "computed_property_name":
        inner = key.named_children
        return key_name(inner[0], text) if len(inner) == 1 and inner[0].type == "string" else None
    if key.type == "string" and b"\\" not in text[key.start_byte : key.end_byte]:
        return text[key.start_byte + 1 : key.end_byte - 1].decode("utf-8", errors="replace")
    return None


def spelled_text(node: Node, text: bytes) -> str:
    """The name that a node of *text* spells, as text."""
    return spelled(text[node.start_byte : node.end_byte]).decode("utf-8", errors="replace")
