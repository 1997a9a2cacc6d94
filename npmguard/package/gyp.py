"""What a package's .gyp files make npm run at install time without a word in its scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from npmguard.package.manifest import install_scripts

if TYPE_CHECKING:
    from npmguard.model import PackageArchive

#: Endings of the files that node-gyp reads, which :func:`npmguard.package.tarball.read_archive` keeps.
GYP_SUFFIXES: Final = (".gyp", ".gypi")

_NEAR = 3  # marks that are remembered
# GYP's command expansions: "<!(command)", "<!@(command)" and their late twins with ">" and "^"
_EXPANSION = re.compile(r"[<>^]!@?\(")
_BRACKET = re.compile(r"[()]")
_TOKEN = re.compile(  # an unclosed string goes on to the end: no input makes the search start over
    r"""\#[^\n]*
      | (?P<raw>[rR]?)(?:'(?P<single>(?:[^'\\]|\\.|\\\Z)*)(?:'|\Z)|"(?P<double>(?:[^"\\]|\\.|\\\Z)*)(?:"|\Z))
      | (?P<mark>[^\s#])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-7]{1,3})|(.))", re.DOTALL)
_NAMED_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\n": ""}


def implicit_install_script(archive: PackageArchive) -> str | None:
    """The root .gyp file for which npm runs ``node-gyp rebuild`` although no script says so, or None.

    npm does so for binding.gyp when there is no install or preinstall script and ``gypfile`` is not false;
    its publishing does for any root .gyp file (``@npmcli/package-json``, step ``gypfile``).
    """
    manifest = archive.manifest
    if manifest is None or manifest.gypfile is False:
        return None
    scripts = install_scripts(manifest)
    if "install" in scripts or "preinstall" in scripts:
        return None
    # Binding.gyp is binding.gyp to npm where the file system does not tell case apart
    names = sorted(path for path in archive.files if path.lower().endswith(".gyp") and "/" not in path)
    return "binding.gyp" if "binding.gyp" in names else next(iter(names), None)


def gyp_commands(archive: PackageArchive) -> tuple[str, ...]:
    """The shell commands in the package's .gyp and .gypi files, which node-gyp runs; sorted.

    Those are command expansions (``<!(node x.js)``, run while the file is read) and the ``action`` lists of
    actions and rules (run while building). A .gyp file is a Python literal; only its strings are looked at.
    """
    found: set[str] = set()
    for path, file in archive.files.items():
        if path.lower().endswith(GYP_SUFFIXES) and file.content is not None:
            found.update(_commands(file.content.decode("utf-8", "replace")))
    return tuple(sorted(found))


def _commands(text: str) -> Iterator[str]:
    action: list[str] | None = None  # the words of the action list that is being read
    before = ""  # the marks since the last string
    last = ""
    for value, mark in _tokens(text):
        if mark:
            before = (before + mark)[:_NEAR]
            if action is not None and mark == "]":
                yield " ".join(action)
                action = None
            continue
        if last == "action" and before == ":[":
            action = []
        if action is not None:
            action.append(value)
        yield from _expansions(value)
        last, before = value, ""


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Strings, those side by side joined as Python joins them, and single marks: one of the two is empty."""
    pending: list[str] = []
    for token in _TOKEN.finditer(text):
        mark = token["mark"]
        if mark:
            if pending:
                yield "".join(pending), ""
                pending = []
            yield "", mark
        else:
            string = token["single"] if token["double"] is None else token["double"]
            if string is not None:
                pending.append(string if token["raw"] else _ESCAPE.sub(_unescaped, string))
    if pending:
        yield "".join(pending), ""


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code:
        return chr(int(code, 16))
    if match[3]:
        return chr(int(match[3], 8))
    return _NAMED_ESCAPES.get(match[4], match[4])


def _expansions(text: str) -> Iterator[str]:
    """What stands in the brackets of each expansion; one inside another is part of the outer one's command."""
    position = 0
    while match := _EXPANSION.search(text, position):
        depth, end = 1, len(text)
        for bracket in _BRACKET.finditer(text, match.end()):
            depth += 1 if bracket[0] == "(" else -1
            if depth == 0:
                end = bracket.start()
                break
        yield text[match.end() : end].strip()
        position = end
