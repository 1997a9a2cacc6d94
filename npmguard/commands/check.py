"""``npmguard check``: the whole tree that a package would bring, before it is installed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from npmguard.commands.options import (
    ConfigOption,
    FailOnOption,
    FeedOption,
    Format,
    FormatOption,
    JobsOption,
    MinAgeOption,
    NoCacheOption,
    OutputOption,
    RequireSandboxOption,
    VerboseOption,
)
from npmguard.commands.output import check_writable, write_report
from npmguard.commands.running import open_scanner, progress_bar, settings_of, with_min_age
from npmguard.errors import NotInRegistry, UsageError
from npmguard.outcome import exit_code


def check(
    specs: Annotated[
        list[str], typer.Argument(help="name, name@range, name@tag, alias@npm:name, a tarball or its URL.")
    ],
    *,
    fail_on: FailOnOption = None,
    format_: FormatOption = Format.TERMINAL,
    output: OutputOption = None,
    config: ConfigOption = None,
    jobs: JobsOption = None,
    no_cache: NoCacheOption = False,
    feed: FeedOption = None,
    min_age: MinAgeOption = None,
    require_sandbox: RequireSandboxOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Judge everything that would come with a package, before it is installed: npmguard check express@5.

    npm itself resolves the tree, in a folder of its own and without running any script; nothing is installed.
    """
    from npmguard.gate import judge_specs
    from npmguard.npm_program import Npm

    started = time.monotonic()
    settings = settings_of(
        Path(),
        config,
        fail_on=fail_on,
        jobs=jobs,
        no_cache=no_cache,
        feed=feed,
        require_sandbox=require_sandbox,
    )
    settings = with_min_age(settings, min_age)
    check_writable(output)
    npm = Npm()
    with open_scanner(settings, Path(), False, False) as scanner, progress_bar() as progress:
        try:
            report = judge_specs(npm, specs, Path(), settings, scanner, progress)
        except NotInRegistry as error:
            raise UsageError(str(error)) from error
    report = replace(report, seconds=time.monotonic() - started)
    write_report(report, format_, output, verbose, settings)
    return exit_code(report, settings.fail_on, settings.accept_skipped)
