from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from npmguard.errors import RegistryProtocolError
from npmguard.integrity.signature import RegistryKey, SignatureOutcome, parse_keys, verify_signatures

VECTOR = json.loads((Path(__file__).parents[3] / "fixtures/vectors/registry-signatures.json").read_bytes())
REAL = VECTOR["signed"][0]
REAL_KEYS = parse_keys(json.dumps({"keys": VECTOR["keys"]}).encode())
REAL_TIME = datetime.fromisoformat(REAL["published"])
REAL_SIGNATURES = tuple((item["keyid"], item["sig"]) for item in REAL["signatures"])

INTEGRITY = "sha512-" + base64.b64encode(bytes(64)).decode()
THEN = datetime(2026, 1, 1, tzinfo=UTC)


class Signer:
    """A registry's key, made for the test."""

    def __init__(self, keyid: str = "SHA256:test") -> None:
        self.keyid = keyid
        self._key = ec.generate_private_key(ec.SECP256R1())

    def listed(self, **changes: Any) -> dict[str, Any]:
        return {
            "keyid": self.keyid,
            "keytype": "ecdsa-sha2-nistp256",
            "scheme": "ecdsa-sha2-nistp256",
            "key": spki(self._key.public_key()),
            "expires": None,
            **changes,
        }

    def sign(self, name: str = "a", version: str = "1.0.0", integrity: str = INTEGRITY) -> tuple[str, str]:
        message = f"{name}@{version}:{integrity}".encode()
        return self.keyid, base64.b64encode(self._key.sign(message, ec.ECDSA(hashes.SHA256()))).decode()


def spki(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def keys(*listed: Mapping[str, Any]) -> tuple[RegistryKey, ...]:
    return parse_keys(json.dumps({"keys": listed}).encode())


def outcome(
    signatures: tuple[tuple[str, str], ...],
    known: tuple[RegistryKey, ...],
    published: datetime | None = THEN,
    *,
    name: str = "a",
    version: str = "1.0.0",
    integrity: str = INTEGRITY,
) -> SignatureOutcome:
    return verify_signatures(name, version, integrity, signatures, known, published).outcome


# --- a real release --------------------------------------------------------------------------------------


def test_a_release_of_the_public_registry_is_signed() -> None:
    result = verify_signatures(
        REAL["name"], REAL["version"], REAL["integrity"], REAL_SIGNATURES, REAL_KEYS, REAL_TIME
    )
    assert result.outcome is SignatureOutcome.VALID
    assert result.keyid == REAL_SIGNATURES[0][0]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "@midas-ds/checkbux"},
        {"version": "1.0.4"},
        {"integrity": REAL["integrity"].replace("SeUR", "TeUR")},
    ],
)
def test_a_real_signature_speaks_for_nothing_else(change: dict[str, str]) -> None:
    fields = {key: REAL[key] for key in ("name", "version", "integrity")} | change
    result = verify_signatures(
        fields["name"], fields["version"], fields["integrity"], REAL_SIGNATURES, REAL_KEYS, REAL_TIME
    )
    assert result.outcome is SignatureOutcome.INVALID


def test_every_flipped_byte_of_a_real_signature_is_invalid() -> None:
    keyid, text = REAL_SIGNATURES[0]
    signature = base64.b64decode(text)
    for index in range(len(signature)):
        flipped = bytearray(signature)
        flipped[index] ^= 1
        signatures = ((keyid, base64.b64encode(flipped).decode()),)
        result = verify_signatures(
            REAL["name"], REAL["version"], REAL["integrity"], signatures, REAL_KEYS, REAL_TIME
        )
        assert result.outcome is SignatureOutcome.INVALID, index


# --- which key -------------------------------------------------------------------------------------------


def test_a_registry_without_keys_says_nothing_against_a_package() -> None:
    signer = Signer()
    assert outcome((), ()) is SignatureOutcome.UNVERIFIABLE
    assert outcome((signer.sign(),), ()) is SignatureOutcome.UNVERIFIABLE


def test_no_signature_where_the_registry_has_keys_is_missing() -> None:
    assert outcome((), keys(Signer().listed())) is SignatureOutcome.MISSING


def test_a_key_that_the_registry_does_not_publish_decides_nothing() -> None:
    signer, other = Signer("SHA256:one"), Signer("SHA256:two")
    result = verify_signatures("a", "1.0.0", INTEGRITY, (signer.sign(),), keys(other.listed()), THEN)
    assert result.outcome is SignatureOutcome.UNVERIFIABLE
    assert "does not publish" in result.detail


def test_anothers_signature_under_a_known_key_id_is_invalid() -> None:
    signer, forger = Signer(), Signer()
    assert outcome((forger.sign(),), keys(signer.listed())) is SignatureOutcome.INVALID


P384 = spki(ec.generate_private_key(ec.SECP384R1()).public_key())
RSA = spki(rsa.generate_private_key(65537, 2048).public_key())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"key": "AAAA"}, "damaged"),
        ({"key": ""}, "damaged"),
        ({"key": None}, "damaged"),
        ({"key": "%%%"}, "damaged"),
        ({"key": P384}, "P-256"),
        ({"key": RSA}, "P-256"),
        ({"scheme": "rsa-sha2-256"}, "scheme"),
        ({"keytype": "ssh-ed25519"}, "scheme"),
        ({"scheme": None}, "scheme"),
        ({"expires": "some day"}, "cannot be read"),
        ({"expires": 0}, "cannot be read"),
    ],
)
def test_a_key_that_cannot_be_used_decides_nothing(change: dict[str, Any], says: str) -> None:
    signer = Signer()
    result = verify_signatures("a", "1.0.0", INTEGRITY, (signer.sign(),), keys(signer.listed(**change)), THEN)
    assert result.outcome is SignatureOutcome.UNVERIFIABLE
    assert says in result.detail


def test_a_damaged_key_spoils_no_other() -> None:
    signer = Signer()
    known = keys({"keyid": 5}, {"keyid": "SHA256:broken", "key": "AAAA"}, signer.listed())
    assert outcome((signer.sign(),), known) is SignatureOutcome.VALID


# --- when ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), SignatureOutcome.VALID),
        (THEN, SignatureOutcome.UNVERIFIABLE),
        (datetime(2026, 6, 1, tzinfo=UTC), SignatureOutcome.UNVERIFIABLE),
        (None, SignatureOutcome.UNVERIFIABLE),
    ],
)
def test_expiry_is_judged_against_the_publish_time(
    published: datetime | None, expected: SignatureOutcome
) -> None:
    signer = Signer()
    known = keys(signer.listed(expires="2026-01-01T00:00:00.000Z"))
    result = verify_signatures("a", "1.0.0", INTEGRITY, (signer.sign(),), known, published)
    assert result.outcome is expected
    assert result.expired is (published is not None and published >= THEN)


def test_an_expired_key_does_not_excuse_a_signature_that_does_not_hold() -> None:
    signer = Signer()
    known = keys(signer.listed(expires="2020-01-01T00:00:00.000Z"))
    assert outcome((signer.sign(version="9.9.9"),), known) is SignatureOutcome.INVALID


def test_a_publish_time_is_not_needed_for_a_key_without_an_end() -> None:
    signer = Signer()
    assert outcome((signer.sign(),), keys(signer.listed()), None) is SignatureOutcome.VALID


# --- several signatures ----------------------------------------------------------------------------------


def test_one_signature_that_does_not_hold_is_enough() -> None:
    old, new = Signer("SHA256:old"), Signer("SHA256:new")
    known = keys(old.listed(), new.listed())
    assert outcome((old.sign(), new.sign()), known) is SignatureOutcome.VALID
    assert outcome((old.sign(), new.sign(version="2.0.0")), known) is SignatureOutcome.INVALID


def test_a_signature_by_an_unknown_key_beside_one_that_holds_changes_nothing() -> None:
    old, new = Signer("SHA256:old"), Signer("SHA256:new")
    assert outcome((old.sign(), new.sign()), keys(new.listed())) is SignatureOutcome.VALID


# --- spellings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda sig: sig.rstrip("="),
        lambda sig: f"{sig[:40]}\n{sig[40:]}",
        lambda sig: sig.replace("+", "-").replace("/", "_"),
    ],
)
def test_signatures_are_read_as_nodejs_reads_them(change: Any) -> None:
    signer = Signer()
    keyid, signature = signer.sign()
    assert outcome(((keyid, change(signature)),), keys(signer.listed())) is SignatureOutcome.VALID


@pytest.mark.parametrize("text", ["", "A", "AAAA", "not base64 at all!", "é"])
def test_what_is_no_signature_is_invalid(text: str) -> None:
    signer = Signer()
    assert outcome(((signer.keyid, text),), keys(signer.listed())) is SignatureOutcome.INVALID


def test_a_release_that_has_only_a_sha1_is_verified_over_that() -> None:
    signer = Signer()
    integrity = "sha1-" + base64.b64encode(bytes(20)).decode()
    signatures = (signer.sign(integrity=integrity),)
    assert outcome(signatures, keys(signer.listed()), integrity=integrity) is SignatureOutcome.VALID


def test_hashes_of_several_algorithms_may_have_been_signed_in_any_order() -> None:
    signer = Signer()
    weak = "sha1-" + base64.b64encode(bytes(20)).decode()
    signatures = (signer.sign(integrity=f"{weak} {INTEGRITY}"),)
    known = keys(signer.listed())
    assert outcome(signatures, known, integrity=f"{INTEGRITY} {weak}") is SignatureOutcome.VALID
    assert outcome(signatures, known, integrity=INTEGRITY) is SignatureOutcome.INVALID


# --- the list of keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document", [b"", b"<html>", b"[]", b"{}", b'{"keys": {}}', b'{"keys": null}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_list_of_keys_is_refused(document: bytes) -> None:
    with pytest.raises(RegistryProtocolError, match="signing keys"):
        parse_keys(document)


def test_an_empty_list_is_a_registry_without_keys() -> None:
    assert parse_keys(b'{"keys": []}') == ()


def test_a_flood_of_keys_is_cut() -> None:
    assert len(keys(*[{"keyid": str(number)} for number in range(1000)])) == 64
