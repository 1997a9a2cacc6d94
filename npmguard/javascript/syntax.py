"""Source bytes to a syntax tree, in bounded time and without crashing, whatever the bytes are.

JavaScript is parsed with tree-sitter's JavaScript grammar (JSX included), TypeScript with its TypeScript and
TSX grammars. Three properties of the library (tree-sitter 0.25 and 0.26, read in its C sources and measured)
shape this module, since the input is hostile:

- its parse stack is released by recursion where the grammar is ambiguous, so that 87,000 times ``{a:`` overflow
  an 8 MB stack: deeply bracketed text is parsed on a thread with a stack that fits, or not at all;
- its queries keep depths in 16 bits and go wrong below 65,535 levels: trees deeper than :data:`MAX_DEPTH` are
  not searched;
- its queries look ahead over unnamed siblings, which is quadratic in a run of them (``[,,,,``, or tokens in an
  error): trees with long runs are not searched.

What is refused is said in :attr:`Parsed.problem`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count, pairwise
from operator import attrgetter
from typing import Final

import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Query, QueryCursor, Tree

from npmguard.config import Limits
from npmguard.timing import staged

MAX_DEPTH: Final = 50_000  # levels of the tree that are searched
_SAFE_BRACKETS: Final = 2_000  # open brackets at once that any thread's stack bears (96 bytes each)
_MAX_BRACKETS: Final = 200_000  # open brackets at once that are parsed at all
_DEEP_STACK: Final = 128 * 1024**2  # bytes; 96 a bracket are needed
_RUN_WORK: Final = 2_000_000_000  # sum of squares of runs of unnamed siblings: about a second
_BASE_SECONDS: Final = 5.0
_POLL: Final = 32  # times that the parser asks whether to go on, for one look at the clock
_SECONDS_PER_BYTE: Final = 5e-6  # real sources take about 0.2e-6; hostile ones up to 6e-6

_NOT_BRACKETS: Final = bytes(sorted(set(range(256)) - set(b"()[]{}")))
_COMMA_RUNS: Final = re.compile(rb"(?:,\s*+){64,}+|(?:;\s*+){64,}+")

# One flat pattern a kind of node: patterns of two levels keep a state alive for every enclosing node, which is
# quadratic in nested code.
_QUERY: Final = """
(identifier) @identifier
(shorthand_property_identifier) @shorthand
(member_expression) @member
(subscript_expression) @subscript
(call_expression) @call
(new_expression) @new
(assignment_expression) @assignment
(augmented_assignment_expression) @augmented
(update_expression) @update
(binary_expression) @binary
(string) @string
(template_string) @template
(regex) @regex
(pair) @pair
(variable_declaration) @var
(lexical_declaration) @let
[(function_expression) (arrow_function) (function_declaration) (generator_function)
 (generator_function_declaration) (method_definition) (class) (class_declaration) %s] @function
[(statement_block) (for_statement) (for_in_statement) (switch_body) (catch_clause)] @block
[(while_statement) (do_statement)] @loop
(field_definition) @field
[(import_statement) (export_statement)] @module
[(return_statement) (yield_expression)] @return
"""
_TYPESCRIPT_QUERY: Final = (
    _QUERY.replace("(field_definition)", "(public_field_definition)")
    + """
(enum_declaration) @enum
[(type_annotation) (type_arguments) (type_parameters) (type_alias_declaration) (interface_declaration)
 (ambient_declaration) (literal_type) (template_literal_type) (type_query) (function_signature)
 (abstract_method_signature) (implements_clause)] @erased
"""
)

Captures = dict[str, list[Node]]
BY_START = attrgetter("start_byte")

_BY_END = attrgetter("end_byte")
_NESTED = frozenset({"call", "member", "subscript", "binary"})  # two of which may start at the same place


@dataclass(frozen=True, slots=True)
class Grammar:
    """One of tree-sitter's grammars with the query that finds the nodes facts are made of."""

    language: Language
    query: Query
    typed: bool


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed file; ``tree`` is None where there is nothing to search, and ``problem`` says why.

    ``text`` are the bytes that all offsets refer to: the source itself, or its UTF-8 form where it was UTF-16.
    ``partial`` says that syntax errors hide a part of it. ``deadline`` is on :func:`time.thread_time`'s clock.
    """

    text: bytes
    tree: Tree | None
    grammar: Grammar
    deadline: float
    partial: bool = False
    problem: str | None = None


def grammar_for(path: str) -> Grammar:
    """The grammar that reads a file of that name; JavaScript (with JSX) for every name it does not know."""
    name = path.lower()
    if name.endswith((".ts", ".mts", ".cts")):
        return _grammar("typescript")
    return _grammar("tsx" if name.endswith(".tsx") else "javascript")


def is_declaration(path: str) -> bool:
    """Whether a file of that name is meant to hold TypeScript declarations only, without code that runs."""
    return bool(re.search(r"\.d(\.[^./]+)?\.[cm]?ts$", path.lower()))


def source_text(source: bytes) -> bytes:
    """The bytes that offsets of facts refer to: *source*, or its UTF-8 form if it is marked as UTF-16."""
    if source.startswith((b"\xff\xfe", b"\xfe\xff")):
        return source.decode("utf-16", errors="replace").encode("utf-8", errors="replace")
    return source


@staged("parse")
def parse(path: str, source: bytes, limits: Limits, deadline: float | None = None) -> Parsed:
    """Parse *source* with the grammar that *path* asks for; never raises, whatever the bytes are.

    The time that it may take depends on its size, and ends at *deadline* if one is given.
    """
    grammar = grammar_for(path)
    allowed = min(limits.analysis_seconds, _BASE_SECONDS + _SECONDS_PER_BYTE * len(source))
    if deadline is None:
        deadline = time.thread_time() + allowed
    if len(source) > limits.source_bytes:
        problem = f"larger than source-bytes ({len(source)} > {limits.source_bytes} bytes)"
        return Parsed(source, None, grammar, deadline, problem=problem)
    text = source_text(source)
    brackets = _open_brackets(text)
    if brackets > _MAX_BRACKETS:
        return Parsed(text, None, grammar, deadline, problem=f"more than {_MAX_BRACKETS} brackets open at once")
    tree = (_parse if brackets < _SAFE_BRACKETS else _parse_deep)(grammar, text, deadline)
    if tree is None:
        return Parsed(text, None, grammar, deadline, problem=f"not parsed within {allowed:.0f} s")
    partial = tree.root_node.has_error
    unsearchable = _unsearchable(tree, text)
    return Parsed(text, None if unsearchable else tree, grammar, deadline, partial, unsearchable)


@staged("parse")
def captures(parsed: Parsed) -> Captures:
    """The nodes of a parsed file by kind, each list in source order; empty without a tree.

    The library gives them as sets. Their order is put right for the same results every time, and because nodes
    and text are read faster in the order in which they lie in memory.
    """
    if parsed.tree is None:
        return {}
    cursor = QueryCursor(parsed.grammar.query)
    cursor.set_max_start_depth(MAX_DEPTH)
    found = cursor.captures(parsed.tree.root_node)
    for kind, nodes in found.items():
        nodes.sort(key=BY_START)
        if kind in _NESTED:
            _settle(nodes)
    return found


@cache
def _grammar(name: str) -> Grammar:
    if name == "javascript":
        language = Language(tree_sitter_javascript.language())
        return Grammar(language, Query(language, _QUERY % ""), typed=False)
    module = tree_sitter_typescript
    language = Language(module.language_tsx() if name == "tsx" else module.language_typescript())
    return Grammar(language, Query(language, _TYPESCRIPT_QUERY % "(abstract_class_declaration)"), typed=True)


def _settle(nodes: list[Node]) -> None:
    """Put nodes that start at the same place in the order of their ends."""
    starts = [node.start_byte for node in nodes]
    position = 0
    for tied in [index for index, pair in enumerate(pairwise(starts)) if pair[0] == pair[1]]:
        if tied >= position:
            position = tied + 1
            while position < len(starts) and starts[position] == starts[tied]:
                position += 1
            nodes[tied:position] = sorted(nodes[tied:position], key=_BY_END)


def _open_brackets(text: bytes) -> int:
    """An upper bound of the brackets open at once: cancel matching pairs until few enough are left."""
    left = text.translate(None, delete=_NOT_BRACKETS)
    for passes in range(64):
        if len(left) + passes < _SAFE_BRACKETS:
            return len(left) + passes
        left = left.replace(b"()", b"").replace(b"[]", b"").replace(b"{}", b"")
    return _nesting(left) + 64


def _nesting(brackets: bytes) -> int:
    depth = deepest = 0
    for bracket in brackets:
        if bracket in b"([{":
            depth += 1
            deepest = max(deepest, depth)
        elif depth:
            depth -= 1
    return deepest


def _parse(grammar: Grammar, text: bytes, deadline: float) -> Tree | None:
    def read(offset: int, _point: object) -> bytes:
        return text if not offset else text[offset : offset + 65536]

    asked = count(1)

    def late(_offset: int, _error: bool) -> bool:
        return not next(asked) % _POLL and time.thread_time() > deadline

    parser = Parser(grammar.language)
    try:
        return parser.parse(read, progress_callback=late)
    except ValueError:  # the library's word for "stopped by the callback"
        return None


def _parse_deep(grammar: Grammar, text: bytes, deadline: float) -> Tree | None:
    """Parse on a thread whose stack bears as many open brackets as are parsed at all."""
    result: list[Tree | None] = []
    size = threading.stack_size(_DEEP_STACK)
    try:
        thread = threading.Thread(target=lambda: result.append(_parse(grammar, text, deadline)))
        thread.start()
    finally:
        threading.stack_size(size)
    thread.join()
    return result[0] if result else None


def _unsearchable(tree: Tree, text: bytes) -> str | None:
    if _too_deep(tree):
        return f"nested deeper than {MAX_DEPTH} levels"
    if any(separator * 64 in text.translate(None, delete=b" \t\r\n") for separator in (b",", b";")):
        work = sum((match.end() - match.start()) ** 2 for match in _COMMA_RUNS.finditer(text))
        if work > _RUN_WORK:
            return "more holes in arrays than a program has"
    if tree.root_node.has_error:
        work = 0
        for node in _broken(tree.root_node):
            work += _run_work(node.children)
            if work > _RUN_WORK:
                return "not JavaScript: syntax errors throughout"
    return None


def _too_deep(tree: Tree) -> bool:
    """Whether the tree may be deeper than MAX_DEPTH; in preorder, depth grows by one a node at most."""
    step = MAX_DEPTH // 10
    cursor = tree.walk()
    for index in range(0, tree.root_node.descendant_count, step):
        cursor.goto_descendant(index)
        if cursor.depth + step > MAX_DEPTH:
            return True
    return False


def _broken(root: Node) -> Iterator[Node]:
    """Every node that holds a syntax error, outermost first."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(child for child in node.children if child.has_error)


def _run_work(children: list[Node]) -> int:
    work = run = 0
    for child in children:
        if child.is_named:
            work += run * run
            run = 0
        else:
            run += 1
    return work + run * run
