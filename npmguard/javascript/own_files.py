"""Constants of a program that may read the files of its own package.

Where a call reads a file whose path can be worked out, its content is taken for what the call gives: at once,
awaited, or in a callback. So whatever decodes it is worked out as if the text stood in the source.
"""

from __future__ import annotations

import json
import posixpath
import re
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Protocol

from tree_sitter import Node

from npmguard.config import Limits
from npmguard.javascript import values
from npmguard.javascript.bindings import FUNCTIONS, Binding, How
from npmguard.javascript.callsites import arguments, returns, unwrap
from npmguard.javascript.constants import Constants
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.names import Names
from npmguard.javascript.paths import REQUIRES, Root
from npmguard.javascript.program import Program
from npmguard.javascript.values import UNKNOWN, Value

ROOT = "/package"
"""The folder in which the package is taken to lie."""

_META = re.compile(rb"import\s*\.\s*meta\s*\.\s*(url|dirname|filename)")
_OUTSIDE = frozenset(
    {
        *("identifier", "call_expression", "new_expression", "await_expression"),
        *MEMBERS,
        "parenthesized_expression",
    }
)
_READERS = frozenset(
    {
        *("fs.readFileSync", "fs.promises.readFile", "fs/promises.readFile", "fs.readFile", "fetch"),
        *("fs-extra.readFileSync", "fs-extra.readFile", "graceful-fs.readFileSync", "Bun.file"),
    }
)
_READ_WORDS = (b"readFileSync", b"readFile", b"fetch", b"file")
_INFLATERS = {
    "zlib.gunzipSync": 47,
    "zlib.unzipSync": 47,
    "zlib.inflateSync": 15,
    "zlib.inflateRawSync": -15,
}
_TO_TEXT = frozenset({"text", "toString"})
_MAX_JSON = 8 * 1024**2
_MAX_DEPTH = 40  # of literals, and of steps into them
_NOTHING = object()


SOURCE_SUFFIXES = (".js", ".cjs", ".mjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")
"""Endings of files that are read as code in any case."""

DATA_SUFFIXES = (".json", ".node", ".wasm")
"""Endings of files that Node does not run as JavaScript, whatever they hold."""


class PackageFiles(Protocol):
    """The files of a package, by their paths in it."""

    def content(self, path: str) -> bytes | None:
        """The content of a file; None where there is none, or it was not kept."""


class OwnFileConstants(Constants):
    """Folds the expressions of one program, which stands at *path* in its package."""

    def __init__(self, program: Program, path: str, files: PackageFiles, limits: Limits) -> None:
        """Prepare to fold the expressions of *program* anew."""
        super().__init__(program.index, program.scopes, program.sites, limits)
        self.names = Names(program.scopes, self)
        self._program = program
        self._path = path
        self._files = files
        self._limit = limits.string_bytes
        self._tried: set[int] = set()
        self._asked: set[Binding] = set()
        self._handed: dict[int, tuple[Node, int]] | None = None

    def close(self) -> None:
        """Let go of what refers back to this."""
        super().close()
        del self.names

    def fold(self, node: Node) -> Value:
        """The constant that *node* stands for, or UNKNOWN."""
        value = super().fold(node)
        if value is UNKNOWN and node.type in _OUTSIDE and node.id not in self._tried and self._spend():
            self._tried.add(node.id)
            self._nesting += 1
            try:
                value = self._outside(node)
            except values.TooLarge:
                value = UNKNOWN
            self._nesting -= 1
            if value is not UNKNOWN:
                self._known[node.id] = value
        return value

    def of_binding(self, binding: Binding) -> Value:
        """The constant that a declared name stands for, or UNKNOWN."""
        value = super().of_binding(binding)
        if value is UNKNOWN and binding not in self._asked:
            self._asked.add(binding)
            value = self._received(binding)
            if value is UNKNOWN:
                value = _as_value(self._json_of_binding(binding))
            if value is not UNKNOWN:
                self._bound[binding] = value
        return value

    def reads(self) -> Iterator[tuple[Node, str, bytes]]:
        """The calls that read a file of the package, with its path and content."""
        index = self._program.index
        for call, callee, _kind in [*index.calls, *index.calls_of(_READ_WORDS)]:
            if self.names.path(callee).name in _READERS:
                path = self.own_path(arguments(call)[:1])
                content = None if path is None else self._files.content(path)
                if path is not None and content is not None:
                    yield call, path, content

    def own_path(self, given: Sequence[Node], *, beside: bool = False) -> str | None:
        """The path in the package that an argument names, from this file's folder if *beside*, or its root."""
        value = self.text(given[0]) if given else None
        return None if value is None else self.resolved(value, beside=beside)

    def resolved(self, value: str, *, beside: bool = False) -> str | None:
        """The path in the package that a path or file URL names."""
        base = posixpath.join(ROOT, posixpath.dirname(self._path)) if beside else ROOT
        value = value.removeprefix("file://").partition("?")[0].replace("\\", "/")
        full = posixpath.normpath(posixpath.join(base, value))
        return full.removeprefix(ROOT + "/") if full.startswith(ROOT + "/") else None

    # --- what the file's surroundings give ---------------------------------------------------------------

    def _outside(self, node: Node) -> Value:
        kind = node.type
        here = posixpath.join(ROOT, self._path)
        if kind == "identifier":
            name = self._scopes.name(node) if self._scopes.binding(node) is None else b""
            return {b"__filename": here, b"__dirname": posixpath.dirname(here)}.get(name, UNKNOWN)
        if kind in MEMBERS:
            meta = _META.fullmatch(self._scopes.text, node.start_byte, node.end_byte)
            if meta is not None:
                return {b"url": f"file://{here}", b"filename": here}.get(meta[1], posixpath.dirname(here))
            return _as_value(self._json_of(node))
        if kind in {"await_expression", "parenthesized_expression"}:
            inner = unwrap(node)
            return UNKNOWN if inner.id == node.id else self.fold(inner)
        return self._called(node)

    def _called(self, node: Node) -> Value:
        callee = node.child_by_field_name("function" if node.type == "call_expression" else "constructor")
        if callee is None:
            return UNKNOWN
        given, name = arguments(node), self.names.path(callee).name
        if name in _READERS:
            return self._content(given)
        if name in _INFLATERS:
            data = self.fold(given[0]) if given else UNKNOWN
            return inflated(data, _INFLATERS[name], 4 * self._limit) if isinstance(data, bytes) else UNKNOWN
        path = self._path_function(name, given)
        if path is not None:
            return path
        member = unwrap(callee)
        if member.type not in MEMBERS:
            return UNKNOWN
        base, method = member.named_child(0), self.property_name(member)
        if method == "then" and given and given[0].type in FUNCTIONS:
            found = returns(given[0])
            return self.fold(found[0]) if len(found) == 1 else UNKNOWN
        if method in _TO_TEXT:
            return self._as_text(self.fold(base), given)
        if method in {"indexOf", "lastIndexOf"} and len(given) == 1:
            return _found_at(self.fold(base), self.fold(given[0]), last=method == "lastIndexOf")
        return _as_value(self._json_of(node))

    def _content(self, given: Sequence[Node]) -> Value:
        path = self.own_path(given)
        content = None if path is None else self._files.content(path)
        if content is None:
            return UNKNOWN
        encoding = None
        if len(given) > 1 and given[1].type not in FUNCTIONS:
            option = self.property_node(given[1], "encoding") or given[1]
            encoding = self.text(option)
        return content if encoding is None else _decoded(content, encoding)

    def _path_function(self, name: str, given: Sequence[Node]) -> str | None:
        """What a function about paths gives; they stand below ROOT."""
        if name == "process.cwd":
            return ROOT
        module, _, function = name.rpartition(".")
        texts = [self.text(each) for each in given]
        known = [each for each in texts if each is not None]
        if not known or len(known) < len(texts):
            return None
        if module in {"path", "path.posix", "path/posix"}:
            if function in {"join", "resolve"}:
                start = [ROOT] if function == "resolve" else []
                parts = [
                    part.lstrip("/") if function == "join" and at else part for at, part in enumerate(known)
                ]
                return posixpath.normpath(posixpath.join(*start, *parts))
            if function in {"dirname", "basename", "normalize"}:
                return {
                    "dirname": posixpath.dirname(known[0]),
                    "basename": posixpath.basename(known[0]),
                }.get(function, posixpath.normpath(known[0]))
        if name in {"url.fileURLToPath", "decodeURI"}:
            return known[0].removeprefix("file://")
        if name in {"URL", "url.URL"} and len(known) == 2 and known[1].startswith("file://"):
            folder = posixpath.dirname(known[1].removeprefix("file://"))
            return "file://" + posixpath.normpath(posixpath.join(folder, known[0]))
        if name == "require.resolve":
            path = self.resolved(known[0], beside=known[0].startswith("."))
            return None if path is None else posixpath.join(ROOT, path)
        return None

    def _as_text(self, value: Value, given: Sequence[Node]) -> Value:
        if not isinstance(value, bytes):
            return UNKNOWN
        found = self.argument_values(given)
        encoding = found[0] if found else "utf8"
        bounds = [values.index_of(each) for each in found[1:3]]
        if not isinstance(encoding, str) or any(each is None for each in bounds):
            return UNKNOWN
        return _decoded(
            value[slice(*(bounds if len(bounds) == 2 else (bounds[0] if bounds else 0, None)))], encoding
        )

    # --- callbacks ---------------------------------------------------------------------------------------

    def _received(self, binding: Binding) -> Value:
        """What a callback's parameter is given by the call that it is handed to."""
        if len(binding.definitions) != 1:
            return UNKNOWN
        definition = binding.definitions[0]
        if definition.how is not How.PARAMETER or len(definition.path) != 1:
            return UNKNOWN
        handed = self._callbacks().get(self._scopes.functions[definition.function].id)
        callee = None if handed is None else handed[0].child_by_field_name("function")
        if handed is None or callee is None or callee.type not in MEMBERS:
            return UNKNOWN
        position = definition.path[0]
        if self.property_name(callee) == "then" and handed[1] == 0 and position == 0:
            return self.fold(callee.named_child(0))
        if position == 1 and self.names.path(callee).name in _READERS:
            return self._content(arguments(handed[0]))
        return UNKNOWN

    def _callbacks(self) -> dict[int, tuple[Node, int]]:
        if self._handed is None:
            self._handed = {
                each.id: (call, position)
                for call, _callee, kind in self._program.index.every_call()
                if kind in MEMBERS
                for position, each in enumerate(arguments(call)[:4])
                if each.type in FUNCTIONS
            }
        return self._handed

    # --- JSON --------------------------------------------------------------------------------------------

    def _json_of(self, node: Node, depth: int = 0) -> object:
        """What an expression takes from a JSON file of the package, or parses of a constant text."""
        node = unwrap(node)
        if depth > _MAX_DEPTH:
            return _NOTHING
        if node.type == "identifier":
            binding = self._scopes.binding(node)
            return _NOTHING if binding is None else self._json_of_binding(binding, depth)
        if node.type in MEMBERS:
            name, base = self.property_name(node), node.named_child(0)
            return _NOTHING if name is None else _step(self._json_of(base, depth + 1), name)
        callee = node.child_by_field_name("function") if node.type == "call_expression" else None
        if callee is None:
            return _NOTHING
        path, given = self.names.path(callee), arguments(node)
        if path.name in REQUIRES and path.root is not Root.UNKNOWN:
            return self._json_file(self.text(given[0]) if given else None)
        if not given and callee.type == "identifier":
            return self._bundled(callee)
        if path.name == "JSON.parse" and given:
            value = self.fold(given[0])
            return _parsed(values.as_text(value) if isinstance(value, str) else value)
        return _NOTHING

    def _bundled(self, callee: Node) -> object:
        """What a bundler makes of a JSON file: ``f = wrap((exports, module) => { module.exports = … })``."""
        binding = self._scopes.binding(callee)
        definition = binding.definitions[0] if binding is not None and len(binding.definitions) == 1 else None
        made = None if definition is None or definition.how is not How.VALUE else definition.node
        if made is None or made.type != "call_expression":
            return _NOTHING
        for each in self._program.index.assignments:
            left, right = each[1], each[3]
            if made.start_byte <= left.start_byte < made.end_byte and self._index.tail(left) == b"exports":
                return _NOTHING if right is None else self._literal(right)
        return _NOTHING

    def _literal(self, node: Node, depth: int = 0) -> object:
        """A literal as JSON would have it; what is not constant in it is left out."""
        if depth > _MAX_DEPTH:
            return _NOTHING
        if node.type == "object":
            inner = {name: self._literal(value, depth + 1) for name, value in self.table(node).items()}
            return {name: value for name, value in inner.items() if value is not _NOTHING}
        if node.type == "array":
            return [self._literal(child, depth + 1) for child in node.named_children if child.type != "comment"]
        value = self.fold(node)
        return (
            values.as_text(value)
            if isinstance(value, str)
            else value
            if isinstance(value, (int, float))
            else _NOTHING
        )

    def _json_of_binding(self, binding: Binding, depth: int = 0) -> object:
        if len(binding.definitions) != 1:
            return _NOTHING
        how, node, path, _function, _default = binding.definitions[0]
        if node is None or how not in {How.VALUE, How.MODULE}:
            return _NOTHING
        found = self._json_file(self.text(node)) if how is How.MODULE else self._json_of(node, depth + 1)
        for step in path:
            name = self.step(step)
            if name == "default" and how is How.MODULE:
                continue
            found = _NOTHING if name is None else _step(found, name)
        return found

    def _json_file(self, name: str | None) -> object:
        if name is None or not name.endswith(".json"):
            return _NOTHING
        path = self.resolved(name, beside=name.startswith("."))
        return _NOTHING if path is None else _parsed(self._files.content(path))


def inflated(data: bytes, window: int, limit: int) -> Value:
    """The data decompressed, if there are at most *limit* bytes of it."""
    stream = zlib.decompressobj(window)
    try:
        plain = stream.decompress(data, limit)
    except zlib.error:
        return UNKNOWN
    return plain if stream.eof else UNKNOWN


def _decoded(data: bytes, encoding: str) -> Value:
    if encoding.lower() in {"base64", "base64url"}:
        return b64encode(data).decode("ascii")
    return values.decode_bytes(data, encoding)


def _found_at(value: Value, part: Value, *, last: bool) -> Value:
    if isinstance(value, bytes) and isinstance(part, str):
        part = values.as_text(part).encode("utf-8", "replace")
    if isinstance(value, bytes) and isinstance(part, bytes):
        return value.rfind(part) if last else value.find(part)
    if isinstance(value, str) and isinstance(part, str):
        return value.rfind(part) if last else value.find(part)
    return UNKNOWN


def _parsed(content: object) -> object:
    if not isinstance(content, (str, bytes)) or len(content) > _MAX_JSON:
        return _NOTHING
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return _NOTHING


def _step(value: object, name: str) -> object:
    if name == "default":
        return value
    if isinstance(value, dict):
        return value.get(name, _NOTHING)
    if isinstance(value, list) and name.isdecimal() and len(name) < 10:
        return value[int(name)] if int(name) < len(value) else _NOTHING
    return _NOTHING


def _as_value(found: object) -> Value:
    if isinstance(found, str):
        return values.as_units(found)
    if isinstance(found, (bool, int, float)):
        return found
    if isinstance(found, list):
        return tuple(_as_value(each) for each in found)
    return UNKNOWN
