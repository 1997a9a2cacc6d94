"""The gate before npm: what an installation would bring is judged first, and npm runs only then."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from npmguard.api import scan_lock
from npmguard.errors import UsageError
from npmguard.lockfile.change import changes, narrowed
from npmguard.lockfile.reader import parse_lockfile, read_lockfile
from npmguard.rehearsal import rehearse, rehearse_specs

if TYPE_CHECKING:
    from npmguard.config import Config
    from npmguard.model import Lockfile, ScanReport
    from npmguard.npm_program import Npm
    from npmguard.scanner import Progress, Scanner

FORCED = "npmguard-forced.jsonl"
#: npm's own words for what the gate stands before.
INSTALLS = frozenset({"install", "i", "in", "ins", "inst", "insta", "instal", "isnt", "isnta", "isntal", "add"})
UPDATES = frozenset({"update", "up", "upgrade", "udpate"})
CLEAN_INSTALLS = frozenset({"ci", "clean-install", "ic", "install-clean", "isntall-clean"})
EXECUTES = frozenset({"exec", "x"})
_GLOBAL = re.compile(r"-g|--global(?:=true)?|--location=global")
_WITH_VALUE = re.compile(
    r"--(?:registry|tag|omit|include|prefix|workspace|location|install-strategy|before|userconfig|cache|loglevel)|-w|-C"
)
_PACKAGE = re.compile(r"(?:--package|-p)(?:=(?P<value>.+))?")


def judge_specs(
    npm: Npm, specs: Sequence[str], project: Path, config: Config, scanner: Scanner, progress: Progress | None
) -> ScanReport:
    """Judge the whole tree that would come with *specs*.

    Raises:
        UsageError: a spec cannot be used.
        NotInRegistry, RegistryUnreachable, NpmError: as npm says.
    """
    lock = rehearse_specs(npm, specs, project, config.limits)
    report = scan_lock(lock, config, scanner, progress=progress, beside=project)
    return replace(report, kind="specs", path=" ".join(specs))


@dataclass(frozen=True, slots=True)
class Question:
    """What a call of npm would bring: a tree by its *arguments*, the tree of *specs*, or the lock as it is."""

    npm: Npm
    arguments: tuple[str, ...]
    project: Path
    specs: tuple[str, ...] = ()
    pinned: bool = False

    def judge(
        self, config: Config, scanner: Scanner, progress: Progress | None
    ) -> tuple[ScanReport, Lockfile | None]:
        """Judge the whole tree; with the lock that npm is expected to write, where it will write one.

        Raises:
            UsageError: the project has no package.json, or a lock that cannot be read.
            NotInRegistry, RegistryUnreachable, NpmError: as npm says.
        """
        if self.pinned:
            lock = read_lockfile(self.project, config.limits)
            if lock.manager != "npm":
                raise UsageError(f"{self.project}: no package-lock.json for npm ci; run npm install")
            return scan_lock(lock, config, scanner, progress=progress), None
        if self.specs:
            return judge_specs(self.npm, self.specs, self.project, config, scanner, progress), None
        rehearsal = rehearse(self.npm, self.arguments, self.project, config.limits)
        report = scan_lock(rehearsal.after, config, scanner, progress=progress)
        told = changes(rehearsal.before, rehearsal.after)
        return replace(report, against=rehearsal.before.path, changes=told), rehearsal.after


def question_of(npm: Npm, arguments: Sequence[str], project: Path) -> Question | None:
    """What to judge before npm runs with *arguments*; None where it installs nothing that is not there."""
    command = next((each for each in arguments if not each.startswith("-")), "")
    rest = arguments[arguments.index(command) + 1 :] if command else []
    asked = Question(npm, tuple(arguments), project)
    if command in CLEAN_INSTALLS:
        return replace(asked, pinned=True)
    if command in INSTALLS | UPDATES:
        if not is_global(arguments):
            return asked
        specs = specs_of(rest)
    else:
        specs = executed_specs(rest, project) if command in EXECUTES else []
    return replace(asked, specs=tuple(specs)) if specs else None


def judge_difference(
    judged: Lockfile, project: Path, config: Config, scanner: Scanner, progress: Progress | None
) -> ScanReport | None:
    """Judge what *project*'s lock holds that the lock which was *judged* did not; None where that is nothing.

    Between the rehearsal and the installation somebody may have published.
    """
    path = project / "package-lock.json"
    if not path.is_file():
        return None
    installed = parse_lockfile(path.read_bytes(), str(path))
    difference = narrowed(installed, judged)
    if not difference.packages:
        return None
    return scan_lock(difference, config, scanner, progress=progress)


def specs_of(arguments: Sequence[str]) -> list[str]:
    """The package specs among npm's *arguments*, those of ``npm install`` and ``npm update``."""
    found = []
    waiting = False
    for argument in arguments:
        if waiting:
            waiting = False
        elif argument.startswith("-"):
            waiting = _WITH_VALUE.fullmatch(argument) is not None
        else:
            found.append(argument)
    return found


def executed_specs(arguments: Sequence[str], project: Path) -> list[str]:
    """The packages that ``npm exec`` with *arguments* may fetch: of ``--package``, else the command's own.

    A command that *project* has installed is no package to fetch.
    """
    packages: list[str] = []
    command: str | None = None
    words = iter(arguments)
    for word in words:
        option = _PACKAGE.fullmatch(word)
        if word == "--":
            command = next(words, None)
        elif option is not None:
            packages.append(option["value"] or next(words, ""))
        elif _WITH_VALUE.fullmatch(word) or word in {"-c", "--call"}:
            next(words, None)
        elif not word.startswith("-"):
            command = word
        if command is not None:
            break
    wanted = [package for package in packages if package]
    if wanted or command is None or (project / "node_modules" / ".bin" / command).exists():
        return wanted
    return [command]


def is_global(arguments: Sequence[str]) -> bool:
    """Whether npm's *arguments* install outside of the project."""
    return any(_GLOBAL.fullmatch(argument) for argument in arguments)


def record_forced(
    project: Path, arguments: Sequence[str], reason: str, author: str, report: ScanReport, now: datetime
) -> Path:
    """Write down that somebody installed what the gate held, and why; the file that tells.

    Raises:
        UsageError: the file cannot be written: nothing is forced without a record.
    """
    path = project / FORCED
    flagged = [
        {"package": f"{package.name}@{package.version}", "verdict": package.verdict.value}
        for package in report.packages
        if package.verdict.value != "clean"
    ]
    entry = {
        "time": now.isoformat(timespec="seconds"),
        "author": author,
        "reason": reason,
        "command": ["npm", *arguments],
        "packages": flagged,
        "incomplete": list(report.incomplete),
    }
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
    except OSError as error:
        raise UsageError(f"{path}: could not be written, so nothing was forced: {error.strerror}") from error
    return path
