"""Incidents for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from npmguard.report.escape import terminal, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from npmguard.model import Finding, Incident, IncidentRelease, IncidentSummary, WatchedDependent

SCHEMA = "npmguard.incident/1"
SCHEMA_OF_SEVERAL = "npmguard.incidents/1"
_SHOWN = 50


def render_list_text(found: Sequence[IncidentSummary]) -> bytes:
    """*found* as lines for a terminal."""
    lines = [line for summary in found for line in _summary_lines(summary)]
    return ("\n".join(lines or ["no incidents"]) + "\n").encode("utf-8", "backslashreplace")


def render_list_json(found: Sequence[IncidentSummary]) -> bytes:
    """*found* as JSON in ASCII, schema ``npmguard.incidents/1``, each on a line of its own."""
    rows = ",\n".join(to_json(_summary(each)) for each in found)
    head = f'{{\n"schema":{to_json(SCHEMA_OF_SEVERAL)},\n"incidents":['
    return (f"{head}\n{rows}\n]\n}}\n" if found else f"{head}]\n}}\n").encode("ascii")


def render_text(incident: Incident) -> bytes:
    """*incident* as lines for a terminal."""
    return ("\n".join(_lines(incident)) + "\n").encode("utf-8", "backslashreplace")


def render_json(incident: Incident) -> bytes:
    """*incident* as JSON in ASCII, schema ``npmguard.incident/1``; the same incident gives the same bytes."""
    document = {
        "schema": SCHEMA,
        **_summary(incident.summary),
        "merged": incident.merged,
        "affected": [_release(release) for release in incident.releases],
        "traits": [
            {"kind": trait.kind, "value": trait.value, "releases": trait.releases} for trait in incident.traits
        ],
        "dependents": (
            None if incident.dependents is None else [_dependent(each) for each in incident.dependents]
        ),
    }
    lines = [f"{to_json(key)}:{to_json(value)}" for key, value in document.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")


def dependent_line(dependent: WatchedDependent) -> str:
    """What of a watch list is meant, in words; not escaped."""
    named = f"{dependent.name}@{dependent.version}" if dependent.version else dependent.name
    if not dependent.version:
        return f"{dependent.source}: watches {named}"
    if dependent.affected:
        return f"{dependent.source}: pins {named}, which is part of this incident"
    return f"{dependent.source}: pins {named}, another version of an affected package"


def _summary_lines(summary: IncidentSummary) -> Iterator[str]:
    yield f"{terminal(summary.id, 60)}  {summary.verdict.value}  {_size(summary)}"
    yield f"  {terminal(summary.title, 200)}"
    yield f"  opened {_time(summary.opened)}, changed {_time(summary.updated)}"


def _lines(incident: Incident) -> Iterator[str]:
    yield from _summary_lines(incident.summary)
    if incident.merged:
        yield f"  took in {', '.join(terminal(each, 60) for each in incident.merged)}"
    if incident.dependents is not None:
        yield ""
        yield "In the watch list"
        for dependent in incident.dependents:
            yield f"  {terminal(dependent_line(dependent), 400)}"
            for path in dependent.paths:
                yield f"    {terminal(' > '.join(path), 400)}"
        if not incident.dependents:
            yield "  nothing"
    yield ""
    yield "Releases"
    for release in incident.releases[:_SHOWN]:
        yield f"  {terminal(_line(release), 400)}"
        for finding in release.findings[:1]:
            yield f"    {terminal(finding.message, 300)}"
    if len(incident.releases) > _SHOWN:
        yield f"  and {len(incident.releases) - _SHOWN} more (--format json)"
    if incident.traits:
        yield ""
        yield "What they share"
        for trait in incident.traits[:_SHOWN]:
            yield f"  {terminal(f'{trait.kind} {trait.value}', 400)} ({trait.releases})"
        if len(incident.traits) > _SHOWN:
            yield f"  and {len(incident.traits) - _SHOWN} more (--format json)"


def _line(release: IncidentRelease) -> str:
    published = f", published {_time(release.published)}" if release.published is not None else ""
    seen = _time(release.seen)
    return f"{release.name}@{release.version}  {release.verdict.value}{published}, judged {seen}"


def _size(summary: IncidentSummary) -> str:
    releases = "1 release" if summary.releases == 1 else f"{summary.releases} releases"
    return f"{releases} of {'1 package' if summary.packages == 1 else f'{summary.packages} packages'}"


def _time(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _summary(summary: IncidentSummary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "title": summary.title,
        "verdict": summary.verdict.value,
        "opened": summary.opened.isoformat(),
        "updated": summary.updated.isoformat(),
        "releases": summary.releases,
        "packages": summary.packages,
    }


def _release(release: IncidentRelease) -> dict[str, Any]:
    return {
        "name": release.name,
        "version": release.version,
        "verdict": release.verdict.value,
        "published": release.published.isoformat() if release.published is not None else None,
        "seen": release.seen.isoformat(),
        "findings": [_finding(finding) for finding in release.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": finding.message,
        "file": finding.file,
        "line": finding.line,
    }


def _dependent(dependent: WatchedDependent) -> dict[str, Any]:
    return {
        "source": dependent.source,
        "name": dependent.name,
        "version": dependent.version or None,
        "affected": dependent.affected,
        "paths": dependent.paths,
        "more_paths": dependent.more_paths,
    }
