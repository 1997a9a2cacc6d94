"""yarn.lock of Yarn 2 and newer: YAML, one entry a resolution, as its own ``Project.ts`` writes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from npmguard.errors import LockfileSyntaxError, UnsupportedLockfile
from npmguard.lockfile.assembly import (
    Assembly,
    judge_source,
    name_of_address,
    object_of,
    split_alias,
    split_descriptor,
    text_of,
)
from npmguard.lockfile.entries import Entry, skip
from npmguard.lockfile.json_text import kind_of
from npmguard.lockfile.printable import printable
from npmguard.lockfile.resolved import Source, classify, redact
from npmguard.lockfile.text import decode_text, refuse_conflict
from npmguard.lockfile.yaml_text import YamlMap, read_documents
from npmguard.model import LockedPackage, Lockfile, Requirement, SkippedPackage, SkipReason

OLDEST, NEWEST = 4, 10
"""The ``__metadata.version`` of Yarn 2.0, and the highest that is known."""

_MEND = "restore it from version control, or remove it and run yarn install"
_METADATA = "__metadata"
_NO_HASHES = (
    "Yarn 2 and newer keep a checksum of their own archive of a package, not of the registry's tarball: the"
    " bytes are held against the registry's hash alone."
)
_TARBALL = "https://registry.npmjs.org/{name}/-/{base}-{version}.tgz"


@dataclass(frozen=True, slots=True)
class _Resolution:
    """``resolution`` in its parts: ``name@protocol:rest``; the protocol is empty for a plain address."""

    name: str
    protocol: str
    rest: str


def read_yarn_berry(data: bytes, path: str) -> Lockfile:
    """Read a lock of Yarn 2 or newer.

    What a ``patch:`` entry changes has an entry of its own, which is judged; the patch is the project's. A
    ``checksum`` is that of the archive which Yarn makes of a package, and says nothing of the tarball.

    Raises:
        LockfileSyntaxError: not YAML, or not the shape of such a lock; the message names the line.
        UnsupportedLockfile: a version of the format that is not known.
    """
    text = decode_text(data, path, _MEND)
    refuse_conflict(text, path, _MEND)
    documents = read_documents(text, path, _MEND)
    if len(documents) != 1:
        raise LockfileSyntaxError(f"{path}: holds {len(documents)} YAML documents in the place of one; {_MEND}")
    (top,) = documents
    assembly = Assembly(path, "yarn", _version(top, path))
    reader = _Reader(assembly, path)
    for key, meta in top.items():
        if key != _METADATA:
            if not isinstance(meta, YamlMap):
                raise LockfileSyntaxError(
                    f'{path}:{top.lines[key]}: the entry "{printable(key)}" is {kind_of(meta)} where a map'
                    f" belongs; {_MEND}"
                )
            reader.take(key, top.lines[key], meta)
    return reader.finish()


class _Reader:
    def __init__(self, assembly: Assembly, path: str) -> None:
        self._assembly = assembly
        self._path = path
        self._homes: dict[str, str] = {}  # by descriptor
        self._locators: dict[str, str] = {}  # by what a descriptor came to be
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        self._patched: list[tuple[Entry, str, str, list[Requirement]]] = []
        self._has_packages = False

    def take(self, key: str, line: int, meta: YamlMap) -> None:
        descriptors = key.split(", ")
        told = text_of(meta, "resolution")
        resolution = _parse(told or "")
        version = text_of(meta, "version")
        asks = list(_requirements(meta))
        if resolution.protocol == "workspace" and resolution.rest == ".":
            self._assembly.project(resolution.name, asks)
            self._remember(descriptors, "")
            return
        names = [split_descriptor(descriptor)[0] for descriptor in descriptors]
        installed = resolution.name if resolution.name in names else names[0]
        wanted = (
            resolution.rest if resolution.protocol == "workspace" else _wanted(installed, resolution, version)
        )
        location = self._assembly.location(wanted or descriptors[0])
        self._remember(descriptors, location)
        self._locators.setdefault((told or "").partition("::")[0], location)
        entry = Entry(location, line, {"version": version})
        if resolution.protocol == "patch":
            self._patched.append((entry, resolution.name, _base(resolution.rest), asks))
            return
        judged = self._judged(entry, descriptors, installed, resolution)
        self._has_packages |= isinstance(judged, LockedPackage)
        self._assembly.add(judged, asks, member=resolution.protocol == "workspace")

    def finish(self) -> Lockfile:
        for entry, name, base, asks in self._patched:
            home = self._locators.get(base)
            version = text_of(entry.meta, "version")
            if home is None:
                detail = f'a patch of "{printable(base)}", of which the lock has no entry'
                self._assembly.add(skip(entry, SkipReason.INVALID, detail, name, version), asks)
            else:
                detail = f"the project's patch of {home}, which is judged by its own entry"
                of_base = Requirement(name, base, "prod", home)
                self._assembly.add(skip(entry, SkipReason.PATCH, detail, name, version), [*asks, of_base])
        if self._has_packages:
            self._assembly.notes.append(_NO_HASHES)
        self._assembly.project(
            self._assembly.name,
            [
                Requirement(location, f"workspace:{location}", "workspace", location)
                for location in self._assembly.workspaces
            ],
        )
        return self._assembly.finish(self._find)

    def _remember(self, descriptors: list[str], location: str) -> None:
        for descriptor in descriptors:
            # a folder's or a patch's descriptor is bound to who asks: "::locator=…"
            self._homes[descriptor.partition("::")[0]] = location
            self._by_name[split_descriptor(descriptor)[0]].append(location)

    def _find(self, _location: str, asks: Requirement) -> str | None:
        for spec in (asks.spec, f"npm:{asks.spec}"):
            if (found := self._homes.get(f"{asks.name}@{spec}".partition("::")[0])) is not None:
                return found
        # the project's `resolutions` put another range in the place of the one asked for
        others = list(dict.fromkeys(self._by_name.get(asks.name, ())))
        return others[0] if len(others) == 1 else None

    def _judged(
        self, entry: Entry, descriptors: list[str], installed: str, resolution: _Resolution
    ) -> LockedPackage | SkippedPackage:
        name, version = resolution.name, text_of(entry.meta, "version")
        match resolution.protocol:
            case "npm":
                return _of_registry(entry, descriptors, installed, resolution)
            case "workspace":
                return skip(entry, SkipReason.WORKSPACE, f"folder {printable(resolution.rest)}", name)
            case "link" | "portal":
                target = resolution.rest.partition("::")[0]
                return skip(entry, SkipReason.LINK, f"link to {printable(target)}", name)
            case "file":
                target = resolution.rest.partition("::")[0].partition("#")[0]
                if target.endswith((".tgz", ".tar.gz")):
                    return skip(entry, SkipReason.FILE, redact(f"file:{target}"), name, version)
                return skip(entry, SkipReason.WORKSPACE, f"folder {printable(target)}", name)
            case "exec":
                return skip(entry, SkipReason.FILE, "made by a script of the project (exec:)", name, version)
            case "":
                return _of_address(entry, installed, resolution)
            case other:
                detail = f'its resolution is of the unknown kind "{printable(other)}"'
                return skip(entry, SkipReason.INVALID, detail, name, version)


def _of_registry(
    entry: Entry, descriptors: list[str], installed: str, resolution: _Resolution
) -> LockedPackage | SkippedPackage:
    version, _, parameters = resolution.rest.partition("::")
    archive = next((it for it in parameters.split("&") if it.startswith("__archiveUrl=")), None)
    meta: dict[str, object] = {"version": version}
    stated = text_of(entry.meta, "version")
    name = resolution.name
    asked = [_real_name(descriptor) for descriptor in descriptors]
    other = next((it for it in asked if it not in {None, name}), None)
    if archive is not None:
        meta["resolved"] = unquote(archive.partition("=")[2])
    elif other is not None or (stated is not None and stated != version):
        # what would be downloaded is the resolution; the entry calls it something else
        base = quote(name.rpartition("/")[2])
        meta["resolved"] = _TARBALL.format(name=quote(name, safe="@/"), base=base, version=quote(version))
    if other is not None:
        name = other
    if stated is not None:
        meta["version"] = stated
    return judge_source(replace(entry, meta=meta), name, installed)


def _of_address(entry: Entry, installed: str, resolution: _Resolution) -> LockedPackage | SkippedPackage:
    """An entry whose resolution is an address: of a git repository, or of a tarball."""
    address = resolution.rest.partition("::")[0]
    version = text_of(entry.meta, "version")
    name = name_of_address(address) or resolution.name
    if "#commit=" in address or classify(address)[0] is Source.GIT:
        return skip(entry, SkipReason.GIT, redact(address), name, version)
    return judge_source(replace(entry, meta={"version": version, "resolved": address}), name, installed)


def _real_name(descriptor: str) -> str | None:
    """The package that a descriptor of the registry asks for; None for any other descriptor."""
    name, range_ = split_descriptor(descriptor)
    alias = split_alias(range_)
    if alias is not None:
        return alias[0]
    return name if range_.startswith("npm:") or ":" not in range_ else None


def _parse(resolution: str) -> _Resolution:
    name, reference = split_descriptor(resolution)
    protocol, colon, rest = reference.partition(":")
    if not colon or "/" in protocol or "@" in protocol or protocol in _ADDRESSES:
        return _Resolution(name, "", reference)
    return _Resolution(name, protocol, rest)


_ADDRESSES = frozenset(
    {"http", "https", "git", "git+ssh", "git+https", "git+http", "git+file", "ssh", "github"}
)


def _wanted(installed: str, resolution: _Resolution, version: str | None) -> str:
    own = f"{resolution.name}@{version or '?'}"
    if resolution.protocol == "patch":
        own = f"{resolution.name}@patch:{version or '?'}"
    return own if installed == resolution.name else f"{installed}@npm:{own}"


def _base(patch: str) -> str:
    """The descriptor of what a patch is applied to: ``name@npm%3A1.2.3#~/a.patch`` tells ``name@npm:1.2.3``."""
    return unquote(patch.partition("#")[0])


def _requirements(meta: YamlMap) -> Iterator[Requirement]:
    optional = object_of(meta, "dependenciesMeta")
    for name, spec in object_of(meta, "dependencies").items():
        if isinstance(spec, str):
            about = optional.get(name)
            kind = "optional" if isinstance(about, dict) and about.get("optional") is True else "prod"
            yield Requirement(name, _plain(spec), kind)


def _plain(spec: str) -> str:
    """``npm:^1.0.0`` as npm itself writes it; an alias keeps its prefix."""
    return spec[len("npm:") :] if spec.startswith("npm:") and split_alias(spec) is None else spec


def _version(top: YamlMap, path: str) -> int:
    stated = text_of(top.get(_METADATA), "version")
    if stated is None:
        raise LockfileSyntaxError(
            f"{path}: no {_METADATA} with a version, so no lock of Yarn 2 or newer; {_MEND}"
        )
    if not stated.isdecimal() or not OLDEST <= int(stated[:9]) <= NEWEST:
        raise UnsupportedLockfile(
            f"{path}: unknown {_METADATA} version: {printable(stated)}; npmguard reads {OLDEST} to {NEWEST}"
            " (Yarn 2 to 4)"
        )
    return int(stated)
