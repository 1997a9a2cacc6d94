"""After the fact: what the lockfiles of a repository pinned, on which branch, from when to when."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import Result, environment, npmguard, write_lock
from tests.fixture_packages import load_case, manifest_of
from tests.servers import RegistryServer, sri

OLD = {"name": "debug", "version": "4.4.1"}
BAD = {"name": "debug", "version": "4.4.2"}  # of 8 September 2025, which every installation knows
NEW = {"name": "debug", "version": "4.4.3"}
OTHER = {"name": "left-pad", "version": "1.3.0"}


class History:
    """A repository whose commits are a day apart, from 2025-09-01 on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self.env = environment(folder / "home", "http://127.0.0.1:9/")
        self.day = 0
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        date = f"2025-09-{self.day + 1:02}T12:00:00+00:00"
        env = {
            **os.environ,
            "HOME": str(self.folder),
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b.example",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b.example",
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_DATE": date,
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, check=True, env=env, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, *entries: dict[str, Any], folder: str = ".") -> str:
        """Commit a lock of these entries; the id of the commit."""
        write_lock(self.folder / folder, *entries)
        self.day += 1
        self.git("add", ".")
        self.git("commit", "-q", "-m", f"day {self.day}")
        return self.git("rev-parse", "HEAD")

    def run(self, *options: str | Path) -> Result:
        return npmguard("history", self.folder, "--format", "json", *options, env=self.env)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_a_compromised_version_has_a_window(history: History) -> None:
    history.commit(OLD)
    start = history.commit(BAD)
    history.commit(BAD, OTHER)
    end = history.commit(NEW, OTHER)
    done = history.run()
    assert done.code == 1
    (exposure,) = done.report["exposures"]
    assert (exposure["name"], exposure["version"], exposure["verdict"]) == ("debug", "4.4.2", "malicious")
    assert [each["commit"] for each in exposure["commits"]] == [start]
    assert exposure["windows"] == [
        {
            "branch": "refs/heads/main",
            "start_commit": start,
            "start": "2025-09-03T12:00:00+00:00",
            "end_commit": end,
            "end": "2025-09-05T12:00:00+00:00",
        }
    ]
    assert (done.report["states"], done.report["versions"]) == (4, 4)


def test_a_version_that_is_still_pinned_has_no_end(history: History) -> None:
    history.commit(OLD)
    history.commit(BAD)
    (exposure,) = history.run().report["exposures"]
    assert exposure["windows"][0]["end"] is None
    text = npmguard("history", history.folder, env=history.env).text
    assert "to this day" in text


def test_a_branch_of_its_own_and_its_merge(history: History) -> None:
    history.commit(OLD)
    history.git("switch", "-q", "-c", "topic")
    on_topic = history.commit(BAD)
    history.git("switch", "-q", "main")
    history.day += 1
    history.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
    merge = history.git("rev-parse", "HEAD")
    (exposure,) = history.run().report["exposures"]
    starts = {window["branch"]: window["start_commit"] for window in exposure["windows"]}
    assert starts == {"refs/heads/main": merge, "refs/heads/topic": on_topic}


def test_a_branch_that_was_deleted_still_counts_where_it_was_tagged(history: History) -> None:
    history.commit(OLD)
    history.git("switch", "-q", "-c", "gone")
    commit = history.commit(BAD)
    history.git("tag", "v1")
    history.git("switch", "-q", "main")
    history.git("branch", "-q", "-D", "gone")
    (exposure,) = history.run().report["exposures"]
    assert [each["commit"] for each in exposure["commits"]] == [commit]
    assert exposure["windows"] == []


def test_every_lockfile_is_walked_and_one_can_be_named(history: History) -> None:
    history.commit(OLD)
    history.commit(BAD, folder="packages/app")
    history.commit(OLD, folder="other")
    report = history.run().report
    assert report["lockfiles"] == [
        "other/package-lock.json",
        "package-lock.json",
        "packages/app/package-lock.json",
    ]
    assert [each["lockfile"] for each in report["exposures"]] == ["packages/app/package-lock.json"]
    one = npmguard(
        "history", history.folder / "other" / "package-lock.json", "--format", "json", env=history.env
    )
    assert one.report["lockfiles"] == ["other/package-lock.json"]
    assert one.report["exposures"] == []


def test_since_keeps_what_was_pinned_when_it_begins(history: History) -> None:
    start = history.commit(BAD)
    end = history.commit(NEW)
    history.commit(NEW, OTHER)
    report = history.run("--since", "2025-09-03T00:00:00Z").report
    (exposure,) = report["exposures"]
    assert [(each["start_commit"], each["end_commit"]) for each in exposure["windows"]] == [(start, end)]
    assert exposure["commits"] == []
    assert history.run("--since", "2025-09-04T00:00:00Z").report["exposures"] == []


def test_a_version_that_stays_since_before_is_told(history: History) -> None:
    history.commit(BAD)
    (exposure,) = history.run("--since", "2026-01-01").report["exposures"]
    assert exposure["windows"][0]["end"] is None


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def test_bytes_that_a_scan_once_read_are_known_by_their_hash(
    history: History, tmp_path: Path, server: RegistryServer
) -> None:
    tarball = load_case("fetch-response-clipper", "after")
    manifest = manifest_of(tarball)
    server.publish(manifest["name"], manifest["version"], tarball, manifest={"main": "index.js"})
    entry = {"name": manifest["name"], "version": manifest["version"], "integrity": sri(tarball)}
    history.commit(entry)
    assert history.run().report["exposures"] == []
    lock = write_lock(tmp_path / "elsewhere", entry)
    known = environment(tmp_path / "home", server.url)
    assert npmguard("scan", lock, env=known).code == 1
    unpublished = history.run()
    assert unpublished.code == 1
    assert [each["integrity"] for each in unpublished.report["exposures"]] == [sri(tarball)]


def test_a_shallow_clone_says_how_far_it_goes(history: History, tmp_path: Path) -> None:
    history.commit(BAD)
    history.commit(NEW)
    clone = tmp_path / "clone"
    history.git("clone", "-q", "--depth", "1", f"file://{history.folder}", str(clone))
    done = npmguard("history", clone, "--format", "json", env=history.env)
    assert done.code == 3
    assert done.report["reaches"] == "2025-09-03T12:00:00+00:00"
    assert "shallow" in npmguard("history", clone, env=history.env).text


def test_a_state_that_cannot_be_read_leaves_the_rest(history: History) -> None:
    history.commit(BAD)
    (history.folder / "package-lock.json").write_text("<<<<<<< ours\n")
    history.git("commit", "-q", "-am", "conflict")
    history.commit(NEW)
    done = history.run()
    assert done.code == 1
    assert len(done.report["incomplete"]) == 1
    assert "package-lock.json" in done.report["incomplete"][0]


@pytest.mark.parametrize(
    ("options", "told"),
    [(("--since", "the dawn of time"), "not a date"), (("--format", "sarif"), "terminal or json")],
)
def test_a_wrong_option_is_one_line(history: History, options: tuple[str, str], told: str) -> None:
    history.commit(OLD)
    done = npmguard("history", history.folder, *options, env=history.env)
    assert done.code == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_without_git_is_one_line(tmp_path: Path) -> None:
    done = npmguard("history", tmp_path, env=environment(tmp_path / "home", "http://127.0.0.1:9/"))
    assert done.code == 2
    assert "not in a git repository" in done.stderr


def test_a_repository_without_lockfiles_is_told_and_fine(history: History) -> None:
    (history.folder / "README.md").write_text("hello\n")
    history.git("add", ".")
    history.git("commit", "-q", "-m", "first")
    done = history.run()
    assert done.code == 0
    assert done.report["lockfiles"] == []
