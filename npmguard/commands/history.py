"""``npmguard history``: what the lockfiles of a repository pinned in the past."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npmguard.commands.options import (
    ConfigOption,
    FeedOption,
    Format,
    FormatOption,
    IndicatorsOption,
    NoCacheOption,
    OfflineOption,
    OutputOption,
    VerboseOption,
)
from npmguard.commands.output import check_writable, emit
from npmguard.commands.running import open_scanner, read_indicators, settings_of
from npmguard.errors import ConfigError
from npmguard.model import Verdict
from npmguard.outcome import FLAGGED, INCOMPLETE, OK

SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="Look back to this date, as git reads it: 2025-09-01, '3 months ago'."),
]


def history(
    path: Annotated[Path, typer.Argument(help="A folder of a git repository, or one lockfile in it.")] = Path(),
    *,
    since: SinceOption = None,
    format_: FormatOption = Format.TERMINAL,
    output: OutputOption = None,
    config: ConfigOption = None,
    offline: OfflineOption = False,
    no_cache: NoCacheOption = False,
    feed: FeedOption = None,
    indicators: IndicatorsOption = None,
    verbose: VerboseOption = False,
) -> int:
    """Say which commits and branches pinned a version that is now known as compromised.

    npmguard history --since 2025-09-01
    """
    from npmguard.history import walk_history
    from npmguard.report import history as report_history
    from npmguard.repository import Repository

    if format_ not in {Format.TERMINAL, Format.JSON}:
        raise ConfigError(f"history: --format {format_.value} is for scans; use terminal or json")
    folder = path if path.is_dir() else path.parent
    settings = settings_of(folder, config, no_cache=no_cache, feed=feed)
    check_writable(output)
    repository = Repository(folder)
    inside = repository.inside(path)
    with open_scanner(settings, folder, offline, False, read_indicators(indicators, settings)) as scanner:
        report = walk_history(repository, scanner, inside="" if inside == "." else inside, since=since)
    if format_ is Format.JSON:
        emit(report_history.render_json(report), output)
    else:
        emit(report_history.render_text(report, verbose=verbose), output)
    if any(exposure.verdict is Verdict.MALICIOUS for exposure in report.exposures):
        return FLAGGED
    return INCOMPLETE if report.incomplete or report.reaches is not None else OK
