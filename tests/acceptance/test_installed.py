"""node_modules as real npm fills it, and what somebody does to it afterwards."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.command import Result, environment, npmguard, write_lock
from tests.fixture_packages import pack
from tests.node_tools import program
from tests.servers import RegistryServer, sri

CLIPPER = Path(__file__).parents[2] / "fixtures" / "packages" / "fetch-response-clipper" / "after" / "index.js"


class Installed:
    """A project after ``npm ci``: a library with a command, and what it depends on."""

    def __init__(self, folder: Path, server: RegistryServer) -> None:
        self.folder = folder / "project"
        self.env = environment(folder / "home", server.url)
        self._server = server
        inner = self._publish("inner", {"index.js": b"module.exports = 2\n", ".gitignore": b"*.log\n"})
        outer = self._publish(
            "outer",
            {
                "index.js": b"module.exports = require('inner')\n",
                "cli.js": b"#!/usr/bin/env node\r\nconsole.log(1)\r\n",
                "lib/words.js": b"module.exports = ['a']\n",
            },
            bin={"outer": "cli.js"},
            dependencies={"inner": "1.0.0"},
        )
        write_lock(self.folder, outer, inner)
        manifest = {"name": "project", "version": "1.0.0", "dependencies": {"outer": "1.0.0", "inner": "1.0.0"}}
        (self.folder / "package.json").write_text(json.dumps(manifest))
        self.npm("ci", "--ignore-scripts")
        self.tree = self.folder / "node_modules"

    def _publish(self, name: str, files: Mapping[str, bytes], **manifest: object) -> dict[str, object]:
        document = {"name": name, "version": "1.0.0", **manifest}
        tarball = pack({"package.json": json.dumps(document).encode(), **files})
        self._server.publish(name, "1.0.0", tarball, manifest=document)
        entry = {"name": name, "version": "1.0.0", "integrity": sri(tarball), **manifest}
        return {**entry, "resolved": f"{self._server.url}{name}/-/{name}-1.0.0.tgz"}

    def npm(self, *arguments: str) -> None:
        command = [program("npm"), *arguments, "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=self.folder, env=self.env, check=True, capture_output=True)

    def scan(self, *options: str) -> Result:
        return npmguard("scan", self.folder, "--installed", "--format", "json", *options, env=self.env)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def installed(tmp_path: Path, server: RegistryServer) -> Installed:
    return Installed(tmp_path, server)


def rules(result: Result, name: str) -> list[str]:
    return [finding["rule"] for finding in result.package(name)["findings"]]


def test_what_npm_installs_is_what_the_lock_pins(installed: Installed) -> None:
    assert (installed.tree / "outer" / "cli.js").read_bytes().startswith(b"#!/usr/bin/env node\n")
    assert (installed.tree / "inner" / ".npmignore").exists()
    done = installed.scan()
    assert done.code == 0
    assert [package["verdict"] for package in done.report["packages"]] == ["clean", "clean"]
    assert all(package["findings"] == [] for package in done.report["packages"])


def test_a_changed_file_is_named(installed: Installed) -> None:
    (installed.tree / "outer" / "lib" / "words.js").write_text("module.exports = ['b']\n")
    done = installed.scan("--fail-on", "suspicious")
    assert done.code == 1
    (finding,) = done.package("outer")["findings"]
    assert (finding["rule"], finding["file"]) == ("installed-file-changed", "lib/words.js")
    assert done.package("inner")["verdict"] == "clean"


def test_changed_code_is_judged(installed: Installed) -> None:
    target = installed.tree / "inner" / "index.js"
    target.write_bytes(target.read_bytes() + CLIPPER.read_bytes())
    done = installed.scan()
    assert done.code == 1
    assert done.package("inner")["verdict"] == "malicious"


def test_a_command_that_was_changed_beyond_its_line_ends_is_told(installed: Installed) -> None:
    (installed.tree / "outer" / "cli.js").write_bytes(b"#!/usr/bin/env node\nconsole.log(2)\r\n")
    assert rules(installed.scan(), "outer") == ["installed-file-changed"]


def test_added_and_missing_files_are_named(installed: Installed) -> None:
    (installed.tree / "outer" / "extra.js").write_text("1\n")
    (installed.tree / "inner" / "index.js").unlink()
    done = installed.scan()
    assert rules(done, "outer") == ["installed-file-added"]
    assert rules(done, "inner") == ["installed-file-missing"]
    assert done.package("outer")["verdict"] == "suspicious"


def test_a_patch_of_the_project_explains_a_change(installed: Installed) -> None:
    (installed.tree / "outer" / "lib" / "words.js").write_text("module.exports = ['b']\n")
    (installed.folder / "patches").mkdir()
    (installed.folder / "patches" / "outer+1.0.0.patch").write_text("diff\n")
    done = installed.scan("--fail-on", "suspicious")
    assert done.code == 0
    (finding,) = done.package("outer")["findings"]
    assert finding["severity"] == "medium"
    assert "patches/outer+1.0.0.patch" in finding["message"]


def test_a_package_that_the_lock_does_not_know_is_told(installed: Installed) -> None:
    for name in ("stranger", "@scope/stranger", "outer/node_modules/stranger"):
        folder = installed.tree / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"name": "x", "version": "2.0.0"}')
    done = installed.scan("--fail-on", "suspicious")
    assert done.code == 1
    strangers = {
        package["locations"][0]
        for package in done.report["packages"]
        if "installed-package-not-locked" in [finding["rule"] for finding in package["findings"]]
    }
    assert strangers == {
        "node_modules/stranger",
        "node_modules/@scope/stranger",
        "node_modules/outer/node_modules/stranger",
    }


def test_a_replaced_command_is_told(installed: Installed, tmp_path: Path) -> None:
    commands = installed.tree / ".bin"
    (commands / "outer").unlink()
    (commands / "outer").symlink_to(tmp_path / "elsewhere")
    (commands / "node").write_text("#!/bin/sh\n")
    done = installed.scan()
    told = [
        package
        for package in done.report["packages"]
        if package["locations"][0].startswith("node_modules/.bin")
    ]
    assert sorted(package["locations"][0] for package in told) == [
        "node_modules/.bin/node",
        "node_modules/.bin/outer",
    ]


def test_what_is_not_installed_leaves_the_scan_incomplete(installed: Installed) -> None:
    subprocess.run(["rm", "-r", installed.tree / "inner"], check=True)
    done = installed.scan()
    assert done.code == 3
    assert done.report["incomplete"] == ["node_modules/inner: not installed; run npm ci"]


def test_links_lead_nowhere(installed: Installed, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("module.exports = 'secret'\n")
    (installed.tree / "outer" / "lib" / "words.js").unlink()
    (installed.tree / "outer" / "lib" / "words.js").symlink_to(secret)
    assert rules(installed.scan(), "outer") == ["installed-file-missing"]


def test_both_ways_at_once_is_an_error(installed: Installed) -> None:
    done = installed.scan("--against", "HEAD")
    assert done.code == 2
    assert "choose one" in done.stderr
