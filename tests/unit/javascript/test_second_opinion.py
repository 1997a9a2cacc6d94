"""Facts of real files against those that another parser's tree tells, by an extractor that shares no code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import esprima
import pytest

from npmguard.model import FactKind
from tests.javascript_facts import read

FIXTURES = Path(__file__).parents[3] / "fixtures" / "javascript"
FILES = sorted(path.name for path in FIXTURES.glob("*.js"))


def every_node(tree: object) -> Iterator[dict[str, object]]:
    pending: list[object] = [tree]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if "type" in value:
                yield value
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


class SecondOpinion:
    """Callees, constructors, literals and modules as esprima sees them, by their ranges."""

    def __init__(self, source: str) -> None:
        self.methods: dict[tuple[int, int], str] = {}
        self.calls: set[tuple[int, int]] = set()
        self.constructors: dict[tuple[int, int], str] = {}
        self.strings: Counter[tuple[int, int, str]] = Counter()
        self.regexes: dict[tuple[int, int], tuple[str, str]] = {}
        self.modules: Counter[str] = Counter()
        declared: set[str] = set()
        constructors: dict[tuple[int, int], str] = {}
        for node in every_node(esprima.toDict(esprima.parseScript(source, {"range": True}))):
            place = self._place(node)
            kind = node["type"]
            if kind == "CallExpression":
                self.calls.add(place)
                self._call(node, place)
            elif kind == "NewExpression":
                constructors[place] = self._last(node["callee"])
            elif kind == "Literal":
                self._literal(node, place)
            elif kind == "TemplateLiteral":
                for quasi in node["quasis"]:  # type: ignore[attr-defined]
                    if quasi["value"]["cooked"] or not node["expressions"]:
                        self.strings[(*place, quasi["value"]["cooked"])] += 1
            elif kind in {
                "VariableDeclarator",
                "FunctionDeclaration",
                "FunctionExpression",
                "ClassDeclaration",
            }:
                declared.update(self._names(node.get("id")))
                for parameter in node.get("params") or ():  # type: ignore[attr-defined]
                    declared.update(self._names(parameter))
        self.constructors = {place: name for place, name in constructors.items() if name not in declared | {""}}

    def _call(self, node: dict[str, object], place: tuple[int, int]) -> None:
        callee = node["callee"]
        assert isinstance(callee, dict)
        arguments = node["arguments"]
        assert isinstance(arguments, list)
        if callee["type"] == "MemberExpression":
            name = self._last(callee)
            if name not in {"", "call", "apply"}:
                self.methods[place] = name
        elif callee.get("name") == "require" and arguments and isinstance(arguments[0].get("value"), str):
            self.modules[arguments[0]["value"]] += 1

    def _literal(self, node: dict[str, object], place: tuple[int, int]) -> None:
        regex, value = node.get("regex"), node.get("value")
        if isinstance(regex, dict):
            self.regexes[place] = (regex["pattern"], regex["flags"])
        elif isinstance(value, str):
            self.strings[(*place, value)] += 1

    @staticmethod
    def _place(node: dict[str, object]) -> tuple[int, int]:
        place = node["range"]
        assert isinstance(place, list)
        return (int(place[0]), int(place[1]))

    @staticmethod
    def _last(callee: object) -> str:
        assert isinstance(callee, dict)
        if callee["type"] == "MemberExpression":
            return "" if callee["computed"] else str(callee["property"]["name"])
        return str(callee.get("name", ""))

    @staticmethod
    def _names(pattern: object) -> set[str]:
        return {str(node["name"]) for node in every_node(pattern) if node["type"] == "Identifier"}


@pytest.fixture(params=FILES, scope="module")
def source(request: pytest.FixtureRequest) -> str:
    """A file as text of one character a byte, so that offsets compare; only comments are not ASCII in them."""
    path: Path = FIXTURES / str(request.param)
    return path.read_text(encoding="latin-1")


def test_there_are_files_to_compare() -> None:
    assert len(FILES) >= 6


def test_callees_are_those_of_the_other_parser(source: str) -> None:
    other = SecondOpinion(source)
    ours = {
        (f.start, f.end): f.name.rpartition(".")[2]
        for f in read(source.encode("latin-1")).facts
        if f.kind is FactKind.CALL
    }
    assert {place: name for place, name in ours.items() if place in other.methods} == other.methods
    assert set(ours) <= other.calls


def test_constructors_are_those_of_the_other_parser(source: str) -> None:
    other = SecondOpinion(source)
    ours = {
        (f.start, f.end): f.name.rpartition(".")[2]
        for f in read(source.encode("latin-1")).facts
        if f.kind is FactKind.NEW
    }
    assert {place: name for place, name in ours.items() if place in other.constructors} == other.constructors


def test_string_literals_are_those_of_the_other_parser(source: str) -> None:
    other = SecondOpinion(source)
    places = {(start, end) for start, end, _ in other.strings}
    ours = Counter(
        (fact.start, fact.end, fact.value)
        for fact in read(source.encode("latin-1")).facts
        if fact.kind is FactKind.STRING and (fact.start, fact.end) in places
    )
    assert ours == other.strings


def test_regular_expressions_are_those_of_the_other_parser(source: str) -> None:
    other = SecondOpinion(source)
    ours = {
        (fact.start, fact.end): (fact.value, fact.args[0])
        for fact in read(source.encode("latin-1")).facts
        if fact.kind is FactKind.REGEX and source[fact.start] == "/"
    }
    assert ours == other.regexes


def test_modules_are_those_of_the_other_parser(source: str) -> None:
    other = SecondOpinion(source)
    assert (
        Counter(f.name for f in read(source.encode("latin-1")).facts if f.kind is FactKind.MODULE)
        == other.modules
    )
