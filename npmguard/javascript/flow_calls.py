"""What the result of a call depends on, for the labels that flow through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tree_sitter import Node

from npmguard.javascript import flow_words as words
from npmguard.javascript.bindings import CLASSES, FUNCTIONS, How
from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.flow_graph import Edge
from npmguard.javascript.flow_links import RETURNED, local_port
from npmguard.javascript.flow_names import (
    BUILT_IN,
    CLIENT,
    ELEMENT,
    WRITER,
    Callee,
    callee_of,
    command_sources,
    is_clipboard_read,
    is_command,
    is_decoder,
    is_lister,
    is_network,
    is_reader,
    is_writer,
    makes_client,
    module_of,
    read_source,
)
from npmguard.javascript.flow_stores import Keys
from npmguard.javascript.flow_words import Source
from npmguard.javascript.paths import Root

if TYPE_CHECKING:
    from npmguard.javascript.flow_values import FlowValues

_PATHS = frozenset({"path", "path/posix", "path/win32", "upath"})
_JOINING = frozenset({"join", "resolve", "normalize"})
_NO_RESULT = frozenset(
    {
        *("digest", "sign", "verify", "test", "includes", "indexOf", "lastIndexOf", "startsWith", "endsWith"),
        *("has", "hasOwnProperty", "some", "every", "findIndex", "localeCompare", "equals", "isArray", "log"),
        *("createHash", "createHmac", "createSign", "randomBytes", "randomUUID", "pbkdf2Sync", "scryptSync"),
        *(
            "existsSync",
            "statSync",
            "exists",
            "warn",
            "error",
            "info",
            "debug",
            "keys",
            "createServer",
            "pbkdf2",
        ),
        *("scrypt", "hash", "hashSync", "compare", "compareSync", "timingSafeEqual", "isBuffer", "charCodeAt"),
    }
)
"""Methods whose result tells nothing of what they are called on, or too little."""

_FLUENT = frozenset(
    {
        *("on", "once", "addListener", "setHeader", "setTimeout", "setEncoding", "setNoDelay", "setKeepAlive"),
        *("set", "query", "auth", "type", "accept", "attach", "field", "timeout", "retry", "headers", "bind"),
        *("valueOf", "json", "url", "body", "ref", "unref"),
    }
)
"""Methods that give back what they are called on."""

_SAME_AS_FIRST = frozenset(
    {
        *("Object.freeze", "Object.seal", "Promise.resolve", "structuredClone", "Object.create", "Array.from"),
        *("Promise.all", "Promise.race", "Promise.any", "Promise.allSettled", "util.promisify"),
    }
)
_ARRAY_SAME = frozenset(
    {"filter", "slice", "reverse", "sort", "flat", "concat", "splice", "toSorted", "toReversed"}
)
_ELEMENTS = frozenset({"find", "pop", "shift", "at", "findLast", "next"})
_MAPPERS = frozenset({"map", "flatMap", "then", "reduce", "reduceRight", "finally"})
_WITH_ARGUMENTS = frozenset(
    {"concat", "replace", "replaceAll", "join", "padStart", "padEnd", "update", "final", "encode", "encrypt"}
)
_WRAPPERS = frozenset(
    {
        *("URLSearchParams", "URL", "Blob", "File", "FormData", "Uint8Array", "Buffer", "Map", "Set", "Error"),
        *("String", "Response", "Request", "Array", "Headers", "ArrayBuffer", "DataView", "Object", "Proxy"),
        *("Uint8ClampedArray", "Uint16Array", "Uint32Array", "WeakRef", "ReadableStream", "Number"),
    }
)


class FlowCalls:
    """Expands calls and constructions."""

    def __init__(self, values: FlowValues) -> None:
        """Prepare to expand calls for *values*."""
        self._values = values
        self._program = values.program
        self._graph = values.graph
        self._callees: dict[int, Callee | None] = {}
        self.readers: dict[int, tuple[int, int]] = {}

    def callee(self, call: Node) -> Callee | None:
        """What a call calls; remembered."""
        known = call.id
        if known not in self._callees:
            self._callees[known] = callee_of(self._program, call)
        return self._callees[known]

    def candidates(self, callee: Callee) -> list[int]:
        """The functions of the file that a callee may be."""
        scopes = self._program.scopes
        function = self._program.constants.function_of(callee.node)
        if function is not None:
            return [scopes.function_of_node.get(function.id, 0)]
        if callee.path.known or callee.receiver is None or not callee.method:
            return []
        owner = self.class_of(callee.receiver)
        method = self._values.stores.method(owner, callee.method) if owner else None
        if method is not None:
            return [method]
        if callee.method in BUILT_IN and unwrap(callee.receiver).type != "this":
            return []
        return self._values.stores.stored(callee.method)

    def class_of(self, receiver: Node) -> int:
        """The class of the file that an object is known to be of; 0 if there is none."""
        node = unwrap(receiver)
        if node.type == "this":
            return max(self._values.stores.owner(node.start_byte), 0)
        binding = self._program.scopes.binding(node) if node.type == "identifier" else None
        if binding is not None and len(binding.definitions) == 1:
            definition = binding.definitions[0]
            if definition.how is How.VALUE and definition.node is not None and not definition.path:
                node = unwrap(definition.node)
        made = node.child_by_field_name("constructor") if node.type == "new_expression" else None
        function = None if made is None else self._program.constants.function_of(made)
        return 0 if function is None else self._program.scopes.function_of_node.get(function.id, 0)

    def joined_path(self, call: Node, depth: int) -> str:
        """The text that a call joins of its arguments, with NULs, where it is one of those that join paths."""
        callee = self.callee(call)
        if callee is None:
            return "\0"
        pieces = self._values.pieces
        if module_of(callee.path) in _PATHS:
            if callee.method in _JOINING:
                return "/".join(pieces(part, depth) for part in callee.given[:16])
            return "\0"
        receiver = callee.receiver
        if callee.method == "concat" and receiver is not None:
            return "".join(pieces(part, depth) for part in [receiver, *callee.given[:16]])
        if callee.method == "join" and receiver is not None and unwrap(receiver).type == "array":
            separator = pieces(callee.given[0], depth) if callee.given else ","
            items = [each for each in unwrap(receiver).named_children if each.type != "comment"]
            return separator.join(pieces(part, depth) for part in items[:64])
        return "\0"

    # --- calls -------------------------------------------------------------------------------------------

    def expand_call(self, vertex: int, call: Node, keys: Keys) -> None:
        """Add what the result of a call depends on."""
        callee = self.callee(call)
        if callee is None:
            return
        if self._is_source(vertex, call, callee, keys):
            return
        text = self._values.constant(call)
        if text is not None:
            self._values.text(vertex, text, call.start_byte)
            if not self._values.leaves_out:
                return
        name, method = callee.path.name, callee.method
        if method in _NO_RESULT or name in {"Object.keys", "require"}:
            return
        port = local_port(callee.path, (), RETURNED) or self._values.ports.imported_class(callee)
        if port is not None:
            self._values.ports.enter(vertex, port, call.start_byte)
            return
        found = read_source(callee.path, ())
        if found is not None:
            self._values.source(vertex, *found, call.start_byte)
            return
        if words.TOKEN_FIELD in self._source_of(call, callee):
            self._values.source(vertex, Source.NPM_TOKEN, words.TOKEN_FIELD, call.start_byte)
        if self._joins(vertex, call, callee):
            return
        if name in _SAME_AS_FIRST:
            for argument in callee.given[:1]:
                self._values.depend(vertex, argument, keys)
            return
        if name in {"Object.assign", "_.merge", "_.assign", "lodash.merge", "_.extend", "$.extend"}:
            for argument in callee.given:
                self._values.depend(vertex, argument, keys)
            return
        if name in {"Object.entries", "Object.values", "Object.fromEntries", "Object.getOwnPropertyNames"}:
            for argument in callee.given[:1]:
                self._values.depend(vertex, argument, (), Edge.VALUE)
            return
        self._other_call(vertex, callee, keys)

    def _other_call(self, vertex: int, callee: Callee, keys: Keys) -> None:
        candidates = self.candidates(callee)
        for function in candidates:
            if self._program.scopes.functions[function].type not in CLASSES:
                self._graph.edge(vertex, self._values.of_returned(function, keys))
                self._values.enter(vertex, function, callee.given)
        receiver, method = callee.receiver, callee.method
        if receiver is not None and not callee.path.known:
            self._method(vertex, callee, receiver, keys, local=bool(candidates))
        elif not candidates:
            for argument in callee.given:
                self._values.depend(vertex, argument, (), Edge.VALUE)
            if callee.node.type == "call_expression":
                self._values.depend(vertex, callee.node, (), Edge.VALUE)
            if receiver is not None and method in _FLUENT:
                self._values.depend(vertex, receiver, keys)

    def _method(self, vertex: int, callee: Callee, receiver: Node, keys: Keys, *, local: bool) -> None:
        """A method of something that is no module and no global."""
        method = callee.method
        if method in _MAPPERS:
            self._mapped(vertex, callee, receiver, keys)
            return
        if method in _ARRAY_SAME or method in _FLUENT or method in {"catch", "finally"}:
            self._values.depend(vertex, receiver, keys)
        elif method in _ELEMENTS:
            self._values.depend(vertex, receiver, (ELEMENT, *keys))
        elif method == "get" and callee.given:
            key = self._program.constants.text(callee.given[0])
            self._values.depend(vertex, receiver, (key, *keys), Edge.VALUE)
        elif method == "pipe" or unwrap(receiver).type != "this":
            self._values.depend(vertex, receiver, (), Edge.VALUE)
        if method == "get" or method in words.ELEMENT_FINDERS:
            return
        if method == "pipe" or (not local and (method in _WITH_ARGUMENTS or method not in _FLUENT)):
            for argument in callee.given:
                if method == "pipe":
                    self._values.depend(vertex, argument, keys)
                else:
                    self._values.depend(vertex, argument, (), Edge.VALUE)

    def _mapped(self, vertex: int, callee: Callee, receiver: Node, keys: Keys) -> None:
        """What a method gives that hands its receiver to a function."""
        method = callee.method
        function = None if not callee.given else self._program.constants.function_of(callee.given[0])
        if function is None or method == "finally":
            self._values.depend(vertex, receiver, keys)
            return
        index = self._program.scopes.function_of_node.get(function.id, 0)
        inner = keys[1:] if method == "map" and keys else keys
        self._graph.edge(vertex, self._values.of_returned(index, inner, in_place=True))
        if method in {"reduce", "reduceRight"} and len(callee.given) > 1:
            self._values.depend(vertex, callee.given[1], keys)

    def _joins(self, vertex: int, call: Node, callee: Callee) -> bool:
        """Whether the call joins the parts of a path, whose text then says what it is."""
        text = self.joined_path(call, 1)
        is_path = module_of(callee.path) in _PATHS and callee.method in _JOINING
        if text.strip("\0/"):
            self._values.text(vertex, text, call.start_byte)
        elif not is_path:
            return False
        parts = list(callee.given)
        if callee.receiver is not None and not callee.path.known:
            parts.append(callee.receiver)
        edge = Edge.PART if is_path else Edge.VALUE
        for part in parts:
            if self._values.constant(part) is None or self._values.leaves_out:
                self._values.depend(vertex, part, (), edge)
        return True

    def _source_of(self, call: Node, callee: Callee) -> str:
        """The source text of a call's own arguments, where they are short."""
        given = call.child_by_field_name("arguments")
        if given is None or not callee.given or given.end_byte - given.start_byte > 400:
            return ""
        return self._program.text[given.start_byte : given.end_byte].decode("utf-8", "replace")

    # --- sources -----------------------------------------------------------------------------------------

    def _is_source(self, vertex: int, call: Node, callee: Callee, keys: Keys) -> bool:
        """Add the source that a call is; whether nothing else is to be said of its result."""
        path, given, name, at = callee.path, callee.given, callee.path.name, call.start_byte
        values = self._values
        if is_network(path):
            values.source(vertex, Source.NETWORK, name, at)
            if makes_client(path, new=False):
                self.client(vertex, callee, at)
            return True
        if makes_client(path, new=False):
            self.client(vertex, callee, at)
            return True
        if is_reader(path):
            values.source(vertex, Source.FILE, self._told(given), at)
            for argument in given[:1]:
                opened = values.ask(argument)
                self._graph.edge(vertex, opened, Edge.READ)
                self.readers[vertex] = (opened, at)
            return True
        if is_lister(path):
            values.source(vertex, Source.DIRECTORY, self._told(given), at)
            for argument in given[:1]:
                values.depend(vertex, argument, (), Edge.VALUE)
            return True
        if is_writer(path):
            if callee.method == "createWriteStream":
                label = self._graph.origins.thing(WRITER, str(call.id), at)
                self._graph.seed(vertex, label)
            return True
        if is_command(path):
            self._command(vertex, given, at)
            return True
        if is_clipboard_read(path):
            values.source(vertex, Source.CLIPBOARD, name, at)
            return True
        if name in words.HOST_CALLS:
            values.source(vertex, Source.HOST_INFO, name, at)
            return True
        return self._decodes(vertex, callee, at) or self._local_source(vertex, callee, keys, at)

    def _local_source(self, vertex: int, callee: Callee, keys: Keys, at: int) -> bool:
        """Sources that are methods of anything."""
        method, values = callee.method, self._values
        if method in words.KEY_MAKERS:
            values.source(vertex, Source.SECRET_KEY, method, at)
        if method in words.ELEMENT_FINDERS:
            if (keys and keys[0] in {"value", "files", "checked", "selectedOptions"}) or method.endswith("All"):
                values.source(vertex, Source.FORM_INPUT, method, at)
            return callee.path.root is Root.GLOBAL
        return False

    def _decodes(self, vertex: int, callee: Callee, at: int) -> bool:
        path, given, name = callee.path, callee.given, callee.path.name
        constants, values = self._program.constants, self._values
        if is_decoder(path):
            values.source(vertex, Source.DECODED, name, at)
        elif name in {"Buffer.from", "buffer.Buffer.from", "Buffer", "buffer.Buffer"} and len(given) > 1:
            if constants.text(given[1]) in words.BYTE_ENCODINGS:
                values.source(vertex, Source.DECODED, name, at)
        elif name in {"String.fromCharCode", "String.fromCodePoint"}:
            if any(constants.spelled(argument) is None for argument in given):
                values.source(vertex, Source.DECODED, name, at)
        else:
            return False
        for argument in given:
            values.depend(vertex, argument, (), Edge.VALUE)
        return True

    def _command(self, vertex: int, given: list[Node], at: int) -> None:
        command = self._values.pieces(given[0]).replace("\0", "*") if given else None
        self._values.source(vertex, Source.COMMAND_OUTPUT, command, at)
        for source, told in command_sources(command or ""):
            self._values.source(vertex, source, told, at)

    def client(self, vertex: int, callee: Callee, at: int) -> None:
        """Let a connection begin at a vertex."""
        told = self.target(callee)
        label = self._graph.origins.connection(CLIENT, Source.NETWORK, told, at)
        self._graph.seed(vertex, label)

    def target(self, callee: Callee) -> str | None:
        """Where a request goes, as far as that is constant."""
        for argument in callee.given[:2]:
            node = unwrap(argument)
            literal = self._program.constants.object_literal(node)
            if literal is not None:
                table = self._program.constants.table(literal)
                for key in ("url", "uri", "baseURL", "baseUrl", "prefixUrl", "hostname", "host", "service"):
                    if key in table and (text := self._values.pieces(table[key]).strip("\0")):
                        return text.replace("\0", "*")[:512]
                continue
            text = self._values.pieces(node)
            if text.strip("\0"):
                return text.replace("\0", "*")[:512]
        return None

    def _told(self, given: list[Node]) -> str | None:
        text = self._values.pieces(given[0]) if given else ""
        return text.replace("\0", "*") if text.strip("\0") else None

    # --- constructions -----------------------------------------------------------------------------------

    def expand_new(self, vertex: int, new: Node, keys: Keys) -> None:
        """Add what a new object depends on."""
        callee = self.callee(new)
        if callee is None:
            return
        path, name = callee.path, callee.path.name
        if makes_client(path, new=True):
            self.client(vertex, callee, new.start_byte)
            return
        if name == "Promise":
            self._promise(vertex, callee, keys)
            return
        function = self._program.constants.function_of(callee.node)
        if function is not None:
            owner = self._program.scopes.function_of_node.get(function.id, 0)
            self._graph.edge(vertex, self._values.of_this(owner, keys))
            return
        if name == "FormData" and callee.given:
            self._values.source(vertex, Source.FORM_INPUT, name, new.start_byte)
        if callee.method in _WRAPPERS or name in words.DECODERS:
            for argument in callee.given:
                self._values.depend(vertex, argument, (), Edge.VALUE)

    def _promise(self, vertex: int, callee: Callee, keys: Keys) -> None:
        """What a promise is resolved with."""
        executor = None if not callee.given else self._program.constants.function_of(callee.given[0])
        if executor is None or executor.type not in FUNCTIONS:
            return
        index = self._program.scopes.function_of_node.get(executor.id, 0)
        for binding in self._values.inputs.parameters(index, 0):
            for call in self._values.inputs.calls_of(binding):
                for argument in arguments(call)[:1]:
                    self._values.depend(vertex, argument, keys)
            for call, position in self._values.inputs.passed_to(binding):
                self._values.inputs.handed(vertex, call, position, "0", keys)
