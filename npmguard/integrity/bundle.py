"""Sigstore bundles: an envelope, with what it takes to verify it.

Format: https://docs.sigstore.dev/about/bundle/ (sigstore_bundle.proto, sigstore_rekor.proto), as JSON, in
the versions 0.1 (which has a promise that the log will include the entry), 0.2 and 0.3 (which have a proof that
it does). What is optional there may be absent or null.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from npmguard.integrity.dsse import Envelope
from npmguard.integrity.refusal import Forged, Unjudged, decode_base64

_MEDIA_TYPE = re.compile(r"application/vnd\.dev\.sigstore\.bundle(?:\+json;version=|\.v)(0\.[123])(?:\+json)?")
_MAX_ENTRIES: Final = 8
_MAX_TIMESTAMPS: Final = 8
_MAX_HASHES: Final = 64  # a log of 2^64 entries
_MAX_INTEGER: Final = 2**53 - 1  # what JSON's canonical form, and so the log's signature, can hold


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That a log includes an entry: ``index`` is the entry's place in a tree of ``tree_size`` leaves.

    ``checkpoint`` is the log's signed statement of that tree.
    """

    index: int
    tree_size: int
    root_hash: bytes
    hashes: tuple[bytes, ...] = field(repr=False)
    checkpoint: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of a transparency log.

    ``body`` is what the log holds, byte for byte. ``promise`` is the signed entry timestamp: the log's
    signature over body, index and ``integrated`` (seconds since the epoch).
    """

    index: int
    log_id: bytes
    kind: str
    version: str
    integrated: int | None
    body: bytes = field(repr=False)
    promise: bytes | None = field(repr=False)
    proof: InclusionProof | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as read, nothing in it verified.

    It has either ``certificate`` (DER, with the ``further`` ones that came along) or ``key_hint``.
    ``timestamps`` are RFC 3161 responses.
    """

    version: str
    envelope: Envelope
    entries: tuple[LogEntry, ...]
    certificate: bytes | None = field(repr=False)
    further: tuple[bytes, ...] = field(repr=False)
    key_hint: str | None
    timestamps: tuple[bytes, ...] = field(repr=False)


def parse_bundle(value: Any) -> Bundle:
    """Read one bundle, already decoded from JSON.

    Raises:
        Forged: bytes in it are damaged.
        Unjudged: it is of an unknown version, or lacks what its version has to have.
    """
    media_type = value.get("mediaType") if isinstance(value, dict) else None
    match = _MEDIA_TYPE.fullmatch(media_type) if isinstance(media_type, str) else None
    if match is None:
        raise Unjudged("it is not a Sigstore bundle of a version that is known here")
    try:
        raw = msgspec.convert(value, _Bundle)
    except (msgspec.ValidationError, RecursionError):
        raise Unjudged("the bundle is not in the format of its version") from None
    material = raw.verification_material
    if match[1] == "0.3" and material.x509_certificate_chain is not None:
        raise Unjudged("the bundle has a chain of certificates, where its version has the one that signed")
    certificates = _certificates(material)
    if bool(certificates) == (material.public_key is not None):
        raise Unjudged("the bundle has neither a certificate nor a key, or both")
    if not 0 < len(material.tlog_entries) <= _MAX_ENTRIES:
        raise Unjudged(f"the bundle has {len(material.tlog_entries)} log entries")
    return Bundle(
        version=match[1],
        envelope=_envelope(raw.dsse_envelope),
        entries=tuple(_entry(entry, match[1]) for entry in material.tlog_entries),
        certificate=certificates[0] if certificates else None,
        further=certificates[1:],
        key_hint=material.public_key.hint if material.public_key is not None else None,
        timestamps=_timestamps(material),
    )


# --- the format ------------------------------------------------------------------------------------------


class _Camel(msgspec.Struct, rename="camel"):
    """What protobuf's JSON names in camel case."""


class _Signature(_Camel):
    sig: str
    keyid: str | None = None


class _Envelope(_Camel):
    payload: str
    payload_type: str
    signatures: list[_Signature]


class _Certificate(_Camel):
    raw_bytes: str


class _Chain(_Camel):
    certificates: list[_Certificate]


class _Hint(_Camel):
    hint: str = ""


class _Timestamp(_Camel):
    signed_timestamp: str


class _Timestamps(_Camel):
    rfc3161_timestamps: list[_Timestamp] | None = msgspec.field(default=None, name="rfc3161Timestamps")


class _Id(_Camel):
    key_id: str


class _Kind(_Camel):
    kind: str
    version: str


class _Promise(_Camel):
    signed_entry_timestamp: str


class _Checkpoint(_Camel):
    envelope: str


class _Proof(_Camel):
    log_index: str | int
    tree_size: str | int
    root_hash: str
    checkpoint: _Checkpoint
    hashes: list[str] | None = None


class _Entry(_Camel):
    log_id: _Id
    kind_version: _Kind
    canonicalized_body: str
    log_index: str | int = 0
    integrated_time: str | int | None = None
    inclusion_promise: _Promise | None = None
    inclusion_proof: _Proof | None = None


class _Material(_Camel):
    tlog_entries: list[_Entry]
    x509_certificate_chain: _Chain | None = msgspec.field(default=None, name="x509CertificateChain")
    certificate: _Certificate | None = None
    public_key: _Hint | None = None
    timestamp_verification_data: _Timestamps | None = None


class _Bundle(_Camel):
    verification_material: _Material
    dsse_envelope: _Envelope


def _envelope(raw: _Envelope) -> Envelope:
    if len(raw.signatures) != 1:
        raise Unjudged(f"the envelope has {len(raw.signatures)} signatures, where a bundle has one")
    return Envelope(
        payload_type=raw.payload_type,
        payload=decode_base64(raw.payload, "the payload"),
        signature=decode_base64(raw.signatures[0].sig, "the signature"),
        keyid=raw.signatures[0].keyid or "",
    )


def _certificates(material: _Material) -> tuple[bytes, ...]:
    listed = material.x509_certificate_chain.certificates if material.x509_certificate_chain else []
    if material.certificate is not None:
        listed = [material.certificate, *listed]
    return tuple(decode_base64(item.raw_bytes, "a certificate") for item in listed[:_MAX_ENTRIES])


def _timestamps(material: _Material) -> tuple[bytes, ...]:
    data = material.timestamp_verification_data
    listed = (data.rfc3161_timestamps or []) if data is not None else []
    if len(listed) > _MAX_TIMESTAMPS:
        raise Unjudged(f"the bundle has {len(listed)} time stamps")
    return tuple(decode_base64(item.signed_timestamp, "a time stamp") for item in listed)


def _entry(raw: _Entry, version: str) -> LogEntry:
    promise = raw.inclusion_promise.signed_entry_timestamp if raw.inclusion_promise is not None else None
    if version == "0.1" and promise is None:
        raise Unjudged("the log entry has no promise of inclusion, which this version of bundle has to have")
    if version != "0.1" and raw.inclusion_proof is None:
        raise Unjudged("the log entry has no proof of inclusion, which this version of bundle has to have")
    integrated = None if raw.integrated_time is None else _integer(raw.integrated_time, "the time of logging")
    return LogEntry(
        index=_integer(raw.log_index, "the log index"),
        log_id=decode_base64(raw.log_id.key_id, "the log's id"),
        kind=raw.kind_version.kind,
        version=raw.kind_version.version,
        integrated=integrated or None,  # zero is protobuf's way to say that it is not told
        body=decode_base64(raw.canonicalized_body, "the log entry"),
        promise=None if promise is None else decode_base64(promise, "the promise of inclusion"),
        proof=None if raw.inclusion_proof is None else _proof(raw.inclusion_proof),
    )


def _proof(raw: _Proof) -> InclusionProof:
    hashes = raw.hashes or []
    if len(hashes) > _MAX_HASHES:
        raise Forged(f"the proof of inclusion has {len(hashes)} hashes")
    return InclusionProof(
        index=_integer(raw.log_index, "the index in the proof of inclusion"),
        tree_size=_integer(raw.tree_size, "the tree size"),
        root_hash=decode_base64(raw.root_hash, "the root hash"),
        hashes=tuple(decode_base64(item, "a hash of the proof of inclusion") for item in hashes),
        checkpoint=raw.checkpoint.envelope,
    )


def _integer(value: str | int, what: str) -> int:
    """Protobuf writes 64-bit integers as strings."""
    if isinstance(value, str):
        if not value.isascii() or not value.isdigit() or len(value) > 16:
            raise Forged(f"{what} is not a number")
        value = int(value)
    if not 0 <= value <= _MAX_INTEGER:
        raise Forged(f"{what} is out of range")
    return value
