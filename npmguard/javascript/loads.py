"""Files of the own package that a program reads and runs, whatever their names say that they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tree_sitter import Node

from npmguard.config import Limits
from npmguard.javascript import values
from npmguard.javascript.callsites import arguments
from npmguard.javascript.carriers import carried_code
from npmguard.javascript.layers import Evaluation, Evaluations
from npmguard.javascript.own_files import DATA_SUFFIXES, SOURCE_SUFFIXES, OwnFileConstants, PackageFiles
from npmguard.javascript.paths import REQUIRES, Path, Root
from npmguard.javascript.program import Program
from npmguard.javascript.relevance import Relevance

_BESIDE = REQUIRES | {"import"}
_RUNNERS = frozenset(
    {
        "child_process.fork",
        "Worker",
        "SharedWorker",
        "worker_threads.Worker",
        "importScripts",
        "module.register",
    }
)
_SPAWNERS = frozenset({"spawn", "spawnSync", "execFile", "execFileSync"})
_SHELLS = frozenset({"exec", "execSync"})
_WANTED = frozenset(name.rpartition(".")[2].encode() for name in (*_BESIDE, *_RUNNERS, *_SPAWNERS, *_SHELLS))
_COMMAND = re.compile(r"\b(?:node|nodejs|bun|deno run)\s+(?:--?[\w=-]+\s+)*[\"']?([^\s\"';&|]+)")
_MOST_KEY = 64  # characters
_MOST_CARRIED = 16  # pieces of code of one file


class OwnFiles:
    """What the files of a package add to the evaluations of one of its programs."""

    def __init__(self, program: Program, path: str, files: PackageFiles, limits: Limits) -> None:
        """Prepare to look at *program*, which stands at *path* among *files*."""
        self._program = program
        self._path = path
        self._files = files
        self._constants = OwnFileConstants(program, path, files, limits)

    def close(self) -> None:
        """Let go of what refers back."""
        self._constants.close()

    def solved(self, evaluations: Sequence[Evaluation], relevance: Relevance) -> list[Evaluation]:
        """The evaluations, those of texts that come from the package's files worked out.

        *relevance* is that of :func:`npmguard.javascript.layers.searching`.
        """
        open_ones = [each for each in evaluations if each.text is None]
        if not open_ones:
            return list(evaluations)
        search = Evaluations(self._program, relevance, self._constants, self._constants.names)
        again = search.again(open_ones)
        texts = {(each.start, each.end): each.text for each in again if each.text is not None}
        found = [
            each if each.text is not None else replace(each, text=texts.get((each.start, each.end)))
            for each in evaluations
        ]
        if any(each.text is None for each in found):
            found.extend(self._carried())
        return found

    def loaded(self, relevance: Relevance) -> Iterator[Evaluation]:
        """The files that are loaded as code although no ending says that they are."""
        index, names = self._program.index, self._constants.names
        for call, callee, _kind in relevance.likely_calls(_WANTED):
            given = arguments(call)
            if given:
                yield from self._load(call, names.path(callee), given)
        for node in index.of("new"):
            constructor, given = node.child_by_field_name("constructor"), arguments(node)
            if constructor is not None and given and relevance.maybe(constructor, constructor.type, _WANTED):
                yield from self._load(node, names.path(constructor), given)
        for node in index.of("module"):
            source = node.child_by_field_name("source")
            if source is not None:
                yield from self._evaluation(node, self._constants.own_path([source], beside=True))

    def _load(self, node: Node, path: Path, given: Sequence[Node]) -> Iterator[Evaluation]:
        name, last = path.name, path.segments[-1] if path.segments else ""
        if name in _BESIDE or name in _RUNNERS:
            yield from self._evaluation(node, self._constants.own_path(given, beside=name in _BESIDE))
        elif path.root is Root.MODULE and last in _SHELLS:
            command = self._constants.text(given[0])
            for match in _COMMAND.finditer(command or ""):
                yield from self._evaluation(node, self._constants.resolved(match[1]))
        elif path.root is Root.MODULE and last in _SPAWNERS and len(given) > 1:
            words = self._constants.fold(given[1])
            for word in words if isinstance(words, tuple) else ():
                if isinstance(word, str) and not word.startswith("-"):
                    yield from self._evaluation(node, self._constants.resolved(values.as_text(word)))
                    break

    def _evaluation(self, node: Node, path: str | None) -> Iterator[Evaluation]:
        if path is None or path == self._path or path.endswith((*SOURCE_SUFFIXES, *DATA_SUFFIXES)):
            return
        content = self._files.content(path)
        if content is not None:
            text = content.decode("utf-8", "replace")
            yield Evaluation(node.start_byte, node.end_byte, text, certain=False)

    def _carried(self) -> Iterator[Evaluation]:
        """What the files that are read may carry, told where they are read."""
        keys: list[str] | None = None
        for call, path, content in self._constants.reads():
            if path.endswith(SOURCE_SUFFIXES):
                continue
            if keys is None:
                keys = self._keys()
            for count, code in enumerate(carried_code(content, keys)):
                if count >= _MOST_CARRIED:
                    break
                yield Evaluation(call.start_byte, call.end_byte, code, certain=False)

    def _keys(self) -> list[str]:
        """Short texts of the program, which may be the key to what it reads."""
        found = (self._program.constants.text(node) for node in self._program.index.of("string"))
        return [text for text in found if text is not None and 3 < len(text) <= _MOST_KEY]
