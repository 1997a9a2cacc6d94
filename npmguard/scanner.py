"""The pipeline: every entry of a lock, or one target, judged and set in its place.

It owns concurrency: threads fetch and judge (:mod:`npmguard.judge`), worker processes analyse
(:mod:`npmguard.pool`).
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from npmguard import __version__
from npmguard.errors import NotInRegistry, PackageError, RegistryError, UsageError
from npmguard.judgement import Judgement, as_locked
from npmguard.lockfile.resolved import redact
from npmguard.memory import few_arenas
from npmguard.model import (
    Comparison,
    Dist,
    Finding,
    Fix,
    Indicator,
    Integrity,
    IntegrityOutcome,
    IntegrityReport,
    Kept,
    LockedPackage,
    Lockfile,
    LockNode,
    Manifest,
    PackageReport,
    Packument,
    Release,
    Requirement,
    Sandbox,
    ScanReport,
    SkipReason,
    Specimen,
    TarballAnalysis,
    Verdict,
)
from npmguard.sandbox.enter import expected
from npmguard.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from npmguard.config import Config, Limits
    from npmguard.judge import Judge
    from npmguard.lockfile.graph import DependencyGraph
    from npmguard.registry.npmrc import NpmConfig

_MAX_PATHS = 5
_Target = tuple[str, str, str | None, str]


class Progress(Protocol):
    """Told how a scan gets on; called from one thread at a time."""

    def start(self, total: int) -> None:
        """Say how many packages there are to judge."""

    def advance(self, label: str) -> None:
        """Say that one more is done."""


class Silence:
    """The progress that shows nothing."""

    def start(self, total: int) -> None:
        """Show nothing."""

    def advance(self, label: str) -> None:
        """Show nothing."""


class Scanner:
    """Scans lockfiles and single targets; a context manager around one :class:`~npmguard.judge.Judge`."""

    def __init__(
        self,
        config: Config,
        npm: NpmConfig,
        *,
        offline: bool = False,
        prefilter: bool = True,
        indicators: tuple[Indicator, ...] = (),
        facts: bool = False,
    ) -> None:
        self._config = config
        self._sources = Sources(
            config, npm, offline=offline, prefilter=prefilter, indicators=indicators, facts=facts
        )
        self._starting = threading.Lock()
        self._started_judge: Judge | None = None
        self._judged: dict[_Target, Judgement] = {}  # so that several locks cost each version once
        self._expected: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started_judge is not None:
            self._started_judge.close()
        self._sources.close()

    def expect(self, locks: Sequence[Lockfile]) -> None:
        """Ask once what is known of the packages of all *locks*, which are going to be scanned one by one."""
        packages = [package for lock in locks for package in lock.packages]
        self._expected = {(package.name, package.version) for package in packages}
        self._sources.ask_about(packages)

    def scan(self, lock: Lockfile, progress: Progress | None = None) -> ScanReport:
        """Judge every package of the lock; the report's packages are sorted by name, then version."""
        progress = progress or Silence()
        targets = _targets(lock.packages)
        progress.start(len(targets))
        few_arenas()
        if not {(package.name, package.version) for package in lock.packages} <= self._expected:
            self._expected = set()
            self._sources.ask_about(lock.packages)
        tree = _Tree(lock)
        reports = []
        judged: dict[str, Judgement] = {}
        with self._judgements([group[0] for group in targets]) as judgements:
            for group, judgement in zip(targets, judgements, strict=True):
                judged.update((package.location, judgement) for package in group)
                reports.append(self._report(group, judgement, tree))
                progress.advance(f"{group[0].name}@{group[0].version}")
        reports.sort(key=lambda report: (report.name, report.version, report.locations))
        return ScanReport(
            tool_version=__version__,
            ruleset=self._sources.ruleset,
            kind="lockfile",
            path=lock.path,
            packages=tuple(reports),
            skipped=lock.skipped,
            notes=(*lock.notes, *self._sources.notes, *_early(reports)),
            incomplete=(*_missing(lock), *_not_bundled(lock, judged), *self._sources.known().incomplete),
            sandbox=self.sandbox,
        )

    def inspect(self, target: str) -> ScanReport:
        """Judge one tarball or folder of this machine, or one package of the registry.

        Raises:
            UsageError: the target is none of these, or cannot be read.
        """
        from npmguard.package.directory import pack_directory  # noqa: PLC0415 - no lock needs it
        from npmguard.target import parse_spec  # noqa: PLC0415 - as above

        path = Path(target)
        if path.is_dir():
            return self._report_local("directory", target, pack_directory(path, self._config.limits))
        if path.is_file():
            return self._report_local("tarball", target, _read_file(path, self._config.limits))
        name, wanted = parse_spec(target)
        try:
            packument = self._sources.client.packument(name)
            package = _chosen(packument, wanted)
            self._sources.ask_about((package,))
        except RegistryError as error:
            unknown = Judgement(Verdict.UNVERIFIED, (), IntegrityReport(), None, str(error), None)
            return self._report_one("spec", target, name, wanted, unknown)
        return self._report_one("spec", target, name, package.version, self._judge.judge(package))

    def release(self, name: str, version: str) -> ScanReport:
        """Judge one version of the registry; see :meth:`release_kept`."""
        return self.release_kept(name, version)[0]

    def release_kept(self, name: str, version: str) -> tuple[ScanReport, Kept | None]:
        """Judge one version of the registry, which is asked anew where it did not hold that version before.

        Unlike other reports, its own has a specimen of a clean version as well, where something in it was
        looked at twice: what clean packages have tells nothing of those that are not.

        Raises:
            NotInRegistry: it does not hold the package, or not that version.
            RegistryError: it does not answer.
        """
        packument = self._sources.client.packument(name)
        if version not in packument.releases:
            packument = self._sources.client.packument(name, revalidate=True)
        if version not in packument.releases:
            raise NotInRegistry(f"{name}@{version} is not in the registry {packument.registry}")
        package = as_locked(name, packument.releases[version])
        self._sources.ask_about((package,))
        judgement = self._judge.judge(package)
        if judgement.verdict is Verdict.CLEAN and judgement.traces:
            judgement = replace(judgement, specimen=Specimen(files=judgement.traces))
        return self._report_one("spec", f"{name}@{version}", name, version, judgement), judgement.kept

    def compare(self, name: str, old: str, new: str) -> Comparison:
        """Hold two published versions of a package against each other.

        Raises:
            UsageError: the name or a version cannot be a package's.
            RegistryError: the registry does not hold them, or does not answer.
        """
        from npmguard.detect.verdict import verdict_of  # noqa: PLC0415 - no lock needs it
        from npmguard.integrity.sri import compare, compute_hashes  # noqa: PLC0415 - as above
        from npmguard.target import parse_spec, pick_version  # noqa: PLC0415 - as above

        parse_spec(name)
        packument = self._sources.client.packument(name)
        earlier = packument.releases[pick_version(packument, old)]
        later = packument.releases[pick_version(packument, new)]
        tarballs = [
            self._sources.client.tarball(as_locked(name, release), release) for release in (earlier, later)
        ]
        for release, tarball in zip((earlier, later), tarballs, strict=True):
            outcome, detail = compare(release.dist.integrity, compute_hashes(tarball, ("sha512", "sha1")))
            if outcome is IntegrityOutcome.MISMATCH:
                raise PackageError(f"{name}@{release.manifest.version}: not the registry's bytes: {detail}")
        problems: list[str] = []
        answer = self._judge.analyse(tarballs[1], tarballs[0], problems)
        if answer is None:
            raise PackageError(f"{name}@{later.manifest.version}: {'; '.join(problems)}")
        before, after = set(answer.baseline_signals or ()), set(answer.signals)
        return Comparison(
            name=name,
            old_version=earlier.manifest.version,
            new_version=later.manifest.version,
            diff=answer.diff,
            gained=tuple(sorted(after - before)),
            lost=tuple(sorted(before - after)),
            findings=answer.findings,
            verdict=verdict_of(answer.findings, answer.unverified),
            unverified=answer.unverified,
        )

    def against_tarball(self, package: LockedPackage, packed: bytes) -> TarballAnalysis | str:
        """What the packed folder of an installed package holds against the tarball that the lock names.

        One line says why, where the two could not be compared.
        """
        return self._judge.against_tarball(package, packed)

    @property
    def ruleset(self) -> str:
        """The digest of the rules in force."""
        return self._sources.ruleset

    @property
    def sandbox(self) -> Sandbox:
        """What holds the processes that read packages, or would hold them where none was needed."""
        started = self._started_judge.sandbox if self._started_judge is not None else None
        return started if started is not None else expected()

    def known(self, packages: Sequence[LockedPackage]) -> tuple[tuple[Verdict, tuple[Finding, ...]], ...]:
        """What is known of versions without a look into them: by name and version, by their bytes.

        The sources of known malware are asked, and what earlier scans found in the same bytes is remembered.
        """
        self._sources.ask_about(packages)
        return tuple(self._judge.remembered(package) for package in packages)

    @property
    def unasked(self) -> tuple[str, ...]:
        """What could not be asked about the versions of :meth:`known`, a line each."""
        return self._sources.known().incomplete

    @property
    def notes(self) -> tuple[str, ...]:
        """What the scanner went on without, a line each."""
        return self._sources.notes

    def gained(self, name: str, old: str, new: str) -> tuple[str, ...]:
        """The behaviours (signal ids) that a published version has and an earlier one had not.

        Raises:
            RegistryError: the registry does not hold them, or does not answer.
            PackageError: one of them cannot be read.
        """
        return self.compare(name, old, new).gained

    def _report_local(self, kind: str, target: str, tarball: bytes) -> ScanReport:
        from npmguard.audit import known_malware  # noqa: PLC0415 - no lock needs it
        from npmguard.audit import manifest as manifest_audit  # noqa: PLC0415 - as above
        from npmguard.audit.context import AuditContext  # noqa: PLC0415 - as above
        from npmguard.detect.verdict import decide  # noqa: PLC0415 - as above
        from npmguard.judge import unfollowed  # noqa: PLC0415 - as above

        problems: list[str] = []
        analysis = self._judge.analyse(tarball, None, problems)
        manifest = analysis.manifest if analysis is not None else None
        name, version = (manifest.name, manifest.version) if manifest is not None else ("", "")
        findings = list(analysis.findings) if analysis is not None else []
        context = AuditContext(
            locked=LockedPackage(name=name, version=version, location="", line=0),
            release=None,
            packument=None,
            analysis=analysis,
            baseline=None,
            baseline_release=None,
            integrity=IntegrityReport(),
            manifest_deltas=(),
        )
        findings += manifest_audit.audit(context)
        self._sources.ask_about((context.locked,) if name else ())
        stated = Integrity(analysis.hashes) if analysis is not None else None
        findings += known_malware.audit(name, version, stated, self._sources.known())
        if analysis is not None and analysis.unverified is not None:
            problems.append(analysis.unverified)
        unverified = "; ".join(problems) or None
        decision = decide(findings, unverified)
        specimen = None
        if decision.verdict in {Verdict.MALICIOUS, Verdict.SUSPICIOUS} and analysis is not None:
            specimen = Specimen(hashes=analysis.hashes if kind == "tarball" else (), files=analysis.traces)
        judgement = Judgement(
            decision.verdict,
            tuple(findings),
            IntegrityReport(),
            None,
            unverified,
            None,
            notes=unfollowed(analysis),
            reasons=decision.reasons,
            specimen=specimen,
        )
        return self._report_one(kind, target, name, version, judgement)

    def _report_one(self, kind: str, target: str, name: str, version: str, judgement: Judgement) -> ScanReport:
        report = PackageReport(
            name=name,
            version=version,
            locations=(),
            line=0,
            verdict=judgement.verdict,
            baseline=judgement.baseline,
            findings=judgement.findings,
            integrity=judgement.integrity,
            unverified_reason=judgement.unverified,
            reasons=judgement.reasons,
            specimen=judgement.specimen,
            diff=judgement.diff,
            notes=judgement.notes,
        )
        if judgement.packument is not None and judgement.verdict in {Verdict.MALICIOUS, Verdict.SUSPICIOUS}:
            package = LockedPackage(name=name, version=version, location="", line=0)
            report = replace(report, fix=self._fix(package, judgement, ()))
        return ScanReport(
            __version__,
            self._sources.ruleset,
            kind,
            target,
            (report,),
            notes=(*self._sources.notes, *_early([report])),
            incomplete=self._sources.known().incomplete,
            sandbox=self.sandbox,
        )

    def _report(self, group: Sequence[LockedPackage], judgement: Judgement, tree: _Tree) -> PackageReport:
        first = group[0]
        report = PackageReport(
            name=first.name,
            version=first.version,
            locations=tuple(package.location for package in group),
            line=first.line,
            verdict=judgement.verdict,
            baseline=judgement.baseline,
            findings=judgement.findings,
            integrity=judgement.integrity,
            unverified_reason=judgement.unverified,
            reasons=judgement.reasons,
            specimen=judgement.specimen,
            diff=judgement.diff,
            notes=judgement.notes,
        )
        if judgement.verdict is Verdict.CLEAN:
            return report
        paths, more = tree.paths(report.locations)
        report = replace(report, paths=paths, more_paths=more)
        if judgement.verdict is Verdict.UNVERIFIED:
            return report
        requirers = [
            (label, requirement.spec or self._range_of(node, requirement))
            for label, node, requirement in tree.requirers(report.locations)
        ]
        report = replace(report, fix=self._fix(first, judgement, sorted(set(requirers))))
        return replace(report, notes=(*report.notes, *_way_out(report, tree)))

    @contextmanager
    def _judgements(self, packages: Sequence[LockedPackage]) -> Iterator[Iterator[Judgement]]:
        """The judgements of *packages*, in their order; those that earlier runs left need no thread."""
        known = [self._judged.get(_target(it)) or self._sources.recall(it) for it in packages]
        self._judged.update((_target(it), found) for it, found in zip(packages, known, strict=True) if found)
        if all(known):
            yield (it for it in known if it is not None)
            return
        executor = ThreadPoolExecutor(self._config.network.threads, thread_name_prefix="npmguard-fetch")
        try:
            futures = [executor.submit(self._judge_once, package) for package in packages]
            yield (future.result() for future in futures)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
        executor.shutdown()

    @property
    def _judge(self) -> Judge:
        """Made when the first version has to be judged anew."""
        with self._starting:
            if self._started_judge is None:
                from npmguard.judge import Judge  # noqa: PLC0415 - all audits, and what they need, come with it

                self._started_judge = Judge(self._sources)
            return self._started_judge

    def _judge_once(self, package: LockedPackage) -> Judgement:
        key = _target(package)
        judgement = self._judged.get(key)
        if judgement is None:
            judgement = self._judged[key] = self._judge.judge(package)
        return judgement

    def _range_of(self, node: LockNode, requirement: Requirement) -> str:
        """What a package asks for, as the registry tells, where the lock does not say it; else any version."""
        try:
            manifest = self._sources.client.packument(node.name).releases[node.version or ""].manifest
        except (RegistryError, KeyError):
            return "*"
        told = {**manifest.peer_dependencies, **manifest.dependencies, **manifest.optional_dependencies}
        return told.get(requirement.name, "*")

    def _fix(self, package: LockedPackage, judgement: Judgement, requirers: Sequence[tuple[str, str]]) -> Fix:
        from npmguard.remedy import nearest_clean  # noqa: PLC0415 - only a flagged package needs it

        packument = judgement.packument
        if packument is None:
            return self._known_fix(package, requirers)

        def is_clean(version: str) -> bool | None:
            try:
                candidate = self._judge.judge(as_locked(package.name, packument.releases[version]))
            except RegistryError:  # that version's entry is spoilt: nothing is known of it
                return None
            return None if candidate.verdict is Verdict.UNVERIFIED else candidate.verdict is Verdict.CLEAN

        return nearest_clean(package.name, package.version, requirers, packument, is_clean)

    def _known_fix(self, package: LockedPackage, requirers: Sequence[tuple[str, str]]) -> Fix:
        """What the file of campaigns names beside the attack, where the registry says nothing."""
        from npmguard.intel.campaigns import load_campaigns  # noqa: PLC0415 - see _fix
        from npmguard.remedy import nearest_clean  # noqa: PLC0415 - see _fix

        name, unasked = package.name, "the registry could not be asked for other versions"
        versions = load_campaigns().clean.get(name, ())
        if not versions:
            return Fix(None, unasked)
        known = self._sources.known()
        releases = {it: Release(Manifest(name, it), Dist(tarball="")) for it in versions}
        fix = nearest_clean(
            name,
            package.version,
            requirers,
            Packument(name, "", releases, {}),
            lambda version: not known.is_malicious(name, version),
        )
        return replace(fix, reason=f"{fix.reason}; by what is known of the attack, since {unasked}")


class _Tree:
    """The lock's dependency graph, built when the first package that is not clean asks for its place."""

    def __init__(self, lock: Lockfile) -> None:
        self._lock = lock

    @cached_property
    def _graph(self) -> DependencyGraph:
        from npmguard.lockfile.graph import DependencyGraph  # noqa: PLC0415 - only a flagged package needs it

        return DependencyGraph(self._lock)

    @property
    def manager(self) -> str:
        return self._lock.manager

    def direct(self, locations: Sequence[str]) -> list[str]:
        """The names that the project asks for; those alone that lead to *locations*, where the lock says so."""
        return [
            requirement.name
            for requirement in self._lock.nodes[""].requires
            if requirement.kind != "workspace"
            and (requirement.leads_to is None or requirement.leads_to in locations)
        ]

    def paths(self, locations: Sequence[str]) -> tuple[tuple[tuple[str, ...], ...], int]:
        ways = self._graph.paths_to(*locations, limit=_MAX_PATHS)
        return ways.paths, ways.more

    def requirers(self, locations: Sequence[str]) -> Iterator[tuple[str, LockNode, Requirement]]:
        for location in locations:
            for node, requirement in self._graph.requirers(location):
                label = f"{node.name}@{node.version}" if node.location else node.name or "the project"
                yield label, node, requirement


def _chosen(packument: Packument, wanted: str) -> LockedPackage:
    """What npm would pick; an exact version that is not there (any more) is judged by what is known of it."""
    from npmguard.package.version import parse_version  # noqa: PLC0415 - no lock needs it
    from npmguard.target import pick_version  # noqa: PLC0415 - as above

    try:
        return as_locked(packument.name, packument.releases[pick_version(packument, wanted)])
    except NotInRegistry:
        if parse_version(wanted) is None:
            raise
        return LockedPackage(name=packument.name, version=wanted, location="", line=0)


def _read_file(path: Path, limits: Limits) -> bytes:
    try:
        if path.stat().st_size > limits.tarball_bytes:
            raise UsageError(f"{path}: over limits.tarball-bytes ({limits.tarball_bytes})")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _targets(packages: Sequence[LockedPackage]) -> list[list[LockedPackage]]:
    """The lock's packages, those together that stand for the same bytes from the same place."""
    groups: dict[_Target, list[LockedPackage]] = {}
    for package in packages:
        groups.setdefault(_target(package), []).append(package)
    return list(groups.values())


def _target(package: LockedPackage) -> _Target:
    return package.name, package.version, package.resolved, str(package.integrity)


def _early(reports: Sequence[PackageReport]) -> Iterator[str]:
    """What is told of clean packages, for the notes of the whole report: why young ones passed."""
    for report in reports:
        if report.verdict is Verdict.CLEAN:
            for note in report.notes:
                yield f"{report.name}@{report.version}: {note}"


def _way_out(report: PackageReport, tree: _Tree) -> Iterator[str]:
    """What to type, and what to do where the version ever ran."""
    from npmguard.way_out import overrides_place, way_out  # noqa: PLC0415 - only a flagged package needs it

    way = way_out(report, tree.direct(report.locations), tree.manager)
    if way is None:
        return
    if way.commands:
        yield f"run: {' && '.join(way.commands)}"
    if way.overrides:
        yield f"{overrides_place(tree.manager)} first, see npmguard scan --fix-overrides: {way.explanation}"
    for advice in way.if_it_ran:
        yield f"if it ever ran: {advice}"


def _missing(lock: Lockfile) -> Iterator[str]:
    """What the project asks for and the lock does not hold."""
    tool = lock.manager.partition("-")[0]
    for location, requirement in lock.missing:
        yield (
            f"{requirement.name}@{redact(requirement.spec)}, which {location or 'the project'} asks for, is not"
            f" in the lock: {tool} would choose a version when it installs; run {tool} install, commit the"
            " lock, scan again"
        )


def _not_bundled(lock: Lockfile, judged: Mapping[str, Judgement]) -> Iterator[str]:
    """Entries that the lock calls bundled and that the tarball of their bundler does not hold.

    npm downloads those after all, so the lock's word alone would hide a package from the scan.
    """
    for entry in lock.skipped:
        if entry.reason is not SkipReason.BUNDLED:
            continue
        bundler = judged.get(entry.bundler or "")
        inside = entry.location[len(entry.bundler or "") + 1 :]
        if bundler is None:
            yield f"{entry.location}: said to be bundled in {entry.bundler}, which was not judged"
        elif bundler.verdict is not Verdict.UNVERIFIED and inside not in bundler.bundled:
            yield f"{entry.location}: said to be bundled in {entry.bundler}, whose tarball does not hold it"
