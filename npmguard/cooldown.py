"""Whether a release is too young to be installed unseen.

Most malicious releases are found and taken down within days; who waits does not meet them. A correction of a
known vulnerability should not wait, and so may pass early, where nothing speaks against it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from npmguard.errors import ConfigError
from npmguard.model import Confidence, Evidence, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from npmguard.config import Cooldown
    from npmguard.model import ManifestDelta, VersionDiff

RULE: Final = "too-young"
TITLE: Final = "The release is younger than the settings ask for"
REMEDIATION: Final = (
    "Install an older version until then, or name the package in cooldown.except of npmguard.toml"
    " where it cannot wait."
)

_AGE = re.compile(r"([0-9]{1,4})\s*([mhdw])", re.ASCII | re.IGNORECASE)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_RUNS = frozenset({"preinstall", "install", "postinstall", "prepare"})
_BRINGS_IN = frozenset({"dependencies", "optionalDependencies", "peerDependencies", "bundleDependencies"})
_TOLD = 3


class Outcome(StrEnum):
    """How the age of a release was judged."""

    OFF = "off"  # no age is asked for
    OLD_ENOUGH = "old-enough"
    EXCEPTED = "excepted"  # by name, in the settings
    FIX = "fix"  # young, and passes as the correction of a known vulnerability
    HELD = "held"
    UNKNOWN = "unknown"  # the registry does not say when it came: the package is `unverified`


@dataclass(frozen=True, slots=True)
class Change:
    """What is known of how a release differs from the one that it replaces; None is what is not known.

    ``fixes`` are the ids of advisories that hold for ``baseline`` and not for the release, ``unasked`` says why
    sources of advisories could not be asked. ``diff`` compares
    the two tarballs, ``gained`` are behaviours (signal ids) and ``hosts`` the hosts that only the release has.
    ``trust_lost`` are the rules of the findings by which it is less trusted than its forerunners.
    """

    baseline: str | None = None
    fixes: tuple[str, ...] = ()
    diff: VersionDiff | None = None
    gained: tuple[str, ...] | None = None
    hosts: tuple[str, ...] | None = None
    trust_lost: tuple[str, ...] | None = None
    unasked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AgeJudgement:
    """The outcome, why, and the finding that holds the release where it is held."""

    outcome: Outcome
    reason: str
    finding: Finding | None = None


def parse_age(text: str) -> timedelta:
    """Read an age as people write it: ``90m``, ``12h``, ``7d``, ``2w``; ``0`` is none.

    Raises:
        ConfigError: it is written in another way.
    """
    stripped = text.strip()
    if stripped == "0":
        return timedelta()
    found = _AGE.fullmatch(stripped)
    if found is None:
        raise ConfigError(f"{text[:40]!r} is no age; write 12h, 7d or 2w, or 0 for none")
    return timedelta(**{_UNITS[found[2].lower()]: int(found[1])})


def judge_age(
    name: str, published: datetime | None, now: datetime, cooldown: Cooldown, change: Change
) -> AgeJudgement:
    """Judge the age of one release.

    Args:
        name: the package's name, for the exceptions.
        published: when the registry says that the release came (aware); None where it does not say.
        now: the time to judge by (aware).
        cooldown: the settings.
        change: what is known of how the release differs from the one before it.

    Raises:
        ConfigError: the age in the settings is written in another way than :func:`parse_age` reads.
    """
    wanted = parse_age(cooldown.min_age)
    if not wanted:
        return AgeJudgement(Outcome.OFF, "no age is asked for")
    pattern = next((it for it in cooldown.except_ if fnmatchcase(name, it)), None)
    if pattern is not None:
        return AgeJudgement(Outcome.EXCEPTED, f"the settings except {pattern} from the cooldown")
    if published is None:
        return AgeJudgement(Outcome.UNKNOWN, "the registry does not say when it was published")
    age = now - published
    if age >= wanted:
        return AgeJudgement(Outcome.OLD_ENOUGH, f"it came {_span(age)} ago")
    told = (
        f"it came {_span(age)} ago"
        if age >= timedelta()
        else "it comes from the future, by the registry's clock"
    )
    against = tuple(_against(change))
    if not against:
        return AgeJudgement(
            Outcome.FIX,
            f"{told}, and passes before {_span(wanted)} are over: it fixes {_listed(change.fixes)}, and adds no"
            f" behaviour, script, dependency or host to {change.baseline}",
        )
    return AgeJudgement(Outcome.HELD, f"{told}; {_span(wanted)} are asked for", _finding(told, wanted, against))


def _finding(told: str, wanted: timedelta, against: tuple[str, ...]) -> Finding:
    """High, so that a person looks; never malicious, since youth is no crime."""
    return Finding(
        rule=RULE,
        severity=Severity.HIGH,
        confidence=Confidence.MEDIUM,
        message=f"The release is too young: {told}, and the settings ask for {_span(wanted)}.",
        evidence=tuple(Evidence(RULE, f"it does not pass early: {it}") for it in against),
        remediation=REMEDIATION,
        policy=True,
    )


def _against(change: Change) -> Iterable[str]:
    """Why a release may not pass early, half a sentence each; nothing where it may."""
    if not change.fixes:
        if change.unasked:
            yield f"whether it fixes anything could not be asked: {'; '.join(change.unasked)}"
        else:
            yield "no known advisory says that it fixes anything"
        return
    if change.baseline is None or change.diff is None or change.gained is None or change.hosts is None:
        yield "it could not be compared with the version before"
        return
    if change.trust_lost is None:
        yield "how its forerunners were published could not be asked"
    elif change.trust_lost:
        yield f"it is less trusted than its forerunners: {_listed(change.trust_lost)}"
    if change.gained:
        yield f"it does something new: {_listed(change.gained)}"
    if change.hosts:
        yield f"it names new hosts: {_listed(change.hosts)}"
    for delta in change.diff.manifest:
        problem = _problem(delta)
        if problem is not None:
            yield problem


def _problem(delta: ManifestDelta) -> str | None:
    if delta.new is None:
        return None
    if delta.field == "scripts" and delta.key in _RUNS:
        return f"its {delta.key} script is {'new' if delta.old is None else 'another'}"
    if delta.field in _BRINGS_IN and (delta.old is None or _leads_elsewhere(delta.new)):
        return f"it brings in {_short(delta.key)}"
    if delta.field in {"bin", "gypfile", "name"}:
        return f"its {delta.field} is {'new' if delta.old is None else 'another'}"
    return None


def _leads_elsewhere(spec: str) -> bool:
    """Whether a dependency's new spec is more than another range of the same package."""
    return ":" in spec or "/" in spec


def _listed(items: tuple[str, ...]) -> str:
    more = len(items) - _TOLD
    return ", ".join(map(_short, items[:_TOLD])) + (f" and {more} more" if more > 0 else "")


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _span(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        count = seconds // size
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
