"""Facts of one source file: what it calls, writes, reads, imports, and the strings it holds.

Nothing is run. The tree is searched by one compiled query, and Python looks only at nodes that can become one
of the facts asked for.
"""

from __future__ import annotations

import gc

from npmguard.config import Limits
from npmguard.javascript.bindings import CLASSES
from npmguard.javascript.calls import Calls
from npmguard.javascript.draft import Draft
from npmguard.javascript.index import without_types
from npmguard.javascript.interest import EVERYTHING, Interest
from npmguard.javascript.program import Program
from npmguard.javascript.reach import Reach
from npmguard.javascript.reads import Reads
from npmguard.javascript.relevance import Relevance
from npmguard.javascript.shapes import WRAPS_ORIGINAL, find_shapes
from npmguard.javascript.strings import Strings
from npmguard.javascript.syntax import Captures, captures, is_declaration, parse
from npmguard.javascript.wrapping import Wrapping
from npmguard.javascript.writes import Writes
from npmguard.model import Fact, FactKind, FileFacts, FunctionSpan

_LARGE = 256 * 1024  # bytes of a file


def extract_facts(path: str, source: bytes, limits: Limits, interest: Interest | None = None) -> FileFacts:
    """Draw the facts of *interest* (all, if None) from the source file at *path* of a package.

    Never raises for what the bytes are: what cannot be read is told in ``partial`` and ``problem``. A CALL,
    NEW, READ or WRITE spans its whole expression, and its line and column are those of the last segment of
    its name, so that a long chain of calls is not all on its first line. Columns count characters. Offsets
    refer to :func:`npmguard.javascript.syntax.source_text` of the source. Calls of local values of unknown
    origin (``f()``) are no facts. A class counts as a function, whose methods are inside it; a function
    reaches the function expressions in it. A TypeScript declaration file gives facts only if there is code
    in it that runs.

    ``functions`` does not depend on the interest.
    """
    collecting = gc.isenabled()
    gc.disable()  # a tree makes many objects and no cycles; looking for those takes as long as parsing
    try:
        return _extract(path, source, limits, interest or EVERYTHING)
    finally:
        if collecting:
            gc.enable()
            if len(source) > _LARGE:
                gc.collect()  # else the next file would come on top of what this one leaves behind


def _extract(path: str, source: bytes, limits: Limits, interest: Interest) -> FileFacts:
    parsed = parse(path, source, limits)
    nodes = captures(parsed)
    whole = (FunctionSpan(0, len(parsed.text), -1),)
    if parsed.tree is None:
        return FileFacts(path, (), whole, parsed.partial, parsed.problem, unread=parsed.problem is not None)
    if parsed.grammar.typed:
        nodes = without_types(nodes)
        if is_declaration(path) and not _runs(nodes):
            return FileFacts(path, (), whole)
    program = Program(parsed, parsed.tree.root_node, nodes, limits)
    reach = Reach(program.index, program.scopes)
    spans = reach.spans()
    facts = _draw(program, reach, spans, interest)
    late = f"not analysed within {limits.analysis_seconds:.0f} s" if program.late else None
    program.close()
    problem = late or program.constants.problem
    return FileFacts(path, facts, spans, parsed.partial, problem, unread=late is not None)


def _runs(nodes: Captures) -> bool:
    """Whether there is code that runs, which a real declaration file has not."""
    if any(nodes.get(kind) for kind in ("call", "new", "assignment", "augmented")):
        return True
    return any(node.type not in CLASSES for node in nodes.get("function", ()))


def _draw(
    program: Program, reach: Reach, spans: tuple[FunctionSpan, ...], interest: Interest
) -> tuple[Fact, ...]:
    draft = Draft(program, Relevance(program, interest))
    wraps = interest.shapes is None or WRAPS_ORIGINAL in interest.shapes
    wrapping = Wrapping(program, spans) if wraps else None
    writes = Writes(draft, reach, wrapping)
    writes.draw()
    Calls(draft, writes).draw()
    Reads(draft).draw()
    Strings(draft).draw()
    for name, (start, end, target) in find_shapes(program, wrapping, writes.hooks, interest.shapes):
        draft.add(FactKind.SHAPE, name, (start, end), target=target)
    return draft.placed()
