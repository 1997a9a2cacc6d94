from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from npmguard.audit.signature import EXPIRED, INVALID, MISSING, audit_signature
from npmguard.detect.verdict import verdict_of
from npmguard.errors import RegistryProtocolError
from npmguard.integrity.signature import SignatureOutcome, SignatureResult
from npmguard.model import Dist, Manifest, Packument, Release, Verdict


def release(version: str, *, signed: bool) -> Release:
    signatures = (("SHA256:test", "MEUC"),) if signed else ()
    return Release(Manifest("a", version), Dist("https://registry.example/a.tgz", signatures=signatures))


def packument(**signed: bool) -> Packument:
    releases = {version.strip("v").replace("_", "."): state for version, state in signed.items()}
    return Packument(
        "a",
        "https://registry.example/",
        {version: release(version, signed=state) for version, state in releases.items()},
        {},
    )


def result(outcome: SignatureOutcome, *, expired: bool = False) -> SignatureResult:
    return SignatureResult(outcome, "why", "SHA256:test", expired)


def test_an_invalid_signature_makes_a_version_malicious() -> None:
    findings = audit_signature("a", "1.0.0", result(SignatureOutcome.INVALID), None)
    assert [finding.rule for finding in findings] == [INVALID]
    assert verdict_of(findings) is Verdict.MALICIOUS


@pytest.mark.parametrize(
    "outcome", [SignatureOutcome.VALID, SignatureOutcome.UNVERIFIABLE, SignatureOutcome.NOT_ASKED]
)
def test_other_outcomes_say_nothing(outcome: SignatureOutcome) -> None:
    assert audit_signature("a", "1.0.0", result(outcome), packument(v1_0_0=True, v2_0_0=True)) == ()


def test_a_missing_signature_is_a_note_where_other_versions_are_signed() -> None:
    missing = result(SignatureOutcome.MISSING)
    findings = audit_signature("a", "2.0.0", missing, packument(v1_0_0=True, v2_0_0=False))
    assert [finding.rule for finding in findings] == [MISSING]
    assert verdict_of(findings) is Verdict.CLEAN


def test_a_missing_signature_says_nothing_of_a_package_that_is_never_signed() -> None:
    missing = result(SignatureOutcome.MISSING)
    assert audit_signature("a", "2.0.0", missing, packument(v1_0_0=False, v2_0_0=False)) == ()
    assert audit_signature("a", "2.0.0", missing, packument(v2_0_0=True)) == ()
    assert audit_signature("a", "2.0.0", missing, None) == ()


def test_a_key_that_had_expired_is_a_note() -> None:
    findings = audit_signature("a", "1.0.0", result(SignatureOutcome.UNVERIFIABLE, expired=True), None)
    assert [finding.rule for finding in findings] == [EXPIRED]
    assert verdict_of(findings) is Verdict.CLEAN


class Misshapen(Mapping[str, Release]):
    """Releases of which only the oldest can be read."""

    def __getitem__(self, version: str) -> Release:
        if version != "1.0.0":
            raise RegistryProtocolError(f"a@{version} cannot be read")
        return release(version, signed=True)

    def __iter__(self) -> Iterator[str]:
        return iter(["1.0.0", "2.0.0", "3.0.0"])

    def __len__(self) -> int:
        return 3


def test_misshapen_neighbours_are_passed_over() -> None:
    odd = Packument("a", "https://registry.example/", Misshapen(), {})
    findings = audit_signature("a", "3.0.0", result(SignatureOutcome.MISSING), odd)
    assert [finding.rule for finding in findings] == [MISSING]
