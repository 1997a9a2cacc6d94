"""What a user relies on when npmguard asks a registry: real sockets, a registry on loopback."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from npmguard.config import Limits, Network
from npmguard.errors import (
    NotInRegistry,
    RegistryProtocolError,
    RegistryUnauthorized,
    RegistryUnreachable,
)
from npmguard.model import Integrity, LockedPackage
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import NpmConfig
from tests.servers import RegistryServer, Reply, sri

QUICK = Network(connect_timeout=1.0, read_timeout=1.0, transfer_timeout=2.0, retries=1, give_up_after=3.0)
USUAL = Limits()


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def client(
    server: RegistryServer,
    cache: Path | None = None,
    *,
    npm: NpmConfig | None = None,
    network: Network = QUICK,
    limits: Limits = USUAL,
    offline: bool = False,
) -> RegistryClient:
    return RegistryClient(npm or NpmConfig(registry=server.url), network, limits, cache, offline=offline)


def locked(name: str, version: str, resolved: str | None = None, integrity: str = "") -> LockedPackage:
    return LockedPackage(name, version, f"node_modules/{name}", 1, resolved, Integrity.parse(integrity))


# --- documents -------------------------------------------------------------------------------------------


def test_a_document_and_its_tarball_are_fetched(server: RegistryServer) -> None:
    server.publish("left-pad", "1.0.0", b"bytes", manifest={"scripts": {"test": "true"}})
    with client(server) as registry:
        packument = registry.packument("left-pad")
        release = packument.releases["1.0.0"]
        assert registry.tarball(locked("left-pad", "1.0.0"), release) == b"bytes"
    assert release.manifest.scripts == {"test": "true"}
    assert release.dist.integrity == Integrity.parse(sri(b"bytes"))
    assert release.published == datetime(2020, 1, 1, tzinfo=UTC)
    assert packument.registry == server.url


def test_the_full_document_is_asked_for_in_gzip(server: RegistryServer) -> None:
    server.route("/a", Reply.json(server.publish("a", "1.0.0"), gzip=True))
    with client(server) as registry:
        assert list(registry.packument("a").releases) == ["1.0.0"]
    (request,) = server.asked("/a")
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip"


def test_a_chunked_document_is_read(server: RegistryServer) -> None:
    server.route("/a", Reply.json(server.publish("a", "1.0.0"), chunked=True))
    with client(server) as registry:
        assert list(registry.packument("a").releases) == ["1.0.0"]


def test_the_slash_of_a_scope_is_escaped(server: RegistryServer) -> None:
    server.publish("@corp/tool", "1.0.0", b"bytes")
    with client(server) as registry:
        release = registry.packument("@corp/tool").releases["1.0.0"]
        assert registry.tarball(locked("@corp/tool", "1.0.0"), release) == b"bytes"
    assert server.requests[0].path.lower() == "/@corp%2ftool"


def test_a_scope_has_its_own_registry(server: RegistryServer) -> None:
    with RegistryServer() as corporate:
        corporate.publish("@corp/tool", "1.0.0")
        server.publish("tool", "1.0.0")
        npm = NpmConfig(registry=server.url, scopes={"@corp": corporate.url})
        with client(server, npm=npm) as registry:
            assert registry.packument("@corp/tool").registry == corporate.url
            assert registry.packument("tool").registry == server.url
        assert corporate.paths == ["/@corp/tool"]
        assert server.paths == ["/tool"]


def test_a_big_document_leaves_only_its_projection(server: RegistryServer) -> None:
    document = server.publish("big", "1.0.0", b"bytes")
    document["readme"] = "x" * 5_000_000
    server.route("/big", Reply.json(document))
    with client(server) as registry:
        assert registry.packument("big").releases["1.0.0"].manifest.name == "big"


def test_threads_that_ask_for_one_name_ask_once(server: RegistryServer) -> None:
    server.publish("a", "1.0.0")
    gate = threading.Barrier(8)

    def slow(_: object) -> Reply:
        server.sleep(0.2)
        return Reply.json({"name": "a", "versions": {}})

    server.route("/a", slow)
    with client(server) as registry, ThreadPoolExecutor(8) as executor:

        def ask(_: int) -> int:
            gate.wait()
            return id(registry.packument("a"))

        assert len(set(executor.map(ask, range(8)))) == 1
    assert server.paths == ["/a"]


def test_threads_that_wait_for_a_failure_all_learn_of_it(server: RegistryServer) -> None:
    def slow(_: object) -> Reply:
        server.sleep(0.2)
        return Reply(status=404)

    server.route("/gone", slow)
    with client(server) as registry, ThreadPoolExecutor(4) as executor:
        futures = [executor.submit(registry.packument, "gone") for _ in range(4)]
        assert all(isinstance(future.exception(), NotInRegistry) for future in futures)
    assert server.paths == ["/gone"]


def test_a_name_that_no_registry_can_hold_is_not_asked_for(server: RegistryServer) -> None:
    with client(server) as registry:
        for name in ("../../-/all", "a/b", "@corp", "@corp/..", ".", "a%2f..", "a b", "a\\b", "", "x" * 600):
            with pytest.raises(NotInRegistry):
                registry.packument(name)
    assert server.paths == []


def test_another_document_of_the_registry_is_fetched(server: RegistryServer) -> None:
    server.route("/-/npm/v1/keys", Reply.json({"keys": []}))
    with client(server) as registry:
        assert json.loads(registry.resource("-/npm/v1/keys")) == {"keys": []}
    with client(server, npm=NpmConfig(registry=f"{server.url}npm/")) as registry:
        for path in ("../secret", "%2e%2e/secret"):
            with pytest.raises(RegistryProtocolError, match="leads out of the registry"):
                registry.resource(path)


# --- refusals --------------------------------------------------------------------------------------------


def test_what_is_not_there_is_asked_for_once(server: RegistryServer) -> None:
    with client(server) as registry, pytest.raises(NotInRegistry, match=r"gone: .* does not hold it \(404\)"):
        registry.packument("gone")
    assert server.paths == ["/gone"]


def test_a_missing_credential_is_named(server: RegistryServer) -> None:
    server.route("/private", Reply(status=401))
    expected = rf"//127\.0\.0\.1:{server.port}/:_authToken"
    with client(server) as registry, pytest.raises(RegistryUnauthorized, match=expected):
        registry.packument("private")
    assert server.paths == ["/private"]


def test_a_refused_credential_is_named_and_not_shown(server: RegistryServer) -> None:
    server.route("/private", Reply(status=403))
    npm = NpmConfig(registry=server.url, secrets={f"//127.0.0.1:{server.port}/:_authToken": "t0p-secret"})
    with client(server, npm=npm) as registry, pytest.raises(RegistryUnauthorized) as caught:
        registry.packument("private")
    assert "does not accept the credentials" in str(caught.value)
    assert "t0p-secret" not in f"{caught.value!r} {npm!r} {registry!r}"


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"versions": []}', b"", b'{"name": "other", "versions": {}}']
)
def test_an_answer_that_is_no_packument_is_said_to_be_none(server: RegistryServer, body: bytes) -> None:
    server.route("/a", Reply(body))
    with client(server) as registry, pytest.raises(RegistryProtocolError, match="the document of a "):
        registry.packument("a")
    assert server.paths == ["/a"]


def test_a_document_over_the_cap_is_refused(server: RegistryServer) -> None:
    server.route("/stated", Reply(b" " * 2_000_000))
    server.route("/unstated", Reply(b" " * 2_000_000, chunked=True))
    with client(server, limits=Limits(packument_bytes=1_500_000)) as registry:
        for name in ("stated", "unstated"):
            with pytest.raises(RegistryProtocolError, match=r"limits\.packument-bytes"):
                registry.packument(name)


def test_a_bomb_in_the_content_encoding_is_refused(server: RegistryServer) -> None:
    server.route("/bomb", Reply(gzip.compress(bytes(64_000_000)), headers={"Content-Encoding": "gzip"}))
    with (
        client(server, limits=Limits(packument_bytes=3_000_000)) as registry,
        pytest.raises(RegistryProtocolError, match=r"limits\.packument-bytes"),
    ):
        registry.packument("bomb")


def test_a_bomb_in_the_encoding_of_a_tarball_is_refused(server: RegistryServer) -> None:
    bomb = gzip.compress(gzip.compress(bytes(64 * 1024**2), 0), 9)
    server.route("/a/-/a-1.0.0.tgz", Reply(bomb, headers={"Content-Encoding": "gzip"}))
    limits = Limits(tarball_bytes=1_000_000)
    assert len(bomb) < limits.tarball_bytes
    with (
        client(server, limits=limits) as registry,
        pytest.raises(RegistryProtocolError, match=r"limits\.tarball-bytes"),
    ):
        registry.tarball(locked("a", "1.0.0"), None)


def test_an_encoding_that_was_not_asked_for_is_refused(server: RegistryServer) -> None:
    server.route("/a", Reply(b"{}", headers={"Content-Encoding": "br"}))
    server.route("/b", Reply(b"this is no gzip at all", headers={"Content-Encoding": "gzip"}))
    with client(server) as registry:
        with pytest.raises(RegistryProtocolError, match="Content-Encoding 'br'"):
            registry.packument("a")
        with pytest.raises(RegistryProtocolError, match="says that it is gzip"):
            registry.packument("b")


# --- tarballs --------------------------------------------------------------------------------------------


def test_a_tarball_comes_from_where_the_lock_says(server: RegistryServer) -> None:
    server.route("/somewhere/else.tgz", Reply(b"bytes"))
    with client(server) as registry:
        assert registry.tarball(locked("a", "1.0.0", f"{server.url}somewhere/else.tgz"), None) == b"bytes"


def test_a_tarball_of_the_public_registry_comes_from_the_configured_one(server: RegistryServer) -> None:
    server.publish("a", "1.0.0", b"bytes")
    with client(server) as registry:
        package = locked("a", "1.0.0", "https://registry.npmjs.org/a/-/a-1.0.0.tgz")
        assert registry.tarball(package, None) == b"bytes"
    assert server.paths == ["/a/-/a-1.0.0.tgz"]


def test_a_tarball_without_any_url_comes_from_the_usual_place(server: RegistryServer) -> None:
    server.publish("@corp/a", "1.0.0", b"bytes")
    with client(server) as registry:
        assert registry.tarball(locked("@corp/a", "1.0.0"), None) == b"bytes"


def test_a_tarball_over_the_cap_is_refused(server: RegistryServer) -> None:
    server.publish("a", "1.0.0", bytes(1001))
    with (
        client(server, limits=Limits(tarball_bytes=1000)) as registry,
        pytest.raises(RegistryProtocolError, match=r"limits\.tarball-bytes"),
    ):
        registry.tarball(locked("a", "1.0.0"), None)


def test_a_tgz_said_to_be_encoded_in_gzip_stays_a_tgz(server: RegistryServer) -> None:
    tgz = gzip.compress(b"a tar archive")
    mislabelled = {"Content-Encoding": "gzip"}
    server.route("/a/-/a-1.0.0.tgz", Reply(tgz, headers=mislabelled))
    server.route("/b/-/b-1.0.0.tgz", Reply(gzip.compress(tgz), headers=mislabelled))
    with client(server) as registry:
        assert registry.tarball(locked("a", "1.0.0"), None) == tgz
        assert registry.tarball(locked("b", "1.0.0"), None) == tgz
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "url", ["ftp://h.example/a.tgz", "https:///a.tgz", "https://u:secret@h.example/a.tgz", "a.tgz"]
)
def test_a_url_that_is_none_is_not_fetched(server: RegistryServer, url: str) -> None:
    with client(server) as registry, pytest.raises(RegistryProtocolError, match="the lockfile's URL") as caught:
        registry.tarball(locked("a", "1.0.0", url), None)
    assert "secret" not in str(caught.value)


def test_npms_own_cache_spares_the_download(server: RegistryServer, tmp_path: Path) -> None:
    server.publish("a", "1.0.0", b"bytes")
    integrity = Integrity.parse(sri(b"bytes"))
    assert integrity is not None
    digest = integrity.hashes[0].digest.hex()
    kept = tmp_path / "_cacache/content-v2/sha512" / digest[:2] / digest[2:4] / digest[4:]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"bytes")
    with client(server, npm=NpmConfig(registry=server.url, cache=tmp_path)) as registry:
        assert registry.tarball(locked("a", "1.0.0", None, sri(b"bytes")), None) == b"bytes"
        assert server.paths == []
        kept.write_bytes(b"other")
        assert registry.tarball(locked("a", "1.0.0", None, sri(b"bytes")), None) == b"bytes"
    assert server.paths == ["/a/-/a-1.0.0.tgz"]
    assert kept.read_bytes() == b"other"


# --- the cache -------------------------------------------------------------------------------------------


def test_a_fresh_document_is_not_asked_for_again(server: RegistryServer, tmp_path: Path) -> None:
    server.publish("a", "1.0.0")
    for _ in range(2):
        with client(server, tmp_path) as registry:
            assert list(registry.packument("a").releases) == ["1.0.0"]
            assert registry.notes == ()
    assert server.paths == ["/a"]


STALE = Network(connect_timeout=1.0, read_timeout=1.0, transfer_timeout=2.0, retries=1, packument_max_age=0.0)


def test_a_stale_document_is_revalidated_by_its_etag(server: RegistryServer, tmp_path: Path) -> None:
    document = server.publish("a", "1.0.0")
    server.route("/a", Reply.json(document, etag='"one"'))
    for _ in range(2):
        with client(server, tmp_path, network=STALE) as registry:
            assert list(registry.packument("a").releases) == ["1.0.0"]
    assert [request.headers.get("if-none-match") for request in server.asked("/a")] == [None, '"one"']
    document = server.publish("a", "1.0.1")
    server.route("/a", Reply.json(document, etag='"two"'))
    with client(server, tmp_path, network=STALE) as registry:
        assert list(registry.packument("a").releases) == ["1.0.0", "1.0.1"]


def test_a_stale_document_is_revalidated_by_its_date(server: RegistryServer, tmp_path: Path) -> None:
    date = "Wed, 01 Jan 2020 00:00:00 GMT"
    document = Reply.json(server.publish("a", "1.0.0"), headers={"Last-Modified": date})
    server.route("/a", document, Reply(status=304))
    for _ in range(2):
        with client(server, tmp_path, network=STALE) as registry:
            assert list(registry.packument("a").releases) == ["1.0.0"]
    assert [request.headers.get("if-modified-since") for request in server.asked("/a")] == [None, date]


def test_not_modified_out_of_the_blue_is_refused(server: RegistryServer) -> None:
    server.route("/a", Reply(status=304))
    with client(server) as registry, pytest.raises(RegistryProtocolError, match="304"):
        registry.packument("a")


@pytest.mark.parametrize(
    ("control", "requests"),
    [("max-age=3600", 1), ("public, max-age=0", 2), ("no-cache", 2), ("no-store", 2), ("max-age=60", 1)],
)
def test_the_registry_says_how_long_its_answer_holds(
    server: RegistryServer, tmp_path: Path, control: str, requests: int
) -> None:
    server.route("/a", Reply.json(server.publish("a", "1.0.0"), headers={"Cache-Control": control}))
    for _ in range(2):
        with client(server, tmp_path) as registry:
            registry.packument("a")
    assert len(server.asked("/a")) == requests


def test_registries_do_not_share_what_is_cached(server: RegistryServer, tmp_path: Path) -> None:
    server.publish("a", "1.0.0")
    with RegistryServer() as other:
        other.publish("a", "2.0.0")
        with client(server, tmp_path) as registry:
            registry.packument("a")
        with client(other, tmp_path) as registry:
            assert list(registry.packument("a").releases) == ["2.0.0"]


def test_no_credential_reaches_the_cache(server: RegistryServer, tmp_path: Path) -> None:
    server.route("/a", Reply.json(server.publish("a", "1.0.0"), authorization="Bearer t0p-secret"))
    secrets = {f"//127.0.0.1:{server.port}/:_authToken": "t0p-secret"}
    with client(server, tmp_path, npm=NpmConfig(registry=server.url, secrets=secrets)) as registry:
        registry.packument("a")
    written = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    assert any(b"packuments" in content for content in written)
    assert not any(b"t0p-secret" in content for content in written)


def test_a_damaged_cache_costs_a_request_and_no_more(server: RegistryServer, tmp_path: Path) -> None:
    server.publish("a", "1.0.0")
    (tmp_path / "packuments.db").write_bytes(b"this is no database" * 1000)
    with client(server, tmp_path) as registry:
        assert list(registry.packument("a").releases) == ["1.0.0"]
        assert "started afresh" in registry.notes[0]
    with client(server, tmp_path) as registry:
        registry.packument("a")
        assert registry.notes == ()
    assert server.paths == ["/a"]


def test_offline_the_caches_are_all_there_is(server: RegistryServer, tmp_path: Path) -> None:
    server.publish("a", "1.0.0", b"bytes")
    with client(server, tmp_path) as registry:
        registry.packument("a")
    with client(server, tmp_path, network=STALE, offline=True) as registry:
        assert list(registry.packument("a").releases) == ["1.0.0"]
        with pytest.raises(RegistryUnreachable, match="offline"):
            registry.packument("b")
        with pytest.raises(RegistryUnreachable, match="offline"):
            registry.tarball(locked("a", "1.0.0"), None)
    assert server.paths == ["/a"]
