"""A ScanReport as one HTML file that loads nothing: for people who were not there when it was scanned."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from npmguard.model import Verdict
from npmguard.report import chain
from npmguard.report.escape import message
from npmguard.report.highlight import highlight
from npmguard.report.path_graph import path_graph

if TYPE_CHECKING:
    from npmguard.model import Evidence, Finding, PackageReport, ScanReport, SkippedPackage, VersionDiff

TEMPLATES = Path(__file__).with_name("templates")
_MAX_EVIDENCE = 20
_MAX_LINES = 200  # of a list
_TITLES = {
    Verdict.MALICIOUS: "Malicious: do not install",
    Verdict.SUSPICIOUS: "Suspicious: a person should look",
    Verdict.UNVERIFIED: "Could not be checked",
}


def render(report: ScanReport) -> bytes:
    """*report* as one file of HTML, with styles and a script of its own and a policy that allows no other.

    The same report gives the same bytes.
    """
    style, script = asset("report.css"), asset("report.js")
    numbers = {id(package): number for number, package in enumerate(report.packages)}
    text: str = _template().render(
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - a file of this package
        style_hash=source_hash(style),
        script_hash=source_hash(script),
        title=message(report.path, 200),
        target=message(report.path),
        against=message(report.against) if report.against is not None else None,
        tiles=[{"verdict": verdict.value, "count": report.count(verdict)} for verdict in Verdict],
        groups=list(_groups(report, numbers)),
        rows=[_row(package, numbers) for package in report.packages],
        skipped=_lines(map(_skipped, report.skipped)),
        incomplete=_lines(map(message, report.incomplete)),
        notes=_lines(map(message, report.notes)),
        version=message(report.tool_version),
        ruleset=message(report.ruleset[:12]),
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
    return environment.get_template("report.html.j2")


@cache
def asset(name: str) -> str:
    """The text of a file beside the templates."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def source_hash(text: str) -> str:
    """*text* as a Content-Security-Policy names it."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _groups(report: ScanReport, numbers: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    for verdict, title in _TITLES.items():
        packages = [package for package in report.packages if package.verdict is verdict]
        if packages:
            yield {"title": title, "packages": [_package(report, each, numbers) for each in packages]}
    accepted = [
        package
        for package in report.packages
        if package.verdict is Verdict.CLEAN and any(finding.accepted for finding in package.findings)
    ]
    if accepted:
        title = "Accepted: the project lives with it"
        yield {"title": title, "packages": [_package(report, each, numbers) for each in accepted]}


def _package(report: ScanReport, package: PackageReport, numbers: Mapping[int, int]) -> dict[str, Any]:
    fix = package.fix
    way_out = None
    if fix is not None:
        way_out = f"install {package.name}@{fix.version}: {fix.reason}" if fix.version else fix.reason
    return {
        "number": numbers[id(package)],
        "verdict": package.verdict.value,
        "spec": _spec(package),
        "place": f"line {package.line} of {message(report.path, 200)}" if package.line else "",
        "reason": message(package.unverified_reason) if package.unverified_reason is not None else None,
        "findings": [_finding(finding, package) for finding in package.findings],
        "conclusions": [message(chain.conclusion(reason)) for reason in package.reasons],
        "fix": message(way_out) if way_out is not None else None,
        "notes": _lines(map(message, package.notes)),
        "graph": path_graph("the project", package.paths) if package.paths else None,
        "more_paths": package.more_paths,
        "diff": _diff(package.diff) if package.diff is not None else None,
        "integrity": list(_integrity(package)),
    }


def _finding(finding: Finding, package: PackageReport) -> dict[str, Any]:
    newness = chain.newness(finding, package)
    return {
        "message": message(finding.message),
        "severity": finding.severity.value,
        "rule": message(finding.rule),
        "newness": message(newness) if newness is not None else None,
        "circumstances": [message(each) for each in chain.circumstances(finding, package)],
        "evidence": [_evidence(evidence) for evidence in finding.evidence[:_MAX_EVIDENCE]],
        "more": max(0, len(finding.evidence) - _MAX_EVIDENCE),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    line = f":{evidence.line}" if evidence.line is not None else ""
    return {
        "message": message(evidence.message),
        "place": message(f"{evidence.file}{line}") if evidence.file is not None else None,
        "excerpt": highlight(evidence.excerpt) if evidence.excerpt else None,
        "decoded": highlight(evidence.decoded) if evidence.decoded else None,
    }


def _diff(diff: VersionDiff) -> dict[str, Any]:
    moved = {path for path, _ in diff.moved}
    changed = [f"{each.path} (+{len(each.added_lines)} lines)" for each in diff.changed]
    manifest = [
        f"{each.field}.{each.key}: {each.old if each.old is not None else 'absent'} -> "
        f"{each.new if each.new is not None else 'absent'}"
        for each in diff.manifest
    ]
    parts = {
        "package.json": manifest,
        "files added": [path for path in diff.added if path not in moved],
        "files changed": changed,
        "files moved": [f"{old} -> {new}" for new, old in diff.moved],
        "files removed": list(diff.removed),
    }
    told = [{"title": title, "lines": _lines(map(message, lines))} for title, lines in parts.items() if lines]
    return {"old": message(diff.old_version, 100), "parts": told}


def _integrity(package: PackageReport) -> Iterator[str]:
    report = package.integrity
    yield f"against the lock: {report.lock.value}"
    yield f"against the registry: {report.registry.value}"
    for title, told in (("signature", report.signature), ("provenance", report.provenance)):
        if told is not None:
            yield f"{title}: {message(told, 100)}"
    if report.detail is not None:
        yield message(report.detail)


def _row(package: PackageReport, numbers: Mapping[int, int]) -> dict[str, Any]:
    shown = package.verdict is not Verdict.CLEAN or any(finding.accepted for finding in package.findings)
    return {
        "number": numbers[id(package)] if shown else None,
        "name": message(package.name, 300),
        "version": message(package.version, 100),
        "verdict": package.verdict.value,
        "order": list(Verdict).index(package.verdict),
        "count": len(package.findings),
        "rules": ", ".join(dict.fromkeys(message(finding.rule, 100) for finding in package.findings)),
    }


def _skipped(entry: SkippedPackage) -> str:
    return message(f"{entry.location}: {entry.reason.value}, {entry.detail}")


def _spec(package: PackageReport) -> str:
    return message(f"{package.name}@{package.version}" if package.version else package.name, 400)


def _lines(lines: Iterator[str] | map[str]) -> list[str]:
    told = list(lines)
    more = len(told) - _MAX_LINES
    return told if more <= 0 else [*told[:_MAX_LINES], f"and {more} more"]
