"""Where a command writes: the report's file or standard output, messages to standard error."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from npmguard.commands.options import Format
from npmguard.errors import ConfigError, UsageError
from npmguard.report.escape import terminal as escape_terminal
from npmguard.timing import staged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from npmguard.config import Config
    from npmguard.model import ScanReport
    from npmguard.report.sarif import RuleText

_LONGEST_LINE = 10_000  # characters


def check_writable(output: Path | None) -> None:
    """Refuse an output that cannot be written before hours of work are lost to it."""
    if output is None:
        return
    folder = output.parent
    if output.is_dir() or not folder.is_dir() or not os.access(output if output.exists() else folder, os.W_OK):
        raise ConfigError(f"--output {output}: cannot be written; name a file in a folder that exists")


def write_report(
    report: ScanReport, format_: Format, output: Path | None, verbose: bool, settings: Config
) -> None:
    """Write the report in its format; to *output*, else to standard output."""
    write_reports([report], format_, output, verbose, settings)


@staged("report")
def write_reports(
    reports: Sequence[ScanReport], format_: Format, output: Path | None, verbose: bool, settings: Config
) -> None:
    """Write reports in their format, one alone as it always was; to *output*, else to standard output."""
    alone = len(reports) == 1
    if format_ is Format.JSON:
        from npmguard.report import json_v1

        emit(json_v1.render(reports[0]) if alone else json_v1.render_all(reports), output)
    elif format_ is Format.SARIF:
        from npmguard.report import sarif

        emit(sarif.render_all(reports, _rule_texts(settings)), output)
    elif format_ is Format.HTML:
        from npmguard.report import html

        refuse_several(reports, "--format html")
        emit(html.render(reports[0]), output)
    elif format_ is Format.MARKDOWN:
        from npmguard.report import markdown

        emit(markdown.render(reports[0]) if alone else markdown.render_all(reports), output)
    elif format_ is Format.CYCLONEDX:
        raise UsageError("--format cyclonedx is for npmguard scan: an SBOM is made of a lockfile")
    else:
        from npmguard.report import terminal

        emit(terminal.render_text(*reports, verbose=verbose, to_file=output is not None), output)


def refuse_several(found: Sequence[object], option: str) -> None:
    """Say that an option is for one lockfile alone.

    Raises:
        UsageError: there are several.
    """
    if len(found) > 1:
        raise UsageError(f"{option} is for one lockfile, and {len(found)} were found; name one of them")


def add_summary(*reports: ScanReport) -> None:
    """Add the reports to the summary of the CI job, where there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    from npmguard.report import markdown

    content = markdown.render(reports[0]) if len(reports) == 1 else markdown.render_all(reports)
    try:
        with Path(path).open("ab") as summary:
            summary.write(content)
    except OSError as error:
        say(f"GITHUB_STEP_SUMMARY={path}: could not be written: {error.strerror}; the report itself is whole")


def _rule_texts(settings: Config) -> dict[str, RuleText]:
    from npmguard.audit.every_rule import EVERY_RULE
    from npmguard.detect.rule import load_ruleset
    from npmguard.installed import INSTALLED_RULES
    from npmguard.policy import POLICY_RULES
    from npmguard.report.sarif import RuleText

    texts = {
        rule.id: RuleText(rule.title, rule.description, rule.remediation, rule.severity, rule.references)
        for rule in load_ruleset(settings.rules).rules
    }
    for audit in (*EVERY_RULE, *POLICY_RULES, *INSTALLED_RULES):
        texts[audit.id] = RuleText(audit.title, audit.description, audit.remediation, audit.severity, ())
    return texts


def emit(content: bytes, output: Path | None) -> None:
    """Write to the file whole or not at all, or to standard output, which may be closed early."""
    if output is not None:
        temporary = output.with_name(f".{output.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            temporary.replace(output)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise ConfigError(f"--output {output}: could not be written: {error.strerror}") from error
        return
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; the exit code still tells the result
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def emit_lines(text: str) -> None:
    """Write *text* to standard output, each line made safe to show."""
    lines = [f"{escape_terminal(line, _LONGEST_LINE)}\n" for line in text.splitlines()]
    emit("".join(lines).encode("utf-8", "backslashreplace"), None)


def say(message: str) -> None:
    """Tell the user something on standard error."""
    sys.stderr.write(f"npmguard: {escape_terminal(message)}\n")
