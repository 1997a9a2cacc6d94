"""The value types' own behaviour: integrity strings."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from npmguard.model import Hash, Integrity

DIGESTS = {
    name: hashlib.new(name, b"npmguard").digest() for name in ("sha512", "sha384", "sha256", "sha1", "md5")
}


def token(algorithm: str) -> str:
    return f"{algorithm}-{b64encode(DIGESTS[algorithm]).decode()}"


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_one_hash(algorithm: str) -> None:
    assert Integrity.parse(token(algorithm)) == Integrity((Hash(algorithm, DIGESTS[algorithm]),))


def test_hashes_come_strongest_first_and_repeats_count_once() -> None:
    text = " ".join(token(algorithm) for algorithm in ("md5", "sha1", "sha512", "sha256", "sha512", "sha384"))
    found = Integrity.parse(f"\n {text}\t")
    assert found is not None
    assert [it.algorithm for it in found.hashes] == ["sha512", "sha384", "sha256", "sha1", "md5"]
    assert found.unknown == ()


def test_two_hashes_of_one_algorithm_keep_their_order() -> None:
    other = f"sha512-{b64encode(bytes(64)).decode()}"
    found = Integrity.parse(f"{other} {token('sha512')}")
    assert found is not None
    assert [it.digest for it in found.hashes] == [bytes(64), DIGESTS["sha512"]]


def test_options_are_dropped() -> None:
    assert Integrity.parse(f"{token('sha512')}?ct=application/gzip?x") == Integrity.parse(token("sha512"))


@pytest.mark.parametrize(
    "text",
    [
        "sha3-AAAA",
        "SHA512-" + token("sha512").partition("-")[2],
        "sha512-AAAA",  # too short
        "sha512-" + token("sha256").partition("-")[2],
        token("sha512").rstrip("="),
        token("sha1")[:-2] + "5=",  # not the canonical spelling of its bytes
        "sha512-" + "é" * 88,
        "sha512",
        "-",
        "?",
    ],
)
def test_a_token_that_cannot_be_computed_is_kept_as_unknown(text: str) -> None:
    assert Integrity.parse(text) == Integrity((), (text,))


def test_an_unknown_algorithm_beside_a_known_one() -> None:
    found = Integrity.parse(f"blake3-AAAA {token('sha512')}")
    assert found is not None
    assert ([it.algorithm for it in found.hashes], found.unknown) == (["sha512"], ("blake3-AAAA",))


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_no_token_is_no_integrity(text: str) -> None:
    assert Integrity.parse(text) is None


def test_it_prints_as_npm_writes_it() -> None:
    assert str(Integrity.parse(f"{token('sha1')} {token('sha512')}")) == f"{token('sha512')} {token('sha1')}"
