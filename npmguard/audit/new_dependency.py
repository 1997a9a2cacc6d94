"""Whether a release brings in a dependency that hardly existed when it came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import Enum, auto
from itertools import islice
from typing import TYPE_CHECKING

from npmguard.audit.home import repository
from npmguard.audit.install_script import install_scripts
from npmguard.audit.note import day, note, short, span
from npmguard.errors import RegistryError
from npmguard.model import Packument, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from npmguard.audit.release_history import ReleaseHistory
    from npmguard.model import Finding, Manifest, Release

JUST_PUBLISHED = "new-dependency-just-published"
RUNS_AT_INSTALLATION = "new-dependency-runs-at-installation"
TAKEN_DOWN = "new-dependency-taken-down"

#: Gives the packument of a name, or None where it cannot be had; asked about new dependencies only.
PackumentOf = Callable[[str], "Packument | None"]

_YOUNG = timedelta(days=3)
_MAX_ASKED = 32
_LOOKED_BACK = 50  # earlier releases that may have had it already
_LOOKED_AT = 20  # releases of a dependency; one of three days has a few


class _Relation(Enum):
    """How a dependency belongs to the people of the package that brings it in."""

    SCOPE = auto()  # nobody else may publish there
    PEOPLE = auto()  # the same publisher; or, where the registry names none, the same repository's owner
    NONE = auto()


def signals(history: ReleaseHistory, packument_of: PackumentOf) -> tuple[Finding, ...]:
    """Notes on dependencies that no earlier release had, where each was itself new, or was taken down since.

    New is: first published within three days before. Its own packument says so, and what it runs when it is
    installed; nobody can say from there who else depends on it. Packages of one scope often come together, and
    so do those of one publisher; of the latter, only such as run something at installation are told.
    """
    found: list[Finding] = []
    for name, spec in islice(_added(history), _MAX_ASKED):
        packument = packument_of(name)
        if packument is not None:
            found += _about(history, packument, spec)
    return tuple(found)


def _added(history: ReleaseHistory) -> Iterator[tuple[str, str]]:
    """The dependencies, with their ranges, that this release has and none of its forerunners had."""
    if history.baseline is None:
        return
    before = _dependencies(history.baseline.manifest)
    added = {it: spec for it, spec in _dependencies(history.release.manifest).items() if it not in before}
    if not added:
        return
    known: set[str] = set()
    for release in history.releases(history.earlier[:_LOOKED_BACK]):
        known.update(_dependencies(release.manifest))
    for name in sorted(added):
        if name not in known:
            yield _target(name, added[name])


def _dependencies(manifest: Manifest) -> dict[str, str]:
    return {**manifest.dependencies, **manifest.optional_dependencies}


def _target(name: str, spec: str) -> tuple[str, str]:
    """The package that a dependency names, behind an alias."""
    if not spec.startswith("npm:"):
        return name, spec
    real, at, spec = spec.removeprefix("npm:").rpartition("@")
    return (real, spec) if at and real else (spec, "*")


def _about(history: ReleaseHistory, dependency: Packument, spec: str) -> Iterator[Finding]:
    asked = f"{short(dependency.name)}@{short(spec)}"
    if dependency.releases and all("-security" in it for it in islice(dependency.releases, _LOOKED_AT)):
        yield note(
            TAKEN_DOWN,
            f"It brings in {short(dependency.name)}, which no earlier release had, and which npm has replaced"
            " by a placeholder since: it does so with packages that held malware.",
            f"it asks for {asked}; the registry holds {', '.join(map(short, islice(dependency.releases, 3)))}",
            severity=Severity.MEDIUM,
        )
        return
    published, first = history.published, min(dependency.times.values(), default=None)
    if published is None or first is None or not timedelta() <= published - first <= _YOUNG:
        return
    releases = _releases(dependency)
    scripts = {name: command for it in releases for name, command in install_scripts(it.manifest).items()}
    relation = _relation(history, dependency.name, releases)
    if relation is _Relation.SCOPE or (relation is not _Relation.NONE and not scripts):
        return
    if not history.tells_time:
        return
    yield note(
        JUST_PUBLISHED,
        f"It brings in {short(dependency.name)}, which no earlier release had, and which had been published for"
        f" the first time {span(published - first)} before.",
        f"it asks for {asked}",
        f"{short(dependency.name)} first came on {day(first)}, this release on {day(published)}",
        severity=Severity.MEDIUM,
    )
    if scripts and relation is _Relation.NONE:
        yield note(
            RUNS_AT_INSTALLATION,
            f"npm runs a script of {short(dependency.name)} when it installs it.",
            *(f"{name}: {short(command)}" for name, command in sorted(scripts.items())),
            severity=Severity.MEDIUM,
        )


def _releases(packument: Packument) -> list[Release]:
    found = []
    for version in islice(packument.releases, _LOOKED_AT):
        try:
            found.append(packument.releases[version])
        except RegistryError:  # a spoilt entry is evidence of nothing
            continue
    return found


def _scope(name: str) -> str | None:
    return name.partition("/")[0] if name.startswith("@") else None


def _relation(history: ReleaseHistory, name: str, releases: list[Release]) -> _Relation:
    """What makes the dependency one of the package's own people's.

    A repository is what its author claims: it counts only where the registry does not name who published.
    """
    if _scope(history.name) is not None and _scope(history.name) == _scope(name):
        return _Relation.SCOPE
    publisher = history.release.publisher
    if publisher is not None and any(it.publisher is not None for it in releases):
        return _Relation.PEOPLE if any(it.publisher == publisher for it in releases) else _Relation.NONE
    owner = _owner(history.release)
    if owner is not None and any(_owner(it) == owner for it in releases):
        return _Relation.PEOPLE
    return _Relation.NONE


def _owner(release: Release) -> tuple[str, str] | None:
    found = repository(release.manifest.repository or "")
    return None if found is None else found[:2]
