"""The registry on loopback is one that npm itself can use, and tells what the tests set up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from tests.end_to_end.verdaccio import Published, Verdaccio, integrity_of
from tests.fixture_packages import PACKAGES, cases, load_case, repack
from tests.node_tools import ROOT

CASE = "ethereum-provider-clipper"
NAME = f"npmguard-fixture-{CASE}"


def test_npm_publishes_views_installs_deprecates_and_unpublishes(registry: Verdaccio, tmp_path: Path) -> None:
    before = registry.publish(PACKAGES / CASE / "before")
    after = registry.publish(load_case(CASE, "after"))
    assert (before.version, after.version) == ("1.2.0", "1.2.1")

    viewed = registry.npm("view", NAME, "versions", "dist-tags", "--json", cwd=tmp_path)
    assert json.loads(viewed) == {"versions": ["1.2.0", "1.2.1"], "dist-tags": {"latest": "1.2.1"}}

    lock = registry.install(tmp_path / "project", f"{NAME}@^1.2.0")
    assert locked(lock, NAME) == after
    registry.install(tmp_path / "project", f"{NAME}@1.2.0")
    assert locked(lock, NAME) == before
    assert (tmp_path / "project/node_modules" / NAME / "lib/emitter.js").exists()

    registry.deprecate(NAME, "1.2.1", "compromised")
    assert registry.packument(NAME)["versions"]["1.2.1"]["deprecated"] == "compromised"
    registry.unpublish(NAME, "1.2.1")
    assert list(registry.packument(NAME)["versions"]) == ["1.2.0"]


def test_a_version_put_without_npm_installs_like_any_other(registry: Verdaccio, tmp_path: Path) -> None:
    child = registry.put(load_case(CASE, "before"))
    parent = registry.put(
        repack(load_case("esm-clipper", "before"), name="@npmguard/parent", dependencies={NAME: "*"})
    )
    lock = registry.install(tmp_path / "project", parent.name)
    assert locked(lock, parent.name) == parent
    assert locked(lock, child.name) == child


def test_publish_can_give_a_version_and_a_tag(registry: Verdaccio) -> None:
    registry.put(load_case(CASE, "after"))
    registry.publish(PACKAGES / CASE / "before", version="2.0.0-rc.1", tag="next")
    registry.publish(load_case(CASE, "before"), version="1.1.0", tag="old")
    told = registry.packument(NAME)
    assert sorted(told["versions"]) == ["1.1.0", "1.2.1", "2.0.0-rc.1"]
    assert told["dist-tags"] == {"latest": "1.2.1", "next": "2.0.0-rc.1", "old": "1.1.0"}


def test_times_of_publication_can_be_set_back(registry: Verdaccio) -> None:
    old = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    registry.put(load_case(CASE, "before"), at=old)
    registry.put(load_case(CASE, "after"), at=old + timedelta(days=9))
    assert registry.packument(NAME)["time"] == {
        "created": "2020-01-02T03:04:05.000Z",
        "modified": "2020-01-11T03:04:05.000Z",
        "1.2.0": "2020-01-02T03:04:05.000Z",
        "1.2.1": "2020-01-11T03:04:05.000Z",
    }


def test_what_the_registry_tells_can_differ_from_what_it_serves(registry: Verdaccio) -> None:
    shipped, other = load_case(CASE, "before"), load_case(CASE, "after")
    registry.put(shipped, dist={"fileCount": 99}, manifest={"scripts": {"postinstall": "node setup.example"}})
    registry.replace_tarball(NAME, "1.2.0", other)
    told = registry.packument(NAME)["versions"]["1.2.0"]
    assert told["dist"]["fileCount"] == 99
    assert told["dist"]["integrity"] == integrity_of(shipped)
    assert told["scripts"] == {"postinstall": "node setup.example"}
    assert registry.tarball(NAME, "1.2.0") == other


def test_a_registry_that_wants_a_login_answers_401_without_one(tmp_path: Path) -> None:
    with Verdaccio(tmp_path / "registry", login_required=True) as registry:
        registry.put(load_case(CASE, "before"))
        for path in NAME, f"{NAME}/-/{NAME}-1.2.0.tgz":
            assert requests.get(registry.url + path, timeout=10).status_code == 401
        assert "_authToken" not in registry.npmrc(tmp_path, token=False).read_text("utf-8")
        lock = registry.install(tmp_path / "project", NAME)
        assert locked(lock, NAME).version == "1.2.0"


def test_every_fixture_is_published_with_its_age(registry_with_fixtures: Verdaccio) -> None:
    now = datetime.now(UTC)
    for case in cases():
        told = registry_with_fixtures.packument(case.package)
        ages = {
            version: (now - datetime.fromisoformat(told["time"][version])).days for version in told["versions"]
        }
        assert ages == ({"1.2.0": 30} if case.benign else {"1.2.0": 30, "1.2.1": 1})
        assert told["dist-tags"] == {"latest": "1.2.0" if case.benign else "1.2.1"}


def test_the_server_ends_with_the_block_and_with_its_parent(tmp_path: Path) -> None:
    with Verdaccio(tmp_path / "registry") as registry:
        url = registry.url
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)

    killed = (
        "import os, signal, sys; from pathlib import Path; from tests.end_to_end.verdaccio import Verdaccio\n"
        "registry = Verdaccio(Path(sys.argv[1])).__enter__(); print(registry.url, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", killed, str(tmp_path / "orphan")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    assert gone_within(done.stdout.strip(), seconds=20)


def gone_within(url: str, *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            requests.get(url, timeout=10)
        except requests.ConnectionError:
            return True
        time.sleep(0.05)
    return False


def locked(lock: Path, name: str) -> Published:
    """What a lockfile says of a package, with the bytes that its URL gives."""
    entry = json.loads(lock.read_bytes())["packages"][f"node_modules/{name}"]
    registry = (lock.parent / ".npmrc").read_text("utf-8")
    token = registry.partition("_authToken=")[2].strip()
    response = requests.get(entry["resolved"], headers={"authorization": f"Bearer {token}"}, timeout=10)
    return Published(name, entry["version"], entry["integrity"], response.content)
