"""bun.lock, Bun's lock as text: JSON with comments and trailing commas, as its ``bun.lock.zig`` writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from npmguard.errors import LockfileSyntaxError, UnsupportedLockfile
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
from npmguard.lockfile.json_text import JsonText, ObjectReader, kind_of
from npmguard.lockfile.printable import printable
from npmguard.lockfile.resolution import Resolver
from npmguard.lockfile.resolved import Source, classify, redact
from npmguard.lockfile.text import decode_text, refuse_conflict
from npmguard.model import LockedPackage, Lockfile, Requirement, SkippedPackage, SkipReason

BINARY_HEAD = b"#!/usr/bin/env bun\n"
"""How the older, binary form (bun.lockb) begins."""

NEWEST = 2

_MEND = "restore it from version control, or remove it and run bun install --lockfile-only"
_TREE = "node_modules/"
_NO_JSON = re.compile(
    r'("(?:[^"\\]|\\.)*+"?)|(//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)|(,)(?=\s*+[}\]])', re.DOTALL
)
_PROTOCOL = re.compile(r"[a-z+]+(?=:)")
_GIT = frozenset(
    {"git", "git+ssh", "git+https", "git+http", "git+file", "ssh", "github", "gitlab", "bitbucket"}
)


def read_bun(data: bytes, path: str) -> Lockfile:
    """Read Bun's text lock.

    A key is a place in the tree: ``a/b`` is the ``b`` inside ``a``, which is told here as npm's locks do,
    ``node_modules/a/node_modules/b``.

    Raises:
        LockfileSyntaxError: not JSON of that kind, or not the shape of such a lock.
        UnsupportedLockfile: the binary form, or a lockfileVersion that is not known.
    """
    if data.startswith(BINARY_HEAD):
        raise UnsupportedLockfile(
            f"{path}: Bun's binary lock; bun install --save-text-lockfile --frozen-lockfile --lockfile-only"
            " writes the same as bun.lock, which npmguard reads"
        )
    text = decode_text(data, path, _MEND)
    refuse_conflict(text, path, _MEND)
    json_text = JsonText(_as_json(text).encode(), path, _MEND)
    assembly = Assembly(path, "bun", _version(json_text))
    folders = object_of(json_text.top, "workspaces")
    catalogs = {"": object_of(json_text.top, "catalog"), **object_of(json_text.top, "catalogs")}
    locations: list[str] = []
    for key, line, value in _packages(json_text):
        location = assembly.location(_location(key))
        locations.append(location)
        _take(assembly, Entry(location, line, {}), value, folders, catalogs)
    own = folders.get("")
    assembly.project(text_of(own, "name"), _specified(requirements(own), catalogs))
    assembly.project(
        assembly.name,
        [Requirement(it.removeprefix(_TREE), "workspace:*", "workspace", it) for it in assembly.workspaces],
    )
    resolver = Resolver(locations)
    return assembly.finish(lambda location, asks: resolver.resolve(location, asks.name))


def _take(
    assembly: Assembly,
    entry: Entry,
    value: object,
    folders: Mapping[str, object],
    catalogs: Mapping[str, object],
) -> None:
    """Judge one entry: ``["name@version", "tarball", {…}, "integrity"]``, fewer of these for other sources."""
    parts = value if isinstance(value, list) else []
    if not parts or not isinstance(parts[0], str):
        detail = f"its value is {kind_of(value)} where a list that begins with name@version belongs"
        assembly.add(skip(entry, SkipReason.INVALID, detail))
        return
    name, resolution = split_descriptor(parts[0])
    about = next((it for it in parts[1:] if isinstance(it, dict)), {})
    texts = [it for it in parts[1:] if isinstance(it, str)]
    asks = requirements(about, with_dev=False)
    if resolution.startswith("workspace:"):
        asks += requirements(folders.get(resolution[len("workspace:") :]))
    installed = entry.location.rpartition(_TREE)[2]
    assembly.add(
        _judged(entry, name, installed, resolution, texts, parts),
        _specified(asks, catalogs),
        member=resolution.startswith("workspace:"),
    )


def _judged(
    entry: Entry, name: str, installed: str, resolution: str, texts: list[str], parts: list[object]
) -> LockedPackage | SkippedPackage:
    found = _PROTOCOL.match(resolution)
    protocol = found[0] if found else ""
    rest = resolution[len(protocol) + 1 :]
    if protocol in {"workspace", "link", "root"}:
        reason = SkipReason.LINK if protocol == "link" else SkipReason.WORKSPACE
        return skip(entry, reason, f"{'link to' if protocol == 'link' else 'folder'} {printable(rest)}", name)
    if protocol in _GIT or (protocol not in {"http", "https"} and classify(resolution)[0] is Source.GIT):
        return skip(entry, SkipReason.GIT, redact(resolution), name)
    if resolution.endswith((".tgz", ".tar.gz")) and protocol in {"", "file"}:
        return skip(entry, SkipReason.FILE, redact(resolution), name)
    if protocol == "file":
        return skip(entry, SkipReason.WORKSPACE, f"folder {printable(rest)}", name)
    if protocol in {"http", "https"}:
        integrity = texts[-1] if texts else None
        real = name_of_address(resolution) or name
        return judge_source(_with(entry, resolved=resolution, integrity=integrity), real, installed)
    if len(parts) < 3 or not isinstance(parts[1], str):
        detail = f'"{printable(resolution)}" without the tarball and the details that a package has'
        return skip(entry, SkipReason.INVALID, detail, name, resolution)
    # an empty tarball is that of the registry which is configured
    integrity = texts[1] if len(texts) > 1 else None
    return judge_source(
        _with(entry, version=resolution, resolved=parts[1], integrity=integrity), name, installed
    )


def _with(entry: Entry, **meta: object) -> Entry:
    return Entry(entry.location, entry.line, meta)


def _location(key: str) -> str:
    """``a/@s/b`` as ``node_modules/a/node_modules/@s/b``."""
    names: list[str] = []
    for part in key.split("/"):
        if names and names[-1].startswith("@") and "/" not in names[-1]:
            names[-1] += f"/{part}"
        else:
            names.append(part)
    return "/".join(f"{_TREE}{name}" for name in names)


def _specified(asks: list[Requirement], catalogs: Mapping[str, object]) -> list[Requirement]:
    """The same, with the ranges that a catalogue names in the place of its name."""
    found = []
    for it in asks:
        if it.spec.startswith("catalog:"):
            spec = text_of(catalogs.get(it.spec[len("catalog:") :].strip()), it.name) or it.spec
            found.append(Requirement(it.name, spec, it.kind))
        else:
            found.append(it)
    return found


def _packages(json_text: JsonText) -> list[tuple[str, int, object]]:
    """Each key of ``packages``, with its line and value."""
    found: list[tuple[str, int, object]] = []
    seen: set[str] = set()
    reader = ObjectReader(json_text, json_text.start)
    while (section := reader.key()) is not None:
        if section in seen:
            raise json_text.error(
                reader.key_offset, f'"{printable(section)}" stands twice; remove the wrong one'
            )
        seen.add(section)
        if section != "packages" or not reader.at_object():
            offset, value = reader.key_offset, reader.value()
            if section in {"packages", "workspaces"} and not isinstance(value, dict):
                raise json_text.error(offset, f'"{section}" is {kind_of(value)} where an object belongs')
            continue
        inner = ObjectReader(json_text, reader.position)
        keys: set[str] = set()
        while (key := inner.key()) is not None:
            if key in keys:
                raise json_text.error(
                    inner.key_offset, f'"{printable(key)}" stands twice; remove the wrong one'
                )
            keys.add(key)
            line = json_text.line(inner.key_offset)
            found.append((key, line, inner.value()))
        reader.resume(inner.position)
    return found


def _as_json(text: str) -> str:
    """*text* without comments and trailing commas, every other character at its place."""

    def blank(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1]
        return "".join(char if char == "\n" else " " for char in match[0])

    # comments first: one may stand between a comma and the bracket that it trails before
    return _NO_JSON.sub(blank, _NO_JSON.sub(blank, text))


def _version(json_text: JsonText) -> int:
    stated = json_text.top.get("lockfileVersion")
    if not isinstance(stated, float):
        raise LockfileSyntaxError(f"{json_text.path}: no lockfileVersion, so no lock of Bun; {_MEND}")
    if stated not in range(NEWEST + 1):
        raise UnsupportedLockfile(
            f"{json_text.path}: unknown lockfileVersion: {stated:g}; npmguard reads 0 to {NEWEST} of bun.lock"
        )
    return int(stated)
