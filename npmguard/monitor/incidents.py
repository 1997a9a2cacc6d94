"""Which flagged releases belong together: those that share a trait, directly or through others.

So incidents are the connected components of a graph whose nodes are releases and whose edges are traits,
whatever the order in which releases come. A trait that several clean packages have makes no edge; once it turns
out to be common, what it alone held together is parted again. Of incidents that turn out to be one, the oldest
goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, distinct, func, insert, select, text, tuple_, update

from npmguard.model import Verdict
from npmguard.monitor.alert import Trait, alert_id, worse
from npmguard.monitor.tables import clean_traits, incident_members, incidents, traits

COMMON: Final = 5
"""A trait of so many clean packages tells nothing."""

_LOCK: Final = (
    0x6E706D69  # one monitor at a time: two that do not see each other's would open two incidents of one
)
_ROWS: Final = 500  # pairs in one statement
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Member:
    """A flagged release, with the line by which an incident that it opens is called."""

    name: str
    version: str
    verdict: str
    title: str
    added: datetime
    published: datetime | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """The incident that a release is part of now, and what it was before.

    ``told`` is how many releases it had when it was told of last, 0 for never; ``severity_before`` is its
    verdict before, None where there was no incident.
    """

    incident: str
    title: str
    severity: str
    severity_before: str | None
    releases: int
    packages: int
    told: int


def join(transaction: Connection, member: Member, its: Collection[Trait]) -> Joined:
    """Make *member* part of the incident that its traits (*its*) lead to, of a new one if there is none.

    A release that is judged again stays where it is, and brings its new traits with it.
    """
    _one_at_a_time(transaction)
    keys = {(trait.kind, trait.value) for trait in its}
    of_release = (incident_members.c.name == member.name) & (incident_members.c.version == member.version)
    known = transaction.execute(select(incident_members.c.incident).where(of_release)).scalar()
    _replace_traits(transaction, member, keys)
    found = _incidents_with(transaction, keys - _common(transaction, keys))
    if known is not None:
        found.add(known)
    if found:
        target, before = _merge(transaction, found)
    else:
        target, before = incident_id(member.name, member.version), None
        _open(transaction, target, member)
    values = {"incident": target, "verdict": member.verdict, "published": member.published}
    if known is None:
        row = {"name": member.name, "version": member.version, "added": member.added, **values}
        transaction.execute(insert(incident_members).values(row))
    else:
        transaction.execute(update(incident_members).where(of_release).values(values))
    if known is None and len(found) < 2:
        joined = _count_one_more(transaction, target, before, member)
    else:
        joined = _recount(transaction, target, before, member.added)
    if before is None or before == joined.severity or joined.severity != member.verdict:
        return joined
    transaction.execute(update(incidents).where(incidents.c.id == target).values(title=member.title))
    return replace(joined, title=member.title)  # what made it worse says best what it is about


def note_verdict(transaction: Connection, name: str, version: str, verdict: str) -> None:
    """Tell the incident of a release, if it has one, that the release is judged otherwise now."""
    of_release = (incident_members.c.name == name) & (incident_members.c.version == version)
    known = transaction.execute(select(incident_members.c.incident).where(of_release)).scalar()
    if known is not None:
        transaction.execute(update(incident_members).where(of_release).values(verdict=verdict))
        _recount(transaction, known, None, None)


def note_clean(transaction: Connection, name: str, its: Collection[Trait]) -> None:
    """Remember what a clean package has; what becomes common by it holds no incident together any more."""
    _one_at_a_time(transaction)
    for kind, value in sorted({(trait.kind, trait.value) for trait in its}):
        here = (clean_traits.c.kind == kind) & (clean_traits.c.value == value)
        names = set(transaction.execute(select(clean_traits.c.name).where(here)).scalars())
        if name in names or len(names) >= COMMON:
            continue
        transaction.execute(insert(clean_traits).values(kind=kind, value=value, name=name))
        if len(names) + 1 == COMMON:
            for incident in sorted(_incidents_with(transaction, {(kind, value)})):
                _part(transaction, incident)


def incident_id(name: str, version: str) -> str:
    """The id of the incident that this release opens."""
    return f"inc-{alert_id('incident', name, version)[:16]}"


def components(
    releases: Mapping[_Key, Collection[_Key]], common: Collection[_Key] = ()
) -> list[frozenset[_Key]]:
    """*releases* (name and version, with their traits) as they belong together, sorted."""
    parent = {release: release for release in releases}

    def root(release: _Key) -> _Key:
        while parent[release] != release:
            parent[release] = release = parent[parent[release]]
        return release

    first: dict[_Key, _Key] = {}
    for release in sorted(releases):
        for key in releases[release]:
            if key not in common:
                parent[root(release)] = root(first.setdefault(key, release))
    found: dict[_Key, set[_Key]] = {}
    for release in releases:
        found.setdefault(root(release), set()).add(release)
    return sorted(map(frozenset, found.values()), key=min)


def _one_at_a_time(transaction: Connection) -> None:
    if transaction.dialect.name == "postgresql":  # SQLite has one writer as it is
        transaction.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _replace_traits(transaction: Connection, member: Member, keys: Iterable[_Key]) -> None:
    of_release = (traits.c.name == member.name) & (traits.c.version == member.version)
    transaction.execute(delete(traits).where(of_release))
    rows = [
        {"name": member.name, "version": member.version, "kind": kind, "value": value}
        for kind, value in sorted(keys)
    ]
    if rows:
        transaction.execute(insert(traits), rows)


def _common(transaction: Connection, keys: Collection[_Key]) -> set[_Key]:
    columns = (clean_traits.c.kind, clean_traits.c.value)
    found: set[_Key] = set()
    for some in _batches(keys):
        here = select(*columns).where(tuple_(*columns).in_(some))
        wanted = here.group_by(*columns).having(func.count() >= COMMON)
        found.update((kind, value) for kind, value in transaction.execute(wanted))
    return found


def _incidents_with(transaction: Connection, keys: Collection[_Key]) -> set[str]:
    """The incidents of all that have one of *keys*: what is not common has one alone, so one release tells."""
    same = (traits.c.name == incident_members.c.name) & (traits.c.version == incident_members.c.version)
    every = select(incident_members.c.incident).join_from(traits, incident_members, same).limit(1)
    found = set()
    for kind, value in sorted(keys):
        incident = transaction.execute(every.where(traits.c.kind == kind, traits.c.value == value)).scalar()
        if incident is not None:
            found.add(incident)
    return found


def _batches(keys: Collection[_Key]) -> Iterator[list[_Key]]:
    """*keys* in pieces that any database takes in one statement."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), _ROWS):
        yield ordered[start : start + _ROWS]


def _open(transaction: Connection, identity: str, member: Member) -> None:
    values = {
        "title": member.title,
        "severity": member.verdict,
        "opened": member.added,
        "updated": member.added,
        "releases": 0,
        "packages": 0,
        "told": 0,
        "told_at": None,
        "merged": None,
    }
    row = incidents.c.id == identity
    if transaction.execute(select(incidents.c.id).where(row)).first() is None:
        transaction.execute(insert(incidents).values(id=identity, **values))
    else:  # it was part of another for a while
        transaction.execute(update(incidents).where(row).values(values))


def _merge(transaction: Connection, found: Collection[str]) -> tuple[str, str]:
    """One incident of all of *found*, and the verdict that was told of it."""
    rows = transaction.execute(
        select(incidents).where(incidents.c.id.in_(sorted(found))).order_by(incidents.c.opened, incidents.c.id)
    ).all()
    first, *others = rows
    if others:
        gone = [row.id for row in others]
        into = incident_members.c.incident.in_(gone)
        transaction.execute(update(incident_members).where(into).values(incident=first.id))
        earlier = incidents.c.id.in_(gone) | incidents.c.merged.in_(gone)
        transaction.execute(update(incidents).where(earlier).values(merged=first.id, releases=0, packages=0))
        told_at = max((row.told_at for row in rows if row.told_at is not None), default=None)
        told = max(row.told for row in rows)
        transaction.execute(
            update(incidents).where(incidents.c.id == first.id).values(told=told, told_at=told_at)
        )
    told_of = [row for row in rows if row.told > 0] or [first]
    severity: str = told_of[0].severity
    for row in told_of[1:]:
        severity = worse(severity, row.severity)
    return first.id, severity


def _count_one_more(transaction: Connection, identity: str, before: str | None, member: Member) -> Joined:
    """As :func:`_recount` where one release came: a campaign of a hundred thousand is not counted each time."""
    here = incidents.c.id == identity
    row = transaction.execute(select(incidents).where(here)).one()
    others = (incident_members.c.name == member.name) & (incident_members.c.version != member.version)
    known = transaction.execute(
        select(incident_members.c.version).where(others, incident_members.c.incident == identity).limit(1)
    ).first()
    joined = Joined(
        row.id,
        row.title,
        worse(row.severity, member.verdict),
        before,
        row.releases + 1,
        row.packages + (known is None),
        row.told,
    )
    transaction.execute(
        update(incidents)
        .where(here)
        .values(
            severity=joined.severity,
            releases=joined.releases,
            packages=joined.packages,
            updated=member.added,
        )
    )
    return joined


def _recount(transaction: Connection, identity: str, before: str | None, now: datetime | None) -> Joined:
    columns = incident_members.c
    releases, packages, malicious, suspicious = transaction.execute(
        select(
            func.count(),
            func.count(distinct(columns.name)),
            func.count().filter(columns.verdict == Verdict.MALICIOUS.value),
            func.count().filter(columns.verdict == Verdict.SUSPICIOUS.value),
        ).where(columns.incident == identity)
    ).one()
    severity = Verdict.MALICIOUS if malicious else Verdict.SUSPICIOUS if suspicious else Verdict.CLEAN
    values: dict[str, Any] = {"severity": severity.value, "releases": releases, "packages": packages}
    if now is not None:
        values["updated"] = now
    here = incidents.c.id == identity
    transaction.execute(update(incidents).where(here).values(values))
    row = transaction.execute(select(incidents).where(here)).one()
    return Joined(row.id, row.title, row.severity, before, row.releases, row.packages, row.told)


def _part(transaction: Connection, identity: str) -> None:
    """Part what nothing holds together any more; the part of the release that opened the incident keeps it."""
    members: dict[_Key, Row[Any]] = {
        (row.name, row.version): row
        for row in transaction.execute(select(incident_members).where(incident_members.c.incident == identity))
    }
    keys: dict[_Key, set[_Key]] = {release: set() for release in members}
    same = (traits.c.name == incident_members.c.name) & (traits.c.version == incident_members.c.version)
    wanted = (
        select(traits).join_from(traits, incident_members, same).where(incident_members.c.incident == identity)
    )
    for row in transaction.execute(wanted):
        keys[row.name, row.version].add((row.kind, row.value))
    every = {key for its in keys.values() for key in its}
    parts = components(keys, _common(transaction, every))
    told = transaction.execute(select(incidents.c.told).where(incidents.c.id == identity)).scalar_one()
    founded = [part for part in parts if any(incident_id(*release) == identity for release in part)]
    kept = founded[0] if founded else parts[0]
    for part in parts:
        if part == kept:
            continue
        first = min((members[release] for release in part), key=lambda it: (it.added, it.name, it.version))
        new = incident_id(first.name, first.version)
        title = f"{first.name}@{first.version}"
        _open(transaction, new, Member(first.name, first.version, first.verdict, title, first.added))
        for some in _batches(part):
            moved = tuple_(incident_members.c.name, incident_members.c.version).in_(some)
            transaction.execute(update(incident_members).where(moved).values(incident=new))
        size = _recount(transaction, new, None, first.added).releases
        if told:
            values = {"told": size, "told_at": first.added}
            transaction.execute(update(incidents).where(incidents.c.id == new).values(values))
    if len(parts) > 1:
        size = _recount(transaction, identity, None, None).releases
        transaction.execute(update(incidents).where(incidents.c.id == identity).values(told=min(told, size)))
