"""An alert in words, for the sinks that people read.

Every text is escaped as :func:`npmguard.report.escape.message` does, so that none holds a line break or a
control character; a sink adds what its own format asks for. What an attacker could be reached by is written so
that no program makes a link of it: ``hxxps[:]//evil[.]example/x``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npmguard.monitor.alert import AlertKind
from npmguard.report.escape import message

if TYPE_CHECKING:
    from npmguard.monitor.alert import Affected, Alert, Trait

_SCHEME = re.compile(r"\b(http|https|ws|wss|ftp)://", re.IGNORECASE)
_WORDS = {
    AlertKind.OPENED: "new incident",
    AlertKind.GROWN: "incident has grown",
    AlertKind.RAISED: "incident is worse",
    AlertKind.RELEASE: "release",
}
_KINDS = {
    "file": "file (SHA-256)",
    "address": "wallet address",
    "domain": "host",
    "ip": "IP address",
    "url": "URL",
    "package": "package",
}
_SHOWN = 10
_FINDINGS = 3


@dataclass(frozen=True, slots=True)
class AlertText:
    """The words of one alert: a line for a subject, pairs of label and value, and lists with their titles."""

    headline: str
    facts: tuple[tuple[str, str], ...]
    lists: tuple[tuple[str, tuple[str, ...]], ...]

    def plain(self) -> str:
        """All of it as lines of plain text, ending in a line break."""
        lines = [self.headline, ""]
        lines += [f"{label}: {value}" for label, value in self.facts]
        for title, items in self.lists:
            lines += ["", title, *(f"- {item}" for item in items)]
        return "\n".join(lines) + "\n"


def alert_text(alert: Alert) -> AlertText:
    """*alert* in words."""
    facts = (
        ("Incident", message(alert.incident, 100)),
        ("Verdict", message(alert.verdict, 40)),
        ("Size", size(alert.releases, alert.packages)),
        ("Time", message(alert.time, 40)),
        ("Details", f"npmguard monitor incidents {message(alert.incident, 100)}"),
    )
    lists = [("Releases", _some([_release(each) for each in alert.affected], alert.releases))]
    if alert.traits:
        lists.append(("What they share", _some([trait_text(each) for each in alert.traits], len(alert.traits))))
    return AlertText(headline(alert), facts, tuple(lists))


def headline(alert: Alert) -> str:
    """One line that says what happened."""
    return said(f"npmguard: {_WORDS[alert.kind]}, {alert.verdict}: {alert.title}", 200)


def size(releases: int, packages: int) -> str:
    """How many releases of how many packages, in words."""
    one = "1 release" if releases == 1 else f"{releases} releases"
    return f"{one} of {'1 package' if packages == 1 else f'{packages} packages'}"


def trait_text(trait: Trait) -> str:
    """What releases share, in words, with no way to reach an attacker by a click."""
    value = trait.value if trait.kind in {"file", "address", "package"} else defanged(trait.value)
    word = _KINDS.get(trait.kind, trait.kind)
    shared = f", in {trait.releases} releases" if trait.releases > 1 else ""
    return said(f"{word} {value}{shared}", 400)


def said(text: str, limit: int) -> str:
    """*text* in one line of at most *limit* cells, with no control character and no scheme of a URL."""
    return message(_inert(text), limit)


def defanged(text: str) -> str:
    """A URL or host that no program takes for one."""
    return _inert(text).replace(".", "[.]")


def _inert(text: str) -> str:
    return _SCHEME.sub(lambda match: f"{match[1].lower().replace('tt', 'xx')}[:]//", text)


def _release(release: Affected) -> str:
    named = said(f"{release.name}@{release.version}", 300)
    told = [said(finding.message, 200) for finding in release.findings[:_FINDINGS]]
    return f"{named} ({message(release.verdict, 40)})" + (f": {' '.join(told)}" if told else "")


def _some(items: list[str], total: int) -> tuple[str, ...]:
    more = max(total, len(items)) - _SHOWN
    return tuple(items[:_SHOWN]) + ((f"and {more} more",) if more > 0 else ())
