"""One team's find protects the next: from a report to indicators to another team's scan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import environment, npmguard, write_lock
from tests.fixture_addresses import burn_address
from tests.fixture_packages import cases, load_case, pack
from tests.servers import RegistryServer, sri

CASE = next(case for case in cases(benign=False) if case.name == "fetch-response-clipper")
WALLET = burn_address("eth", 0xA1)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def found_by_one_team(server: RegistryServer, folder: Path) -> Path:
    """The report of a scan of a compromised release beside its clean forerunner's dependents."""
    server.publish(CASE.package, "1.2.0", load_case(CASE, "before"), published="2026-01-01T00:00:00.000Z")
    bad = load_case(CASE, "after")
    server.publish(CASE.package, "1.2.1", bad, published="2026-03-01T10:00:00.000Z")
    clean = pack(
        {"package.json": b'{"name": "clean", "version": "1.0.0"}', "index.js": b"module.exports = 1\n"}
    )
    server.publish("clean", "1.0.0", clean)
    lock = write_lock(
        folder / "one",
        {"name": CASE.package, "version": "1.2.1", "integrity": sri(bad)},
        {"name": "clean", "version": "1.0.0", "integrity": sri(clean)},
    )
    report = folder / "report.json"
    env = environment(folder / "home", server.url)
    assert npmguard("scan", lock, "--format", "json", "--output", report, env=env).code == 1
    return report


@pytest.mark.parametrize("form", ["stix", "misp", "csv"])
def test_another_team_finds_by_them_what_it_could_not_know(
    server: RegistryServer, tmp_path: Path, form: str
) -> None:
    report = found_by_one_team(server, tmp_path)
    env = environment(tmp_path / "home", server.url)
    shared = tmp_path / f"shared.{form}"
    done = npmguard("indicators", report, "--format", form, "--output", shared, env=env)
    assert (done.code, done.stdout) == (0, b"")
    again = npmguard("indicators", report, "--format", form, env=env)
    assert again.stdout == shared.read_bytes()
    assert b"2026-03-01" in again.stdout
    assert b"pkg:npm/clean" not in again.stdout
    # a package that no rule says anything of: one string, the attacker's address
    other = pack(
        {
            "package.json": b'{"name": "other", "version": "1.0.0", "main": "index.js"}',
            "index.js": f"module.exports = '{WALLET}'\n".encode(),
        }
    )
    server.publish("other", "1.0.0", other, manifest={"main": "index.js"})
    lock = write_lock(tmp_path / "two", {"name": "other", "version": "1.0.0", "integrity": sri(other)})
    assert npmguard("scan", lock, env=env).code == 0
    found = npmguard("scan", lock, "--indicators", shared, "--format", "json", env=env)
    assert found.code == 1
    (finding,) = found.package("other")["findings"]
    assert finding["rule"] == "known-indicator"
    assert WALLET in finding["message"]


def test_the_same_bytes_are_found_under_another_name(server: RegistryServer, tmp_path: Path) -> None:
    report = found_by_one_team(server, tmp_path)
    env = environment(tmp_path / "home", server.url)
    tarball = json.loads(report.read_bytes())["packages"]
    (sha512,) = [it["specimen"]["sha512"] for it in tarball if it["specimen"] is not None]
    listed = tmp_path / "listed.txt"
    listed.write_text(f"{sha512}\n")
    bad = load_case(CASE, "after")
    server.publish("copy", "1.2.1", bad)
    lock = write_lock(tmp_path / "two", {"name": "copy", "version": "1.2.1", "integrity": sri(bad)})
    done = npmguard("scan", lock, "--indicators", listed, "--format", "json", env=env)
    assert "known-indicator" in {it["rule"] for it in done.package("copy")["findings"]}


def test_a_report_comes_from_standard_input_too(server: RegistryServer, tmp_path: Path) -> None:
    report = found_by_one_team(server, tmp_path)
    env = environment(tmp_path / "home", server.url)
    import subprocess

    from tests.command import command

    with report.open("rb") as given:
        done = subprocess.run(
            [*command(), "indicators", "-", "--format", "csv"],
            env=env,
            stdin=given,
            capture_output=True,
            check=True,
        )
    assert done.stdout.startswith(b"kind,value,source,date,description\n")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe"])
def test_what_is_no_report_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    given = tmp_path / "given.json"
    given.write_bytes(content)
    done = npmguard("indicators", given, env=environment(tmp_path / "home"))
    assert done.code == 2
    assert len(done.stderr.splitlines()) == 1
    missing = npmguard("indicators", tmp_path / "missing.json", env=environment(tmp_path / "home"))
    assert missing.code == 2
