"""How a monitor gets on: how far behind the feed it is, how much it does, what waits, what failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Connection, func, select

from npmguard.monitor.kept import CODE_KEPT, CODE_NOT_KEPT
from npmguard.monitor.outbox import SinkStatus, sink_statuses
from npmguard.monitor.records import AlertState, NameState, WorkState
from npmguard.monitor.tables import cursors, facts, names, outbox, verdicts, work
from npmguard.report.escape import terminal

if TYPE_CHECKING:
    from sqlalchemy import Engine

_SPAN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Status:
    """What the state tells at a moment.

    ``sequence`` and ``head`` are the feed's (None: never read, not asked); ``head_age`` is how long ago its end
    was reached, ``oldest`` how long the longest waiting version has been queued. ``judged`` and ``throughput``
    are of the last hour, the second in versions a second while there was work.
    ``facts`` counts the versions of which enough was kept to judge them again.
    """

    at: datetime
    feed: str | None
    sequence: int | None
    head: int | None
    head_age: timedelta | None
    names: Mapping[str, int]
    versions: Mapping[str, int]
    verdicts: Mapping[str, int]
    alerts: Mapping[str, int]
    sinks: tuple[SinkStatus, ...]
    judged: int
    oldest: timedelta | None
    facts: Mapping[str, int]

    @property
    def lag(self) -> int | None:
        """How many sequences the feed is ahead; None where it was not asked or never read."""
        if self.head is None or self.sequence is None:
            return None
        return max(0, self.head - self.sequence)


def read_status(engine: Engine, feed: str | None, head: int | None, now: datetime) -> Status:
    """Read the state; *feed* is the one that is told of, None the first there is."""
    with engine.connect() as connection:
        query = select(cursors).order_by(cursors.c.feed)
        row = connection.execute(query.where(cursors.c.feed == feed) if feed is not None else query).first()
        since = now - _SPAN
        judged = select(func.count()).select_from(verdicts).where(verdicts.c.judged > since)
        oldest = select(func.min(work.c.queued)).where(
            work.c.state.in_([WorkState.QUEUED.value, WorkState.LEASED.value])
        )
        waiting = connection.execute(oldest).scalar()
        return Status(
            at=now,
            feed=row.feed if row is not None else feed,
            sequence=row.sequence if row is not None else None,
            head=head,
            head_age=max(now - row.head, timedelta()) if row is not None and row.head is not None else None,
            names=_counts(connection, names.c.state, NameState),
            versions=_counts(connection, work.c.state, WorkState),
            verdicts=_counts(
                connection, verdicts.c.verdict, ("malicious", "suspicious", "unverified", "clean")
            ),
            alerts=_counts(connection, outbox.c.state, AlertState),
            sinks=sink_statuses(connection),
            judged=connection.execute(judged).scalar_one(),
            oldest=max(now - waiting, timedelta()) if waiting is not None else None,
            facts=_facts(connection),
        )


def render_text(status: Status) -> str:
    """The status for a person."""
    lines = [f"feed       {status.feed or 'never read'}"]
    if status.sequence is not None:
        head = "not asked" if status.head is None else f"{status.head} ({status.lag} behind)"
        lines.append(f"sequence   {status.sequence}; the feed's: {head}")
    lines.append(f"up to date {_ago(status.head_age)}")
    lines.append(f"judged     {status.judged} in the last hour; longest waiting: {_span(status.oldest)}")
    for title, counts in (
        ("names", status.names),
        ("versions", status.versions),
        ("verdicts", status.verdicts),
        ("alerts", status.alerts),
        ("facts", status.facts),
    ):
        told = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"
        lines.append(f"{title:<10} {told}")
    lines += [_sink_line(sink, status.at) for sink in status.sinks]
    return "\n".join(lines) + "\n"


def render_prometheus(status: Status) -> str:
    """The status in Prometheus' text format, for the textfile collector of its node exporter.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    return "".join(f"{line}\n" for line in _metrics(status))


def _metrics(status: Status) -> Iterator[str]:
    single: tuple[tuple[str, str, float | None], ...] = (
        ("sequence", "Sequence of the feed that was read last.", status.sequence),
        ("feed_sequence", "Newest sequence of the feed.", status.head),
        ("lag_sequences", "Sequences that the feed is ahead.", status.lag),
        ("lag_seconds", "Seconds since the end of the feed was reached.", _seconds(status.head_age)),
        ("judged_last_hour", "Versions judged in the last hour.", status.judged),
        ("oldest_open_seconds", "Age of the version that waits longest.", _seconds(status.oldest) or 0),
        ("status_timestamp_seconds", "When this was written.", status.at.timestamp()),
    )
    for name, text, value in single:
        if value is not None:
            yield f"# HELP npmguard_monitor_{name} {text}"
            yield f"# TYPE npmguard_monitor_{name} gauge"
            yield f"npmguard_monitor_{name} {value:.15g}"
    for name, text, label, counts in (
        ("names", "Names by state.", "state", status.names),
        ("versions", "Versions by state.", "state", status.versions),
        ("verdicts", "Verdicts by kind.", "verdict", status.verdicts),
        ("alerts", "Alerts by state.", "state", status.alerts),
        ("facts", "Versions that can be judged again, and cannot.", "state", status.facts),
    ):
        yield f"# HELP npmguard_monitor_{name} {text}"
        yield f"# TYPE npmguard_monitor_{name} gauge"
        for key, count in counts.items():
            yield f'npmguard_monitor_{name}{{{label}="{key}"}} {count}'
    yield "# HELP npmguard_monitor_sink_alerts Alerts by receiver and state."
    yield "# TYPE npmguard_monitor_sink_alerts gauge"
    for sink in status.sinks:
        label = "".join({"\\": r"\\", '"': r"\"", "\n": r"\n"}.get(char, char) for char in sink.sink)
        for key, count in (("pending", sink.pending), ("delivered", sink.delivered), ("dead", sink.dead)):
            yield f'npmguard_monitor_sink_alerts{{sink="{label}",state="{key}"}} {count}'


def _sink_line(sink: SinkStatus, at: datetime) -> str:
    """How one receiver of alerts stands."""
    told = f"  {terminal(sink.sink, 100)}: {sink.delivered} delivered"
    if sink.pending:
        told += f", {sink.pending} wait, the oldest for {_span(at - sink.oldest if sink.oldest else None)}"
    if sink.reason is not None:
        told += f" ({terminal(sink.reason, 200)})"
    if sink.dead:
        told += f", {sink.dead} were given up and will not be delivered"
    return told


def _counts(connection: Connection, column: Column[str], keys: Iterable[str]) -> dict[str, int]:
    rows = connection.execute(select(column, func.count()).group_by(column)).all()
    found = {row[0]: row[1] for row in rows}
    return {str(key): int(found.get(str(key), 0)) for key in keys}


def _facts(connection: Connection) -> dict[str, int]:
    """How many versions can be judged again without a download, and of how many too little was kept."""
    found = _counts(connection, facts.c.format, (CODE_KEPT, CODE_NOT_KEPT))
    return {"kept": found[CODE_KEPT], "not kept": found[CODE_NOT_KEPT]}


def _seconds(span: timedelta | None) -> float | None:
    return span.total_seconds() if span is not None else None


def _ago(span: timedelta | None) -> str:
    return f"{_span(span)} ago" if span is not None else "never"


def _span(span: timedelta | None) -> str:
    if span is None:
        return "none"
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
