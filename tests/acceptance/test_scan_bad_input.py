"""What a user sees when something is wrong: one clear line, the right exit code, nothing lost, no traceback."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import command, environment, npmguard, write_lock
from tests.fixture_packages import load_case, pack
from tests.servers import RegistryServer, Reply, sri

LOCKS = Path(__file__).parents[2] / "fixtures" / "lockfiles"
NOWHERE = "http://127.0.0.1:9/"  # the discard port: nothing listens there


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def small_package(name: str, version: str = "1.0.0", code: str = "module.exports = 1\n") -> bytes:
    manifest = json.dumps({"name": name, "version": version, "main": "index.js"})
    return pack({"package.json": manifest.encode(), "index.js": code.encode()})


def publish(server: RegistryServer, name: str, version: str = "1.0.0") -> bytes:
    tarball = small_package(name, version)
    server.publish(name, version, tarball, manifest={"main": "index.js"})
    return tarball


def entry(name: str, tarball: bytes, version: str = "1.0.0") -> dict[str, str]:
    return {"name": name, "version": version, "integrity": sri(tarball)}


# --- lockfiles -------------------------------------------------------------------------------------------


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    done = npmguard("scan", tmp_path / "absent", env=environment(tmp_path / "home", NOWHERE))
    assert done.code == 2
    assert "absent" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == b""


def test_a_folder_without_a_lock(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    done = npmguard("scan", tmp_path / "project", env=environment(tmp_path / "home", NOWHERE))
    assert done.code == 2
    assert "package-lock.json" in done.stderr
    assert done.stderr.count("\n") == 1


def test_broken_json_names_file_line_and_column(tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    lock.write_text('{\n  "lockfileVersion": 3,\n  "packages": {,}\n}\n')
    done = npmguard("scan", lock, env=environment(tmp_path / "home", NOWHERE))
    assert done.code == 2
    assert f"{lock}:3:16:" in done.stderr


def test_an_unknown_lockfile_version(tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    lock.write_text('{"lockfileVersion": 9, "packages": {}}')
    done = npmguard("scan", lock, env=environment(tmp_path / "home", NOWHERE))
    assert done.code == 2
    assert "9" in done.stderr


@pytest.mark.parametrize(
    ("file", "content", "tool"),
    [
        ("bun.lockb", "#!/usr/bin/env bun\nbun-lockfile-format-v0\n", "bun install --save-text-lockfile"),
        ("pnpm-lock.yaml", "lockfileVersion: 5.4\n\npackages: {}\n", "pnpm install --lockfile-only"),
    ],
)
@pytest.mark.parametrize("given", ["file", "folder"])
def test_a_lock_that_is_not_read_says_what_to_do(
    tmp_path: Path, file: str, content: str, tool: str, given: str
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / file).write_text(content)
    target = tmp_path / "project" / file if given == "file" else tmp_path / "project"
    done = npmguard("scan", target, env=environment(tmp_path / "home", NOWHERE))
    assert done.code == 2
    assert tool in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_lock_without_dependencies_says_so(tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    lock.write_text('{"name":"x","version":"1.0.0","lockfileVersion":1}')
    done = npmguard("scan", lock, env=environment(tmp_path / "home", NOWHERE))
    assert done.code == 0
    assert "No packages were read" in done.text


def test_a_package_that_the_lock_does_not_hold_leaves_the_scan_incomplete(
    tmp_path: Path, server: RegistryServer
) -> None:
    lock = write_lock(tmp_path / "project", entry("a", publish(server, "a")))
    document = json.loads(lock.read_text())
    document["packages"][""]["dependencies"]["b"] = "^1.0.0"
    lock.write_text(json.dumps(document))
    done = npmguard("scan", lock, "--format", "json", env=environment(tmp_path / "home", server.url))
    assert done.code == 3
    assert done.package("a")["verdict"] == "clean"
    assert "b@^1.0.0" in done.report["incomplete"][0]


def test_a_package_said_to_be_bundled_that_the_tarball_does_not_hold(
    tmp_path: Path, server: RegistryServer
) -> None:
    lock = write_lock(tmp_path / "project", entry("a", publish(server, "a")))
    document = json.loads(lock.read_text())
    document["packages"]["node_modules/a"]["dependencies"] = {"b": "1.0.0"}
    document["packages"]["node_modules/a"]["bundleDependencies"] = ["b"]
    document["packages"]["node_modules/a/node_modules/b"] = {"version": "1.0.0", "inBundle": True}
    lock.write_text(json.dumps(document))
    done = npmguard("scan", lock, "--format", "json", env=environment(tmp_path / "home", server.url))
    assert done.code == 3
    assert "does not hold it" in done.report["incomplete"][0]


def test_a_git_dependency_is_said_and_leaves_the_scan_incomplete(tmp_path: Path) -> None:
    lock = write_lock(
        tmp_path / "project",
        {"name": "r", "version": "1.0.0", "resolved": "git+ssh://git@git.example/o/r.git#0123456789abcdef"},
    )
    env = environment(tmp_path / "home", NOWHERE)
    done = npmguard("scan", lock, env=env)
    assert done.code == 3
    assert "git" in done.text
    (lock.parent / "npmguard.toml").write_text('accept-skipped = ["git"]')
    assert npmguard("scan", lock, env=env).code == 0


# --- registries ------------------------------------------------------------------------------------------


def test_an_unreachable_registry_ends_within_half_a_minute(tmp_path: Path) -> None:
    env = environment(tmp_path / "home", NOWHERE)
    done = npmguard("scan", LOCKS / "pdf.js", "--format", "json", env=env, limit=30)
    assert done.code == 3
    report = done.report
    assert {package["verdict"] for package in report["packages"]} == {"unverified"}
    assert sum(len(package["locations"]) for package in report["packages"]) == 970
    assert all(package["unverified_reason"] for package in report["packages"])


def test_a_package_that_the_registry_does_not_know(tmp_path: Path, server: RegistryServer) -> None:
    lock = write_lock(tmp_path / "project", entry("gone", b"x"), entry("here", publish(server, "here")))
    done = npmguard("scan", lock, "--format", "json", env=environment(tmp_path / "home", server.url))
    assert done.code == 3
    assert done.package("gone")["verdict"] == "unverified"
    assert "gone" in done.package("gone")["unverified_reason"]
    assert done.package("here")["verdict"] == "clean"


def test_an_unpublished_version_is_said_to_be_that(tmp_path: Path, server: RegistryServer) -> None:
    old = small_package("a", "1.0.0")
    publish(server, "a", "1.0.1")
    document = server.publish("a", "1.0.1", small_package("a", "1.0.1"), manifest={"main": "index.js"})
    document["time"]["1.0.0"] = "2020-01-01T00:00:00.000Z"
    server.route("/a", Reply.json(document))
    lock = write_lock(tmp_path / "project", entry("a", old))
    done = npmguard("scan", lock, "--format", "json", env=environment(tmp_path / "home", server.url))
    assert done.code == 3
    assert "unpublished" in done.package("a")["unverified_reason"]


def test_a_missing_token_is_named_and_no_secret_is(tmp_path: Path, server: RegistryServer) -> None:
    server.route("/@corp/a", Reply(authorization="Bearer right"))
    lock = write_lock(tmp_path / "project", {"name": "@corp/a", "version": "1.0.0", "integrity": sri(b"x")})
    env = environment(tmp_path / "home", server.url)
    done = npmguard("scan", lock, "--format", "json", env=env)
    assert done.code == 3
    reason = done.package("@corp/a")["unverified_reason"]
    assert f"127.0.0.1:{server.port}" in reason
    assert "_authToken" in reason
    (tmp_path / "home" / ".npmrc").write_text(f"//127.0.0.1:{server.port}/:_authToken=wrong-secret-0815\n")
    done = npmguard("scan", lock, "--format", "json", env=env)
    assert done.code == 3
    assert b"0815" not in done.stdout
    assert "0815" not in done.stderr


def test_a_truncated_tarball_is_unverified(tmp_path: Path, server: RegistryServer) -> None:
    whole = small_package("a", code="module.exports = 1\n" * 5000)
    cut = whole[: len(whole) // 2]
    server.publish("a", "1.0.0", cut, manifest={"main": "index.js"})
    lock = write_lock(tmp_path / "project", entry("a", cut))
    done = npmguard("scan", lock, "--format", "json", env=environment(tmp_path / "home", server.url))
    assert done.code == 3
    assert done.package("a")["verdict"] == "unverified"
    assert "cut short" in done.package("a")["unverified_reason"]


def test_other_bytes_than_the_locks_are_malicious(tmp_path: Path, server: RegistryServer) -> None:
    publish(server, "a")
    lock = write_lock(tmp_path / "project", entry("a", b"the bytes that were reviewed"))
    done = npmguard("scan", lock, "--format", "json", env=environment(tmp_path / "home", server.url))
    assert done.code == 1
    package = done.package("a")
    assert package["verdict"] == "malicious"
    assert package["integrity"]["lock"] == "mismatch"
    assert package["integrity"]["registry"] == "valid"
    assert sri(b"the bytes that were reviewed") in package["findings"][0]["message"] + str(package["integrity"])


def test_throttling_is_waited_out(tmp_path: Path, server: RegistryServer) -> None:
    tarball = publish(server, "a")
    path = "/a/-/a-1.0.0.tgz"
    server.route(path, Reply(status=429, headers={"Retry-After": "1"}), Reply(tarball))
    lock = write_lock(tmp_path / "project", entry("a", tarball))
    done = npmguard("scan", lock, "--format", "json", env=environment(tmp_path / "home", server.url))
    assert done.code == 0
    assert len(server.asked(path)) == 2


# --- the machine -----------------------------------------------------------------------------------------


def test_a_full_disk_below_the_cache_costs_the_cache_only(tmp_path: Path, server: RegistryServer) -> None:
    lock = write_lock(tmp_path / "project", *(entry(f"p{n}", publish(server, f"p{n}")) for n in range(20)))
    done = subprocess.run(
        [*command(), "scan", str(lock), "--format", "json"],
        env=environment(tmp_path / "home", server.url),
        capture_output=True,
        timeout=60,
        check=False,
        # every write beyond the first bytes of a file fails, as on a disk without space
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["clean"] == 20
    assert any("cache" in note for note in report["notes"])


def test_ctrl_c_ends_cleanly_and_leaves_the_cache_whole(tmp_path: Path, server: RegistryServer) -> None:
    names = [f"p{number}" for number in range(6)]
    lock = write_lock(tmp_path / "project", *(entry(name, publish(server, name)) for name in names))
    server.route("/p5/-/p5-1.0.0.tgz", Reply(b"", hang=60))
    env = environment(tmp_path / "home", server.url)
    process = subprocess.Popen(
        [*command(), "scan", str(lock)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while not server.asked("/p5/-/p5-1.0.0.tgz"):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stdout == b""
    assert b"Traceback" not in stderr
    assert b"interrupted" in stderr
    for database in (tmp_path / "home" / "cache").rglob("*.db"):
        connection = sqlite3.connect(database)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
    publish(server, "p5")
    assert npmguard("scan", lock, env=env).code == 0


def test_a_closed_pipe_is_no_error(tmp_path: Path, server: RegistryServer) -> None:
    lock = write_lock(tmp_path / "project", entry("a", publish(server, "a")))
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        done = subprocess.run(
            [*command(), "scan", str(lock), "--format", "json"],
            env=environment(tmp_path / "home", server.url),
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0
    assert done.stderr == b""


def test_an_output_that_cannot_be_written_is_refused_before_the_scan(
    tmp_path: Path, server: RegistryServer
) -> None:
    lock = write_lock(tmp_path / "project", entry("a", publish(server, "a")))
    output = tmp_path / "absent" / "report.json"
    done = npmguard(
        "scan", lock, "--format", "json", "--output", output, env=environment(tmp_path / "home", server.url)
    )
    assert done.code == 2
    assert str(output) in done.stderr
    assert server.requests == []


def test_a_project_cannot_make_the_scanner_import_its_code(tmp_path: Path, server: RegistryServer) -> None:
    project = tmp_path / "project"
    lock = write_lock(project, entry("a", publish(server, "a")))
    for module in ("npmguard", "msgspec", "tree_sitter", "hyperscan"):
        (project / f"{module}.py").write_text("open('imported', 'w').close()\n")
    done = npmguard("scan", lock, env=environment(tmp_path / "home", server.url), cwd=project)
    assert done.code == 0
    assert not (project / "imported").exists()


def test_an_unknown_option_is_one_line(tmp_path: Path) -> None:
    done = npmguard("scan", "--colour", env=environment(tmp_path / "home", NOWHERE))
    assert done.code == 2
    assert "--colour" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_second_scan_of_the_same_lock_reads_no_tarball(tmp_path: Path, server: RegistryServer) -> None:
    lock = write_lock(tmp_path / "project", entry("a", publish(server, "a")))
    env = environment(tmp_path / "home", server.url)
    first = npmguard("scan", lock, "--format", "json", env=env)
    second = npmguard("scan", lock, "--format", "json", env=env)
    assert first.code == second.code == 0
    assert first.stdout == second.stdout
    assert len(server.asked("/a/-/a-1.0.0.tgz")) == 1
    third = npmguard("scan", lock, "--no-cache", env=env)
    assert third.code == 0
    assert len(server.asked("/a/-/a-1.0.0.tgz")) == 2


def test_a_clipper_in_a_local_tarball_and_folder_is_found_by_inspect(tmp_path: Path) -> None:
    env = environment(tmp_path / "home", NOWHERE)
    tarball = tmp_path / "after.tgz"
    tarball.write_bytes(load_case("fetch-response-clipper", "after"))
    assert npmguard("inspect", tarball, env=env).code == 1
    tarball.write_bytes(load_case("fetch-response-clipper", "before"))
    assert npmguard("inspect", tarball, env=env).code == 0
    folder = Path(__file__).parents[2] / "fixtures" / "packages" / "fetch-response-clipper"
    assert npmguard("inspect", folder / "after", env=env).code == 1
    assert npmguard("inspect", folder / "before", env=env).code == 0


def test_a_version_known_to_be_malware_is_that_though_it_was_unpublished(
    tmp_path: Path, server: RegistryServer
) -> None:
    publish(server, "debug", "4.4.3")
    env = environment(tmp_path / "home", server.url)
    assert npmguard("inspect", "debug@4.4.2", env=env, cwd=tmp_path).code == 1
    assert npmguard("inspect", "debug@4.4.3", env=env, cwd=tmp_path).code == 0
    assert npmguard("inspect", "debug@4.4.1", env=env, cwd=tmp_path).code == 3


def test_diff_of_unchanged_code_tells_no_behaviour(tmp_path: Path, server: RegistryServer) -> None:
    code = "module.exports = text => text.replace(/a/g, 'b').replaceAll('c', 'd')\n"
    for version in ("1.0.0", "1.0.1"):
        server.publish("a", version, small_package("a", version, code), manifest={"main": "index.js"})
    env = environment(tmp_path / "home", server.url)
    done = npmguard("diff", "a", "1.0.0", "1.0.1", "--format", "json", env=env, cwd=tmp_path)
    assert done.code == 0
    assert done.report["behaviours"] == {"gained": [], "lost": []}


def test_the_version_is_printed(tmp_path: Path) -> None:
    done = npmguard("--version", env=environment(tmp_path / "home", NOWHERE))
    assert done.code == 0
    assert done.text.startswith("npmguard ")


def test_the_campaign_of_september_2025_is_known_offline(tmp_path: Path) -> None:
    versions = {
        "debug": "4.4.2", "chalk": "5.6.1", "ansi-styles": "6.2.2", "strip-ansi": "7.1.1",
        "color-convert": "3.1.1",
        "wrap-ansi": "9.0.1", "ansi-regex": "6.2.1", "supports-color": "10.2.1", "slice-ansi": "7.1.1",
        "color-name": "2.0.1", "is-arrayish": "0.3.3", "color-string": "2.1.1", "simple-swizzle": "0.2.3",
        "error-ex": "1.3.3", "has-ansi": "6.0.1", "chalk-template": "1.1.1", "backslash": "0.2.1",
        "supports-hyperlinks": "4.1.1", "color": "5.0.1", "proto-tinker-wc": "0.1.87",
    }  # fmt: skip
    entries = ({"name": name, "version": version, "integrity": sri(b"x")} for name, version in versions.items())
    lock = write_lock(tmp_path / "project", *entries)
    env = environment(tmp_path / "home", NOWHERE)
    done = npmguard("scan", lock, "--offline", "--format", "json", env=env)
    assert done.code == 1
    assert done.report["summary"]["malicious"] == 20
