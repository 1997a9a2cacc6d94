"""Integrity is decided by the strongest algorithm that both sides know, by nothing else."""

from __future__ import annotations

from hashlib import sha512

from hypothesis import given
from hypothesis import strategies as st

from npmguard.integrity.sri import ALGORITHMS, WEAK, compare, compute_hashes
from npmguard.model import Hash, Integrity, IntegrityOutcome

DATA = st.binary(max_size=64)
SOME = st.lists(st.sampled_from(ALGORITHMS), min_size=1, unique=True)


@given(DATA, SOME)
def test_bytes_agree_with_their_own_hashes(data: bytes, algorithms: list[str]) -> None:
    hashes = compute_hashes(data, algorithms)
    outcome, detail = compare(Integrity.parse(" ".join(map(str, hashes))), hashes)
    assert detail is None
    assert outcome is (IntegrityOutcome.WEAK if set(algorithms) <= WEAK else IntegrityOutcome.VALID)


@given(DATA, DATA, SOME, SOME)
def test_other_bytes_never_agree(data: bytes, other: bytes, stated: list[str], computed: list[str]) -> None:
    integrity = Integrity.parse(" ".join(map(str, compute_hashes(data, stated))))
    outcome, _ = compare(integrity, compute_hashes(other, computed))
    if not set(stated) & set(computed):
        assert outcome is IntegrityOutcome.UNVERIFIABLE
    elif data != other:
        assert outcome is IntegrityOutcome.MISMATCH


@given(DATA, DATA)
def test_a_weaker_hash_that_agrees_does_not_help_a_stronger_one_that_does_not(
    data: bytes, other: bytes
) -> None:
    forged = Integrity((Hash("sha512", sha512(other).digest()), *compute_hashes(data, ["sha1", "md5"])))
    outcome, _ = compare(forged, compute_hashes(data, ALGORITHMS))
    assert outcome is (IntegrityOutcome.VALID if data == other else IntegrityOutcome.MISMATCH)


@given(st.text(max_size=80), DATA)
def test_no_text_is_valid_by_chance(text: str, data: bytes) -> None:
    outcome, _ = compare(Integrity.parse(text), compute_hashes(data, ALGORITHMS))
    assert outcome not in {IntegrityOutcome.VALID, IntegrityOutcome.WEAK}
