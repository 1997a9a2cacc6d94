"""The judgement of one lock entry: a package of a registry, or skipped with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from npmguard.lockfile.identity import installed_name, is_clean_location, is_package_name, is_version
from npmguard.lockfile.json_text import kind_of
from npmguard.lockfile.printable import printable
from npmguard.lockfile.resolved import RegistryTarball, Source, classify, redact, same_version, version_told
from npmguard.model import Integrity, LockedPackage, SkippedPackage, SkipReason

_SKIPPED_SOURCES = {
    Source.GIT: SkipReason.GIT,
    Source.FILE: SkipReason.FILE,
    Source.URL: SkipReason.URL,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the lock in the shape of v2 and v3, whatever version the file has.

    ``meta`` is the entry's object. ``target`` is the location that a link, or a ``file:`` folder, leads to.
    ``replaced_by`` is the line of a later, different entry for the same location, which npm takes instead.
    """

    location: str
    line: int
    meta: Mapping[str, object]
    target: str | None = None
    replaced_by: int | None = None

    @property
    def real_name(self) -> str | None:
        """The package's own name: stated for aliases, otherwise the one it is installed under."""
        stated = self.meta.get("name")
        if isinstance(stated, str) and stated:
            return stated
        return installed_name(self.location)


def judge(entry: Entry, bundler: str | None) -> LockedPackage | SkippedPackage:
    """What *entry* is.

    Args:
        entry: the entry.
        bundler: the location of the package whose tarball brings this one, if any does.
    """
    if entry.replaced_by is not None:
        reason = f"line {entry.replaced_by} has another entry for this location, and npm takes the last one"
        return skip(entry, SkipReason.INVALID, reason)
    if not is_clean_location(entry.location):
        return skip(entry, SkipReason.INVALID, "the location is no plain relative path")
    if entry.meta.get("link"):
        return _link(entry)
    installed = installed_name(entry.location)
    if installed is None:
        return _folder(entry)
    return judge_installed(entry, entry.real_name or installed, installed, bundler)


def judge_installed(
    entry: Entry, name: str, installed: str, bundler: str | None = None
) -> LockedPackage | SkippedPackage:
    """What *entry* is, being no folder of the project but the package *name*, installed under *installed*.

    What ``resolved`` says decides, since that is what a package manager downloads.
    """
    if not (is_package_name(name) and is_package_name(installed)):
        bad = installed if is_package_name(name) else name
        return skip(entry, SkipReason.INVALID, f'"{printable(bad)}" is no name that npm allows')
    meta = entry.meta
    for field in ("name", "version", "resolved", "integrity"):
        value = meta.get(field)
        if value and not isinstance(value, str):
            return skip(entry, SkipReason.INVALID, f"{field} is {kind_of(value)}, not a string", name)
    resolved, version = _text(meta, "resolved"), _text(meta, "version")
    tarball: RegistryTarball | None = None
    if resolved:
        source, tarball = classify(resolved)
        if source is Source.UNKNOWN:
            return skip(
                entry, SkipReason.INVALID, f'resolved is no address: "{redact(resolved)}"', name, version
            )
        if source is not Source.REGISTRY:
            return skip(entry, _SKIPPED_SOURCES[source], redact(resolved), name, version)
    if not version and tarball:
        version = version_told(tarball)
    if not version:
        return skip(entry, SkipReason.INVALID, "neither a version nor an address that tells one", name)
    if not is_version(version):
        detail = f'"{printable(version)}" is no exact version'
        return skip(entry, SkipReason.INVALID, detail, name, version)
    integrity = _text(meta, "integrity")
    if bundler is not None and not resolved and not integrity:
        return skip(
            entry, SkipReason.BUNDLED, f"inside the tarball of {printable(bundler)}", name, version, bundler
        )
    return LockedPackage(
        name=name,
        version=version,
        location=entry.location,
        line=entry.line,
        resolved=resolved,
        integrity=Integrity.parse(integrity) if integrity else None,
        alias=installed if installed != name else None,
        dev=bool(meta.get("dev")),
        optional=bool(meta.get("optional")),
        peer=bool(meta.get("peer")),
        in_bundle=bool(meta.get("inBundle")),
        has_install_script=bool(meta.get("hasInstallScript")),
        has_shrinkwrap=bool(meta.get("hasShrinkwrap")),
        resolved_name=tarball.name if tarball and tarball.name != name else None,
        resolved_version=tarball.version if tarball and not same_version(version, tarball.version) else None,
    )


def skip(
    entry: Entry,
    reason: SkipReason,
    detail: str,
    name: str | None = None,
    version: str | None = None,
    bundler: str | None = None,
) -> SkippedPackage:
    """*entry* as one that is not judged, for that *reason*; what can be no name or version is left out."""
    return SkippedPackage(
        location=entry.location,
        line=entry.line,
        reason=reason,
        detail=detail,
        name=name if name and is_package_name(name) else None,
        version=version if version and is_version(version) else None,
        bundler=bundler,
    )


def _link(entry: Entry) -> SkippedPackage:
    if entry.target is None:
        return skip(entry, SkipReason.INVALID, "a link that says no target")
    target = printable(entry.target) or "the project itself"
    return skip(entry, SkipReason.LINK, f"link to {target}", entry.real_name)


def _folder(entry: Entry) -> SkippedPackage:
    """A folder of the project, or beside it; npm never downloads anything for it."""
    if "node_modules" in entry.location.split("/"):
        return skip(entry, SkipReason.INVALID, "a folder inside node_modules that is no package's own")
    name = entry.real_name or entry.location.rpartition("/")[2]
    return skip(entry, SkipReason.WORKSPACE, f"folder {printable(entry.location)}", name)


def _text(meta: Mapping[str, object], field: str) -> str | None:
    value = meta.get(field)
    return value if isinstance(value, str) and value else None
