"""Which files of a package run when npm installs it, as far as their text tells."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from npmguard.package.gyp import gyp_commands
from npmguard.package.manifest import install_scripts
from npmguard.package.shell import parse_shell

if TYPE_CHECKING:
    from npmguard.model import Manifest, PackageArchive, PackageFile

#: Endings of files that shells run, which are worth keeping for :func:`install_shell_files`.
SHELL_SUFFIXES: Final = (".sh", ".bash", ".zsh", ".ps1", ".bat", ".cmd")
#: Bytes of a shell file that is kept; none that is run at an installation comes near.
MAX_SHELL_FILE: Final = 64 * 1024

_MAX_FILES = 2000
_MAX_CODE = 4 * 1024 * 1024  # bytes of one file in which names of other files are looked for
_MAX_CHARACTERS = 1024 * 1024  # of the shell words of one package
_MAX_FOLDERS = 8  # that one script goes to
_MAX_PATH = 300
_CODE_SUFFIXES = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".jsx", ".tsx")
_SHELL_HASHBANG = re.compile(rb"#!.*\b(?:ba|z|da|k|a)?sh\b")
_REQUIRED = re.compile(
    rb"(?:\brequire(?:\s*\.\s*resolve)?\s*\(|\bimport\s*\(|\bfrom|\bimport)\s*[\"'`](\.{1,2}(?:/[^\"'`\n]{0,200})?)[\"'`]"
)
_STARTS_OTHERS = re.compile(
    rb"child_process|worker_threads|cluster|\b(?:exec|spawn|fork|execa|createRequire|runInThisContext)|\bimport\s*\("
)
_FILE_NAME = re.compile(
    rb"[\"'`]((?:\.{0,2}/)?[\w@.+-]{1,100}(?:/[\w@.+-]{1,100}){0,8}\.(?:[cm]?js|ts|sh|bash|ps1|bat|cmd))[\"'`]"
)
_REQUIRED_IN_TEXT = re.compile(r"(?:\brequire|\bimport)\s*\(?\s*[\"'`](\.{1,2}(?:/[^\"'`\n]{0,200})?)[\"'`]")
_RUNS_SCRIPTS = frozenset({"npm", "pnpm", "yarn", "bun", "npm-run-all", "run-s", "run-p", "npm-run-all2"})
_RUN_WORDS = frozenset({"run", "run-script", "rum", "urn", "--silent", "-s"})
_CODE_RUNNERS = frozenset({"node", "nodejs", "bun", "deno", "tsx", "ts-node", "esno", "jiti", "babel-node"})
_UNKNOWN_FOLDER = re.compile(r"^.*(?:\$\(\)|\$\{?\w+\}?|%~?\w+%?)[\\/]*")


def install_reach(archive: PackageArchive, manifest: Manifest | None) -> frozenset[str]:
    """The files of *archive* that run when npm installs the package as a dependency.

    Those are the files that the scripts ``preinstall``, ``install`` and ``postinstall`` and the commands of
    .gyp files name (directly, by ``npm run``, by the package's own commands, or in code on their command
    line), and what those load by local ``require`` and ``import``, or start by name. Names that code builds at
    run time are not seen. ``prepare`` does not run for a package from a registry.
    """
    return frozenset(_Walk(archive, manifest).reached) if manifest is not None else frozenset()


def install_shell_files(archive: PackageArchive, manifest: Manifest | None) -> tuple[tuple[str, str], ...]:
    """The shell files among :func:`install_reach`, with their text; those whose content was kept, sorted."""
    reached = sorted(install_reach(archive, manifest))
    return tuple(
        (path, _text(archive.files[path]))
        for path in reached
        if is_shell_file(path, archive.files[path].content)
    )


def is_shell_file(path: str, content: bytes | None) -> bool:
    """Whether a file is for a shell, by its ending or its first line."""
    if content is None:
        return False
    return path.lower().endswith(SHELL_SUFFIXES) or _SHELL_HASHBANG.match(content[:200]) is not None


class _Walk:
    """One package while the files that its installation runs are collected."""

    def __init__(self, archive: PackageArchive, manifest: Manifest) -> None:
        self.reached: dict[str, None] = {}
        self._files: Mapping[str, PackageFile] = archive.files
        self._manifest = manifest
        self._scripts: set[str] = set()
        self._characters = _MAX_CHARACTERS
        for name in install_scripts(manifest):
            self._add(self._script(name))
        for command in gyp_commands(archive):
            self._add(self._shell(command, ""))
        queue = list(self.reached)
        for path in queue:  # grows while it is walked
            queue.extend(self._add(self._named_in(path)))

    def _add(self, paths: Iterable[str]) -> list[str]:
        """Keep those of *paths* that are new; returns them."""
        new = []
        for path in paths:
            if path not in self.reached and len(self.reached) < _MAX_FILES:
                self.reached[path] = None
                new.append(path)
        return new

    def _script(self, name: str) -> Iterator[str]:
        """One script of package.json, with those that run around it."""
        for each in (f"pre{name}", name, f"post{name}"):
            text = self._manifest.scripts.get(each)
            if text and each not in self._scripts:
                self._scripts.add(each)
                yield from self._shell(text, "")
                if "\\" in text:  # which cmd.exe takes for a separator
                    yield from self._shell(text.replace("\\", "/"), "")

    def _shell(self, text: str, folder: str) -> Iterator[str]:
        """What a shell script runs that stands in *folder*; its own working folder is the package's."""
        folders = ["", folder] if folder else [""]
        for words in self._commands(text[:MAX_SHELL_FILE]):
            if words[0] in {"cd", "pushd"} and len(words) > 1 and len(folders) < _MAX_FOLDERS:
                folders.append(posixpath.normpath(words[1]))
            yield from self._command(words, folders)

    def _commands(self, text: str) -> Iterator[list[str]]:
        """The commands of a script and of the scripts in it, as words; each text is read once."""
        pending = [parse_shell(text)]
        while pending and self._characters > 0:
            for command in (command for pipeline in pending.pop() for command in pipeline):
                if command.words:
                    yield [word.text for word in command.words]
                if command.group is not None:
                    pending.append(command.group)
                for word in (*command.words, *command.reads, *command.writes):
                    pending.extend(word.scripts)
                    self._characters -= len(word.text)
                    if " " in word.text and self._characters > 0:  # ``sh -c "node x.js"``, or a sentence
                        pending.append(parse_shell(word.text))

    def _command(self, words: list[str], folders: list[str]) -> Iterator[str]:
        names = [_program(word) for word in words]
        scripts = self._manifest.scripts
        if "--run" in words or any(name in _RUNS_SCRIPTS for name in names):
            for word in words:
                if word in scripts and word not in _RUN_WORDS:
                    yield from self._script(word)
        runs_code = any(name in _CODE_RUNNERS for name in names)
        for word, name in zip(words, names, strict=True):
            own = self._manifest.bin.get(name)
            if own is not None and own in self._files:
                yield own
            for inline in _REQUIRED_IN_TEXT.finditer(word):
                yield from self._found(inline[1], [""], resolve=True)
            yield from self._found(word, folders, resolve=runs_code or word.startswith("."))

    def _found(self, word: str, folders: Iterable[str], *, resolve: bool) -> Iterator[str]:
        """The file that *word* names in one of *folders*, if there is one."""
        spelled = _UNKNOWN_FOLDER.sub("", word).replace("\\", "/").strip("\"'").lstrip("/")
        if not spelled or len(spelled) > _MAX_PATH or spelled.startswith("-"):
            return
        for folder in folders:
            found = self._resolved(posixpath.join(folder, spelled), resolve=resolve)
            if found is not None:
                yield found

    def _resolved(self, path: str, *, resolve: bool) -> str | None:
        """The file of the package that *path* means, as Node looks it up where *resolve* is true."""
        path = posixpath.normpath(path)
        if path == ".":
            path = posixpath.normpath(self._manifest.main or "index.js")
        if path in self._files:
            return path if path != "package.json" else None
        if not resolve:
            return None
        stem = path.removesuffix(".js")  # TypeScript's sources name the file that will be made of them
        candidates = [path + suffix for suffix in _CODE_SUFFIXES]
        candidates += [posixpath.join(path, "index" + suffix) for suffix in _CODE_SUFFIXES]
        candidates += [stem + suffix for suffix in _CODE_SUFFIXES]
        return next((each for each in candidates if each in self._files), None)

    def _named_in(self, path: str) -> Iterator[str]:
        """The files that the file at *path* loads or starts."""
        content = self._files[path].content
        if content is None or path.endswith(".json"):
            return
        folder = posixpath.dirname(path)
        if is_shell_file(path, content):
            yield from self._shell(_text(self._files[path]), folder)
            return
        content = content[:_MAX_CODE]
        for match in _REQUIRED.finditer(content):
            yield from self._found(match[1].decode("utf-8", "replace"), [folder], resolve=True)
        own = self._manifest.name
        if own and own.encode() + b"/" in content:  # a package may import its own files by its name
            for match in re.finditer(
                rb"[\"'`]" + re.escape(own.encode()) + rb"/([^\"'`\n]{1,200})[\"'`]", content
            ):
                yield from self._found(match[1].decode("utf-8", "replace"), [""], resolve=True)
        if _STARTS_OTHERS.search(content):
            for match in _FILE_NAME.finditer(content):
                yield from self._found(match[1].decode("utf-8", "replace"), {folder: 0, "": 0}, resolve=False)


def _program(word: str) -> str:
    return posixpath.basename(word.replace("\\", "/")).removesuffix(".exe").removesuffix(".cmd")


def _text(file: PackageFile) -> str:
    content = file.content or b""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # as PowerShell and Notepad save
        return content.decode("utf-16", "replace")
    return content.decode("utf-8", "replace").removeprefix("\ufeff")
