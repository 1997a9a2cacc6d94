"""Where others plug npmguard in: the action, the GitLab job, the hook, the image, and that they are safe."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from tests.command import command, environment, write_lock
from tests.fixture_packages import load_case, manifest_of
from tests.servers import RegistryServer, sri

ROOT = Path(__file__).parents[2]


def document(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with ``npmguard`` in it, as an installation makes it."""
    folder = tmp_path / "npmguard" / "bin"
    folder.mkdir(parents=True)
    script = folder / "npmguard"
    script.write_text(f'#!/bin/sh\nexec {" ".join(command())} "$@"\n')
    script.chmod(0o755)
    return folder


def project(folder: Path, server: RegistryServer, side: str) -> Path:
    tarball = load_case("fetch-response-clipper", side)
    manifest = manifest_of(tarball)
    name, version = manifest["name"], manifest["version"]
    server.publish(name, version, tarball, manifest={"main": "index.js"})
    return write_lock(folder, {"name": name, "version": version, "integrity": sri(tarball)}).parent


def run_script(text: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a step's script as a runner does."""
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    return subprocess.run(shell, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    done = subprocess.run(
        [zizmor, "--offline", "--no-progress", ROOT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings" in done.stdout + done.stderr


def test_everything_used_is_pinned_by_its_commit() -> None:
    used = [
        match
        for path in (ROOT / "action.yml", *(ROOT / ".github").rglob("*.yml"))
        for match in re.findall(r"uses: (\S+)(?: # (\S+))?", path.read_text(encoding="utf-8"))
    ]
    assert used
    for action, version in used:
        assert action == "$/" or (re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) and version.startswith("v"))


@pytest.mark.parametrize(("side", "code"), [("before", 0), ("after", 1)])
def test_the_action_scans_and_writes_its_files(
    tmp_path: Path, server: RegistryServer, program: Path, side: str, code: int
) -> None:
    folder = project(tmp_path / "project", server, side)
    (step,) = [each for each in document("action.yml")["runs"]["steps"] if each.get("id") == "scan"]
    inputs = {name: str(each["default"]) for name, each in document("action.yml")["inputs"].items()}
    given = {name: inputs[re.findall(r"inputs\.([\w-]+)", value)[0]] for name, value in step["env"].items()}
    env = environment(
        tmp_path / "home",
        server.url,
        **given,
        RUNNER_TEMP=str(program.parents[1]),
        GITHUB_OUTPUT=str(tmp_path / "output"),
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary"),
    )
    done = run_script(step["run"], folder, env)
    assert done.returncode == code, done.stderr
    assert (tmp_path / "output").read_text() == f"exit-code={code}\n"
    assert (folder / "npmguard.sarif").read_bytes().startswith(b"{")
    comment = (folder / "npmguard.md").read_text()
    assert ("malicious" in comment) is bool(code)
    assert (tmp_path / "summary").read_text() == comment


def test_an_input_of_the_action_is_data_and_no_code(
    tmp_path: Path, server: RegistryServer, program: Path
) -> None:
    folder = project(tmp_path / "project", server, "before")
    (step,) = [each for each in document("action.yml")["runs"]["steps"] if each.get("id") == "scan"]
    trap = "$(touch trap); `touch trap`"
    env = environment(
        tmp_path / "home",
        server.url,
        **dict.fromkeys(step["env"], ""),
        RUNNER_TEMP=str(program.parents[1]),
        GITHUB_OUTPUT=str(tmp_path / "output"),
    )
    env |= {"NPMGUARD_PATH": trap, "NPMGUARD_FAIL_ON": "never", "NPMGUARD_ARGUMENTS": trap}
    assert run_script(step["run"], folder, env).returncode == 2
    assert not (folder / "trap").exists()


@pytest.mark.parametrize(("side", "code"), [("before", 0), ("after", 1)])
def test_the_gitlab_job_scans(
    tmp_path: Path, server: RegistryServer, program: Path, side: str, code: int
) -> None:
    folder = project(tmp_path / "project", server, side)
    job = document("templates/npmguard.gitlab-ci.yml")["npmguard"]
    settings = {key: value for key, value in job["variables"].items() if key.startswith("NPMGUARD")}
    env = environment(tmp_path / "home", server.url, **settings)
    env["PATH"] = f"{program}{os.pathsep}{env['PATH']}"
    done = run_script("\n".join(job["script"]), folder, env)
    assert done.returncode == code, done.stderr
    for kept in job["artifacts"]["paths"]:
        assert (folder / kept).stat().st_size


def test_the_hook_is_one_that_pre_commit_takes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (hook,) = document(".pre-commit-hooks.yaml")
    files = re.compile(hook["files"])
    assert files.search("package-lock.json")
    assert files.search("app/npm-shrinkwrap.json")
    assert not files.search("package-lock.json.md")


def test_the_image_runs_as_nobody_in_particular() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    last = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER [1-9][0-9]*:[1-9][0-9]*$", last, re.MULTILINE)
    assert last.index("USER ") < last.index("ENTRYPOINT")
    assert "--require-hashes" in text


LOCKS = {"requirements.txt": (), "requirements-test.txt": ("test",), "requirements-build.txt": ("build",)}


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_installed_is_locked_by_hash(lock: str) -> None:
    import tomllib

    pinned = {}
    for block in re.split(r"\n(?=\S)", (ROOT / lock).read_text(encoding="utf-8")):
        match = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==([\w.]+)", block)
        assert match, block[:80]
        assert "--hash=sha256:" in block
        pinned[match[1].lower()] = match[2]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(it for extra in LOCKS[lock] for it in extras[extra])]
    for requirement in map(Requirement, wanted):
        if requirement.name == "npmguard":  # its own extras
            wanted_too = [Requirement(it) for extra in requirement.extras for it in extras[extra]]
        else:
            wanted_too = [requirement]
        for each in wanted_too:
            version = pinned.get(each.name.lower().replace("_", "-"))
            assert version is not None, f"{each} is not in {lock}: run make lock"
            assert version in each.specifier, f"{each}: run make lock"


def test_workflows_install_nothing_that_no_hash_names() -> None:
    installs = [
        (path.name, line.strip())
        for path in (ROOT / "action.yml", ROOT / "Dockerfile", *(ROOT / ".github").rglob("*.yml"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\b(?:pip3?|uv pip|pipx) install\b|\bpip install\b|-m pip install\b", line)
    ]
    assert {name for name, _ in installs} == {"action.yml", "Dockerfile", "release.yml"}
    for name, line in installs:
        assert "--require-hashes --requirement" in line or "--no-deps" in line, f"{name}: {line}"
    assert 'LOCKED: "1"' in (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    locked = (ROOT / "Makefile").read_text(encoding="utf-8").partition("ifdef LOCKED")[2].partition("else")[0]
    assert locked.count("pip install") == 2
    assert "--require-hashes --requirement requirements-test.txt" in locked
    assert "--no-deps --no-build-isolation --editable ." in locked


def test_a_workflow_may_do_only_what_its_jobs_say_why() -> None:
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        workflow = document(str(path.relative_to(ROOT)))
        assert workflow["permissions"] == {}, path.name
        text = path.read_text(encoding="utf-8")
        for name, job in workflow["jobs"].items():
            assert job["timeout-minutes"] <= 60, f"{path.name}: {name}"
            for permission, level in job["permissions"].items():
                assert re.search(rf"{permission}: {level} # \w", text), (
                    f"{path.name}: {name}: {permission}: why?"
                )


def test_updates_wait_until_others_have_looked() -> None:
    updates = document(".github/dependabot.yml")["updates"]
    assert {it["package-ecosystem"] for it in updates} >= {"github-actions", "pip", "npm", "docker"}
    assert all(it["cooldown"]["default-days"] >= 7 for it in updates)


def test_the_sbom_names_all_that_the_lock_installs(tmp_path: Path) -> None:
    import json

    out = tmp_path / "sbom.json"
    options = re.findall(
        r"cyclonedx-py requirements ((?:.|\\\n)*?)--output-file", (ROOT / "Makefile").read_text()
    )
    words = options[0].replace("\\\n", " ").split()
    subprocess.run(
        [sys.executable, "-m", "cyclonedx_py", "requirements", *words, "-o", out, "requirements.txt"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    sbom = json.loads(out.read_bytes())
    locked = re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert sbom["bomFormat"] == "CycloneDX"
    assert sbom["metadata"]["component"]["name"] == "npmguard"
    assert {it["name"].lower() for it in sbom["components"]} == {it.lower() for it in locked}
    assert all(it["version"] and it["purl"].startswith("pkg:pypi/") for it in sbom["components"])
