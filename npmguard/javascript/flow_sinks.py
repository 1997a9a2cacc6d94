"""Where values leave a file: the questions that are asked of its flows."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from tree_sitter import Node

from npmguard.javascript import flow_words as words
from npmguard.javascript.bindings import How
from npmguard.javascript.callsites import unwrap
from npmguard.javascript.draft import place_of
from npmguard.javascript.flow_graph import Edge
from npmguard.javascript.flow_names import (
    CLIENT,
    CLIENT_MAKERS,
    WRITER,
    Callee,
    is_command,
    is_decoder,
    is_evaluator,
    is_network,
    is_writer,
    makes_client,
    module_of,
)
from npmguard.javascript.flow_stores import MAX_LOOKED_AT, bounded
from npmguard.javascript.flow_words import Sink
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.interest import Interest
from npmguard.javascript.paths import REQUIRES, Root
from npmguard.javascript.relevance import Relevance
from npmguard.javascript.tree import operator_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from npmguard.javascript.flow_values import FlowValues

_MAX_ASKED = 4000  # sinks of one file

_CLIENT_METHODS = frozenset(
    {
        *("write", "end", "send", "emit", "request", "get", "post", "put", "patch", "delete", "open", "upload"),
        *(
            "setRequestHeader",
            "setHeader",
            "sendMail",
            "sendMessage",
            "sendDocument",
            "sendPhoto",
            "uploadFrom",
        ),
        *("publish", "query", "createOrUpdateFileContents", "createForAuthenticatedUser", "createFile", "set"),
        *("fastPut", "sendFile", "field", "attach", "sendText", "createRelease", "create", "createGist"),
    }
)
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,60}")
_WRITER_METHODS = frozenset({"write", "end"})
_HEADER_KEYS = ("headers", "auth", "authorization", "token", "cookie")
_URL_KEYS = ("url", "uri", "host", "hostname", "path", "pathname", "query", "params", "searchParams", "qs")
_SPAWNING = frozenset({"spawn", "spawnSync", "execFile", "execFileSync", "fork"})
_CLIPBOARD_WRITES = (
    *(
        "clipboard.writeText",
        "clipboard.write",
        "clipboardy.write",
        "clipboardy.writeSync",
        "clipboardData.setData",
    ),
)
_TIMERS = frozenset({"setTimeout", "setInterval", "setImmediate"})
_GIVES_TEXT = frozenset(
    {"toString", "join", "replace", "replaceAll", "slice", "substring", "trim", "text", "decode"}
)
_MAX_ALIASES = 8
_NAVIGATION = frozenset({"location", "location.href", "document.location", "document.location.href"})
_LAST = {
    Sink.NETWORK: (
        *words.NETWORK_GLOBALS,
        *words.NETWORK_MODULES,
        *_CLIENT_METHODS,
        "ajax",
        "getJSON",
        "connect",
    ),
    Sink.DNS: (
        "lookup",
        "resolve",
        "resolve4",
        "resolve6",
        "resolveTxt",
        "resolveMx",
        "resolveAny",
        "lookupService",
    ),
    Sink.EVALUATE: (*words.EVALUATORS, "_compile", "constructor", "import"),
    Sink.COMMAND: (
        "exec",
        "execSync",
        "spawn",
        "spawnSync",
        "execFile",
        "execFileSync",
        "fork",
        *words.COMMAND_MODULES,
    ),
    Sink.FILE: (*words.FILE_WRITERS, "pipe", "pipeline", "write", "end", "writeTextFile"),
    Sink.REQUIRE: ("require", "import", "_load"),
    Sink.CLIPBOARD: ("writeText", "write", "writeSync", "setData"),
    Sink.PAGE: tuple(words.PAGE_CALLS),
}
_NEEDS = {
    Sink.RUN_FILE: (Sink.FILE, Sink.COMMAND, Sink.REQUIRE),
    Sink.WORKFLOW: (Sink.FILE,),
    Sink.SHELL_PROFILE: (Sink.FILE,),
}


class Asked(NamedTuple):
    """One place where something may leave: the sink, its expression, and what goes there.

    ``parts`` are vertices with the part of a request that each is. Where ``through`` is a vertex, it counts
    only if that carries a connection.
    """

    sink: Sink
    node: Node
    at: int
    callee: str
    target: str | None
    parts: tuple[tuple[str | None, int], ...]
    through: int | None = None
    decoded: bool = False


class Written(NamedTuple):
    """One file that the code writes: its path as a vertex and as text, and what is written."""

    asked: Asked
    path: int
    text: str
    content: int
    constant: bool
    writer: int | None = None


class FlowSinks:
    """Finds the sinks of one file that are wanted, and asks what reaches them."""

    def __init__(self, values: FlowValues, sinks: frozenset[Sink]) -> None:
        """Prepare to ask for *sinks*."""
        self._values = values
        self._program = values.program
        self._sinks = sinks | {need for sink in sinks for need in _NEEDS.get(sink, ())}
        self._streams = False  # whether a connection, or a stream into a file, is made anywhere in it
        self.asked: list[Asked] = []
        self.written: list[Written] = []
        self.run: list[tuple[Asked, str]] = []  # with the text of what is run
        self.piped: list[tuple[Node, int, int]] = []  # a call, what goes, and the vertex that may be a stream
        self._through: list[tuple[Node, Callee, int]] = []  # of which it is not known yet, with the vertex
        self._place = 0  # among what is asked, where they belong

    def ask(self) -> None:
        """Ask all."""
        last = frozenset(name.rpartition(".")[2] for sink in self._sinks for name in _LAST.get(sink, ()))
        last |= CLIENT_MAKERS
        relevance = Relevance(self._program, Interest(calls=last, news=last))
        index = self._program.index
        clients: list[tuple[Node, Callee]] = []
        for call, _node, _kind in islice(relevance.likely_calls(relevance.calls), MAX_LOOKED_AT):
            callee = self._values.calls.callee(call)
            if callee is None:
                continue
            self._streams |= makes_client(callee.path, new=False) or callee.method == "createWriteStream"
            if len(self.asked) >= _MAX_ASKED:
                continue
            if not self._call(call, callee) and not callee.path.known and callee.receiver is not None:
                clients.append((call, callee))
        for new in bounded(index.of("new")):
            callee = self._values.calls.callee(new)
            self._streams |= callee is not None and makes_client(callee.path, new=True)
            if callee is not None and (callee.path.known or callee.node.type != "identifier"):
                self._new(new, callee)
        if self._streams:
            self._through_clients(clients)
            self._place = len(self.asked)
        if not self._sinks.isdisjoint({Sink.PAGE, Sink.NETWORK, Sink.EVALUATE}):
            self._assignments()

    def kinds(self) -> frozenset[Sink]:
        """The sinks that there are, those included that follow from others."""
        found = {each.sink for each in self.asked}
        if self.piped or self._through:
            found |= {Sink.NETWORK, Sink.FILE}
        if self.written:
            found |= {Sink.WORKFLOW, Sink.SHELL_PROFILE}
            if self.run:
                found.add(Sink.RUN_FILE)
        return frozenset(found & self._sinks)

    # --- calls -------------------------------------------------------------------------------------------

    def _call(self, call: Node, callee: Callee) -> bool:
        """Ask of a call by the name of its callee; whether it is a sink by that."""
        path, given, name = callee.path, callee.given, callee.path.name
        if not given:
            return False
        if is_network(path) or makes_client(path, new=False):
            self._request(call, callee, given, None)
        elif is_evaluator(path):
            self._evaluated(call, callee)
        elif is_command(path):
            self._command(call, callee)
        elif is_writer(path):
            self._write(call, callee)
        elif name in REQUIRES:
            self._require(call, callee)
        elif module_of(path) in {"dns", "dns/promises"}:
            self._add(Sink.DNS, call, callee, given[:1], None)
        elif name.endswith(_CLIPBOARD_WRITES):
            self._add(Sink.CLIPBOARD, call, callee, given, None)
        elif name in {"document.write", "document.writeln"} or callee.method == "insertAdjacentHTML":
            self._add(Sink.PAGE, call, callee, given[-1:], callee.method)
        elif callee.method == "setAttribute" and len(given) > 1 and not path.known:
            attribute = self._program.constants.text(given[0])
            if attribute in words.PAGE_MEMBERS:
                self._add(Sink.PAGE, call, callee, given[1:2], attribute)
        elif callee.method in {"pipe", "pipeline"}:
            self._pipe(call, callee)
        else:
            return False
        return True

    def _new(self, new: Node, callee: Callee) -> None:
        if makes_client(callee.path, new=True):
            if callee.given:
                self._request(new, callee, callee.given, None)
        elif is_evaluator(callee.path):
            self._evaluated(new, callee)
        elif callee.path.name in {"Worker", "worker_threads.Worker"} and callee.given:
            evaluates = len(callee.given) > 1 and "eval" in self._values.program.constants.table(
                callee.given[1]
            )
            if evaluates:
                self._add(Sink.EVALUATE, new, callee, callee.given[:1], None)

    def _through_clients(self, calls: list[tuple[Node, Callee]]) -> None:
        """Ask what methods are called on that send something where that is a connection or a stream."""
        for call, callee in calls:
            receiver = callee.receiver
            if receiver is None or not callee.given or len(self._through) >= _MAX_ASKED:
                continue
            sends = callee.method in _CLIENT_METHODS and Sink.NETWORK in self._sinks
            writes = callee.method in _WRITER_METHODS and Sink.FILE in self._sinks
            if (sends or writes) and (callee.method != "set" or self._sets_header(callee)):
                through = self._values.ask(receiver)
                if through:
                    self._through.append((call, callee, through))

    def ask_through(self) -> bool:
        """Ask what is sent by those methods that turned out to be called on one; whether there are any new."""
        graph, left = self._values.graph, []
        self._values.back(was=False)
        before, after = self.asked[: self._place], self.asked[self._place :]
        self.asked = before
        found = False
        for call, callee, through in self._through:
            kinds = {each.kind for each in graph.origins.of(graph.masks[through] & graph.origins.objects)}
            if kinds.isdisjoint({CLIENT, WRITER}):
                left.append((call, callee, through))
                continue
            found = True
            if CLIENT in kinds and callee.method in _CLIENT_METHODS and Sink.NETWORK in self._sinks:
                self._request(call, callee, callee.given, through)
            if callee.method in _WRITER_METHODS and Sink.FILE in self._sinks:
                self.piped.append((call, self._values.ask(callee.given[0]), through))
        self._place = len(self.asked)
        self.asked += after
        self._through = left
        return found

    def _sets_header(self, callee: Callee) -> bool:
        """Whether what is set by name is a header of a request, and no entry of a store."""
        name = self._program.constants.text(callee.given[0])
        return len(callee.given) == 1 or (name is not None and _HEADER.fullmatch(name) is not None)

    def _request(self, node: Node, callee: Callee, given: Sequence[Node], through: int | None) -> None:
        if Sink.NETWORK not in self._sinks:
            return
        parts: list[tuple[str | None, int]] = []
        for position, argument in enumerate(given[:6]):
            literal = self._program.constants.object_literal(argument)
            if literal is not None:
                for part, keys in (("headers", _HEADER_KEYS), ("url", _URL_KEYS)):
                    parts.extend((part, self._values.ask(argument, (key,))) for key in keys)
            parts.append((self._part(callee, position, literal is None), self._values.ask(argument)))
        target = self._values.calls.target(callee) if through is None else None
        self._put(Sink.NETWORK, node, callee, target, parts, through)

    @staticmethod
    def _part(callee: Callee, position: int, plain: bool) -> str:
        if callee.method in {"setRequestHeader", "setHeader", "set"}:
            return "headers"
        if callee.method == "open" or (
            position == 0 and plain and callee.method not in {"write", "end", "send", "emit"}
        ):
            return "url"
        return "body"

    def _evaluated(self, node: Node, callee: Callee) -> None:
        given = callee.given
        if callee.method in _TIMERS and not self._is_text(given[0]):
            return
        if callee.method not in {"Function", "AsyncFunction"}:
            given = given[:1]
        self._add(Sink.EVALUATE, node, callee, given, None)

    def _is_text(self, node: Node) -> bool:
        """Whether an expression is a text and not a function, as far as it can be seen."""
        for _ in range(_MAX_ALIASES):
            node = unwrap(node)
            if node.type in {"template_string", "string"}:
                return True
            if node.type == "binary_expression":
                return operator_of(node) == "+"
            if node.type == "call_expression":
                callee = self._values.calls.callee(node)
                return callee is not None and (
                    is_decoder(callee.path) or callee.path.name == "String" or callee.method in _GIVES_TEXT
                )
            binding = self._program.scopes.binding(node) if node.type == "identifier" else None
            if binding is None or len(binding.definitions) != 1:
                return False
            definition = binding.definitions[0]
            if definition.how is not How.VALUE or definition.node is None or definition.path:
                return False
            node = definition.node
        return False

    def _command(self, call: Node, callee: Callee) -> None:
        given = callee.given[:1]
        if callee.method in _SPAWNING or module_of(callee.path) != "child_process":
            given = callee.given[:2]
        given = [each for each in given if unwrap(each).type != "object"]
        text = "\0".join(self._values.pieces(each) for each in given)
        for each in given[1:]:
            if unwrap(each).type == "array":
                text += "\0".join(
                    ["", *(self._values.pieces(item) for item in unwrap(each).named_children[:16])]
                )
        asked = self._add(Sink.COMMAND, call, callee, given, self._shown(text))
        if asked is not None:
            self.run.append((asked, text))

    def _require(self, call: Node, callee: Callee) -> None:
        name = callee.given[0]
        if self._program.constants.text(name) is not None and Sink.RUN_FILE not in self._sinks:
            return
        text = self._values.pieces(name)
        if text.startswith("data:"):
            self._add(Sink.EVALUATE, call, callee, [name], None)
            return
        asked = self._add(Sink.REQUIRE, call, callee, [name], self._shown(text))
        if asked is not None:
            self.run.append((asked, text))

    def _write(self, call: Node, callee: Callee) -> None:
        if Sink.FILE not in self._sinks:
            return
        given, method = callee.given, callee.method
        copies = method.startswith("copyFile")
        path = given[1] if copies and len(given) > 1 else given[0]
        graph = self._values.graph
        content = graph.vertex((("content", call.id), (), False))
        constant, writer = False, None
        if method == "createWriteStream":
            writer = self._values.ask(call)
        elif copies:
            self._values.depend(content, given[0], (), Edge.READ)
        elif len(given) > 1:
            self._values.depend(content, given[1])
            constant = bool(self._values.pieces(given[1]).strip("\0"))
        text = self._values.pieces(path)
        asked = self._put(Sink.FILE, call, callee, self._shown(text), [(None, content)], None)
        if asked is not None:
            self.written.append(Written(asked, self._values.ask(path), text, content, constant, writer))

    def _pipe(self, call: Node, callee: Callee) -> None:
        if Sink.FILE not in self._sinks and Sink.NETWORK not in self._sinks:
            return
        given = callee.given
        if callee.method == "pipe" and callee.receiver is not None:
            self.piped.append((call, self._values.ask(callee.receiver), self._values.ask(given[0])))
        elif len(given) > 1:
            streams = [
                each for each in given if unwrap(each).type not in {"arrow_function", "function_expression"}
            ]
            for source in streams[:-1]:
                self.piped.append((call, self._values.ask(source), self._values.ask(streams[-1])))

    # --- assignments -------------------------------------------------------------------------------------

    def _assignments(self) -> None:
        for node, left, kind, right, compound in bounded(self._program.index.assignments):
            value = node.child_by_field_name("right") if compound else right
            if value is None or len(self.asked) >= _MAX_ASKED:
                continue
            if kind == "identifier":
                if self._program.text[left.start_byte : left.end_byte] == b"location" and self._is_global(left):
                    self._assigned(Sink.NETWORK, node, left, "location", value, "url")
                continue
            if kind not in MEMBERS:
                continue
            member = self._program.constants.property_name(left)
            if member not in words.PAGE_MEMBERS and member != "location":
                continue
            path = self._program.names.target(left)
            if path.root is Root.GLOBAL and path.name in _NAVIGATION:
                self._assigned(Sink.NETWORK, node, left, path.name, value, "url")
                continue
            self._assigned(Sink.PAGE, node, left, path.name, value, None)
            if member == "src":
                self._assigned(Sink.NETWORK, node, left, path.name, value, "url")

    def _is_global(self, node: Node) -> bool:
        return self._program.scopes.binding(node) is None

    def _assigned(self, sink: Sink, node: Node, left: Node, name: str, value: Node, part: str | None) -> None:
        if sink not in self._sinks:
            return
        told = self._shown(self._values.pieces(value)) if part else name.rpartition(".")[2]
        parts = ((part, self._values.ask(value)),)
        self.asked.append(Asked(sink, node, place_of(left), name, told, parts))

    # --- bookkeeping -------------------------------------------------------------------------------------

    def _add(
        self, sink: Sink, node: Node, callee: Callee, given: Sequence[Node], target: str | None
    ) -> Asked | None:
        return self._put(sink, node, callee, target, [(None, self._values.ask(each)) for each in given], None)

    def _put(
        self,
        sink: Sink,
        node: Node,
        callee: Callee,
        target: str | None,
        parts: list[tuple[str | None, int]],
        through: int | None,
    ) -> Asked | None:
        carrying = tuple(each for each in parts if each[1])
        asked = Asked(sink, node, place_of(callee.node), callee.path.name, target, carrying, through)
        if sink not in self._sinks:
            return None
        self.asked.append(asked)
        return asked

    @staticmethod
    def _shown(text: str) -> str | None:
        return text.replace("\0", "*")[:512] if text.strip("\0") else None
