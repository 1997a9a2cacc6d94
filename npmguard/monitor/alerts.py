"""What is told of a verdict, and when: a campaign is a few messages, whatever its size.

An incident is told when it opens, when it becomes worse, and when it grows to 2, 5, 10, 20, 50, 100 … releases;
and when it has grown less than that, once it has not been told of for a while. Programs get every release.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import Connection, func, insert, select, update

from npmguard.errors import IndicatorError
from npmguard.model import Verdict
from npmguard.monitor.alert import MOST_TOLD, Affected, Alert, AlertKind, Trait, alert_id, reaches, worse
from npmguard.monitor.incidents import Joined, Member, join, note_clean, note_verdict
from npmguard.monitor.records import AlertState, Judged
from npmguard.monitor.tables import incident_members, incidents, outbox, traits, verdicts
from npmguard.monitor.traits import TRAIT_KINDS, affected_of, common_traits_of, traits_of

if TYPE_CHECKING:
    from npmguard.monitor.sinks.sink import Sink

_FLAGGED: Final = frozenset({Verdict.MALICIOUS.value, Verdict.SUSPICIOUS.value})
_TITLE = 200


@dataclass(frozen=True, slots=True)
class Alerting:
    """Whom alerts are for, from which verdict on, and after how quiet a time growth is told in any case."""

    sinks: tuple[Sink, ...] = ()
    threshold: Literal["malicious", "suspicious"] = "malicious"
    quiet: timedelta = timedelta(hours=1)


def raise_alerts(transaction: Connection, judged: Judged, alerting: Alerting) -> None:
    """Put what a verdict makes worth telling into the outbox, within the transaction that stores the verdict.

    The same verdict once more tells nothing.

    Raises:
        IndicatorError: the verdict's document is no report of one package.
    """
    if judged.verdict not in _FLAGGED:
        note_verdict(transaction, judged.name, judged.version, judged.verdict)
        if judged.verdict == Verdict.CLEAN.value and (common := common_traits_of(judged.document)):
            note_clean(transaction, judged.name, common)
        return
    affected = affected_of(
        judged.document,
        seen=judged.judged.isoformat(),
        published=judged.published.isoformat() if judged.published is not None else None,
    )
    its = traits_of(judged.document)
    member = Member(
        judged.name, judged.version, judged.verdict, _title(affected), judged.judged, judged.published
    )
    joined = join(transaction, member, its)
    if reaches(judged.verdict, alerting.threshold):
        release = Alert(
            id=alert_id("release", judged.name, judged.version, judged.verdict),
            kind=AlertKind.RELEASE,
            incident=joined.incident,
            title=member.title,
            verdict=judged.verdict,
            time=judged.judged.isoformat(),
            releases=joined.releases,
            packages=joined.packages,
            affected=(affected,),
            traits=its,
        )
        _enqueue(transaction, release, alerting.sinks, judged.judged)
    kind = _worth_telling(joined, alerting.threshold)
    if kind is not None:
        _tell(transaction, joined, kind, alerting.sinks, judged.judged, affected)


def raise_overdue(transaction: Connection, now: datetime, alerting: Alerting) -> int:
    """Tell of the incidents that have grown under the next step, and were not told of for a while; how many."""
    waiting = transaction.execute(
        select(incidents)
        .where(incidents.c.told > 0, incidents.c.releases > incidents.c.told)
        .where(incidents.c.merged.is_(None), incidents.c.told_at <= now - alerting.quiet)
        .order_by(incidents.c.id)
    ).all()
    for row in waiting:
        joined = Joined(row.id, row.title, row.severity, row.severity, row.releases, row.packages, row.told)
        _tell(transaction, joined, AlertKind.GROWN, alerting.sinks, now, None)
    return len(waiting)


def last_step(releases: int) -> int:
    """The largest of 1, 2, 5, 10, 20, 50, 100 … that is not over *releases*."""
    scale = int("1".ljust(len(str(releases)), "0"))
    return next(step * scale for step in (5, 2, 1) if step * scale <= releases)


def _worth_telling(joined: Joined, threshold: str) -> AlertKind | None:
    if not reaches(joined.severity, threshold):
        return None
    if joined.told == 0:
        return AlertKind.OPENED
    before = joined.severity_before
    if before is not None and before != joined.severity and worse(before, joined.severity) == joined.severity:
        return AlertKind.RAISED
    return AlertKind.GROWN if last_step(joined.releases) > joined.told else None


def _tell(
    transaction: Connection,
    joined: Joined,
    kind: AlertKind,
    sinks: Iterable[Sink],
    now: datetime,
    newest: Affected | None,
) -> None:
    more = max(1, joined.releases - joined.told)
    affected = _newest(transaction, joined.incident, min(more, MOST_TOLD), newest)
    alert = Alert(
        id=alert_id(kind.value, joined.incident, str(joined.releases), joined.severity),
        kind=kind,
        incident=joined.incident,
        title=joined.title,
        verdict=joined.severity,
        time=now.isoformat(),
        releases=joined.releases,
        packages=joined.packages,
        affected=affected,
        traits=shared_traits(transaction, joined.incident, MOST_TOLD),
    )
    _enqueue(transaction, alert, sinks, now)
    transaction.execute(
        update(incidents).where(incidents.c.id == joined.incident).values(told=joined.releases, told_at=now)
    )


def shared_traits(transaction: Connection, incident: str, limit: int) -> tuple[Trait, ...]:
    """What most releases of an incident have comes first; of one release alone, all that it can be known by."""
    same = (traits.c.name == incident_members.c.name) & (traits.c.version == incident_members.c.version)
    count = func.count()
    rows = transaction.execute(
        select(traits.c.kind, traits.c.value, count)
        .join_from(traits, incident_members, same)
        .where(incident_members.c.incident == incident)
        .group_by(traits.c.kind, traits.c.value)
        .order_by(count.desc(), traits.c.kind, traits.c.value)
        .limit(limit * len(TRAIT_KINDS))
    ).all()
    shared = [Trait(kind, value, releases) for kind, value, releases in rows if releases > 1]
    alone = [Trait(kind, value, 1) for kind, value, releases in rows if releases == 1 and kind != "package"]
    return tuple((shared or alone)[:limit])


def _newest(transaction: Connection, incident: str, count: int, known: Affected | None) -> tuple[Affected, ...]:
    """The releases that joined last, with their findings where their verdicts are stored."""
    columns = incident_members.c
    rows = transaction.execute(
        select(incident_members)
        .where(columns.incident == incident)
        .order_by(columns.added.desc(), columns.name, columns.version)
        .limit(count)
    ).all()
    found = [] if known is None else [known]
    found += [
        _affected(transaction, row.name, row.version, row.verdict, row.added, row.published)
        for row in rows
        if known is None or (row.name, row.version) != (known.name, known.version)
    ]
    return tuple(found[:count])


def _affected(
    transaction: Connection,
    name: str,
    version: str,
    verdict: str,
    added: datetime,
    published: datetime | None,
) -> Affected:
    seen = added.isoformat()
    when = published.isoformat() if published is not None else None
    document = stored_document(transaction, name, version)
    if document is not None:
        try:
            return affected_of(document, seen=seen, published=when)
        except IndicatorError:  # of an earlier npmguard, perhaps: what the tables say is told
            pass
    return Affected(name, version, verdict, seen, when)


def stored_document(transaction: Connection, name: str, version: str) -> bytes | None:
    """The newest report of a release, None where none is stored."""
    content = transaction.execute(
        select(verdicts.c.document)
        .where(verdicts.c.name == name, verdicts.c.version == version)
        .order_by(verdicts.c.judged.desc())
        .limit(1)
    ).scalar()
    return zlib.decompress(content) if content is not None else None


def _enqueue(transaction: Connection, alert: Alert, sinks: Iterable[Sink], now: datetime) -> None:
    payload = alert.encode()
    for sink in sinks:
        if not sink.takes(alert):
            continue
        identity = alert_id("outbox", sink.name, alert.id)
        if transaction.execute(select(outbox.c.id).where(outbox.c.id == identity)).first() is None:
            release = alert.affected[0]
            transaction.execute(
                insert(outbox).values(
                    id=identity,
                    sink=sink.name,
                    incident=alert.incident,
                    name=release.name,
                    version=release.version,
                    payload=payload,
                    state=AlertState.PENDING.value,
                    attempts=0,
                    created=now,
                    due=now,
                )
            )


def _title(affected: Affected) -> str:
    worst: Sequence[str] = [finding.message for finding in affected.findings[:1]]
    return ": ".join([f"{affected.name}@{affected.version}", *worst])[:_TITLE]
