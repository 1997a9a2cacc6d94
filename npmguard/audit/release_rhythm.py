"""Whether a release came at a time at which the package's releases do not come."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from npmguard.audit.install_script import install_scripts
from npmguard.audit.note import day, listed, note, span
from npmguard.package.version import parse_version

if TYPE_CHECKING:
    from npmguard.audit.release_history import ReleaseHistory
    from npmguard.model import Finding

SILENCE = "published-after-long-silence"
BURST = "many-versions-within-minutes"

_LONG = timedelta(days=3 * 365)
_MINUTES = timedelta(minutes=30)
_MANY = 4


def signals(history: ReleaseHistory) -> tuple[Finding, ...]:
    """Notes on a release that breaks a long silence with news, and on one of many within half an hour.

    Only where the registry's times are those of publishing: a mirror that copies a package's past makes bursts.
    """
    if history.published is None:
        return ()
    return (*_silence(history), *_burst(history))


def _silence(history: ReleaseHistory) -> tuple[Finding, ...]:
    """Three years without a release are common; with another publisher, or more that runs, they are not."""
    published, baseline = history.published, history.baseline
    assert published is not None
    earlier = [it for it in history.packument.times.values() if it < published]
    if baseline is None or not earlier or published - max(earlier) < _LONG:
        return ()
    new, old = history.release.manifest, baseline.manifest
    publishers = {history.release.publisher, baseline.publisher}
    news = [
        text
        for text, there in (
            ("another publisher", None not in publishers and len(publishers) > 1),
            ("a new dependency", new.dependencies.keys() - old.dependencies.keys()),
            ("a new install script", install_scripts(new).keys() - install_scripts(old).keys()),
        )
        if there
    ]
    if not news or not history.tells_time:
        return ()
    last = max(earlier)
    return (
        note(
            SILENCE,
            f"It came after {span(published - last)} without any release of the package, with {listed(news)}.",
            f"the release before it came on {day(last)}, this one on {day(published)}",
        ),
    )


def _burst(history: ReleaseHistory) -> tuple[Finding, ...]:
    """Each of them the highest of its major version so far: corrections of many lines at once are not."""
    published, times, own = history.published, history.packument.times, history.parsed
    assert published is not None
    if own is None or own.prerelease:
        return ()
    if sum(abs(time - published) <= _MINUTES for time in times.values()) < _MANY or not history.tells_time:
        return ()
    parsed = ((time, parse_version(it)) for it, time in times.items())
    line = sorted((time, it) for time, it in parsed if it and not it.prerelease and it.major == own.major)
    highest, near = None, []
    for time, version in line:
        if highest is not None and version <= highest:
            continue
        highest = version
        if abs(time - published) <= _MINUTES:
            near.append((time, str(version)))
    if len(near) < _MANY or str(own) not in {it for _, it in near}:
        return ()
    return (
        note(
            BURST,
            f"{len(near)} versions of the package came within {span(near[-1][0] - near[0][0])}, this one"
            " among them, each higher than the one before.",
            f"on {day(published)}: {listed([it for _, it in near], 8)}",
        ),
    )
