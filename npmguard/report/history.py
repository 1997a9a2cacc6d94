"""A HistoryReport for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from npmguard.report.escape import terminal, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from npmguard.model import Exposure, ExposureWindow, HistoryReport

SCHEMA = "npmguard.history/1"
_COMMIT = 12  # characters of an id
_DATE = 40
_SHOWN = 10  # commits or windows of one exposure


def render_text(report: HistoryReport, *, verbose: bool = False) -> bytes:
    """*report* as lines for a terminal; *verbose* shows every commit and window."""
    return ("\n".join(_lines(report, verbose=verbose)) + "\n").encode("utf-8", "backslashreplace")


def render_json(report: HistoryReport) -> bytes:
    """*report* as JSON, schema ``npmguard.history/1``, in ASCII; the same report gives the same bytes."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "tool": {"name": "npmguard", "version": report.tool_version},
        "repository": report.path,
        "since": report.since,
        "reaches": report.reaches,
        "lockfiles": report.lockfiles,
        "commits": report.commits,
        "states": report.states,
        "versions": report.versions,
        "exposures": [_exposure(each) for each in report.exposures],
        "incomplete": report.incomplete,
        "notes": report.notes,
    }
    lines = [f"{to_json(key)}:{to_json(value)}" for key, value in document.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")


def _exposure(exposure: Exposure) -> dict[str, Any]:
    return {
        "lockfile": exposure.lockfile,
        "name": exposure.name,
        "version": exposure.version,
        "integrity": exposure.integrity,
        "verdict": exposure.verdict.value,
        "findings": [
            {"rule": it.rule, "severity": it.severity.value, "message": it.message} for it in exposure.findings
        ],
        "commits": [{"commit": commit, "date": date} for commit, date in exposure.commits],
        "windows": [
            {
                "branch": window.branch,
                "start_commit": window.start_commit,
                "start": window.start,
                "end_commit": window.end_commit,
                "end": window.end,
            }
            for window in exposure.windows
        ],
    }


def _lines(report: HistoryReport, *, verbose: bool) -> Iterator[str]:
    yield f"npmguard {report.tool_version}  {terminal(report.path)}"
    for exposure in report.exposures:
        yield ""
        spec = terminal(f"{exposure.name}@{exposure.version}", 320, ascii_only=True)
        yield f"{exposure.verdict.value.upper()}  {spec}  in {terminal(exposure.lockfile)}"
        for finding in exposure.findings[: None if verbose else 2]:
            yield f"  {finding.severity.value}: {terminal(finding.message)}"
        yield from _some([f"  pinned {_window(window)}" for window in exposure.windows], verbose=verbose)
        brought = [
            f"  brought in by {terminal(commit[:_COMMIT])} on {terminal(date, _DATE)}"
            for commit, date in exposure.commits
        ]
        yield from _some(brought, verbose=verbose)
        if not exposure.windows:
            yield "  on no branch that is left"
    if report.reaches is not None:
        yield ""
        reaches = terminal(report.reaches, _DATE)
        yield f"this clone is shallow: nothing before {reaches} was looked at (git fetch --unshallow)"
    if report.incomplete or report.notes:
        yield ""
        yield from (f"not known: {terminal(line)}" for line in report.incomplete)
        yield from (f"note: {terminal(line)}" for line in report.notes)
    yield ""
    since = f" since {terminal(report.since)}" if report.since is not None else ""
    yield (
        f"{len(report.lockfiles)} lockfiles, {report.commits} commits{since}, {report.states} states,"
        f" {report.versions} versions: {len(report.exposures)} compromised"
    )


def _window(window: ExposureWindow) -> str:
    branch = terminal(window.branch.removeprefix("refs/heads/").removeprefix("refs/remotes/"), 100)
    begin = f"{branch} from {terminal(window.start, _DATE)} ({terminal(window.start_commit[:_COMMIT])})"
    if window.end is None or window.end_commit is None:
        return f"on {begin} to this day"
    return f"on {begin} until {terminal(window.end, _DATE)} ({terminal(window.end_commit[:_COMMIT])})"


def _some(lines: list[str], *, verbose: bool) -> Iterator[str]:
    shown = lines if verbose else lines[:_SHOWN]
    yield from shown
    if len(shown) < len(lines):
        yield f"  and {len(lines) - len(shown)} more (--verbose)"
