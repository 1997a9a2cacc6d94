"""Ways through a syntax tree without recursion and without asking nodes for their parents."""

from __future__ import annotations

from collections.abc import Callable

from tree_sitter import Node

Place = tuple[int, int, int | None]
"""A byte range, and the index of the function that it is about, if one is."""


def way_to(root: Node, start: int, end: int) -> list[Node]:
    """The nodes around a byte range, outermost first; the last one is the smallest that spans it."""
    way = [root]
    cursor = root.walk()
    while True:
        node = cursor.node
        if node is None or (node.start_byte == start and node.end_byte == end):
            return way
        if cursor.goto_first_child_for_byte(start) is None:
            return way
        inner = cursor.node
        while inner is not None and inner.end_byte <= start and cursor.goto_next_sibling():
            inner = cursor.node
        if inner is None or inner.start_byte > start or inner.end_byte < end:
            return way
        way.append(inner)


def inside(node: Node, limit: int, enter: Callable[[Node], bool] | None = None) -> list[Node]:
    """The named nodes below *node* in source order, at most *limit*; *enter* says into which to go."""
    found: list[Node] = []
    pending = list(reversed(node.named_children))
    while pending and len(found) < limit:
        child = pending.pop()
        found.append(child)
        if enter is None or enter(child):
            pending.extend(reversed(child.named_children))
    return found


def first_child(node: Node) -> Node | None:
    """The first named child."""
    return node.named_child(0) if node.named_child_count else None


def sides(binary: Node) -> tuple[Node, Node] | None:
    """The operands of a binary expression."""
    left, right = binary.child_by_field_name("left"), binary.child_by_field_name("right")
    return None if left is None or right is None else (left, right)


def operator_of(node: Node) -> str:
    """The operator of an expression; empty where there is none."""
    operator = node.child_by_field_name("operator")
    return "" if operator is None else operator.type


def operation(binary: Node) -> tuple[Node, str, Node] | None:
    """The operands of a binary expression around its operator."""
    parts = binary.children
    if len(parts) == 3:  # no comment is in it
        return parts[0], parts[1].type, parts[2]
    pair = sides(binary)
    return None if pair is None else (pair[0], operator_of(binary), pair[1])


def operands(chain: Node) -> list[Node]:
    """The operands of a chain of ``+``, in order."""
    found = []
    node: Node | None = chain
    while node is not None and node.type == "binary_expression":
        parts = operation(node)
        if parts is None or parts[1] != "+":
            break
        found.append(parts[2])
        node = parts[0]
    if node is not None:
        found.append(node)
    found.reverse()
    return found
