"""Before an installation: real npm, a real registry on loopback, and the gate between them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.command import Result, command, environment, npmguard
from tests.fixture_packages import load_case, manifest_of, pack, repack
from tests.servers import RegistryServer

CASE = "fetch-response-clipper"
NOWHERE = "http://127.0.0.1:9/"


class World:
    """A registry with an honest library, a clipper, and a library that depends on the clipper."""

    def __init__(self, folder: Path, server: RegistryServer) -> None:
        self.server = server
        self.env = environment(folder / "home", server.url, npm_config_update_notifier="false")
        self.folder = folder / "project"
        self.folder.mkdir()
        (self.folder / "package.json").write_text('{"name": "project", "version": "1.0.0"}\n')
        self.publish("honest", "1.0.0", {})
        self.publish("honest", "1.1.0", {})
        self.clipper = load_case(CASE, "after")
        manifest = manifest_of(self.clipper)
        self.bad = manifest["name"]
        server.publish(self.bad, manifest["version"], self.clipper, manifest={"main": "index.js"})
        self.publish("carrier", "1.0.0", {"dependencies": {self.bad: manifest["version"]}})

    def publish(self, name: str, version: str, fields: Mapping[str, object]) -> None:
        manifest = {"name": name, "version": version, "main": "index.js", **fields}
        files = {"package.json": json.dumps(manifest).encode(), "index.js": b"module.exports = 1\n"}
        self.server.publish(name, version, pack(files), manifest=manifest)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        return npmguard(*arguments, env=dict(env or self.env), cwd=self.folder)

    def check(self, *specs: str) -> Result:
        return self.run("check", *specs, "--format", "json")

    @property
    def installed(self) -> list[str]:
        tree = self.folder / "node_modules"
        return sorted(path.name for path in tree.iterdir() if path.name[0] != ".") if tree.is_dir() else []

    @property
    def dependencies(self) -> dict[str, str]:
        document = json.loads((self.folder / "package.json").read_text())
        found: dict[str, str] = document.get("dependencies", {})
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with RegistryServer() as server:
        yield World(tmp_path, server)


# --- check -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "version"),
    [("honest", "1.1.0"), ("honest@1.0.0", "1.0.0"), ("honest@<1.1", "1.0.0"), ("honest@latest", "1.1.0")],
)
def test_check_resolves_as_npm_would(world: World, spec: str, version: str) -> None:
    done = world.check(spec)
    assert done.code == 0
    assert done.package("honest")["version"] == version
    assert world.installed == []
    assert world.dependencies == {}


def test_check_judges_the_whole_tree(world: World) -> None:
    done = world.check("carrier")
    assert done.code == 1
    assert done.package("carrier")["verdict"] == "clean"
    assert done.package(world.bad)["verdict"] == "malicious"
    assert done.package(world.bad)["paths"] == [["carrier@1.0.0", f"{world.bad}@1.2.1"]]


def test_check_knows_aliases(world: World) -> None:
    done = world.check(f"other@npm:{world.bad}")
    assert done.code == 1
    assert done.package(world.bad)["locations"] == ["node_modules/other"]


def test_a_tarball_file_is_told_as_what_nobody_can_verify(world: World) -> None:
    (world.folder / "x.tgz").write_bytes(repack(world.clipper, name="x", version="1.0.0"))
    done = world.check("./x.tgz")
    assert done.code == 3
    assert [entry["reason"] for entry in done.report["skipped"]] == ["file"]


@pytest.mark.parametrize(
    "spec", ["github:user/repo", "user/repo", "git+ssh://git@host.example/r.git", "a@user/repo"]
)
def test_a_git_host_is_said_and_not_scanned(world: World, spec: str) -> None:
    done = world.check(spec, "honest")
    assert done.code == 3
    assert [(entry["location"], entry["reason"]) for entry in done.report["skipped"]] == [(spec, "git")]
    assert done.package("honest")["verdict"] == "clean"


@pytest.mark.parametrize("spec", ["no-such-package-here", "honest@99"])
def test_what_is_not_there_is_one_line(world: World, spec: str) -> None:
    done = world.check(spec)
    assert done.code == 2
    assert spec.partition("@")[0] in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("spec", ["", "--ignore-scripts=false", "./absent.tgz"])
def test_what_is_no_spec_is_one_line(world: World, spec: str) -> None:
    done = world.run("check", "--", spec)
    assert done.code == 2
    assert done.stderr.count("\n") == 1


def test_offline_is_one_line(world: World, tmp_path: Path) -> None:
    env = environment(tmp_path / "offline", NOWHERE, npm_config_fetch_retries="0")
    done = world.run("check", "honest", env=env)
    assert done.code == 3
    assert "ECONNREFUSED" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_npm_is_one_line(world: World, tmp_path: Path) -> None:
    done = world.run("check", "honest", env={**world.env, "PATH": str(tmp_path)})
    assert done.code == 2
    assert "npm is not on PATH" in done.stderr


def test_an_old_npm_is_named(world: World, tmp_path: Path) -> None:
    old = tmp_path / "bin" / "npm"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 6.14.18\n")
    old.chmod(0o755)
    done = world.run(
        "check", "honest", env={**world.env, "PATH": f"{old.parent}{os.pathsep}{world.env['PATH']}"}
    )
    assert done.code == 2
    assert "npm 6.14.18" in done.stderr


# --- install ---------------------------------------------------------------------------------------------


def test_a_clean_tree_is_installed(world: World) -> None:
    done = world.run("install", "honest@1.0.0", "--save-exact")
    assert done.code == 0
    assert world.installed == ["honest"]
    assert world.dependencies == {"honest": "1.0.0"}
    assert "added     honest 1.0.0  clean" in done.stderr


def test_a_flagged_tree_is_not(world: World) -> None:
    before = (world.folder / "package.json").read_bytes()
    done = world.run("install", "carrier")
    assert done.code == 1
    assert "npm was not run" in done.stderr
    assert world.installed == []
    assert (world.folder / "package.json").read_bytes() == before
    assert not (world.folder / "package-lock.json").exists()


def test_an_incomplete_tree_is_not(world: World) -> None:
    (world.folder / "x.tgz").write_bytes(repack(load_case("benign-levenshtein", "package"), name="x"))
    done = world.run("install", "./x.tgz")
    assert done.code == 3
    assert world.installed == []


def test_a_reason_forces_it_and_is_recorded(world: World) -> None:
    done = world.run("install", "--force-flagged", "an exercise", "carrier")
    assert done.code == 0
    assert world.installed == sorted(["carrier", world.bad])
    (line,) = (world.folder / "npmguard-forced.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["reason"] == "an exercise"
    assert record["command"] == ["npm", "install", "carrier"]
    assert record["packages"] == [{"package": f"{world.bad}@1.2.1", "verdict": "malicious"}]
    assert world.run("install", "--force-flagged", " ", "carrier").code == 2


def test_what_changes_is_shown(world: World) -> None:
    world.run("install", "honest@1.0.0")
    done = world.run("install", "honest@1.1.0")
    assert "changed   honest 1.0.0 -> 1.1.0  clean" in done.stderr


def test_the_workspaces_of_a_project_are_resolved_too(world: World) -> None:
    inner = world.folder / "packages" / "app"
    inner.mkdir(parents=True)
    (inner / "package.json").write_text('{"name": "app", "version": "1.0.0", "dependencies": {"carrier": "1"}}')
    (world.folder / "package.json").write_text(
        '{"name": "p", "version": "1.0.0", "workspaces": ["packages/*"]}'
    )
    done = world.run("install")
    assert done.code == 1
    assert world.installed == []


def test_ci_judges_the_lock_first(world: World) -> None:
    world.run("install", "honest")
    shutil.rmtree(world.folder / "node_modules")
    assert world.run("ci").code == 0
    assert world.installed == ["honest"]
    world.run("install", "--force-flagged", "an exercise", "carrier")
    shutil.rmtree(world.folder / "node_modules")
    assert world.run("ci").code == 1
    assert world.installed == []


def test_update_and_exec_stand_behind_the_gate(world: World) -> None:
    world.run("install", "honest@<1.1")
    assert world.run("npm", "update").code == 0
    world.publish("tool", "1.0.0", {"bin": {"tool": "index.js"}, "dependencies": {world.bad: "1.2.1"}})
    done = world.run("npm", "exec", "--yes", "tool")
    assert done.code == 1
    assert world.bad in done.stderr


def test_other_commands_of_npm_go_straight_on(world: World) -> None:
    done = world.run("npm", "pkg", "get", "name")
    assert done.code == 0
    assert done.text.strip() == '"project"'
    assert world.server.requests == []


def test_the_same_again_asks_nobody(world: World) -> None:
    world.run("install", "honest")
    asked = len(world.server.requests)
    env = {**world.env, "npm_config_offline": "true"}
    assert world.run("install", env=env).code == 0
    assert world.run("ci", env=env).code == 0
    assert len(world.server.requests) == asked
    manifest = json.loads((world.folder / "package.json").read_text())
    (world.folder / "package.json").write_text(json.dumps({**manifest, "dependencies": {"carrier": "1"}}))
    assert world.run("install").code == 1


# --- shells ----------------------------------------------------------------------------------------------

SHELLS = {
    "bash": (["bash", "--noprofile", "--norc", "-c"], 'eval "$(npmguard shell-init bash)"; '),
    "zsh": (["zsh", "-f", "-c"], 'eval "$(npmguard shell-init zsh)"; '),
    "fish": (["fish", "--no-config", "-c"], "npmguard shell-init fish | source; "),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_functions_put_the_gate_before_npm(world: World, tmp_path: Path, shell: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "npmguard"
    script.write_text(f'#!/bin/sh\nexec {" ".join(command())} "$@"\n')
    script.chmod(0o755)
    env = {**world.env, "PATH": f"{folder}{os.pathsep}{world.env['PATH']}"}
    program, setup = SHELLS[shell]

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, setup + line], cwd=world.folder, env=env, capture_output=True, text=True, check=False
        )

    assert run("npm pkg get name").stdout.strip() == '"project"'
    flagged = run("npm install carrier")
    assert flagged.returncode == 1
    assert "npm was not run" in flagged.stderr
    clean = run("npm add honest")
    assert clean.returncode == 0, clean.stderr
    assert world.installed == ["honest"]


def test_powershell_gets_functions_too(world: World) -> None:
    text = world.run("shell-init", "powershell").text
    for verb in ("install", "add", "ci", "update", "exec"):
        assert f"'{verb}'" in text
    assert "npmguard npm @args" in text
