"""Where the reading of a feed begins: a time found among sequences, and a sequence's time.

A feed tells no times. The newest publication of a package that changed at a sequence is as good as one: a feed
names each package at its last change alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from npmguard.errors import RegistryError, UsageError
from npmguard.model import Packument
from npmguard.monitor.feed import ChangesFeed
from npmguard.monitor.records import Cursor

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN: Final = timedelta(hours=1)
_NOW_MARGIN: Final = timedelta(minutes=10)  # between our clock and the registry's
_SAMPLE: Final = 8  # changes whose packages are asked about
_CLOSE: Final = 200  # sequences: no need to know it better

Documents = Callable[[str], Packument]


def start_of(since: str, feed: ChangesFeed, documents: Documents, now: datetime) -> Cursor:
    """The cursor that ``--since`` means: ``now``, a sequence, or a date (ISO 8601, UTC unless it says).

    Raises:
        UsageError: it is none of these.
        RegistryError: the feed does not answer.
    """
    if since == "now":
        return Cursor(feed.url, feed.head(), now - _NOW_MARGIN)
    if since.isascii() and since.isdigit():
        sequence = int(since)
        horizon = _time_at(feed, documents, sequence) if sequence else BEGINNING
        return Cursor(feed.url, sequence, horizon - _MARGIN if horizon > BEGINNING else BEGINNING)
    try:
        when = datetime.fromisoformat(since)
    except ValueError as error:
        raise UsageError(f"--since {since}: give now, a sequence, or a date such as 2025-09-08") from error
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return Cursor(feed.url, sequence_at(feed, documents, when), when)


def sequence_at(feed: ChangesFeed, documents: Documents, when: datetime) -> int:
    """A sequence before every change from *when* on, and not long before it.

    Raises:
        RegistryError: the feed does not answer.
    """
    low, high = 0, feed.head()
    while high - low > _CLOSE:
        middle = (low + high) // 2
        if _time_at(feed, documents, middle) < when - _MARGIN:
            low = middle
        else:
            high = middle
    return low


def _time_at(feed: ChangesFeed, documents: Documents, sequence: int) -> datetime:
    """About when the changes after *sequence* were made; the beginning where nobody can tell."""
    found = BEGINNING
    for change in feed.page(sequence, _SAMPLE).changes:
        if change.deleted:
            continue
        try:
            times = documents(change.name).times
        except RegistryError:
            continue
        found = max(found, *times.values()) if times else found
    return found
