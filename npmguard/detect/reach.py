"""Which files of a package run at its installation, and which when it is loaded."""

from __future__ import annotations

import fnmatch
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from npmguard.detect.match import resolve_local
from npmguard.model import PackageArchive

_MAIN = "index.js"
_SOME_SCRIPT = "an install script"
_CODE = (".js", ".cjs", ".mjs", ".jsx", ".ts", ".cts", ".mts", ".tsx")
_MOST_FILES = 5000
_MOST_NAMES = 2000  # in one file
_LONGEST_WAY = 6  # files shown of a way
# What looks like the path of a file beside this one, in quotes: in require, import, new Worker, fork, join
_BESIDE = re.compile(
    rb"""["'`](\.{1,2}/[^"'`\n\\]{1,200}|\.{1,2}|/?[\w@.-][\w@./-]{0,200}\.[cm]?[jt]sx?)["'`]"""
)


class Reach:
    """The files that *archive* runs by itself, each with the way to it; worked out when it is asked for.

    *at_installation* says what an installation runs: a path, and the script that names it. *imports* says of
    files that were read as code what they import, where their spelling hides it. *installed* are further files
    that an installation is known to run.

    A file is taken to run what it names in quotes as a file of the package, whatever it does with the name:
    who reads too much here calls a file reached that is not, who reads too little lets it go.
    """

    def __init__(
        self,
        archive: PackageArchive,
        at_installation: Mapping[str, str],
        imports: Mapping[str, tuple[str, ...]],
        installed: Iterable[str] = (),
    ) -> None:
        self._archive = archive
        self._at_installation = at_installation
        self._imports = imports
        self._installed = installed

    @cached_property
    def installation(self) -> Mapping[str, str]:
        """Files that run at installation, with the way: ``scripts.postinstall > setup.js``."""
        ways = self._ways(self._at_installation)
        others = (path for path in sorted(self._installed) if path not in ways)
        return {**ways, **{path: f"{_SOME_SCRIPT} > {path}" for path in others}}

    @cached_property
    def load(self) -> Mapping[str, str]:
        """Files that run when the package, or one of its commands, is loaded: ``main > lib/a.js``."""
        return self._ways(dict(self._entries()))

    def _entries(self) -> Iterator[tuple[str, str]]:
        manifest = self._archive.manifest
        if manifest is None:
            yield _MAIN, "main"
            return
        for command, path in sorted(manifest.bin.items(), reverse=True):
            yield path, f"bin.{command}"
        for path in manifest.entries:
            for each in self._matching(path):
                yield each, "exports"
        yield manifest.main or _MAIN, "main"

    def _matching(self, path: str) -> Iterator[str]:
        if "*" not in path:
            yield path
            return
        pattern = path.removeprefix("./").replace("[", "[[]").replace("?", "[?]")
        yield from fnmatch.filter(sorted(self._archive.files), pattern)

    def _ways(self, starts: Mapping[str, str]) -> Mapping[str, str]:
        """The starts that are files, and all that they lead to, with the shortest way to each."""
        ways: dict[str, tuple[str, ...]] = {}
        queue: deque[str] = deque()
        for start, label in starts.items():
            path = resolve_local("", start, self._archive.files)
            if path is not None:
                if path not in ways:
                    queue.append(path)
                ways[path] = (label, path)
        while queue and len(ways) < _MOST_FILES:
            path = queue.popleft()
            for name in self._names(path):
                target = resolve_local(path, name, self._archive.files)
                if target is not None and target not in ways:
                    ways[target] = (*ways[path], target)
                    queue.append(target)
        return {path: " > ".join(_shortened(way)) for path, way in ways.items()}

    def _names(self, path: str) -> Iterator[str]:
        yield from self._imports.get(path, ())
        content = self._archive.files[path].content
        if content is None or (not path.endswith(_CODE) and "." in path.rpartition("/")[2]):
            return
        names = dict.fromkeys(match[1] for match in _BESIDE.finditer(content))
        for name in list(names)[:_MOST_NAMES]:
            yield name.decode("utf-8", "replace").lstrip("/")


def _shortened(way: tuple[str, ...]) -> tuple[str, ...]:
    return way if len(way) <= _LONGEST_WAY else (*way[:2], "...", *way[-2:])
