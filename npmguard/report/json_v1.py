"""A ScanReport as JSON, schema ``npmguard.report/1``.

The format is written by hand and changes only by new keys: what a program relies on does not follow the
program's own types. ``docs/report.schema.json`` describes it, ``docs/reports.md`` explains it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from npmguard.model import Verdict
from npmguard.report.escape import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from npmguard.model import (
        Evidence,
        Finding,
        LockChange,
        PackageReport,
        Sandbox,
        ScanReport,
        SkippedPackage,
        Specimen,
        VersionDiff,
    )

SCHEMA = "npmguard.report/1"
SCHEMA_OF_SEVERAL = "npmguard.reports/1"


def render(report: ScanReport) -> bytes:
    """*report* as JSON in ASCII, each package and each skipped entry on a line of its own.

    The same report gives the same bytes: no times, no order that may change. Texts are as they were found, with
    credentials masked; who shows them escapes them.
    """
    head = {
        "schema": SCHEMA,
        "tool": {"name": "npmguard", "version": report.tool_version, "ruleset": report.ruleset},
        "target": {"kind": report.kind, "path": report.path},
        "summary": {
            "packages": len(report.packages),
            "malicious": report.count(Verdict.MALICIOUS),
            "suspicious": report.count(Verdict.SUSPICIOUS),
            "clean": report.count(Verdict.CLEAN),
            "unverified": report.count(Verdict.UNVERIFIED),
            "skipped": len(report.skipped),
        },
    }
    lines = [f"{to_json(key)}:{to_json(value)}" for key, value in head.items()]
    lines.append(f'"packages":{_rows([_package(package) for package in report.packages])}')
    lines.append(f'"skipped":{_rows([_skipped(entry) for entry in report.skipped])}')
    lines.append(f'"against":{to_json(report.against)}')
    lines.append(f'"changes":{_rows([_change(change) for change in report.changes])}')
    lines.append(f'"incomplete":{_rows(report.incomplete)}')
    lines.append(f'"notes":{_rows(report.notes)}')
    lines.append(f'"sandbox":{to_json(_sandbox(report.sandbox))}')
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")


def render_all(reports: Sequence[ScanReport]) -> bytes:
    """Several reports as one document, schema ``npmguard.reports/1``: each as :func:`render` makes it."""
    each = [render(report).decode("ascii").rstrip("\n") for report in reports]
    return (
        f'{{\n"schema":{to_json(SCHEMA_OF_SEVERAL)},\n"reports":[\n' + ",\n".join(each) + "\n]\n}\n"
    ).encode("ascii")


def _rows(items: Sequence[Any]) -> str:
    return "[\n" + ",\n".join(map(to_json, items)) + "\n]" if items else "[]"


def _package(package: PackageReport) -> dict[str, Any]:
    integrity = package.integrity
    return {
        "name": package.name,
        "version": package.version,
        "locations": package.locations,
        "line": package.line,
        "verdict": package.verdict.value,
        "baseline": (
            {"version": package.baseline.version, "reason": package.baseline.reason}
            if package.baseline
            else None
        ),
        "findings": [_finding(finding) for finding in package.findings],
        "integrity": {
            "lock": integrity.lock.value,
            "registry": integrity.registry.value,
            "signature": integrity.signature,
            "provenance": integrity.provenance,
            "detail": integrity.detail,
        },
        "paths": package.paths,
        "more_paths": package.more_paths,
        "fix": {"version": package.fix.version, "reason": package.fix.reason} if package.fix else None,
        "unverified_reason": package.unverified_reason,
        "notes": package.notes,
        "diff": _diff(package.diff) if package.diff is not None else None,
        "reasons": [
            {"rule": reason.rule, "verdict": reason.verdict.value, "text": reason.text}
            for reason in package.reasons
        ],
        "specimen": _specimen(package.specimen) if package.specimen is not None else None,
    }


def _sandbox(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "file_system": sandbox.file_system,
        "network": sandbox.network,
        "processes": sandbox.processes,
        "limits": sandbox.limits,
        "missing": sandbox.missing,
    }


def _specimen(specimen: Specimen) -> dict[str, Any]:
    hashes = {item.algorithm: item.digest.hex() for item in specimen.hashes}
    return {
        "published": specimen.published.isoformat() if specimen.published is not None else None,
        "sha512": hashes.get("sha512"),
        "sha256": hashes.get("sha256"),
        "files": [{"path": file.path, "sha256": file.sha256, "names": file.names} for file in specimen.files],
    }


def _diff(diff: VersionDiff) -> dict[str, Any]:
    moved = {path for path, _ in diff.moved}
    return {
        "old_version": diff.old_version,
        "added": [path for path in diff.added if path not in moved],
        "moved": diff.moved,
        "removed": diff.removed,
        "changed": [{"path": each.path, "added_lines": len(each.added_lines)} for each in diff.changed],
        "manifest": [
            {"field": each.field, "key": each.key, "old": each.old, "new": each.new} for each in diff.manifest
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "message": finding.message,
        "file": finding.file,
        "line": finding.line,
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "added": finding.added,
        "remediation": finding.remediation,
        "policy": finding.policy,
        "accepted": (
            {
                "reason": finding.accepted.reason,
                "author": finding.accepted.author,
                "expires": finding.accepted.expires,
            }
            if finding.accepted is not None
            else None
        ),
        "circumstances": [{"context": it.context.value, "detail": it.detail} for it in finding.circumstances],
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "signal": evidence.signal,
        "message": evidence.message,
        "file": evidence.file,
        "line": evidence.line,
        "excerpt": evidence.excerpt,
        "decoded": evidence.decoded,
        "added": evidence.added,
    }


def _change(change: LockChange) -> dict[str, Any]:
    return {
        "name": change.name,
        "change": change.kind.value,
        "old": change.old,
        "new": change.new,
        "gained": change.gained,
        "unknown": change.unknown,
    }


def _skipped(entry: SkippedPackage) -> dict[str, Any]:
    return {
        "location": entry.location,
        "reason": entry.reason.value,
        "line": entry.line,
        "name": entry.name,
        "detail": entry.detail,
    }
