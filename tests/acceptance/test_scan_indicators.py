"""One team's find protects the next: what a mail or a feed named is found in packages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import environment, npmguard, write_lock
from tests.fixture_packages import pack
from tests.servers import RegistryServer, sri

ROOT = Path(__file__).parents[2]
CODE = b"module.exports = () => fetch('https://' + ['npmjs-auth', 'example'].join('.') + '/x')\n"


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def project(server: RegistryServer, folder: Path, code: bytes) -> Path:
    manifest = json.dumps({"name": "a", "version": "1.0.0", "main": "index.js"})
    tarball = pack({"package.json": manifest.encode(), "index.js": code})
    server.publish("a", "1.0.0", tarball, manifest={"main": "index.js"})
    return write_lock(folder, {"name": "a", "version": "1.0.0", "integrity": sri(tarball)})


@pytest.mark.parametrize(
    "indicator",
    ["npmjs-auth.example", hashlib.sha256(CODE).hexdigest(), "pkg:npm/a@1.0.0"],
    ids=["a domain that the code builds", "the hash of a file", "a package version"],
)
def test_an_indicator_makes_the_package_malicious(
    tmp_path: Path, server: RegistryServer, indicator: str
) -> None:
    lock = project(server, tmp_path / "project", CODE)
    listed = tmp_path / "indicators.txt"
    listed.write_text(f"{indicator}\n")
    env = environment(tmp_path / "home", server.url)
    assert npmguard("scan", lock, env=env).code == 0
    found = npmguard("scan", lock, "--indicators", listed, "--format", "json", env=env)
    assert found.code == 1
    assert "known-indicator" in {finding["rule"] for finding in found.package("a")["findings"]}
    assert npmguard("scan", lock, env=env).code == 0  # a stored result of other indicators is not this one's


def test_a_near_miss_finds_nothing(tmp_path: Path, server: RegistryServer) -> None:
    lock = project(server, tmp_path / "project", CODE)
    listed = tmp_path / "indicators.txt"
    listed.write_text("auth.example\nnpmjs-auth.example.org\npkg:npm/a@1.0.1\n")
    done = npmguard("scan", lock, "--indicators", listed, env=environment(tmp_path / "home", server.url))
    assert done.code == 0


@pytest.mark.parametrize("form", ["plain", "csv", "stix", "misp"])
def test_what_a_phishing_mail_named_is_found_in_a_package(
    tmp_path: Path, server: RegistryServer, form: str
) -> None:
    message = ROOT / "fixtures" / "mail" / "phishing" / "bitbucket-app-password.eml"
    listed = tmp_path / f"indicators.{form}"
    env = environment(tmp_path / "home", server.url)
    judged = npmguard("mail", message, "--write-indicators", listed, "--indicator-format", form, env=env)
    assert judged.code == 1
    code = b"module.exports = () => require('https').get('https://bitbuckett.example/collect')\n"
    lock = project(server, tmp_path / "project", code)
    assert npmguard("scan", lock, "--indicators", listed, env=env).code == 1


def test_a_file_that_holds_no_indicators_is_one_clear_line(tmp_path: Path, server: RegistryServer) -> None:
    lock = project(server, tmp_path / "project", CODE)
    env = environment(tmp_path / "home", server.url)
    done = npmguard("scan", lock, "--indicators", tmp_path / "absent.csv", env=env)
    assert done.code == 2
    assert "absent.csv" in done.stderr
    assert done.stderr.count("\n") == 1
