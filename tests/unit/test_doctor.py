"""Each check says what is wrong and what to do, against real servers, files and this kernel."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from npmguard.config import Cache, Config, Feed, Limits, Network
from npmguard.doctor import ATTESTED, Check, State, render, run_checks, worst
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import NpmConfig
from tests.servers import RegistryServer, Reply, free_port

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
PATIENCE = Network(connect_timeout=2.0, read_timeout=2.0, retries=0, give_up_after=2.0)
DEFAULT_FEED = Feed()
KEYS = {
    "keys": [
        {
            "expires": None,
            "keyid": "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U",
            "keytype": "ecdsa-sha2-nistp256",
            "scheme": "ecdsa-sha2-nistp256",
            "key": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEY6Ya7W++7aUPzvMTrezH6Ycx3c+HOKYCcNGybJZSCJq/fd7Qa8uu"
            "AKtdIkUQtQiEKERhAmE5lMMJhP8OkDOa2g==",
        }
    ]
}


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        running.route("/-/ping", Reply.json({}))
        running.route("/-/npm/v1/keys", Reply.json(KEYS))
        running.route(f"/-/npm/v1/attestations/{ATTESTED}", Reply.json({"attestations": [{}, {}]}))
        yield running


def look(
    npm: NpmConfig,
    folder: Path,
    *,
    feed: Feed = DEFAULT_FEED,
    cache: Cache | None = None,
) -> Mapping[str, Check]:
    config = Config(feed=feed, cache=cache or Cache(directory=str(folder)))
    with RegistryClient(npm, PATIENCE, Limits(), None) as client:
        checks = run_checks(config, npm, client, now=NOW)
    assert len({it.name for it in checks}) == len(checks)
    assert all(it.advice or it.state in {State.OK, State.UNKNOWN} for it in checks)
    assert all("\n" not in it.advice for it in checks)
    return {it.name.partition(" http")[0]: it for it in checks}


def test_a_registry_that_offers_everything(server: RegistryServer, tmp_path: Path) -> None:
    found = look(NpmConfig(registry=server.url), tmp_path)
    for name in ("registry", "signing keys", "attestations", "cache folder", "python"):
        assert found[name].state is State.OK, found[name]
    assert found["signing keys"].detail == "1 of 1 can be used"
    assert found["attestations"].detail == f"2 for {ATTESTED}"
    assert "credentials" not in found


def test_a_registry_without_keys_and_attestations_is_no_failure(tmp_path: Path) -> None:
    with RegistryServer() as server:
        found = look(NpmConfig(registry=server.url), tmp_path)
    assert found["registry"].state is State.OK
    assert found["signing keys"].state is State.WARN
    assert found["attestations"].state is State.WARN
    assert "unverifiable" in found["signing keys"].detail


def test_a_registry_that_is_not_there_is_asked_once(tmp_path: Path) -> None:
    found = look(NpmConfig(registry=f"http://127.0.0.1:{free_port()}/"), tmp_path)
    assert found["registry"].state is State.FAIL
    assert "registry, proxy" in found["registry"].advice
    assert not {"signing keys", "attestations"} & found.keys()


@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_wants_a_login(status: int, tmp_path: Path) -> None:
    with RegistryServer() as server:
        server.route("/-/ping", Reply(status=status))
        found = look(NpmConfig(registry=server.url), tmp_path)
    assert found["registry"].state is State.FAIL
    assert "npm login" in found["registry"].advice


@pytest.mark.parametrize(("reply", "state"), [
    (Reply.json({"username": "ann"}), State.OK),
    (Reply(status=401), State.FAIL),
    (Reply(status=404), State.UNKNOWN),
    (Reply(status=500), State.UNKNOWN),
])  # fmt: skip
def test_credentials_are_tried(server: RegistryServer, tmp_path: Path, reply: Reply, state: State) -> None:
    server.route("/-/whoami", reply)
    key = f"//127.0.0.1:{server.port}/:_authToken"
    npm = NpmConfig(registry=server.url, secrets={key: "npm_0123456789secret"})
    checks = look(npm, tmp_path)
    assert checks["credentials"].state is state
    text = render(tuple(checks.values()))
    assert "0123456789secret" not in text
    assert "ann" not in checks["credentials"].detail


@pytest.mark.parametrize(
    "reply", [Reply(b"<html>"), Reply(b'{"keys": 3}'), Reply(b"["), Reply(status=500), Reply(status=503)]
)
def test_broken_endpoints_are_unknown_and_never_ok(
    server: RegistryServer, tmp_path: Path, reply: Reply
) -> None:
    server.route("/-/npm/v1/keys", reply)
    server.route(f"/-/npm/v1/attestations/{ATTESTED}", reply)
    found = look(NpmConfig(registry=server.url), tmp_path)
    assert found["registry"].state is State.OK
    assert found["signing keys"].state in {State.UNKNOWN, State.WARN}
    assert found["attestations"].state in {State.UNKNOWN, State.WARN}


def test_every_scope_s_registry_is_looked_at(server: RegistryServer, tmp_path: Path) -> None:
    with RegistryServer() as other:
        npm = NpmConfig(registry=server.url, scopes={"@a": other.url, "@b": other.url, "@c": server.url})
        config = Config(cache=Cache(directory=str(tmp_path)))
        with RegistryClient(npm, PATIENCE, Limits(), None) as client:
            names = [it.name for it in run_checks(config, npm, client, now=NOW)]
    assert [it for it in names if it.startswith("registry ")] == [
        f"registry {server.url}",
        f"registry {other.url}",
    ]


# --- what is kept ---


def test_a_cache_folder_that_cannot_be_one(server: RegistryServer, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    found = look(NpmConfig(registry=server.url), file)
    assert found["cache folder"].state is State.FAIL
    assert "cache.directory" in found["cache folder"].advice


def test_a_cache_folder_that_is_not_there_yet_is_not_made(server: RegistryServer, tmp_path: Path) -> None:
    found = look(NpmConfig(registry=server.url), tmp_path / "a" / "b")
    assert found["cache folder"].state is State.OK
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_switched_off(server: RegistryServer, tmp_path: Path) -> None:
    found = look(NpmConfig(registry=server.url), tmp_path, cache=Cache(enabled=False))
    assert found["cache folder"].state is State.WARN


def test_databases_are_sound_or_damaged_and_stay_as_they_are(server: RegistryServer, tmp_path: Path) -> None:
    sound = sqlite3.connect(tmp_path / "sound.db")
    sound.execute("CREATE TABLE t (x)")
    sound.execute("INSERT INTO t VALUES (zeroblob(200000))")
    sound.commit()
    sound.close()
    content = bytearray((tmp_path / "sound.db").read_bytes())
    (tmp_path / "other.db").write_bytes(b"no database at all" * 100)
    content[4096:8192] = b"\xff" * 4096
    (tmp_path / "torn.db").write_bytes(content)
    before = {it.name: it.read_bytes() for it in tmp_path.iterdir()}
    found = look(NpmConfig(registry=server.url), tmp_path)
    assert found["cache sound.db"].state is State.OK
    assert found["cache other.db"].state is State.FAIL
    assert found["cache torn.db"].state is State.FAIL
    assert "delete" in found["cache torn.db"].advice
    assert {it.name: it.read_bytes() for it in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("feed", "state", "told"),
    [
        (Feed(online=True, required=True), State.WARN, "scans ask the API"),
        (Feed(online=False, required=False), State.WARN, "past campaigns only"),
        (Feed(online=False, required=True), State.FAIL, "past campaigns only"),
    ],
)
def test_a_feed_that_was_never_fetched(
    server: RegistryServer, tmp_path: Path, feed: Feed, state: State, told: str
) -> None:
    found = look(NpmConfig(registry=server.url), tmp_path, feed=feed)["feed of known malware"]
    assert (found.state, found.advice) == (state, "run npmguard feed update")
    assert told in found.detail


# --- this machine ---


def fake_npm(folder: Path, manifest: Any) -> None:
    (folder / "npm" / "bin").mkdir(parents=True)
    (folder / "npm" / "package.json").write_text(json.dumps(manifest))
    program = folder / "npm" / "bin" / "npm-cli.js"
    program.write_text("#!/bin/sh\ntouch ran\n")
    program.chmod(0o755)
    (folder / "npm.link").mkdir()
    (folder / "npm.link" / "npm").symlink_to(program)


@pytest.mark.parametrize(
    ("manifest", "state", "told"),
    [
        ({"name": "npm", "version": "11.2.0"}, State.OK, "11.2.0"),
        ({"name": "npm", "version": "6.14.18"}, State.WARN, "version 1"),
        ({"name": "other", "version": "11.2.0"}, State.UNKNOWN, "could not be read"),
        (["npm"], State.UNKNOWN, "could not be read"),
    ],
)
def test_npm_is_found_and_not_started(
    server: RegistryServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    manifest: Any,
    state: State,
    told: str,
) -> None:
    fake_npm(tmp_path, manifest)
    monkeypatch.setenv("PATH", str(tmp_path / "npm.link"))
    monkeypatch.chdir(tmp_path)
    found = look(NpmConfig(registry=server.url), tmp_path / "cache")["npm"]
    assert found.state is state
    assert told in found.detail
    assert not (tmp_path / "ran").exists()


def test_npm_that_is_not_there(server: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert look(NpmConfig(registry=server.url), tmp_path)["npm"].state is State.WARN


def test_the_kernel_is_asked_and_nothing_is_restricted(server: RegistryServer, tmp_path: Path) -> None:
    found = look(NpmConfig(registry=server.url), tmp_path)
    for name in ("sandbox: landlock", "sandbox: seccomp"):
        assert found[name].state in {State.OK, State.WARN, State.UNKNOWN}
        assert found[name].detail
    (tmp_path / "still-writable").write_bytes(b"")
    assert look(NpmConfig(registry=server.url), tmp_path)["sandbox: landlock"] == found["sandbox: landlock"]


# --- the answer ---


def test_the_text_has_a_line_a_check_and_its_advice() -> None:
    checks = (
        Check("one", State.OK, "fine"),
        Check("longer name", State.FAIL, "broken\nbadly", "mend it"),
        Check("x", State.UNKNOWN, "?"),
    )
    assert render(checks) == (
        "ok       one          fine\n"
        "fail     longer name  broken badly\n"
        "                      -> mend it\n"
        "unknown  x            ?\n"
        "\n"
        "1 ok, 0 warn, 1 fail, 1 unknown\n"
    )


@pytest.mark.parametrize(
    ("states", "expected"),
    [("", State.OK), ("ok", State.OK), ("ok unknown", State.UNKNOWN), ("unknown warn", State.WARN),
     ("warn fail ok", State.FAIL)],
)  # fmt: skip
def test_the_worst_state_is_what_counts(states: str, expected: State) -> None:
    assert worst(tuple(Check("x", State(it), "") for it in states.split())) is expected
