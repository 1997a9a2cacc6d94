"""Signed envelopes: DSSE, the Dead Simple Signing Envelope.

Specification: https://github.com/secure-systems-lab/dsse (protocol.md and envelope.md, version 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from npmguard.integrity.refusal import Forged, Unjudged

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload and the one signature over it; ``keyid`` is a hint, and empty where a certificate signs."""

    payload_type: str
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    keyid: str = ""

    @property
    def signed(self) -> bytes:
        """What is signed: the pre-authentication encoding (PAE) of type and payload."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(self.payload), self.payload)


def verify_envelope(envelope: Envelope, key: PublicKeyTypes) -> None:
    """Check the signature. The hash goes with the curve, as Sigstore's algorithm registry has it.

    Raises:
        Forged: the signature is not by that key.
        Unjudged: the key is of a kind that is not known here.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - a warm scan verifies nothing anew
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415

    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(envelope.signature, envelope.signed)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            algorithm = {
                "secp256r1": hashes.SHA256(),
                "secp384r1": hashes.SHA384(),
                "secp521r1": hashes.SHA512(),
            }.get(key.curve.name)
            if algorithm is None:
                raise Unjudged(f"signed with a key on the curve {key.curve.name}, which is not known here")
            key.verify(envelope.signature, envelope.signed, ec.ECDSA(algorithm))
        else:
            raise Unjudged("signed with a kind of key that is not known here")
    except InvalidSignature:
        raise Forged("the signature does not hold for the payload") from None
