"""A pull request: what the lock brings in, judged and told in Markdown."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.command import Result, environment, npmguard, write_lock
from tests.fixture_packages import load_case, manifest_of
from tests.servers import RegistryServer, sri

CASE = "fetch-response-clipper"


class Project:
    """A git repository whose work tree goes from the honest release of a package to its clipper."""

    def __init__(self, folder: Path, server: RegistryServer) -> None:
        self.folder = folder / "project"
        self.env = environment(folder / "home", server.url)
        self.old, self.new, self.other = (
            self._publish(server, load_case(*which))
            for which in ((CASE, "before"), (CASE, "after"), ("benign-levenshtein", "package"))
        )
        self.git_env = {
            **os.environ,
            "HOME": str(folder),
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b.example",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b.example",
        }
        self.folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.lock(self.old, self.other)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "first")
        self.lock(self.new, self.other)

    @staticmethod
    def _publish(server: RegistryServer, tarball: bytes) -> dict[str, str]:
        manifest = manifest_of(tarball)
        server.publish(manifest["name"], manifest["version"], tarball, manifest={"main": "index.js"})
        return {"name": manifest["name"], "version": manifest["version"], "integrity": sri(tarball)}

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, env=self.git_env)

    def lock(self, *entries: Mapping[str, str]) -> Path:
        return write_lock(self.folder, *entries)

    def scan(self, *options: str | Path, env: Mapping[str, str] | None = None) -> Result:
        return npmguard("scan", self.folder, *options, env={**self.env, **(env or {})})


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, server: RegistryServer) -> Project:
    return Project(tmp_path, server)


def test_only_what_changed_is_judged(project: Project) -> None:
    done = project.scan("--against", "main", "--format", "json")
    assert done.code == 1
    report = done.report
    assert [package["name"] for package in report["packages"]] == [project.new["name"]]
    (change,) = report["changes"]
    assert (change["change"], change["old"], change["new"]) == (
        "changed",
        project.old["version"],
        project.new["version"],
    )
    assert "hooks-network-primitive" in change["gained"]
    assert change["unknown"] is None


def test_a_change_that_brings_nothing_in_is_clean(project: Project) -> None:
    project.lock(project.old, project.other)
    done = project.scan("--against", "HEAD", "--format", "json")
    assert done.code == 0
    assert done.report["packages"] == []
    assert done.report["changes"] == []


def test_added_removed_and_replaced_are_told_apart(project: Project, tmp_path: Path) -> None:
    earlier = write_lock(
        tmp_path / "earlier",
        project.old,
        {**project.other, "integrity": sri(b"other bytes")},
    )
    renamed = {**project.new, "name": project.old["name"]}
    project.lock(project.other)
    removed = project.scan("--against", earlier, "--format", "json").report["changes"]
    assert [(each["change"], each["name"]) for each in removed] == [
        ("replaced", project.other["name"]),
        ("removed", project.old["name"]),
    ]
    project.lock(renamed, project.other)
    write_lock(tmp_path / "earlier", project.other)
    added = project.scan("--against", earlier, "--format", "json").report["changes"]
    assert [(each["change"], each["name"]) for each in added] == [("added", project.old["name"])]


def test_a_revision_without_a_lock_makes_everything_new(project: Project) -> None:
    project.git("rm", "-q", "-f", "--cached", "package-lock.json")
    project.git("commit", "-q", "--allow-empty", "-m", "no lock")
    done = project.scan("--against", "HEAD", "--format", "json")
    assert {each["change"] for each in done.report["changes"]} == {"added"}
    assert done.code == 1


def test_the_comment_says_what_to_do(project: Project) -> None:
    text = project.scan("--against", "main", "--format", "markdown").text
    name, old, new = project.new["name"], project.old["version"], project.new["version"]
    assert f"| changed | `{name}` | `{old}` → `{new}` | ❌ malicious | " in text
    assert "`hooks-network-primitive`" in text
    (way_out,) = [line for line in text.splitlines() if "**way out:**" in line]
    assert old in way_out.replace("\\", "")
    assert project.other["name"] not in text


def test_the_jobs_summary_gets_the_same(project: Project, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("earlier\n")
    env = {"GITHUB_STEP_SUMMARY": str(summary)}
    comment = project.scan("--against", "main", "--format", "markdown", env=env).text
    assert summary.read_text() == f"earlier\n{comment}"
    project.scan("--against", "main", "--no-summary", env=env)
    assert summary.read_text() == f"earlier\n{comment}"


@pytest.mark.parametrize(
    ("against", "told"),
    [
        ("no-such-branch", "no such revision"),
        ("--upload-pack=x", "no such revision"),
        ("main^{tree}", "no such"),
    ],
)
def test_a_revision_that_is_not_there_is_one_line(project: Project, against: str, told: str) -> None:
    done = project.scan(f"--against={against}")
    assert done.code == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_without_git_is_one_line(project: Project, tmp_path: Path) -> None:
    lock = write_lock(tmp_path / "elsewhere", project.old)
    done = npmguard("scan", lock, "--against", "main", env=project.env)
    assert done.code == 2
    assert "not in a git repository" in done.stderr


def test_a_shallow_clone_says_that_it_is(project: Project, tmp_path: Path) -> None:
    project.git("commit", "-q", "-am", "second")
    clone = tmp_path / "clone"
    project.git("clone", "-q", "--depth", "1", f"file://{project.folder}", str(clone))
    done = npmguard("scan", clone, "--against", "HEAD~1", env=project.env)
    assert done.code == 2
    assert "shallow" in done.stderr


def test_a_repository_cannot_have_git_run_its_programs(project: Project, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {trap}\n")
    program.chmod(0o755)
    project.git("config", "core.fsmonitor", str(program))
    project.git("config", "diff.trap.textconv", str(program))
    (project.folder / ".gitattributes").write_text("* diff=trap\n")
    assert project.scan("--against", "main").code == 1
    assert not trap.exists()
