"""Whether two packages are of the same people, as far as their registry tells."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from npmguard.audit.home import repository

if TYPE_CHECKING:
    from npmguard.audit.release_history import ReleaseHistory
    from npmguard.model import Packument, Release

_LOOKED_BACK = 200  # earlier releases


class Kinship(Enum):
    """How a dependency belongs to the people of the package that brings it in."""

    SCOPE = auto()  # nobody else may publish there
    PEOPLE = auto()  # one of the package's people published it; or, where nobody is named, the same owner's
    NEWCOMER = auto()  # published by the account that published this release, and none before
    STRANGERS = auto()  # the registry names the people of both, and they have none in common
    UNKNOWN = auto()


def kinship(history: ReleaseHistory, other: Packument, releases: list[Release]) -> Kinship:
    """What the package of *history* has in common with the *other* one, which has these *releases*.

    The package's people are those who published its earlier releases, and its maintainers of that time. A build
    service is nobody. Of the other package only who published it counts: anybody may make anybody else its
    maintainer. A repository is what its author claims: it counts only where the registry does not name who
    published.
    """
    if _scope(history.name) is not None and _scope(history.name) == _scope(other.name):
        return Kinship.SCOPE
    theirs, before, publisher = _publishers(releases), _people_before(history), _account(history.release)
    if theirs & before:
        return Kinship.PEOPLE
    if publisher is not None and publisher in theirs:
        return Kinship.NEWCOMER if before else Kinship.PEOPLE
    if theirs and before:
        return Kinship.STRANGERS
    if history.release.publisher is None or all(it.publisher is None for it in releases):
        owner = _owner(history.release)
        if owner is not None and any(_owner(it) == owner for it in releases):
            return Kinship.PEOPLE
    return Kinship.UNKNOWN


def _people_before(history: ReleaseHistory) -> set[str]:
    versions = history.earlier[:_LOOKED_BACK]
    releases = list(history.releases(versions))
    people = _publishers(releases)
    if any(
        it.publisher is not None for it in releases
    ):  # else a list of maintainers may be what an author wrote
        people.update(account for it in versions for account in history.packument.maintainers.get(it, ()))
    return people


def _publishers(releases: list[Release]) -> set[str]:
    return {account for it in releases if (account := _account(it)) is not None}


def _account(release: Release) -> str | None:
    """Who published it; a build service is the same name for everybody."""
    return release.approver if release.trusted_publisher is not None else release.publisher


def _scope(name: str) -> str | None:
    return name.partition("/")[0] if name.startswith("@") else None


def _owner(release: Release) -> tuple[str, str] | None:
    found = repository(release.manifest.repository or "")
    return None if found is None else found[:2]
