from __future__ import annotations

import pytest

from npmguard.audit.provenance import INVALID, MISMATCH, audit_provenance
from npmguard.detect.verdict import verdict_of
from npmguard.integrity.provenance import ProvenanceOutcome, ProvenanceResult
from npmguard.model import Verdict

BUILT = ProvenanceResult(ProvenanceOutcome.VALID, repository="https://github.com/example/left-pad")


def test_invalid_provenance_makes_a_version_malicious() -> None:
    findings = audit_provenance("a", "1.0.0", ProvenanceResult(ProvenanceOutcome.INVALID, detail="why"), None)
    assert [finding.rule for finding in findings] == [INVALID]
    assert verdict_of(findings) is Verdict.MALICIOUS
    assert "why" in findings[0].message


@pytest.mark.parametrize(
    "outcome", [ProvenanceOutcome.MISSING, ProvenanceOutcome.UNVERIFIABLE, ProvenanceOutcome.NOT_ASKED]
)
def test_other_outcomes_say_nothing(outcome: ProvenanceOutcome) -> None:
    assert audit_provenance("a", "1.0.0", ProvenanceResult(outcome), "github:example/other") == ()


@pytest.mark.parametrize(
    "repository",
    [
        "git+https://github.com/example/left-pad.git",
        "example/left-pad",
        "git@github.com:Example/left-pad",
        None,
    ],
)
def test_the_manifests_repository_may_be_spelled_in_any_way(repository: str | None) -> None:
    assert audit_provenance("a", "1.0.0", BUILT, repository) == ()


@pytest.mark.parametrize("repository", ["", "nonsense", "https://example.invalid"])
def test_what_names_no_repository_is_not_compared(repository: str) -> None:
    assert audit_provenance("a", "1.0.0", BUILT, repository) == ()


def test_another_repository_is_a_note_with_both_as_evidence() -> None:
    findings = audit_provenance("a", "1.0.0", BUILT, "github:other/left-pad")
    assert [finding.rule for finding in findings] == [MISMATCH]
    assert verdict_of(findings) is Verdict.CLEAN
    assert {item.signal for item in findings[0].evidence} == {"built-from", "manifest-repository"}


def test_hostile_repositories_are_cut() -> None:
    findings = audit_provenance("a", "1.0.0", BUILT, "https://github.com/other/left-pad#" + "x" * 1000)
    assert all(len(item.excerpt or "") <= 160 for item in findings[0].evidence)
