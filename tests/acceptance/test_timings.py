"""``--timings``: every stage of one run, beside a report that is the same as without."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import environment, npmguard, write_lock
from tests.fixture_packages import load_case, manifest_of
from tests.servers import RegistryServer, sri

STAGES = {"fetch", "hash", "gunzip", "tar", "prefilter", "parse", "facts", "decode", "flows", "rules", "report"}


def test_a_scan_tells_what_each_stage_cost(tmp_path: Path) -> None:
    tarball = load_case("fetch-response-clipper", "after")
    manifest = manifest_of(tarball)
    name, version = manifest["name"], manifest["version"]
    with RegistryServer() as server:
        server.publish(name, version, tarball, manifest={"main": "index.js"})
        lock = write_lock(tmp_path / "project", {"name": name, "version": version, "integrity": sri(tarball)})
        env = environment(tmp_path / "home", server.url)
        plain = npmguard("scan", lock, "--no-cache", "--format", "json", env=env)
        options = ("--no-cache", "--format", "json", "--timings", "--timings-output", tmp_path / "t.json")
        timed = npmguard("scan", lock, *options, env=env)
    assert timed.stdout == plain.stdout
    assert timed.code == plain.code == 1
    document = json.loads((tmp_path / "t.json").read_bytes())
    assert document["schema"] == "npmguard.timings/1"
    assert set(document["stages"]) >= STAGES
    assert all(cost["calls"] > 0 and cost["wall"] >= 0 for cost in document["stages"].values())
    table = timed.stderr.splitlines()
    assert {line.split()[0] for line in table} >= STAGES
    assert "stage " not in plain.stderr
