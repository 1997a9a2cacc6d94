"""A ScanReport as Markdown: the comment under a pull request, the summary of a CI job.

Everything that came from a package stands in code spans or is escaped: no mention, link, image or tag of its
own. The size is bounded, for GitHub refuses a comment of over 65,536 characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from npmguard.model import ChangeKind, Verdict
from npmguard.report import chain, escape
from npmguard.report.escape import markdown, markdown_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from npmguard.model import Finding, LockChange, PackageReport, ScanReport, SkippedPackage

MAX_CHARACTERS = 60_000
MAX_REPORTS = 50
_MAX_ROWS = 100
_MAX_EVIDENCE = 3
_MAX_LINES = 30
_NAME = 214  # npm's own limit
_LEAST = 600  # characters that each of several reports may have
_EXCERPT = 160
_FLAGGED = (Verdict.MALICIOUS, Verdict.SUSPICIOUS, Verdict.UNVERIFIED)
_SIGNS = {
    Verdict.MALICIOUS: "❌ malicious",
    Verdict.SUSPICIOUS: "⚠️ suspicious",
    Verdict.UNVERIFIED: "❔ unverified",
    Verdict.CLEAN: "✅ clean",
}
_ADVICE = {
    Verdict.MALICIOUS: "do not install",
    Verdict.SUSPICIOUS: "a person should look",
    Verdict.UNVERIFIED: "could not be checked",
}


def render(report: ScanReport) -> bytes:
    """*report* as Markdown, at most :data:`MAX_CHARACTERS` long: what does not fit is counted.

    The same report gives the same bytes.
    """
    return ("\n".join(_kept(report, MAX_CHARACTERS)) + "\n").encode("utf-8", "backslashreplace")


def render_all(reports: Sequence[ScanReport]) -> bytes:
    """Several reports, the worst first, and a table of them at the end; together no longer than one may be.

    What does not fit is counted, and a report over :data:`MAX_REPORTS` has its row in the table alone.
    """
    reports = sorted(reports, key=_badness)
    shown = reports[:MAX_REPORTS]
    summary = "\n".join(_summary(reports))
    room = MAX_CHARACTERS - len(summary) - 1
    parts: list[str] = []
    for number, report in enumerate(shown, 1):
        text = "\n".join(_kept(report, room - _LEAST * (len(shown) - number)))
        parts.append(text)
        room -= len(text) + 1
    return ("\n".join([*parts, summary]) + "\n").encode("utf-8", "backslashreplace")


def _badness(report: ScanReport) -> int:
    worst = next((number for number, verdict in enumerate(_FLAGGED) if report.count(verdict)), len(_FLAGGED))
    return min(worst, len(_FLAGGED) - 1) if report.incomplete else worst


def _kept(report: ScanReport, room: int) -> list[str]:
    """The parts of a report that fit into *room* characters."""
    parts = [*_head(report), *_changes(report), *_details(report), *_rest(report)]
    kept: list[str] = []
    for part in parts:
        if len(part) + 1 > room:
            left = len(parts) - len(kept)
            kept.append(f"\n*{left} further parts did not fit here; the JSON report has all of it.*\n")
            break
        kept.append(part)
        room -= len(part) + 1
    return kept


def _summary(reports: Sequence[ScanReport]) -> Iterator[str]:
    yield f"## npmguard: {len(reports)} lockfiles\n"
    yield "| lockfile | malicious | suspicious | unverified | clean |\n| --- | --- | --- | --- | --- |"
    for report in reports[:_MAX_ROWS]:
        counts = " | ".join(str(report.count(verdict)) for verdict in (*_FLAGGED, Verdict.CLEAN))
        yield f"| {markdown_code(report.path, _NAME)} | {counts} |"
    if len(reports) > _MAX_ROWS:
        yield f"\n*and {len(reports) - _MAX_ROWS} more lockfiles*"


def _head(report: ScanReport) -> Iterator[str]:
    counts = [(report.count(verdict), verdict) for verdict in (*_FLAGGED, Verdict.CLEAN)]
    worst = next((verdict for count, verdict in counts if count), Verdict.CLEAN)
    if report.incomplete and worst is Verdict.CLEAN:
        worst = Verdict.UNVERIFIED
    yield f"## npmguard: {_SIGNS[worst]}\n"
    what = f"{markdown_code(report.path)}"
    if report.against is not None:
        what += f", what it brings in against {markdown_code(report.against)}"
    told = ", ".join(f"{count} {verdict.value}" for count, verdict in counts if count) or "nothing to judge"
    yield f"{what}: {told}.\n"


def _changes(report: ScanReport) -> Iterator[str]:
    if report.against is None:
        return
    if not report.changes:
        yield "No locked version differs.\n"
        return
    verdicts = {(package.name, package.version): package for package in report.packages}
    order = list(Verdict)
    rows = sorted(report.changes, key=lambda it: _rank(it, verdicts, order))
    yield "| change | package | version | verdict | behaviours gained |\n| --- | --- | --- | --- | --- |"
    for change in rows[:_MAX_ROWS]:
        yield _row(change, verdicts)
    if len(rows) > _MAX_ROWS:
        yield f"\n*and {len(rows) - _MAX_ROWS} more changes*"
    yield ""


def _rank(
    change: LockChange, verdicts: Mapping[tuple[str, str], PackageReport], order: Sequence[Verdict]
) -> tuple[int, str, str]:
    package = verdicts.get((change.name, change.new or ""))
    removed = len(order) + (change.kind is ChangeKind.REMOVED)
    return (order.index(package.verdict) if package else removed, change.name, change.new or change.old or "")


def _row(change: LockChange, verdicts: Mapping[tuple[str, str], PackageReport]) -> str:
    package = verdicts.get((change.name, change.new or ""))
    versions = {
        ChangeKind.ADDED: markdown_code(change.new or ""),
        ChangeKind.REMOVED: markdown_code(change.old or ""),
        ChangeKind.CHANGED: f"{markdown_code(change.old or '')} → {markdown_code(change.new or '')}",
        ChangeKind.REPLACED: f"{markdown_code(change.new or '')}, other bytes or another place",
    }[change.kind]
    if change.unknown is not None:
        gained = "not compared"
    else:
        gained = ", ".join(map(markdown_code, change.gained or ()))
    verdict = _SIGNS[package.verdict] if package else ""
    return f"| {change.kind.value} | {markdown_code(change.name, _NAME)} | {versions} | {verdict} | {gained} |"


def _details(report: ScanReport) -> Iterator[str]:
    for verdict in _FLAGGED:
        for package in report.packages:
            if package.verdict is verdict:
                yield "\n".join(_package(package)) + "\n"
    accepted = [
        f"- {_spec(package)}: {markdown_code(finding.rule)}, {markdown(chain.acceptance(finding.accepted))}"
        for package in report.packages
        for finding in package.findings
        if finding.accepted is not None
    ]
    if accepted:
        yield "### Accepted findings\n"
        yield from _bounded(accepted)


def _package(package: PackageReport) -> Iterator[str]:
    yield f"### {_SIGNS[package.verdict]}: {_spec(package)} ({_ADVICE[package.verdict]})\n"
    if package.unverified_reason is not None:
        yield f"Not checked: {markdown(package.unverified_reason)}\n"
    for finding in package.findings:
        if finding.accepted is None:
            yield from _finding(finding, package)
    yield from (f"- {markdown(chain.conclusion(reason))}" for reason in package.reasons)
    for path in package.paths:
        way = " > ".join(markdown_code(step, _NAME) for step in path)
        yield f"- comes by {way}"
    if package.more_paths:
        yield f"- and by {package.more_paths} more ways"
    if package.fix is not None:
        version = (
            f"install {markdown_code(f'{package.name}@{package.fix.version}')}: " if package.fix.version else ""
        )
        yield f"- **way out:** {version}{markdown(package.fix.reason)}"
    yield from (f"- {markdown(note)}" for note in package.notes)


def _finding(finding: Finding, package: PackageReport) -> Iterator[str]:
    newness = chain.newness(finding, package)
    when = f" ({markdown(newness)})" if newness is not None else ""
    yield f"- **{finding.severity.value}** {markdown(finding.message)} {markdown_code(finding.rule)}{when}"
    for evidence in finding.evidence[:_MAX_EVIDENCE]:
        place = f" in {markdown_code(f'{evidence.file}:{evidence.line or 1}')}" if evidence.file else ""
        yield f"  - {markdown(evidence.message)}{place}"
        if evidence.excerpt:
            yield f"    {markdown_code(' '.join(evidence.excerpt.split()), _EXCERPT)}"
        if evidence.decoded:
            yield f"    decoded: {markdown_code(' '.join(evidence.decoded.split()), _EXCERPT)}"
    left = len(finding.evidence) - _MAX_EVIDENCE
    if left > 0:
        yield f"  - and {left} more places"
    yield from (f"  - {markdown(each)}" for each in chain.circumstances(finding, package))


def _rest(report: ScanReport) -> Iterator[str]:
    lines = [*(f"- {markdown(line)}" for line in report.incomplete), *map(_skipped, report.skipped)]
    if lines:
        yield "<details><summary>Not judged</summary>\n"
        yield from _bounded(lines)
        yield "\n</details>"
    if report.notes:
        yield "<details><summary>Notes</summary>\n"
        yield from _bounded([f"- {markdown(note)}" for note in report.notes])
        yield "\n</details>"
    yield f"\n<sub>npmguard {markdown(report.tool_version)}, rules {markdown_code(report.ruleset[:12])}</sub>"


def _bounded(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:_MAX_LINES]
    if len(lines) > _MAX_LINES:
        yield f"- and {len(lines) - _MAX_LINES} more"


def _skipped(entry: SkippedPackage) -> str:
    return f"- {markdown_code(entry.location)}: {entry.reason.value}, {markdown(entry.detail)}"


def _spec(package: PackageReport) -> str:
    return markdown_code(f"{escape.message(package.name, _NAME)}@{package.version}")
