"""Rekor: whether a transparency log holds an entry for an envelope.

Sources: the signed entry timestamp is the log's signature over the entry in canonical JSON (RFC 8785; Rekor's
``/api/v1/log/entries``). The proof of inclusion is RFC 6962, section 2.1.1, against a checkpoint in the form of
a signed note (https://github.com/transparency-dev/formats, https://c2sp.org/signed-note). The kinds of entry
are ``intoto`` 0.0.2 and ``dsse`` 0.0.1 of Rekor v1, ``dsse`` and ``hashedrekord`` 0.0.2 of Rekor v2; beyond
what sigstore-js compares, the entry must name the signer as well.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from npmguard.integrity.refusal import Forged, Unjudged, decode_base64

if TYPE_CHECKING:
    from npmguard.integrity.bundle import InclusionProof, LogEntry
    from npmguard.integrity.dsse import Envelope
    from npmguard.integrity.trust_root import LogKey, TrustRoot

_SIGNATURE_LINE = re.compile(r"\u2014 (\S+) (\S+)")
_MAX_CHECKPOINT = 64 * 1024
_MAX_SIGNERS = 16
_PEM = re.compile(r"-----BEGIN (CERTIFICATE|PUBLIC KEY)-----([A-Za-z0-9+/=\s]+)-----END \1-----\s*")


def verify_entry(entry: LogEntry, envelope: Envelope, signer: bytes, root: TrustRoot) -> datetime | None:
    """Check that a log of *root* holds *entry*, and that it is about *envelope*.

    Args:
        entry: the entry as the bundle has it.
        envelope: what was logged.
        signer: the certificate, or else the public key (SubjectPublicKeyInfo), that signed it; in DER.
        root: whom to believe.

    Returns:
        When it was logged, by the log's word; None where the log gave no such word.

    Raises:
        Forged: the log did not hold that, or not about this envelope.
        Unjudged: the log, or the kind of entry, is not known here.
    """
    log = root.logs.get(entry.log_id)
    if log is None:
        raise Unjudged("it was logged in a log that the trust root does not know")
    logged = None
    if entry.promise is not None and entry.integrated is not None:
        logged = _verify_promise(entry, entry.promise, entry.integrated, log)
    if entry.proof is not None:
        verify_inclusion(entry.body, entry.proof)
        _verify_checkpoint(entry.proof, entry.log_id, log)
    elif logged is None:
        raise Unjudged("the log entry has neither a proof nor a promise of inclusion")
    _verify_body(entry, envelope, signer)
    return logged


def verify_inclusion(body: bytes, proof: InclusionProof) -> None:
    """Check that the leaf *body* is in the tree that *proof* names (RFC 6962, section 2.1.1).

    Raises:
        Forged: it is not.
    """
    if proof.index >= proof.tree_size:
        raise Forged("the proof of inclusion is about a place outside its tree")
    node, last = proof.index, proof.tree_size - 1
    digest = hashlib.sha256(b"\0" + body).digest()
    for sibling in proof.hashes:
        if last == 0:
            raise Forged("the proof of inclusion has too many hashes")
        if node & 1 or node == last:
            digest = hashlib.sha256(b"\1" + sibling + digest).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            digest = hashlib.sha256(b"\1" + digest + sibling).digest()
        node, last = node >> 1, last >> 1
    if last != 0 or digest != proof.root_hash:
        raise Forged("the proof of inclusion does not lead to its root hash")


# --- the log's word --------------------------------------------------------------------------------------


def _verify_promise(entry: LogEntry, promise: bytes, integrated: int, log: LogKey) -> datetime:
    # integers and ASCII strings without escapes: sorted and without white space is their canonical form
    canonical = json.dumps(
        {
            "body": b64encode(entry.body).decode("ascii"),
            "integratedTime": integrated,
            "logID": entry.log_id.hex(),
            "logIndex": entry.index,
        },
        sort_keys=True,
        separators=(",", ":"),
    )
    if not _holds(log, promise, canonical.encode("ascii")):
        raise Forged("the log did not promise to include that entry")
    try:
        when = datetime.fromtimestamp(integrated, UTC)
    except (ValueError, OverflowError, OSError):
        raise Forged("the time of logging is out of range") from None
    if not log.period.covers(when):
        raise Forged("it was logged when that log was not in use")
    return when


def _verify_checkpoint(proof: InclusionProof, log_id: bytes, log: LogKey) -> None:
    text, separator, signatures = proof.checkpoint.partition("\n\n")
    lines = text.split("\n")
    if not separator or len(lines) < 3 or len(proof.checkpoint) > _MAX_CHECKPOINT:
        raise Forged("the log's checkpoint is damaged")
    if lines[1] != str(proof.tree_size) or lines[2] != b64encode(proof.root_hash).decode("ascii"):
        raise Forged("the log's checkpoint is about another tree")
    note = (text + "\n").encode()
    name = log.url.partition("://")[2].rstrip("/")
    for line in signatures.split("\n")[:_MAX_SIGNERS]:  # witnesses sign it, too
        match = _SIGNATURE_LINE.fullmatch(line)
        if match is None:
            continue
        signature = decode_base64(match[2], "the signature of the log's checkpoint")
        if (match[1], signature[:4]) == (name, log_id[:4]) and _holds(log, signature[4:], note):
            return
    raise Forged("the log did not sign its checkpoint")


def _holds(log: LogKey, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - a warm scan verifies nothing anew
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    key = load_der_public_key(log.der)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        else:
            raise Unjudged("the log signs with a kind of key that is not known here")
    except InvalidSignature:
        return False
    return True


# --- what was logged -------------------------------------------------------------------------------------


def _verify_body(entry: LogEntry, envelope: Envelope, signer: bytes) -> None:
    try:
        body = msgspec.json.decode(entry.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Forged("the log entry is not JSON") from None
    kind = (entry.kind, entry.version)
    if (_at(body, "kind"), _at(body, "apiVersion")) != kind:
        raise Forged("the log entry is of another kind than the bundle says")
    read = _KINDS.get(kind)
    if read is None:
        raise Unjudged(f"it was logged as {entry.kind[:40]!r} {entry.version[:20]!r}, which is not known here")
    digest, signature, logged_signer = read(_at(body, "spec"), envelope)
    if not digest:
        raise Forged("the log entry is about another payload")
    if signature != envelope.signature:
        raise Forged("the log entry is about another signature")
    if logged_signer != signer:
        raise Forged("the log entry is about another signer")


def _intoto(spec: Any, envelope: Envelope) -> tuple[bool, bytes, bytes]:
    signature = _only(_at(spec, "content", "envelope", "signatures"))
    inner = decode_base64(_text(_at(signature, "sig")), "the logged signature")  # encoded twice over
    return (
        _is_digest(_at(spec, "content", "payloadHash"), envelope.payload),
        decode_base64(inner.decode("latin-1"), "the logged signature"),
        _pem(_at(signature, "publicKey")),
    )


def _dsse(spec: Any, envelope: Envelope) -> tuple[bool, bytes, bytes]:
    signature = _only(_at(spec, "signatures"))
    return (
        _is_digest(_at(spec, "payloadHash"), envelope.payload),
        decode_base64(_text(_at(signature, "signature")), "the logged signature"),
        _pem(_at(signature, "verifier")),
    )


def _dsse_v2(spec: Any, envelope: Envelope) -> tuple[bool, bytes, bytes]:
    signature = _only(_at(spec, "dsseV002", "signatures"))
    return (
        _is_digest_v2(_at(spec, "dsseV002", "payloadHash"), envelope.payload),
        decode_base64(_text(_at(signature, "content")), "the logged signature"),
        _verifier_v2(_at(signature, "verifier")),
    )


def _hashedrekord_v2(spec: Any, envelope: Envelope) -> tuple[bool, bytes, bytes]:
    signature = _at(spec, "hashedRekordV002", "signature")
    return (
        _is_digest_v2(_at(spec, "hashedRekordV002", "data"), envelope.signed),
        decode_base64(_text(_at(signature, "content")), "the logged signature"),
        _verifier_v2(_at(signature, "verifier")),
    )


_KINDS = {
    ("intoto", "0.0.2"): _intoto,
    ("dsse", "0.0.1"): _dsse,
    ("dsse", "0.0.2"): _dsse_v2,
    ("hashedrekord", "0.0.2"): _hashedrekord_v2,
}


def _is_digest(stated: Any, content: bytes) -> bool:
    stands = (_at(stated, "algorithm"), _at(stated, "value"))
    return stands == ("sha256", hashlib.sha256(content).hexdigest())


def _is_digest_v2(stated: Any, content: bytes) -> bool:
    names = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}
    algorithm = names.get(_text(_at(stated, "algorithm")))
    if algorithm is None:
        return False
    return (
        decode_base64(_text(_at(stated, "digest")), "the logged digest")
        == hashlib.new(algorithm, content).digest()
    )


def _verifier_v2(verifier: Any) -> bytes:
    certificate = _at(verifier, "x509Certificate", "rawBytes")
    key = _at(verifier, "publicKey", "rawBytes")
    return decode_base64(_text(certificate if certificate is not None else key), "the logged signer")


def _pem(value: Any) -> bytes:
    """The DER in a PEM file in base64."""
    text = decode_base64(_text(value), "the logged signer").decode("latin-1")
    match = _PEM.fullmatch(text)
    if match is None:
        raise Forged("the logged signer is neither a certificate nor a key")
    return decode_base64("".join(match[2].split()), "the logged signer")


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _only(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 1:
        raise Forged("the log entry has another number of signatures")
    return value[0]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Forged("the log entry is not in the format of its kind")
    return value
