"""Signing certificates: whether Fulcio certified a build's key at that time, and for which build.

Sources: the certificate profile and extensions of Fulcio (docs/certificate-specification.md, docs/oid-info.md
of https://github.com/sigstore/fulcio), path validation by :mod:`cryptography.x509.verification` (RFC 5280), the
signed certificate timestamp of RFC 6962, section 3.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from npmguard.integrity.refusal import Forged, Unjudged

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.x509.certificate_transparency import SignedCertificateTimestamp

    from npmguard.integrity.trust_root import Authority, TrustRoot

_FULCIO: Final = "1.3.6.1.4.1.57264.1."
_UTF8_STRING = 0x0C
_MAX_DER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Build:
    """The build that a certificate was issued to, as its identity provider vouched for it.

    ``repository`` is the source's URL, ``commit`` its digest, ``workflow`` the URI of the build's top-level
    definition, ``builder`` the URI of the definition that signed (a reusable workflow, or the same).
    """

    issuer: str
    repository: str
    commit: str | None
    workflow: str | None
    builder: str | None


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    """A certificate that was verified, its key, and the build that it names (None: a person, or unknown)."""

    key: PublicKeyTypes
    build: Build | None


def verify_certificate(
    der: bytes, further: Sequence[bytes], times: Sequence[datetime], root: TrustRoot
) -> SigningCertificate:
    """Check that an authority of *root* issued the certificate, to sign code, and that it was valid at *times*.

    Args:
        der: the certificate.
        further: certificates that came along. They are not needed, but strangers among them are not let be.
        times: when it signed, from sources that are believed; at least one.
        root: whom to believe.

    Raises:
        Forged: the certificate is damaged, was not issued so, or was not valid then.
        Unjudged: its authority is not known here.
    """
    from cryptography import x509  # noqa: PLC0415 - a warm scan verifies nothing anew
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    if len(der) > _MAX_DER:
        raise Forged("the certificate is too big")
    known = {certificate for authority in root.authorities for certificate in authority.certificates}
    if any(certificate not in known for certificate in further):
        raise Unjudged("certificates came along that the trust root does not know")
    try:
        certificate = x509.load_der_x509_certificate(der)
        issuer = _verify_chain(certificate, times, root)
        _verify_usage(certificate)
        _verify_timestamp(certificate, issuer, root)
        return SigningCertificate(certificate.public_key(), _build(certificate))
    except (
        ValueError,
        TypeError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise Forged(f"the certificate is damaged ({type(error).__name__})") from None


# --- the chain -------------------------------------------------------------------------------------------


def _verify_chain(
    certificate: x509.Certificate, times: Sequence[datetime], root: TrustRoot
) -> x509.Certificate:
    """Validate the path at each time; the certificate's issuer."""
    from cryptography.x509 import AuthorityKeyIdentifier, ExtendedKeyUsage  # noqa: PLC0415
    from cryptography.x509.verification import (  # noqa: PLC0415
        Criticality,
        ExtensionPolicy,
        PolicyBuilder,
        Store,
        VerificationError,
    )

    key_id = certificate.extensions.get_extension_for_class(AuthorityKeyIdentifier).value.key_identifier
    authorities = [it for it in root.authorities if key_id is not None and key_id in _key_ids(it)]
    if not authorities:
        raise Unjudged("the certificate was issued by an authority that the trust root does not know")
    # Fulcio's certificates are for code signing, which is checked below, and not for TLS clients
    policies = [
        policy.may_be_present(ExtendedKeyUsage, Criticality.NON_CRITICAL, None)
        for policy in (ExtensionPolicy.webpki_defaults_ca(), ExtensionPolicy.webpki_defaults_ee())
    ]
    issuer: x509.Certificate | None = None
    for when in times:
        believed = [it for it in authorities if it.period.covers(when)]
        if not believed:
            raise Forged("the certificate's authority was not in use when it signed")
        if not certificate.not_valid_before_utc <= when <= certificate.not_valid_after_utc:
            raise Forged(
                f"it was signed at {when:%Y-%m-%d %H:%M:%S}, when the certificate was not valid "
                f"({certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} to "
                f"{certificate.not_valid_after_utc:%H:%M:%S})"
            )
        anchors = [item for authority in believed for item in _load(authority)]
        verifier = (
            PolicyBuilder()
            .store(Store(anchors))
            .time(when)
            .extension_policies(ca_policy=policies[0], ee_policy=policies[1])
            .build_client_verifier()
        )
        try:
            issuer = verifier.verify(certificate, []).chain[1]
        except VerificationError:
            raise Forged("the certificate was not issued by the authority that it names") from None
    if issuer is None:
        raise Unjudged("no source of time that is believed says when it was signed")
    return issuer


def _load(authority: Authority) -> list[x509.Certificate]:
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415

    return [load_der_x509_certificate(item) for item in authority.certificates]


def _key_ids(authority: Authority) -> set[bytes]:
    from cryptography.x509 import SubjectKeyIdentifier  # noqa: PLC0415

    return {it.extensions.get_extension_for_class(SubjectKeyIdentifier).value.digest for it in _load(authority)}


def _verify_usage(certificate: x509.Certificate) -> None:
    from cryptography.x509 import ExtendedKeyUsage, KeyUsage  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    if not certificate.extensions.get_extension_for_class(KeyUsage).value.digital_signature:
        raise Forged("the certificate is not for signatures")
    usage = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    if ExtendedKeyUsageOID.CODE_SIGNING not in usage:
        raise Forged("the certificate is not for code signing")


# --- certificate transparency ----------------------------------------------------------------------------


def _verify_timestamp(certificate: x509.Certificate, issuer: x509.Certificate, root: TrustRoot) -> None:
    """Check that a log of certificates that is believed has seen it, by the timestamp inside."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415
    from cryptography.x509 import PrecertificateSignedCertificateTimestamps  # noqa: PLC0415

    found = certificate.extensions.get_extension_for_class(PrecertificateSignedCertificateTimestamps).value
    timestamps = list(found)
    if len(timestamps) != 1:
        raise Unjudged(f"the certificate has {len(timestamps)} timestamps of certificate logs, not one")
    timestamp = timestamps[0]
    log = root.certificate_logs.get(timestamp.log_id)
    if log is None:
        raise Unjudged("the certificate was logged in a log that the trust root does not know")
    if not log.period.covers(timestamp.timestamp.replace(tzinfo=UTC)):
        raise Forged("the certificate was logged when that log was not in use")
    key = load_der_public_key(log.der)
    signed = _signed_by_log(timestamp, certificate, issuer)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(timestamp.signature, signed, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(timestamp.signature, signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            raise Unjudged("the certificate's log signs with a kind of key that is not known here")
    except InvalidSignature:
        raise Forged("the log of certificates did not sign the certificate's timestamp") from None


def _signed_by_log(
    timestamp: SignedCertificateTimestamp, certificate: x509.Certificate, issuer: x509.Certificate
) -> bytes:
    """The structure that the log signs, for a certificate that it saw before the timestamp was in it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415
    from cryptography.x509.certificate_transparency import LogEntryType  # noqa: PLC0415

    if timestamp.entry_type is not LogEntryType.PRE_CERTIFICATE:
        raise Unjudged("the certificate's timestamp is not of a kind that is known here")
    seconds = timestamp.timestamp.replace(tzinfo=UTC)
    milliseconds = int(seconds.timestamp()) * 1000 + seconds.microsecond // 1000
    issuer_key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    content = certificate.tbs_precertificate_bytes
    return b"".join(
        (
            bytes((timestamp.version.value, 0)),  # version, certificate_timestamp
            milliseconds.to_bytes(8, "big"),
            (1).to_bytes(2, "big"),  # precert_entry
            hashlib.sha256(issuer_key).digest(),
            len(content).to_bytes(3, "big"),
            content,
            len(timestamp.extension_bytes).to_bytes(2, "big"),
            timestamp.extension_bytes,
        )
    )


# --- the build -------------------------------------------------------------------------------------------


def _build(certificate: x509.Certificate) -> Build | None:
    from cryptography.x509 import SubjectAlternativeName, UniformResourceIdentifier  # noqa: PLC0415
    from cryptography.x509 import UnrecognizedExtension as Unrecognized  # noqa: PLC0415

    raw = {
        extension.oid.dotted_string.removeprefix(_FULCIO): extension.value.value
        for extension in certificate.extensions
        if extension.oid.dotted_string.startswith(_FULCIO) and isinstance(extension.value, Unrecognized)
    }
    names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    identity = next(iter(names.get_values_for_type(UniformResourceIdentifier)), None)
    issuer = _der_text(raw.get("8")) or _plain_text(raw.get("1"))
    repository = _der_text(raw.get("12"))
    owner_and_name = _plain_text(raw.get("5"))
    if repository is None and owner_and_name is not None:  # certificates of before April 2023
        repository = f"https://github.com/{owner_and_name}"
    if issuer is None or repository is None:
        return None
    return Build(
        issuer=issuer,
        repository=repository,
        commit=_der_text(raw.get("13")) or _plain_text(raw.get("3")),
        workflow=_der_text(raw.get("18")) or identity,
        builder=_der_text(raw.get("9")) or identity,
    )


def _plain_text(value: bytes | None) -> str | None:
    """Fulcio's first six extensions hold bare text."""
    return None if value is None else value.decode("utf-8")


def _der_text(value: bytes | None) -> str | None:
    """The later ones hold a DER UTF8String."""
    if value is None:
        return None
    if len(value) >= 2 and value[0] == _UTF8_STRING:
        header = 2 + (value[1] & 0x7F if value[1] & 0x80 else 0)
        length = int.from_bytes(value[2:header], "big") if value[1] & 0x80 else value[1]
        if header <= 4 and len(value) == header + length:
            return value[header:].decode("utf-8")
    raise ValueError("not a UTF8String")
