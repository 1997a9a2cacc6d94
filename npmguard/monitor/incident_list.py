"""The incidents of a state, for people to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, select

from npmguard.errors import IndicatorError, UsageError
from npmguard.lockfile.graph import DependencyGraph
from npmguard.lockfile.reader import find_lockfile, read_lockfile
from npmguard.model import (
    Confidence,
    Finding,
    Incident,
    IncidentRelease,
    IncidentSummary,
    Severity,
    SharedTrait,
    Verdict,
    WatchedDependent,
)
from npmguard.monitor.alerts import shared_traits, stored_document
from npmguard.monitor.tables import incident_members, incidents
from npmguard.monitor.traits import affected_of
from npmguard.monitor.watch import is_list, listed_names

if TYPE_CHECKING:
    from npmguard.config import Limits
    from npmguard.monitor.alert import AlertFinding

_TRAITS: Final = 200
_MERGES: Final = 100


def list_incidents(connection: Connection, *, verdict: str | None = None) -> tuple[IncidentSummary, ...]:
    """All incidents, the one that changed last first; with *verdict*, those alone."""
    query = select(incidents).where(incidents.c.merged.is_(None))
    if verdict is not None:
        query = query.where(incidents.c.severity == verdict)
    rows = connection.execute(query.order_by(incidents.c.updated.desc(), incidents.c.id))
    return tuple(map(_summary, rows))


def read_incident(connection: Connection, identity: str) -> Incident:
    """One incident, by its id, the beginning of it, or the id of one that became a part of it.

    Raises:
        UsageError: there is no such incident, or several begin so.
    """
    columns = incident_members.c
    row = _find(connection, identity)
    members = connection.execute(
        select(incident_members)
        .where(columns.incident == row.id)
        .order_by(columns.added, columns.name, columns.version)
    ).all()
    merged = connection.execute(
        select(incidents.c.id).where(incidents.c.merged == row.id).order_by(incidents.c.id)
    ).scalars()
    return Incident(
        summary=_summary(row),
        releases=tuple(_release(connection, member) for member in members),
        traits=tuple(
            SharedTrait(trait.kind, trait.value, trait.releases)
            for trait in shared_traits(connection, row.id, _TRAITS)
        ),
        merged=tuple(merged),
    )


def with_dependents(incident: Incident, sources: Sequence[Path], limits: Limits) -> Incident:
    """*incident* with what of it is in the watch list of *sources*: lockfiles, folders, SBOMs, lists of names.

    Raises:
        UsageError: one of them cannot be read.
    """
    affected = {(release.name, release.version) for release in incident.releases}
    names = {name for name, _ in affected}
    found: list[WatchedDependent] = []
    for source in sources:
        if is_list(source):
            found += [
                WatchedDependent(str(source), name, "", affected=False)
                for name in sorted(listed_names(source) & names)
            ]
        else:
            found += _locked(find_lockfile(source), names, affected, limits)
    return replace(incident, dependents=tuple(found))


def _locked(
    path: Path, names: set[str], affected: set[tuple[str, str]], limits: Limits
) -> list[WatchedDependent]:
    lock = read_lockfile(path, limits)
    locations: dict[tuple[str, str], list[str]] = {}
    for package in lock.packages:
        if package.name in names:
            locations.setdefault((package.name, package.version), []).append(package.location)
    graph = DependencyGraph(lock)
    found = []
    for (name, version), places in sorted(locations.items()):
        ways = graph.paths_to(*places)
        is_affected = (name, version) in affected
        found.append(WatchedDependent(str(path), name, version, is_affected, ways.paths, ways.more))
    return sorted(found, key=lambda it: (not it.affected, it.name, it.version))


def _find(connection: Connection, identity: str) -> Row[Any]:
    rows = connection.execute(
        select(incidents).where(incidents.c.id.startswith(identity, autoescape=True)).limit(2)
    ).all()
    exact = [row for row in rows if row.id == identity]
    if not rows:
        raise UsageError(f"there is no incident {identity}; npmguard monitor incidents lists them")
    if len(rows) > 1 and not exact:
        raise UsageError(f"several incidents begin with {identity}; give more of the id")
    row = (exact or rows)[0]
    for _ in range(_MERGES):
        if row.merged is None:
            break
        row = connection.execute(select(incidents).where(incidents.c.id == row.merged)).one()
    return row


def _summary(row: Row[Any]) -> IncidentSummary:
    return IncidentSummary(
        row.id, row.title, Verdict(row.severity), row.opened, row.updated, row.releases, row.packages
    )


def _release(connection: Connection, row: Row[Any]) -> IncidentRelease:
    findings: tuple[AlertFinding, ...] = ()
    document = stored_document(connection, row.name, row.version)
    if document is not None:
        try:
            findings = affected_of(document, seen="").findings
        except IndicatorError:  # of an earlier npmguard: the release itself is told
            findings = ()
    return IncidentRelease(
        name=row.name,
        version=row.version,
        verdict=Verdict(row.verdict),
        seen=row.added,
        published=row.published,
        findings=tuple(map(_finding, findings)),
    )


def _finding(finding: AlertFinding) -> Finding:
    known = {it.value for it in Severity}
    severity = Severity(finding.severity) if finding.severity in known else Severity.MEDIUM
    return Finding(finding.rule, severity, Confidence.HIGH, finding.message, finding.file, finding.line)
