"""The facts of code in code, brought to the place where it is evaluated."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tree_sitter import Node

from npmguard.javascript.bindings import Binding
from npmguard.javascript.draft import Site, in_source_order
from npmguard.javascript.layers import Evaluation
from npmguard.javascript.paths import Path, Root
from npmguard.javascript.program import Program
from npmguard.javascript.reach import Reach
from npmguard.model import Fact, FunctionSpan, Layer

_PLAIN = re.compile(r"[A-Za-z_$][\w$]*")
_LONGEST = 65_536  # characters of a constant that code is told of
_MOST_NAMES = 200  # that code is told of


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading one text gave: its facts and functions, and those of the layers in it.

    ``end`` is the offset after its last layer.
    """

    facts: tuple[Fact, ...]
    functions: tuple[FunctionSpan, ...]
    layers: tuple[Layer, ...]
    end: int


class Nesting:
    """A reading that grows by readings of what it evaluates."""

    def __init__(self, facts: Sequence[Fact], functions: Sequence[FunctionSpan], size: int) -> None:
        """Begin with the facts and functions of a text of *size* bytes."""
        self._facts = list(facts)
        self._functions = list(functions)
        self._layers: list[Layer] = []
        self._end = size + 1

    def add(self, site: Site, text: bytes, inner: Reading, reaches: Sequence[int] = ()) -> None:
        """Take in what *text*, evaluated at *site*, was read as; *reaches* are functions that it calls."""
        first, base = len(self._functions), self._end
        self._layers.append(Layer(base, text))
        self._layers.extend(Layer(base + each.base, each.text) for each in inner.layers)
        for fact in inner.facts:
            start, end = fact.place
            self._facts.append(
                replace(
                    fact,
                    line=site.line,
                    column=site.column,
                    start=site.start,
                    end=site.end,
                    function=first + fact.function,
                    target=None if fact.target is None else first + fact.target,
                    decoded=True,
                    inside=(base + start, base + end),
                )
            )
        for index, span in enumerate(inner.functions):
            reached = [first + each for each in span.reaches]
            self._functions.append(
                FunctionSpan(
                    base + span.start,
                    base + span.end,
                    first + span.parent if index else site.function,
                    tuple(reached if index else sorted({*reached, *reaches})),
                    tuple((base + start, base + end) for start, end in span.refers),
                )
            )
        around = self._functions[site.function]
        self._functions[site.function] = replace(around, reaches=(*around.reaches, first))
        self._end = base + inner.end + 1

    def reading(self) -> Reading:
        """All of it, facts in source order."""
        facts = sorted(self._facts, key=in_source_order) if self._layers else self._facts
        return Reading(tuple(facts), tuple(self._functions), tuple(self._layers), self._end)


class Surroundings:
    """What code that a program evaluates sees of that program."""

    def __init__(self, program: Program, reach: Reach) -> None:
        """Prepare to look names up in *program*."""
        self._program = program
        self._reach = reach
        self._by_name: dict[str, list[Binding]] | None = None

    def prelude(self, evaluation: Evaluation, unbound: Sequence[str]) -> str:
        """Declarations of the parameters, and of the names of the program that the code uses, if known."""
        declared: dict[str, str | None] = {}
        for name, node in evaluation.parameters[:_MOST_NAMES]:
            spelled = None if node is None else self._spelled(node)
            if spelled != name:
                declared[name] = spelled
        for name in unbound[:_MOST_NAMES]:
            binding = None if name in declared else self.binding(name, evaluation.start)
            spelled = None if binding is None else self._spelled_binding(binding)
            if spelled is not None:
                declared[name] = spelled
        parts = [name if value is None else f"{name}={value}" for name, value in declared.items()]
        return f"var {','.join(parts)};\n" if parts else ""

    def known(self, evaluation: Evaluation, names: Iterable[bytes]) -> list[str]:
        """Those of some names that are declared around the evaluation."""
        spelled = (name.decode("utf-8", "replace") for name in names)
        return sorted(name for name in spelled if self.binding(name, evaluation.start) is not None)

    def reached(self, evaluation: Evaluation, unbound: Sequence[str]) -> list[int]:
        """The functions of the program that the code names."""
        found: set[int] = set()
        for name in unbound[:_MOST_NAMES]:
            binding = self.binding(name, evaluation.start)
            if binding is not None:
                found.update(self._reach.held(binding)[0])
        return sorted(found)

    def binding(self, name: str, offset: int) -> Binding | None:
        """What *name* means at *offset*, blocks left aside."""
        if self._by_name is None:
            self._by_name = {}
            for each in self._program.scopes.bindings:
                self._by_name.setdefault(each.name.decode("utf-8", "replace"), []).append(each)
        candidates = self._by_name.get(name)
        if candidates is None:
            return None
        scopes = self._program.scopes
        function = scopes.function_at(offset)
        while function >= 0:
            found = [each for each in candidates if each.function == function]
            if found:
                return found[0] if len(found) == 1 else None
            function = scopes.parents[function]
        return None

    def _spelled(self, node: Node) -> str | None:
        value = self._program.constants.text(node)
        if value is not None and len(value) <= _LONGEST:
            return json.dumps(value)
        return spelled_path(self._program.names.path(node))

    def _spelled_binding(self, binding: Binding) -> str | None:
        value = self._program.constants.of_binding(binding)
        if isinstance(value, str) and len(value) <= _LONGEST:
            return json.dumps(value)
        return spelled_path(self._program.names.of_binding(binding))


def without_prelude(reading: Reading, size: int) -> Reading:
    """The reading without the facts of the first *size* bytes, which are not the code's own."""
    if not size:
        return reading
    return replace(reading, facts=tuple(fact for fact in reading.facts if fact.place[0] >= size))


def spelled_path(path: Path) -> str | None:
    """An expression that refers to what *path* names; None where there is none."""
    if not path.known or "[]" in path.segments:
        return None
    segments = list(path.segments)
    if path.root is Root.MODULE:
        if not segments:
            return None
        start = f"require({json.dumps(segments.pop(0))})"
    elif not segments:
        return "globalThis"
    else:
        start = segments.pop(0)
        if not _PLAIN.fullmatch(start) or start in {"import", "super"}:
            return None
    return start + "".join(f"[{json.dumps(segment)}]" for segment in segments)
