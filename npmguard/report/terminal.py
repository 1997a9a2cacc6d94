"""A ScanReport for people, on a terminal or in a log."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections import Counter
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from npmguard.model import IntegrityOutcome, SkipReason, Verdict
from npmguard.report import chain, escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from npmguard.model import Evidence, Finding, PackageReport, ScanReport, SkippedPackage

MAX_WIDTH = 120  # of a terminal; longer lines are hard to read
LOG_WIDTH = 100  # of anything else, unless COLUMNS says otherwise

_MIN_WIDTH = 40
_LABEL = 12  # cells before the text of each line of a block: two, a label, one or more
_PATHS = 5  # ways into the tree shown of one package
_FINDINGS = 3  # shown of one package; verbose shows all
_CHANGES = 40  # shown of a lock
_EVIDENCE = 4  # shown of one finding
_REASONS_SHOWN = 3  # of one verdict
_REASONS = 12  # kinds of reason shown for what could not be checked
_NAMES = 8  # packages named for one reason
_SKIPPED = 3  # entries named for one reason

_STYLES = {
    Verdict.MALICIOUS: "red",
    Verdict.SUSPICIOUS: "yellow",
    Verdict.UNVERIFIED: "magenta",
    Verdict.CLEAN: "green",
}
_ADVICE = {
    Verdict.MALICIOUS: "do not install",
    Verdict.SUSPICIOUS: "a person should look",
    Verdict.UNVERIFIED: "could not be checked",
}
_SIGNS = {Verdict.MALICIOUS: "✗", Verdict.SUSPICIOUS: "!", Verdict.UNVERIFIED: "?", Verdict.CLEAN: "✓"}
_ASCII = str.maketrans("✗✓━·│", "x+=-|")
_SEVERITY_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
_OUTCOME_STYLES = {IntegrityOutcome.VALID: "green", IntegrityOutcome.MISMATCH: "bold red"}
_NOT_CHECKED = {
    SkipReason.GIT: "from git, not from a registry: nobody has checked it",
    SkipReason.FILE: "a tarball or folder of this machine: nobody has checked it",
    SkipReason.URL: "a tarball from a host that is no registry: nobody has checked it",
    SkipReason.INVALID: "says too little to know what it is: nobody has checked it",
}
_CHECKED_ELSEWHERE = {
    SkipReason.PATCH: "the project's changes to a package that is checked by itself",
    SkipReason.FOREIGN: "no npm package",
    SkipReason.BUNDLED: "checked inside the tarball of the package that bundles it",
    SkipReason.WORKSPACE: "the project's own package",
    SkipReason.LINK: "a link to a folder of the project",
}
_HASH = re.compile(r"((?:sha\d{1,4}|md5)-[A-Za-z0-9+/]{16,}={0,2})")


def render(report: ScanReport, console: Console, verbose: bool = False) -> None:
    """Write *report* to *console*: what is not clean, worst first, and one last line with the counts.

    Every text that came from a package is escaped, no markup is interpreted, and no line is wider than the
    console but that last one. A console that cannot encode Unicode gets ASCII alone.
    """
    _Page(report, console, verbose=verbose).write()


def render_all(reports: Sequence[ScanReport], console: Console, verbose: bool = False) -> None:
    """Write several reports, one after another, and a line of them all together at the end."""
    for number, report in enumerate(reports):
        if number:
            console.print()
        render(report, console, verbose)
    if len(reports) > 1:
        _Page(reports[0], console, verbose=verbose).total(reports)


def render_text(*reports: ScanReport, verbose: bool = False, to_file: bool = False) -> bytes:
    """*reports* as :func:`render_all` writes them, for standard output or (*to_file*) for a file.

    There is colour where standard output is a terminal or FORCE_COLOR asks for it, and NO_COLOR does not forbid
    it. A file is plain UTF-8.
    """
    on_terminal = sys.stdout.isatty() and not to_file
    if on_terminal:
        width = min(shutil.get_terminal_size((LOG_WIDTH, 24)).columns, MAX_WIDTH)
    else:
        columns = os.environ.get("COLUMNS", "")
        width = int(columns) if columns.isdecimal() and len(columns) < 5 else LOG_WIDTH
    buffer = BytesIO()
    encoding = "utf-8" if to_file else sys.stdout.encoding or "utf-8"
    stream = TextIOWrapper(buffer, encoding, errors="backslashreplace", newline="\n")
    console = Console(
        file=stream,
        width=max(width, _MIN_WIDTH),
        force_terminal=on_terminal or (False if to_file else None),
        legacy_windows=False,
    )
    render_all(reports, console, verbose)
    stream.flush()
    return buffer.getvalue()


class _Page:
    """One report on its way to one console."""

    def __init__(self, report: ScanReport, console: Console, *, verbose: bool) -> None:
        self._report = report
        self._console = console
        self._verbose = verbose
        self._width = console.width
        self._ascii = console.options.ascii_only
        self._target = self._name(report.path)

    def write(self) -> None:
        """Write the whole report."""
        report = self._report
        title = Text(f"npmguard {report.tool_version}", "bold")
        title.append(f"  {self._target}")
        title.append(f"  rules {self._name(report.ruleset[:12])}", "dim")
        self._wrapped(title)
        self._changes()
        for verdict in (Verdict.MALICIOUS, Verdict.SUSPICIOUS):
            flagged = [package for package in report.packages if package.verdict is verdict]
            if flagged:
                self._heading(
                    verdict.value.upper(), _count(len(flagged), "package"), _ADVICE[verdict], _STYLES[verdict]
                )
                for package in flagged:
                    self._package(package)
        self._accepted()
        self._unverified([package for package in report.packages if package.verdict is Verdict.UNVERIFIED])
        self._skipped(report.skipped)
        self._notes()
        self._summary()

    # --- packages ---

    def _changes(self) -> None:
        """What the lock brings in against the state that it was compared with."""
        report = self._report
        if report.against is None:
            return
        against = self._text(report.against)
        self._heading("CHANGES", _count(len(report.changes), "version"), f"against {against}", "default")
        verdicts = {(package.name, package.version): package.verdict for package in report.packages}
        shown = report.changes if self._verbose else report.changes[:_CHANGES]
        for change in shown:
            verdict = verdicts.get((change.name, change.new or ""))
            versions = " -> ".join(dict.fromkeys(it for it in (change.old, change.new) if it is not None))
            line = Text(f"{change.kind.value:<9} ")
            line.append(f"{self._name(change.name)} {self._name(versions)}")
            if verdict is not None:
                line.append(f"  {verdict.value}", _STYLES[verdict])
            for behaviour in change.gained or ():
                line.append(f" +{self._name(behaviour)}", "dim")
            self._wrapped(line, indent=2)
        self._more(len(report.changes) - len(shown), "change")

    def _accepted(self) -> None:
        """Findings that the project lives with, in packages that no other finding flags."""
        packages = [
            package
            for package in self._report.packages
            if package.verdict not in {Verdict.MALICIOUS, Verdict.SUSPICIOUS}
            and any(finding.accepted is not None for finding in package.findings)
        ]
        if not packages:
            return
        self._heading("ACCEPTED", _count(len(packages), "package"), "the project lives with it", "cyan")
        for package in packages:
            self._blank()
            self._package_line(package)
            for finding in package.findings:
                if finding.accepted is not None:
                    self._finding(finding, package)

    def _package(self, package: PackageReport) -> None:
        self._blank()
        self._package_line(package)
        shown = package.findings if self._verbose else package.findings[:_FINDINGS]
        for finding in shown:
            self._finding(finding, package)
        self._more(len(package.findings) - len(shown), "finding")
        self._conclusion(package)
        self._integrity(package)
        if package.unverified_reason is not None:
            self._field("reason", Text(self._text(package.unverified_reason)))
        self._paths(package)
        if package.fix is not None and package.fix.version is not None:
            advice = Text(self._spec(package.name, package.fix.version), "bold green")
            advice.append(f"  {self._text(package.fix.reason)}", "default not bold")
            self._field("install", advice)
        elif package.fix is not None:
            self._field("no fix", Text(self._text(package.fix.reason)), "yellow")
        for remedy in dict.fromkeys(finding.remediation for finding in package.findings if finding.remediation):
            self._field("then", Text(self._text(remedy)))
        for note in package.notes:
            self._field("note", Text(self._text(note)))

    def _package_line(self, package: PackageReport) -> None:
        line = Text(_SIGNS[package.verdict] + " ", f"bold {_STYLES[package.verdict]}")
        line.append(self._spec(package.name, package.version))
        place = self._place(package)
        gap = self._width - line.cell_len - len(place)
        if place and gap >= 2:
            line.append(" " * gap)
            line.append(place, "not bold dim default")
            place = ""
        self._wrapped(line)
        if place:
            self._wrapped(Text(place, "dim"), indent=2)
        if self._verbose:
            for location in package.locations:
                self._wrapped(Text(self._name(location), "dim"), indent=2)

    def _finding(self, finding: Finding, package: PackageReport) -> None:
        severity = finding.severity.value
        self._field(severity, Text(self._text(finding.message), "bold"), _SEVERITY_STYLES[severity])
        rule = Text(self._name(finding.rule), "dim")
        newness = chain.newness(finding, package)
        if newness is not None:
            rule.append(f" · {self._name(newness)}", "not dim" if finding.added else "")
        self._wrapped(rule, indent=_LABEL)
        shown = finding.evidence if self._verbose else finding.evidence[:_EVIDENCE]
        if not finding.evidence and finding.file is not None:
            self._wrapped(Text(self._location(finding.file, finding.line), "cyan"), indent=_LABEL)
        for evidence in shown:
            self._evidence(evidence, finding)
        self._more(len(finding.evidence) - len(shown), "place")
        for phrase in chain.circumstances(finding, package):
            self._wrapped(Text(self._text(phrase)), indent=_LABEL, lead=Text(" " * (_LABEL - 2) + "· ", "dim"))

    def _evidence(self, evidence: Evidence, finding: Finding) -> None:
        text = Text()
        file = evidence.file if evidence.file is not None else finding.file
        if file is not None:
            text.append(self._location(file, evidence.line), "cyan")
            text.append("  ")
        text.append(self._text(evidence.message))
        if evidence.added and not finding.added:
            text.append(" (new)", "bold")
        self._wrapped(text, indent=_LABEL)
        room = self._width - _LABEL - 4
        if evidence.excerpt:
            self._code(Text(escape.excerpt(evidence.excerpt, room, ascii_only=self._ascii)))
        if evidence.decoded:
            lead = "decoded: "
            decoded = Text(lead, "dim")
            decoded.append(escape.terminal(evidence.decoded, room - len(lead), ascii_only=self._ascii), "bold")
            self._code(decoded)

    def _code(self, text: Text) -> None:
        line = Text(" " * (_LABEL + 2))
        line.append("│ ", "dim")
        line.append_text(text)
        self._line(line)

    def _conclusion(self, package: PackageReport) -> None:
        shown = package.reasons if self._verbose else package.reasons[:_REASONS_SHOWN]
        for number, reason in enumerate(shown):
            text = Text(self._text(chain.conclusion(reason)))
            if number == 0:
                self._field("verdict", text)
            else:
                self._wrapped(text, indent=_LABEL)
        self._more(len(package.reasons) - len(shown), "reason")

    def _integrity(self, package: PackageReport) -> None:
        report = package.integrity
        text = Text()
        for side, outcome in (("lock", report.lock), ("registry", report.registry)):
            if outcome is not IntegrityOutcome.NOT_CHECKED:
                _listed(text, f"{side} ")
                text.append(outcome.value, _OUTCOME_STYLES.get(outcome, "yellow"))
        for side, told in (("signature", report.signature), ("provenance", report.provenance)):
            if told is not None:
                _listed(text, f"{side} {self._text(told, 100)}")
        if text:
            self._field("integrity", text)
        if report.detail is not None and IntegrityOutcome.MISMATCH in {report.lock, report.registry}:
            for part in _HASH.split(self._text(report.detail)):  # words and hashes in turn, a line for each
                is_hash = _HASH.fullmatch(part) is not None
                told = part if is_hash else part.strip(" ,;:")
                if told:
                    self._wrapped(Text(told), indent=_LABEL + 2 * is_hash)

    def _paths(self, package: PackageReport) -> None:
        for number, path in enumerate(package.paths[:_PATHS]):
            text = Text(self._name(" > ".join(path), 1000))
            if len(path) == 1:
                text.append(" (a direct dependency)", "dim")
            if number == 0:
                self._field("path", text)
            else:
                self._wrapped(text, indent=_LABEL)
        more = max(0, len(package.paths) - _PATHS) + package.more_paths
        if more:
            self._wrapped(Text(f"and {_count(more, 'more path')}", "dim"), indent=_LABEL)

    # --- what could not be checked ---

    def _unverified(self, packages: Sequence[PackageReport]) -> None:
        if not packages:
            return
        style = _STYLES[Verdict.UNVERIFIED]
        self._heading("UNVERIFIED", _count(len(packages), "package"), _ADVICE[Verdict.UNVERIFIED], style)
        groups: dict[str, list[PackageReport]] = {}
        for package in packages:
            if package.findings:
                self._package(package)
            else:
                groups.setdefault(_common_reason(package), []).append(package)
        ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
        shown = ranked if self._verbose else ranked[:_REASONS]
        for reason, group in shown:
            self._unverified_group(reason, group)
        left = ranked[len(shown) :]
        if left:
            self._blank()
            many = sum(len(group) for _, group in left)
            text = f"and {_count(many, 'package')} for {_count(len(left), 'more reason')} (--verbose)"
            self._wrapped(Text(text, "dim"), indent=2)

    def _unverified_group(self, reason: str, group: Sequence[PackageReport]) -> None:
        self._blank()
        if len(group) == 1:
            self._package_line(group[0])
            self._wrapped(Text(self._text(group[0].unverified_reason or reason)), indent=2)
            return
        head = Text(_SIGNS[Verdict.UNVERIFIED] + " ", f"bold {_STYLES[Verdict.UNVERIFIED]}")
        head.append(_count(len(group), "package"))
        head.append(f": {self._text(reason)}", "not bold default")
        self._wrapped(head, hang=2)
        shown = group if self._verbose else group[:_NAMES]
        names = ", ".join(self._spec(package.name, package.version) for package in shown)
        if len(group) > len(shown):
            names += f" and {len(group) - len(shown)} more"
        self._wrapped(Text(names, "dim"), indent=2)

    def _skipped(self, entries: Sequence[SkippedPackage]) -> None:
        if not entries:
            return
        many = "1 entry names" if len(entries) == 1 else f"{len(entries)} entries name"
        self._heading("SKIPPED", f"{many} no registry tarball", "", "cyan")
        self._blank()
        counts = Counter(entry.reason for entry in entries)
        for reason, meaning in (_NOT_CHECKED | _CHECKED_ELSEWHERE).items():
            if not counts[reason]:
                continue
            open_question = reason in _NOT_CHECKED
            text = Text(f"{counts[reason]}  ", "bold")
            text.append(meaning, "not bold default")
            self._field(reason.value, text, "bold yellow" if open_question else "dim")
            named = [entry for entry in entries if entry.reason is reason]
            shown = named if self._verbose else named[: _SKIPPED if open_question else 0]
            for entry in shown:
                line = Text(self._name(entry.location))
                line.append(f"  {self._text(entry.detail, 200)}", "dim")
                self._wrapped(line, indent=_LABEL, hang=2)
            if open_question:
                self._more(len(named) - len(shown), "entry", "entries")

    # --- the end of it ---

    def _notes(self) -> None:
        lacking = self._report.sandbox.missing
        if self._report.notes or self._report.incomplete or lacking:
            self._blank()
        shown = self._report.incomplete if self._verbose else self._report.incomplete[:_REASONS]
        for gap in shown:
            self._field("not read", Text(self._text(gap)), _STYLES[Verdict.UNVERIFIED])
        self._more(len(self._report.incomplete) - len(shown), "gap")
        for note in self._report.notes:
            self._field("note", Text(self._text(note)), "cyan")
        if lacking:
            told = "packages were read without " + ", ".join(lacking)
            self._field("sandbox", Text(self._text(told)), _STYLES[Verdict.UNVERIFIED])

    def total(self, reports: Sequence[ScanReport]) -> None:
        """Write one line on all of several reports."""
        counts = {verdict: sum(report.count(verdict) for report in reports) for verdict in Verdict}
        worst = next((verdict for verdict in _ADVICE if counts[verdict]), Verdict.CLEAN)
        if worst is Verdict.CLEAN and any(map(_is_open, reports)):
            worst = Verdict.UNVERIFIED
        self._blank()
        line = Text(f"{_SIGNS[worst]} {_count(len(reports), 'lockfile')}:", f"bold {_STYLES[worst]}")
        self._counts(line, counts)
        incomplete = sum(map(_is_open, reports))
        line.append(f"; {_count(incomplete, 'lockfile')} not wholly checked" if incomplete else "")
        self._line(line)

    def _summary(self) -> None:
        report = self._report
        counts = {verdict: report.count(verdict) for verdict in Verdict}
        self._blank()
        if not report.packages:
            many = "it lists none" if not report.skipped else "every entry of it was skipped"
            self._wrapped(
                Text(f"No packages were read from {self._target}: {many}. Nothing was checked.", "yellow")
            )
        worst = next((verdict for verdict in _ADVICE if counts[verdict]), Verdict.CLEAN)
        if worst is Verdict.CLEAN and (_is_open(report) or not report.packages):
            worst = Verdict.UNVERIFIED
        line = Text(f"{_SIGNS[worst]} {_count(len(report.packages), 'package')}:", f"bold {_STYLES[worst]}")
        self._counts(line, counts)
        line.append(f", {len(report.skipped)} skipped; {_duration(report.seconds)}", "not bold default")
        self._line(line)

    def _counts(self, line: Text, counts: Mapping[Verdict, int]) -> None:
        for number, (verdict, count) in enumerate(counts.items()):
            line.append(", " if number else " ", "not bold default")
            line.append(f"{count} {verdict.value}", f"bold {_STYLES[verdict]}" if count else "not bold dim")

    # --- lines ---

    def _heading(self, word: str, count: str, advice: str, style: str) -> None:
        self._blank()
        text = Text(f"━━ {word}", f"bold {style}")
        text.append(f" · {count}" + (f" · {advice}" if advice else "") + " ", f"not bold {style}")
        text.append("━" * max(0, self._width - text.cell_len), f"not bold {style}")
        self._line(text)

    def _field(self, label: str, text: Text, style: str = "dim") -> None:
        lead = Text("  ")
        lead.append(label.ljust(_LABEL - 2), style)
        self._wrapped(text, indent=_LABEL, lead=lead)

    def _more(self, count: int, one: str, many: str | None = None) -> None:
        if count > 0:
            word = f"more {one}" if count == 1 else f"more {many or one + 's'}"
            self._wrapped(Text(f"and {count} {word} (--verbose)", "dim"), indent=_LABEL)

    def _wrapped(self, text: Text, *, indent: int = 0, hang: int = 0, lead: Text | None = None) -> None:
        """*text* in as many lines as it needs, *indent* cells in, and all but the first *hang* cells more."""
        room = max(self._width - indent - hang, 10)
        lines = text.wrap(self._console, room, overflow="fold") if text else [text]
        for number, part in enumerate(lines):
            line = lead if lead is not None and number == 0 else Text(" " * (indent + (hang if number else 0)))
            line.append_text(part)
            self._line(line)

    def _line(self, line: Text) -> None:
        line.rstrip()
        if self._ascii:
            line.plain = line.plain.translate(_ASCII)
        self._console.print(line, soft_wrap=True, highlight=False, emoji=False, markup=False)

    def _blank(self) -> None:
        self._console.print()

    # --- words ---

    def _text(self, text: str, limit: int = escape.DEFAULT_LIMIT) -> str:
        return escape.terminal(text, limit, ascii_only=self._ascii)

    def _name(self, text: str, limit: int = 250) -> str:
        """A name or a path: what is not ASCII in it is shown as what it is."""
        return escape.terminal(text, limit, ascii_only=True)

    def _spec(self, name: str, version: str) -> str:
        return self._name(f"{name}@{version}" if name else "(a package without a name)")

    def _location(self, file: str, line: int | None) -> str:
        return self._text(file if line is None else f"{file}:{line}", 250)

    def _place(self, package: PackageReport) -> str:
        if self._report.kind != "lockfile":
            return ""
        return self._name(f"{self._report.path.replace(os.sep, '/').rpartition('/')[2]}:{package.line}")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _is_open(report: ScanReport) -> bool:
    """Whether something was left unchecked, beside packages that are `unverified`."""
    return bool(report.incomplete) or any(entry.reason in _NOT_CHECKED for entry in report.skipped)


def _listed(text: Text, item: str) -> None:
    text.append(f", {item}" if text else item)


def _common_reason(package: PackageReport) -> str:
    """Why a package is unverified, in words that are the same for every package with the same trouble."""
    reason = package.unverified_reason or "no reason was recorded"
    if not package.name:
        return reason
    tarball = f"{package.name.rpartition('/')[2]}-{package.version}.tgz"
    for own in (tarball, f"{package.name}@{package.version}", package.name.replace("/", "%2f"), package.name):
        if own in reason:
            reason = re.sub(rf"(?<![\w-]){re.escape(own)}(?![\w-])", "<package>", reason)
    return reason


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
