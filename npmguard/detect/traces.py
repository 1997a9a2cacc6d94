"""What a flagged file can be known by elsewhere: its hash, and the addresses, URLs and hosts that it names."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from npmguard.detect.analyse import sources
from npmguard.javascript.wallets import addresses_in
from npmguard.model import FactKind, FileTrace, Finding, PackageArchive, PackageFile, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from npmguard.config import Limits
    from npmguard.model import Fact, FileFacts

MOST: Final = 500
"""Names of one file; the rest is left out, first come those that stand first in the order of text."""

_FLAGS = frozenset({Severity.CRITICAL, Severity.HIGH})
_OLD_BYTES = 16 * 1024**2  # of the version before, beside the file of the same path
_URL = re.compile(r"(?:https?|wss?)://[^\s\"'`<>\\{}|^$]{4,2000}", re.IGNORECASE)
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}", re.IGNORECASE)
_IPV4 = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}")
_NAMES_A_HOST = re.compile(rb"(?:host|hostname|servername|domain)[\"']?\s*[:=]\s*\Z", re.IGNORECASE)
_FILES = frozenset(
    {
        *(
            "js",
            "cjs",
            "mjs",
            "jsx",
            "ts",
            "mts",
            "cts",
            "tsx",
            "json",
            "md",
            "txt",
            "html",
            "htm",
            "css",
            "map",
        ),
        *("node", "wasm", "xml", "yml", "yaml", "toml", "lock", "log", "sh", "bat", "cmd", "ps1", "exe", "dll"),
        *(
            "so",
            "py",
            "rb",
            "go",
            "rs",
            "java",
            "class",
            "zip",
            "gz",
            "tgz",
            "tar",
            "bak",
            "env",
            "cfg",
            "conf",
        ),
        *(
            "ini",
            "png",
            "jpg",
            "svg",
            "prototype",
            "default",
            "exports",
            "length",
            "push",
            "call",
            "apply",
            "bind",
        ),
    }
)
"""Last labels of what looks like a host and is a file or a member."""


def traces(
    archive: PackageArchive, findings: Iterable[Finding], limits: Limits, old: PackageArchive | None
) -> tuple[FileTrace, ...]:
    """A trace of each file that findings of severity critical or high name, by path.

    With the version before (*old*), what its files spell out as well is left out: it was there before the
    attack. Without one, URLs and hosts count in the functions and on the lines that the findings name, wallet
    addresses anywhere in the file. A file of which neither hash nor content is known has no trace.
    """
    lines: dict[str, set[int]] = {}
    for finding in findings:
        if finding.severity in _FLAGS:
            for path, line in _places(finding):
                lines.setdefault(path, set()).add(line or 0)
    code = frozenset(file.path for file in sources(archive)) if lines else frozenset()
    found = []
    for path in sorted(lines.keys() & archive.files.keys()):
        file = archive.files[path]
        if file.content is None:
            if file.sha256:
                found.append(FileTrace(path, file.sha256))
            continue
        names: set[str] = set()
        if path in code and len(file.content) <= limits.source_bytes:
            names = _names(file, file.content, limits, None if old is not None else lines[path])
        if old is not None:
            names = _without(names, path, old)
        digest = file.sha256 or sha256(file.content).hexdigest()
        found.append(FileTrace(path, digest, tuple(sorted(names)[:MOST])))
    return tuple(found)


def _places(finding: Finding) -> Iterator[tuple[str, int | None]]:
    if finding.file is not None:
        yield finding.file, finding.line
    for evidence in finding.evidence:
        path = evidence.file or finding.file
        if path is not None:
            yield path, evidence.line


def _names(file: PackageFile, content: bytes, limits: Limits, lines: set[int] | None) -> set[str]:
    """What the strings of a file name once they are folded; *lines* None is all of the file."""
    from npmguard.javascript.facts import extract_facts  # noqa: PLC0415 - brings tree-sitter with it
    from npmguard.javascript.interest import Interest  # noqa: PLC0415
    from npmguard.javascript.syntax import source_text  # noqa: PLC0415

    facts = extract_facts(file.path, content, limits, Interest(calls=None, strings=True, string_length=4))
    source = source_text(content)
    near = None if lines is None else _functions(facts, lines)
    found: set[str] = set()
    for fact in facts.facts:
        if fact.kind is not FactKind.STRING or not fact.value:
            continue
        found.update(address for _, address in addresses_in(fact.value, MOST))
        if lines is None or near is None or fact.line in lines or fact.function in near:
            found.update(_urls(fact.value))
            found.update(_hosts(fact, fact.value, source))
    return found


def _functions(facts: FileFacts, lines: set[int]) -> set[int]:
    """The functions that have a fact on one of *lines*; not the top level, which is no place."""
    return {fact.function for fact in facts.facts if fact.line in lines} - {0}


def _urls(value: str) -> Iterator[str]:
    for match in _URL.finditer(value):
        yield match.group().rstrip(".,;:)]")


def _hosts(fact: Fact, value: str, source: bytes) -> Iterator[str]:
    """A string that is nothing but a host, where the code says that it is one, or hides it."""
    if _IPV4.fullmatch(value):
        yield value
    elif _HOST.fullmatch(value) and value.rpartition(".")[2].lower() not in _FILES:
        before = source[max(fact.start - 24, 0) : fact.start]
        if fact.decoded or _NAMES_A_HOST.search(before):
            yield value.lower()


def _without(names: set[str], path: str, old: PackageArchive) -> set[str]:
    """*names* without those that the version before spells out."""
    first = old.files.get(path)
    texts = [first.content] if first is not None and first.content is not None else []
    size = 0
    for other in sorted(old.files):
        content = old.files[other].content
        if other != path and content is not None:
            size += len(content)
            if size > _OLD_BYTES:
                break
            texts.append(content)
    return {name for name in names if not any(name.encode() in text for text in texts)}
