"""``--min-age`` as its user meets it: young releases wait, and corrections that add nothing do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.command import Result, environment, npmguard, write_lock
from tests.fixture_packages import pack
from tests.servers import RegistryServer, Reply, Request, sri

BULK = "/-/npm/v1/security/advisories/bulk"
CODE = "module.exports = text => text.replace(/(a+)+$/, '')\n"
FIXED = "module.exports = text => text.replace(/a+$/, '')\n"
ADVISORY = {
    "id": 1098000,
    "url": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
    "title": "ReDoS in trim-a",
    "severity": "high",
    "vulnerable_versions": "<1.0.1",
    "cwe": ["CWE-1333"],
    "cvss": {"score": 7.5, "vectorString": None},
}
RECORD = {
    "id": "GHSA-dddd-eeee-ffff",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"ecosystem": "npm", "name": "trim-a"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.0.1"}]}],
        }
    ],
}
MALWARE = {**RECORD, "id": "MAL-2026-1"}


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        running.route("/v1/querybatch", Reply.json({"results": [{}]}))
        running.route("/v1/query", Reply.json({}))
        running.route(BULK, Reply.json({}))
        yield running


def tarball(version: str, code: str, manifest: dict[str, Any]) -> bytes:
    told = {"name": "trim-a", "version": version, "main": "index.js", **manifest}
    return pack({"package.json": json.dumps(told).encode(), "index.js": code.encode()})


def scan(
    server: RegistryServer,
    folder: Path,
    *options: str,
    code: str = FIXED,
    manifest: dict[str, Any] | None = None,
    proven_before: bool = False,
    broken: str | None = None,
) -> Result:
    """A scan of trim-a 1.0.1, a day old, after versions of long ago."""
    manifest = manifest or {}
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    origin = {"url": f"{server.url}-/npm/v1/attestations/trim-a", "provenance": {"predicateType": "slsa"}}
    dist = {"attestations": origin} if proven_before else {}
    for patch in range(4):
        version = f"1.0.0-{patch}" if patch < 3 else "1.0.0"
        old = tarball(version, CODE, {})
        when = f"2020-0{patch + 1}-01T00:00:00.000Z"
        server.publish("trim-a", version, old, manifest={"main": "index.js"}, dist=dist, published=when)
    young = tarball("1.0.1", code, manifest)
    server.publish("trim-a", "1.0.1", young, manifest={"main": "index.js", **manifest}, published=yesterday)
    if broken is not None:
        server.route(broken, Reply(status=500))
    lock = write_lock(folder / "project", {"name": "trim-a", "version": "1.0.1", "integrity": sri(young)})
    (lock.parent / "npmguard.toml").write_text(f'[feed]\napi = "{server.url}v1/"\n')
    env = {**environment(folder / "home", server.url), "NPMGUARD_FEED": "required"}
    return npmguard("scan", lock, "--min-age", "7d", "--format", "json", *options, env=env)


def waits(done: Result) -> str:
    """Why the release does not pass early, in one text."""
    package = done.package("trim-a")
    assert package["verdict"] == "suspicious"
    (finding,) = [it for it in package["findings"] if it["rule"] == "too-young"]
    return "; ".join(it["message"] for it in finding["evidence"])


def test_a_correction_that_adds_nothing_passes_with_the_reason(server: RegistryServer, tmp_path: Path) -> None:
    server.route(BULK, Reply.json({"trim-a": [ADVISORY]}))
    done = scan(server, tmp_path)
    assert (done.code, done.package("trim-a")["verdict"]) == (0, "clean")
    (note,) = done.package("trim-a")["notes"]
    assert "it fixes GHSA-aaaa-bbbb-cccc, and adds no behaviour, script, dependency or host to 1.0.0" in note
    assert f"trim-a@1.0.1: {note}" in done.report["notes"]


def test_what_osv_knows_to_be_fixed_is_as_good(server: RegistryServer, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: Request) -> Reply:
        asked.append(json.loads(request.body))
        more = {"next_page_token": "2"} if len(asked) == 1 else {}
        return Reply.json({"vulns": [MALWARE if more else RECORD], **more})

    server.route("/v1/query", answer)
    done = scan(server, tmp_path)
    assert done.code == 0
    assert "it fixes GHSA-dddd-eeee-ffff" in done.package("trim-a")["notes"][0]
    question = {"package": {"name": "trim-a", "ecosystem": "npm"}, "version": "1.0.0"}
    assert asked == [question, {**question, "page_token": "2"}]


def test_without_a_known_correction_it_waits(server: RegistryServer, tmp_path: Path) -> None:
    done = scan(server, tmp_path)
    assert "no known advisory says that it fixes anything" in waits(done)


def test_an_advisory_that_still_holds_corrects_nothing(server: RegistryServer, tmp_path: Path) -> None:
    server.route(BULK, Reply.json({"trim-a": [{**ADVISORY, "vulnerable_versions": "<=1.0.1"}]}))
    assert "no known advisory" in waits(scan(server, tmp_path))


def test_a_record_of_malware_is_no_vulnerability(server: RegistryServer, tmp_path: Path) -> None:
    server.route(BULK, Reply.json({"trim-a": [{**ADVISORY, "cwe": ["CWE-506"]}]}))
    server.route("/v1/query", Reply.json({"vulns": [MALWARE]}))
    assert "no known advisory" in waits(scan(server, tmp_path))


@pytest.mark.parametrize(
    ("code", "manifest", "because"),
    [
        (f"require('child_process').exec('true')\n{FIXED}", {}, "it does something new: "),
        (f"fetch('https://new.example/x')\n{FIXED}", {}, "it names new hosts: new.example"),
        (FIXED, {"scripts": {"postinstall": "node index.js"}}, "its postinstall script is new"),
        (FIXED, {"dependencies": {"fresh": "^1.0.0"}}, "it brings in fresh"),
    ],
    ids=["a behaviour", "a host", "a script", "a dependency"],
)
def test_a_correction_that_adds_something_waits(
    server: RegistryServer, tmp_path: Path, code: str, manifest: dict[str, Any], because: str
) -> None:
    server.route(BULK, Reply.json({"trim-a": [ADVISORY]}))
    assert because in waits(scan(server, tmp_path, code=code, manifest=manifest))


def test_a_correction_that_lost_trust_waits(server: RegistryServer, tmp_path: Path) -> None:
    server.route(BULK, Reply.json({"trim-a": [ADVISORY]}))
    assert "less trusted than its forerunners: provenance-lost" in waits(
        scan(server, tmp_path, proven_before=True)
    )


def test_a_version_before_that_cannot_be_had_is_no_comparison(server: RegistryServer, tmp_path: Path) -> None:
    server.route(BULK, Reply.json({"trim-a": [ADVISORY]}))
    spoilt = scan(server, tmp_path, broken="/trim-a/-/trim-a-1.0.0.tgz")
    assert "it could not be compared with the version before" in waits(spoilt)


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_who_cannot_ask_lets_nothing_pass(server: RegistryServer, tmp_path: Path, status: int) -> None:
    broken = Reply(status=status, headers={"Retry-After": "1"})
    server.route(BULK, broken)
    server.route("/v1/query", broken)
    assert "whether it fixes anything could not be asked" in waits(scan(server, tmp_path))


def test_one_source_is_enough(server: RegistryServer, tmp_path: Path) -> None:
    server.route(BULK, Reply(status=503))
    server.route("/v1/query", Reply.json({"vulns": [RECORD]}))
    assert scan(server, tmp_path).code == 0


def test_nobody_is_asked_who_was_told_not_to(server: RegistryServer, tmp_path: Path) -> None:
    done = scan(server, tmp_path, "--feed", "off")
    assert "could not be asked: feed.online is false" in waits(done)
    assert server.asked("/v1/query") == []


def test_the_settings_except_packages(server: RegistryServer, tmp_path: Path) -> None:
    first = scan(server, tmp_path)
    settings = tmp_path / "project" / "npmguard.toml"
    settings.write_text(f'{settings.read_text()}[cooldown]\nexcept = ["trim-a"]\n')
    env = {**environment(tmp_path / "home", server.url), "NPMGUARD_FEED": "required"}
    again = npmguard("scan", settings.parent, "--min-age", "7d", "--format", "json", env=env)
    assert waits(first)
    assert again.package("trim-a")["verdict"] == "clean"
