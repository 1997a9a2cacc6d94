"""A fixture's verdict as a scan draws it without a registry: from code, manifest, and what is new in both."""

from __future__ import annotations

from dataclasses import dataclass

from npmguard.audit import manifest as manifest_audit
from npmguard.audit.context import AuditContext
from npmguard.config import Limits
from npmguard.detect.rule import load_ruleset
from npmguard.detect.verdict import decide
from npmguard.model import Baseline, Dist, Finding, IntegrityReport, LockedPackage, Release, Verdict
from npmguard.package.diff import diff_manifests
from npmguard.package.tarball import read_archive
from npmguard.worker import analyse_tarball

LIMITS = Limits()
RULESET = load_ruleset()


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of one version."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    unverified: str | None

    @property
    def rules(self) -> list[str]:
        """The rules that found something, sorted."""
        return sorted({finding.rule for finding in self.findings})


def judge(tarball: bytes, before: bytes | None = None) -> Judged:
    """Judge one version by its bytes, against those of the version *before* it where that is given."""
    analysis = analyse_tarball(tarball, RULESET, LIMITS, before)
    old = _release(before) if before is not None else None
    new = Release(analysis.manifest, Dist("")) if analysis.manifest is not None else None
    name, version = (new.manifest.name, new.manifest.version) if new is not None else ("", "")
    context = AuditContext(
        locked=LockedPackage(name=name, version=version, location="", line=0),
        release=new,
        packument=None,
        analysis=analysis,
        baseline=Baseline(old.manifest.version, "the version before") if old is not None else None,
        baseline_release=old,
        integrity=IntegrityReport(),
        manifest_deltas=diff_manifests(old.manifest, new.manifest)
        if old is not None and new is not None
        else (),
    )
    findings = (*analysis.findings, *manifest_audit.audit(context))
    decision = decide(findings, analysis.unverified)
    return Judged(decision.verdict, findings, analysis.unverified)


def _release(tarball: bytes) -> Release | None:
    manifest = read_archive(tarball, LIMITS, lambda _path, _size: False, hashes=False).manifest
    return Release(manifest, Dist("")) if manifest is not None else None
