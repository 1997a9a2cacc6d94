"""The shapes of code that turns against its own files or the user's.

======================== ==============================================================================
``deletes-own-file``     the file that runs, or its folder, is deleted by it
``copies-own-file``      the file that runs is read or copied by it
``replaces-own-manifest`` another file takes the place of the package's own package.json
``deletes-home``         the user's home folder or the disk is deleted, at once or file by file
======================== ==============================================================================
"""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from npmguard.javascript.callsites import arguments, unwrap
from npmguard.javascript.own_places import OwnPlaces, Place
from npmguard.javascript.paths import Path
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place as Span

_FILE_SYSTEM = frozenset(
    {"fs", "fs/promises", "fs-extra", "graceful-fs", "Deno", "Bun", "rimraf", "del", "trash"}
)
_REMOVERS = frozenset(
    {*("unlink", "unlinkSync", "rm", "rmSync", "rmdir", "rmdirSync", "remove", "removeSync", "emptyDir")}
    | {"emptyDirSync", "rimraf", "rimrafSync", "sync", "del", "deleteSync", "deleteAsync", "trash"}
)
_TREE_REMOVERS = _REMOVERS - {"unlink", "unlinkSync"}
_READERS = frozenset(
    {"readFile", "readFileSync", "createReadStream", "copyFile", "copyFileSync", "cp", "cpSync"}
)
_MOVERS = frozenset({"rename", "renameSync", "copyFile", "copyFileSync", "move", "moveSync", "cp", "cpSync"})
_LISTERS = frozenset({"readdir", "readdirSync", "opendir", "opendirSync", "walk", "walkSync"})
_ALIASES = frozenset({"rimraf", "del", "trash"})  # modules that are functions themselves
_CALLEES = frozenset(
    {
        *(
            "identifier",
            "member_expression",
            "subscript_expression",
            "parenthesized_expression",
            "call_expression",
        )
    }
)


class FileCalls:
    """The calls of a program that touch files, by what they do; other searches are built on it."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self.program = program
        self.places = OwnPlaces(program)

    def calls(self, names: frozenset[str]) -> Iterator[tuple[Node, str, list[Node]]]:
        """The calls of file functions of those names, with the name and what is given."""
        for call, path in self._likely(names):
            if path.segments:
                last = path.segments[-1]
                if last in names and self._touches_files(path.segments, known=path.known):
                    yield call, last, arguments(call)

    def _likely(self, names: frozenset[str]) -> Iterator[tuple[Node, Path]]:
        """The calls that may be of those names, with what they call."""
        for call, _callee, kind, path in self.program.called_as(names):
            if kind in _CALLEES:
                yield call, path
        spelled = frozenset(name.encode() for name in names)
        for call, callee, _kind in self.program.in_time(self.program.index.calls_of(spelled)):
            yield call, self.program.names.path(callee)

    @staticmethod
    def _touches_files(segments: tuple[str, ...], *, known: bool) -> bool:
        last = segments[-1]
        if known:
            return segments[0] in (_ALIASES if len(segments) == 1 or last == "sync" else _FILE_SYSTEM)
        return last.endswith("Sync") or segments[-2:-1] == ("promises",) or last in {"unlink", "rm"}


class OwnFileDeletions(FileCalls):
    """Finds code that deletes itself."""

    def find(self) -> Iterator[Span]:
        """The calls that do."""
        for call, name, given in self.calls(_REMOVERS):
            place = self.places.of(given[0]) if given else None
            if place is Place.OWN_FILE or (place is Place.OWN_FOLDER and name in _TREE_REMOVERS):
                yield (call.start_byte, call.end_byte, None)


class OwnFileCopies(FileCalls):
    """Finds code that reads or copies itself."""

    def find(self) -> Iterator[Span]:
        """The calls that do."""
        for call, _name, given in self.calls(_READERS):
            if given and self.places.of(given[0]) is Place.OWN_FILE:
                yield (call.start_byte, call.end_byte, None)


class ManifestSwaps(FileCalls):
    """Finds code that puts another file in the place of its own package.json."""

    def find(self) -> Iterator[Span]:
        """The calls that do."""
        for call, _name, given in self.calls(_MOVERS):
            if len(given) > 1 and self.places.of(given[1]) is Place.OWN_MANIFEST:
                yield (call.start_byte, call.end_byte, None)


class HomeDeletions(FileCalls):
    """Finds code that deletes the user's home folder or the disk."""

    def find(self) -> Iterator[Span]:
        """The calls that do, and the calls of the program's own functions that walk and delete."""
        removals = list(self.calls(_REMOVERS))
        if not removals:
            return
        for call, name, given in removals:
            if name in _TREE_REMOVERS and given and self.places.of(_first(given[0])) is Place.HOME:
                yield (call.start_byte, call.end_byte, None)
        listings = [call.start_byte for call, _name, _given in self.calls(_LISTERS)]
        if not listings:
            return
        removed = [call.start_byte for call, _name, _given in removals]
        for call, callee, kind in self.program.in_time(self.program.index.calls):
            given = arguments(call)
            if kind != "identifier" or not given:
                continue
            function = self.program.constants.function_of(callee)
            if function is None:
                continue
            span = range(function.start_byte, function.end_byte)
            if call.start_byte in span or not any(at in span for at in removed):
                continue
            if any(at in span for at in listings) and self.places.of(given[0]) is Place.HOME:
                yield (call.start_byte, call.end_byte, None)


def _first(node: Node) -> Node:
    """The first element of an array literal, else the node itself."""
    node = unwrap(node)
    return node.named_children[0] if node.type == "array" and node.named_children else node
