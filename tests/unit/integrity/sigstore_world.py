"""A Sigstore of its own for the tests: authorities, logs and a time stamper whose keys are at hand.

What it makes follows the specifications that the public one follows, so that a verifier can tell them apart by
the trust root alone.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from npmguard.integrity.trust_root import TrustRoot, parse_trust_root

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REPOSITORY = "https://github.com/example/left-pad"
WORKFLOW = f"{REPOSITORY}/.github/workflows/publish.yml@refs/tags/v1.0.0"
SHA512 = hashlib.sha512(b"a tarball").digest()
PUBLISH = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
SLSA_1 = "https://slsa.dev/provenance/v1"
SLSA_0_2 = "https://slsa.dev/provenance/v0.2"
_FULCIO = "1.3.6.1.4.1.57264.1."
_SCTS = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")

Signer = ec.EllipticCurvePrivateKey
LogSigner = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def text(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def new_key(curve: ec.EllipticCurve | None = None) -> Signer:
    return ec.generate_private_key(curve or ec.SECP256R1())


def spki(key: LogSigner) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def sign(key: LogSigner, data: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    algorithm = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384()}[key.curve.name]
    return key.sign(data, ec.ECDSA(algorithm))


@dataclass
class Log:
    """A transparency log of four entries, the third of which is the one that counts."""

    url: str
    key: LogSigner
    id: bytes = b""

    def __post_init__(self) -> None:
        if not self.id:
            self.id = hashlib.sha256(spki(self.key)).digest()

    def listed(self, **period: str) -> dict[str, Any]:
        return {
            "baseUrl": self.url,
            "publicKey": {
                "rawBytes": text(spki(self.key)),
                "validFor": period or {"start": "2020-01-01T00:00:00Z"},
            },
            "logId": {"keyId": text(self.id)},
        }

    def promise(self, body: bytes, integrated: int, index: int = 2) -> dict[str, Any]:
        canonical = (
            f'{{"body":"{text(body)}","integratedTime":{integrated},'
            f'"logID":"{self.id.hex()}","logIndex":{index}}}'
        )
        return {"signedEntryTimestamp": text(sign(self.key, canonical.encode()))}

    def proof(self, body: bytes) -> dict[str, Any]:
        """A tree of the leaves ``0 1 [body] 3``; the proof is the sibling, then the other half."""
        leaves = [hashlib.sha256(b"\0" + leaf).digest() for leaf in (b"0", b"1", body, b"3")]
        left, right = (hashlib.sha256(b"\1" + leaves[i] + leaves[i + 1]).digest() for i in (0, 2))
        root = hashlib.sha256(b"\1" + left + right).digest()
        name = self.url.removeprefix("https://")
        note = f"{name}\n4\n{text(root)}\n"
        signature = text(self.id[:4] + sign(self.key, note.encode()))
        witness = text(b"wit!" + bytes(64))
        return {
            "logIndex": "2",
            "treeSize": "4",
            "rootHash": text(root),
            "hashes": [text(leaves[3]), text(left)],
            "checkpoint": {
                "envelope": f"{note}\n\u2014 witness.example {witness}\n\u2014 {name} {signature}\n"
            },
        }


@dataclass
class Authority:
    """A root and an intermediate that issues."""

    root_key: Signer = field(default_factory=new_key)
    key: Signer = field(default_factory=new_key)
    leaf_usage: ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING

    def __post_init__(self) -> None:
        start, end = NOW - timedelta(days=1000), NOW + timedelta(days=1000)
        name = _name("authority")
        self.root = _certificate(name, name, self.root_key, self.root_key, start, end, _authority_extensions(1))
        self.certificate = _certificate(
            _name("intermediate"), name, self.key, self.root_key, start, end, _authority_extensions(0)
        )

    def listed(self, *leaf: x509.Certificate, **period: str) -> dict[str, Any]:
        chain = [*leaf, self.certificate, self.root]
        return {
            "certChain": {"certificates": [{"rawBytes": text(it.public_bytes(Encoding.DER))} for it in chain]},
            "validFor": period or {"start": "2020-01-01T00:00:00Z"},
        }


def fulcio_extensions(repository: str = REPOSITORY, workflow: str = WORKFLOW) -> dict[str, bytes]:
    """The claims of an identity provider, by the last number of their identifiers."""
    return {
        "1": b"https://token.actions.githubusercontent.com",
        "8": der_text("https://token.actions.githubusercontent.com"),
        "9": der_text(workflow),
        "12": der_text(repository),
        "13": der_text("0" * 40),
        "18": der_text(workflow),
    }


@dataclass
class World:
    """All of it; ``root`` is the trust root that believes it."""

    fulcio: Authority = field(default_factory=Authority)
    stamper: Authority = field(default_factory=Authority)
    ct: Log = field(default_factory=lambda: Log("https://ct.example", new_key()))
    rekor: Log = field(default_factory=lambda: Log("https://rekor.example", new_key()))
    rekor_v2: Log = field(
        default_factory=lambda: Log("https://log2026.rekor.example", ed25519.Ed25519PrivateKey.generate())
    )

    def __post_init__(self) -> None:
        self.stamper_key = new_key()
        self.stamper_certificate = _certificate(
            _name("time stamps"),
            _name("intermediate"),
            self.stamper_key,
            self.stamper.key,
            NOW - timedelta(days=900),
            NOW + timedelta(days=900),
            [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True), *_leaf_extensions()],
        )

    @property
    def document(self) -> dict[str, Any]:
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [self.rekor.listed(), self.rekor_v2.listed()],
            "ctlogs": [self.ct.listed()],
            "certificateAuthorities": [self.fulcio.listed()],
            "timestampAuthorities": [self.stamper.listed(self.stamper_certificate)],
        }

    @property
    def root(self) -> TrustRoot:
        return parse_trust_root(json.dumps(self.document).encode())

    def certificate(
        self,
        key: Signer,
        *,
        claims: Mapping[str, bytes] | None = None,
        start: datetime = NOW,
        usage: ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
        signature_usage: bool = True,
        authority: Authority | None = None,
        identity: str = WORKFLOW,
        logs: Sequence[Log] | None = None,
    ) -> bytes:
        """What Fulcio would issue to a build, with the timestamp of the certificate log inside."""
        issuer = authority or self.fulcio
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (_key_usage(digital_signature=signature_usage), True),
            (x509.ExtendedKeyUsage([usage]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False),
            (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), True),
        ]
        for number, value in (fulcio_extensions() if claims is None else claims).items():
            extensions.append((x509.UnrecognizedExtension(ObjectIdentifier(_FULCIO + number), value), False))
        fields = (x509.Name([]), _name("intermediate"), key, issuer.key, start, start + timedelta(minutes=10))
        before = _certificate(*fields, extensions, serial=7)
        listed = [self._sct(log, before, issuer, start) for log in ((self.ct,) if logs is None else logs)]
        content = b"".join(len(sct).to_bytes(2, "big") + sct for sct in listed)
        value = der(0x04, len(content).to_bytes(2, "big") + content)
        extensions.append((x509.UnrecognizedExtension(_SCTS, value), False))
        return _certificate(*fields, extensions, serial=7).public_bytes(Encoding.DER)

    def _sct(self, log: Log, certificate: x509.Certificate, issuer: Authority, when: datetime) -> bytes:
        stamp = int(when.timestamp() * 1000).to_bytes(8, "big")
        content = certificate.tbs_certificate_bytes
        signed = (
            b"\0\0" + stamp + b"\0\1" + hashlib.sha256(spki(issuer.key)).digest()
            + len(content).to_bytes(3, "big") + content + b"\0\0"
        )  # fmt: skip
        signature = sign(log.key, signed)
        return b"\0" + log.id + stamp + b"\0\0" + b"\4\3" + len(signature).to_bytes(2, "big") + signature

    def timestamp(self, signature: bytes, when: datetime = NOW) -> bytes:
        """An RFC 3161 response of the time stamper."""
        return timestamp_response(signature, when, self.stamper_certificate, self.stamper_key)


# --- bundles ---------------------------------------------------------------------------------------------


def statement(
    kind: str = SLSA_1,
    *,
    name: str = "pkg:npm/left-pad@1.0.0",
    sha512: str = SHA512.hex(),
    predicate: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    usual: dict[str, dict[str, Any]] = {
        SLSA_1: {"buildDefinition": {"externalParameters": {"workflow": {"repository": REPOSITORY}}}},
        SLSA_0_2: {"invocation": {"configSource": {"uri": f"git+{REPOSITORY}@refs/tags/v1.0.0"}}},
        PUBLISH: {"name": "left-pad", "version": "1.0.0", "registry": "https://registry.example"},
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha512": sha512}}],
        "predicateType": kind,
        "predicate": usual.get(kind, {}) if predicate is None else predicate,
    }


@dataclass
class Signed:
    """An envelope that was signed, and by what: a certificate, or the key of a registry."""

    payload: bytes
    signature: bytes
    certificate: bytes | None
    key: Signer
    keyid: str = ""

    @classmethod
    def by_build(
        cls, world: World, stated: Mapping[str, Any], key: Signer | None = None, **issued: Any
    ) -> Signed:
        key = key or new_key()
        payload = json.dumps(stated).encode()
        return cls(payload, sign(key, pae(payload)), world.certificate(key, **issued), key)

    @classmethod
    def by_registry(cls, stated: Mapping[str, Any], key: Signer, keyid: str) -> Signed:
        payload = json.dumps(stated).encode()
        return cls(payload, sign(key, pae(payload)), None, key, keyid)

    @property
    def pem(self) -> str:
        label, der_bytes = (
            ("CERTIFICATE", self.certificate) if self.certificate else ("PUBLIC KEY", spki(self.key))
        )
        return text(f"-----BEGIN {label}-----\n{text(der_bytes)}\n-----END {label}-----\n".encode())

    @property
    def verifier(self) -> dict[str, Any]:
        if self.certificate is not None:
            return {"x509Certificate": {"rawBytes": text(self.certificate)}}
        return {"publicKey": {"rawBytes": text(spki(self.key))}}

    def body(self, kind: str, version: str) -> bytes:
        """What Rekor writes down of it."""
        digest: dict[str, Any] = {"algorithm": "sha256", "value": hashlib.sha256(self.payload).hexdigest()}
        digest_v2 = {"algorithm": "SHA2_256", "digest": text(hashlib.sha256(self.payload).digest())}
        pae_v2 = {"algorithm": "SHA2_256", "digest": text(hashlib.sha256(pae(self.payload)).digest())}
        twice = text(text(self.signature).encode())
        logged_v2 = {"content": text(self.signature), "verifier": self.verifier}
        spec: dict[tuple[str, str], Any] = {
            ("intoto", "0.0.2"): {
                "content": {
                    "envelope": {"signatures": [{"publicKey": self.pem, "sig": twice}]},
                    "payloadHash": digest,
                }
            },
            ("dsse", "0.0.1"): {
                "payloadHash": digest,
                "signatures": [{"signature": text(self.signature), "verifier": self.pem}],
            },
            ("dsse", "0.0.2"): {"dsseV002": {"payloadHash": digest_v2, "signatures": [logged_v2]}},
            ("hashedrekord", "0.0.2"): {"hashedRekordV002": {"data": pae_v2, "signature": logged_v2}},
        }
        value = {"apiVersion": version, "kind": kind, "spec": spec.get((kind, version), {})}
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    def entry(
        self,
        log: Log,
        kind: str = "dsse",
        version: str = "0.0.1",
        *,
        integrated: datetime | None = NOW + timedelta(seconds=5),
        proven: bool = True,
    ) -> dict[str, Any]:
        body = self.body(kind, version)
        entry: dict[str, Any] = {
            "logIndex": "2",
            "logId": {"keyId": text(log.id)},
            "kindVersion": {"kind": kind, "version": version},
            "canonicalizedBody": text(body),
        }
        if integrated is not None:
            seconds = int(integrated.timestamp())
            entry |= {"integratedTime": str(seconds), "inclusionPromise": log.promise(body, seconds)}
        if proven:
            entry["inclusionProof"] = log.proof(body)
        return entry

    def bundle(
        self, *entries: Mapping[str, Any], version: str = "0.3", timestamps: Sequence[bytes] = ()
    ) -> dict[str, Any]:
        material: dict[str, Any] = {
            "tlogEntries": list(entries),
            "timestampVerificationData": {
                "rfc3161Timestamps": [{"signedTimestamp": text(stamp)} for stamp in timestamps]
            },
        }
        if self.certificate is None:
            material["publicKey"] = {"hint": self.keyid}
        elif version == "0.3":
            material["certificate"] = {"rawBytes": text(self.certificate)}
        else:
            material["x509CertificateChain"] = {"certificates": [{"rawBytes": text(self.certificate)}]}
        signature = {"sig": text(self.signature), "keyid": self.keyid}
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"
            if version == "0.3"
            else f"application/vnd.dev.sigstore.bundle+json;version={version}",
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": text(self.payload),
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [signature],
            },
        }


def pae(payload: bytes) -> bytes:
    kind = b"application/vnd.in-toto+json"
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


# --- DER -------------------------------------------------------------------------------------------------


def der(tag: int, *content: bytes) -> bytes:
    body = b"".join(content)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def der_text(value: str) -> bytes:
    return der(0x0C, value.encode())


def _oid(dotted: str) -> bytes:
    first, second, *others = map(int, dotted.split("."))
    encoded = bytearray((first * 40 + second,))
    for number in others:
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(0x80 | (number & 0x7F))
        encoded += bytes(reversed(groups))
    return der(0x06, bytes(encoded))


def timestamp_response(signature: bytes, when: datetime, certificate: x509.Certificate, key: Signer) -> bytes:
    """RFC 3161, section 2.4.2: a TSTInfo in a SignedData (RFC 5652) with the signer's certificate."""
    sha256 = der(0x30, _oid("2.16.840.1.101.3.4.2.1"))
    info = der(
        0x30,
        der(0x02, b"\1"),
        _oid("1.3.6.1.4.1.57264.2"),
        der(0x30, sha256, der(0x04, hashlib.sha256(signature).digest())),
        der(0x02, b"\1"),
        der(0x18, when.strftime("%Y%m%d%H%M%SZ").encode()),
    )
    encoded = certificate.public_bytes(Encoding.DER)
    identifier = der(0x30, der(0x30, der(0x30, der(0x04, hashlib.sha256(encoded).digest()))))
    attributes = sorted(
        der(0x30, _oid(dotted), der(0x31, value))
        for dotted, value in (
            ("1.2.840.113549.1.9.3", _oid("1.2.840.113549.1.9.16.1.4")),
            ("1.2.840.113549.1.9.4", der(0x04, hashlib.sha256(info).digest())),
            ("1.2.840.113549.1.9.16.2.47", identifier),
        )
    )
    serial = certificate.serial_number
    signer = der(
        0x30,
        der(0x02, b"\1"),
        der(
            0x30,
            certificate.issuer.public_bytes(),
            der(0x02, serial.to_bytes(serial.bit_length() // 8 + 1, "big")),
        ),
        sha256,
        der(0xA0, *attributes),
        der(0x30, _oid("1.2.840.10045.4.3.2")),
        der(0x04, sign(key, der(0x31, *attributes))),
    )
    signed = der(
        0x30,
        der(0x02, b"\3"),
        der(0x31, sha256),
        der(0x30, _oid("1.2.840.113549.1.9.16.1.4"), der(0xA0, der(0x04, info))),
        der(0xA0, encoded),
        der(0x31, signer),
    )
    return der(0x30, der(0x30, der(0x02, b"\0")), der(0x30, _oid("1.2.840.113549.1.7.2"), der(0xA0, signed)))


# --- certificates ----------------------------------------------------------------------------------------


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _key_usage(*, digital_signature: bool = False, authority: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=not digital_signature and not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_extensions(path_length: int) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (_key_usage(authority=True), True),
    ]


def _leaf_extensions() -> list[tuple[x509.ExtensionType, bool]]:
    return [(_key_usage(digital_signature=True), True)]


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: Signer,
    signer: Signer,
    start: datetime,
    end: datetime,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    serial: int | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not any(isinstance(extension, x509.AuthorityKeyIdentifier) for extension, _ in extensions):
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(identifier, critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())
