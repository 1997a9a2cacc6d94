"""``npmguard inspect``: one package."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from npmguard.commands.options import (
    CheckDomainsOption,
    ConfigOption,
    FailOnOption,
    FeedOption,
    Format,
    FormatOption,
    IndicatorsOption,
    NoCacheOption,
    NoPrefilterOption,
    OfflineOption,
    OutputOption,
    RequireSandboxOption,
    TimingsOption,
    TimingsOutputOption,
    VerboseOption,
)
from npmguard.commands.output import check_writable, write_report
from npmguard.commands.running import open_scanner, read_indicators, settings_of
from npmguard.commands.timings import start_timings
from npmguard.outcome import exit_code


def inspect(
    target: Annotated[str, typer.Argument(help="A tarball, a folder, or name@version of the registry.")],
    *,
    fail_on: FailOnOption = None,
    format_: FormatOption = Format.TERMINAL,
    output: OutputOption = None,
    config: ConfigOption = None,
    offline: OfflineOption = False,
    no_cache: NoCacheOption = False,
    no_prefilter: NoPrefilterOption = False,
    feed: FeedOption = None,
    check_domains: CheckDomainsOption = False,
    indicators: IndicatorsOption = None,
    require_sandbox: RequireSandboxOption = False,
    timings: TimingsOption = False,
    timings_output: TimingsOutputOption = None,
    verbose: VerboseOption = False,
) -> int:
    """Judge one package: npmguard inspect ./left-pad-1.3.0.tgz, npmguard inspect debug@4.4.3."""
    started = time.monotonic()
    finish_timings = start_timings(timings, timings_output)
    settings = settings_of(
        Path(),
        config,
        fail_on=fail_on,
        jobs=1,
        no_cache=no_cache,
        feed=feed,
        check_domains=check_domains,
        require_sandbox=require_sandbox,
    )
    check_writable(output)
    with open_scanner(
        settings, Path(), offline, no_prefilter, read_indicators(indicators, settings)
    ) as scanner:
        report = scanner.inspect(target)
    report = replace(report, seconds=time.monotonic() - started)
    write_report(report, format_, output, verbose, settings)
    finish_timings()
    return exit_code(report, settings.fail_on)
