from __future__ import annotations

from hashlib import sha1, sha256, sha512

import pytest

from npmguard.integrity.sri import compare, compute_hashes, judge_integrity, stated_integrity
from npmguard.model import Dist, Hash, Integrity, IntegrityOutcome

BYTES = b"the tarball"
OTHER = b"another tarball"
COMPUTED = compute_hashes(BYTES, ("sha512", "sha1"))


def stated(*hashes: Hash, unknown: tuple[str, ...] = ()) -> Integrity:
    return Integrity(hashes, unknown)


SHA512 = Hash("sha512", sha512(BYTES).digest())
OTHER_SHA512 = Hash("sha512", sha512(OTHER).digest())
SHA1 = Hash("sha1", sha1(BYTES).digest())
OTHER_SHA1 = Hash("sha1", sha1(OTHER).digest())
SHA256 = Hash("sha256", sha256(BYTES).digest())


def test_hashes_come_in_the_order_asked_for() -> None:
    assert compute_hashes(BYTES, ("sha1", "sha512")) == (SHA1, SHA512)
    with pytest.raises(ValueError, match="crc32"):
        compute_hashes(BYTES, ("crc32",))


@pytest.mark.parametrize(
    ("integrity", "outcome"),
    [
        (stated(SHA512), IntegrityOutcome.VALID),
        (stated(OTHER_SHA512), IntegrityOutcome.MISMATCH),
        (stated(OTHER_SHA512, SHA512), IntegrityOutcome.VALID),  # any of the strongest may match
        (stated(OTHER_SHA512, SHA1), IntegrityOutcome.MISMATCH),  # a weaker one that matches does not help
        (stated(SHA512, OTHER_SHA1), IntegrityOutcome.VALID),  # nor does one that does not harm
        (stated(SHA1), IntegrityOutcome.WEAK),
        (stated(OTHER_SHA1), IntegrityOutcome.MISMATCH),
        (stated(SHA256, SHA1), IntegrityOutcome.WEAK),  # sha256 was not computed
        (stated(SHA256), IntegrityOutcome.UNVERIFIABLE),
        (stated(unknown=("sha3-AAAA",)), IntegrityOutcome.UNVERIFIABLE),
        (None, IntegrityOutcome.MISSING),
    ],
)
def test_the_strongest_common_algorithm_decides(integrity: Integrity | None, outcome: IntegrityOutcome) -> None:
    assert compare(integrity, COMPUTED)[0] is outcome


def test_case_12_an_unknown_algorithm_beside_a_known_one_does_not_matter() -> None:
    assert compare(stated(SHA512, unknown=("blake9-AAAA",)), COMPUTED) == (IntegrityOutcome.VALID, None)


def test_a_mismatch_tells_both_hashes() -> None:
    _, detail = compare(stated(OTHER_SHA512), COMPUTED)
    assert detail == f"stated {OTHER_SHA512}, the bytes have {SHA512}"


def test_without_bytes_nothing_is_checked() -> None:
    assert compare(stated(SHA512), ())[0] is IntegrityOutcome.NOT_CHECKED
    assert compare(None, ())[0] is IntegrityOutcome.MISSING


def test_case_11_a_lock_with_sha1_alone_is_weak_and_compared() -> None:
    report = judge_integrity(stated(SHA1), Dist("", shasum=SHA1.digest.hex()), COMPUTED)
    assert (report.lock, report.registry) == (IntegrityOutcome.WEAK, IntegrityOutcome.WEAK)
    report = judge_integrity(stated(OTHER_SHA1), Dist("", shasum=SHA1.digest.hex()), COMPUTED)
    assert (report.lock, report.registry) == (IntegrityOutcome.MISMATCH, IntegrityOutcome.WEAK)


def test_case_9_a_lock_that_only_states_a_hash_is_enough() -> None:
    report = judge_integrity(stated(SHA512), None, COMPUTED)
    assert (report.lock, report.registry) == (IntegrityOutcome.VALID, IntegrityOutcome.NOT_CHECKED)


def test_case_10_a_lock_without_a_hash_is_missing_and_the_registry_still_decides() -> None:
    report = judge_integrity(None, Dist("", integrity=stated(OTHER_SHA512)), COMPUTED)
    assert (report.lock, report.registry) == (IntegrityOutcome.MISSING, IntegrityOutcome.MISMATCH)
    assert report.detail is not None
    assert report.detail.startswith("registry: ")


def test_both_sides_wrong_are_both_told() -> None:
    report = judge_integrity(stated(OTHER_SHA512), Dist("", integrity=stated(OTHER_SHA512)), COMPUTED)
    assert report.detail is not None
    assert "lockfile: " in report.detail
    assert "registry: " in report.detail


def test_lock_and_registry_that_contradict_one_another_are_told_without_bytes() -> None:
    report = judge_integrity(stated(SHA512), Dist("", integrity=stated(OTHER_SHA512)), ())
    assert (report.lock, report.registry) == (IntegrityOutcome.NOT_CHECKED, IntegrityOutcome.MISMATCH)
    agreeing = judge_integrity(stated(SHA512, OTHER_SHA1), Dist("", integrity=stated(SHA512)), ())
    assert agreeing.registry is IntegrityOutcome.NOT_CHECKED
    incomparable = judge_integrity(stated(SHA256), Dist("", integrity=stated(SHA512)), ())
    assert incomparable.registry is IntegrityOutcome.NOT_CHECKED


@pytest.mark.parametrize(
    ("dist", "integrity"),
    [
        (Dist("", shasum=SHA1.digest.hex()), stated(SHA1)),
        (Dist("", integrity=stated(SHA512), shasum=SHA1.digest.hex()), stated(SHA512)),
        (Dist("", shasum="no hex"), stated(unknown=("shasum:no hex",))),
        (Dist(""), None),
    ],
)
def test_the_shasum_counts_where_there_is_no_integrity(dist: Dist, integrity: Integrity | None) -> None:
    assert stated_integrity(dist) == integrity
