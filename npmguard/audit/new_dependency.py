"""Whether a release brings in a dependency that hardly existed when it came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from npmguard.audit.install_script import install_scripts
from npmguard.audit.kinship import Kinship, kinship
from npmguard.audit.note import day, note, short, span
from npmguard.audit.withdrawal import speaks_of_a_compromise
from npmguard.errors import RegistryError
from npmguard.model import Packument, Severity
from npmguard.package.version import parse_version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from npmguard.audit.release_history import ReleaseHistory
    from npmguard.model import Finding, Manifest, Release

JUST_PUBLISHED: Final = "new-dependency-just-published"
RUNS_AT_INSTALLATION: Final = "new-dependency-runs-at-installation"
OF_STRANGERS: Final = "new-dependency-of-strangers"
WITHOUT_A_PAST: Final = "new-dependency-without-a-past"
NEVER_NAMED: Final = "new-dependency-never-named"
TAKEN_DOWN: Final = "new-dependency-taken-down"
CALLED_MALWARE: Final = "new-dependency-called-malware"

#: Gives the packument of a name, or None where it cannot be had; asked about new dependencies only.
PackumentOf = Callable[[str], "Packument | None"]

_YOUNG = timedelta(days=7)
_MAX_ASKED = 32
_LOOKED_BACK = 50  # earlier releases that may have had it already
_LOOKED_AT = 20  # releases of a dependency; one of a week has a few
_FIRST_MAJOR = 2  # no first version is 2.0.0, but for packages that left another name or a scope
_PLACEHOLDER_FILES = 2  # a package.json and a README


def signals(
    history: ReleaseHistory, packument_of: PackumentOf, unnamed: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Notes on dependencies that no earlier release had, where each was itself new, or was taken down since.

    New is: first published within seven days before. Its own packument says so, who published it, and what it
    runs when it is installed. Packages of one scope often come together, and so do those of the same people;
    of the latter, only such as run something at installation are told. *unnamed* are the dependencies that no
    code of the release names.
    """
    found: list[Finding] = []
    for name, target, spec in islice(_added(history), _MAX_ASKED):
        packument = packument_of(target)
        if packument is not None:
            found += _about(history, packument, spec, named=name not in unnamed)
    return tuple(found)


def _added(history: ReleaseHistory) -> Iterator[tuple[str, str, str]]:
    """The dependencies that this release has and none of its forerunners: as named, the package, the range."""
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
            yield (name, *_target(name, added[name]))


def _dependencies(manifest: Manifest) -> dict[str, str]:
    return {**manifest.dependencies, **manifest.optional_dependencies}


def _target(name: str, spec: str) -> tuple[str, str]:
    """The package that a dependency names, behind an alias."""
    if not spec.startswith("npm:"):
        return name, spec
    real, at, spec = spec.removeprefix("npm:").rpartition("@")
    return (real, spec) if at and real else (spec, "*")


def _about(history: ReleaseHistory, dependency: Packument, spec: str, *, named: bool) -> Iterator[Finding]:
    releases = _releases(dependency)
    removed = list(_removed(dependency, releases, spec))
    yield from removed
    published, first = history.published, min(dependency.times.values(), default=None)
    if published is None or first is None or not timedelta() <= published - first <= _YOUNG:
        return
    scripts = {name: command for it in releases for name, command in install_scripts(it.manifest).items()}
    kin = kinship(history, dependency, releases)
    if kin is Kinship.SCOPE or (kin is Kinship.PEOPLE and not scripts and not removed):
        return
    if not history.tells_time:
        return
    name = short(dependency.name)
    yield note(
        JUST_PUBLISHED,
        f"It brings in {name}, which no earlier release had, and which had been published for the first time"
        f" {span(published - first)} before.",
        f"it asks for {name}@{short(spec)}",
        f"{name} first came on {day(first)}, this release on {day(published)}",
        severity=Severity.MEDIUM,
    )
    if kin is not Kinship.PEOPLE:
        yield from _aggravating(dependency, releases, scripts, kin, named=named)


def _removed(dependency: Packument, releases: list[Release], spec: str) -> Iterator[Finding]:
    """Notes on what became of the dependency since."""
    name = short(dependency.name)
    if dependency.releases and all("-security" in it for it in islice(dependency.releases, _LOOKED_AT)):
        yield note(
            TAKEN_DOWN,
            f"It brings in {name}, which no earlier release had, and which npm has replaced by a placeholder"
            " since: it does so with packages that held malware.",
            f"it asks for {name}@{short(spec)}; the registry holds"
            f" {', '.join(map(short, islice(dependency.releases, 3)))}",
            severity=Severity.MEDIUM,
        )
    called = next((it for it in releases if speaks_of_a_compromise(it.deprecated)), None)
    if called is not None:
        yield note(
            CALLED_MALWARE,
            f"It brings in {name}, which no earlier release had, and which is deprecated with words that speak"
            " of malware.",
            f"{name}@{short(called.manifest.version)}: {short(' '.join((called.deprecated or '').split()))}",
            severity=Severity.MEDIUM,
        )


def _aggravating(
    dependency: Packument, releases: list[Release], scripts: dict[str, str], kin: Kinship, *, named: bool
) -> Iterator[Finding]:
    """Notes on a fresh dependency that is not of the package's people."""
    name = short(dependency.name)
    if scripts:
        yield note(
            RUNS_AT_INSTALLATION,
            f"npm runs a script of {name} when it installs it.",
            *(f"{key}: {short(command)}" for key, command in sorted(scripts.items())),
            severity=Severity.MEDIUM,
        )
    if kin is Kinship.STRANGERS:
        publishers = dict.fromkeys(it.publisher for it in releases if it.publisher is not None)
        yield note(
            OF_STRANGERS,
            f"{name} was published by people who have nothing to do with this package.",
            f"it came from {', '.join(map(short, islice(publishers, 3)))}",
            severity=Severity.MEDIUM,
        )
    past = _made_up_past(dependency, releases)
    if past is not None:
        yield note(
            WITHOUT_A_PAST,
            f"The version numbers of {name} tell of a past that it does not have.",
            past,
            severity=Severity.MEDIUM,
        )
    if not named:
        yield note(
            NEVER_NAMED,
            f"No code of this release names {name}: it is installed and not used.",
            severity=Severity.MEDIUM,
        )


def _made_up_past(dependency: Packument, releases: list[Release]) -> str | None:
    """How the numbers pretend: the first version is a high one, or the first one was an empty placeholder."""
    dated = sorted((dependency.times[it], it) for it in dependency.times)
    first, *later = (version for _, version in dated)
    parsed = parse_version(first)
    if parsed is None:
        return None
    if parsed.major >= _FIRST_MAJOR:
        return f"its first version is {short(first)}"
    shipped = next((it for it in releases if it.manifest.version == first), None)
    count = shipped.dist.file_count if shipped is not None else None
    empty = count is not None and count <= _PLACEHOLDER_FILES and parsed.major == 0
    grown = next((it for it in later if (other := parse_version(it)) is not None and other.major), None)
    if empty and grown is not None:
        return f"its first version, {short(first)}, has {count} files, and soon after came {short(grown)}"
    return None


def _releases(packument: Packument) -> list[Release]:
    found = []
    for version in islice(packument.releases, _LOOKED_AT):
        try:
            found.append(packument.releases[version])
        except RegistryError:  # a spoilt entry is evidence of nothing
            continue
    return found
