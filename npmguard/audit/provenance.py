"""Whether a version's provenance speaks against it."""

from __future__ import annotations

from typing import Final

from npmguard.integrity.provenance import ProvenanceOutcome, ProvenanceResult
from npmguard.integrity.repository import repository_key
from npmguard.model import Confidence, Evidence, Finding, Severity

INVALID: Final = "provenance-invalid"
MISMATCH: Final = "provenance-repository-mismatch"
_EXCERPT = 160


def audit_provenance(
    name: str, version: str, result: ProvenanceResult, repository: str | None
) -> tuple[Finding, ...]:
    """What a provenance's outcome says of the version.

    One that does not hold is forged, or belongs to other bytes. One that holds and names another source than
    *repository*, the manifest's, is told as a note: the registry refuses that when a version is published, but
    repositories are renamed. Missing provenance, or one that could not be judged or asked, says nothing.
    """
    if result.outcome is ProvenanceOutcome.INVALID:
        return (
            Finding(
                rule=INVALID,
                severity=Severity.CRITICAL,
                confidence=Confidence.HIGH,
                message=f"The provenance of {name}@{version} is invalid: {result.detail}.",
                remediation=(
                    "Do not install it. Its attestations were changed, or made for other bytes. Compare with"
                    " the public registry, and tell the registry."
                ),
            ),
        )
    if result.outcome is not ProvenanceOutcome.VALID or result.repository is None or repository is None:
        return ()
    built, stated = repository_key(result.repository), repository_key(repository)
    if built is None or stated is None or built == stated:
        return ()
    return (
        Finding(
            rule=MISMATCH,
            severity=Severity.MEDIUM,
            confidence=Confidence.MEDIUM,
            message=f"{name}@{version} was built from {built}, and its manifest names {stated}.",
            evidence=(
                Evidence(
                    "built-from",
                    "the source that the build's certificate names",
                    excerpt=_cut(result.repository),
                ),
                Evidence("manifest-repository", "the repository of the manifest", excerpt=_cut(repository)),
            ),
            remediation="See whether the one repository is the other's new home, or who builds it there.",
        ),
    )


def _cut(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[: _EXCERPT - 1]}…"
