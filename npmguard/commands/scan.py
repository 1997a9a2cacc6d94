"""``npmguard scan``: every package of a lockfile."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    RequireSandboxOption,
    SummaryOption,
    TimingsOption,
    TimingsOutputOption,
    VerboseOption,
)
from npmguard.commands.output import add_summary, check_writable, emit, refuse_several, write_reports
from npmguard.commands.running import open_scanner_for, progress_bar, read_indicators, settings_of, with_min_age
from npmguard.commands.timings import start_timings
from npmguard.config import Config
from npmguard.errors import UsageError
from npmguard.model import Lockfile, ScanReport
from npmguard.outcome import exit_code, worst

if TYPE_CHECKING:
    from npmguard.scanner import Progress, Scanner

_NO_PACKAGES = b'{"lockfileVersion": 3, "packages": {"": {}}}'  # of a revision that had no lock yet


def scan(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Lockfiles, SBOMs, or folders to look for lockfiles in; default: here."),
    ] = None,
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
    require_sandbox: RequireSandboxOption = False,
    timings: TimingsOption = False,
    timings_output: TimingsOutputOption = None,
    summary: SummaryOption = True,
    verbose: VerboseOption = False,
) -> int:
    """Judge every package of lockfiles: npmguard scan, npmguard scan app/ --format sarif -o npmguard.sarif.

    In a pull request: npmguard scan --against origin/main --format markdown.
    After an installation: npmguard scan --installed.
    Several: npmguard scan app/yarn.lock server/pnpm-lock.yaml. In a folder, every lockfile below counts.
    """
    from npmguard.lockfile.places import find_lockfiles
    from npmguard.projects import base_of, scan_projects

    if format_ is Format.CYCLONEDX and (installed or against is not None):
        raise UsageError("--format cyclonedx tells of a whole lockfile; leave out --against and --installed")
    if installed and against is not None:
        raise UsageError("--installed and --against: choose one; the first looks at node_modules")
    started = time.monotonic()
    finish_timings = start_timings(timings, timings_output)
    wanted_paths = paths or [Path()]
    base = base_of(wanted_paths)

    def settings_in(folder: Path) -> Config:
        return with_min_age(
            settings_of(
                folder,
                config,
                fail_on=fail_on,
                jobs=jobs,
                no_cache=no_cache,
                feed=feed,
                check_domains=check_domains,
                require_sandbox=require_sandbox,
            ),
            min_age,
        )

    settings = settings_in(base)
    check_writable(output)
    found = find_lockfiles(wanted_paths, settings.limits)
    for option, given in {
        "--installed": installed,
        "--fix-overrides": fix_overrides,
        "--format html": format_ is Format.HTML,
        "--format cyclonedx": format_ is Format.CYCLONEDX,
        "--against a lockfile": against is not None and Path(against).exists(),
    }.items():
        if given:
            refuse_several(found, option)
    wanted = read_indicators(indicators, settings)
    locks: list[Lockfile] = []

    def scan_one(lock: Lockfile, own: Config, scanner: Scanner, progress: Progress | None) -> ScanReport:
        locks.append(lock)
        return _scan_one(lock, own, scanner, progress, against=against, installed=installed)

    with progress_bar() as progress:
        projects = scan_projects(
            found,
            base,
            settings_in,
            lambda own, npm: open_scanner_for(own, npm, offline, no_prefilter, wanted),
            progress,
            scan_one,
        )
    seconds = time.monotonic() - started
    reports = [replace(project.report, seconds=seconds) for project in projects]
    if fix_overrides:
        emit(_overrides(reports[0], locks[0]).encode(), output)
    elif format_ is Format.CYCLONEDX:
        emit(_sbom(reports[0], locks[0]), output)
    else:
        write_reports(reports, format_, output, verbose, settings)
    if summary:
        add_summary(*reports)
    finish_timings()
    return worst(exit_code(it.report, it.config.fail_on, it.config.accept_skipped) for it in projects)


def _scan_one(
    lock: Lockfile,
    settings: Config,
    scanner: Scanner,
    progress: Progress | None,
    *,
    against: str | None,
    installed: bool,
) -> ScanReport:
    from npmguard.api import scan_change, scan_lock

    if installed:
        from npmguard.installed import scan_installed

        return scan_installed(lock, Path(lock.path).parent, settings, scanner, progress)
    if against is None:
        return scan_lock(lock, settings, scanner, progress=progress)
    old = _earlier(Path(lock.path), against, settings)
    return scan_change(old, lock, settings, scanner, against=against, progress=progress)


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
    return parse_lockfile(content, f"{lock} in {against}", lock.name)


def _sbom(report: ScanReport, lock: Lockfile) -> bytes:
    from npmguard.lockfile.graph import DependencyGraph
    from npmguard.report import cyclonedx

    return cyclonedx.render(report, lock, DependencyGraph(lock).edges())


def _overrides(report: ScanReport, lock: Lockfile) -> str:
    from npmguard.way_out import overrides_block

    return overrides_block(
        report, direct=[requirement.name for requirement in lock.nodes[""].requires], manager=lock.manager
    )
