"""yarn.lock of Yarn 1, in the format of its own ``lockfile/parse.js``."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from npmguard.errors import LockfileSyntaxError
from npmguard.lockfile.assembly import (
    Assembly,
    judge_source,
    name_of_address,
    object_of,
    requirements,
    split_descriptor,
    text_of,
)
from npmguard.lockfile.entries import Entry, skip
from npmguard.lockfile.printable import printable
from npmguard.lockfile.resolved import Source, classify, redact
from npmguard.lockfile.text import decode_text, refuse_conflict
from npmguard.model import Hash, LockedPackage, Lockfile, Requirement, SkippedPackage, SkipReason

_MEND = "restore it from version control, or remove it and run yarn install"
_TOKEN = re.compile(r'[ \t]*(?:("(?:[^"\\]|\\.)*+")|([:,])|(#.*+)|([^\s:,"#][^\s:,]*+))')
_SHA1 = re.compile(r"[0-9a-f]{40}")
_ALIAS = "npm:"
_DEPTH = 8
_SECTIONS = (("dependencies", "prod"), ("optionalDependencies", "optional"))

# Yarn's own name of npm's registry: the same host answers to both.
_YARN_REGISTRY = "https://registry.yarnpkg.com/"
_NPM_REGISTRY = "https://registry.npmjs.org/"


@dataclass(slots=True)
class _Record:
    """One entry as it stands in the file: what asks for it, and its fields."""

    descriptors: list[str]
    line: int
    fields: dict[str, object] = field(default_factory=dict)


def read_yarn_classic(data: bytes, path: str, manifest: Mapping[str, object] | None) -> Lockfile:
    """Read a Yarn 1 lock; *manifest* is the package.json beside it, which alone says what the project asks for.

    Yarn 1 writes no workspace and no ``link:`` into its lock. What nothing else leads to is taken to be asked
    for by the project, or by a workspace of it. An address of registry.yarnpkg.com is read as the one of
    registry.npmjs.org, whose other name it is.

    Raises:
        LockfileSyntaxError: not the format; the message names the line.
    """
    text = decode_text(data, path, _MEND)
    refuse_conflict(text, path, _MEND)
    assembly = Assembly(path, "yarn-classic", 1)
    homes: dict[str, str] = {}
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for record in _records(text, path):
        location = _add(assembly, record)
        for descriptor in record.descriptors:
            homes[descriptor] = location
            by_name[split_descriptor(descriptor)[0]].append(location)
    asked = requirements(manifest)
    name = manifest.get("name") if manifest is not None else None
    assembly.project(name if isinstance(name, str) else None, (it for it in asked if it.name in by_name))
    if manifest is not None and not manifest.get("workspaces"):
        absent = [it for it in asked if it.name not in by_name and not it.spec.startswith("link:")]
        assembly.project(assembly.name, absent)

    def find(_location: str, asks: Requirement) -> str | None:
        found = homes.get(f"{asks.name}@{asks.spec}")
        if found is None:  # the project's `resolutions` put another range in the place of the one asked for
            others = dict.fromkeys(by_name.get(asks.name, ()))
            found = next(iter(others)) if len(others) == 1 else None
        return found

    return assembly.finish(find, presume=True)


def _add(assembly: Assembly, record: _Record) -> str:
    fields = record.fields
    version, address = fields.get("version"), fields.get("resolved")
    resolved, _, fragment = address.partition("#") if isinstance(address, str) else ("", "", "")
    if isinstance(address, str) and classify(address)[0] is Source.GIT:
        resolved = address  # the fragment is the commit
    elif resolved.startswith(_YARN_REGISTRY):
        resolved = _NPM_REGISTRY + resolved[len(_YARN_REGISTRY) :]
    installed, range_, name = _named(record, resolved)
    wanted = f"{installed}@{version}" if name == installed else f"{installed}@npm:{name}@{version}"
    location = assembly.location(wanted)
    integrity = fields.get("integrity")
    if not integrity and _SHA1.fullmatch(fragment):
        integrity = str(Hash("sha1", bytes.fromhex(fragment)))
    meta = {"version": version, "resolved": resolved, "integrity": integrity}
    entry = Entry(location, record.line, meta)
    if not resolved and not _is_registry_range(range_):
        judged = _without_address(entry, name, range_)
    else:
        judged = judge_source(entry, name, installed)
    asks = [
        Requirement(each, spec, kind)
        for section, kind in _SECTIONS
        for each, spec in object_of(fields, section).items()
        if isinstance(spec, str)
    ]
    assembly.add(judged, asks)
    return location


def _named(record: _Record, resolved: str) -> tuple[str, str, str]:
    """The name that it is installed under, what was asked for, and the package's own name.

    Of several descriptors the one counts whose package the address does not name, so that an entry which
    brings another package under a trusted name is never told by the other one's.
    """
    by_address = name_of_address(resolved)
    found = []
    for descriptor in record.descriptors:
        installed, range_ = split_descriptor(descriptor)
        if range_.startswith(_ALIAS):
            name = split_descriptor(range_[len(_ALIAS) :])[0]
        elif ":" not in range_:
            name = installed
        else:  # an address was asked for: whatever package is there
            stated = record.fields.get("name")
            name = by_address or (stated if isinstance(stated, str) else installed)
        found.append((installed, range_, name))
    return next((it for it in found if by_address not in {None, it[2]}), found[0])


def _is_registry_range(range_: str) -> bool:
    return ":" not in range_ or range_.startswith(_ALIAS)


def _without_address(entry: Entry, name: str, range_: str) -> LockedPackage | SkippedPackage:
    """What an entry without an address is, by what was asked for."""
    version = text_of(entry.meta, "version")
    if range_.startswith("link:"):
        return skip(entry, SkipReason.LINK, f"link to {printable(range_[len('link:') :])}", name, version)
    source = classify(range_)[0]
    if source is Source.FILE and not range_.endswith((".tgz", ".tar.gz")):
        folder = range_.removeprefix("file:")
        return skip(entry, SkipReason.WORKSPACE, f"folder {printable(folder)}", name, version)
    reasons = {Source.GIT: SkipReason.GIT, Source.FILE: SkipReason.FILE, Source.URL: SkipReason.URL}
    if source in reasons:
        return skip(entry, reasons[source], redact(range_), name, version)
    detail = f'no address, and "{redact(range_)}" is no range of versions'
    return skip(entry, SkipReason.INVALID, detail, name, version)


def _records(text: str, path: str) -> list[_Record]:
    """The entries of the file, by its indentation of two spaces a level."""
    records: list[_Record] = []
    open_: list[dict[str, object]] = []  # the objects that the next line may stand in, outermost first
    for number, line in enumerate(text.split("\n"), 1):
        tokens = _tokens(line.rstrip("\r"), path, number)
        if not tokens:
            continue
        spaces = len(line) - len(line.lstrip(" "))
        level, odd = divmod(spaces, 2)
        if odd or level > len(open_) or level > _DEPTH or line[spaces] == "\t":
            raise _error(path, number, "indented where no entry or field can stand")
        del open_[level:]
        if level == 0:
            record = _Record(_descriptors(tokens, path, number), number)
            records.append(record)
            open_.append(record.fields)
            continue
        holder = open_[-1]
        key, *rest = tokens
        if key in _MARKS or (len(rest) != 1 and rest[:1] != [":"]) or len(rest) > 2:
            raise _error(path, number, "no field of a name and a value")
        name = _plain(key)
        if name in holder:
            raise _error(path, number, f'"{printable(name)}" stands twice in one entry')
        if rest == [":"]:
            inner: dict[str, object] = {}
            holder[name] = inner
            open_.append(inner)
        elif rest[-1] in _MARKS:
            raise _error(path, number, "a field without a value")
        else:
            holder[name] = _plain(rest[-1])
    return records


_MARKS = frozenset({":", ","})


def _tokens(line: str, path: str, number: int) -> list[str]:
    """The words and marks of a line, words in quotes with theirs; a comment ends it."""
    tokens: list[str] = []
    at, end = 0, len(line.rstrip())
    while at < end:
        match = _TOKEN.match(line, at, end)
        if match is None:
            raise _error(path, number, f"unreadable from column {at + 1} on")
        quoted, mark, comment, word = match.groups()
        if comment is not None:
            break
        if quoted is not None:
            _unquoted(quoted, path, number)
        tokens.append(quoted or mark or word)
        at = match.end()
    return tokens


def _descriptors(tokens: list[str], path: str, number: int) -> list[str]:
    """``a@^1, "b@^2":`` as its two descriptors."""
    words, marks = tokens[:-1:2], tokens[1:-1:2]
    well_formed = tokens[-1] == ":" and len(tokens) % 2 == 0 and all(mark == "," for mark in marks)
    if not well_formed or any(word in _MARKS for word in words):
        raise _error(path, number, "no head of an entry; it is written as name@range, name@range:")
    return [_plain(word) for word in words]


def _plain(token: str) -> str:
    return str(json.loads(token)) if token.startswith('"') else token


def _unquoted(token: str, path: str, number: int) -> None:
    try:
        value = json.loads(token)
        value.encode("utf-8")
    except (ValueError, UnicodeEncodeError):
        raise _error(path, number, "text in quotes that is no JSON string") from None


def _error(path: str, number: int, message: str) -> LockfileSyntaxError:
    return LockfileSyntaxError(f"{path}:{number}: not Yarn's format: {message}; {_MEND}")
