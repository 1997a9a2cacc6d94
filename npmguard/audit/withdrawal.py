"""Whether the package's own people warn of a release, or took down its neighbours."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from npmguard.audit.note import day, listed, note, short
from npmguard.model import Severity

if TYPE_CHECKING:
    from npmguard.audit.release_history import ReleaseHistory
    from npmguard.model import Finding

CALLED_COMPROMISED = "deprecated-as-compromised"
NEIGHBOURS_GONE = "neighbours-unpublished"

_NEAR = timedelta(days=2)
_MANY = 2
_MAX_MESSAGE = 4096
_WHAT = (
    r"(?:code|versions?|releases?|packages?|publish\w*|scripts?|payloads?|dependenc\w+"
    r"|account|maintainer|build)"
)
_COMPROMISED = re.compile(
    r"\b(?:malware|backdoor(?:ed)?|trojan(?:ed|ised|ized)?"
    rf"|(?:malicious|compromised|hijacked|hacked|infected)\s+(?:npm\s+)?{_WHAT}"
    r"|(?:was|were|is|are|been|got|being)\s+(?:compromised|hi-?jacked|hacked|infected|malicious)"
    rf"|unauthori[sz]ed\s+(?:npm\s+)?{_WHAT}"
    r"|supply[- ]chain\s+(?:attack|compromise|incident))\b",
    re.IGNORECASE,
)


def signals(history: ReleaseHistory) -> tuple[Finding, ...]:
    """Notes on a deprecation that speaks of a compromise, and on versions of the same days that are gone.

    A deprecation for any other reason is npm's to tell: it says so at each installation.
    """
    return (*_called_compromised(history), *_neighbours(history))


def speaks_of_a_compromise(deprecated: str | None) -> bool:
    """Whether a deprecation says that the version was compromised, or holds malware."""
    return _COMPROMISED.search(_message(deprecated)) is not None


def _message(deprecated: str | None) -> str:
    return " ".join((deprecated or "")[:_MAX_MESSAGE].split())


def _called_compromised(history: ReleaseHistory) -> tuple[Finding, ...]:
    message = _message(history.release.deprecated)
    if not speaks_of_a_compromise(message):
        return ()
    return (
        note(
            CALLED_COMPROMISED,
            "The package's own people deprecated this version with words that speak of a compromise.",
            short(message),
            severity=Severity.MEDIUM,
        ),
    )


def _neighbours(history: ReleaseHistory) -> tuple[Finding, ...]:
    times, releases, published = history.packument.times, history.packument.releases, history.published
    if published is None or len(times) <= len(releases):
        return ()
    gone = sorted(it for it, time in times.items() if it not in releases and abs(time - published) <= _NEAR)
    if len(gone) < _MANY:
        return ()
    return (
        note(
            NEIGHBOURS_GONE,
            f"{len(gone)} versions that came within two days of this one were taken down.",
            f"on {day(published)} this one; gone are {listed(gone, 8)}",
        ),
    )
