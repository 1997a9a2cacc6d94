"""Several projects of one repository, each judged by its own settings."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from npmguard import __version__
from npmguard.api import scan_lock
from npmguard.config import has_settings
from npmguard.errors import LockfileError
from npmguard.lockfile.reader import read_lockfile
from npmguard.model import Lockfile, ScanReport
from npmguard.registry.npmrc import load_npm_config

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from npmguard.config import Config
    from npmguard.lockfile.places import FoundLock
    from npmguard.registry.npmrc import NpmConfig
    from npmguard.scanner import Progress, Scanner

    Open = Callable[[Config, NpmConfig], AbstractContextManager[Scanner]]
    Scan = Callable[[Lockfile, Config, Scanner, Progress | None], ScanReport]


@dataclass(frozen=True, slots=True)
class ProjectReport:
    """What is said of one project's lock, and the settings that it was judged by."""

    config: Config
    report: ScanReport


@dataclass(slots=True)
class _Group:
    """Projects that one scanner can judge: same settings, same registries."""

    config: Config
    npm: NpmConfig
    members: list[int]


def base_of(paths: Sequence[Path]) -> Path:
    """The folder whose settings hold for all of *paths*: the one folder, or the nearest around all of them."""
    folders = [path if path.is_dir() else path.parent for path in paths]
    if len(folders) == 1:
        return folders[0]
    common = os.path.commonpath([os.path.abspath(folder) for folder in folders])  # noqa: PTH100 - links stay
    relative = os.path.relpath(common)
    return type(folders[0])(common if relative.startswith("..") else relative)


def scan_projects(
    found: Sequence[FoundLock],
    base: Path,
    settings_of: Callable[[Path], Config],
    open_scanner: Open,
    progress: Progress | None = None,
    scan: Scan | None = None,
) -> tuple[ProjectReport, ...]:
    """Judge every lock, and each distinct version once for all projects that share settings and registries.

    A project has the settings of its own folder, or else those of *base*; *settings_of* reads a folder's. Its
    registries are those of npm's configuration there. A lock that was found, not named, and that cannot be read
    gives a report which is incomplete. *scan* judges one lock that was read, and by default is
    :func:`npmguard.api.scan_lock`.

    Raises:
        UsageError: a lock that was named cannot be read, or a setting or an acceptance cannot be used.
    """
    scan = scan or (lambda lock, config, scanner, bar: scan_lock(lock, config, scanner, progress=bar))
    shared = settings_of(base)
    locks: list[Lockfile | str] = []
    groups: list[_Group] = []
    for number, each in enumerate(found):
        folder = each.path.parent
        config = settings_of(folder) if has_settings(folder) else shared
        npm = load_npm_config(folder, os.environ)
        try:
            locks.append(read_lockfile(each.path, config.limits))
        except LockfileError as error:
            if each.named:
                raise
            locks.append(str(error))
        group = next((it for it in groups if it.config == config and _alike(it.npm, npm)), None)
        if group is None:
            group = _Group(config, npm, [])
            groups.append(group)
        group.members.append(number)
    reports: dict[int, ProjectReport] = {}
    for group in groups:
        with open_scanner(group.config, group.npm) as scanner:
            scanner.expect([it for number in group.members if isinstance(it := locks[number], Lockfile)])
            for number in group.members:
                lock = locks[number]
                if isinstance(lock, Lockfile):
                    report = scan(lock, group.config, scanner, progress)
                else:
                    path = str(found[number].path)
                    report = ScanReport(
                        __version__,
                        scanner.ruleset,
                        "lockfile",
                        path,
                        (),
                        incomplete=(lock,),
                        sandbox=scanner.sandbox,
                    )
                reports[number] = ProjectReport(group.config, _with_notes(report, found[number]))
    return tuple(reports[number] for number in range(len(found)))


def _alike(one: NpmConfig, other: NpmConfig) -> bool:
    return replace(one, files=(), notes=()) == replace(other, files=(), notes=())


def _with_notes(report: ScanReport, found: FoundLock) -> ScanReport:
    notes = [*report.notes, *found.notes]
    if found.beside:
        others = " and ".join(found.beside)
        notes.append(
            f"the folder also has {others}, reported by itself: which one counts depends on who installs"
        )
    return replace(report, notes=tuple(notes))
