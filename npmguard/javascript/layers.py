"""Where a file hands text to something that runs it as code.

==================================== ====================================================================
``eval(code)`` and its aliases       the first argument; so ``setTimeout``, ``vm.runIn…``, ``vm.Script``,
                                     ``module._compile``, ``new Worker(code, {eval: true})``
``Function(…, code)``                the last argument, the others are names of parameters
``new Blob([code], {type: …})``      of a type that is a script's
``import("data:text/javascript,…")`` and other data URLs of such a type
``spawn("node", ["-e", code])``      and in the command lines of ``exec``
==================================== ====================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from tree_sitter import Node

from npmguard.javascript import values
from npmguard.javascript.calls import called_through
from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.constants import Constants
from npmguard.javascript.interest import Interest
from npmguard.javascript.names import Names
from npmguard.javascript.paths import Path, Root
from npmguard.javascript.program import Program
from npmguard.javascript.relevance import Relevance
from npmguard.javascript.values import UNKNOWN

_FIRST = frozenset(
    {
        *("eval", "execScript", "setTimeout", "setInterval", "setImmediate"),
        *("vm.runInThisContext", "vm.runInNewContext", "vm.runInContext", "vm.compileFunction"),
        *("vm.Script", "vm.SourceTextModule"),
    }
)
_TIMERS = frozenset({"setTimeout", "setInterval", "setImmediate"})
_METHODS = frozenset({"_compile", "runInThisContext", "runInNewContext", "runInContext"})
_WORKERS = frozenset({"worker_threads.Worker", "Worker", "SharedWorker"})
_COMMANDS = frozenset({"exec", "execSync", "spawn", "spawnSync", "execFile", "execFileSync"})
_RUNNERS = re.compile(r"(?:^|[\\/])(?:node|nodejs|bun|deno|electron)(?:\.exe)?\Z", re.IGNORECASE)
_CODE_OPTION = re.compile(r"-(?:e|p|pe|-eval|-print)\Z")
_COMMAND_LINE = re.compile(
    r"""\b(?:node|nodejs|bun|deno)(?:\.exe)?["']?\s(?:[^;&|\n]{0,200}?\s)?-(?:e|p|pe|-eval|-print)[\s=]+"""
    r"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+))""",
    re.DOTALL,
)
_SCRIPT_TYPE = re.compile(r"(?:text|application)/(?:javascript|ecmascript|x-javascript)|module", re.IGNORECASE)
_DATA_URL = re.compile(
    r"\s*data:(?:text|application)/(?:javascript|ecmascript|x-javascript)[^,]{0,100}?(;base64)?,", re.IGNORECASE
)
_TEXT_MADE = frozenset({"template_string", "string"})
_LAST_SEGMENTS = (
    {name.rpartition(".")[2] for name in _FIRST | _WORKERS}
    | _METHODS
    | _COMMANDS
    | {"Function", "constructor", "Blob", "import", "register"}
)
_INTEREST = Interest(calls=frozenset(_LAST_SEGMENTS), news=frozenset(_LAST_SEGMENTS))
_THROUGH = frozenset({b"call", b"apply", b"construct"})
_WANTED = frozenset(name.encode() for name in _LAST_SEGMENTS) | _THROUGH


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One expression that has text run as code; ``text`` is None where it could not be worked out.

    ``start`` and ``end`` are the bytes of the expression, ``node`` is its call. ``parameters`` are names that
    are local to the code, with the nodes that give them their values. What is not ``certain`` is code only if
    it has no syntax error.
    """

    start: int
    end: int
    text: str | None
    node: Node | None = None
    parameters: tuple[tuple[str, Node | None], ...] = ()
    certain: bool = True


class Evaluations:
    """Finds what one program evaluates."""

    def __init__(
        self,
        program: Program,
        relevance: Relevance,
        constants: Constants | None = None,
        names: Names | None = None,
    ) -> None:
        """Prepare to search *program*; *relevance* is used if it tells names that may be hidden.

        *constants* and *names* are asked instead of the program's own, if given.
        """
        self._program = program
        self._constants = constants or program.constants
        self._names = names or program.names
        self._called: dict[int, Node] | None = None
        self._relevance = searching(program, relevance)

    def find(self) -> Iterator[Evaluation]:
        """All evaluations, in no particular order."""
        index, relevance = self._program.index, self._relevance
        for call, callee, _kind in relevance.likely_calls(_WANTED):
            path, given = called_through(self._names, *self._names.called(call, callee))
            if given:
                yield from self._evaluated(call, path, given)
        for node in self._program.in_time(index.of("new")):
            constructor = node.child_by_field_name("constructor")
            if constructor is not None and relevance.maybe(constructor, constructor.type, _WANTED):
                given = arguments(node)
                if given:
                    yield from self._evaluated(node, self._names.path(constructor), given)
        for node in index.of("module"):
            source = node.child_by_field_name("source")
            if source is not None:
                yield from self._data_url(node, source)

    def again(self, evaluations: Iterable[Evaluation]) -> Iterator[Evaluation]:
        """The same evaluations, with these constants."""
        for each in evaluations:
            node = each.node
            if node is None:
                continue
            field = "constructor" if node.type == "new_expression" else "function"
            callee = node.child_by_field_name(field)
            if callee is not None:
                path, given = called_through(self._names, self._names.path(callee), arguments(node))
                yield from self._evaluated(node, path, given or ())

    def _evaluated(self, node: Node, path: Path, given: Sequence[Node]) -> Iterator[Evaluation]:
        name, last = path.name, path.segments[-1] if path.segments else ""
        if name == "Reflect.construct" and len(given) > 1 and given[1].type == "array":
            path, given = self._names.path(given[0]), arguments_of(given[1])
            name, last = path.name, path.segments[-1] if path.segments else ""
            if not given:
                return
        if name in _TIMERS:
            text = self._constants.text(given[0])
            if text is not None or self._is_text(given[0]):
                yield self._at(node, text)
        elif name in _FIRST or last in _METHODS:
            if last not in _METHODS or path.known or self._constants.text(given[0]) is not None:
                yield self._code(node, given[0])
        elif name == "Function":
            yield self._function(node, given)
        elif last == "constructor" and not path.known:  # of a function, as far as anybody knows
            evaluation = self._function(node, given)
            if evaluation.text is not None and re.search(r"[(=;]", evaluation.text):
                yield evaluation
        elif name in _WORKERS:
            if self._has(given, "eval"):
                yield self._code(node, given[0])
            else:
                yield from self._data_url(node, given[0])
        elif name == "Blob":
            yield from self._blob(node, given)
        elif name in {"import", "module.register"}:
            yield from self._data_url(node, given[0])
        elif last in _COMMANDS and path.root is Root.MODULE:
            yield from self._command(node, given)

    @staticmethod
    def _at(node: Node, text: str | None, parameters: tuple[tuple[str, Node | None], ...] = ()) -> Evaluation:
        return Evaluation(node.start_byte, node.end_byte, text, node, parameters)

    def _code(self, node: Node, code: Node) -> Evaluation:
        return self._at(node, self._constants.text(code))

    def _function(self, node: Node, given: Sequence[Node]) -> Evaluation:
        """``Function("a", "b", code)``: the arguments of a call that follows at once are those of its code."""
        names: list[str] = []
        for each in given[:-1]:
            spelled = self._constants.spelled(each)
            names.extend(re.findall(r"[\w$]+", spelled) if spelled is not None else [])
        passed = self._passed(node)
        parameters = tuple(
            (name, passed[position] if position < len(passed) else None) for position, name in enumerate(names)
        )
        return self._at(node, self._constants.text(given[-1]), parameters)

    def _passed(self, node: Node) -> Sequence[Node]:
        """The arguments of the call of what *node* makes: ``Function("a", code)(require)``."""
        if self._called is None:
            self._called = {
                unwrap(callee).id: call
                for call, callee, kind in self._program.index.calls
                if kind in {"call_expression", "new_expression", "parenthesized_expression"}
            }
        call = self._called.get(node.id)
        return () if call is None else arguments(call)

    def _is_text(self, node: Node) -> bool:
        """Whether a node is text for sure, though it is not known which."""
        node = unwrap(node)
        if node.type in _TEXT_MADE:
            return True
        pair = node.child_by_field_name("left"), node.child_by_field_name("right")
        return node.type == "binary_expression" and any(
            each is not None and each.type in _TEXT_MADE for each in pair
        )

    def _has(self, given: Sequence[Node], option: str) -> bool:
        """Whether the last argument is an object with that option set."""
        found = self._constants.property_node(given[-1], option) if len(given) > 1 else None
        return found is not None and values.truth(self._constants.fold(found)) is not False

    def _blob(self, node: Node, given: Sequence[Node]) -> Iterator[Evaluation]:
        kind = self._constants.property_node(given[-1], "type") if len(given) > 1 else None
        named = None if kind is None else self._constants.text(kind)
        if named is not None and _SCRIPT_TYPE.search(named):
            parts = self._constants.fold(given[0])
            text = values.join(parts, "", 2**30) if isinstance(parts, tuple) else None
            yield self._at(node, None if text is None else values.as_text(text))

    def _data_url(self, node: Node, url: Node) -> Iterator[Evaluation]:
        url = unwrap(url)
        if url.type == "new_expression":  # new URL("data:…")
            given = arguments(url)
            url = given[0] if given else url
        text = self._constants.text(url)
        if text is not None:
            code = from_data_url(text)
            if code is not None:
                yield self._at(node, code)
        elif url.type in {"template_string", "binary_expression"}:
            start = self._program.text[url.start_byte + 1 : url.start_byte + 120].decode("utf-8", "replace")
            if _DATA_URL.match(start):
                yield self._at(node, None)

    def _command(self, node: Node, given: Sequence[Node]) -> Iterator[Evaluation]:
        command = self._constants.text(given[0])
        if command is not None:
            for match in _COMMAND_LINE.finditer(command):
                yield self._at(node, shell_text(match[1], match[2], match[3]))
        elif given[0].type == "template_string":
            start = "".join(each for each in self._constants.template_parts(given[0]) if isinstance(each, str))
            if re.match(r"\s*(?:node|bun|deno)\s+-(?:e|p|-eval)\b", start):
                yield self._at(node, None)
        if len(given) > 1 and (command is None or _RUNNERS.search(command)):
            options = self._constants.fold(given[1])
            if isinstance(options, tuple):
                yield from self._options(node, options, runs_node=command is not None)

    def _options(self, node: Node, options: Sequence[values.Value], *, runs_node: bool) -> Iterator[Evaluation]:
        for position, option in enumerate(options):
            if isinstance(option, str) and _CODE_OPTION.match(option):
                code = options[position + 1] if position + 1 < len(options) else UNKNOWN
                if isinstance(code, str):
                    yield self._at(node, values.as_text(code))
                elif runs_node and code is UNKNOWN:
                    yield self._at(node, None)
                return
            if isinstance(option, str) and option.startswith("--eval="):
                yield self._at(node, values.as_text(option.removeprefix("--eval=")))
                return


def searching(program: Program, relevance: Relevance) -> Relevance:
    """What to ask for names that may be hidden: *relevance*, unless all names are relevant to it."""
    return relevance if relevance.calls is not None else Relevance(program, _INTEREST)


def arguments_of(array: Node) -> list[Node]:
    """The elements of an array literal."""
    return [node for node in array.named_children if node.type != "comment"]


def from_data_url(url: str) -> str | None:
    """The code in a data URL of a script's type; None for any other text."""
    match = _DATA_URL.match(url)
    if match is None:
        return None
    body = unquote_to_bytes(url[match.end() :])
    if match[1]:
        decoded = values.base64(body.decode("utf-8", "replace"))
        return None if decoded is None else decoded.decode("utf-8", "replace")
    return body.decode("utf-8", "replace")


def shell_text(double: str | None, single: str | None, bare: str | None) -> str:
    """What a shell makes of a word in double quotes, in single quotes, or in none."""
    if double is not None:
        return re.sub(r'\\(["\\$`\n])', r"\1", double)
    return single if single is not None else bare or ""
