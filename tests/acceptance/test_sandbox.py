"""What a user is told of the sandbox, on this kernel and on one without Landlock."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import command, environment
from tests.fixture_packages import load_case
from tests.unit.test_worker_sandbox import tarball

ROOT = Path(__file__).parents[2]
NO_FEED = "[feed]\nonline = false\nrequired = false\n"


def npmguard(tmp_path: Path, *arguments: str, landlock: bool) -> subprocess.CompletedProcess[str]:
    before = [] if landlock else [sys.executable, "-m", "tests.unit.sandbox.without"]
    return subprocess.run(
        [*before, *command(), *arguments],
        cwd=tmp_path,
        env=environment(tmp_path / "home", "http://127.0.0.1:9/", PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "npmguard.toml").write_text(NO_FEED)
    (tmp_path / "a.tgz").write_bytes(load_case("benign-levenshtein", "package"))
    return tmp_path


def test_the_report_says_what_holds_the_processes(project: Path) -> None:
    done = npmguard(project, "inspect", "a.tgz", "--require-sandbox", "--format", "json", landlock=True)
    sandbox = json.loads(done.stdout)["sandbox"]
    assert sandbox["missing"] == []
    assert sandbox["file_system"] == sandbox["network"] == ["landlock", "seccomp"]
    assert done.returncode == 0


def test_a_machine_that_lacks_a_part_of_it_is_told(project: Path) -> None:
    done = npmguard(project, "inspect", "a.tgz", landlock=False)
    assert done.returncode == 0
    told = [line for line in done.stdout.splitlines() if "sandbox" in line]
    assert len(told) == 1
    assert "landlock" in told[0]
    document = npmguard(project, "inspect", "a.tgz", "--format", "json", landlock=False).stdout
    sandbox = json.loads(document)["sandbox"]
    assert sandbox["file_system"] == ["seccomp"]
    assert len(sandbox["missing"]) == 1


@pytest.mark.parametrize("how", ["option", "setting"])
def test_where_it_is_required_nothing_is_read(project: Path, how: str) -> None:
    option = ["--require-sandbox"] if how == "option" else []
    if how == "setting":
        (project / "npmguard.toml").write_text(f"{NO_FEED}[sandbox]\nrequired = true\n")
    done = npmguard(project, "inspect", "a.tgz", *option, landlock=False)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "sandbox is required" in line
    assert "landlock" in line


def test_the_doctor_says_it_beforehand(project: Path) -> None:
    done = npmguard(project, "doctor", landlock=False)
    (line,) = [line for line in done.stdout.splitlines() if "sandbox: landlock" in line]
    assert line.startswith("warn")


def test_a_package_that_needs_too_much_memory_is_unverified_with_the_reason(project: Path) -> None:
    (project / "npmguard.toml").write_text(f"{NO_FEED}[limits]\nanalysis-bytes = 10000000\n")
    (project / "b.tgz").write_bytes(tarball({f"{name}.js": b"eval(x);" * 1_800_000 for name in "abcdefg"}))
    done = npmguard(project, "inspect", "b.tgz", "--format", "json", landlock=True)
    assert done.returncode == 3
    (package,) = json.loads(done.stdout)["packages"]
    assert package["verdict"] == "unverified"
    assert package["unverified_reason"].startswith("the process that read it")
