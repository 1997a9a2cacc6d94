"""One package version on its way from its registry to its verdict."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha512
from typing import TYPE_CHECKING

from npmguard.audit import integrity as integrity_audit
from npmguard.audit import known_malware, lock_entry, lookalike, maintainer_domain, shadowed_command, trust
from npmguard.audit import manifest as manifest_audit
from npmguard.audit.context import AuditContext
from npmguard.audit.provenance import audit_provenance
from npmguard.audit.signature import audit_signature
from npmguard.cooldown import AgeJudgement, Change, Outcome, judge_age, parse_age
from npmguard.detect.circumstances import SETTLED_AFTER, in_history, with_lost_trust
from npmguard.detect.verdict import decide, verdict_of
from npmguard.errors import NotInRegistry, RegistryError
from npmguard.evidence import ReleaseEvidence
from npmguard.integrity.provenance import ProvenanceOutcome
from npmguard.integrity.signature import SignatureOutcome
from npmguard.integrity.sri import compare, compute_hashes, judge_integrity
from npmguard.intel.fixes import Fixes, FixFinder
from npmguard.intel.gather import PUBLIC_REGISTRY
from npmguard.judgement import Judgement, as_locked
from npmguard.model import (
    SYNTAX_ERRORS,
    Baseline,
    Confidence,
    Finding,
    Hash,
    Integrity,
    IntegrityOutcome,
    IntegrityReport,
    Kept,
    LockedPackage,
    Packument,
    Release,
    Sandbox,
    Severity,
    Specimen,
    TarballAnalysis,
    Verdict,
)
from npmguard.package.baseline import choose_baseline
from npmguard.package.diff import diff_manifests
from npmguard.registry.web import HttpWeb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from npmguard.audit.new_dependency import PackumentOf
    from npmguard.pool import AnalysisPool
    from npmguard.sources import Sources

AUDITS: tuple[Callable[[AuditContext], tuple[Finding, ...]], ...] = (
    integrity_audit.audit,
    manifest_audit.audit,
    lock_entry.audit,
    shadowed_command.audit,
)
_IN_FULL = "+"  # marks results for which every file was read
_MOMENT = timedelta(seconds=1)
_FLAGGED = frozenset({Verdict.MALICIOUS, Verdict.SUSPICIOUS})
_TRUST_LOST = frozenset(
    {
        "provenance-lost",
        "trusted-publishing-lost",
        "publisher-never-seen",
        "publisher-address-changed",
        "maintainer-added-before-release",
        "maintainers-replaced",
        maintainer_domain.EXPIRED,
        maintainer_domain.NEW,
    }
)


class Judge:
    """Judges package versions with the processes that read them; every method may be called from many threads.

    *sources* is what it asks, and belongs to whoever made it.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._config = sources.config
        self._now = sources.now
        self._client = sources.client
        self._evidence = ReleaseEvidence(sources.evidence)
        self._pool_lock = threading.Lock()
        self._started_pool: AnalysisPool | None = None
        self._started_thorough_pool: AnalysisPool | None = None
        self._fix_finder: FixFinder | None = None
        self._web: HttpWeb | None = None

    def close(self) -> None:
        """End the workers."""
        with self._pool_lock:
            for pool in (self._started_pool, self._started_thorough_pool):
                if pool is not None:
                    pool.close()
        if self._web is not None:
            self._web.close()

    @property
    def sandbox(self) -> Sandbox | None:
        """What holds the processes that read packages; None where none was needed."""
        pools = (self._started_pool, self._started_thorough_pool)
        told = [it.sandbox for it in pools if it is not None and it.sandbox is not None]
        return max(told, key=lambda it: len(it.missing), default=None)

    def judge(self, package: LockedPackage) -> Judgement:
        """Ask the registry, read the tarball, compare with the baseline, and judge one package version.

        Never raises for what a registry or a package does: that ends as `unverified`, with the reason.
        """
        problems: list[str] = []
        packument, release = self._release(package, problems)
        if packument is not None and (recalled := self._sources.recall(package)) is not None:
            return recalled  # the registry has just confirmed what is held
        documents = {package.name: packument.digest} if packument is not None else {}
        packument_of = self._asking(documents)
        analysis, tarball = self._analysis(package, release, problems)
        facts, first, published = (analysis.facts if analysis is not None else None), False, None
        malicious = self._sources.known().malicious_versions(package.name)
        baseline, old = _baseline(packument, package.version, malicious, problems)
        if analysis is not None and analysis.findings and old is not None:
            analysis = self._against_baseline(analysis, tarball, package, release, old, problems)
        integrity = (
            judge_integrity(package.integrity, release.dist if release else None, analysis.hashes)
            if analysis is not None
            else IntegrityReport()
        )
        if analysis is not None and packument is not None:
            known = packument.times if len(packument.times) > 1 else {*packument.times, *packument.releases}
            first = all(version == package.version for version in known)
            published = packument.times.get(package.version)
            told = in_history(analysis.findings, first=first, published=published, now=self._now)
            analysis = replace(analysis, findings=told)
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
        findings += known_malware.audit(package.name, package.version, stated, self._sources.known())
        if self._sources.matcher is not None and (
            named := self._sources.matcher.match_package(package.name, package.version)
        ):
            findings.append(named)
        findings += trust.audit(context, packument_of, self._domain_signals(packument, release))
        lost = _lost(findings)
        findings = with_lost_trust(findings, lost)
        code = analysis.findings if analysis is not None else ()
        findings += lookalike.audit(context, code, packument_of, self._now)
        young = self._too_young(context, old, tarball, findings, problems)
        if young.finding is not None:
            findings.append(young.finding)
        integrity = self._signed(context, findings)
        if analysis is not None and analysis.unverified is not None:
            problems.append(analysis.unverified)
        if analysis is not None and not _proven(integrity):
            problems.append(
                "neither the lockfile nor the registry states a hash that its bytes can be held against"
            )
        unverified = "; ".join(dict.fromkeys(problems)) or None
        decision = decide(findings, unverified)
        verdict = decision.verdict
        judgement = Judgement(
            verdict=verdict,
            notes=(*((young.reason,) if young.outcome is Outcome.FIX else ()), *unfollowed(analysis)),
            reasons=decision.reasons,
            findings=_worst_first(findings),
            integrity=integrity,
            baseline=baseline,
            unverified=unverified,
            packument=packument if verdict in _FLAGGED else None,
            bundled=analysis.bundled if analysis is not None else (),
            diff=analysis.diff if analysis is not None and verdict in _FLAGGED else None,
            traces=analysis.traces if analysis is not None else (),
            specimen=(
                Specimen(
                    published=packument.times.get(package.version) if packument is not None else None,
                    hashes=analysis.hashes if analysis is not None else _stated(package.integrity),
                    files=analysis.traces if analysis is not None else (),
                )
                if verdict in _FLAGGED
                else None
            ),
            kept=Kept(facts, first, published, lost, analysis.hashes if analysis is not None else (), stated),
        )
        since = self._ageless_since(package, packument, of_code=bool(code))
        if since is not None and _is_settled(integrity):
            self._sources.remember(package, judgement, documents, since)
        return judgement

    def against_tarball(self, package: LockedPackage, packed: bytes) -> TarballAnalysis | str:
        """What the packed folder of an installed package holds against the tarball that the lock names.

        One line says why, where the two could not be compared.
        """
        problems: list[str] = []
        _, release = self._release(package, problems)
        stated = package.integrity or (release.dist.integrity if release is not None else None)
        old_key = _sha512(stated)
        key = sha512(packed).hexdigest()
        if old_key is not None and (stored := self._sources.results.get(key, old_key)) is not None:
            return stored
        try:
            tarball = self._client.tarball(package, release)
        except RegistryError as error:
            return str(error)
        outcome, detail = compare(stated, compute_hashes(tarball, ("sha512", "sha1")))
        if outcome is IntegrityOutcome.MISMATCH:
            return f"its tarball is not what the lock pins: {detail}"
        problems.clear()
        return self.analyse(packed, tarball, problems) or "; ".join(problems)

    def remembered(self, package: LockedPackage) -> tuple[Verdict, tuple[Finding, ...]]:
        """The verdict on a version from known malware and from what its bytes were found to hold before.

        Nothing is fetched. Without a finding it is `unverified`: nobody has looked.
        """
        stated = _sha512(package.integrity)
        analysis = self._sources.results.get(stated) if stated is not None else None
        findings = list(analysis.findings) if analysis is not None else []
        findings += known_malware.audit(package.name, package.version, package.integrity, self._sources.known())
        if self._sources.matcher is not None and (
            named := self._sources.matcher.match_package(package.name, package.version)
        ):
            findings.append(named)
        return verdict_of(findings, "only asked about"), _worst_first(findings)

    def _release(self, package: LockedPackage, problems: list[str]) -> tuple[Packument | None, Release | None]:
        try:
            packument = self._client.packument(package.name)
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
        stated = _sha512(self._client.stated(package, release))
        if (
            stated is not None
            and not self._sources.facts
            and (stored := self._sources.results.get(stated)) is not None
        ):
            return stored, None
        try:
            tarball = self._client.tarball(package, release)
        except NotInRegistry as error:
            if not problems:  # else the packument has told the same already
                problems.append(str(error))
            return None, None
        except RegistryError as error:
            problems.append(str(error))
            return None, None
        return self.analyse(tarball, None, problems), tarball

    def _too_young(
        self,
        context: AuditContext,
        old: Release | None,
        tarball: bytes | None,
        findings: Sequence[Finding],
        problems: list[str],
    ) -> AgeJudgement:
        """A release that is younger than the settings ask for is held, unless it corrects and adds nothing.

        Advisories are asked, and the tarballs compared, only where the age alone would hold it.
        """
        packument = context.packument
        if packument is None:
            return AgeJudgement(Outcome.OFF, "the registry does not tell of it")
        name, published = context.locked.name, packument.times.get(context.locked.version)
        age = judge_age(name, published, self._now, self._config.cooldown, Change())
        if age.outcome is Outcome.UNKNOWN:
            problems.append(age.reason)
        if age.outcome is not Outcome.HELD or context.baseline is None:
            return age
        fixes = self._fixes(context.locked, context.baseline.version)
        compared = None
        if fixes.ids and old is not None:
            compared = self._in_full(context, old, tarball)
        change = Change(
            baseline=context.baseline.version,
            fixes=fixes.ids,
            unasked=fixes.problems,
            diff=compared.diff if compared is not None else None,
            gained=_gained(compared),
            hosts=compared.hosts_added if compared is not None else None,
            trust_lost=_lost(findings),
        )
        return judge_age(name, published, self._now, self._config.cooldown, change)

    def _fixes(self, package: LockedPackage, earlier: str) -> Fixes:
        """The vulnerabilities of *earlier* that the package no longer has."""
        settings = self._config
        if self._sources.offline or not settings.feed.online:
            return Fixes(problems=("offline" if self._sources.offline else "feed.online is false",))
        registry = self._sources.npm.registry_for(package.name)
        public = registry in {self._sources.npm.registry_for(""), PUBLIC_REGISTRY}
        with self._pool_lock:
            if self._fix_finder is None:
                self._web = HttpWeb(self._sources.npm, settings.network, (settings.feed.api,))
                self._fix_finder = FixFinder(self._web, settings.feed.patience)
        api = settings.feed.api if public else ""
        return self._fix_finder.find(package.name, earlier, package.version, registry=registry, api=api)

    def _in_full(self, context: AuditContext, old: Release, tarball: bytes | None) -> TarballAnalysis | None:
        """The release against the one before, with every file of both read; None where that is not possible."""
        analysis, package = context.analysis, context.locked
        if analysis is None:
            return None
        problems: list[str] = []
        compared = self._against_baseline(
            analysis, tarball, package, context.release, old, problems, in_full=True
        )
        if problems or compared.unverified or compared.diff is None:
            return None
        new = {*compared.diff.added, *(change.path for change in compared.diff.changed)}
        return None if any(path in new for path, _ in compared.partial) else compared

    def _domain_signals(self, packument: Packument | None, release: Release | None) -> tuple[Finding, ...]:
        """What the mail domains of those who may publish tell; asked only where the settings want it."""
        if self._sources.domains is None or packument is None or release is None:
            return ()
        return maintainer_domain.signals(packument, release, self._sources.domains.of, self._now)

    def _asking(self, documents: dict[str, bytes]) -> PackumentOf:
        """Gives what the registry says of other packages, and notes in *documents* what was looked into.

        None where the registry does not answer, which is no evidence.
        """

        def packument_of(name: str) -> Packument | None:
            try:
                packument = self._client.packument(name)
            except RegistryError:
                documents[name] = b""
                return None
            documents[name] = packument.digest
            return packument

        return packument_of

    def _ageless_since(
        self, package: LockedPackage, packument: Packument | None, *, of_code: bool
    ) -> datetime | None:
        """From when on the judgement of a release no longer depends on the day; None where it still does.

        *of_code*: rules found something in it, which its age may soften.
        """
        published = packument.times.get(package.version) if packument is not None else None
        if packument is None or published is None:
            return None
        ages: list[tuple[datetime, timedelta]] = [
            (published, parse_age(self._config.cooldown.min_age)),
            (min(packument.times.values()), lookalike.YOUNG + _MOMENT),
            *([(published, SETTLED_AFTER)] if of_code else ()),
        ]
        if any(self._now - begun < age for begun, age in ages):
            return None
        return max(begun + age for begun, age in ages)

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
        *,
        in_full: bool = False,
    ) -> TarballAnalysis:
        """The same analysis, now knowing what is new; without the baseline's bytes, the one that was given."""
        key, old_key = _key(analysis), _sha512(old.dist.integrity)
        mark = _IN_FULL if in_full else ""
        if old_key is not None and (stored := self._sources.results.get(key, old_key + mark)) is not None:
            return stored
        earlier = as_locked(package.name, old)
        try:
            old_tarball = self._client.tarball(earlier, old)
            if tarball is None:
                tarball = self._client.tarball(package, release)
        except RegistryError as error:
            problems.append(f"the baseline {old.manifest.version} could not be compared with: {error}")
            return analysis
        outcome, _ = compare(old.dist.integrity, compute_hashes(old_tarball, ("sha512",)))
        if outcome is IntegrityOutcome.MISMATCH:
            problems.append(f"the baseline {old.manifest.version} is not what the registry says that it is")
            return analysis
        compared = self.analyse(tarball, old_tarball, problems, in_full=in_full)
        if compared is None or _key(compared) != _key(analysis):
            problems.append("its bytes changed between two downloads")
            return analysis
        return compared

    def analyse(
        self, tarball: bytes, baseline: bytes | None, problems: list[str], *, in_full: bool = False
    ) -> TarballAnalysis | None:
        """Have a worker read a tarball (against its baseline's), and remember the answer.

        Where there is none, the reason is added to *problems*. *in_full* reads every source file, so that the
        signals of both versions are all there are.
        """
        answer = (self._thorough_pool if in_full else self._pool).analyse(tarball, baseline)
        if isinstance(answer, str):
            problems.append(answer)
            return None
        mark = _IN_FULL if in_full else ""
        against = sha512(baseline).hexdigest() + mark if baseline is not None else ""
        self._sources.results.put(_key(answer), replace(answer, facts=None), against)
        return answer

    @property
    def _thorough_pool(self) -> AnalysisPool:
        with self._pool_lock:
            if self._started_thorough_pool is None:
                from npmguard.pool import AnalysisPool  # noqa: PLC0415 - see _pool

                config = self._config
                self._started_thorough_pool = AnalysisPool(
                    1,
                    config.rules,
                    config.limits,
                    prefilter=False,
                    require_sandbox=config.sandbox.required,
                )
            return self._started_thorough_pool

    @property
    def _pool(self) -> AnalysisPool:
        with self._pool_lock:
            if self._started_pool is None:
                from npmguard.compiled import CompiledRules  # noqa: PLC0415 - a scan that knows all needs no workers
                from npmguard.pool import AnalysisPool  # noqa: PLC0415 - as above

                self._started_pool = AnalysisPool(
                    self._config.jobs,
                    self._config.rules,
                    self._config.limits,
                    prefilter=self._sources.prefilter,
                    indicators=self._sources.indicators,
                    require_sandbox=self._config.sandbox.required,
                    facts=self._sources.facts,
                    compiled=CompiledRules(
                        self._config.cache.path if self._config.cache.enabled else None, self._sources.ruleset
                    ),
                )
            return self._started_pool


def unfollowed(analysis: TarballAnalysis | None) -> tuple[str, ...]:
    """A note on each file in which a cap ended the work early; of syntax errors, real packages are full."""
    partial = analysis.partial if analysis is not None else ()
    return tuple(f"not all of {path} was followed: {why}" for path, why in partial if why != SYNTAX_ERRORS)


def _lost(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(sorted({finding.rule for finding in findings} & _TRUST_LOST))


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


def _worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings by severity, then confidence; of one rank, as they were found."""
    severities, confidences = list(Severity), list(Confidence)
    return tuple(
        sorted(findings, key=lambda it: (severities.index(it.severity), confidences.index(it.confidence)))
    )


def _proven(integrity: IntegrityReport) -> bool:
    held = {IntegrityOutcome.VALID, IntegrityOutcome.WEAK, IntegrityOutcome.MISMATCH}
    return integrity.lock in held or integrity.registry in held


def _is_settled(integrity: IntegrityReport) -> bool:
    """Whether asking for evidence once more would tell the same."""
    signed = integrity.signature not in {None, SignatureOutcome.NOT_ASKED.value}
    return signed and integrity.provenance in {ProvenanceOutcome.VALID.value, ProvenanceOutcome.MISSING.value}


def _gained(compared: TarballAnalysis | None) -> tuple[str, ...] | None:
    if compared is None or compared.baseline_signals is None:
        return None
    return tuple(sorted(set(compared.signals) - set(compared.baseline_signals)))


def _stated(integrity: Integrity | None) -> tuple[Hash, ...]:
    """The hashes that a lock states of bytes that could not be had, as far as they cannot be forged."""
    hashes = integrity.hashes if integrity is not None else ()
    return tuple(it for it in hashes if it.algorithm in {"sha512", "sha256"})


def _sha512(integrity: Integrity | None) -> str | None:
    """The sha512 (hex) by which bytes are known before they are read, where one is stated."""
    if integrity is None:
        return None
    return next((item.digest.hex() for item in integrity.hashes if item.algorithm == "sha512"), None)


def _key(analysis: TarballAnalysis) -> str:
    return next(item.digest.hex() for item in analysis.hashes if item.algorithm == "sha512")
