"""The registry's attestations, and its list of signing keys."""

from __future__ import annotations

from hashlib import sha512

from npmguard.errors import RegistryProtocolError
from npmguard.integrity.provenance import ProvenanceOutcome, verify_provenance
from npmguard.integrity.signature import RegistryKey, parse_keys
from npmguard.integrity.trust_root import shipped_trust_root
from tests.fuzz.harness import Harness, hold, refused

_OTHER = sha512(b"bytes that no attestation is of").digest()
_NAME, _VERSION = "gundam-visor", "1.0.1"


def read(data: bytes) -> str:
    """An outcome for whatever the document holds, and never a valid one for bytes that it is not about."""
    keys: tuple[RegistryKey, ...] = ()
    outcome = ""
    try:
        keys = parse_keys(data)
    except RegistryProtocolError as error:
        outcome = refused(error)
    found = verify_provenance(_NAME, _VERSION, _OTHER, data, keys, shipped_trust_root())
    hold(found.outcome is not ProvenanceOutcome.VALID, "other bytes are vouched for")
    return f"{outcome[:60]} {len(keys)} {found.outcome} {str(found.detail)[:80]}"


HARNESS = Harness(
    read,
    "json",
    words=(
        b'"attestations":[',
        b'"bundle":{',
        b'"dsseEnvelope":{',
        b'"tlogEntries":[',
        b'"predicateType":',
        b'"keys":[',
    ),
    share=500,
)
