"""Facts of one source file: what it calls, writes, reads, imports, and the strings it holds.

Nothing is run. The tree is searched by one compiled query, and Python looks only at nodes that can become one
of the facts asked for.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence

from npmguard.config import Limits
from npmguard.javascript.bindings import CLASSES
from npmguard.javascript.calls import Calls
from npmguard.javascript.draft import Draft
from npmguard.javascript.flow import find_flows
from npmguard.javascript.index import without_types
from npmguard.javascript.interest import EVERYTHING, Interest
from npmguard.javascript.invisible import concealed_in
from npmguard.javascript.layers import Evaluation, Evaluations, searching
from npmguard.javascript.loads import OwnFiles
from npmguard.javascript.nesting import Nesting, Reading, Surroundings, without_prelude
from npmguard.javascript.own_files import PackageFiles
from npmguard.javascript.program import Program
from npmguard.javascript.reach import Reach
from npmguard.javascript.reads import Reads
from npmguard.javascript.relevance import Relevance
from npmguard.javascript.shapes import COMPUTED_EVAL, UNDECODABLE, WRAPS_ORIGINAL, find_shapes
from npmguard.javascript.strings import Strings
from npmguard.javascript.syntax import Captures, captures, is_declaration, parse
from npmguard.javascript.wrapping import Wrapping
from npmguard.javascript.writes import Writes
from npmguard.model import FactKind, FileFacts, FlowExports, FunctionSpan
from npmguard.timing import staged

_LARGE = 256 * 1024  # bytes of a file
_LAYER = "layer.js"
_SMALL_LAYER = 4096  # bytes of a text that is remembered, for it may come again
_LEAST_LAYER = 64  # bytes that any layer counts for


@staged("facts")
def extract_facts(
    path: str,
    source: bytes,
    limits: Limits,
    interest: Interest | None = None,
    files: PackageFiles | None = None,
    *,
    linked: bool = True,
) -> FileFacts:
    """Draw the facts of *interest* (all, if None) from the source file at *path* of a package.

    What it reads of *files* and evaluates, and those of them that it loads as code under a name of their own,
    are read too. Where the file is not *linked* with another one that is read, by what it loads or by what
    loads it, what its values have to do with other files is not worked out.

    Never raises for what the bytes are: what cannot be read is told in ``partial`` and ``problem``. A CALL,
    NEW, READ or WRITE spans its whole expression, and its line and column are those of the last segment of
    its name, so that a long chain of calls is not all on its first line. Columns count characters. Offsets
    refer to :func:`npmguard.javascript.syntax.source_text` of the source. Calls of local values of unknown
    origin (``f()``) are no facts. A class counts as a function, whose methods are inside it; a function
    reaches the function expressions in it. What the file evaluates as code is read as if it stood there, see
    :class:`npmguard.model.Layer`. A TypeScript declaration file gives facts only if there is code
    in it that runs.

    ``functions`` does not depend on the interest.
    """
    collecting = gc.isenabled()
    gc.disable()  # a tree makes many objects and no cycles; looking for those takes as long as parsing
    try:
        return _extract(
            path, source, limits, _Reader(path, limits, interest or EVERYTHING, files, linked=linked)
        )
    finally:
        if collecting:
            gc.enable()
            if len(source) > _LARGE:
                gc.collect(
                    0
                )  # what is new; else the next file would come on top of what this one leaves behind


def _extract(path: str, source: bytes, limits: Limits, reader: _Reader) -> FileFacts:
    parsed = parse(path, source, limits)
    nodes = captures(parsed)
    whole = (FunctionSpan(0, len(parsed.text), -1),)
    if parsed.tree is None:
        return FileFacts(path, (), whole, parsed.partial, parsed.problem, unread=parsed.problem is not None)
    if parsed.grammar.typed:
        nodes = without_types(nodes)
        if is_declaration(path) and not _runs(nodes):
            return FileFacts(path, (), whole)
    reading = reader.read(Program(parsed, parsed.tree.root_node, nodes, limits), 0)
    late = f"not analysed within {limits.analysis_seconds:.0f} s" if reader.late else None
    problem = late or reader.problem
    return FileFacts(
        path,
        reading.facts,
        reading.functions,
        parsed.partial,
        problem,
        unread=late is not None or reader.spent,
        layers=reading.layers,
        flows=reader.flows,
    )


def _runs(nodes: Captures) -> bool:
    """Whether there is code that runs, which a real declaration file has not."""
    if any(nodes.get(kind) for kind in ("call", "new", "assignment", "augmented")):
        return True
    return any(node.type not in CLASSES for node in nodes.get("function", ()))


class _Reader:
    """Reads one file, and the code in it that it evaluates."""

    def __init__(
        self, path: str, limits: Limits, interest: Interest, files: PackageFiles | None, *, linked: bool
    ) -> None:
        self._path = path
        self._files = files
        self._linked = linked
        self.late = False
        self.spent = False
        self.problem: str | None = None
        self.flows = FlowExports()
        self._limits = limits
        self._interest = interest
        self._size = limits.layer_bytes
        self._open: dict[bytes, tuple[bytes, ...]] = {}  # the names that small texts leave open
        self._known: dict[tuple[int, bool, int, bytes], Reading | None] = {}

    def read(self, program: Program, depth: int) -> Reading:
        """The facts of *program*, which is *depth* levels of evaluation below the file."""
        draft = Draft(program, Relevance(program, self._interest))
        reach = Reach(program.index, program.scopes, program.constants)
        spans = reach.spans()
        _draw(draft, reach, spans, self._interest)
        self._flows(draft, reach, depth)
        surroundings = Surroundings(program, reach)
        layers = []
        evaluations = sorted(self._evaluations(program, draft.relevance), key=_place_of)
        for evaluation in program.in_time(evaluations, 16):
            layer = self._layer(program, surroundings, evaluation, depth, draft)
            if layer is not None:
                layers.append((evaluation, *layer))
        nesting = Nesting(draft.placed(), spans, len(program.text))
        for evaluation, text, reading, unbound in layers:
            reached = surroundings.reached(evaluation, unbound)
            nesting.add(draft.site(evaluation.start, evaluation.end), text, reading, reached)
        self.late = self.late or program.late
        if program.constants.evaluation.spent:
            self.spent = True
            program.constants.give_up("strings take more to decode than interpreted-steps or -units allow")
        self.problem = self.problem or program.constants.problem
        program.close()
        return nesting.reading()

    def _flows(self, draft: Draft, reach: Reach, depth: int) -> None:
        steps, linked = self._limits.flow_steps, self._linked and not depth
        found = find_flows(draft, reach, self._interest.flows, steps, placed=not depth, linked=linked)
        if not depth:
            self.flows = found.exports
        if not found.complete:
            draft.program.constants.give_up("values flow through more than flow-steps allows")

    @staged("decode")
    def _evaluations(self, program: Program, relevance: Relevance) -> list[Evaluation]:
        relevance = searching(program, relevance)
        found = list(Evaluations(program, relevance).find())
        if self._files is not None:
            own = OwnFiles(program, self._path, self._files, self._limits)
            found = [*own.solved(found, relevance), *own.loaded(relevance)]
            own.close()
        return [*found, *_unseen(program)]

    def _layer(
        self,
        program: Program,
        surroundings: Surroundings,
        evaluation: Evaluation,
        depth: int,
        draft: Draft,
    ) -> tuple[bytes, Reading, Sequence[str]] | None:
        """What one evaluation runs: its text, what that was read as, and the names that it leaves open."""
        if evaluation.text is None:
            self._shape(draft, COMPUTED_EVAL, evaluation)
            return None
        code = evaluation.text.encode("utf-8", "replace")
        if depth >= self._limits.layer_depth or not self._spend(len(code)):
            self._shape(draft, UNDECODABLE, evaluation)
            return None
        text = surroundings.prelude(evaluation, ()).encode() + code
        inner = None
        names = self._open.get(text)
        if names is None:
            inner = self._program(text, program, evaluation)
            names = () if inner is None else tuple(inner.scopes.unbound)
            if len(text) <= _SMALL_LAYER:
                self._open[text] = names
        unbound = surroundings.known(evaluation, names)
        prelude = surroundings.prelude(evaluation, unbound).encode()
        if prelude + code != text and inner is not None:
            inner.close()
            inner = None
        text = prelude + code
        key = (depth, evaluation.certain, len(prelude), text)
        if key not in self._known:
            inner = inner or self._program(text, program, evaluation)
            reading = None
            if inner is not None:
                reading = without_prelude(self.read(inner, depth + 1), len(prelude))
            if len(text) > _SMALL_LAYER:
                return self._given(draft, evaluation, text, reading, unbound)
            self._known[key] = reading
        return self._given(draft, evaluation, text, self._known[key], unbound)

    def _given(
        self, draft: Draft, evaluation: Evaluation, text: bytes, reading: Reading | None, unbound: Sequence[str]
    ) -> tuple[bytes, Reading, Sequence[str]] | None:
        if reading is None:
            if evaluation.certain:
                self._shape(draft, UNDECODABLE, evaluation)
            return None
        return text, reading, unbound

    def _spend(self, size: int) -> bool:
        self._size -= max(size, _LEAST_LAYER)
        return self._size >= 0

    def _program(self, text: bytes, outer: Program, evaluation: Evaluation) -> Program | None:
        """The program of a text that *outer* evaluates; None where it cannot be read."""
        parsed = parse(_LAYER, text, self._limits, outer.deadline)
        if not evaluation.certain and (parsed.tree is None or parsed.partial):
            return None
        if parsed.tree is None:
            self.problem = self.problem or parsed.problem
            return None
        return Program(parsed, parsed.tree.root_node, captures(parsed), self._limits)

    def _shape(self, draft: Draft, name: str, evaluation: Evaluation) -> None:
        if self._interest.shapes is None or name in self._interest.shapes:
            draft.add(FactKind.SHAPE, name, (evaluation.start, evaluation.end))


def _draw(draft: Draft, reach: Reach, spans: tuple[FunctionSpan, ...], interest: Interest) -> None:
    """Add the facts of *interest* to *draft*."""
    program = draft.program
    wraps = interest.shapes is None or WRAPS_ORIGINAL in interest.shapes
    wrapping = Wrapping(program, spans) if wraps else None
    writes = Writes(draft, reach, wrapping)
    writes.draw()
    Calls(draft, writes).draw()
    Reads(draft).draw()
    Strings(draft).draw()
    for name, (start, end, target) in find_shapes(program, wrapping, writes.hooks, interest.shapes):
        draft.add(FactKind.SHAPE, name, (start, end), target=target)


def _unseen(program: Program) -> Iterator[Evaluation]:
    """Code in characters that nobody sees, taken to be run wherever it stands."""
    for each in concealed_in(program):
        if each.code is not None:
            yield Evaluation(each.start, each.end, each.code)


def _place_of(evaluation: Evaluation) -> tuple[int, int, str]:
    return (evaluation.start, -evaluation.end, evaluation.text or "")
