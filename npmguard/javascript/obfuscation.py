"""What obfuscators leave in code, whatever its names are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from npmguard.javascript.bindings import FUNCTION_EXPRESSIONS, Binding, How
from npmguard.javascript.callsites import arguments, returns, unwrap
from npmguard.javascript.passing import may_pass, parameters_of, returned_by
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place

_ORDERED = re.compile(
    rb"switch\s{0,9}\(\s{0,9}[\w$]{1,40}\s{0,9}\[\s{0,9}[\w$]{1,40}\s{0,9}\+\+\s{0,9}\]\s{0,9}\)\s{0,9}"
    rb"\{\s{0,9}case\s{0,9}[\"'`][0-9]{1,3}[\"'`]"
)
_LEAST_SOUP = 160  # characters
_SOUP = re.compile(rb"[\[\]()!+{}]{%d,}" % _LEAST_SOUP)
_MARKS = bytes(43 if byte in b"[]()!+{}" else 32 for byte in range(256))  # + for each of them
_TRAPS = frozenset({"(((.+)+)+)+$", "while (true) {}", "function *\\( *\\)"})
_STRINGS = frozenset({"string", "template_string", "binary_expression"})
_MAKERS = frozenset({"string", "template_string", "array", "function_expression", "arrow_function"})
_LEAST_STRINGS = 2
_LEAST_PASSING = 3  # functions in one place that only call what they are given
_EVALUATORS = frozenset({"eval", "Function"})
_MAX_TRAPS = 20


class StringTables:
    """Functions that read a table of strings which is kept by a function that replaces itself."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program

    def find(self) -> Iterator[Place]:
        """The functions that read such a table."""
        scopes = self._program.scopes
        tables = self._tables()
        for index in range(1, len(scopes.functions)) if tables else ():
            node = scopes.functions[index]
            if not tables.isdisjoint(scopes.mentions[index]) and self._reads(index, tables):
                yield (node.start_byte, node.end_byte, index)

    def _tables(self) -> set[Binding]:
        """The functions that replace themselves by one that returns what they made."""
        scopes, found = self._program.scopes, set()
        for _node, left, kind, right, compound in self._program.index.assignments:
            if kind != "identifier" or right is None or compound or right.type not in FUNCTION_EXPRESSIONS:
                continue
            binding = scopes.binding(left)
            if binding is None or binding.definitions[0].how is not How.FUNCTION:
                continue
            if scopes.function_at(left.start_byte) != binding.definitions[0].function:
                continue
            returned = list(returns(right))
            if [node.type for node in returned] == ["identifier"] and self._holds_strings(returned[0]):
                found.add(binding)
        return found

    def _holds_strings(self, name: Node) -> bool:
        """Whether *name* is a list of strings; compilers' helpers that replace themselves keep others."""
        binding = self._program.scopes.binding(name)
        for definition in binding.definitions if binding is not None else ():
            value = unwrap(definition.node) if definition.node is not None else None
            if definition.how is not How.VALUE or definition.path or value is None:
                continue
            if value.type == "array":
                return sum(each.type in _STRINGS for each in value.named_children) >= _LEAST_STRINGS
            maker = value.child_by_field_name("function") if value.type == "call_expression" else None
            if maker is not None and maker.type in {"member_expression", "subscript_expression"}:
                made_of = maker.child_by_field_name("object")
                return made_of is not None and unwrap(made_of).type in _MAKERS
        return False

    def _reads(self, index: int, tables: set[Binding]) -> bool:
        """Whether a function is none of the tables itself, and indexes what one returns."""
        scopes = self._program.scopes
        own = {each.definitions[0].function for each in tables}
        while index > 0:
            if index in own:
                return False
            index = scopes.parents[index]
        return True


class Flattened:
    """Statements whose order is kept in a text, and functions that only call what they are given."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program

    def find(self) -> Iterator[Place]:
        """The dispatchers, and the first of the functions of each object."""
        for match in _ORDERED.finditer(self._program.text):
            yield (match.start(), match.end(), None)
        scopes, text = self._program.scopes, self._program.text
        passing: dict[int, list[Node]] = {}
        for key, value, kind, _plain in self._program.index.pairs:
            if kind in FUNCTION_EXPRESSIONS and may_pass(text, value) and self._calls_its_first(value):
                passing.setdefault(scopes.function_at(key.start_byte), []).append(key)
        for keys in passing.values():
            if len(keys) >= _LEAST_PASSING:
                yield (keys[0].start_byte, keys[-1].end_byte, None)

    def _calls_its_first(self, function: Node) -> bool:
        parameters, inner = parameters_of(function), returned_by(function)
        if not parameters or inner is None or inner.type != "call_expression":
            return False
        callee, scopes = inner.child_by_field_name("function"), self._program.scopes
        if callee is None or callee.type != "identifier":
            return False
        binding = scopes.binding(callee)
        return binding is not None and binding is scopes.binding(parameters[0])


class SelfDefence:
    """Texts that code uses against those who format or debug it."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program

    def find(self) -> Iterator[Place]:
        """The texts, as literals or as what a decoder makes."""
        constants, index = self._program.constants, self._program.index
        found = 0
        text = self._program.text
        candidates: list[Node] = []
        if any(start in text for start in _STARTS):
            candidates = [
                node
                for node in index.of("string")
                if text[node.start_byte + 1 : node.start_byte + 5] in _STARTS
            ]
        if constants.evaluation.decodes:
            candidates += [
                call
                for call, callee, kind in index.calls
                if kind == "identifier" and constants.root_of(callee) is not None
            ]
            candidates += index.operations("+")
        for node in self._program.in_time(candidates):
            if constants.fold(node) in _TRAPS:
                yield (node.start_byte, node.end_byte, None)
                found += 1
                if found == _MAX_TRAPS:
                    return


class Soups:
    """Code that is spelled with a few punctuation marks."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._text = program.text

    def find(self) -> Iterator[Place]:
        """The runs of such characters."""
        marks = self._text.translate(_MARKS)
        for match in _SOUP.finditer(self._text) if b"+" * _LEAST_SOUP in marks else ():
            yield (match.start(), match.end(), None)


class Packed:
    """Code that a function unpacks where it is evaluated."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program

    def find(self) -> Iterator[Place]:
        """The calls of ``eval`` that are given the result of a function which stands there."""
        for call, _callee, kind, path in self._program.called_as(_EVALUATORS):
            if kind != "identifier" or path.name not in _EVALUATORS:
                continue
            given = arguments(call)
            maker = given[0] if given and given[0].type == "call_expression" else None
            maker = None if maker is None else maker.child_by_field_name("function")
            if maker is not None and unwrap(maker).type in FUNCTION_EXPRESSIONS:
                yield (call.start_byte, call.end_byte, None)


class Undecoded:
    """What takes more work to decode than is done."""

    def __init__(self, program: Program) -> None:
        """Prepare to tell of *program*."""
        self._program = program

    def find(self) -> Iterator[Place]:
        """The calls and functions whose results are not known for that reason."""
        seen = {node.id: node for node in self._program.constants.evaluation.exhausted}
        for node in sorted(seen.values(), key=lambda node: (node.start_byte, node.end_byte)):
            yield (node.start_byte, node.end_byte, None)


_STARTS = frozenset(trap[:4].encode() for trap in _TRAPS)
