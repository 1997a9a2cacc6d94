"""The choice of the version that a version is compared with."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from npmguard.model import Baseline
from npmguard.package.version import precedence

if TYPE_CHECKING:
    from npmguard.model import Packument
    from npmguard.package.version import Precedence

SETTLED = timedelta(days=7)  # most compromised versions are found and taken down sooner


def choose_baseline(
    packument: Packument, version: str, malicious: frozenset[str] = frozenset()
) -> Baseline | None:
    """The release to compare *version* with; None when it is the first, or no semver version.

    Earlier means: lower by semver, and not published later. Versions in *malicious* are never chosen. Of the
    earlier releases it is the newest (highest) one

    1. on the same line that was published at least 7 days before *version*; failing that,
    2. on any line that was: else two releases in a row on a line of their own would hide one another;
       failing that,
    3. of all, however young.

    A line is one major version, below 1.0.0 one minor version, as npm's caret ranges have it. Prereleases
    count only where *version* is a prerelease on their line, or where there is nothing else.
    """
    target = precedence(version)
    if target is None:
        return None
    earlier = _earlier(packument, version, target, malicious)
    ordinary = [it for it in earlier if it.order[3] or (not target[3] and it.on_line)]
    pool = ordinary or earlier
    if not pool:
        return None
    line = f"{target[0]}.x" if target[0] else f"0.{target[1]}.x"
    settled = [it for it in pool if it.settled]
    undated = [it for it in pool if it.on_line and not it.dated]
    days = SETTLED.days
    choices = (
        (
            [it for it in settled if it.on_line],
            f"the newest earlier {line} release that had been out for {days} days",
        ),
        (settled, f"the newest earlier release that had been out for {days} days; no {line} release had"),
        (undated, f"the newest earlier {line} release; when it was published is not known"),
        (pool, f"the newest earlier release; none had been out for {days} days"),
    )
    candidates, reason = next(choice for choice in choices if choice[0])
    newest = max(candidates, key=lambda it: it.order)
    return Baseline(newest.text, reason if ordinary else f"{reason}; there are only prereleases")


class _Candidate:
    """An earlier release: on the target's line, dated (both publish times are known), settled when it came."""

    __slots__ = ("dated", "on_line", "order", "settled", "text")

    def __init__(self, text: str, order: Precedence, *, on_line: bool, dated: bool, settled: bool) -> None:
        self.text = text
        self.order = order
        self.on_line = on_line
        self.dated = dated
        self.settled = settled


def _earlier(
    packument: Packument, version: str, target: Precedence, malicious: frozenset[str]
) -> list[_Candidate]:
    line = _line(target)
    times = dict(packument.times.items())
    published = times.get(version)
    found = []
    for text in packument.releases:
        order = precedence(text)
        if order is None or order >= target or text in malicious or text == version:
            continue
        time = times.get(text)
        dated = published is not None and time is not None
        if published is not None and time is not None and time > published:
            continue
        found.append(
            _Candidate(
                text,
                order,
                on_line=_line(order) == line,
                dated=dated,
                settled=published is not None and time is not None and published - time >= SETTLED,
            )
        )
    return found


def _line(version: Precedence) -> tuple[int, int]:
    return (version[0], 0 if version[0] else version[1])
