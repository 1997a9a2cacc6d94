"""How the audits of trust word what they find."""

from __future__ import annotations

from datetime import datetime, timedelta

from npmguard.model import Confidence, Evidence, Finding, Severity

_SHOWN = 120  # characters of a text from the registry


def note(rule: str, message: str, *evidence: str, severity: Severity = Severity.LOW) -> Finding:
    """A neutral observation: reported, and on its own no reason to call a package anything but clean."""
    return Finding(
        rule=rule,
        severity=severity,
        confidence=Confidence.MEDIUM,
        message=message,
        evidence=tuple(Evidence(signal=rule, message=it) for it in evidence),
    )


def listed(items: tuple[str, ...] | list[str], most: int = 3) -> str:
    """Up to *most* of the items as one phrase, and how many more there are."""
    shown = [short(it) for it in items[:most]]
    more = len(items) - len(shown)
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else "none"


def short(text: str) -> str:
    """A text from outside, cut to what fits a sentence."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def day(time: datetime) -> str:
    """The day, as ISO 8601 writes it."""
    return time.date().isoformat()


def span(time: timedelta) -> str:
    """A length of time in its largest whole unit, for people."""
    seconds = max(0, int(time.total_seconds()))
    for size, unit in ((365 * 86400, "year"), (86400, "day"), (3600, "hour"), (60, "minute")):
        count = seconds // size
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
