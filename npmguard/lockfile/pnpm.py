"""pnpm-lock.yaml of pnpm 8 and newer (lockfileVersion 6 and 9), as its ``lockfile.fs`` writes it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from npmguard.errors import LockfileSyntaxError, UnsupportedLockfile
from npmguard.lockfile.assembly import Assembly, judge_source, object_of, split_descriptor, text_of
from npmguard.lockfile.entries import Entry, skip
from npmguard.lockfile.identity import is_version
from npmguard.lockfile.json_text import kind_of
from npmguard.lockfile.printable import printable
from npmguard.lockfile.resolved import redact
from npmguard.lockfile.text import decode_text, refuse_conflict
from npmguard.lockfile.yaml_text import YamlMap, read_documents
from npmguard.model import LockedPackage, Lockfile, Requirement, SkippedPackage, SkipReason

SUPPORTED = (
    "npmguard reads lockfileVersion 6 and 9; pnpm install --lockfile-only of pnpm 8 or newer rewrites"
    " an older one"
)

_MEND = "restore it from version control, or remove it and run pnpm install --lockfile-only"
_SECTIONS = (("dependencies", "prod"), ("devDependencies", "dev"), ("optionalDependencies", "optional"))
_FURTHER = (("configDependencies", "prod"), ("packageManagerDependencies", "prod"))
_VERSIONS = {"6.0": 6, "6.1": 6, "9.0": 9}


def read_pnpm(data: bytes, path: str) -> Lockfile:
    """Read a pnpm lock.

    Version 9 tells each package once under ``packages``, and what it asks for under ``snapshots``, once for
    each set of peers; here these are one entry. Version 6 has an entry for each set of peers. The project's
    folders (``importers``) and links to them are entries, too. Such a lock has the ranges that the project's
    own folders ask for, and not those of packages.

    Raises:
        LockfileSyntaxError: not YAML, or not the shape of such a lock; the message names the line.
        UnsupportedLockfile: a lockfileVersion that is not known.
    """
    text = decode_text(data, path, _MEND)
    refuse_conflict(text, path, _MEND)
    # a second document, where there is one, is of what pnpm itself needs: its own version, its plug-ins
    documents = read_documents(text, path, _MEND)
    if not documents:
        raise LockfileSyntaxError(f"{path}: the file is empty; {_MEND}")
    versions = [_version(top, path) for top in documents]
    assembly = Assembly(path, "pnpm", versions[-1])
    homes: dict[str, str] = {}
    for top, version in zip(documents, versions, strict=True):
        _Reader(assembly, homes, top, version, path).run()
    return assembly.finish(lambda _location, _asks: None)  # every reference was followed as it was read


class _Reader:
    """Reads one document; ``homes`` is where each key of ``packages`` went."""

    def __init__(
        self, assembly: Assembly, homes: dict[str, str], top: YamlMap, version: int, path: str
    ) -> None:
        self._assembly = assembly
        self._homes = homes
        self._top = top
        self._version = version
        self._path = path

    def run(self) -> None:
        packages, snapshots = self._section(self._top, "packages"), self._section(self._top, "snapshots")
        keys = {key: self._known(key) for key in packages}
        asks: dict[str, list[tuple[str, str, str]]] = {key: [] for key in packages}
        orphans: list[str] = []
        for key in packages:
            asks[key] += self._references(self._entry(packages, key))
        for snapshot in snapshots:
            base = _without_peers(snapshot)
            if base in asks:
                asks[base] += self._references(self._entry(snapshots, snapshot))
            else:
                orphans.append(snapshot)
        for key in packages:
            meta = self._entry(packages, key)
            flags = [self._entry(snapshots, key)] if key in snapshots else []
            entry = Entry(keys[key], packages.lines[key], self._meta(key, meta, flags))
            self._assembly.add(self._judged(entry, key, meta), self._linked(asks[key]))
        for snapshot in orphans:
            entry = Entry(self._assembly.location(snapshot), snapshots.lines[snapshot], {})
            name, version = split_descriptor(_without_peers(snapshot))
            detail = "snapshots has it and packages does not, so that nothing says what it is"
            self._assembly.add(skip(entry, SkipReason.INVALID, detail, name, version))
        self._importers()

    def _known(self, key: str) -> str:
        location = self._assembly.location(key.removeprefix("/"))
        self._homes.setdefault(key, location)
        return location

    # --- packages ---

    def _meta(self, key: str, meta: YamlMap, snapshots: list[YamlMap]) -> dict[str, object]:
        name, version = self._named(key, meta)
        resolution = object_of(meta, "resolution")
        told: dict[str, object] = {"name": name, "version": version}
        for field, source in (("integrity", "integrity"), ("resolved", "tarball")):
            if resolution.get(source) is not None:
                told[field] = resolution[source]
        told["dev"] = meta.get("dev") is True
        told["optional"] = meta.get("optional") is True or any(it.get("optional") is True for it in snapshots)
        told["hasInstallScript"] = meta.get("requiresBuild") is True
        return told

    def _named(self, key: str, meta: YamlMap) -> tuple[str, str]:
        """The name and version of a key; what is no package of a registry states them in its entry."""
        name, version = split_descriptor(_without_peers(key.removeprefix("/")))
        if is_version(version) and "/" not in name.removeprefix("@").partition("/")[2]:
            return name, version
        if self._version == 6:
            name = ""  # such a key is an address
        return text_of(meta, "name") or name, text_of(meta, "version") or ""

    def _judged(self, entry: Entry, key: str, meta: YamlMap) -> LockedPackage | SkippedPackage:
        name, version = str(entry.meta["name"]), str(entry.meta["version"])
        resolution = object_of(meta, "resolution")
        kind = text_of(resolution, "type")
        tarball = text_of(resolution, "tarball")
        if kind == "git" or "repo" in resolution or "commit" in resolution:
            address = f"{text_of(resolution, 'repo') or key}#{text_of(resolution, 'commit') or ''}"
            return skip(entry, SkipReason.GIT, redact(address), name, version)
        if resolution.get("gitHosted") is True:
            return skip(entry, SkipReason.GIT, redact(tarball or key), name, version)
        if kind == "directory" or "directory" in resolution:
            folder = printable(text_of(resolution, "directory") or key)
            return skip(entry, SkipReason.WORKSPACE, f"folder {folder}", name or folder)
        if kind is not None:
            address = text_of(resolution, "url") or key
            return skip(entry, SkipReason.URL, f"{printable(kind)}: {redact(address)}", name, version)
        if tarball is None and not is_version(split_descriptor(_without_peers(key.removeprefix("/")))[1]):
            detail = f'no address, and "{printable(key)}" names no version'
            return skip(entry, SkipReason.INVALID, detail, name, version)
        return judge_source(entry, name, name)

    def _references(self, meta: YamlMap) -> list[tuple[str, str, str]]:
        """The name, the reference and the kind of each thing that an entry asks for."""
        return [
            (name, reference, kind)
            for section, kind in _SECTIONS
            if kind != "dev"
            for name, reference in object_of(meta, section).items()
            if isinstance(reference, str)
        ]

    def _linked(self, asks: list[tuple[str, str, str]]) -> Iterator[Requirement]:
        for name, reference, kind in dict.fromkeys(asks):
            home = self._home(name, reference)
            if home is not None or not reference.startswith("link:"):
                yield Requirement(name, "", kind, home)

    def _home(self, name: str, reference: str) -> str | None:
        """Where a reference leads: ``1.0.0(peer@2.0.0)``, or the whole key for an alias or an address."""
        own = f"/{name}@{reference}" if self._version == 6 else f"{name}@{reference}"
        for key in (own, reference):
            for spelled in (key, _without_peers(key)):
                if spelled in self._homes:
                    return self._homes[spelled]
        return None

    # --- the project's own folders ---

    def _importers(self) -> None:
        importers = self._section(self._top, "importers")
        if "." not in importers and any(section in self._top for section, _ in _SECTIONS):
            self._folder(".", self._top, 1)  # version 6 of a project without workspaces
        homes = {folder: self._assembly.location(folder) for folder in importers if folder != "."}
        for folder in importers:
            self._folder(folder, self._entry(importers, folder), importers.lines[folder], homes)

    def _folder(self, folder: str, meta: YamlMap, line: int, homes: dict[str, str] | None = None) -> None:
        asks: list[Requirement] = []
        for section, kind in (*_SECTIONS, *_FURTHER):
            wanted = object_of(meta, section)
            for name, told in wanted.items():
                reference = told if isinstance(told, str) else text_of(told, "version")
                if reference is None:
                    continue
                where = wanted.lines[name] if isinstance(wanted, YamlMap) else line
                if reference.startswith("link:"):
                    asks.append(self._link(folder, name, reference, where, homes or {}))
                else:
                    spec = self._spec(name, told)
                    asks.append(Requirement(name, spec, kind, self._home(name, reference)))
        if folder == ".":
            others = [Requirement(it, f"link:{it}", "workspace", home) for it, home in (homes or {}).items()]
            self._assembly.project(None, [*asks, *others])
        else:
            entry = Entry((homes or {})[folder], line, {})
            name = posixpath.basename(folder)
            self._assembly.add(
                skip(entry, SkipReason.WORKSPACE, f"folder {printable(folder)}", name), asks, member=True
            )

    def _link(self, folder: str, name: str, reference: str, line: int, homes: dict[str, str]) -> Requirement:
        target = posixpath.normpath(posixpath.join(folder, reference[len("link:") :]))
        prefix = "" if folder == "." else f"{folder}/"
        location = self._assembly.location(f"{prefix}node_modules/{name}")
        entry = Entry(location, line, {})
        behind = homes.get(target)
        self._assembly.add(skip(entry, SkipReason.LINK, f"link to {printable(target)}", name), target=behind)
        return Requirement(name, reference, "workspace", location)

    def _spec(self, name: str, told: object) -> str:
        """The range that a folder's package.json has; one that a catalogue names is looked up there."""
        spec = text_of(told, "specifier") or ""
        if not spec.startswith("catalog:"):
            return spec
        catalog = object_of(object_of(self._top, "catalogs"), spec[len("catalog:") :] or "default")
        return text_of(catalog.get(name), "specifier") or ""

    # --- shapes ---

    def _section(self, holder: YamlMap, key: str) -> YamlMap:
        value = holder.get(key)
        if value is None:
            return YamlMap()
        if not isinstance(value, YamlMap):
            raise self._error(holder.lines[key], f'"{key}" is {kind_of(value)} where a map belongs')
        return value

    def _entry(self, section: YamlMap, key: str) -> YamlMap:
        value = section[key]
        if not isinstance(value, YamlMap):
            message = f'the entry "{printable(key)}" is {kind_of(value)} where a map belongs'
            raise self._error(section.lines[key], message)
        return value

    def _error(self, line: int, message: str) -> LockfileSyntaxError:
        return LockfileSyntaxError(f"{self._path}:{line}: {message}; {_MEND}")


def _without_peers(key: str) -> str:
    """A key without the peers behind it: ``a@1.0.0(b@2.0.0)`` is ``a@1.0.0``."""
    return key.partition("(")[0]


def _version(top: YamlMap, path: str) -> int:
    stated = text_of(top, "lockfileVersion")
    if stated is None:
        raise LockfileSyntaxError(f"{path}: no lockfileVersion, so no lock of pnpm; {_MEND}")
    if stated not in _VERSIONS:
        raise UnsupportedLockfile(f"{path}: unknown lockfileVersion: {printable(stated)}; {SUPPORTED}")
    return _VERSIONS[stated]
