"""The verdict of a package, drawn from its findings."""

from __future__ import annotations

from collections.abc import Iterable

from npmguard.model import Confidence, Finding, Severity, Verdict

_FLAGGED = (Severity.CRITICAL, Severity.HIGH)


def verdict_of(findings: Iterable[Finding], unverified_reason: str | None = None) -> Verdict:
    """Say what npmguard says of one package version.

    One critical finding of high confidence makes it malicious; any other critical or high one suspicious.
    Medium and low findings are notes. What could not be checked is unverified, unless it is flagged anyway.
    """
    flagged = [finding for finding in findings if finding.severity in _FLAGGED]
    if any(f.severity is Severity.CRITICAL and f.confidence is Confidence.HIGH for f in flagged):
        return Verdict.MALICIOUS
    if flagged:
        return Verdict.SUSPICIOUS
    return Verdict.CLEAN if unverified_reason is None else Verdict.UNVERIFIED
