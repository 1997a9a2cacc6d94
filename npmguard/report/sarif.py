"""A ScanReport as SARIF 2.1.0, in the subset that GitHub code scanning reads.

Sources: the OASIS standard (Static Analysis Results Interchange Format 2.1.0, with errata 01) and GitHub's page
"SARIF support for code scanning". What stands where, and why, is told in ``docs/reports.md``.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from npmguard.model import IntegrityOutcome, Severity, Verdict
from npmguard.report import chain, escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from npmguard.model import Finding, PackageReport, ScanReport

UNVERIFIED_RULE = "npmguard-unverified"
MAX_RESULTS = 5_000  # GitHub keeps no more of a run, and refuses a run of more than 25,000
MAX_BYTES = 9_500_000  # GitHub refuses an upload of more than 10 MB, compressed; this is measured before that

_SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_SHORT = 1024  # characters that GitHub shows of a rule's descriptions
_EVIDENCE = 5  # told in one message
_EXCERPT = 160
_NAME = 250

_VERDICTS = (
    Verdict.MALICIOUS,
    Verdict.SUSPICIOUS,
    Verdict.UNVERIFIED,
    Verdict.CLEAN,
)  # worst first; of clean ones, only what was accepted has a result
_SEVERITIES = tuple(Severity)
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
}
# GitHub reads a score: over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, 0.1 to 3.9 low.
_SCORES = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "2.0"}


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule says of itself; unlike what it finds, this is the project's own text, or its user's."""

    title: str
    description: str
    remediation: str
    severity: Severity
    references: tuple[str, ...]


_UNVERIFIED_TEXT = RuleText(
    title="A package could not be checked",
    description="The package could not be fetched, read or verified: nothing is known of it.",
    remediation="Read the reason, mend it and scan again. Until then the package is not known to be clean.",
    severity=Severity.MEDIUM,
    references=(),
)


def render(report: ScanReport, rules: Mapping[str, RuleText], docs_url: str | None = None) -> bytes:
    """*report* as one SARIF run: one result a finding, and one for each package that could not be checked.

    *rules* describes every rule by its id, whether or not it found something. *docs_url* is the page whose
    anchors are rule ids. The same report and rules give the same bytes, with each rule and each result on a
    line of its own. The worst results come first; over :data:`MAX_RESULTS` or :data:`MAX_BYTES` the rest is
    left out and a notification says how many.
    """
    return render_all([report], rules, docs_url)


def render_all(
    reports: Sequence[ScanReport], rules: Mapping[str, RuleText], docs_url: str | None = None
) -> bytes:
    """Several reports as one SARIF log with a run each; the room for results is shared among them.

    Code scanning keeps runs apart by their ``automationDetails.id``, which no two of a log have in common.
    """
    seen: Counter[str] = Counter()
    runs = []
    for report in reports:
        place = _uri(report)
        seen[place] += 1
        category = f"npmguard/{place}/" if seen[place] == 1 else f"npmguard/{place}/{seen[place]}/"
        runs.append(_run(report, rules, docs_url, category, MAX_BYTES // len(reports)))
    separator = "},{\n"
    text = (
        f'{{"$schema":{escape.to_json(_SCHEMA_URI)},"version":"2.1.0","runs":[{{\n{separator.join(runs)}}}]}}\n'
    )
    return text.encode("ascii")


def _run(
    report: ScanReport, rules: Mapping[str, RuleText], docs_url: str | None, category: str, room: int
) -> str:
    """The members of one run."""
    findings = [finding for package in report.packages for finding in package.findings]
    undescribed = {finding.rule: _unknown(finding.rule, finding.severity) for finding in findings}
    texts = {**undescribed, **rules, UNVERIFIED_RULE: _UNVERIFIED_TEXT}
    index = {rule: number for number, rule in enumerate(sorted(texts))}
    results, left_out = _bounded(_results(report, index), room)
    descriptors = [escape.to_json(_descriptor(rule, texts[rule], docs_url)) for rule in index]
    driver = {"name": "npmguard", "version": report.tool_version, "properties": {"ruleset": report.ruleset}}
    run = {
        "automationDetails": {"id": category},  # GitHub's category: one for each lockfile
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": True, "toolExecutionNotifications": _notifications(report, left_out)}
        ],
    }
    return (
        f'"tool":{{"driver":{escape.to_json(driver)[:-1]},"rules":{_rows(descriptors)}}}}},\n'
        f"{escape.to_json(run)[1:-1]},\n"
        f'"results":{_rows(results)}\n'
    )


# --- rules ---


def _descriptor(rule: str, text: RuleText, docs_url: str | None) -> dict[str, Any]:
    links = [*([f"{docs_url}#{rule}"] if docs_url else []), *text.references]
    advice = f"{text.description}\n\nWhat to do: {text.remediation}"
    markdown = f"{text.description}\n\n**What to do:** {text.remediation}"
    listed = "".join(f"\n- <{link}>" for link in links)
    return {
        "id": _name(rule),
        "name": _name(rule),
        "shortDescription": {"text": text.title[:_SHORT]},
        "fullDescription": {"text": text.description[:_SHORT]},
        "help": {
            "text": "\n".join([advice, *(["", *links] if links else [])]),
            "markdown": markdown + (f"\n\nMore on this:\n{listed}" if links else ""),
        },
        **({"helpUri": links[0]} if links else {}),
        "defaultConfiguration": {"level": _LEVELS[text.severity]},
        "properties": {
            "tags": ["security", "supply-chain"],
            "security-severity": _SCORES[text.severity],
        },
    }


def _unknown(rule: str, severity: Severity) -> RuleText:
    return RuleText(
        title=_name(rule),
        description=f"The rule {_name(rule)} is not described in this installation.",
        remediation="See the message of the finding.",
        severity=severity,
        references=(),
    )


# --- results ---


def _results(report: ScanReport, index: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Every result, worst first; made one by one, as not all of them may be wanted."""
    seen: Counter[str] = Counter()
    for verdict in _VERDICTS:
        packages = [package for package in report.packages if package.verdict is verdict]
        for severity in _SEVERITIES:
            for package in packages:
                for finding in package.findings:
                    shown = verdict is not Verdict.CLEAN or finding.accepted is not None
                    if finding.severity is severity and shown:
                        yield _result(report, package, finding, index, seen)
        if verdict is Verdict.UNVERIFIED:
            for package in packages:
                yield _unverified_result(report, package, index, seen)


def _result(
    report: ScanReport, package: PackageReport, finding: Finding, index: Mapping[str, int], seen: Counter[str]
) -> dict[str, Any]:
    level = _LEVELS[finding.severity]
    if package.verdict is not Verdict.MALICIOUS and level == "error":
        level = "warning"
    evidence = [[it.signal, it.file, it.excerpt, it.decoded] for it in finding.evidence]
    identity = [finding.rule, package.name, package.version, finding.file, evidence]
    suppressed = (
        {
            "suppressions": [
                {"kind": "external", "justification": escape.message(chain.acceptance(finding.accepted), 300)}
            ]
        }
        if finding.accepted is not None
        else {}
    )
    return {
        "ruleId": _name(finding.rule),
        "ruleIndex": index[finding.rule],
        "level": level,
        "message": {"text": "\n".join(_message(package, finding))},
        "locations": [_location(report, package, finding)],
        "partialFingerprints": _fingerprints(identity, seen),
        **suppressed,
        "properties": {
            **_properties(package),
            "severity": finding.severity.value,
            "confidence": finding.confidence.value,
            "added": finding.added,
            "contexts": [it.context.value for it in finding.circumstances],
        },
    }


def _unverified_result(
    report: ScanReport, package: PackageReport, index: Mapping[str, int], seen: Counter[str]
) -> dict[str, Any]:
    reason = escape.message(package.unverified_reason or "no reason was recorded")
    lines = [f"{_spec(package)} could not be checked: {reason}", *_paths(package)]
    return {
        "ruleId": UNVERIFIED_RULE,
        "ruleIndex": index[UNVERIFIED_RULE],
        "level": "warning",
        "message": {"text": "\n".join(lines)},
        "locations": [_location(report, package, None)],
        "partialFingerprints": _fingerprints([UNVERIFIED_RULE, package.name, package.version], seen),
        "properties": _properties(package),
    }


def _message(package: PackageReport, finding: Finding) -> Iterator[str]:
    yield f"{_spec(package)}: {escape.message(finding.message)}"
    newness = chain.newness(finding, package)
    if newness is not None:
        yield f"{newness[:1].upper()}{_name(newness[1:])}."
    if finding.file is not None and not finding.evidence:
        yield f"- {_place(finding.file, finding.line)}"
    for evidence in finding.evidence[:_EVIDENCE]:
        place = f"{_place(evidence.file, evidence.line)}: " if evidence.file is not None else ""
        parts = [f"- {place}{escape.message(evidence.message, 300)}"]
        if evidence.excerpt:
            parts.append(escape.message(" ".join(evidence.excerpt.split()), _EXCERPT))
        if evidence.decoded:
            parts.append(f"decoded: {escape.message(evidence.decoded, _EXCERPT)}")
        yield " | ".join(parts)
    if len(finding.evidence) > _EVIDENCE:
        yield f"- and {len(finding.evidence) - _EVIDENCE} more"
    yield from (f"- {escape.message(it, 300)}" for it in chain.circumstances(finding, package))
    for reason in package.reasons:
        if reason.rule == finding.rule:
            yield f"Verdict {escape.message(chain.conclusion(reason))}."
    outcomes = {package.integrity.lock, package.integrity.registry}
    if IntegrityOutcome.MISMATCH in outcomes and package.integrity.detail is not None:
        yield f"Integrity: {escape.message(package.integrity.detail)}"
    yield from _paths(package)
    if package.fix is not None and package.fix.version is not None:
        yield f"Install {_name(f'{package.name}@{package.fix.version}')}: {escape.message(package.fix.reason)}"
    elif package.fix is not None:
        yield f"No fix: {escape.message(package.fix.reason)}"
    if finding.remediation:
        yield escape.message(finding.remediation)


def _paths(package: PackageReport) -> Iterator[str]:
    if package.paths:
        more = len(package.paths) - 1 + package.more_paths
        yield f"Path: {_name(' > '.join(package.paths[0]))}" + (f" and {more} more" if more else "")


def _properties(package: PackageReport) -> dict[str, Any]:
    return {
        "package": _name(package.name),
        "version": _name(package.version),
        "verdict": package.verdict.value,
        "baseline": _name(package.baseline.version) if package.baseline is not None else None,
        "fix": _name(package.fix.version)
        if package.fix is not None and package.fix.version is not None
        else None,
    }


def _location(report: ScanReport, package: PackageReport, finding: Finding | None) -> dict[str, Any]:
    """The package's line in the lockfile; the file inside the tarball is no file of the repository.

    Only where a folder was scanned is that file one that a viewer can open, and the location names it.
    """
    file = finding.file if finding is not None else None
    inside = {
        "name": _name(file or package.name),
        "fullyQualifiedName": _name(f"{package.name}@{package.version}" + (f"/{file}" if file else "")),
        "kind": "resource" if file else "module",
    }
    location: dict[str, Any] = {"logicalLocations": [inside]}
    if report.kind == "directory":
        physical, line = _file_uri(report, file), finding.line if finding is not None and file else None
    else:
        physical, line = _uri(report), package.line
    if report.kind != "spec":
        location["physicalLocation"] = {
            "artifactLocation": {"uri": physical},
            "region": {"startLine": max(line or 1, 1), "startColumn": 1},
        }
    return location


def _fingerprints(identity: list[Any], seen: Counter[str]) -> dict[str, str]:
    """What stays the same while unrelated lines of the lockfile come and go.

    GitHub reads only ``primaryLocationLineHash``, in its own form: a hash, and which of its like this is.
    """
    digest = sha256(escape.to_json(identity).encode("ascii")).hexdigest()[:32]
    seen[digest] += 1
    value = f"{digest}:{seen[digest]}"
    return {"npmguard/v1": value, "primaryLocationLineHash": value}


def _bounded(results: Iterator[dict[str, Any]], room: int) -> tuple[list[str], int]:
    """The results as JSON, as many as GitHub takes and *room* holds, and how many were left out."""
    rows: list[str] = []
    for result in results:
        row = escape.to_json(result)
        room -= len(row)
        if room < 0 or len(rows) == MAX_RESULTS:
            return rows, 1 + sum(1 for _ in results)
        rows.append(row)
    return rows, 0


def _notifications(report: ScanReport, left_out: int) -> list[dict[str, Any]]:
    told = [("warning", escape.message(gap)) for gap in report.incomplete]
    told += [("note", escape.message(note)) for note in report.notes]
    if report.skipped:
        counts = Counter(entry.reason.value for entry in report.skipped)
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
        many = "1 entry names" if len(report.skipped) == 1 else f"{len(report.skipped)} entries name"
        has = "has" if len(report.skipped) == 1 else "have"
        told.append(("note", f"{many} no registry tarball and {has} no result: {reasons}."))
    if not report.packages:
        told.append(("warning", "No packages were read: nothing was checked."))
    if left_out:
        limits = f"code scanning takes {MAX_RESULTS} results and 10 MB. The JSON report has them all."
        told.append(("warning", f"{left_out} further results, the least severe ones, are left out: {limits}"))
    return [{"level": level, "message": {"text": text}} for level, text in told]


# --- words ---


def _uri(report: ScanReport) -> str:
    """The target as code scanning names files: relative to where the scan was run, the repository's root.

    Of a path outside of it only the last part means anything to a reader.
    """
    path = posixpath.normpath(report.path) if report.path else "package-lock.json"
    if _outside(path):
        path = posixpath.basename(path) or "package-lock.json"
    return quote(path.encode("utf-8", "surrogatepass"))


def _file_uri(report: ScanReport, file: str | None) -> str:
    inside = posixpath.normpath(file or "package.json")
    if _outside(inside):
        inside = "package.json"
    return posixpath.normpath(f"{_uri(report)}/{quote(inside.encode('utf-8', 'surrogatepass'))}")


def _outside(path: str) -> bool:
    return path == ".." or path.startswith(("/", "../"))


def _spec(package: PackageReport) -> str:
    return _name(f"{package.name}@{package.version}")


def _place(file: str, line: int | None) -> str:
    return escape.message(file if line is None else f"{file}:{line}", _NAME)


def _name(text: str) -> str:
    return escape.message(text, _NAME, ascii_only=True)


def _rows(rows: list[str]) -> str:
    return "[\n" + ",\n".join(rows) + "\n]" if rows else "[]"
