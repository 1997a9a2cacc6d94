from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from npmguard.integrity.provenance import (
    ProvenanceOutcome,
    ProvenanceResult,
    _Release,
    _verify_statement,
    verify_provenance,
)
from npmguard.integrity.refusal import Unjudged
from npmguard.integrity.signature import RegistryKey, parse_keys
from npmguard.integrity.trust_root import TrustRoot, parse_trust_root, shipped_trust_root
from tests.unit.integrity.sigstore_world import (
    NOW,
    PUBLISH,
    REPOSITORY,
    SHA512,
    SLSA_0_2,
    SLSA_1,
    Authority,
    Log,
    Signed,
    World,
    der_text,
    fulcio_extensions,
    new_key,
    pae,
    sign,
    spki,
    statement,
    text,
)

VALID, INVALID = ProvenanceOutcome.VALID, ProvenanceOutcome.INVALID
MISSING, UNVERIFIABLE = ProvenanceOutcome.MISSING, ProvenanceOutcome.UNVERIFIABLE
VECTORS = Path(__file__).parents[3] / "fixtures/vectors"
REAL_KEYS = parse_keys((VECTORS / "registry-signatures.json").read_bytes())
GUNDAM = bytes.fromhex(
    "8d9d7972f676516c75014aa074e11ae604d98f0b64ec6725a61e2838ff3dab16"
    "2118fa71433fb31e1550d30bd0dec9d086ce032b94457b583900c507acf39c40"
)
RELEASES = {
    "valid.v0.2": ("gundam-visor", "1.0.1"),
    "valid.v0.1": ("@laurentsimon/provenance-npm-test", "1.0.5"),
    "valid-sigstore-1.0.0.v0.1": ("sigstore", "1.0.0"),
    "invalid-provenance-signature.v0.2": ("gundam-visor", "1.0.1"),
    "invalid-publish-signature.v0.2": ("gundam-visor", "1.0.1"),
}
GENUINE = [name for name in RELEASES if name.startswith("valid")]


def real(file: str) -> Any:
    return json.loads((VECTORS / f"attestations/{file}.json").read_bytes())


def digest_of(document: Any) -> bytes:
    payload = json.loads(base64.b64decode(document["attestations"][0]["bundle"]["dsseEnvelope"]["payload"]))
    return bytes.fromhex(payload["subject"][0]["digest"]["sha512"])


def judge_real(
    document: Any, release: tuple[str, str], sha512: bytes, keys: tuple[RegistryKey, ...] = REAL_KEYS
) -> ProvenanceResult:
    return verify_provenance(*release, sha512, json.dumps(document).encode(), keys, shipped_trust_root())


# --- real releases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "repository", "commit"),
    [
        ("valid.v0.2", "ramonpetgrave64/gundam-visor", "599500821344b070902a7a5666064bfdaba715df"),
        ("valid.v0.1", "laurentsimon/provenance-npm-test", "34490b44db557f009617bcb92b8780f972c189ab"),
        ("valid-sigstore-1.0.0.v0.1", "sigstore/sigstore-js", "06528997c3c8ab9f864fad9a3658446aca7fd86d"),
    ],
)
def test_real_releases_were_built_where_they_say(file: str, repository: str, commit: str) -> None:
    document = real(file)
    result = judge_real(document, RELEASES[file], digest_of(document))
    assert result.outcome is VALID
    assert (result.repository, result.commit) == (f"https://github.com/{repository}", commit)
    assert result.workflow is not None
    assert result.workflow.startswith(f"https://github.com/{repository}/.github/workflows/")


def test_a_reusable_workflow_is_told_as_the_builder() -> None:
    document = real("valid.v0.1")
    result = judge_real(document, RELEASES["valid.v0.1"], digest_of(document))
    assert result.builder is not None
    assert result.builder.startswith("https://github.com/slsa-framework/slsa-github-generator/")


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("invalid-provenance-signature.v0.2", "the provenance"),
        ("invalid-publish-signature.v0.2", "publish attestation"),
    ],
)
def test_a_payload_that_was_changed_after_it_was_signed_is_invalid(file: str, says: str) -> None:
    result = judge_real(real(file), RELEASES[file], GUNDAM)
    assert result.outcome is INVALID
    assert says in result.detail


@pytest.mark.parametrize("file", GENUINE)
@pytest.mark.parametrize(
    "change",
    [
        lambda name, version, sha512: ((f"{name}x", version), sha512),
        lambda name, version, sha512: ((name, f"{version}1"), sha512),
        lambda name, version, sha512: ((name, version), bytes((sha512[0] ^ 1,)) + sha512[1:]),
    ],
    ids=["name", "version", "bytes"],
)
def test_real_provenance_speaks_for_nothing_else(file: str, change: Callable[..., Any]) -> None:
    document = real(file)
    release, sha512 = change(*RELEASES[file], digest_of(document))
    assert judge_real(document, release, sha512).outcome is INVALID


@pytest.mark.parametrize("file", GENUINE)
def test_provenance_stands_without_the_registrys_keys(file: str) -> None:
    document = real(file)
    assert judge_real(document, RELEASES[file], digest_of(document), ()).outcome is VALID


def test_a_publish_attestation_by_a_key_that_the_registry_does_not_publish_is_not_let_be() -> None:
    document = real("valid.v0.2")
    result = judge_real(document, RELEASES["valid.v0.2"], GUNDAM, REAL_KEYS[1:])
    assert result.outcome is UNVERIFIABLE
    assert "does not publish" in result.detail


def test_a_publish_attestation_alone_is_no_provenance() -> None:
    document = real("valid.v0.2")
    document["attestations"] = [it for it in document["attestations"] if it["predicateType"] == PUBLISH]
    assert judge_real(document, RELEASES["valid.v0.2"], GUNDAM).outcome is MISSING


def base64_places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of a document that hold bytes."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from base64_places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from base64_places(item, (*path, index))
    elif (isinstance(value, str) and path[-1] in BYTES) or path[-2:-1] == ("hashes",):
        yield path


BYTES = {"payload", "sig", "rawBytes", "signedEntryTimestamp", "rootHash", "canonicalizedBody", "keyId"}


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


@pytest.mark.parametrize("file", GENUINE)
def test_no_flipped_byte_of_what_is_signed_stays_valid(file: str) -> None:
    document = real(file)
    sha512 = digest_of(document)
    places = list(base64_places(document))
    assert {path[-1] for path in places} >= {"payload", "sig", "rawBytes", "signedEntryTimestamp"}
    for path in places:
        content = base64.b64decode(at(document, path))
        # every byte of the short ones; of certificates, payloads and log entries a sample, and both ends
        step = 1 if len(content) < 128 else len(content) // 40
        for index in {*range(0, len(content), step), len(content) - 1}:
            flipped = bytearray(content)
            flipped[index] ^= 1 << (index % 8)
            changed = copy.deepcopy(document)
            at(changed, path[:-1])[path[-1]] = text(bytes(flipped))
            assert judge_real(changed, RELEASES[file], sha512).outcome is not VALID, (path, index)


@pytest.mark.parametrize("file", GENUINE)
def test_no_changed_number_or_note_of_the_log_stays_valid(file: str) -> None:
    document = real(file)
    sha512 = digest_of(document)
    for number in range(len(document["attestations"])):
        entry = ("attestations", number, "bundle", "verificationMaterial", "tlogEntries", 0)
        paths: list[tuple[Any, ...]] = [(*entry, "logIndex"), (*entry, "integratedTime")]
        if at(document, entry).get("inclusionProof"):
            proof = (*entry, "inclusionProof")
            paths += [(*proof, "logIndex"), (*proof, "treeSize"), (*proof, "checkpoint", "envelope")]
        for path in paths:
            value = at(document, path)
            for index in range(len(value)):
                if value[index].isspace() and index >= len(value) - 1:
                    continue  # the end of the last line of a note
                changed = copy.deepcopy(document)
                other = "1" if value[index] != "1" else "2"
                at(changed, path[:-1])[path[-1]] = value[:index] + other + value[index + 1 :]
                assert judge_real(changed, RELEASES[file], sha512).outcome is not VALID, (path, index)


@pytest.mark.parametrize("file", GENUINE)
@pytest.mark.parametrize("spelling", [lambda it: it.rstrip("="), lambda it: f"{it}\n", lambda it: f"{it}===="])
def test_base64_has_one_spelling(file: str, spelling: Callable[[str], str]) -> None:
    document = real(file)
    envelope = document["attestations"][0]["bundle"]["dsseEnvelope"]
    envelope["payload"] = spelling(envelope["payload"] if envelope["payload"].endswith("=") else "YQ==")
    assert judge_real(document, RELEASES[file], digest_of(real(file))).outcome is INVALID


# --- a world of our own ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def judge(
    world: World,
    *bundles: dict[str, Any],
    kind: str = SLSA_1,
    keys: tuple[RegistryKey, ...] = (),
    root: TrustRoot | None = None,
) -> ProvenanceResult:
    document = {"attestations": [{"predicateType": kind, "bundle": bundle} for bundle in bundles]}
    answer = json.dumps(document).encode()
    return verify_provenance("left-pad", "1.0.0", SHA512, answer, keys, root or world.root)


KINDS = [("dsse", "0.0.1"), ("intoto", "0.0.2")]
KINDS_V2 = [("dsse", "0.0.2"), ("hashedrekord", "0.0.2")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3"])
def test_entries_of_rekor_v1_are_verified_in_every_version_of_bundle(
    world: World, kind: tuple[str, str], version: str
) -> None:
    signed = Signed.by_build(world, statement())
    bundle = signed.bundle(signed.entry(world.rekor, *kind), version=version)
    result = judge(world, bundle)
    assert (result.outcome, result.repository) == (VALID, REPOSITORY)


@pytest.mark.parametrize("kind", KINDS_V2)
def test_entries_of_rekor_v2_take_their_time_from_a_time_stamper(world: World, kind: tuple[str, str]) -> None:
    signed = Signed.by_build(world, statement())
    entry = signed.entry(world.rekor_v2, *kind, integrated=None)
    assert judge(world, signed.bundle(entry, timestamps=[world.timestamp(signed.signature)])).outcome is VALID
    assert judge(world, signed.bundle(entry)).outcome is UNVERIFIABLE


@pytest.mark.parametrize("kind", KINDS + KINDS_V2)
def test_an_entry_about_another_envelope_is_invalid(world: World, kind: tuple[str, str]) -> None:
    key = new_key()
    mine = Signed.by_build(world, statement(), key)
    stamps = [world.timestamp(mine.signature)]
    others = [
        Signed.by_build(world, statement(sha512="00" * 64), key),  # another payload
        Signed(mine.payload, sign(key, pae(mine.payload)), mine.certificate, key),  # another signature
        Signed(mine.payload, mine.signature, world.certificate(new_key()), key),  # another signer
    ]
    for other in others:
        entry = other.entry(world.rekor, *kind)
        assert judge(world, mine.bundle(entry, timestamps=stamps)).outcome is INVALID
    assert judge(world, mine.bundle(mine.entry(world.rekor, *kind), timestamps=stamps)).outcome is VALID


def test_an_entry_that_calls_itself_something_else_is_invalid(world: World) -> None:
    signed = Signed.by_build(world, statement())
    entry = signed.entry(world.rekor, "dsse", "0.0.1")
    entry["kindVersion"] = {"kind": "intoto", "version": "0.0.2"}
    assert judge(world, signed.bundle(entry)).outcome is INVALID


def test_a_kind_of_entry_that_is_not_known_is_unverifiable(world: World) -> None:
    signed = Signed.by_build(world, statement())
    assert judge(world, signed.bundle(signed.entry(world.rekor, "cose", "0.0.1"))).outcome is UNVERIFIABLE


def test_every_entry_has_to_hold(world: World) -> None:
    signed, other = (Signed.by_build(world, statement(), sha) for sha in (new_key(), new_key()))
    good, bad = signed.entry(world.rekor), other.entry(world.rekor)
    assert judge(world, signed.bundle(good, good)).outcome is VALID
    assert judge(world, signed.bundle(good, bad)).outcome is INVALID
    assert judge(world, signed.bundle(*[good] * 9)).outcome is UNVERIFIABLE
    assert judge(world, signed.bundle()).outcome is UNVERIFIABLE


@pytest.mark.parametrize(("version", "drop"), [("0.1", "inclusionPromise"), ("0.2", "inclusionProof")])
def test_a_bundle_without_what_its_version_has_to_have_is_unverifiable(
    world: World, version: str, drop: str
) -> None:
    signed = Signed.by_build(world, statement())
    entry = signed.entry(world.rekor)
    del entry[drop]
    assert judge(world, signed.bundle(entry, version=version)).outcome is UNVERIFIABLE


def test_a_log_that_is_not_known_is_unverifiable(world: World) -> None:
    signed = Signed.by_build(world, statement())
    stranger = Log("https://other.example", new_key())
    assert judge(world, signed.bundle(signed.entry(stranger))).outcome is UNVERIFIABLE


def test_a_stranger_under_a_known_logs_id_is_invalid(world: World) -> None:
    signed = Signed.by_build(world, statement())
    for url in (world.rekor.url, "https://other.example"):
        forger = Log(url, new_key(), world.rekor.id)
        assert judge(world, signed.bundle(signed.entry(forger))).outcome is INVALID
        entry = signed.entry(world.rekor)
        entry["inclusionProof"] = signed.entry(forger)["inclusionProof"]
        assert judge(world, signed.bundle(entry)).outcome is INVALID


def test_a_log_counts_only_while_it_is_in_use(world: World) -> None:
    document = world.document
    document["tlogs"] = [world.rekor.listed(start="2020-01-01T00:00:00Z", end="2026-01-01T00:00:00Z")]
    signed = Signed.by_build(world, statement())
    root = parse_trust_root(json.dumps(document).encode())
    assert judge(world, signed.bundle(signed.entry(world.rekor)), root=root).outcome is INVALID


# --- certificates ----------------------------------------------------------------------------------------


def by(world: World, when: datetime = NOW + timedelta(seconds=5), **issued: Any) -> ProvenanceResult:
    signed = Signed.by_build(world, statement(), **issued)
    return judge(world, signed.bundle(signed.entry(world.rekor, integrated=when)))


@pytest.mark.parametrize(
    ("offset", "expected"), [(-1, INVALID), (0, VALID), (600, VALID), (601, INVALID), (86400, INVALID)]
)
def test_the_certificate_has_to_be_valid_when_it_signed(
    world: World, offset: int, expected: ProvenanceOutcome
) -> None:
    assert by(world, NOW + timedelta(seconds=offset)).outcome is expected


def test_an_authority_that_is_not_known_is_unverifiable(world: World) -> None:
    assert by(world, authority=Authority()).outcome is UNVERIFIABLE


def test_a_stranger_under_a_known_authoritys_key_id_is_invalid(world: World) -> None:
    forger = Authority()
    signed = Signed.by_build(world, statement(), authority=forger)
    assert signed.certificate is not None
    claimed = signed.certificate.replace(_key_id(forger), _key_id(world.fulcio))
    assert claimed != signed.certificate
    forged = Signed(signed.payload, signed.signature, claimed, signed.key)
    assert judge(world, forged.bundle(forged.entry(world.rekor))).outcome is INVALID


def _key_id(authority: Authority) -> bytes:
    from cryptography.x509 import SubjectKeyIdentifier

    return SubjectKeyIdentifier.from_public_key(authority.key.public_key()).digest


def test_an_authority_counts_only_while_it_is_in_use(world: World) -> None:
    document = world.document
    ended = world.fulcio.listed(start="2020-01-01T00:00:00Z", end="2026-01-01T00:00:00Z")
    document["certificateAuthorities"] = [ended]
    signed = Signed.by_build(world, statement())
    root = parse_trust_root(json.dumps(document).encode())
    assert judge(world, signed.bundle(signed.entry(world.rekor)), root=root).outcome is INVALID


@pytest.mark.parametrize(
    ("issued", "expected"),
    [
        ({"usage": ExtendedKeyUsageOID.CLIENT_AUTH}, INVALID),
        ({"signature_usage": False}, INVALID),
        ({"logs": ()}, UNVERIFIABLE),
        ({"logs": (Log("https://ct.example", new_key()),)}, UNVERIFIABLE),
        ({"claims": {}}, UNVERIFIABLE),
        ({"claims": {"1": b"https://accounts.example"}}, UNVERIFIABLE),
        ({"claims": {**fulcio_extensions(), "12": b"not DER"}}, INVALID),
        ({"claims": {**fulcio_extensions(), "12": b""}}, INVALID),
        ({"claims": {**fulcio_extensions(), "12": der_text(REPOSITORY) + b"!"}}, INVALID),
        ({"claims": {**fulcio_extensions(), "12": b"\x0c\x01\xff"}}, INVALID),
    ],
)
def test_certificates_that_fulcio_would_not_issue_to_a_build(
    world: World, issued: dict[str, Any], expected: ProvenanceOutcome
) -> None:
    assert by(world, **issued).outcome is expected


def test_a_forged_timestamp_of_the_certificate_log_is_invalid(world: World) -> None:
    assert by(world, logs=(Log(world.ct.url, new_key(), world.ct.id),)).outcome is INVALID


def test_old_certificates_name_their_repository_by_owner_and_name(world: World) -> None:
    claims = {"1": b"https://token.actions.githubusercontent.com", "5": b"example/left-pad", "3": b"f" * 40}
    result = by(world, claims=claims)
    assert (result.outcome, result.repository, result.commit) == (VALID, REPOSITORY, "f" * 40)


def test_certificates_that_came_along_have_to_be_known(world: World) -> None:
    signed = Signed.by_build(world, statement())
    for authority, expected in ((world.fulcio, VALID), (Authority(), UNVERIFIABLE)):
        bundle = signed.bundle(signed.entry(world.rekor), version="0.2")
        bundle["verificationMaterial"]["x509CertificateChain"]["certificates"] += authority.listed()[
            "certChain"
        ]["certificates"]
        assert judge(world, bundle).outcome is expected


@pytest.mark.parametrize("content", [b"", b"\x30", b"\x30\x03\x02\x01\x01", bytes(100), b"x" * 100_000])
def test_what_is_no_certificate_is_invalid(world: World, content: bytes) -> None:
    signed = Signed.by_build(world, statement())
    broken = Signed(signed.payload, signed.signature, content or None, signed.key)
    expected = INVALID if content else UNVERIFIABLE
    assert judge(world, broken.bundle(broken.entry(world.rekor))).outcome is expected


def test_other_curves_sign_with_their_own_hash(world: World) -> None:
    signed = Signed.by_build(world, statement(), new_key(ec.SECP384R1()))
    assert judge(world, signed.bundle(signed.entry(world.rekor))).outcome is VALID


# --- time stamps -----------------------------------------------------------------------------------------


def test_a_time_stamp_has_to_lie_within_the_certificates_validity(world: World) -> None:
    signed = Signed.by_build(world, statement())
    entry = signed.entry(world.rekor_v2, "hashedrekord", "0.0.2", integrated=None)
    for offset, expected in ((-1, INVALID), (1, VALID), (601, INVALID)):
        stamp = world.timestamp(signed.signature, NOW + timedelta(seconds=offset))
        assert judge(world, signed.bundle(entry, timestamps=[stamp])).outcome is expected


def test_a_time_stamp_of_something_else_is_invalid(world: World) -> None:
    signed = Signed.by_build(world, statement())
    stamp = world.timestamp(b"another signature")
    assert judge(world, signed.bundle(signed.entry(world.rekor), timestamps=[stamp])).outcome is INVALID


def test_no_flipped_byte_of_what_a_time_stamp_signs_stays_valid(world: World) -> None:
    signed = Signed.by_build(world, statement())
    entry = signed.entry(world.rekor_v2, "hashedrekord", "0.0.2", integrated=None)
    stamp, root = world.timestamp(signed.signature), world.root
    imprint = stamp.index(hashlib.sha256(signed.signature).digest())
    moment = stamp.index(NOW.strftime("%Y%m%d%H%M%SZ").encode())
    ranges = (range(imprint, imprint + 32), range(moment, moment + 15), range(len(stamp) - 60, len(stamp)))
    for index in (index for places in ranges for index in places):
        flipped = stamp[:index] + bytes((stamp[index] ^ 1,)) + stamp[index + 1 :]
        assert judge(world, signed.bundle(entry, timestamps=[flipped]), root=root).outcome is not VALID, index


@pytest.mark.parametrize("stamp", [b"", b"\x30", b"\x30\x00", bytes(100), b"\x30\x82\xff\xff"])
def test_what_is_no_time_stamp_is_invalid(world: World, stamp: bytes) -> None:
    signed = Signed.by_build(world, statement())
    assert judge(world, signed.bundle(signed.entry(world.rekor), timestamps=[stamp])).outcome is INVALID


@pytest.mark.parametrize("kind", [b"\x0c", b"\x16", b"\x1e"])
def test_odd_names_in_a_time_stamp_are_refused(world: World, kind: bytes) -> None:
    signed = Signed.by_build(world, statement())
    stamp = world.timestamp(signed.signature)
    place = stamp.rindex(b"\x0c\x0cintermediate")
    odd = stamp[:place] + bytes((kind[0] ^ 4,)) + stamp[place + 1 :]
    entry = signed.entry(world.rekor_v2, "hashedrekord", "0.0.2", integrated=None)
    assert judge(world, signed.bundle(entry, timestamps=[odd])).outcome is not VALID


def test_another_authoritys_time_stamp_takes_nothing_from_the_logs_word(world: World) -> None:
    signed = Signed.by_build(world, statement())
    foreign = World().timestamp(signed.signature)
    assert judge(world, signed.bundle(signed.entry(world.rekor), timestamps=[foreign])).outcome is VALID
    entry = signed.entry(world.rekor_v2, "dsse", "0.0.2", integrated=None)
    assert judge(world, signed.bundle(entry, timestamps=[foreign])).outcome is UNVERIFIABLE


# --- statements ------------------------------------------------------------------------------------------


def stated(world: World, kind: str, **changes: Any) -> ProvenanceResult:
    signed = Signed.by_build(world, {**statement(kind), **changes})
    return judge(world, signed.bundle(signed.entry(world.rekor)), kind=kind)


SUBJECT = statement()["subject"][0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, VALID),
        ({"_type": "https://in-toto.io/Statement/v0.1"}, VALID),
        ({"_type": "https://in-toto.io/Statement/v9"}, UNVERIFIABLE),
        ({"predicateType": SLSA_0_2}, INVALID),
        ({"predicate": None}, UNVERIFIABLE),
        ({"predicate": {}}, VALID),
        ({"subject": None}, UNVERIFIABLE),
        ({"subject": []}, INVALID),
        ({"subject": [None, 1, {}]}, INVALID),
        ({"subject": [{**SUBJECT, "name": "pkg:npm/left-pad@1.0.1"}]}, INVALID),
        ({"subject": [{**SUBJECT, "name": "pkg:npm/%6ceft-pad@1.0.0"}]}, VALID),
        ({"subject": [{**SUBJECT, "digest": {"sha512": SHA512.hex().upper()}}]}, INVALID),
        ({"subject": [{**SUBJECT, "digest": {"sha256": "00"}}]}, INVALID),
        ({"subject": [{**SUBJECT, "name": "pkg:npm/other@1.0.0"}, SUBJECT]}, VALID),
        ({"subject": [SUBJECT, {**SUBJECT, "digest": {"sha512": "00" * 64}}]}, INVALID),
    ],
)
def test_the_statement_has_to_be_about_these_bytes(
    world: World, changes: dict[str, Any], expected: ProvenanceOutcome
) -> None:
    assert stated(world, SLSA_1, **changes).outcome is expected


ELSEWHERE = "https://github.com/example/other"


@pytest.mark.parametrize(
    ("kind", "predicate", "expected"),
    [
        (SLSA_0_2, {"invocation": {"configSource": {"uri": f"git+{REPOSITORY}@refs/heads/main"}}}, VALID),
        (SLSA_0_2, {"invocation": {"configSource": {"uri": f"git+{ELSEWHERE}@refs/heads/main"}}}, INVALID),
        (SLSA_1, {"buildDefinition": {"externalParameters": {"workflow": {"repository": ELSEWHERE}}}}, INVALID),
        (SLSA_1, {"buildDefinition": {"externalParameters": {"pipeline": "x"}}}, VALID),
        (SLSA_1, {"buildDefinition": []}, VALID),
        ("https://slsa.dev/provenance/v2", {"anything": 1}, VALID),
    ],
)
def test_the_build_may_not_claim_another_source_than_its_certificate(
    world: World, kind: str, predicate: dict[str, Any], expected: ProvenanceOutcome
) -> None:
    assert stated(world, kind, predicate=predicate).outcome is expected


def test_other_attestations_have_to_hold_and_are_no_provenance(world: World) -> None:
    kind = "https://example.invalid/sbom"
    assert stated(world, kind).outcome is MISSING
    assert stated(world, kind, subject=[]).outcome is INVALID


def test_a_payload_of_another_type_is_unverifiable(world: World) -> None:
    key = new_key()
    payload = json.dumps(statement()).encode()
    other = b"DSSEv1 1 x %d %s" % (len(payload), payload)
    signed = Signed(payload, sign(key, other), world.certificate(key), key)
    bundle = signed.bundle(signed.entry(world.rekor))
    bundle["dsseEnvelope"]["payloadType"] = "x"
    assert judge(world, bundle).outcome is UNVERIFIABLE
    bundle["dsseEnvelope"]["payloadType"] = "application/vnd.in-toto+json"
    assert judge(world, bundle).outcome is INVALID


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"\xff", b"[" * 5000, b"1"])
def test_a_signed_payload_that_is_no_statement_is_not_valid(world: World, payload: bytes) -> None:
    key = new_key()
    signed = Signed(payload, sign(key, pae(payload)), world.certificate(key), key)
    assert judge(world, signed.bundle(signed.entry(world.rekor))).outcome in {INVALID, UNVERIFIABLE}


# --- publish attestations --------------------------------------------------------------------------------


def registry_key(key: ec.EllipticCurvePrivateKey, expires: datetime | None = None) -> RegistryKey:
    return RegistryKey("SHA256:test", spki(key), expires)


def published(
    world: World, *, keys: tuple[RegistryKey, ...], key: ec.EllipticCurvePrivateKey, **predicate: Any
) -> ProvenanceOutcome:
    stated = statement(PUBLISH)
    stated["predicate"] |= predicate
    signed = Signed.by_registry(stated, key, "SHA256:test")
    provenance = Signed.by_build(world, statement())
    document = {
        "attestations": [
            {"predicateType": PUBLISH, "bundle": signed.bundle(signed.entry(world.rekor, "intoto", "0.0.2"))},
            {"predicateType": SLSA_1, "bundle": provenance.bundle(provenance.entry(world.rekor))},
        ]
    }
    answer = json.dumps(document).encode()
    return verify_provenance("left-pad", "1.0.0", SHA512, answer, keys, world.root).outcome


def test_the_registrys_own_attestation_is_signed_with_its_key(world: World) -> None:
    key, other = new_key(), new_key()
    assert published(world, key=key, keys=(registry_key(key),)) is VALID
    assert published(world, key=other, keys=(registry_key(key),)) is INVALID
    assert published(world, key=key, keys=(registry_key(key),), version="1.0.1") is INVALID
    assert published(world, key=key, keys=(registry_key(key),), name="other") is INVALID


@pytest.mark.parametrize("offset", [-1, 0])
def test_a_key_that_had_expired_when_the_log_saw_it_is_unverifiable(world: World, offset: int) -> None:
    key = new_key()
    ended = registry_key(key, NOW + timedelta(seconds=5 + offset))
    assert published(world, key=key, keys=(ended,)) is UNVERIFIABLE
    assert published(world, key=key, keys=(registry_key(key, NOW + timedelta(seconds=6)),)) is VALID


def test_keys_that_cannot_be_used_are_unverifiable(world: World) -> None:
    key = new_key()
    damaged = RegistryKey("SHA256:test", b"", problem="is damaged")
    assert published(world, key=key, keys=(damaged,)) is UNVERIFIABLE


# --- the answer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [b"", b"<html>", b"[]", b"{}", b'{"attestations": 1}', b"[" * 100_000])
def test_what_is_no_list_of_attestations_is_unverifiable(world: World, document: bytes) -> None:
    result = verify_provenance("left-pad", "1.0.0", SHA512, document, (), world.root)
    assert result.outcome is UNVERIFIABLE


def test_an_empty_list_is_missing(world: World) -> None:
    assert judge(world).outcome is MISSING


@pytest.mark.parametrize(
    "bundle",
    [
        None,
        [],
        {},
        {"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.9"},
        {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"},
        {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": 1},
    ],
)
def test_a_bundle_of_another_format_is_unverifiable(world: World, bundle: Any) -> None:
    assert judge(world, bundle).outcome is UNVERIFIABLE


def test_a_flood_of_attestations_is_unverifiable(world: World) -> None:
    assert judge(world, *[{}] * 17).outcome is UNVERIFIABLE


@pytest.mark.parametrize("number", ["-1", "1e3", "9007199254740992", "9" * 30, "", " 2", "٣", -1, 2**60])
def test_numbers_out_of_range_are_invalid(world: World, number: object) -> None:
    signed = Signed.by_build(world, statement())
    for path in (("logIndex",), ("integratedTime",), ("inclusionProof", "treeSize")):
        entry = signed.entry(world.rekor)
        at(entry, path[:-1])[path[-1]] = number
        assert judge(world, signed.bundle(entry)).outcome is INVALID


def test_a_time_beyond_the_calendar_is_invalid(world: World) -> None:
    signed = Signed.by_build(world, statement())
    entry = signed.entry(world.rekor)
    body = base64.b64decode(entry["canonicalizedBody"])
    for seconds in (2**53 - 1, 253402300800):
        entry["integratedTime"] = str(seconds)
        entry["inclusionPromise"] = world.rekor.promise(body, seconds)
        assert judge(world, signed.bundle(entry)).outcome is INVALID


def test_the_outcome_does_not_depend_on_the_order_of_attestations(world: World) -> None:
    good = Signed.by_build(world, statement())
    bad = Signed.by_build(world, statement(sha512="00" * 64))
    bundles = [one.bundle(one.entry(world.rekor)) for one in (good, bad)]
    unknown = {"mediaType": "something else"}
    assert judge(world, *bundles).outcome is judge(world, *reversed(bundles)).outcome is INVALID
    assert (
        judge(world, bundles[0], unknown).outcome is judge(world, unknown, bundles[0]).outcome is UNVERIFIABLE
    )


@pytest.mark.parametrize("odd", [[], {}, [["x"]], None, 1])
def test_a_statement_whose_type_is_no_text_is_unverifiable(odd: object) -> None:
    payload = json.dumps({"_type": odd, "predicateType": "x", "subject": [], "predicate": {}}).encode()
    with pytest.raises(Unjudged, match="not of a version that is known"):
        _verify_statement(payload, "x", _Release("a", "1.0.0", bytes(64)))
