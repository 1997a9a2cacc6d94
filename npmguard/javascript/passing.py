"""Small functions that only pass on what they are given, as flattened code keeps them in objects.

``{abc: function (f, x) { return f(x) }}`` is called as ``o.abc(fetch, url)``, which is a call of ``fetch``.
"""

from __future__ import annotations

import re

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTION_DECLARATIONS
from npmguard.javascript.callsites import unwrap

MAX_PASSING = 2_000  # bytes of such a function

_STORED = re.compile(rb"(?:function\s*[\w$]*\s*\(\s*[\w$]|\(?\s*[\w$]+[\w$,\s]*\)?\s*=>)")
_SETS_UP = FUNCTION_DECLARATIONS | {"lexical_declaration", "variable_declaration", "empty_statement", "comment"}


def may_pass(text: bytes, function: Node) -> bool:
    """Whether a function may only pass on what it is given, judged by its bytes."""
    start, end = function.start_byte, function.end_byte
    if end - start > MAX_PASSING or not _STORED.match(text, start, end):
        return False
    return b"return" in text[start:end] or b"=>" in text[start : start + 200]


def passes(text: bytes, function: Node) -> bool:
    """Whether a function returns a call and does nothing else."""
    if not may_pass(text, function):
        return False
    found = returned_by(function)
    return found is not None and found.type == "call_expression"


def parameters_of(function: Node) -> list[Node] | None:
    """The parameters of a function, if all are plain names."""
    single = function.child_by_field_name("parameter")
    listed = function.child_by_field_name("parameters")
    found = [single] if single is not None else [] if listed is None else listed.named_children
    found = [each for each in found if each.type != "comment"]
    return found if all(each.type in {"identifier", "rest_pattern"} for each in found) else None


def returned_by(function: Node) -> Node | None:
    """What a function returns that does nothing else, but for making what it needs for that."""
    body = function.child_by_field_name("body")
    if body is None:
        return None
    if body.type != "statement_block":
        return unwrap(body)
    found: Node | None = None
    for statement in body.named_children:
        if statement.type == "return_statement" and found is None:
            inner = [child for child in statement.named_children if child.type != "comment"]
            if len(inner) != 1:
                return None
            found = unwrap(inner[0])
        elif statement.type not in _SETS_UP:
            return None
    return found
