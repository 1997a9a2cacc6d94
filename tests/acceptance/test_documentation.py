"""What the documentation shows: its examples run, its links lead somewhere, its commands are there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import environment, npmguard, write_lock
from tests.fixture_packages import load_case, manifest_of
from tests.servers import RegistryServer, sri

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "README.ja.md", *sorted((ROOT / "docs").glob("*.md")))
EXAMPLES = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "library.md").read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_of_the_library_run(tmp_path: Path, server: RegistryServer, example: str) -> None:
    tarball = load_case("fetch-response-clipper", "after")
    manifest = manifest_of(tarball)
    name, version = manifest["name"], manifest["version"]
    server.publish(name, version, tarball, manifest={"main": "index.js"})
    write_lock(tmp_path / "project", {"name": name, "version": version, "integrity": sri(tarball)})
    (tmp_path / "project" / "npmguard.toml").write_text("[feed]\nonline = false\nrequired = false\n")
    program = example.replace('"path/to/project"', repr(str(tmp_path / "project")))
    env = environment(tmp_path / "home", server.url)
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if "offline" not in example and "print" in example:
        assert name in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_reached_from_the_front() -> None:
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert f"docs/{page.name}" in front, page.name


def test_every_command_that_is_shown_is_there(tmp_path: Path) -> None:
    env = environment(tmp_path / "home")
    shown = {
        command
        for page in PAGES
        for block in re.findall(r"```(?:sh)?\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for command in re.findall(r"^npmguard ([a-z][a-z-]+)", block, re.MULTILINE)
    }
    assert {"scan", "check", "install", "history", "accept"} <= shown
    for command in sorted(shown):
        assert npmguard(command, "--help", env=env).code == 0, command


def test_the_picture_is_of_a_scan() -> None:
    picture = (ROOT / "docs" / "images" / "scan.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert "MALICIOUS" in picture


def test_each_command_explains_itself_with_an_example(tmp_path: Path) -> None:
    env = environment(tmp_path / "home")
    for command in (
        "scan",
        "check",
        "install",
        "ci",
        "npm",
        "inspect",
        "diff",
        "history",
        "accept",
        "indicators",
    ):
        text = re.sub(r"\s+", " ", npmguard(command, "--help", env=env).text)
        assert re.search(rf"npmguard {command} \S|npmguard {command}\b.*--", text), command


def test_the_shell_completes(tmp_path: Path) -> None:
    asked = {"_NPMGUARD_COMPLETE": "complete_bash", "COMP_WORDS": "npmguard sc", "COMP_CWORD": "1"}
    script = "import sys; sys.argv[0] = 'npmguard'; from npmguard.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env=environment(tmp_path / "home", **asked),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["scan"], done.stderr
