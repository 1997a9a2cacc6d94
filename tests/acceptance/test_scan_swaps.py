"""A registry that says one thing and sends another: what npm would install is what is judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from npmguard.config import Cache, Config, Feed, Network
from npmguard.lockfile.reader import read_lockfile
from npmguard.model import PackageReport, Verdict
from npmguard.registry.npmrc import NpmConfig
from npmguard.scanner import Scanner
from tests.command import write_lock
from tests.fixture_packages import load_case, pack
from tests.servers import RegistryServer, Reply, sri

CONFIG = Config(
    jobs=1, network=Network(retries=0, packument_max_age=0.0), feed=Feed(required=False, online=False)
)
PATH = "/a/-/a-1.0.0.tgz"


def packed(name: str = "a", version: str = "1.0.0", code: bytes = b"module.exports = 1\n") -> bytes:
    manifest = {"name": name, "version": version, "main": "index.js"}
    return pack({"package.json": json.dumps(manifest).encode(), "index.js": code})


GOOD, OTHER = packed(), packed(code=b"module.exports = 2\n")


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        running.publish("a", "1.0.0", GOOD, manifest={"main": "index.js"})
        yield running


def scan(server: RegistryServer, folder: Path, **entry: Any) -> PackageReport:
    """One scan of a lock with the package `a`; scans in one *folder* share their caches."""
    lock = write_lock(folder / "project", {"name": "a", "version": "1.0.0"} | entry)
    npm = NpmConfig(registry=server.url, cache=folder / "npm-cache")
    config = Config(
        jobs=1, network=CONFIG.network, feed=CONFIG.feed, cache=Cache(directory=str(folder / "cache"))
    )
    with Scanner(config, npm) as scanner:
        (package,) = scanner.scan(read_lockfile(lock, config.limits)).packages
    return package


def rules(package: PackageReport) -> list[str]:
    return [finding.rule for finding in package.findings]


def test_what_is_known_of_the_registrys_bytes_is_not_said_of_a_locks_own_address(
    server: RegistryServer, tmp_path: Path
) -> None:
    """Without a hash in the lock npm takes whatever comes from there."""
    assert scan(server, tmp_path).verdict is Verdict.CLEAN
    server.route(f"/mirror{PATH}", Reply(OTHER))
    package = scan(server, tmp_path, resolved=f"{server.url}mirror{PATH}")
    assert len(server.asked(f"/mirror{PATH}")) == 1
    assert package.verdict is Verdict.MALICIOUS
    assert rules(package)[0] == "integrity-mismatch"


def test_a_lock_without_hashes_and_with_the_registrys_address_is_not_fetched_again(
    server: RegistryServer, tmp_path: Path
) -> None:
    for _ in range(2):
        assert scan(server, tmp_path, resolved=server.url + PATH[1:]).verdict is Verdict.CLEAN
    assert len(server.asked(PATH)) == 1


def test_bytes_that_change_between_scans_are_told_by_their_hash(server: RegistryServer, tmp_path: Path) -> None:
    assert scan(server, tmp_path / "one", integrity=sri(GOOD)).verdict is Verdict.CLEAN
    server.route(PATH, Reply(OTHER))
    swapped = scan(server, tmp_path / "two", integrity=sri(GOOD))
    assert (swapped.verdict, rules(swapped)[0]) == (Verdict.MALICIOUS, "integrity-mismatch")


def test_bytes_that_change_between_two_downloads_of_one_judgement(
    server: RegistryServer, tmp_path: Path
) -> None:
    """The first scan knows of no earlier version; the second does, and fetches once more to compare."""
    name, bad, before = (
        "npmguard-fixture-array-corruption",
        *(load_case("array-corruption", side) for side in ("after", "before")),
    )
    path = f"/{name}/-/{name}-1.2.1.tgz"
    server.publish(name, "1.2.1", bad, published="2020-02-01T00:00:00.000Z")
    first = scan(server, tmp_path, name=name, version="1.2.1", integrity=sri(bad))
    server.publish(name, "1.2.0", before)
    server.route(path, Reply(before))
    second = scan(server, tmp_path, name=name, version="1.2.1", integrity=sri(bad))
    assert len(server.asked(path)) == 2
    assert second.baseline is not None
    assert first.verdict is second.verdict is Verdict.MALICIOUS
    assert rules(second)[0] == rules(first)[0]


def test_another_packages_tarball_is_told_though_every_hash_fits(
    server: RegistryServer, tmp_path: Path
) -> None:
    other = packed("b", "2.0.0")
    server.publish("a", "1.0.0", other, manifest={"main": "index.js"})
    package = scan(server, tmp_path, integrity=sri(other))
    assert package.verdict is Verdict.SUSPICIOUS
    assert rules(package) == ["manifest-confusion"]


def test_a_registry_that_changes_tarball_and_hash_is_held_against_the_lock(
    server: RegistryServer, tmp_path: Path
) -> None:
    server.publish("a", "1.0.0", OTHER, manifest={"main": "index.js"})
    package = scan(server, tmp_path, integrity=sri(GOOD))
    assert (package.verdict, rules(package)[0]) == (Verdict.MALICIOUS, "integrity-mismatch")
