"""``npmguard scan``: every package of a lockfile."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from npmguard.commands.options import (
    AgainstOption,
    CheckDomainsOption,
    ConfigOption,
    FailOnOption,
    FeedOption,
    FixOverridesOption,
    Format,
    FormatOption,
    IndicatorsOption,
    InstalledOption,
    JobsOption,
    MinAgeOption,
    NoCacheOption,
    NoPrefilterOption,
    OfflineOption,
    OutputOption,
    SummaryOption,
    VerboseOption,
)
from npmguard.commands.output import add_summary, check_writable, emit, write_report
from npmguard.commands.running import open_scanner, progress_bar, read_indicators, settings_of, with_min_age
from npmguard.config import Config
from npmguard.errors import UsageError
from npmguard.model import Lockfile, ScanReport
from npmguard.outcome import exit_code

_NO_PACKAGES = b'{"lockfileVersion": 3, "packages": {"": {}}}'  # of a revision that had no lock yet


def scan(
    path: Annotated[Path, typer.Argument(help="A package-lock.json or the folder that holds one.")] = Path(),
    *,
    fail_on: FailOnOption = None,
    format_: FormatOption = Format.TERMINAL,
    output: OutputOption = None,
    config: ConfigOption = None,
    jobs: JobsOption = None,
    offline: OfflineOption = False,
    no_cache: NoCacheOption = False,
    no_prefilter: NoPrefilterOption = False,
    indicators: IndicatorsOption = None,
    feed: FeedOption = None,
    check_domains: CheckDomainsOption = False,
    min_age: MinAgeOption = None,
    fix_overrides: FixOverridesOption = False,
    against: AgainstOption = None,
    installed: InstalledOption = False,
    summary: SummaryOption = True,
    verbose: VerboseOption = False,
) -> int:
    """Judge every package of a lockfile: npmguard scan, npmguard scan app/ --format sarif -o npmguard.sarif.

    In a pull request: npmguard scan --against origin/main --format markdown.
    After an installation: npmguard scan --installed.
    """
    from npmguard.api import scan_change, scan_lock
    from npmguard.lockfile.reader import find_lockfile, read_lockfile

    if installed and against is not None:
        raise UsageError("--installed and --against: choose one; the first looks at node_modules")
    started = time.monotonic()
    found = find_lockfile(path)
    settings = with_min_age(
        settings_of(
            found.parent,
            config,
            fail_on=fail_on,
            jobs=jobs,
            no_cache=no_cache,
            feed=feed,
            check_domains=check_domains,
        ),
        min_age,
    )
    check_writable(output)
    lock = read_lockfile(found, settings.limits)
    old = None if against is None else _earlier(found, against, settings)
    wanted = read_indicators(indicators, settings)
    with (
        open_scanner(settings, found.parent, offline, no_prefilter, wanted) as scanner,
        progress_bar() as progress,
    ):
        if installed:
            from npmguard.installed import scan_installed

            report = scan_installed(lock, found.parent, settings, scanner, progress)
        elif old is None or against is None:
            report = scan_lock(lock, settings, scanner, progress=progress)
        else:
            report = scan_change(old, lock, settings, scanner, against=against, progress=progress)
    report = replace(report, seconds=time.monotonic() - started)
    if fix_overrides:
        emit(_overrides(report, lock).encode(), output)
    else:
        write_report(report, format_, output, verbose, settings)
    if summary:
        add_summary(report)
    return exit_code(report, settings.fail_on, settings.accept_skipped)


def _earlier(lock: Path, against: str, settings: Config) -> Lockfile:
    """The earlier state of *lock*: another lockfile, or this one as a revision of the repository had it."""
    from npmguard.lockfile.reader import parse_lockfile, read_lockfile
    from npmguard.repository import Repository

    if Path(against).exists():
        return read_lockfile(Path(against), settings.limits)
    repository = Repository(lock.parent)
    content = repository.read(repository.commit(against), lock)
    if content is None:
        return replace(parse_lockfile(_NO_PACKAGES, f"{lock} in {against}"), missing=())
    return parse_lockfile(content, f"{lock} in {against}")


def _overrides(report: ScanReport, lock: Lockfile) -> str:
    from npmguard.way_out import overrides_block

    return overrides_block(
        report, direct=[requirement.name for requirement in lock.nodes[""].requires], manager=lock.manager
    )
