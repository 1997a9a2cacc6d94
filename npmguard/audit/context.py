"""All that an audit may know of one package version; audits themselves do no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from npmguard.model import (
    Baseline,
    IntegrityReport,
    LockedPackage,
    ManifestDelta,
    Packument,
    Release,
    TarballAnalysis,
)


@dataclass(frozen=True, slots=True)
class AuditContext:
    """One package version as the lock, the registry and its tarball show it; None is what could not be had.

    ``release`` is the locked version in ``packument``, ``baseline_release`` the one that it is compared with,
    and ``manifest_deltas`` what the manifest changed between the two.
    """

    locked: LockedPackage
    release: Release | None = None
    packument: Packument | None = None
    analysis: TarballAnalysis | None = None
    baseline: Baseline | None = None
    baseline_release: Release | None = None
    integrity: IntegrityReport = field(default_factory=IntegrityReport)
    manifest_deltas: tuple[ManifestDelta, ...] = ()
