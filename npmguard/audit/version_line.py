"""Whether a release's version is out of line with what the package calls its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npmguard.audit.note import note, short
from npmguard.package.version import parse_version

if TYPE_CHECKING:
    from npmguard.audit.release_history import ReleaseHistory
    from npmguard.model import Finding

JUMP = "version-jump"
PULLED_BACK = "latest-moved-back"

_MAJORS = 10


def signals(history: ReleaseHistory) -> tuple[Finding, ...]:
    """Notes on a jump over ten or more major versions, and on a latest tag that moved back below it."""
    return (*_jump(history), *_pulled_back(history))


def _jump(history: ReleaseHistory) -> tuple[Finding, ...]:
    own, baseline = history.parsed, history.baseline
    before = parse_version(baseline.manifest.version) if baseline is not None else None
    if own is None or before is None or own.major - before.major < _MAJORS:
        return ()
    published = history.published
    if published is not None and (own.major == published.year or own.major == published.year % 100):
        return ()  # a package that begins to count in years
    return (
        note(
            JUMP,
            f"Its major version is {own.major}, and the highest before it was {before.major}.",
            f"the version before it is {before}",
        ),
    )


def _pulled_back(history: ReleaseHistory) -> tuple[Finding, ...]:
    """The same line has both, no tag names the higher, and the lower was there before: someone turned back."""
    own, tags = history.parsed, history.packument.dist_tags
    tagged = tags.get("latest", "")
    latest = parse_version(tagged)
    if own is None or latest is None or own.prerelease or latest.prerelease or history.version in tags.values():
        return ()
    times, published = history.packument.times, history.published
    before = times.get(tagged)
    if own.major != latest.major or own <= latest or published is None or before is None or before >= published:
        return ()
    if not history.tells_time:
        return ()
    return (
        note(
            PULLED_BACK,
            f"The package calls {short(tagged)} its latest version, which is older than this one, and no tag"
            " names this one: someone turned back from it.",
            f"latest is {short(tagged)}",
        ),
    )
