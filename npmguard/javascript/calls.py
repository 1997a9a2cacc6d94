"""Facts about what is called, constructed and required."""

from __future__ import annotations

from collections.abc import Sequence

from tree_sitter import Node

from npmguard.javascript.callsites import arguments
from npmguard.javascript.draft import Draft, place_of
from npmguard.javascript.names import Names
from npmguard.javascript.paths import REQUIRES, Path
from npmguard.javascript.strings import add_regex
from npmguard.javascript.writes import ACCESSOR_DEFINERS, DEFINERS, Writes
from npmguard.model import FactKind

_THROUGH = frozenset({b"call", b"apply", b"bind"})
_DEFINERS = frozenset(name.rpartition(".")[2].encode() for name in DEFINERS | ACCESSOR_DEFINERS)
_LOADERS = frozenset({b"require", b"_load", b"import"})
_CALLING = ("call", "apply")
_BORROWED = frozenset({"Function.prototype.call.call", "Function.prototype.apply.call"})
_MAX_THROUGH = 4  # calls of calls (``f.call.call(…)``) that are seen through


class Calls:
    """Draws the CALL, NEW and MODULE facts of one file, and the writes and patterns that calls make."""

    def __init__(self, draft: Draft, writes: Writes) -> None:
        """Prepare to add to *draft*; *writes* adds the writes that calls make."""
        self._draft = draft
        self._program = draft.program
        self._constants = draft.program.constants
        self._names = draft.program.names
        self._relevance = draft.relevance
        self._writes = writes

    def draw(self) -> None:
        """Add all that are wanted."""
        self._calls()
        self._constructions()
        self._modules()

    def _calls(self) -> None:
        index, relevance, wanted = self._program.index, self._relevance, self._relevance.calls
        if wanted is not None:
            wanted |= _THROUGH
            if relevance.interest.regexes:
                wanted |= {b"RegExp"}
            if self._writes.needs_definers:
                wanted |= _DEFINERS
            if relevance.modules != frozenset():
                wanted |= _LOADERS
        for call, callee, _kind in relevance.likely_calls(wanted):
            self._call(call, callee)
        if self._program.typed:  # type arguments may stand between a callee and its parenthesis
            for _call, callee, _kind in index.every_call():
                self._draft.consume(callee)

    def _call(self, call: Node, callee: Node) -> None:
        path, given = called_through(self._names, *self._names.called(call, callee))
        self._draft.consume(callee)
        name = path.name
        if given:
            self._effects(name, path, call, callee, given)
        if self._relevance.wants(name, self._relevance.calls):
            args, decoded = self._draft.arguments(given), self._draft.hides(path, callee)
            self._draft.add(FactKind.CALL, name, call, at=place_of(callee), args=args, decoded=decoded)

    def _effects(self, name: str, path: Path, call: Node, callee: Node, given: list[Node]) -> None:
        """What a call does beyond being one."""
        if name in REQUIRES:
            self._module(call, given[0])
        elif name in DEFINERS:
            self._writes.define(name, call, given)
        elif name == "RegExp":
            self._regex(call, given)
        elif path.segments and path.segments[-1] in ACCESSOR_DEFINERS and len(given) > 1:
            holder = callee.child_by_field_name("object")
            if holder is not None:
                self._writes.write_by_call(call, holder, self._constants.text(given[0]), given[1])

    def _constructions(self) -> None:
        wanted = self._relevance.news
        likely = None if wanted is None else wanted | {b"RegExp"}
        for node in self._program.in_time(self._program.index.of("new")):
            constructor = node.child_by_field_name("constructor")
            if constructor is None:
                continue
            self._draft.consume(constructor)
            if not self._relevance.maybe(constructor, constructor.type, likely):
                continue
            path = self._names.path(constructor)
            given = arguments(node)
            if path.name == "RegExp":
                self._regex(node, given)
            if self._relevance.wants(path.name, wanted):
                args, decoded = self._draft.arguments(given), self._draft.hides(path, constructor)
                at = place_of(constructor)
                self._draft.add(FactKind.NEW, path.name, node, at=at, args=args, decoded=decoded)

    def _regex(self, node: Node, given: list[Node]) -> None:
        """A regular expression that is made of constant strings."""
        if given and given[0].type != "regex" and self._relevance.interest.regexes:
            constant = self._draft.arguments(given[:2])
            if constant[0] is not None:
                add_regex(self._draft, node, constant[0], constant[1] or "" if len(constant) > 1 else "")

    def _modules(self) -> None:
        for node in self._program.index.of("module"):
            source = node.child_by_field_name("source")
            if source is None:
                clauses = [child for child in node.named_children if child.type == "import_require_clause"]
                source = clauses[0].child_by_field_name("source") if clauses else None
            if source is not None:
                self._module(node, source)

    def _module(self, node: Node, source: Node) -> None:
        name = self._constants.text(source)
        if name is None:
            return
        module = name.removeprefix("node:")
        wanted = self._relevance.modules
        if wanted is None or module.encode("utf-8", "replace") in wanted:
            decoded = self._draft.is_hidden(module, source)
            self._draft.add(FactKind.MODULE, module, node, at=source.start_byte, decoded=decoded)


def called_through(names: Names, path: Path, given: list[Node] | None) -> tuple[Path, list[Node] | None]:
    """The function that is called through ``call``, ``apply`` and ``Reflect.apply``, and its arguments."""
    for _ in range(_MAX_THROUGH):
        if not path.segments:
            break
        last = path.segments[-1]
        if not last.endswith(_CALLING):
            break
        before = path.segments[:-1]
        if path.name in _BORROWED and given:
            path, given = Path(path.root, (*names.path(given[0]).segments, before[-1])), given[1:]
        elif path.name == "Reflect.apply" and given:
            path, given = names.path(given[0]), _elements(given[2:3])
        elif last not in {"call", "apply"} or (path.known and not before) or path.name == "Reflect.apply":
            break
        else:
            path = Path(path.root, before)
            if given is not None:
                given = given[1:] if last == "call" else _elements(given[1:2])
    return path, given


def _elements(array: Sequence[Node]) -> list[Node] | None:
    """The elements of an array literal given to ``apply``; None if it is something else."""
    if not array or array[0].type != "array":
        return None
    return [node for node in array[0].named_children if node.type != "comment"]
