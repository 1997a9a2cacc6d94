"""What reaches what: values followed from where they come from to where they go, without running anything."""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from npmguard.javascript.draft import Draft
from npmguard.javascript.flow_chances import Chances
from npmguard.javascript.flow_graph import Edge, Graph, Origin
from npmguard.javascript.flow_links import PORT, FlowLinks
from npmguard.javascript.flow_names import ADDRESS, CLIENT, WRITER, is_address
from npmguard.javascript.flow_sinks import Asked, FlowSinks, Written
from npmguard.javascript.flow_values import FlowValues
from npmguard.javascript.flow_words import Sink, Source, flow_name, flow_of
from npmguard.model import Fact, FactKind, FlowExports, FlowLink
from npmguard.timing import staged

if TYPE_CHECKING:
    from npmguard.javascript.interest import Names
    from npmguard.javascript.reach import Reach

_WRITTEN = "@written"  # a path that the code writes to
_SAME_PATHS = 64  # expressions that stand for the path of one file
_MAX_TOLD = 24  # flows into one sink
_MIN_TAIL = 4  # characters of a path's end by which it is known again
_REACH = 12  # calls, returns and members of classes that a value goes through
_MAX_LINKS = 2_000  # of one file to others
_ROUNDS = 3  # of files that are written with what was read from files that were written
_SOURCES = frozenset(Source)
_BY_PLACE = {f"@{Sink.WORKFLOW}": Sink.WORKFLOW, f"@{Sink.SHELL_PROFILE}": Sink.SHELL_PROFILE}
_FOR_OTHERS = frozenset({Sink.REQUIRE, Sink.COMMAND, Sink.FILE})  # which other sinks need
_EMBEDDED = frozenset({Sink.RUN_FILE, Sink.WORKFLOW, Sink.SHELL_PROFILE})


class Found(NamedTuple):
    """What other files have to do with the flows of one, and whether all were found."""

    exports: FlowExports
    complete: bool


@staged("flows")
def find_flows(
    draft: Draft, reach: Reach, wanted: Names | None, fuel: int, *, placed: bool = True, linked: bool = True
) -> Found:
    """Add the FLOW facts of a file that are *wanted* (all, if None) to *draft*.

    The work is bounded by *fuel*, steps from one expression or name to another. Where the text is not the
    file's own (not *placed*), facts do not tell where their sources stand in it. Where it is not *linked*, it
    has nothing to do with other files.
    """
    names = wanted if wanted is not None else frozenset(flow_name(a, b) for a in Source for b in Sink)
    if not names:
        return Found(FlowExports(), complete=True)
    flows = _Flows(draft, reach, names, fuel, placed=placed, linked=linked and placed)
    complete = flows.find()
    found = Found(flows.exports(), complete)
    flows.close()
    return found


class _Flows:
    def __init__(
        self, draft: Draft, reach: Reach, wanted: frozenset[str], fuel: int, *, placed: bool, linked: bool
    ) -> None:
        self._linked = linked
        self._draft = draft
        self._placed = placed
        self._program = draft.program
        self._wanted = wanted
        self._reach = reach
        self._fuel = fuel
        self._begin(wanted)
        self._lines: list[int] | None = None
        self._labels: list[int] = []
        self._links: FlowLinks | None = None
        self._entering: list[FlowLink] = []
        self._sources = frozenset(flow_of(name)[0] for name in wanted)
        self._told: set[tuple[int, int, str, str | None]] = set()

    def find(self) -> bool:
        self._links = self._make_links() if self._linked else None
        self._sinks.ask()
        if self._links is not None:
            self._links.ask()
        elif not self._narrow():
            return True
        self._settle()
        self._follow_files()
        self._tell()
        return not self._graph.exhausted

    def close(self) -> None:
        """Let go of what refers back, so that the memory is free at once."""
        self._values.close()

    def _begin(self, wanted: Names) -> None:
        """Make ready to ask for the sinks of some flows."""
        folded = self._draft.relevance.interest.strings
        self._graph = Graph(self._fuel, _REACH)
        self._values = FlowValues(self._program, self._reach, self._graph, folded=folded)
        self._sinks = FlowSinks(self._values, frozenset(flow_of(name)[1] for name in wanted))

    def _narrow(self) -> bool:
        """Leave out the sinks that no source of the program can reach; whether any is left.

        Only where no other file has to do with the flows, and all constant strings have been worked out.
        """
        asked = self._sinks.kinds()
        if not any(flow_of(name)[1] in asked for name in self._wanted):
            return False
        if not self._draft.relevance.interest.strings:
            return True
        possible = Chances(self._program).of(self._wanted)
        left = {sink for _source, sink in map(flow_of, possible)}
        if asked.isdisjoint(left):
            return False
        if not asked <= left | _FOR_OTHERS:
            self.close()
            self._begin(possible)
            self._sinks.ask()
        return True

    def _make_links(self) -> FlowLinks:
        return FlowLinks(self._values, imports=self._draft.has_local_module())

    def exports(self) -> FlowExports:
        """What other files of the package have to do with the flows."""
        if self._links is None:
            return FlowExports()
        links = dict.fromkeys(self._entering)
        for port, vertex in self._links.leaving:
            for origin in self._graph.origins.of(self._graph.masks[vertex]):
                if origin.kind == PORT:
                    came = self._values.ports.of(origin.detail)
                    if came != port:
                        links[FlowLink(came, port)] = None
                elif origin.kind in self._sources and not (
                    origin.kind == Source.FILE and self._is_known(origin)
                ):
                    place = self._place(origin.at)
                    links[FlowLink(None, port, origin.kind, origin.detail, place)] = None
        return FlowExports(tuple(links)[:_MAX_LINKS], tuple(dict.fromkeys(self._links.aliases))[:_MAX_LINKS])

    def _settle(self) -> None:
        self._graph.settle(self._values.expand, self._in_time)
        while self._sinks.ask_through():
            self._graph.settle(self._values.expand, self._in_time)

    def _in_time(self) -> bool:
        return time.thread_time() < self._program.deadline

    # --- files -------------------------------------------------------------------------------------------

    def _follow_files(self) -> None:
        """Let what is written to a file come out of it where the same path is read."""
        graph, written = self._graph, self._sinks.written
        self._streams()
        labels = []
        for number, each in enumerate(written):
            label = graph.origins.bit(_WRITTEN, str(number), each.asked.at)
            labels.append(label)
            for vertex in graph.same_as(each.path, _SAME_PATHS):
                for same in (vertex, self._values.twin(vertex)):
                    if same:
                        graph.seed(same, label)
        self._settle()
        self._labels = labels
        for _ in range(_ROUNDS if written else 0):
            before = sum(map(int.bit_count, graph.masks))
            for vertex, (path, _at) in self._values.calls.readers.items():
                for label, each in zip(labels, written, strict=True):
                    if graph.masks[path] & label:
                        graph.edge(vertex, each.content)
            self._settle()
            if sum(map(int.bit_count, graph.masks)) == before:
                break

    def _streams(self) -> None:
        """Let what is piped or written into a stream reach the file, or the connection, of the stream."""
        graph = self._graph
        writers = {each.asked.node.id: each for each in self._sinks.written if each.writer is not None}
        for call, carried, stream in self._sinks.piped:
            for origin in graph.origins.of(graph.masks[stream] & graph.origins.objects):
                if origin.kind == WRITER and int(origin.detail or 0) in writers:
                    graph.edge(writers[int(origin.detail or 0)].content, carried, Edge.VALUE)
                elif origin.kind == CLIENT:
                    asked = Asked(
                        Sink.NETWORK, call, call.start_byte, "?.pipe", origin.detail, (("body", carried),)
                    )
                    self._sinks.asked.append(asked)
        self._settle()

    # --- telling -----------------------------------------------------------------------------------------

    def _tell(self) -> None:
        masks, origins = self._graph.masks, self._graph.origins
        targets = {asked.node.start_byte: self._target(asked) for asked in self._sinks.asked}
        for asked in self._sinks.asked:
            target = self._target(asked)
            if asked.through is not None:
                clients = [each for each in origins.of(masks[asked.through]) if each.kind == CLIENT]
                if not clients:
                    continue
                target = target or clients[0].detail or targets.get(clients[0].at)
            self._tell_sink(asked, asked.sink, target)
        for written in self._sinks.written:
            self._tell_places(written)
        for asked, text in self._sinks.run:
            self._tell_run(asked, text)

    def _target(self, asked: Asked) -> str | None:
        """Where something goes, as far as that is constant; an address may come from far away."""
        if asked.sink is Sink.NETWORK and not (asked.target and is_address(asked.target)):
            for part, vertex in asked.parts:
                found = self._graph.origins.of(self._graph.masks[vertex]) if part == "url" else []
                told = [each.detail for each in found if each.kind == ADDRESS]
                if told:
                    return told[0]
        return asked.target

    def _tell_places(self, written: Written) -> None:
        for origin in self._graph.origins.of(self._graph.masks[written.path]):
            sink = _BY_PLACE.get(origin.kind)
            if sink is not None:
                self._tell_sink(written.asked, sink, written.asked.target, constant=written.constant)

    def _tell_run(self, asked: Asked, text: str) -> None:
        mask = 0
        for _part, vertex in asked.parts:
            mask |= self._graph.masks[vertex]
        for label, written in zip(self._labels, self._sinks.written, strict=True):
            if mask & label or _names(text, written.text):
                run = asked._replace(parts=((None, written.content),))
                self._tell_sink(run, Sink.RUN_FILE, written.asked.target, constant=written.constant)

    def _tell_sink(self, asked: Asked, sink: Sink, target: str | None, *, constant: bool = False) -> None:
        found: list[tuple[Origin, str | None]] = []
        for part, vertex in asked.parts:
            origins = self._graph.origins.of(self._graph.masks[vertex])
            found.extend((origin, part) for origin in origins if origin.kind in _SOURCES or origin.kind == PORT)
        if constant and not found and sink in _EMBEDDED:
            found.append((Origin(Source.EMBEDDED, None, asked.node.start_byte), None))
        for origin, part in found[:_MAX_TOLD]:
            if origin.kind == PORT:
                self._entering.append(self._link(origin, asked, sink, target, part))
                continue
            name = flow_name(Source(origin.kind), sink)
            key = (asked.node.start_byte, asked.node.end_byte, name, origin.detail)
            if name not in self._wanted or key in self._told:
                continue
            if origin.kind == Source.FILE and self._is_known(origin):
                continue
            if origin.kind == Source.ENVIRONMENT and _is_from_afar(asked, part):
                continue
            self._told.add(key)
            self._draft.add(
                FactKind.FLOW,
                name,
                asked.node,
                at=asked.at,
                value=origin.detail,
                args=(asked.callee, self._place(origin.at) if self._placed else None, target, part),
            )

    def _link(self, origin: Origin, asked: Asked, sink: Sink, target: str | None, part: str | None) -> FlowLink:
        """What flows on from another file into a sink of this one."""
        node, site = asked.node, self._draft.site(asked.at, asked.at)
        fact = Fact(
            FactKind.FLOW,
            sink,
            site.line,
            site.column,
            node.start_byte,
            node.end_byte,
            self._program.scopes.function_at(node.start_byte),
            args=(asked.callee, None, target, part),
        )
        return FlowLink(self._values.ports.of(origin.detail), None, sink=fact)

    def _is_known(self, origin: Origin) -> bool:
        """Whether the file that is read is one of those that are known for what they hold."""
        masks, known = self._graph.masks, self._graph.origins.paths
        return any(at == origin.at and masks[path] & known for path, at in self._values.calls.readers.values())

    def _place(self, offset: int) -> str:
        text = self._program.text
        if self._lines is None:
            self._lines = [0, *(match.end() for match in re.finditer(rb"\n", text))]
        line = bisect_right(self._lines, offset)
        column = len(text[self._lines[line - 1] : offset].decode("utf-8", "replace"))
        return f"{line}:{column + 1}"


def _is_from_afar(asked: Asked, part: str | None) -> bool:
    """Whether a request's address is worked out elsewhere, as out of settings, which hold anything."""
    return part == "url" and asked.target is None and asked.through is None


def _names(command: str, path: str) -> bool:
    """Whether a command, or the name of a module, tells the path of a file that is written."""
    tail = path.rpartition("\0")[2].strip("/")
    return len(tail) >= _MIN_TAIL and tail in command
