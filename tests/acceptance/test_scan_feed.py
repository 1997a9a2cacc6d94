"""What a scan does about known malware by default: it asks, and says when it could not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import environment, npmguard, write_lock
from tests.feeds import osv_record, zipped
from tests.fixture_packages import pack
from tests.servers import RegistryServer, Reply, free_port, sri

NAME, VERSION = "left-pad", "1.0.0"


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def project(server: RegistryServer, folder: Path, feed: str, code: str = "module.exports = 1") -> Path:
    """A lock of one package, and settings that name *feed* as OSV's API."""
    manifest = json.dumps({"name": NAME, "version": VERSION, "main": "index.js"})
    tarball = pack({"package.json": manifest.encode(), "index.js": f"{code}\n".encode()})
    server.publish(NAME, VERSION, tarball, manifest={"main": "index.js"})
    folder.mkdir()
    (folder / "npmguard.toml").write_text(f'[feed]\napi = "{feed}"\n')
    return write_lock(folder, {"name": NAME, "version": VERSION, "integrity": sri(tarball)})


def by_default(home: Path, server: RegistryServer) -> dict[str, str]:
    return {key: value for key, value in environment(home, server.url).items() if key != "NPMGUARD_FEED"}


def test_a_scan_asks_by_default_and_believes_the_answer(server: RegistryServer, tmp_path: Path) -> None:
    record = osv_record("MAL-2026-7", NAME, VERSION)
    found = {"results": [{"vulns": [{"id": "MAL-2026-7", "modified": record["modified"]}]}]}
    server.route("/v1/querybatch", Reply.json(found))
    server.route("/v1/vulns/MAL-2026-7", Reply.json(record))
    lock = project(server, tmp_path / "project", f"{server.url}v1/")
    done = npmguard("scan", lock, "--format", "json", env=by_default(tmp_path / "home", server))
    assert done.code == 1
    assert done.package(NAME)["verdict"] == "malicious"
    assert len(server.asked("/v1/querybatch")) == 1


def test_a_scan_that_nobody_answers_is_incomplete_and_says_what_to_do(
    server: RegistryServer, tmp_path: Path
) -> None:
    lock = project(server, tmp_path / "project", f"http://127.0.0.1:{free_port()}/v1/")
    env = by_default(tmp_path / "home", server)
    done = npmguard("scan", lock, "--format", "json", env=env)
    assert done.code == 3
    assert done.package(NAME)["verdict"] == "clean"
    (line,) = done.report["incomplete"]
    assert "OSV: could not be asked" in line
    assert "--feed optional" in line
    assert "npmguard feed update" in line
    optional = npmguard("scan", lock, "--format", "json", "--feed", "optional", env=env)
    assert (optional.code, optional.report["incomplete"]) == (0, [])
    assert any("OSV: could not be asked" in note for note in optional.report["notes"])


def test_offline_nobody_is_asked_and_that_is_said(server: RegistryServer, tmp_path: Path) -> None:
    lock = project(server, tmp_path / "project", f"{server.url}v1/")
    env = by_default(tmp_path / "home", server)
    npmguard("scan", lock, "--feed", "off", env=env)  # fills the caches
    asked = len(server.paths)
    done = npmguard("scan", lock, "--format", "json", "--offline", env=env)
    assert done.code == 3
    assert "OSV: not asked: offline" in done.report["incomplete"][0]
    assert npmguard("scan", lock, "--offline", "--feed", "optional", env=env).code == 0
    assert "/v1/querybatch" not in server.paths
    assert len(server.paths) == asked


def test_one_package_is_held_to_the_same(server: RegistryServer, tmp_path: Path) -> None:
    project(server, tmp_path / "project", f"http://127.0.0.1:{free_port()}/v1/")
    env = by_default(tmp_path / "home", server)
    spec = f"{NAME}@{VERSION}"
    assert npmguard("inspect", spec, env=env, cwd=tmp_path / "project").code == 3
    assert npmguard("inspect", spec, "--feed", "optional", env=env, cwd=tmp_path / "project").code == 0


def test_a_feed_that_is_silent_holds_a_scan_up_for_seconds_once(server: RegistryServer, tmp_path: Path) -> None:
    """The connection stands and nothing comes: npmguard asks once, and waits no longer than it is told to."""
    server.route("/v1/querybatch", Reply(hang=60))
    lock = project(server, tmp_path / "project", f"{server.url}v1/")
    done = npmguard("scan", lock, env=by_default(tmp_path / "home", server), limit=30)
    assert done.code == 3
    assert len(server.asked("/v1/querybatch")) == 1


# --- what records name beside packages -------------------------------------------------------------------


def index_of(server: RegistryServer, home: Path, *records: dict[str, Any]) -> None:
    """Have ``npmguard feed update`` make an index of *records*."""
    server.route("/all.zip", Reply(zipped(*records)))
    settings = home / "feed.toml"
    settings.write_text(f'[feed]\nurl = "{server.url}all.zip"\n')
    assert npmguard("feed", "update", "--config", settings, env=environment(home, server.url)).code == 0


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("fetch('https://drop.example/collect?x=1')", "malicious"),
        ("fetch('https://' + ['drop', 'example'].join('.') + '/other')", "suspicious"),
        ("connect({host: '203.0.113.9'})", "suspicious"),
        ("fetch('https://github.com/someone')", "clean"),
        ("fetch('https://old.example/x')", "clean"),
    ],
    ids=["a URL", "a domain that the code builds", "an address", "everybody's host", "a withdrawn record"],
)
def test_what_records_of_malware_name_is_found_in_other_packages(
    server: RegistryServer, tmp_path: Path, code: str, verdict: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    iocs = {
        "domains": ["drop.example", "github.com"],
        "ips": ["203.0.113.9"],
        "urls": ["https://drop.example/collect"],
    }
    withdrawn = osv_record("MAL-2026-8", "older", "1.0.0", withdrawn="2026-05-02T00:00:00Z")
    withdrawn["database_specific"] = {"iocs": {"domains": ["old.example"]}}
    record = osv_record("MAL-2026-7", "evil", "1.0.0", database_specific={"iocs": iocs})
    index_of(server, home, record, withdrawn)
    lock = project(server, tmp_path / "project", f"{server.url}v1/", code)
    done = npmguard("scan", lock, "--format", "json", env=by_default(home, server))
    package = done.package(NAME)
    assert package["verdict"] == verdict
    if verdict != "clean":
        assert "MAL-2026-7" in package["findings"][0]["evidence"][0]["message"]
    assert done.report["incomplete"] == []  # the index is fresh, and nobody had to be asked


def test_the_settings_leave_the_names_of_records_alone(server: RegistryServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    iocs = {"urls": ["https://drop.example/collect"]}
    index_of(server, home, osv_record("MAL-2026-7", "evil", "1.0.0", database_specific={"iocs": iocs}))
    lock = project(server, tmp_path / "project", f"{server.url}v1/", "fetch('https://drop.example/collect')")
    settings = lock.parent / "npmguard.toml"
    settings.write_text(f"{settings.read_text()}indicators = false\n")
    assert npmguard("scan", lock, env=by_default(home, server)).code == 0
