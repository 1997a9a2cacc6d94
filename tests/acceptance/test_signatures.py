"""What a user relies on when npmguard asks who signed a release and where it was built; over real sockets."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from npmguard.config import Limits, Network
from npmguard.evidence import ReleaseEvidence
from npmguard.integrity.provenance import ProvenanceOutcome
from npmguard.integrity.signature import SignatureOutcome
from npmguard.model import Dist, Integrity, Manifest, Release
from npmguard.registry.client import RegistryClient
from npmguard.registry.evidence_source import EvidenceSource
from npmguard.registry.npmrc import NpmConfig
from tests.servers import RegistryServer, Reply, free_port

QUICK = Network(connect_timeout=1.0, read_timeout=1.0, transfer_timeout=2.0, retries=1, give_up_after=2.0)
IMPATIENT = Network(connect_timeout=1.0, read_timeout=0.4, transfer_timeout=0.8, retries=0, give_up_after=2.0)
VECTORS = Path(__file__).parents[2] / "fixtures/vectors"
KEYS = json.loads((VECTORS / "registry-signatures.json").read_bytes())
SIGNED = KEYS["signed"][0]
KEYS_PATH = "/-/npm/v1/keys"
ATTESTATIONS_PATH = "/-/npm/v1/attestations/gundam-visor@1.0.1"
GUNDAM = bytes.fromhex(
    "8d9d7972f676516c75014aa074e11ae604d98f0b64ec6725a61e2838ff3dab16"
    "2118fa71433fb31e1550d30bd0dec9d086ce032b94457b583900c507acf39c40"
)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        running.route(KEYS_PATH, Reply.json({"keys": KEYS["keys"]}))
        running.route(ATTESTATIONS_PATH, Reply(attestations("valid.v0.2")))
        yield running


def attestations(name: str) -> bytes:
    return (VECTORS / f"attestations/{name}.json").read_bytes()


@contextmanager
def evidence_of(
    url: str, cache: Path | None = None, *, offline: bool = False, network: Network = QUICK
) -> Iterator[ReleaseEvidence]:
    with closing(EvidenceSource(NpmConfig(registry=url), network, Limits(), cache, offline=offline)) as source:
        yield ReleaseEvidence(source)


def evidence(
    server: RegistryServer, cache: Path | None = None, *, offline: bool = False, network: Network = QUICK
) -> AbstractContextManager[ReleaseEvidence]:
    return evidence_of(server.url, cache, offline=offline, network=network)


def signed_release(**changes: Any) -> Release:
    fields = {**SIGNED, **changes}
    return Release(
        Manifest(fields["name"], fields["version"]),
        Dist(
            "https://registry.example/checkbox.tgz",
            integrity=Integrity.parse(fields["integrity"]),
            signatures=tuple((item["keyid"], item["sig"]) for item in fields["signatures"]),
        ),
        published=datetime.fromisoformat(fields["published"]),
    )


def attested_release(announced: str | None = "https://registry.example/anything") -> Release:
    integrity = Integrity.parse("sha512-" + base64.b64encode(GUNDAM).decode())
    dist = Dist("https://registry.example/gundam.tgz", integrity=integrity, attestations=announced)
    return Release(Manifest("gundam-visor", "1.0.1"), dist, published=datetime(2024, 6, 3, tzinfo=UTC))


def signature(
    asked: ReleaseEvidence, server: RegistryServer, release: Release | None = None
) -> SignatureOutcome:
    release = release or signed_release()
    return asked.signature(release.manifest.name, release.manifest.version, release, server.url).outcome


def provenance(
    asked: ReleaseEvidence, server: RegistryServer, release: Release | None = None
) -> ProvenanceOutcome:
    release = release or attested_release()
    return asked.provenance("gundam-visor", "1.0.1", release, server.url, GUNDAM).outcome


# --- answers ---------------------------------------------------------------------------------------------


def test_a_real_release_is_signed_and_was_built_where_it_says(server: RegistryServer) -> None:
    with evidence(server) as asked:
        assert signature(asked, server) is SignatureOutcome.VALID
        result = asked.provenance("gundam-visor", "1.0.1", attested_release(), server.url, GUNDAM)
    assert result.outcome is ProvenanceOutcome.VALID
    assert result.repository == "https://github.com/ramonpetgrave64/gundam-visor"


def test_a_mirror_that_changes_the_integrity_is_found_out(server: RegistryServer) -> None:
    changed = signed_release(integrity="sha512-" + base64.b64encode(bytes(64)).decode())
    with evidence(server) as asked:
        assert signature(asked, server, changed) is SignatureOutcome.INVALID


def test_a_mirror_that_changes_an_attestation_is_found_out(server: RegistryServer) -> None:
    server.route(ATTESTATIONS_PATH, Reply(attestations("invalid-provenance-signature.v0.2")))
    with evidence(server) as asked:
        assert provenance(asked, server) is ProvenanceOutcome.INVALID


def test_attestations_are_not_asked_for_where_none_are_announced(server: RegistryServer) -> None:
    with evidence(server) as asked:
        assert provenance(asked, server, attested_release(None)) is ProvenanceOutcome.MISSING
    assert server.paths == []


def test_the_configured_registry_is_asked_whatever_url_the_packument_names(server: RegistryServer) -> None:
    with RegistryServer() as elsewhere, evidence(server) as asked:
        announced = f"{elsewhere.url}-/npm/v1/attestations/gundam-visor@1.0.1"
        assert provenance(asked, server, attested_release(announced)) is ProvenanceOutcome.VALID
        assert elsewhere.paths == []


def test_a_scoped_package_is_asked_for_under_its_own_name(server: RegistryServer) -> None:
    path = "/-/npm/v1/attestations/@laurentsimon/provenance-npm-test@1.0.5"
    server.route(path, Reply(attestations("valid.v0.1")))
    sha512 = bytes.fromhex(
        "563bc6d88c7cc60917b13cf4838473eeea6ec7ea0430f2672b16f43c2a5c82c2"
        "39949c7cae7fe13bbe3b30d0571c3e56de624aa31ea43c98c12f1f190b8a7ca0"
    )
    with evidence(server) as asked:
        result = asked.provenance(
            "@laurentsimon/provenance-npm-test", "1.0.5", attested_release(), server.url, sha512
        )
    assert result.outcome is ProvenanceOutcome.VALID
    assert [request.path.lower() for request in server.asked(path)] == [
        "/-/npm/v1/attestations/@laurentsimon%2fprovenance-npm-test@1.0.5"
    ]


@pytest.mark.parametrize("name", ["../../etc", "a/../b", "@a/..", "a b", "a%2fb"])
def test_hostile_names_are_not_asked_for(server: RegistryServer, name: str) -> None:
    with evidence(server) as asked:
        result = asked.provenance(name, "1.0.0", attested_release(), server.url, GUNDAM)
    assert result.outcome is ProvenanceOutcome.UNVERIFIABLE
    assert server.paths == [KEYS_PATH]


# --- registries without keys -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 410, 400])
def test_a_registry_without_keys_says_nothing_against_a_package(server: RegistryServer, status: int) -> None:
    server.route(KEYS_PATH, Reply.json({"error": "no"}, status=status))
    with evidence(server) as asked:
        assert signature(asked, server) is SignatureOutcome.UNVERIFIABLE
        assert provenance(asked, server) is ProvenanceOutcome.VALID


def test_an_empty_list_of_keys_is_the_same(server: RegistryServer) -> None:
    server.route(KEYS_PATH, Reply.json({"keys": []}))
    with evidence(server) as asked:
        assert signature(asked, server, signed_release(signatures=[])) is SignatureOutcome.UNVERIFIABLE


def test_attestations_that_are_announced_and_not_held_are_unverifiable(server: RegistryServer) -> None:
    server.route(ATTESTATIONS_PATH, Reply.json({"error": "not found"}, status=404))
    with evidence(server) as asked:
        assert provenance(asked, server) is ProvenanceOutcome.UNVERIFIABLE


# --- outages ---------------------------------------------------------------------------------------------

HUGE = b'{"keys": [], "attestations": [], "more": "' + b"x" * (17 * 1024**2) + b'"}'
FAULTS = {
    "500": Reply(status=500),
    "503": Reply(status=503, headers={"Retry-After": "1"}),
    "403": Reply(status=403),
    "405": Reply(status=405),
    "hang": Reply(b"{}", hang=60.0),
    "drip": Reply(b'{"keys": [], "attestations": []}' + b" " * 1000, drip=0.2),
    "dripping headers": Reply(b"{}", drip_headers=0.3),
    "reset": Reply(reset=True),
    "truncated": Reply(b'{"keys": [], "attestations": []}', send_only=10),
    "a page": Reply(b"<html>down for maintenance</html>"),
    "empty": Reply(b""),
    "another shape": Reply(b'{"keys": {}, "attestations": "none"}'),
    "a list": Reply(b"[]"),
    "deep": Reply(b"[" * 200_000),
    "huge": Reply(HUGE),
    "a bomb": Reply(HUGE, gzip=True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_keys_that_cannot_be_asked_for_are_told_so(server: RegistryServer, fault: str) -> None:
    server.route(KEYS_PATH, FAULTS[fault])
    with evidence(server, network=IMPATIENT) as asked:
        release = signed_release()
        result = asked.signature(SIGNED["name"], SIGNED["version"], release, server.url)
        assert result.outcome is SignatureOutcome.NOT_ASKED
        assert result.detail
        before = len(server.paths)
        assert signature(asked, server) is SignatureOutcome.NOT_ASKED
        assert len(server.paths) == before, "a registry that could not be asked is not asked again"


@pytest.mark.parametrize("fault", FAULTS)
def test_attestations_that_cannot_be_asked_for_are_told_so(server: RegistryServer, fault: str) -> None:
    server.route(ATTESTATIONS_PATH, FAULTS[fault])
    with evidence(server, network=IMPATIENT) as asked:
        assert provenance(asked, server) is ProvenanceOutcome.NOT_ASKED


def test_a_registry_that_is_not_there_is_told_so() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    with evidence_of(url) as asked:
        release = attested_release()
        result = asked.provenance("gundam-visor", "1.0.1", release, url, GUNDAM)
        assert result.outcome is ProvenanceOutcome.NOT_ASKED


def test_a_registry_that_throttles_is_waited_for(server: RegistryServer) -> None:
    throttled = Reply(status=429, headers={"Retry-After": "0"})
    server.route(KEYS_PATH, throttled, Reply.json({"keys": KEYS["keys"]}))
    server.route(ATTESTATIONS_PATH, throttled, throttled, Reply(attestations("valid.v0.2")))
    with evidence(server) as asked:
        assert signature(asked, server) is SignatureOutcome.VALID
        assert provenance(asked, server) is ProvenanceOutcome.VALID


def test_an_outage_of_the_attestations_is_given_up_and_costs_no_package(server: RegistryServer) -> None:
    names = [f"package-{number}" for number in range(200)]
    for name in names:
        server.route(f"/-/npm/v1/attestations/{name}@1.0.0", Reply(b"{}", hang=60.0))
    server.publish("a", "1.0.0", b"bytes")
    release = attested_release()
    packages = RegistryClient(NpmConfig(registry=server.url), QUICK, Limits(), None)
    with evidence(server) as asked, packages, ThreadPoolExecutor(16) as threads:

        def ask(name: str) -> ProvenanceOutcome:
            return asked.provenance(name, "1.0.0", release, server.url, GUNDAM).outcome

        outcomes = set(threads.map(ask, names))
        assert outcomes == {ProvenanceOutcome.NOT_ASKED}
        assert len([path for path in server.paths if "attestations" in path]) < len(names)
        assert list(packages.packument("a").releases) == ["1.0.0"]


# --- between runs ----------------------------------------------------------------------------------------


def test_a_second_run_asks_for_nothing(server: RegistryServer, tmp_path: Path) -> None:
    for _ in range(2):
        with evidence(server, tmp_path) as asked:
            assert signature(asked, server) is SignatureOutcome.VALID
            assert provenance(asked, server) is ProvenanceOutcome.VALID
    assert sorted(server.paths) == [ATTESTATIONS_PATH, KEYS_PATH]


def test_offline_what_was_verified_before_still_counts(server: RegistryServer, tmp_path: Path) -> None:
    with evidence(server, tmp_path, offline=True) as asked:
        assert signature(asked, server) is SignatureOutcome.NOT_ASKED
        assert provenance(asked, server) is ProvenanceOutcome.NOT_ASKED
    with evidence(server, tmp_path) as asked:
        signature(asked, server)
        provenance(asked, server)
    with evidence(server, tmp_path, offline=True) as asked:
        assert signature(asked, server) is SignatureOutcome.VALID
        assert provenance(asked, server) is ProvenanceOutcome.VALID


def test_what_was_verified_counts_for_those_bytes_alone(server: RegistryServer, tmp_path: Path) -> None:
    with evidence(server, tmp_path) as asked:
        assert provenance(asked, server) is ProvenanceOutcome.VALID
        other = asked.provenance("gundam-visor", "1.0.1", attested_release(), server.url, bytes(64))
        assert other.outcome is ProvenanceOutcome.INVALID


def test_what_did_not_hold_is_asked_for_anew(server: RegistryServer, tmp_path: Path) -> None:
    server.route(
        ATTESTATIONS_PATH,
        Reply(attestations("invalid-provenance-signature.v0.2")),
        Reply(attestations("valid.v0.2")),
    )
    for expected in (ProvenanceOutcome.INVALID, ProvenanceOutcome.VALID):
        with evidence(server, tmp_path) as asked:
            assert provenance(asked, server) is expected


def test_keys_are_asked_for_once_a_day_and_kept_through_an_outage(
    server: RegistryServer, tmp_path: Path
) -> None:
    with evidence(server, tmp_path) as asked:
        signature(asked, server)
    with sqlite3.connect(tmp_path / "evidence.db") as database:
        database.execute("UPDATE evidence SET stored = stored - 2 * 86400.0")
    database.close()
    with evidence(server, tmp_path) as asked:
        assert signature(asked, server) is SignatureOutcome.VALID
    assert server.paths == [KEYS_PATH, KEYS_PATH]
    with sqlite3.connect(tmp_path / "evidence.db") as database:
        database.execute("UPDATE evidence SET stored = stored - 2 * 86400.0")
    database.close()
    server.route(KEYS_PATH, Reply(status=503))
    with evidence(server, tmp_path) as asked:
        assert signature(asked, server) is SignatureOutcome.VALID


def test_a_registry_without_keys_is_remembered_too(server: RegistryServer, tmp_path: Path) -> None:
    server.route(KEYS_PATH, Reply.json({}, status=404))
    for _ in range(2):
        with evidence(server, tmp_path) as asked:
            assert signature(asked, server) is SignatureOutcome.UNVERIFIABLE
    assert server.paths == [KEYS_PATH]


def test_many_threads_ask_for_keys_once(server: RegistryServer) -> None:
    with evidence(server) as asked, ThreadPoolExecutor(16) as threads:
        outcomes = list(threads.map(lambda _: signature(asked, server), range(100)))
    assert set(outcomes) == {SignatureOutcome.VALID}
    assert server.paths == [KEYS_PATH]


def test_a_cache_that_cannot_be_used_costs_nothing_but_a_note(server: RegistryServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    npm = NpmConfig(registry=server.url)
    with closing(EvidenceSource(npm, QUICK, Limits(), tmp_path / "file/cache")) as it:
        assert signature(ReleaseEvidence(it), server) is SignatureOutcome.VALID
        assert len(it.notes) == 1
