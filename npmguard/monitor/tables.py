"""The tables of a monitor's state, the same on SQLite as on PostgreSQL.

``migrations/`` makes them; a test holds the two equal. Times are kept as milliseconds since 1970 (UTC), so that
both databases order and compare them alike.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware time, kept as whole milliseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Refuse a naive time: nobody could say which one it is."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return (value - _EPOCH) // _MILLISECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The time in UTC."""
        return None if value is None else _EPOCH + value * _MILLISECOND


metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

#: How far a changes feed has been read. ``head`` is when its end was last reached, ``horizon`` the time from
#: which versions of names never seen before count as new.
cursors: Final = Table(
    "cursors",
    metadata,
    Column("feed", Text, primary_key=True),  # its URL
    Column("sequence", BigInteger, nullable=False),
    Column("updated", Moment, nullable=False),
    Column("head", Moment),
    Column("horizon", Moment, nullable=False),
)

#: Names that changed. ``state`` is one of :class:`~npmguard.monitor.records.NameState`, ``changed`` the
#: sequence that said so last. What was published up to ``horizon`` is no business of ours.
#: ``digest`` stands for the versions that it had when it was last read.
names: Final = Table(
    "names",
    metadata,
    Column("name", Text, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("source", String(16), nullable=False),  # feed, backfill
    Column("horizon", Moment, nullable=False),
    Column("due", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("owner", Text),
    Column("lease", Moment),  # until when the owner has it
    Column("digest", Text),
    Column("reason", Text),  # why it is asked again, or was given up
    Index(None, "state", "source", "due"),
)

#: Versions to judge, each once. ``state`` is one of :class:`~npmguard.monitor.records.WorkState`.
work: Final = Table(
    "work",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("source", String(16), nullable=False),  # feed, backfill, rejudge
    Column("queued", Moment, nullable=False),
    Column("published", Moment),
    Column("due", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("owner", Text),
    Column("lease", Moment),
    Column("ended", Moment),
    Column("reason", Text),
    Index(None, "state", "source", "due"),
    Index(None, "ended"),
)

#: What was found, by the rules that found it. ``document`` is the ``npmguard.report/1`` of that one version,
#: compressed with zlib.
verdicts: Final = Table(
    "verdicts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("ruleset", Text, primary_key=True),
    Column("verdict", String(16), nullable=False),
    Column("published", Moment),
    Column("judged", Moment, nullable=False),
    Column("sha512", Text),  # hex, as the registry states it or the bytes have it
    Column("document", LargeBinary, nullable=False),
    Index(None, "verdict", "judged"),
    Index(None, "judged"),
)

#: What was read out of a version's tarball, for another judgement without another download. ``format`` names
#: how ``content`` is written.
facts: Final = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("format", String(32), nullable=False),
    Column("stored", Moment, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

#: What the rulesets asked for by which versions were judged, as :class:`npmguard.detect.demand.Demand` in JSON.
rulesets: Final = Table(
    "rulesets",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

#: Alerts to deliver. ``id`` follows from what is told and to whom, so that nothing is told twice. ``state`` is
#: ``pending``, ``delivered`` or ``dead`` (given up).
outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("sink", Text, nullable=False),
    Column("incident", String(64)),
    Column("name", Text),  # the release that brought it about
    Column("version", Text),
    Column("payload", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created", Moment, nullable=False),
    Column("due", Moment, nullable=False),
    Column("owner", Text),  # who is about to deliver it, until it is due again
    Column("delivered", Moment),
    Column("reason", Text),
    Index(None, "state", "due"),
    Index(None, "sink", "state", "created"),
)

#: Releases that belong together. ``releases`` and ``packages`` count its members, ``told`` is the first of
#: these when an alert told of it last (0: never), at ``told_at``. One that turned out to be a part of another
#: names it in ``merged``, and has no members.
incidents: Final = Table(
    "incidents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("title", Text, nullable=False),
    Column("severity", String(16), nullable=False),  # the worst verdict of a member
    Column("opened", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Column("releases", Integer, nullable=False),
    Column("packages", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    Column("told_at", Moment),
    Column("merged", String(64), ForeignKey("incidents.id")),
    Index(None, "merged"),
)

incident_members: Final = Table(
    "incident_members",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("incident", String(64), ForeignKey("incidents.id"), nullable=False),
    Column("added", Moment, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("published", Moment),
    Index(None, "incident"),
)

#: What a flagged release can share with others, as :mod:`npmguard.monitor.traits` has it.
traits: Final = Table(
    "traits",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("value", String(512), primary_key=True),
    Index(None, "kind", "value"),
)

#: What clean packages have of that, each by a few names: what is common tells nothing.
clean_traits: Final = Table(
    "clean_traits",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("value", String(512), primary_key=True),
    Column("name", Text, primary_key=True),
)
