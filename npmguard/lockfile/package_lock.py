"""package-lock.json and npm-shrinkwrap.json, of every version, read into a :class:`~npmguard.model.Lockfile`.

The format is told in npm's documentation (package-lock.json, lockfileVersion 1 to 3); where that is silent,
npm 11's arborist (``shrinkwrap.js``, ``load-virtual.js``, ``node.js``) is the authority.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace

from npmguard.errors import UnsupportedLockfile
from npmguard.lockfile.compatibility import told_to_npm_6_alone
from npmguard.lockfile.entries import Entry, judge
from npmguard.lockfile.foreign import SUPPORTED, tool_of_content
from npmguard.lockfile.identity import installed_name
from npmguard.lockfile.json_text import JsonText, ObjectReader, kind_of
from npmguard.lockfile.legacy import read_dependencies
from npmguard.lockfile.nodes import build_nodes, find_missing
from npmguard.lockfile.printable import printable
from npmguard.lockfile.resolution import Resolver, parent_of
from npmguard.model import LockedPackage, Lockfile, LockNode, SkippedPackage

FILE_NAMES = ("npm-shrinkwrap.json", "package-lock.json")
"""The names that npm looks for, in its order."""

HIDDEN_FILE_NAME = ".package-lock.json"
"""What npm keeps inside node_modules: the lock of what is installed, without the project itself."""

_VERSIONS = (1, 2, 3)


def read_package_lock(
    data: bytes, path: str, read_manifest: Callable[[], Mapping[str, object] | None] = lambda: None
) -> Lockfile:
    """Read the bytes of npm's lock; *path* is how results and messages name it.

    A v1 lock and a hidden lock do not say what the project itself asks for; *read_manifest* is asked for the
    package.json beside them then.

    Where two different entries stand for one location, npm takes the last: that one is judged, and each
    earlier one is skipped as ``invalid``, so that no reader's choice can hide a package. A v2 file tells each
    package twice, for npm 6 and for newer ones; what its ``dependencies`` say beyond its ``packages`` is
    judged too. That a package comes inside another one's tarball is the lock's word (``inBundle``), which only
    that tarball can prove.

    Raises:
        LockfileSyntaxError: not JSON, or not a lockfile's shape; the message names line and column.
        UnsupportedLockfile: another package manager's lock, or an unknown lockfileVersion.
    """
    if tool := tool_of_content(data):
        raise UnsupportedLockfile(
            f"{path}: a lock of {tool} under the name of npm's; give it the name that {tool} looks for, or"
            " run npm install --package-lock-only"
        )
    return _parse(JsonText(data, path), path, read_manifest)


@dataclass(frozen=True, slots=True)
class _Sections:
    """The two places where a lock can hold entries; None where the file has no such section."""

    packages: list[Entry] | None
    dependencies: list[Entry] | None


def _parse(
    json_text: JsonText, path: str, read_manifest: Callable[[], Mapping[str, object] | None]
) -> Lockfile:
    version = _version(json_text)
    sections = _read_sections(json_text)
    told_again: list[Entry] = []
    if sections.packages is not None:
        # npm 7 and newer read `packages` wherever it stands, whatever lockfileVersion says
        entries = _mark_replaced(sections.packages)
        root = _pop_root(entries)
        told_again = _mark_replaced(sections.dependencies or [])
    else:
        entries, root = _mark_replaced(sections.dependencies or []), None
    if root is None:
        root = read_manifest()
    judged, nodes = _judge(entries, root)
    extra: list[LockedPackage | SkippedPackage] = []
    if told_again:
        legacy, legacy_nodes = _judge(told_again, root)
        extra = told_to_npm_6_alone(legacy, judged)
        for it in extra:
            nodes.setdefault(it.location, legacy_nodes[it.location])
    name = json_text.top.get("name") or (root or {}).get("name")
    return Lockfile(
        path=path,
        version=version,
        name=name if isinstance(name, str) else None,
        entries=len(entries) + len(extra),
        packages=tuple(it for it in (*judged, *extra) if isinstance(it, LockedPackage)),
        skipped=tuple(it for it in (*judged, *extra) if isinstance(it, SkippedPackage)),
        nodes=nodes,
        missing=find_missing(nodes, Resolver(nodes)),
    )


def _version(json_text: JsonText) -> int:
    stated = json_text.top.get("lockfileVersion")
    if isinstance(stated, float) and stated in _VERSIONS:
        return int(stated)
    if "lockfileVersion" not in json_text.top:
        raise UnsupportedLockfile(
            f"{json_text.path}: no lockfileVersion, so no lock, or one of npm 4 or older; {SUPPORTED}"
        )
    shown = f"{stated:g}" if isinstance(stated, float) else kind_of(stated)
    raise UnsupportedLockfile(f"{json_text.path}: unknown lockfileVersion: {shown}; {SUPPORTED}")


def _read_sections(json_text: JsonText) -> _Sections:
    """Walk the top of the file once more, now for the places of its entries.

    A section that stands twice is refused: npm would read the last, other readers the first.
    """
    sections: dict[str, list[Entry] | None] = {}
    seen: set[str] = set()
    reader = ObjectReader(json_text, json_text.start)
    while (key := reader.key()) is not None:
        if key in seen:
            raise json_text.error(reader.key_offset, f'"{printable(key)}" stands twice; remove the wrong one')
        seen.add(key)
        if key not in _SECTIONS or not reader.at_object():
            offset, value = reader.key_offset, reader.value()
            if key in _SECTIONS and value is not None:
                raise json_text.error(offset, f'"{key}" is {kind_of(value)} where an object belongs')
            continue
        sections[key], end = _SECTIONS[key](json_text, reader.position)
        reader.resume(end)
    return _Sections(sections.get("packages"), sections.get("dependencies"))


def _read_packages(json_text: JsonText, start: int) -> tuple[list[Entry], int]:
    entries: list[Entry] = []
    reader = ObjectReader(json_text, start)
    while (location := reader.key()) is not None:
        offset, meta = reader.key_offset, reader.value()
        if not isinstance(meta, dict):
            what = kind_of(meta)
            raise json_text.error(
                offset, f'the entry "{printable(location)}" is {what} where an object belongs'
            )
        entries.append(Entry(location, json_text.line(offset), meta, _link_target(meta)))
    return entries, reader.position


_SECTIONS = {"packages": _read_packages, "dependencies": read_dependencies}


def _link_target(meta: Mapping[str, object]) -> str | None:
    target = meta.get("resolved")
    if not meta.get("link") or not isinstance(target, str):
        return None
    path = posixpath.normpath(target.replace("\\", "/"))  # npm on Windows wrote backslashes
    return "" if path == "." else path


def _mark_replaced(entries: list[Entry]) -> list[Entry]:
    """The same entries, where each that a later, different one of its location replaces says so."""
    last = {entry.location: entry for entry in entries}
    if len(last) == len(entries):
        return entries
    return [
        entry if _same(entry, last[entry.location]) else replace(entry, replaced_by=last[entry.location].line)
        for entry in entries
    ]


def _same(one: Entry, other: Entry) -> bool:
    """Whether two entries of one location mean the same bytes; lists of requirements are left aside."""
    return one is other or (one.target == other.target and _plain_fields(one) == _plain_fields(other))


def _plain_fields(entry: Entry) -> dict[str, object]:
    return {key: value for key, value in entry.meta.items() if not isinstance(value, dict | list)}


def _pop_root(entries: list[Entry]) -> Mapping[str, object] | None:
    """Take the project's own entry out of *entries*; hidden locks have none."""
    own = [entry for entry in entries if entry.location == "" and entry.replaced_by is None]
    entries[:] = [entry for entry in entries if entry.location or entry.replaced_by is not None]
    return own[-1].meta if own else None


def _judge(
    entries: list[Entry], root: Mapping[str, object] | None
) -> tuple[list[LockedPackage | SkippedPackage], dict[str, LockNode]]:
    nodes = build_nodes([entry for entry in entries if entry.replaced_by is None], root)
    flagged = {entry.location for entry in entries if entry.meta.get("inBundle")}
    return [judge(entry, _bundler(entry.location, flagged, nodes)) for entry in entries], nodes


def _bundler(location: str, flagged: set[str], nodes: Container[str]) -> str | None:
    """The package whose tarball brings the entry at *location*, by the lock's own ``inBundle`` flags.

    None for what the project, or a folder of it, bundles: that has no tarball yet, and npm installs it like
    any other package. None, too, where the lock does not hold the bundler.
    """
    if location not in flagged:
        return None
    above: str | None = location
    while above in flagged:
        above = parent_of(above)
    return above if above and above in nodes and installed_name(above) is not None else None
