"""Judged messages for people, on a terminal or in a log."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from io import BytesIO, TextIOWrapper

from rich.console import Console
from rich.text import Text

from npmguard.model import AuthOutcome, MailReport, MailVerdict, MailWeight
from npmguard.report import escape

_STYLES = {
    MailVerdict.PHISHING: "bold red",
    MailVerdict.SUSPICIOUS: "yellow",
    MailVerdict.GENUINE: "green",
    MailVerdict.UNRELATED: "dim",
}
_SIGNS = {MailWeight.STRONG: "!!", MailWeight.WEAK: " !", MailWeight.CLEARS: " +", MailWeight.NEUTRAL: " ·"}
_EVIDENCE = 12
_WIDTH = 100


def render_text(reports: Sequence[MailReport], *, verbose: bool = False, to_file: bool = False) -> bytes:
    """Every message that is not unrelated (*verbose*: those too), then one line with the counts.

    Every text of a message is escaped, no markup is interpreted. Colour as the other reports use it.
    """
    on_terminal = sys.stdout.isatty() and not to_file
    columns = os.environ.get("COLUMNS", "")
    width = shutil.get_terminal_size((_WIDTH, 24)).columns if on_terminal else _WIDTH
    if not on_terminal and columns.isdecimal() and len(columns) < 5:
        width = int(columns)
    buffer = BytesIO()
    stream = TextIOWrapper(
        buffer, "utf-8" if to_file else sys.stdout.encoding or "utf-8", errors="backslashreplace", newline="\n"
    )
    console = Console(
        file=stream,
        width=max(40, min(width, 120)),
        force_terminal=on_terminal or (False if to_file else None),
        legacy_windows=False,
    )
    for report in reports:
        if verbose or report.verdict is not MailVerdict.UNRELATED or report.incomplete:
            _message(console, report, verbose=verbose)
    _summary(console, reports)
    stream.flush()
    return buffer.getvalue()


def _message(console: Console, report: MailReport, *, verbose: bool) -> None:
    title = Text(report.verdict.value.upper(), _STYLES[report.verdict])
    title.append(f"  {_safe(report.source)}", "bold")
    console.print(title, soft_wrap=True)
    _line(console, "from", report.sender)
    _line(console, "subject", report.subject)
    _line(console, "why", report.reason)
    if report.claims:
        claimed = "; ".join(f"{claim.title} ({', '.join(claim.places)})" for claim in report.claims)
        _line(console, "claims", claimed)
    _line(console, "checked", _authentication(report))
    shown = report.evidence if verbose else report.evidence[:_EVIDENCE]
    for evidence in shown:
        text = f"{_SIGNS[evidence.weight]} {evidence.message}"
        if evidence.excerpt:
            text += f": {evidence.excerpt}"
        console.print(
            Text(f"  {_safe(text)}", "" if evidence.weight is MailWeight.STRONG else "dim"), soft_wrap=True
        )
    if len(shown) < len(report.evidence):
        console.print(Text(f"     and {len(report.evidence) - len(shown)} more (--verbose shows all)", "dim"))
    for problem in report.incomplete:
        _line(console, "not read", problem)
    for entry in report.watch:
        _line(
            console,
            "watch",
            f"{entry.name} {', '.join(entry.versions)}: {entry.maintainer} can publish it ({entry.matched})",
        )
    console.print()
    for inner in report.nested:
        if verbose or inner.verdict is not MailVerdict.UNRELATED:
            _message(console, inner, verbose=verbose)


def _line(console: Console, label: str, text: str) -> None:
    if text:
        console.print(Text(f"  {label:<9} {_safe(text)}"), soft_wrap=True)


def _authentication(report: MailReport) -> str:
    """SPF, DKIM, DMARC and ARC in one line; what was not checked is said."""
    said = []
    for name in ("spf", "dkim", "dmarc", "arc"):
        check = getattr(report.authentication, name)
        if name == "arc" and check.outcome in {AuthOutcome.NONE, AuthOutcome.NOT_CHECKED}:
            continue
        domain = f" ({check.domain})" if check.domain and check.outcome is not AuthOutcome.NOT_CHECKED else ""
        said.append(f"{name.upper()} {check.outcome.value.replace('-', ' ')}{domain}")
    return ", ".join(said)


def _summary(console: Console, reports: Sequence[MailReport]) -> None:
    counts = ", ".join(
        f"{number} {verdict.value}"
        for verdict in MailVerdict
        if (number := sum(report.verdict is verdict for report in reports))
    )
    incomplete = sum(bool(report.incomplete) for report in reports)
    noun = "message" if len(reports) == 1 else "messages"
    text = f"{len(reports)} {noun}: {counts or 'none'}" + (
        f", {incomplete} not read in full" if incomplete else ""
    )
    console.print(Text(text, "bold"), soft_wrap=True)


def _safe(text: str) -> str:
    return escape.terminal(text, 400)
