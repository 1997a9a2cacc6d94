"""What a variable holds after the statements that build it up: loops which decode where they stand."""

from __future__ import annotations

import re

from tree_sitter import Node

from npmguard.javascript.bindings import Binding, How
from npmguard.javascript.index import Index
from npmguard.javascript.purity import Purity
from npmguard.javascript.tree import way_to

MAX_STATEMENTS = 24  # that a variable is built up by
_MAX_WRITES = 16
_AROUND = 400  # bytes around the writes in which something has to decode
_DECODES = re.compile(
    rb"from(?:CharCode|CodePoint)|char(?:Code)?At|codePointAt|atob|parseInt|unescape|decodeURI|\^|reverse"
)
_BLOCKS = frozenset({"program", "statement_block"})


class Slice:
    """The statements that build up a variable, the variables that they use alone, and where they end."""

    def __init__(self, statements: list[Node], owned: list[Binding], others: list[Binding]) -> None:
        self.statements = statements
        self.owned = owned
        self.others = others
        self.end = statements[-1].end_byte


def slice_of(binding: Binding, index: Index, purity: Purity) -> Slice | None:
    """The statements of one block that give a variable all its values, with those that they need."""
    if not purity.writes().get(binding):
        return None
    points = _points(binding, purity)
    if points is None:
        return None
    if not _DECODES.search(index.text, max(points[0] - _AROUND, 0), points[-1] + _AROUND):
        return None
    block = _common_block(index.root, points)
    if block is None:
        return None
    children = [child for child in block.named_children if child.type != "comment"]
    chosen = _covering(children, points)
    owned: dict[Binding, None] = {binding: None}
    others: dict[Binding, None] = {}
    pending = sorted(chosen)
    while pending:
        child = children[pending.pop(0)]
        for named in purity.named(child):
            if named in owned or named in others:
                continue
            needed = _needed(named, binding, child, purity, children[max(chosen)].end_byte)
            if needed is None:
                others[named] = None
                continue
            more = _covering(children, needed) - chosen
            if len(chosen) + len(more) > MAX_STATEMENTS or (needed and not _covering(children, needed)):
                return None
            owned[named] = None
            chosen |= more
            pending.extend(sorted(more))
    statements = [children[position] for position in sorted(chosen)]
    if any(purity.touches_unknown(statement) for statement in statements):
        return None
    return Slice(statements, list(owned), [each for each in others if not _is_inside(each, statements, purity)])


def _points(binding: Binding, purity: Purity) -> list[int] | None:
    """Where a variable is given its values; None where other functions or unknown things do so."""
    writes = purity.writes().get(binding, [])
    declared = len(binding.definitions) - len(writes)
    if len(writes) > _MAX_WRITES or declared > 1:
        return None
    if any(purity.scopes.function_at(write) != binding.function for write in writes):
        return None
    points = list(writes)
    if declared == 1:
        definition = binding.definitions[0]
        if definition.how is not How.VALUE or definition.node is None:
            return None
        points.append(definition.node.start_byte)
    return sorted(points) or None


def _needed(named: Binding, binding: Binding, child: Node, purity: Purity, end: int) -> list[int] | None:
    """Where a name used in a statement gets the values that matter there; None for one of its own."""
    if named.function != binding.function:
        return None
    writes = [write for write in purity.writes().get(named, ()) if write < end]
    inside = [
        each.node.start_byte
        for each in named.definitions
        if each.node is not None and child.start_byte <= each.node.start_byte < child.end_byte
    ]
    loops = any(each.how is How.OPAQUE for each in named.definitions)
    if not writes and not inside and not loops:
        return None
    points = _points(named, purity)
    return (
        [] if points is None and loops else None if points is None else [each for each in points if each < end]
    )


def _is_inside(binding: Binding, statements: list[Node], purity: Purity) -> bool:
    """Whether a name is declared by a function in the statements."""
    start = purity.scopes.functions[binding.function].start_byte
    return binding.function > 0 and any(each.start_byte <= start < each.end_byte for each in statements)


def _common_block(root: Node, points: list[int]) -> Node | None:
    """The innermost block around all places."""
    common: list[Node] | None = None
    for point in points:
        blocks = [node for node in way_to(root, point, point + 1) if node.type in _BLOCKS]
        if common is None:
            common = blocks
        else:
            ids = {node.id for node in blocks}
            common = [node for node in common if node.id in ids]
    return common[-1] if common else None


def _covering(children: list[Node], points: list[int]) -> set[int]:
    """The positions of the statements in which the places are."""
    return {
        position
        for position, child in enumerate(children)
        if any(child.start_byte <= point < child.end_byte for point in points)
    }
