"""What a monitor hands from one of its parts to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from npmguard.config import Config

_LENGTH = 500


class Source(StrEnum):
    """Why a version is judged."""

    FEED = "feed"
    BACKFILL = "backfill"
    REJUDGE = "rejudge"


class NameState(StrEnum):
    """Where a name stands."""

    CHANGED = "changed"  # its document is to be read
    READING = "reading"  # somebody is at it
    RECHECK = "recheck"  # it was read, and is read once more: documents may lag behind the feed
    READ = "read"
    GONE = "gone"  # deleted, or never there
    FAILED = "failed"  # given up


class WorkState(StrEnum):
    """Where a version stands; the first two are open."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    UNVERIFIED = "unverified"  # judged as far as it can be
    GONE = "gone"  # not in the registry any more
    FAILED = "failed"  # given up


class AlertState(StrEnum):
    """Where an alert stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


def plain(text: str) -> str:
    """A text as every database and encoding takes it, in one line: no NUL, no half of a character, not long."""
    return "".join(it if it.isprintable() else " " for it in text[:_LENGTH])


@dataclass(frozen=True, slots=True)
class Change:
    """A row of a changes feed: that name changed, or was deleted, at that sequence."""

    name: str
    sequence: int
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a changes feed, one a name, in its order; ``last`` is where the next page starts.

    ``odd`` counts rows that name no package.
    """

    changes: tuple[Change, ...]
    last: int
    odd: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a feed has been read; see :data:`npmguard.monitor.tables.cursors`."""

    feed: str
    sequence: int
    horizon: datetime
    head: datetime | None = None


@dataclass(frozen=True, slots=True)
class NameOrder:
    """A name whose document is to be read, as its owner has claimed it; ``attempts`` is how many came before.

    ``recheck`` says that it was read since it changed.
    """

    name: str
    recheck: bool
    source: Source
    horizon: datetime
    digest: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a name's document told: the versions published after the horizon, with their times.

    ``problem`` is why it could not be read; ``absent`` that the registry does not hold the name.
    """

    order: NameOrder
    versions: tuple[tuple[str, datetime | None], ...] = ()
    digest: str | None = None
    problem: str | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class VersionOrder:
    """A version to judge, as its owner has claimed it; ``attempts`` is how many came before."""

    name: str
    version: str
    source: Source
    attempts: int
    published: datetime | None = None


class Task(msgspec.Struct, frozen=True):
    """All that a worker is told: no database, no credentials. ``registry`` None is the one npm is set to."""

    name: str
    version: str
    config: Config
    registry: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What a worker says of a version.

    ``document`` is the ``npmguard.report/1`` of that one version. Without one, ``problem`` says why there is
    none, and ``absent`` that the registry does not hold it. ``again`` says that another attempt may tell more.
    ``facts`` are what :mod:`npmguard.monitor.kept` packed, and ``readable`` that those of the code are in it.
    """

    verdict: str | None = None
    ruleset: str = ""
    document: bytes = b""
    sha512: str | None = None
    published: datetime | None = None
    problem: str | None = None
    absent: bool = False
    again: bool = False
    facts: bytes = b""
    readable: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A version with its verdict, as it is about to be stored; what alerts are raised from.

    ``document`` is the ``npmguard.report/1`` (JSON) of that one version, ``judged`` when it came.
    """

    name: str
    version: str
    verdict: str
    ruleset: str
    source: Source
    judged: datetime
    document: bytes = field(repr=False)
    published: datetime | None = None
    sha512: str | None = None
