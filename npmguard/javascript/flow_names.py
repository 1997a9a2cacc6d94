"""Which of the sources and sinks of flows a name stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from tree_sitter import Node

from npmguard.javascript import flow_words as words
from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.flow_words import Sink, Source
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.paths import Path, Root
from npmguard.javascript.program import Program

Key = str | None
"""One step into an object: a property, an index, :data:`ELEMENT`, or None where it is not known."""

ELEMENT = "*"
"""Any element of a list."""

CLIENT = "@client"  # an object that talks to the network
WRITER = "@writer"  # a stream into a file
ADDRESS = "@address"  # a text that tells a host

BUILT_IN = frozenset(
    {
        *("push", "pop", "shift", "unshift", "map", "filter", "forEach", "reduce", "slice", "splice", "concat"),
        *("join", "split", "replace", "toString", "valueOf", "keys", "values", "entries", "get", "set", "has"),
        *("add", "delete", "clear", "then", "catch", "finally", "call", "apply", "bind", "of", "from", "next"),
        *("parse", "stringify", "test", "exec", "match", "update", "digest", "indexOf", "includes", "find"),
        *("on", "once", "off", "emit", "addEventListener", "removeEventListener", "toJSON", "constructor"),
        *(
            "slice",
            "substring",
            "substr",
            "trim",
            "some",
            "every",
            "sort",
            "reverse",
            "fill",
            "encode",
            "decode",
        ),
        *("copy", "clone", "equals", "toArray", "toHex", "toBytes", "subscribe", "resolve", "reject", "assign"),
        *("create", "init", "read", "readInt8", "readUInt8", "append", "apply", "return", "throw", "at"),
    }
)
"""Methods so common that their name does not tell which function is called."""

_ADDRESS = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?//[^/\s\0]|(?:[a-z0-9_-]{1,63}\.){1,8}[a-z]{2,24}(?::\d+)?(?:/\S*)?\Z|\d{1,3}(?:\.\d{1,3}){3}\b",
    re.IGNORECASE,
)
_LONGEST_ADDRESS = 512
_MAX_THROUGH = 4  # calls of calls (``f.call.call(…)``) that are seen through
_SENDING = frozenset(
    {
        *("request", "get", "post", "put", "patch", "delete", "del", "head", "fetch", "stream", "json", "text"),
        *(
            "connect",
            "createConnection",
            "createSocket",
            "upload",
            "buffer",
            "postForm",
            "putForm",
            "getBuffer",
        ),
    }
)
_MAKING = frozenset({"create", "extend", "defaults", "createTransport", "createClient", "agent", "instance"})
CLIENT_MAKERS = _MAKING | _SENDING
"""Functions of modules for the network that give an object to talk through."""
_NOT_CLIENTS = re.compile(r"Agent|Server|Error|Headers|Receiver|CookieJar|Pool|isAxios|CancelToken")
GLOBAL_CALLS = frozenset(
    {
        *(
            "fetch",
            "navigator.sendBeacon",
            "window.open",
            "importScripts",
            "$.ajax",
            "$.get",
            "$.post",
            "$.getJSON",
        ),
        *("jQuery.ajax", "jQuery.get", "jQuery.post", "jQuery.getJSON", "axios", "$fetch", "Bun.connect"),
        *("Deno.connect", "GM_xmlhttpRequest", "GM.xmlHttpRequest", "location.assign", "location.replace"),
    }
)
GLOBAL_CLIENTS = frozenset({"XMLHttpRequest", "WebSocket", "EventSource", "Image", "RTCPeerConnection"})
RESPONSE_MEMBERS = frozenset({"responseText", "responseXML"})
COMMANDS = frozenset({"exec", "execSync", "spawn", "spawnSync", "execFile", "execFileSync", "fork", "command"})
_DEFINING = frozenset({"execa", "cross-spawn"})
GLOBAL_READERS = frozenset(
    {"Bun.file", "Deno.readTextFile", "Deno.readFile", "Deno.readTextFileSync", "Deno.readFileSync"}
)
GLOBAL_WRITERS = frozenset({"Bun.write", "Deno.writeTextFile", "Deno.writeFile", "Deno.writeTextFileSync"})
DECODING_STREAMS = frozenset(
    {
        "zlib.createGunzip",
        "zlib.createInflate",
        "zlib.createInflateRaw",
        "zlib.createUnzip",
        "zlib.createBrotliDecompress",
    }
)
_ENVIRONMENTS = tuple(tuple(known.split(".")) for known in words.ENVIRONMENTS)
_COOKIES = tuple((known, tuple(known.split("."))) for known in words.COOKIE_READS)
_SECRET = re.compile(
    "|".join([*map(re.escape, words.SECRET_WORDS), *(rf"{end}(?![A-Za-z])" for end in words.SECRET_ENDS)])
)
_NOT_SECRET = re.compile(r"\A(?:npm_(?:package|lifecycle|node)|PWD\Z|OLDPWD\Z)")


class Callee(NamedTuple):
    """What a call calls: its name, the node it is called by, and the arguments that it gets.

    ``method`` is the last segment of the name, empty where there is none, and ``receiver`` what it is called
    on, where it is spelled as a member.
    """

    path: Path
    node: Node
    given: list[Node]
    method: str
    receiver: Node | None


def callee_of(program: Program, call: Node) -> Callee | None:
    """What a call or construction calls, also through ``call`` and ``apply``."""
    node = call.child_by_field_name("function" if call.type == "call_expression" else "constructor")
    if node is None:
        return None
    node = unwrap(node)
    while node.type == "sequence_expression":
        node = unwrap(node.named_children[-1])
    given = arguments(call)
    passed = (
        program.constants.through(call) if call.type == "call_expression" and node.type in MEMBERS else None
    )
    if passed is not None:
        node, given = unwrap(passed[0]), passed[1]
    path = program.names.path(node)
    for _ in range(_MAX_THROUGH):
        last = path.segments[-1:]
        if last not in {("call",), ("apply",)} or len(path.segments) < 2 or node.type not in MEMBERS:
            break
        node, path = unwrap(node.named_child(0)), Path(path.root, path.segments[:-1])
        rest = given[1:]
        if last == ("apply",):
            rest = (
                [each for each in rest[0].named_children if each.type != "comment"]
                if rest and rest[0].type == "array"
                else rest
            )
        given = rest
    receiver = node.named_child(0) if node.type in MEMBERS else None
    return Callee(path, node, given, path.segments[-1] if path.segments else "", receiver)


def module_of(path: Path) -> str | None:
    """The module that a name starts from, if it is one."""
    return path.segments[0] if path.root is Root.MODULE and path.segments else None


def made_by(path: Path) -> tuple[str, tuple[str, ...]] | None:
    """The constructor of the object that a name starts from, and what is read from it."""
    if path.root is Root.UNKNOWN and path.segments and path.segments[0].startswith("new "):
        return path.segments[0][4:], path.segments[1:]
    return None


# --- sources ---------------------------------------------------------------------------------------------


def read_source(path: Path, keys: Sequence[Key]) -> tuple[Source, str | None] | None:
    """The source that reading *keys* of what *path* names is, with what is told of it."""
    if not path.known:
        return None
    segments: tuple[Key, ...] = (*path.segments, *keys)
    name = path.name
    if name == "process" or name.startswith(("process.env", "import.meta", "Bun", "globalThis.process")):
        for parts in _ENVIRONMENTS:
            if segments[: len(parts)] == parts:
                return variable(segments[len(parts)] if len(segments) > len(parts) else None)
    for known, parts in _COOKIES:
        if segments[: len(parts)] == parts:
            return Source.COOKIES, known
    return None


def variable(name: Key) -> tuple[Source, str | None] | None:
    """The source that an environment variable is; None for one that is no secret."""
    if name is None or name in {ELEMENT, "[]"}:
        return Source.ENVIRONMENT, None
    if name in words.NPM_TOKENS:
        return Source.NPM_TOKEN, name
    if _SECRET.search(name) and not words.PUBLIC_NAMES.search(name) and not _NOT_SECRET.search(name):
        return Source.ENVIRONMENT_SECRET, name
    return (Source.HOST_INFO, name) if name in words.HOST_VARIABLES else None


def is_reader(path: Path) -> bool:
    """Whether that function reads the file which its first argument names."""
    return path.name in GLOBAL_READERS or (
        module_of(path) in words.FILE_MODULES and path.segments[-1] in words.READERS | {"open", "openSync"}
    )


def is_lister(path: Path) -> bool:
    """Whether that function lists the folder which its first argument names."""
    return module_of(path) in words.FILE_MODULES and path.segments[-1] in words.LISTERS


def is_decoder(path: Path) -> bool:
    """Whether that function gives text its meaning back."""
    return path.name in words.DECODERS or path.name in DECODING_STREAMS


def is_command(path: Path) -> bool:
    """Whether that function runs a command."""
    module = module_of(path)
    if module is None:
        return path.name in {"Bun.spawn", "Bun.spawnSync", "Deno.run", "Deno.Command"}
    if module not in words.COMMAND_MODULES:
        return False
    return path.segments[-1] in COMMANDS or (module in _DEFINING and len(path.segments) <= 2)


def is_network(path: Path) -> bool:
    """Whether calling that function sends something, and gives what comes back."""
    module = module_of(path)
    if module is None:
        return path.root is Root.GLOBAL and path.name in GLOBAL_CALLS
    if module not in words.NETWORK_MODULES:
        return False
    return len(path.segments) == 1 or path.segments[-1] in _SENDING


def makes_client(path: Path, *, new: bool) -> bool:
    """Whether that function or constructor gives an object that talks to the network."""
    module = module_of(path)
    if module is None:
        return new and path.name in GLOBAL_CLIENTS
    if module not in words.NETWORK_MODULES:
        return False
    return not _NOT_CLIENTS.search(path.segments[-1]) if new else path.segments[-1] in CLIENT_MAKERS


def command_sources(command: str) -> Iterator[tuple[Source, str]]:
    """What the output of a command is besides being one."""
    if any(
        re.search(r"(?:\A|[\s;|&(/\\\"'])" + re.escape(each) + r"\b", command) for each in words.HOST_COMMANDS
    ):
        yield Source.HOST_INFO, command
    if any(each in command for each in words.CLIPBOARD_COMMANDS):
        yield Source.CLIPBOARD, command


def is_clipboard_read(path: Path) -> bool:
    """Whether that function reads the clipboard."""
    return path.name.endswith(words.CLIPBOARD_CALLS)


# --- paths of files --------------------------------------------------------------------------------------


def is_address(text: str) -> bool:
    """Whether a text is a URL, the name of a host or a number of one; NULs stand for what is not constant."""
    return len(text) <= _LONGEST_ADDRESS and _ADDRESS.match(text) is not None


def places_in(text: str) -> Iterator[Source | Sink]:
    """What the file of a path is, for paths that are known for what they hold or do."""
    text = text.replace("\\", "/")
    if _anywhere().search(text) is None:
        return
    for meaning, pattern in _places():
        if pattern.search(text):
            yield meaning


@cache
def _places() -> tuple[tuple[Source | Sink, re.Pattern[str]], ...]:
    return tuple((meaning, _segments(places)) for meaning, places in _tables())


@cache
def _anywhere() -> re.Pattern[str]:
    """One of all places together; most texts are none."""
    return _segments([place for _meaning, places in _tables() for place in places])


def _tables() -> list[tuple[Source | Sink, tuple[str, ...]]]:
    return [
        *words.PLACES.items(),
        (Sink.WORKFLOW, words.WORKFLOW_PLACES),
        (Sink.SHELL_PROFILE, words.PROFILE_PLACES),
    ]


def _segments(places: Sequence[str]) -> re.Pattern[str]:
    alternatives = "|".join(re.escape(place.replace("\\", "/")) for place in places)
    return re.compile(rf"(?:\A|[/\0~.=@ \"'`:]|(?<=\0))(?:{alternatives})(?:\Z|[/\0\"'`.*\s])")


# --- sinks -----------------------------------------------------------------------------------------------


def is_evaluator(path: Path) -> bool:
    """Whether that function runs the text that it is given."""
    return path.name in words.EVALUATORS or path.segments[-1:] in {
        ("_compile",),
        ("executeJavaScript",),
        ("executeScript",),
    }


def is_writer(path: Path) -> bool:
    """Whether that function writes the file which its first argument names."""
    return path.name in GLOBAL_WRITERS or (
        module_of(path) in words.FILE_MODULES and path.segments[-1] in words.FILE_WRITERS
    )
