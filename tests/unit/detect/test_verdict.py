from __future__ import annotations

import pytest

from npmguard.detect.verdict import verdict_of
from npmguard.model import Confidence, Finding, Severity, Verdict


def finding(severity: Severity, confidence: Confidence) -> Finding:
    return Finding("rule", severity, confidence, "message")


@pytest.mark.parametrize(
    ("severity", "confidence", "verdict"),
    [
        (Severity.CRITICAL, Confidence.HIGH, Verdict.MALICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, Verdict.SUSPICIOUS),
        (Severity.CRITICAL, Confidence.LOW, Verdict.SUSPICIOUS),
        (Severity.HIGH, Confidence.HIGH, Verdict.SUSPICIOUS),
        (Severity.MEDIUM, Confidence.HIGH, Verdict.CLEAN),
        (Severity.LOW, Confidence.HIGH, Verdict.CLEAN),
    ],
)
def test_one_finding_decides(severity: Severity, confidence: Confidence, verdict: Verdict) -> None:
    assert verdict_of([finding(severity, confidence)]) is verdict


def test_the_worst_finding_decides_whatever_the_order() -> None:
    findings = [finding(Severity.LOW, Confidence.HIGH), finding(Severity.CRITICAL, Confidence.HIGH)]
    assert verdict_of(findings) is Verdict.MALICIOUS
    assert verdict_of(reversed(findings)) is Verdict.MALICIOUS


def test_flagged_wins_over_unverified() -> None:
    assert verdict_of([finding(Severity.HIGH, Confidence.LOW)], "too long") is Verdict.SUSPICIOUS


def test_what_could_not_be_checked_is_not_clean() -> None:
    assert verdict_of([], "too long") is Verdict.UNVERIFIED
    assert verdict_of([finding(Severity.LOW, Confidence.HIGH)], "too long") is Verdict.UNVERIFIED
    assert verdict_of([]) is Verdict.CLEAN
