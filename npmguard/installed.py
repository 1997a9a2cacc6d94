"""An installed tree held against its lock: what changed in node_modules after npm had put it there."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from npmguard import __version__
from npmguard.audit.catalogue import AuditRule
from npmguard.detect.verdict import decide
from npmguard.errors import NpmguardError, UsageError
from npmguard.model import (
    Confidence,
    Evidence,
    Finding,
    LockedPackage,
    PackageReport,
    ScanReport,
    Severity,
    SkipReason,
    TarballAnalysis,
)
from npmguard.package.directory import pack_directory

if TYPE_CHECKING:
    from npmguard.config import Config
    from npmguard.model import Lockfile
    from npmguard.scanner import Progress, Scanner

CHANGED = "installed-file-changed"
MISSING = "installed-file-missing"
ADDED = "installed-file-added"
EXTRANEOUS = "installed-package-not-locked"
COMMAND = "installed-command-replaced"

_TREE = "node_modules"
_COMMANDS = ".bin"
_THREADS = 4
_SHOWN = 10  # paths of one finding
_MAX_MANIFEST = 1024 * 1024
_REINSTALL = "Find out what wrote there, then remove node_modules and run npm ci."

INSTALLED_RULES: Final = (
    AuditRule(
        CHANGED,
        "An installed file is not what the tarball holds",
        "A file of node_modules has other bytes than the same file of the tarball that the lock pins: something"
        " wrote to it after npm had put it there.",
        _REINSTALL,
        Severity.HIGH,
    ),
    AuditRule(
        MISSING,
        "A file of the tarball is not installed",
        "A file of the tarball that the lock pins is missing in node_modules.",
        _REINSTALL,
        Severity.MEDIUM,
    ),
    AuditRule(
        ADDED,
        "An installed package has a file that its tarball lacks",
        "A file lies in an installed package that neither its tarball holds nor, as far as the lock says, an"
        " install script could have made.",
        _REINSTALL,
        Severity.HIGH,
    ),
    AuditRule(
        EXTRANEOUS,
        "A package is installed that the lock does not know",
        "A folder of node_modules is that of no entry of the lock; whatever is required by its name is loaded.",
        "Run npm ls to see who put it there, and npm prune to remove it.",
        Severity.HIGH,
    ),
    AuditRule(
        COMMAND,
        "A command of node_modules leads elsewhere",
        "An entry of node_modules/.bin is no link into an installed package, so npm run starts something else.",
        _REINSTALL,
        Severity.HIGH,
    ),
)
_RULES = {rule.id: rule for rule in INSTALLED_RULES}


def scan_installed(
    lock: Lockfile, project: Path, config: Config, scanner: Scanner, progress: Progress | None = None
) -> ScanReport:
    """Hold *project*'s node_modules against the tarballs that its *lock* pins.

    Every installed folder is compared, file by file, with its tarball, and what differs is judged as code that
    is new against it. npm's own changes are known: ``.gitignore`` becomes ``.npmignore``, a hashbang loses its
    carriage return, an install script may add files.

    Raises:
        UsageError: the lock is not npm's, which alone tells of folders.
    """
    if lock.manager != "npm":
        raise UsageError(
            f"{lock.path}: --installed reads npm's own lock alone, whose entries are folders of node_modules"
        )
    there = [package for package in lock.packages if (project / package.location).is_dir()]
    absent = [package for package in lock.packages if not (project / package.location).is_dir()]
    tree = _Tree(lock, project, config)
    if progress is not None:
        progress.start(len(there))
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="npmguard-installed") as executor:
        reports = []
        for package, report in zip(there, executor.map(lambda it: tree.judge(it, scanner), there), strict=True):
            reports.append(report)
            if progress is not None:
                progress.advance(f"{package.name}@{package.version}")
    reports += tree.strangers()
    reports.sort(key=lambda report: (report.name, report.version, report.locations))
    return ScanReport(
        tool_version=__version__,
        ruleset=scanner.ruleset,
        kind="installed",
        path=str(project / _TREE),
        packages=tuple(reports),
        notes=scanner.notes,
        incomplete=tuple(_not_installed(absent)),
        sandbox=scanner.sandbox,
    )


class _Tree:
    """One project's node_modules beside its lock."""

    def __init__(self, lock: Lockfile, project: Path, config: Config) -> None:
        self._lock = lock
        self._project = project
        self._limits = config.limits
        self._nested: dict[str, list[str]] = defaultdict(list)
        bundled = {entry.location for entry in lock.skipped if entry.reason is SkipReason.BUNDLED}
        for location in lock.nodes:
            parent = _parent(location)
            if parent and location not in bundled:
                self._nested[parent].append(location[len(parent) + 1 :])

    def judge(self, package: LockedPackage, scanner: Scanner) -> PackageReport:
        """Compare one installed folder with its tarball."""
        folder = self._project / package.location
        without = [*self._nested.get(package.location, ()), f"{_TREE}/{_COMMANDS}"]
        findings: list[Finding] = []
        reason: str | None = None
        if folder.is_symlink():
            findings.append(_finding(EXTRANEOUS, "Its folder is a link to somewhere else.", []))
        try:
            packed = pack_directory(folder, self._limits, without=without)
            answer = scanner.against_tarball(package, packed)
            if isinstance(answer, TarballAnalysis) and answer.diff is not None and answer.diff.changed:
                restored = _with_carriage_returns(folder, [it.path for it in answer.diff.changed])
                if restored:
                    packed = pack_directory(folder, self._limits, without=without, content_of=restored)
                    again = scanner.against_tarball(package, packed)
                    answer = _fewer_changes(answer, again)
        except NpmguardError as error:
            answer = str(error)
        if isinstance(answer, str):
            reason = answer
        else:
            reason = answer.unverified
            findings += self._differences(package, answer)
        decision = decide(findings, reason)
        return PackageReport(
            name=package.name,
            version=package.version,
            locations=(package.location,),
            line=package.line,
            verdict=decision.verdict,
            findings=tuple(findings),
            unverified_reason=reason,
            reasons=decision.reasons,
        )

    def strangers(self) -> list[PackageReport]:
        """Installed folders that the lock does not know, and commands that lead elsewhere."""
        found = []
        for location in sorted(_packages_below(self._project, _TREE)):
            if location not in self._lock.nodes:
                name, version = _named(self._project / location, location)
                message = "The lock has no entry for this folder."
                found.append(_stranger(name, version, location, _finding(EXTRANEOUS, message, [])))
        for link, target in sorted(self._commands()):
            message = f"{link} leads to {target}."
            finding = _finding(COMMAND, message, [])
            found.append(_stranger(link.rpartition("/")[2], "", link, finding))
        return found

    def _differences(self, package: LockedPackage, answer: TarballAnalysis) -> Iterator[Finding]:
        diff = answer.diff
        if diff is None or not (diff.added or diff.removed or diff.changed):
            return
        patch = self._patch(package)
        if diff.changed:
            paths = [change.path for change in diff.changed]
            yield _finding(
                CHANGED, f"{_count(paths)} changed since npm installed it{patch}.", paths, bool(patch)
            )
        if diff.removed:
            yield _finding(MISSING, f"{_count(diff.removed)} missing.", diff.removed)
        if diff.added:
            built = package.has_install_script or answer.implicit_install is not None
            why = ", which its install script may have made" if built else ""
            yield _finding(ADDED, f"{_count(diff.added)} added{why}{patch}.", diff.added, built or bool(patch))
        yield from (finding for finding in answer.findings if finding.added)

    def _patch(self, package: LockedPackage) -> str:
        """The patch of patch-package that would explain a change, as a phrase."""
        name = package.location.rpartition(f"{_TREE}/")[2].replace("/", "+")
        patch = self._project / "patches" / f"{name}+{package.version}.patch"
        return f"; patches/{patch.name} may explain it" if patch.is_file() else ""

    def _commands(self) -> Iterator[tuple[str, str]]:
        """The commands of the tree that are no links to a file of an installed package."""
        folder = self._project / _TREE / _COMMANDS
        if not folder.is_dir() or os.name == "nt":
            return
        root = (self._project).resolve()
        for entry in sorted(folder.iterdir()):
            shown = f"{_TREE}/{_COMMANDS}/{entry.name}"
            if not entry.is_symlink():
                yield shown, "itself: it is no link"
            elif not entry.resolve().is_relative_to(root):
                yield shown, str(entry.readlink())


def _fewer_changes(first: TarballAnalysis, second: TarballAnalysis | str) -> TarballAnalysis:
    if isinstance(second, str) or second.diff is None or first.diff is None:
        return first
    return second if len(second.diff.changed) < len(first.diff.changed) else first


def _with_carriage_returns(folder: Path, paths: Iterable[str]) -> dict[str, bytes]:
    """The files that begin with a hashbang, as they may have been before npm made them run on Unix."""
    found = {}
    for path in paths:
        content = (folder / path).read_bytes()
        first, newline, rest = content.partition(b"\n")
        if first.startswith(b"#!") and newline and not first.endswith(b"\r"):
            found[path] = first + b"\r\n" + rest
    return found


def _packages_below(project: Path, tree: str) -> Iterator[str]:
    """The package folders of a node_modules and of those inside them, as the lock spells locations."""
    folder = project / tree
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or not entry.is_dir():
            continue
        below = sorted(entry.iterdir()) if entry.name.startswith("@") else [entry]
        for package in below:
            if package.is_dir():
                location = f"{tree}/{package.relative_to(folder).as_posix()}"
                yield location
                if not package.is_symlink():
                    yield from _packages_below(project, f"{location}/{_TREE}")


def _parent(location: str) -> str:
    return location.rpartition(f"/{_TREE}/")[0]


def _named(folder: Path, location: str) -> tuple[str, str]:
    fallback = location.rpartition(f"{_TREE}/")[2]
    try:
        with (folder / "package.json").open("rb") as file:
            manifest = json.loads(file.read(_MAX_MANIFEST))
    except (OSError, ValueError, RecursionError):
        return fallback, ""
    version = manifest.get("version") if isinstance(manifest, dict) else None
    return fallback, version if isinstance(version, str) else ""


def _stranger(name: str, version: str, location: str, finding: Finding) -> PackageReport:
    decision = decide((finding,))
    return PackageReport(
        name=name,
        version=version,
        locations=(location,),
        line=1,
        verdict=decision.verdict,
        findings=(finding,),
        reasons=decision.reasons,
    )


def _not_installed(absent: Iterable[LockedPackage]) -> Iterator[str]:
    """What the lock asks for and the tree lacks, apart from what may be left out."""
    for package in absent:
        if not (package.optional or package.dev or package.peer):
            yield f"{package.location}: not installed; run npm ci"


def _finding(rule: str, message: str, paths: Iterable[str], explained: bool = False) -> Finding:
    described = _RULES[rule]
    shown = list(paths)
    return Finding(
        rule=rule,
        severity=Severity.MEDIUM if explained else described.severity,
        confidence=Confidence.HIGH,
        message=message,
        file=shown[0] if shown else None,
        evidence=tuple(Evidence(rule, "differs from the tarball", path) for path in shown[:_SHOWN]),
        remediation=described.remediation,
    )


def _count(paths: Iterable[str]) -> str:
    number = len(list(paths))
    return "1 file is" if number == 1 else f"{number} files are"
