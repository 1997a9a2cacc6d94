"""Time stamps: when an authority that is believed saw a signature (RFC 3161, by rfc3161-client)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from npmguard.integrity.refusal import Forged, Unjudged

if TYPE_CHECKING:
    from npmguard.integrity.trust_root import TrustRoot


def verify_timestamp(response: bytes, signature: bytes, root: TrustRoot) -> datetime:
    """When a time stamping authority of *root* saw *signature*.

    Raises:
        Forged: the response is damaged, about something else, or not by the authority that it names.
        Unjudged: it names no authority that is known here.
    """
    from cryptography.x509 import (  # noqa: PLC0415 - most bundles have no time stamps
        InvalidVersion,
        load_der_x509_certificate,
    )
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response  # noqa: PLC0415

    try:
        decoded = decode_timestamp_response(response)
        when = decoded.tst_info.gen_time
        signers = {(item.issuer, item.serial_number) for item in decoded.signed_data.signer_infos}
    except (ValueError, TypeError, KeyError):
        raise Forged("a time stamp is damaged") from None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    for authority in root.timestamp_authorities:
        if len(authority.certificates) < 2:
            continue  # it names no root that its stamps could be verified by
        leaf, *others = (load_der_x509_certificate(item) for item in authority.certificates)
        if (leaf.issuer, leaf.serial_number) not in signers:
            continue
        if not authority.period.covers(when):
            raise Forged("a time stamp is of a time when its authority was not in use")
        verifier = VerifierBuilder(tsa_certificate=leaf, intermediates=others[:-1], roots=[others[-1]]).build()
        try:
            # decoded anew, since the verifier takes the signer out of what it is given
            verifier.verify_message(decode_timestamp_response(response), signature)
        except (VerificationError, InvalidVersion, ValueError, TypeError, KeyError):
            raise Forged(
                "a time stamp does not hold for the signature by the authority that it names"
            ) from None
        return when
    raise Unjudged("a time stamp is of an authority that the trust root does not know")
