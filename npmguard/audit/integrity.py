"""Whether lockfile, registry and bytes agree, and whether the tarball is one that npm could have packed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from npmguard.audit.catalogue import remediation_of
from npmguard.model import (
    ArchiveNote,
    ArchiveProblem,
    Confidence,
    Evidence,
    Finding,
    IntegrityOutcome,
    IntegrityReport,
    Severity,
)
from npmguard.package.install_path import collision_key

if TYPE_CHECKING:
    from npmguard.audit.context import AuditContext

_MAX_EVIDENCE = 10
# npm, node-gyp and shells find these by their names, so that another file under one of them is what runs
_RUN_BY_NAME = re.compile(r"(?:^|/)package\.json$|\.(?:gypi?|sh|bash|bat|cmd|ps1)$")
_LEADS_OUT = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)|^[/\\]|^[^/\\]*[/\\][/\\]|^[A-Za-z]:[/\\]")


def audit(context: AuditContext) -> tuple[Finding, ...]:
    """Findings about one version's hashes and its archive's oddities.

    A mismatch is malicious. What npm's own packing never makes and no honest tool is known to make either is
    suspicious. The rest are notes.
    """
    return (*_integrity(context.integrity), *_sizes(context), *_archive(context))


def _integrity(report: IntegrityReport) -> Iterator[Finding]:
    sides = {"lockfile": report.lock, "registry": report.registry}
    detail = f" ({report.detail})" if report.detail else ""
    wrong = _those(sides, IntegrityOutcome.MISMATCH)
    if wrong:
        yield _finding(
            "integrity-mismatch",
            Severity.CRITICAL,
            Confidence.HIGH,
            f"The tarball is not the one that the {wrong} states{detail}.",
        )
        return
    proven = IntegrityOutcome.VALID in sides.values()
    severity = Severity.LOW if proven else Severity.MEDIUM
    if report.lock is IntegrityOutcome.MISSING:
        yield _finding(
            "integrity-missing",
            severity,
            Confidence.HIGH,
            "The lockfile states no hash of this package"
            + (
                "; its bytes are those that the registry states."
                if proven
                else ", and nothing else proves its bytes."
            ),
        )
    if report.lock is IntegrityOutcome.WEAK or (report.registry is IntegrityOutcome.WEAK and not proven):
        weak = _those(sides, IntegrityOutcome.WEAK)
        yield _finding(
            "integrity-weak",
            severity,
            Confidence.HIGH,
            f"The {weak} states a SHA-1 or MD5 hash only; the tarball agrees with it.",
        )
    unverifiable = _those(sides, IntegrityOutcome.UNVERIFIABLE)
    if unverifiable:
        yield _finding(
            "integrity-unverifiable",
            severity,
            Confidence.HIGH,
            f"The {unverifiable} states a hash that could not be compared{detail}.",
        )


def _sizes(context: AuditContext) -> Iterator[Finding]:
    """Sizes against those of dist; where a strong hash of the registry agrees, they prove nothing more."""
    analysis, release = context.analysis, context.release
    if analysis is None or release is None or analysis.manifest is None:
        return
    if context.integrity.registry in {IntegrityOutcome.VALID, IntegrityOutcome.MISMATCH}:
        return
    dist = release.dist
    differences = [
        f"{actual} {what} where the registry states {stated}"
        for what, stated, actual in (
            ("files", dist.file_count, analysis.file_count),
            ("unpacked bytes", dist.unpacked_size, analysis.unpacked_size),
        )
        if stated is not None and stated != actual
    ]
    if differences:
        yield _finding(
            "tarball-size-mismatch",
            Severity.MEDIUM,
            Confidence.MEDIUM,
            f"The tarball has {' and '.join(differences)}.",
        )


def _archive(context: AuditContext) -> Iterator[Finding]:
    notes = context.analysis.notes if context.analysis is not None else ()
    groups: dict[ArchiveProblem, list[ArchiveNote]] = {}
    for note in notes:
        groups.setdefault(note.problem, []).append(note)
    duplicates = groups.get(ArchiveProblem.DUPLICATE, [])
    if duplicates:
        yield _noted(
            "tarball-duplicate-entry",
            Severity.HIGH,
            Confidence.MEDIUM,
            duplicates,
            "come twice with other bytes",
        )
    repeated = groups.get(ArchiveProblem.REPEATED, [])
    if repeated:
        yield _noted(
            "tarball-duplicate-entry", Severity.LOW, Confidence.HIGH, repeated, "come twice with the same bytes"
        )
    ambiguous = groups.get(ArchiveProblem.BAD_HEADER, []) + groups.get(ArchiveProblem.TRAILING_DATA, [])
    if ambiguous:
        yield _finding(
            "tarball-ambiguous",
            Severity.HIGH,
            Confidence.MEDIUM,
            f"The tarball can be read in two ways: {'; '.join(note.detail for note in ambiguous)}.",
        )
    unsafe = groups.get(ArchiveProblem.UNSAFE_PATH, [])
    outside = [note for note in unsafe if _LEADS_OUT.search(note.path)]
    if outside:
        yield _noted(
            "tarball-unsafe-path",
            Severity.HIGH,
            Confidence.MEDIUM,
            outside,
            "lead out of the package or are absolute",
        )
    collisions = groups.get(ArchiveProblem.CASE_COLLISION, [])
    replacing = [note for note in collisions if _RUN_BY_NAME.search(collision_key(note.path))]
    if replacing:
        yield _noted(
            "tarball-duplicate-entry",
            Severity.HIGH,
            Confidence.MEDIUM,
            replacing,
            "take the place of another file on macOS and Windows",
        )
    elsewhere = [note for note in unsafe if not _LEADS_OUT.search(note.path)]
    elsewhere += [note for note in collisions if note not in replacing]
    if elsewhere:
        yield _noted(
            "tarball-unsafe-path", Severity.LOW, Confidence.HIGH, elsewhere, "are other files on some systems"
        )
    special = groups.get(ArchiveProblem.LINK, []) + groups.get(ArchiveProblem.DEVICE, [])
    if special:
        yield _noted(
            "tarball-special-entry", Severity.MEDIUM, Confidence.HIGH, special, "are links, devices or the like"
        )


def _those(sides: dict[str, IntegrityOutcome], outcome: IntegrityOutcome) -> str:
    return " and the ".join(side for side, value in sides.items() if value is outcome)


def _noted(
    rule: str, severity: Severity, confidence: Confidence, notes: list[ArchiveNote], what: str
) -> Finding:
    count = len(notes)
    subject = "1 path of the tarball is odd" if count == 1 else f"{count} paths of the tarball are odd"
    return _finding(
        rule,
        severity,
        confidence,
        f"{subject}: they {what}, first {notes[0].path}.",
        file=notes[0].path,
        evidence=tuple(
            Evidence(signal=note.problem.value, message=note.detail, file=note.path)
            for note in notes[:_MAX_EVIDENCE]
        ),
    )


def _finding(
    rule: str,
    severity: Severity,
    confidence: Confidence,
    message: str,
    *,
    file: str | None = None,
    evidence: tuple[Evidence, ...] = (),
) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        confidence=confidence,
        message=message,
        file=file,
        evidence=evidence,
        remediation=remediation_of(rule),
    )
