"""The library's functions: what each command line call comes down to."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from npmguard.config import Config, load_config
from npmguard.errors import PackageError, RegistryError, UsageError
from npmguard.model import ChangeKind, LockChange

if TYPE_CHECKING:
    from npmguard.model import Indicator, Lockfile, ScanReport
    from npmguard.scanner import Progress, Scanner


def scan(
    path: str | os.PathLike[str] = ".",
    config: Config | None = None,
    *,
    offline: bool = False,
    prefilter: bool = True,
    indicators: tuple[Indicator, ...] = (),
    progress: Progress | None = None,
    today: date | None = None,
) -> ScanReport:
    """Judge every package of a project's lockfile.

    *path* is a lockfile, or the folder that holds one. *config* is that folder's own npmguard.toml where None.
    *offline* asks nobody, *prefilter* False parses every source file, *indicators* are further things to look
    for, *today* is the day by which acceptances run out (UTC).

    Raises:
        UsageError: no such lockfile, one that cannot be read, a setting or an acceptance that cannot be used.
    """
    from npmguard.lockfile.reader import find_lockfile, read_lockfile  # noqa: PLC0415 - as of use

    found = find_lockfile(Path(path))
    settings = config if config is not None else load_config(found.parent)
    lock = read_lockfile(found, settings.limits)
    with _scanner(settings, found.parent, offline, prefilter, indicators) as scanner:
        return scan_lock(lock, settings, scanner, progress=progress, today=today)


def scan_lock(
    lock: Lockfile,
    config: Config,
    scanner: Scanner,
    *,
    progress: Progress | None = None,
    today: date | None = None,
    beside: Path | None = None,
) -> ScanReport:
    """Judge a lock that was read with an open scanner, by the project's policy and its accepted findings.

    These stand beside the lock, or in the folder *beside*.

    Raises:
        UsageError: an acceptance that cannot be used.
    """
    from npmguard.accepted import apply_acceptances, check_acceptances, read_acceptances  # noqa: PLC0415
    from npmguard.policy import apply_policy  # noqa: PLC0415

    folder = beside if beside is not None else Path(lock.path).parent
    accepted = read_acceptances(folder / config.policy.accepted)
    check_acceptances(accepted, lock, today or datetime.now(UTC).date())
    report = apply_policy(scanner.scan(lock, progress), lock, config.policy)
    return apply_acceptances(report, accepted)


def scan_change(
    old: Lockfile,
    new: Lockfile,
    config: Config,
    scanner: Scanner,
    *,
    against: str,
    progress: Progress | None = None,
    today: date | None = None,
) -> ScanReport:
    """Judge what a lock brings in against an earlier state of it, *against* being how that one is called.

    Raises:
        UsageError: an acceptance that cannot be used.
    """
    from npmguard.lockfile.change import changes, narrowed  # noqa: PLC0415

    report = scan_lock(narrowed(new, old), config, scanner, progress=progress, today=today)
    told = tuple(_with_gains(change, scanner) for change in changes(old, new))
    return replace(report, against=against, changes=told)


def inspect(
    target: str, config: Config | None = None, *, offline: bool = False, prefilter: bool = True
) -> ScanReport:
    """Judge one tarball, one folder, or one package of the registry (``name@version``, a range or a tag).

    Raises:
        UsageError: the target is none of these, or cannot be read.
    """
    settings = config if config is not None else load_config(Path())
    with _scanner(settings, Path(), offline, prefilter, ()) as scanner:
        return scanner.inspect(target)


def _with_gains(change: LockChange, scanner: Scanner) -> LockChange:
    if change.kind is not ChangeKind.CHANGED or change.old is None or change.new is None:
        return change
    try:
        return replace(change, gained=scanner.gained(change.name, change.old, change.new))
    except (RegistryError, PackageError, UsageError) as error:
        return replace(change, unknown=str(error))


def _scanner(
    config: Config, project: Path, offline: bool, prefilter: bool, indicators: tuple[Indicator, ...]
) -> Scanner:
    from npmguard.registry.npmrc import load_npm_config  # noqa: PLC0415
    from npmguard.scanner import Scanner  # noqa: PLC0415

    npm = load_npm_config(project, os.environ)
    return Scanner(config, npm, offline=offline, prefilter=prefilter, indicators=indicators)
