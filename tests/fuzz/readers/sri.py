"""Integrity strings."""

from __future__ import annotations

from hashlib import sha512

from npmguard.integrity.sri import ALGORITHMS, compare, compute_hashes
from npmguard.model import Hash, Integrity, IntegrityOutcome
from tests.fuzz.harness import Harness, hold

_BYTES = b"the bytes that no mutant's hash is of"
_HASHES = compute_hashes(_BYTES, ALGORITHMS)
_OTHER = Hash("sha512", sha512(b"other").digest())


def read(data: bytes) -> str:
    """Nothing but a hash of the bytes themselves makes them valid, and a wrong strongest hash always tells."""
    text = data.decode("utf-8", "replace")
    stated = Integrity.parse(text)
    if stated is None:
        hold(not text.split(), "tokens that were taken for none")
        return "none"
    hold(Integrity.parse(str(stated)) == stated, "printed, it reads as something else")
    outcome, _ = compare(stated, _HASHES)
    if outcome in {IntegrityOutcome.VALID, IntegrityOutcome.WEAK}:
        hold(set(stated.hashes) & set(_HASHES), "valid without a hash of the bytes")
    if stated.hashes:
        forged = Integrity((_OTHER,), stated.unknown)
        hold(compare(forged, _HASHES)[0] is IntegrityOutcome.MISMATCH, "another hash agrees")
    return f"{outcome} {min(len(stated.hashes), 6)} {min(len(stated.unknown), 3)}"


HARNESS = Harness(
    read,
    words=(
        b"sha512-",
        b"sha1-",
        b"sha384-",
        b"sha256-",
        b"md5-",
        b"?opt",
        b" ",
        b"\t",
        b"=",
        b"==",
        b"-",
        b"+/",
    ),
    share=6000,
)
