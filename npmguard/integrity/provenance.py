"""Provenance: whether a tarball was built where its attestations say.

The answer of ``/-/npm/v1/attestations/<name>@<version>`` holds Sigstore bundles of in-toto statements: SLSA
provenance (https://slsa.dev/provenance, v0.2 and v1), signed under a certificate that Fulcio issued to the
build, and the registry's own publish attestation (https://github.com/npm/attestation), signed with a registry
key. ``npm audit signatures`` (``pacote/lib/registry.js``, sigstore-js) checks the same; beyond it, the log
entry must name the signer, and the statement the repository that the certificate names. Nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec

from npmguard.integrity.refusal import Forged, Refusal, Unjudged
from npmguard.integrity.repository import repository_key

if TYPE_CHECKING:
    from npmguard.integrity.bundle import Bundle
    from npmguard.integrity.certificate import Build
    from npmguard.integrity.signature import RegistryKey
    from npmguard.integrity.trust_root import TrustRoot

PUBLISH: Final = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
SLSA_0_2: Final = "https://slsa.dev/provenance/v0.2"
SLSA_1: Final = "https://slsa.dev/provenance/v1"
_SLSA: Final = "https://slsa.dev/provenance/"
_PAYLOAD: Final = "application/vnd.in-toto+json"
_STATEMENTS: Final = frozenset({"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"})
_MAX_ATTESTATIONS = 16
_MAX_SUBJECTS = 1024


class ProvenanceOutcome(StrEnum):
    """How a release's provenance stands; only `valid` speaks for it and only `invalid` against it."""

    VALID = "valid"
    INVALID = "invalid"  # an attestation contradicts itself, the bytes, or whom it names
    MISSING = "missing"  # the registry holds no provenance of it
    UNVERIFIABLE = "unverifiable"  # there is one, and it cannot be judged
    NOT_ASKED = "not-asked"  # offline, or the registry did not answer


@dataclass(frozen=True, slots=True)
class ProvenanceResult:
    """The outcome, with the build where it is `valid`, and why in half a sentence.

    ``repository`` is the source's URL, ``workflow`` the URI of the build's definition, ``builder`` that of the
    definition that signed, ``commit`` the source's digest: as the certificate has them, whom the identity
    provider vouched to, not as the build itself says.
    """

    outcome: ProvenanceOutcome
    repository: str | None = None
    workflow: str | None = None
    builder: str | None = None
    commit: str | None = None
    detail: str = ""


def verify_provenance(
    name: str,
    version: str,
    sha512: bytes,
    document: bytes,
    keys: Sequence[RegistryKey],
    root: TrustRoot,
) -> ProvenanceResult:
    """Verify every attestation of one release.

    One that is contradicted makes the release `invalid`, whatever the others say; else one that cannot be
    judged makes it `unverifiable`, but for the registry's publish attestation where no registry keys are given.

    Args:
        name: the package's name.
        version: its version.
        sha512: the digest of the tarball's bytes.
        document: the registry's answer.
        keys: the registry's signing keys; empty where it has none, or could not be asked for them.
        root: whom to believe.
    """
    try:
        listed = _ANSWER.decode(document).attestations
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ProvenanceResult(
            ProvenanceOutcome.UNVERIFIABLE, detail="the registry's answer has another format"
        )
    if len(listed) > _MAX_ATTESTATIONS:
        detail = f"the registry holds {len(listed)} attestations of it, over {_MAX_ATTESTATIONS}"
        return ProvenanceResult(ProvenanceOutcome.UNVERIFIABLE, detail=detail)
    release = _Release(name, version, sha512)
    builds: list[Build] = []
    refused: list[tuple[str, Refusal]] = []
    for item in listed:
        kind = item.get("predicateType") if isinstance(item, dict) else None
        kind = kind if isinstance(kind, str) else ""
        try:
            build = _verify_attestation(item, kind, release, keys, root)
        except Refusal as refusal:
            refused.append((kind, refusal))
        else:
            if build is not None:
                builds.append(build)
    for kind, why in refused:
        if isinstance(why, Forged):
            return ProvenanceResult(ProvenanceOutcome.INVALID, detail=f"{_called(kind)}: {why}")
    if not keys:
        refused = [(kind, why) for kind, why in refused if kind != PUBLISH]
    if refused:
        kind, why = refused[0]
        return ProvenanceResult(ProvenanceOutcome.UNVERIFIABLE, detail=f"{_called(kind)}: {why}")
    if builds:
        build = builds[0]
        return ProvenanceResult(
            ProvenanceOutcome.VALID,
            repository=build.repository,
            workflow=build.workflow,
            builder=build.builder,
            commit=build.commit,
            detail=f"built in {build.repository}",
        )
    return ProvenanceResult(ProvenanceOutcome.MISSING, detail="the registry holds no provenance of it")


# --- one attestation -------------------------------------------------------------------------------------


class _Answer(msgspec.Struct):
    attestations: list[Any]


_ANSWER = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class _Release:
    name: str
    version: str
    sha512: bytes


def _called(kind: str) -> str:
    if kind == PUBLISH:
        return "the registry's publish attestation"
    return "the provenance" if kind.startswith(_SLSA) else f"an attestation of the type {kind[:80]!r}"


def _verify_attestation(
    item: Any, kind: str, release: _Release, keys: Sequence[RegistryKey], root: TrustRoot
) -> Build | None:
    """Verify it whole; the build that it vouches for, where it is provenance."""
    from npmguard.integrity.bundle import parse_bundle  # noqa: PLC0415 - a warm scan verifies nothing anew
    from npmguard.integrity.dsse import verify_envelope  # noqa: PLC0415
    from npmguard.integrity.rekor import verify_entry  # noqa: PLC0415
    from npmguard.integrity.timestamp import verify_timestamp  # noqa: PLC0415

    bundle = parse_bundle(item.get("bundle") if isinstance(item, dict) else None)
    envelope = bundle.envelope
    key = None if bundle.certificate is not None else _registry_key(bundle, keys)
    signer = bundle.certificate if key is None else key.der
    assert signer is not None  # a bundle has the one or the other
    logged = [verify_entry(entry, envelope, signer, root) for entry in bundle.entries]
    times = [when for when in logged if when is not None]
    unknown = Unjudged("no source of time that is believed says when it was signed")
    for response in bundle.timestamps:
        try:
            times.append(verify_timestamp(response, envelope.signature, root))
        except Unjudged as refusal:  # another authority's stamp takes nothing from what the log says
            unknown = refusal
    if not times:
        raise unknown
    if key is None:
        from npmguard.integrity.certificate import verify_certificate  # noqa: PLC0415

        certificate = verify_certificate(signer, bundle.further, times, root)
        verify_envelope(envelope, certificate.key)
        build = certificate.build
    else:
        verify_envelope(envelope, _usable(key, times))
        build = None
    if envelope.payload_type != _PAYLOAD:
        raise Unjudged("what it signs is no in-toto statement")
    predicate = _verify_statement(envelope.payload, kind, release)
    if kind == PUBLISH:
        if (predicate.get("name"), predicate.get("version")) != (release.name, release.version):
            raise Forged("it is about another package or version")
        return None
    if not kind.startswith(_SLSA):
        return None
    if build is None:
        raise Unjudged("it is signed by nobody's build: its certificate names no repository")
    _compare_claims(kind, predicate, build)
    return build


def _registry_key(bundle: Bundle, keys: Sequence[RegistryKey]) -> RegistryKey:
    keyid = bundle.key_hint or bundle.envelope.keyid
    if bundle.envelope.keyid not in {"", keyid}:
        raise Forged("envelope and bundle name different keys")
    key = next((key for key in keys if key.keyid == keyid), None)
    if key is None or not keyid:
        raise Unjudged(f"it is signed with the key {keyid[:80]!r}, which the registry does not publish")
    if key.problem is not None:
        raise Unjudged(f"the registry's key {keyid[:80]!r} {key.problem}")
    return key


def _usable(key: RegistryKey, times: Sequence[datetime]) -> Any:
    if any(key.has_expired(when) for when in times):
        raise Unjudged(f"the registry's key {key.keyid[:80]!r} had expired when it was signed")
    try:
        return key.public_key
    except ValueError as error:
        raise Unjudged(f"the registry's key {key.keyid[:80]!r} {error}") from None


# --- what it states --------------------------------------------------------------------------------------


def _verify_statement(payload: bytes, kind: str, release: _Release) -> dict[str, Any]:
    """Check that the statement is about the release's very bytes; its predicate."""
    try:
        statement = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Forged("the statement is not JSON") from None
    if not isinstance(statement, dict) or str(statement.get("_type")) not in _STATEMENTS:
        raise Unjudged("the statement is not of a version that is known here")
    if statement.get("predicateType") != kind:
        raise Forged("the statement is of another type than the registry says")
    subjects, predicate = statement.get("subject"), statement.get("predicate")
    if not isinstance(subjects, list) or not isinstance(predicate, dict):
        raise Unjudged("the statement is not in the format of its version")
    purl = f"pkg:npm/{release.name}@{release.version}"
    named = [
        subject
        for subject in subjects[:_MAX_SUBJECTS]
        if isinstance(subject, dict) and _plain_purl(subject.get("name")) == purl
    ]
    if not named:
        raise Forged("the statement is about another package or version")
    for subject in named:
        digest = subject.get("digest")
        stated = digest.get("sha512") if isinstance(digest, dict) else None
        if stated != release.sha512.hex():
            raise Forged("the statement is about other bytes than the tarball's")
    return predicate


def _plain_purl(name: Any) -> str | None:
    """A package URL with its escapes undone: registries write a scope's ``@`` as ``%40``."""
    return unquote(name) if isinstance(name, str) else None


def _compare_claims(kind: str, predicate: dict[str, Any], build: Build) -> None:
    """Hold what the build says of its source against what the certificate says."""
    claimed: Any = None
    if kind == SLSA_0_2:
        claimed = _at(predicate, "invocation", "configSource", "uri")
    elif kind == SLSA_1:
        claimed = _at(predicate, "buildDefinition", "externalParameters", "workflow", "repository")
    stated = repository_key(claimed) if isinstance(claimed, str) else None
    if stated is not None and stated != repository_key(build.repository):
        raise Forged("the statement names another repository than the certificate that signs it")


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
