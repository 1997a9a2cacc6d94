"""An Incident as one HTML file that loads nothing, for those who were not there."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from npmguard import __version__
from npmguard.model import Verdict
from npmguard.report.escape import message
from npmguard.report.html import TEMPLATES, asset, source_hash
from npmguard.report.incident import dependent_line
from npmguard.report.path_graph import path_graph

if TYPE_CHECKING:
    from npmguard.model import Finding, Incident, IncidentRelease, WatchedDependent

_FINDINGS = 20  # different ones that are told in full
_TRAITS = 200


def render(incident: Incident) -> bytes:
    """*incident* as one file of HTML, with styles and a script of its own and a policy that allows no other.

    The same incident gives the same bytes.
    """
    style, script = asset("report.css"), asset("report.js")
    summary = incident.summary
    text: str = _template().render(
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - a file of this package
        style_hash=source_hash(style),
        script_hash=source_hash(script),
        id=message(summary.id, 60),
        title=message(summary.title, 300),
        verdict=summary.verdict.value,
        opened=_time(summary.opened),
        updated=_time(summary.updated),
        releases=summary.releases,
        packages=summary.packages,
        merged=[message(each, 60) for each in incident.merged],
        verdicts=[verdict.value for verdict in Verdict],
        findings=_findings(incident),
        traits=[
            {"kind": message(trait.kind, 40), "value": message(trait.value, 600), "releases": trait.releases}
            for trait in incident.traits[:_TRAITS]
        ],
        more_traits=max(0, len(incident.traits) - _TRAITS),
        dependents=(
            None if incident.dependents is None else [_dependent(each) for each in incident.dependents]
        ),
        rows=[_row(release) for release in incident.releases],
        version=__version__,
    )
    return text.encode("utf-8", "backslashreplace")


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("incident.html.j2")


def _findings(incident: Incident) -> list[dict[str, Any]]:
    """What was found, each once, with how many releases it was found in; the most frequent first."""
    counts: dict[tuple[str, str], list[Finding]] = {}
    for release in incident.releases:
        for key in {(finding.rule, finding.message): finding for finding in release.findings}.items():
            counts.setdefault(key[0], []).append(key[1])
    ordered = sorted(counts.items(), key=lambda it: (-len(it[1]), it[0]))
    return [
        {
            "message": message(found[0].message),
            "rule": message(rule, 100),
            "severity": found[0].severity.value,
            "releases": len(found),
        }
        for (rule, _), found in ordered[:_FINDINGS]
    ]


def _dependent(dependent: WatchedDependent) -> dict[str, Any]:
    return {
        "line": message(dependent_line(dependent)),
        "affected": dependent.affected,
        "graph": path_graph("the project", dependent.paths) if dependent.paths else None,
        "more_paths": dependent.more_paths,
    }


def _row(release: IncidentRelease) -> dict[str, Any]:
    rules = ", ".join(dict.fromkeys(message(finding.rule, 100) for finding in release.findings))
    return {
        "name": message(release.name, 300),
        "version": message(release.version, 100),
        "verdict": release.verdict.value,
        "order": list(Verdict).index(release.verdict),
        "published": _time(release.published) if release.published is not None else "not told",
        "seen": _time(release.seen),
        "rules": rules,
        "count": len(release.findings),
    }


def _time(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
