"""What is known of one package version before its place in the tree is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from npmguard.model import (
    Baseline,
    FileTrace,
    Finding,
    IntegrityReport,
    Kept,
    LockedPackage,
    Packument,
    Release,
    Specimen,
    Verdict,
    VerdictReason,
    VersionDiff,
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one package version, and what it follows from.

    ``packument`` is there for a flagged version only, for the way out: those of a whole tree take much memory.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    integrity: IntegrityReport
    baseline: Baseline | None
    unverified: str | None
    packument: Packument | None
    bundled: tuple[str, ...] = ()
    reasons: tuple[VerdictReason, ...] = ()
    specimen: Specimen | None = None
    notes: tuple[str, ...] = ()
    diff: VersionDiff | None = None
    traces: tuple[FileTrace, ...] = ()  # of the files that findings name, whatever the verdict
    kept: Kept | None = None


def as_locked(name: str, release: Release) -> LockedPackage:
    """A version that no lock holds, as if one held what the registry says of it."""
    return LockedPackage(
        name=name, version=release.manifest.version, location="", line=0, integrity=release.dist.integrity
    )
