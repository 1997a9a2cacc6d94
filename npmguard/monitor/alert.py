"""What a monitor tells: one alert, as every sink receives it.

An alert is about an incident (it opened, it grew, it became worse) or about one release that is part of one.
The first are few, whatever a campaign's size, and are for people; the second are one a release, for programs.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import msgspec

from npmguard.errors import SinkError
from npmguard.model import Verdict
from npmguard.report.escape import to_json

SCHEMA: Final = "npmguard.alert/1"
MOST_TOLD: Final = 20
"""Releases, and traits, that one alert names; ``releases`` and ``packages`` count them all."""

_RANK = {Verdict.SUSPICIOUS.value: 1, Verdict.MALICIOUS.value: 2}


class AlertKind(StrEnum):
    """Why an alert is raised."""

    OPENED = "opened"  # the first that is heard of an incident
    GROWN = "grown"  # more releases: at widening steps, and when it has been quiet for a while
    RAISED = "raised"  # what was suspicious is malicious
    RELEASE = "release"  # one release joined an incident


class Trait(msgspec.Struct, frozen=True, order=True):
    """What releases share: ``kind`` is one of :mod:`npmguard.monitor.traits`; so many ``releases`` have it."""

    kind: str
    value: str
    releases: int = 1


class AlertFinding(msgspec.Struct, frozen=True):
    """One finding of a release, as the report has it."""

    rule: str
    severity: str
    message: str
    file: str | None = None
    line: int | None = None


class Affected(msgspec.Struct, frozen=True):
    """One flagged release; times are ISO 8601 in UTC, ``published`` is the registry's word."""

    name: str
    version: str
    verdict: str
    seen: str
    published: str | None = None
    sha512: str | None = None
    findings: tuple[AlertFinding, ...] = ()


class Alert(msgspec.Struct, frozen=True):
    """One alert; ``id`` is the same whenever the same thing is told, so that a receiver can tell repeats.

    ``affected`` are the releases that brought it about, the newest first and at most :data:`MOST_TOLD`;
    ``releases`` and ``packages`` count all of the incident. ``traits`` are what its releases share, those of
    most releases first. ``time`` is when it was raised.
    """

    id: str
    kind: AlertKind
    incident: str
    title: str
    verdict: str
    time: str
    releases: int
    packages: int
    affected: tuple[Affected, ...]
    traits: tuple[Trait, ...] = ()
    schema: str = SCHEMA

    def encode(self) -> bytes:
        """The alert as one line of JSON in ASCII, schema ``npmguard.alert/1``, without a line break.

        Credentials in it are masked; what else a package wrote is as it was, and for the reader to escape.
        """
        return to_json(_projection(self)).encode("ascii")

    @classmethod
    def decode(cls, payload: bytes) -> Alert:
        """Read what :meth:`encode` wrote.

        Raises:
            SinkError: it is not that.
        """
        try:
            return msgspec.json.decode(payload, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SinkError(f"an alert in the outbox cannot be read: {error}") from error


def alert_id(*parts: str) -> str:
    """An id that depends on *parts* alone: 32 hexadecimal digits."""
    return sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def reaches(verdict: str, threshold: str) -> bool:
    """Whether *verdict* is at or over the *threshold*, ``suspicious`` or ``malicious``."""
    return _RANK.get(verdict, 0) >= _RANK[threshold]


def worse(one: str, other: str) -> str:
    """The worse of two verdicts."""
    return max(one, other, key=lambda it: _RANK.get(it, 0))


def _projection(alert: Alert) -> dict[str, Any]:
    return {
        "schema": alert.schema,
        "id": alert.id,
        "kind": alert.kind.value,
        "incident": alert.incident,
        "title": alert.title,
        "verdict": alert.verdict,
        "time": alert.time,
        "releases": alert.releases,
        "packages": alert.packages,
        "affected": [
            {
                "name": release.name,
                "version": release.version,
                "verdict": release.verdict,
                "seen": release.seen,
                "published": release.published,
                "sha512": release.sha512,
                "findings": [
                    {
                        "rule": finding.rule,
                        "severity": finding.severity,
                        "message": finding.message,
                        "file": finding.file,
                        "line": finding.line,
                    }
                    for finding in release.findings
                ],
            }
            for release in alert.affected
        ],
        "traits": [
            {"kind": trait.kind, "value": trait.value, "releases": trait.releases} for trait in alert.traits
        ],
    }
