"""A release that changes no code and brings in a fresh package, as axios 1.14.1 did, on a real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.command import npmguard
from tests.end_to_end.verdaccio import Verdaccio
from tests.fixture_packages import pack

CLIENT, HELPER, OLD = "npmguard-replay-client", "npmguard-replay-helper", "npmguard-replay-form"
CODE = f"const form = require('{OLD}');\n\nmodule.exports = (fields) => form(fields).length;\n"
BUILD_SERVICE = {
    "_npmUser": {"name": "GitHub Actions", "trustedPublisher": {"id": "github"}},
    "maintainers": [{"name": "maintainer", "email": "maintainer@mail.example"}],
}
NOW = datetime.now(UTC)


def package(name: str, version: str, code: str, **manifest: Any) -> bytes:
    shipped = {"name": name, "version": version, "main": "index.js", **manifest}
    return pack({"package.json": json.dumps(shipped).encode(), "index.js": code.encode()})


def by(account: str) -> dict[str, Any]:
    return {"_npmUser": {"name": account, "email": f"{account}@mail.example"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdaccio]:
    """The client with a year of releases by a build service, and one by an account, of yesterday."""
    with Verdaccio(tmp_path_factory.mktemp("replay")) as registry:
        registry.put(package(OLD, "4.0.0", "module.exports = Object.keys;\n"), at=NOW - timedelta(days=400))
        for index in range(7):
            version, age = f"1.{index + 8}.0", timedelta(days=210 - 30 * index)
            shipped = package(CLIENT, version, CODE, dependencies={OLD: "^4.0.0"})
            registry.put(shipped, at=NOW - age, manifest=BUILD_SERVICE)
        yesterday = NOW - timedelta(days=1)
        for version, hours in (("4.2.0", 18), ("4.2.1", 1)):
            shipped = package(
                HELPER, version, "module.exports = 1;\n", scripts={"postinstall": "node index.js"}
            )
            registry.put(shipped, at=yesterday - timedelta(hours=hours), manifest=by("somebody"))
        changed = {OLD: "^4.0.0", HELPER: "^4.2.1"}
        registry.put(
            package(CLIENT, "1.14.1", CODE, dependencies=changed), at=yesterday, manifest=by("maintainer")
        )
        yield registry


def scan(server: Verdaccio, folder: Path, name: str, wanted: str) -> Any:
    project = folder / "app"
    project.mkdir()
    manifest = {"name": "app", "version": "1.0.0", "private": True, "dependencies": {name: wanted}}
    (project / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
    lock = server.install(project)
    env = server.environment()
    env["XDG_CACHE_HOME"] = str(folder / "cache")
    return npmguard("scan", lock, "--format", "json", env=env)


def test_the_version_before_is_clean(server: Verdaccio, tmp_path: Path) -> None:
    done = scan(server, tmp_path, CLIENT, "1.14.0")
    assert (done.code, done.package(CLIENT)["verdict"]) == (0, "clean")
    assert done.package(CLIENT)["findings"] == []


def test_the_release_that_brings_it_in_is_malicious_and_leads_back(server: Verdaccio, tmp_path: Path) -> None:
    done = scan(server, tmp_path, CLIENT, "^1.14.0")
    client = done.package(CLIENT)
    assert (done.code, client["verdict"]) == (1, "malicious")
    critical = {it["rule"] for it in client["findings"] if it["severity"] == "critical"}
    assert critical == {"odd-fresh-dependency-and-trust-lost", "fresh-script-dependency-never-named"}
    notes = {it["rule"] for it in client["findings"] if it["severity"] == "medium"}
    assert {
        "trusted-publishing-lost",
        "new-dependency-just-published",
        "new-dependency-of-strangers",
        "new-dependency-runs-at-installation",
        "new-dependency-without-a-past",
        "new-dependency-never-named",
    } <= notes
    assert client["fix"]["version"] == "1.14.0"
    assert any("npm install" in it and f"{CLIENT}@1.14.0" in it for it in client["notes"]), client["notes"]
    assert {it["verdict"] for it in client["reasons"]} == {"malicious"}
    assert all(not it["file"] for it in client["findings"])  # no line of code has changed


def test_people_read_why(server: Verdaccio, tmp_path: Path) -> None:
    env = server.environment()
    env["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    done = npmguard("inspect", f"{CLIENT}@1.14.1", env=env, cwd=tmp_path)
    text = " ".join(done.stdout.decode().split())
    assert done.code == 1
    assert f"It brings in {HELPER}, which no earlier release had" in text
    assert "malicious: fresh-script-dependency-never-named: critical with high confidence" in text


def test_siblings_that_come_together_are_clean(server: Verdaccio, tmp_path: Path) -> None:
    name, sibling = "npmguard-replay-core", "npmguard-replay-core-utils"
    for index in range(6):
        code = "module.exports = 2;\n"
        age = timedelta(days=300 - 30 * index)
        server.put(package(name, f"2.0.{index}", code), at=NOW - age, manifest=by("maintainer"))
    yesterday = NOW - timedelta(days=1)
    server.put(package(sibling, "2.1.0", "module.exports = 3;\n"), at=yesterday, manifest=by("maintainer"))
    code = f"module.exports = require('{sibling}');\n"
    split = package(name, "2.1.0", code, dependencies={sibling: "2.1.0"})
    server.put(split, at=yesterday + timedelta(seconds=20), manifest=by("maintainer"))
    done = scan(server, tmp_path, name, "2.1.0")
    assert (done.code, done.package(name)["verdict"]) == (0, "clean")
    assert done.package(name)["findings"] == []
