"""The pipeline: each entry of a lock on its way from the registry to its verdict.

It owns concurrency: threads fetch, worker processes analyse (:mod:`npmguard.pool`). Everything else is a
call of another module's public function with one value.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha512
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from npmguard import __version__
from npmguard.audit import integrity as integrity_audit
from npmguard.audit import known_malware, lock_entry, trust
from npmguard.audit import manifest as manifest_audit
from npmguard.audit.context import AuditContext
from npmguard.audit.provenance import audit_provenance
from npmguard.audit.signature import audit_signature
from npmguard.cooldown import Change, Outcome, judge_age
from npmguard.detect.ruleset import ruleset_digest
from npmguard.detect.verdict import verdict_of
from npmguard.errors import NotInRegistry, PackageError, RegistryError, UsageError
from npmguard.evidence import ReleaseEvidence
from npmguard.integrity.sri import compare, compute_hashes, judge_integrity
from npmguard.intel.feed import FeedIndex
from npmguard.intel.gather import gather
from npmguard.intel.malware import KnownMalware
from npmguard.model import (
    Baseline,
    Comparison,
    Finding,
    Fix,
    Integrity,
    IntegrityOutcome,
    IntegrityReport,
    LockedPackage,
    Lockfile,
    PackageReport,
    Packument,
    Release,
    ScanReport,
    SkipReason,
    TarballAnalysis,
    Verdict,
)
from npmguard.package.baseline import choose_baseline
from npmguard.package.diff import diff_manifests
from npmguard.package.directory import pack_directory
from npmguard.registry.client import RegistryClient
from npmguard.registry.web import HttpWeb
from npmguard.results import ResultsCache
from npmguard.target import parse_spec, pick_version
from npmguard.way_out import way_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from npmguard.config import Config, Limits
    from npmguard.lockfile.graph import DependencyGraph
    from npmguard.pool import AnalysisPool
    from npmguard.registry.npmrc import NpmConfig

AUDITS: tuple[Callable[[AuditContext], tuple[Finding, ...]], ...] = (
    integrity_audit.audit,
    manifest_audit.audit,
    lock_entry.audit,
)
_MAX_PATHS = 5
_TRUST_LOST = frozenset(
    {
        "provenance-lost",
        "trusted-publishing-lost",
        "publisher-never-seen",
        "publisher-address-changed",
        "maintainer-added-before-release",
        "maintainers-replaced",
    }
)


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


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of one package version before its place in the tree is looked at."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    integrity: IntegrityReport
    baseline: Baseline | None
    unverified: str | None
    packument: Packument | None
    bundled: tuple[str, ...] = ()


class Scanner:
    """Judges package versions; holds the connections, processes and caches of one run.

    Use as a context manager: leaving it ends the workers and writes the caches.
    """

    def __init__(
        self, config: Config, npm: NpmConfig, *, offline: bool = False, prefilter: bool = True
    ) -> None:
        self._config = config
        self._npm = npm
        self._now = datetime.now(UTC)  # one time for the whole run
        self._offline = offline
        self._prefilter = prefilter
        self.ruleset = ruleset_digest(config.rules)
        directory = config.cache.path if config.cache.enabled else None
        self.client = RegistryClient(npm, config.network, config.limits, directory, offline=offline)
        self._evidence = ReleaseEvidence(npm, config.network, config.limits, directory, offline=offline)
        self._results = ResultsCache(directory, self.ruleset, config.limits)
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="npmguard-known")
        self._asked: Future[KnownMalware] | None = None
        self._pool_lock = threading.Lock()
        self._started_pool: AnalysisPool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, write the caches, close the connections."""
        with self._pool_lock:
            if self._started_pool is not None:
                self._started_pool.close()
        self._asker.shutdown(wait=False, cancel_futures=True)
        self._results.close()
        self._evidence.close()
        self.client.close()

    def scan(self, lock: Lockfile, progress: Progress | None = None) -> ScanReport:
        """Judge every package of the lock; the report's packages are sorted by name, then version."""
        progress = progress or Silence()
        targets = _targets(lock.packages)
        progress.start(len(targets))
        self._ask_what_is_known(lock.packages)
        tree = _Tree(lock)
        executor = ThreadPoolExecutor(self._config.network.threads, thread_name_prefix="npmguard-fetch")
        try:
            futures = [executor.submit(self.judge, group[0]) for group in targets]
            reports = []
            judged: dict[str, Judgement] = {}
            for group, future in zip(targets, futures, strict=True):
                judgement = future.result()
                judged.update((package.location, judgement) for package in group)
                reports.append(self._report(group, judgement, tree))
                progress.advance(f"{group[0].name}@{group[0].version}")
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
        executor.shutdown()
        reports.sort(key=lambda report: (report.name, report.version, report.locations))
        return ScanReport(
            tool_version=__version__,
            ruleset=self.ruleset,
            kind="lockfile",
            path=lock.path,
            packages=tuple(reports),
            skipped=lock.skipped,
            notes=self.notes,
            incomplete=(*_missing(lock), *_not_bundled(lock, judged), *self._known().incomplete),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the run went on without, one line each."""
        return (*self.client.notes, *self._results.notes, *self._evidence.notes, *self._known().notes)

    def judge(self, package: LockedPackage) -> Judgement:
        """Ask the registry, read the tarball, compare with the baseline, and judge one package version.

        Never raises for what a registry or a package does: that ends as `unverified`, with the reason.
        """
        problems: list[str] = []
        packument, release = self._release(package, problems)
        analysis, tarball = self._analysis(package, release, problems)
        malicious = self._known().malicious_versions(package.name)
        baseline, old = _baseline(packument, package.version, malicious, problems)
        if analysis is not None and analysis.findings and old is not None:
            analysis = self._against_baseline(analysis, tarball, package, release, old, problems)
        integrity = (
            judge_integrity(package.integrity, release.dist if release else None, analysis.hashes)
            if analysis is not None
            else IntegrityReport()
        )
        findings = list(analysis.findings) if analysis is not None else []
        context = AuditContext(
            locked=package,
            release=release,
            packument=packument,
            analysis=analysis,
            baseline=baseline,
            baseline_release=old,
            integrity=integrity,
            manifest_deltas=diff_manifests(old.manifest, release.manifest) if old and release else (),
        )
        for audit in AUDITS:
            findings += audit(context)
        stated = package.integrity or (release.dist.integrity if release is not None else None)
        findings += known_malware.audit(package.name, package.version, stated, self._known())
        findings += trust.audit(context, self._packument_or_none)
        findings += self._too_young(context, findings, problems)
        integrity = self._signed(context, findings)
        if analysis is not None and analysis.unverified is not None:
            problems.append(analysis.unverified)
        if analysis is not None and not _proven(integrity):
            problems.append(
                "neither the lockfile nor the registry states a hash that its bytes can be held against"
            )
        unverified = "; ".join(dict.fromkeys(problems)) or None
        return Judgement(
            verdict=verdict_of(tuple(findings), unverified),
            findings=tuple(findings),
            integrity=integrity,
            baseline=baseline,
            unverified=unverified,
            packument=packument,
            bundled=analysis.bundled if analysis is not None else (),
        )

    def inspect(self, target: str) -> ScanReport:
        """Judge one tarball or folder of this machine, or one package of the registry.

        Raises:
            UsageError: the target is none of these, or cannot be read.
        """
        path = Path(target)
        if path.is_dir():
            return self._report_local("directory", target, pack_directory(path, self._config.limits))
        if path.is_file():
            return self._report_local("tarball", target, _read_file(path, self._config.limits))
        name, wanted = parse_spec(target)
        try:
            packument = self.client.packument(name)
            package = _as_locked(name, packument.releases[pick_version(packument, wanted)])
            self._ask_what_is_known((package,))
        except RegistryError as error:
            unknown = Judgement(Verdict.UNVERIFIED, (), IntegrityReport(), None, str(error), None)
            return self._report_one("spec", target, name, wanted, unknown)
        return self._report_one("spec", target, name, package.version, self.judge(package))

    def compare(self, name: str, old: str, new: str) -> Comparison:
        """Hold two published versions of a package against each other.

        Raises:
            UsageError: the name or a version cannot be a package's.
            RegistryError: the registry does not hold them, or does not answer.
        """
        parse_spec(name)
        packument = self.client.packument(name)
        earlier = packument.releases[pick_version(packument, old)]
        later = packument.releases[pick_version(packument, new)]
        tarballs = [self.client.tarball(_as_locked(name, release), release) for release in (earlier, later)]
        for release, tarball in zip((earlier, later), tarballs, strict=True):
            outcome, detail = compare(release.dist.integrity, compute_hashes(tarball, ("sha512", "sha1")))
            if outcome is IntegrityOutcome.MISMATCH:
                raise PackageError(f"{name}@{release.manifest.version}: not the registry's bytes: {detail}")
        answer = self._pool.analyse(tarballs[1], tarballs[0])
        if isinstance(answer, str):
            raise PackageError(f"{name}@{later.manifest.version}: {answer}")
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

    # --- what the world knows ---

    def _ask_what_is_known(self, packages: Iterable[LockedPackage]) -> None:
        """Ask once for all packages of the run, while their tarballs are fetched."""
        pairs = {(package.name, package.version) for package in packages}
        self._asked = self._asker.submit(self._gather, pairs)

    def _known(self) -> KnownMalware:
        if self._asked is None:
            self._ask_what_is_known(())
        return self._asked.result() if self._asked is not None else KnownMalware()

    def _gather(self, pairs: set[tuple[str, str]]) -> KnownMalware:
        settings = self._config
        index = FeedIndex(settings.cache.path) if settings.cache.enabled else None
        with HttpWeb(self._npm, settings.network, (settings.feed.url, settings.feed.api)) as web:
            return gather(
                pairs,
                feed=settings.feed,
                index=index,
                web=None if self._offline else web,
                registry_for=self._npm.registry_for,
                seconds=settings.network.give_up_after,
                now=self._now,
            )

    # --- one package ---

    def _report_local(self, kind: str, target: str, tarball: bytes) -> ScanReport:
        problems: list[str] = []
        analysis = self._analyse(tarball, None, problems)
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
        self._ask_what_is_known((context.locked,) if name else ())
        stated = Integrity(analysis.hashes) if analysis is not None else None
        findings += known_malware.audit(name, version, stated, self._known())
        if analysis is not None and analysis.unverified is not None:
            problems.append(analysis.unverified)
        unverified = "; ".join(problems) or None
        verdict = verdict_of(tuple(findings), unverified)
        judgement = Judgement(verdict, tuple(findings), IntegrityReport(), None, unverified, None)
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
        )
        if judgement.packument is not None and judgement.verdict in {Verdict.MALICIOUS, Verdict.SUSPICIOUS}:
            package = LockedPackage(name=name, version=version, location="", line=0)
            report = replace(report, fix=self._fix(package, judgement, ()))
        return ScanReport(__version__, self.ruleset, kind, target, (report,), notes=self.notes)

    def _release(self, package: LockedPackage, problems: list[str]) -> tuple[Packument | None, Release | None]:
        try:
            packument = self.client.packument(package.name)
            release = packument.releases.get(package.version)
        except RegistryError as error:
            problems.append(str(error))
            return None, None
        if release is None:
            gone = package.version in packument.times or packument.unpublished
            problems.append(
                f"{package.name}@{package.version} is not in the registry {packument.registry}"
                + (" any more: it was unpublished" if gone else "")
            )
        return packument, release

    def _analysis(
        self, package: LockedPackage, release: Release | None, problems: list[str]
    ) -> tuple[TarballAnalysis | None, bytes | None]:
        """What the tarball holds, and its bytes where they had to be fetched for that."""
        stated = _sha512(package.integrity) or _sha512(release.dist.integrity if release else None)
        if stated is not None and (stored := self._results.get(stated)) is not None:
            return stored, None
        try:
            tarball = self.client.tarball(package, release)
        except NotInRegistry as error:
            if not problems:  # else the packument has told the same already
                problems.append(str(error))
            return None, None
        except RegistryError as error:
            problems.append(str(error))
            return None, None
        return self._analyse(tarball, None, problems), tarball

    def _too_young(
        self, context: AuditContext, findings: Sequence[Finding], problems: list[str]
    ) -> tuple[Finding, ...]:
        """A release that is younger than the settings ask for is held."""
        packument, analysis = context.packument, context.analysis
        if packument is None:
            return ()
        change = Change(
            baseline=context.baseline.version if context.baseline is not None else None,
            diff=analysis.diff if analysis is not None else None,
            trust_lost=tuple(sorted({finding.rule for finding in findings} & _TRUST_LOST)),
        )
        published = packument.times.get(context.locked.version)
        age = judge_age(context.locked.name, published, self._now, self._config.cooldown, change)
        if age.outcome is Outcome.UNKNOWN:
            problems.append(age.reason)
        return (age.finding,) if age.finding is not None else ()

    def _packument_or_none(self, name: str) -> Packument | None:
        """What the registry says of a dependency; None where it does not answer, which is no evidence."""
        try:
            return self.client.packument(name)
        except RegistryError:
            return None

    def _signed(self, context: AuditContext, findings: list[Finding]) -> IntegrityReport:
        """The integrity report with what the registry's signature and the attestations of origin are worth.

        A registry that signs nothing, or cannot be asked, leaves no finding and nothing open.
        """
        package, release, packument = context.locked, context.release, context.packument
        if release is None or packument is None:
            return context.integrity
        name, version, registry = package.name, package.version, packument.registry
        signed = self._evidence.signature(name, version, release, registry)
        findings += audit_signature(name, version, signed, packument)
        if context.analysis is None:
            return replace(context.integrity, signature=signed.outcome.value)
        digest = bytes.fromhex(_key(context.analysis))
        built = self._evidence.provenance(name, version, release, registry, digest)
        findings += audit_provenance(name, version, built, release.manifest.repository)
        return replace(context.integrity, signature=signed.outcome.value, provenance=built.outcome.value)

    def _against_baseline(
        self,
        analysis: TarballAnalysis,
        tarball: bytes | None,
        package: LockedPackage,
        release: Release | None,
        old: Release,
        problems: list[str],
    ) -> TarballAnalysis:
        """The same analysis, now knowing what is new; without the baseline's bytes, the one that was given."""
        key, old_key = _key(analysis), _sha512(old.dist.integrity)
        if old_key is not None and (stored := self._results.get(key, old_key)) is not None:
            return stored
        earlier = _as_locked(package.name, old)
        try:
            old_tarball = self.client.tarball(earlier, old)
            if tarball is None:
                tarball = self.client.tarball(package, release)
        except RegistryError as error:
            problems.append(f"the baseline {old.manifest.version} could not be compared with: {error}")
            return analysis
        outcome, _ = compare(old.dist.integrity, compute_hashes(old_tarball, ("sha512",)))
        if outcome is IntegrityOutcome.MISMATCH:
            problems.append(f"the baseline {old.manifest.version} is not what the registry says that it is")
            return analysis
        compared = self._analyse(tarball, old_tarball, problems)
        if compared is None or _key(compared) != _key(analysis):
            problems.append("its bytes changed between two downloads")
            return analysis
        return compared

    def _analyse(self, tarball: bytes, baseline: bytes | None, problems: list[str]) -> TarballAnalysis | None:
        answer = self._pool.analyse(tarball, baseline)
        if isinstance(answer, str):
            problems.append(answer)
            return None
        self._results.put(_key(answer), answer, sha512(baseline).hexdigest() if baseline is not None else "")
        return answer

    @property
    def _pool(self) -> AnalysisPool:
        with self._pool_lock:
            if self._started_pool is None:
                from npmguard.pool import AnalysisPool  # noqa: PLC0415 - a scan that knows all needs no workers

                self._started_pool = AnalysisPool(
                    self._config.jobs, self._config.rules, self._config.limits, prefilter=self._prefilter
                )
            return self._started_pool

    # --- its place in the tree ---

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
        )
        if judgement.verdict is Verdict.CLEAN:
            return report
        paths, more = tree.paths(report.locations)
        report = replace(report, paths=paths, more_paths=more)
        if judgement.verdict is Verdict.UNVERIFIED:
            return report
        report = replace(report, fix=self._fix(first, judgement, tree.requirers(report.locations)))
        return replace(report, notes=(*report.notes, *_way_out(report, tree.direct)))

    def _fix(self, package: LockedPackage, judgement: Judgement, requirers: Sequence[tuple[str, str]]) -> Fix:
        from npmguard.remedy import nearest_clean  # noqa: PLC0415 - only a flagged package needs it

        packument = judgement.packument
        if packument is None:
            return Fix(None, "the registry could not be asked for other versions")

        def is_clean(version: str) -> bool | None:
            try:
                candidate = self.judge(_as_locked(package.name, packument.releases[version]))
            except RegistryError:  # that version's entry is spoilt: nothing is known of it
                return None
            return None if candidate.verdict is Verdict.UNVERIFIED else candidate.verdict is Verdict.CLEAN

        return nearest_clean(package.name, package.version, requirers, packument, is_clean)


class _Tree:
    """The lock's dependency graph, built when the first package that is not clean asks for its place."""

    def __init__(self, lock: Lockfile) -> None:
        self._lock = lock

    @cached_property
    def _graph(self) -> DependencyGraph:
        from npmguard.lockfile.graph import DependencyGraph  # noqa: PLC0415 - networkx takes long to import

        return DependencyGraph(self._lock)

    @property
    def direct(self) -> list[str]:
        return [requirement.name for requirement in self._lock.nodes[""].requires]

    def paths(self, locations: Sequence[str]) -> tuple[tuple[tuple[str, ...], ...], int]:
        ways = self._graph.paths_to(*locations, limit=_MAX_PATHS)
        return ways.paths, ways.more

    def requirers(self, locations: Sequence[str]) -> list[tuple[str, str]]:
        found = {
            (f"{node.name}@{node.version}" if node.location else node.name or "the project", requirement.spec)
            for location in locations
            for node, requirement in self._graph.requirers(location)
        }
        return sorted(found)


def _read_file(path: Path, limits: Limits) -> bytes:
    try:
        if path.stat().st_size > limits.tarball_bytes:
            raise UsageError(f"{path}: over limits.tarball-bytes ({limits.tarball_bytes})")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _targets(packages: Sequence[LockedPackage]) -> list[list[LockedPackage]]:
    """The lock's packages, those together that stand for the same bytes from the same place."""
    groups: dict[tuple[str, str, str | None, str], list[LockedPackage]] = {}
    for package in packages:
        key = (package.name, package.version, package.resolved, str(package.integrity))
        groups.setdefault(key, []).append(package)
    return list(groups.values())


def _baseline(
    packument: Packument | None, version: str, malicious: frozenset[str], problems: list[str]
) -> tuple[Baseline | None, Release | None]:
    baseline = choose_baseline(packument, version, malicious) if packument is not None else None
    if packument is None or baseline is None:
        return None, None
    try:
        return baseline, packument.releases[baseline.version]
    except RegistryError as error:
        problems.append(f"the baseline {baseline.version} cannot be compared with: {error}")
        return baseline, None


def _way_out(report: PackageReport, direct: Sequence[str]) -> Iterator[str]:
    """What to type, and what to do where the version ever ran."""
    way = way_out(report, direct)
    if way is None:
        return
    if way.commands:
        yield f"run: {' && '.join(way.commands)}"
    if way.overrides:
        yield f"package.json needs overrides first, see npmguard scan --fix-overrides: {way.explanation}"
    for advice in way.if_it_ran:
        yield f"if it ever ran: {advice}"


def _missing(lock: Lockfile) -> Iterator[str]:
    """What the project asks for and the lock does not hold."""
    for location, requirement in lock.missing:
        yield (
            f"{requirement.name}@{requirement.spec}, which {location or 'the project'} asks for, is not in the"
            " lock: npm would choose a version when it installs; run npm install, commit the lock, scan again"
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


def _as_locked(name: str, release: Release) -> LockedPackage:
    """A version that no lock holds, as if one held what the registry says of it."""
    return LockedPackage(
        name=name, version=release.manifest.version, location="", line=0, integrity=release.dist.integrity
    )


def _proven(integrity: IntegrityReport) -> bool:
    held = {IntegrityOutcome.VALID, IntegrityOutcome.WEAK, IntegrityOutcome.MISMATCH}
    return integrity.lock in held or integrity.registry in held


def _sha512(integrity: Integrity | None) -> str | None:
    """The sha512 (hex) by which bytes are known before they are read, where one is stated."""
    if integrity is None:
        return None
    return next((item.digest.hex() for item in integrity.hashes if item.algorithm == "sha512"), None)


def _key(analysis: TarballAnalysis) -> str:
    return next(item.digest.hex() for item in analysis.hashes if item.algorithm == "sha512")
