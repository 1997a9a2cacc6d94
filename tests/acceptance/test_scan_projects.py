"""Several lockfiles at once: a monorepo's, those that a hook names, those of two package managers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from tests.command import Result, environment, npmguard, write_lock
from tests.fixture_packages import load_case, manifest_of, pack
from tests.servers import RegistryServer, sri

DOCS = Path(__file__).parents[2] / "docs"


class Monorepo:
    """A folder with an honest package locked by npm at its root, and by Yarn and pnpm below."""

    def __init__(self, folder: Path, server: RegistryServer) -> None:
        self.folder = folder / "monorepo"
        self.server = server
        self.env = environment(folder / "home", server.url)
        manifest = json.dumps({"name": "honest", "version": "1.0.0", "main": "index.js"})
        self.honest = self.publish(
            pack({"package.json": manifest.encode(), "index.js": b"module.exports = 1\n"})
        )
        write_lock(self.folder, self.honest)
        self.yarn("app", self.honest)
        self.pnpm("server", self.honest)

    def publish(self, tarball: bytes) -> dict[str, str]:
        manifest = manifest_of(tarball)
        self.server.publish(manifest["name"], manifest["version"], tarball, manifest={"main": "index.js"})
        return {"name": manifest["name"], "version": manifest["version"], "integrity": sri(tarball)}

    def yarn(self, folder: str, package: dict[str, str]) -> Path:
        name, version = package["name"], package["version"]
        address = f"{self.server.url}{name}/-/{name}-{version}.tgz"
        return self.write(
            f"{folder}/yarn.lock",
            f'# yarn lockfile v1\n\n"{name}@^{version}":\n  version "{version}"\n  resolved "{address}"\n'
            f"  integrity {package['integrity']}\n",
        )

    def pnpm(self, folder: str, package: dict[str, str]) -> Path:
        name, version = package["name"], package["version"]
        return self.write(
            f"{folder}/pnpm-lock.yaml",
            f"lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      {name}:\n"
            f"        specifier: ^{version}\n        version: {version}\npackages:\n  {name}@{version}:\n"
            f"    resolution: {{integrity: {package['integrity']}}}\nsnapshots:\n  {name}@{version}: {{}}\n",
        )

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def scan(self, *arguments: str | Path) -> Result:
        return npmguard("scan", *arguments, env=self.env, cwd=self.folder)

    def json(self, *arguments: str | Path) -> list[dict[str, Any]]:
        reports: list[dict[str, Any]] = self.scan(*arguments, "--format", "json").report["reports"]
        return reports


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def monorepo(tmp_path: Path, server: RegistryServer) -> Monorepo:
    return Monorepo(tmp_path, server)


def test_every_lockfile_below_a_folder_is_reported_by_itself(monorepo: Monorepo) -> None:
    for unread in ("node_modules/x", ".hidden", "app/node_modules/y"):
        monorepo.write(f"{unread}/yarn.lock", "not a lock")
    done = monorepo.scan("--format", "json")
    assert (done.code, done.stderr) == (0, "")
    report = json.loads((DOCS / "report.schema.json").read_bytes())
    schema = json.loads((DOCS / "reports.schema.json").read_bytes())
    known = Registry[Any]().with_resource(report["$id"], Resource.from_contents(report))
    jsonschema.Draft202012Validator(schema, registry=known).validate(done.report)
    reports = done.report["reports"]
    assert [it["target"]["path"] for it in reports] == [
        "package-lock.json",
        "app/yarn.lock",
        "server/pnpm-lock.yaml",
    ]
    assert [it["summary"]["clean"] for it in reports] == [1, 1, 1]


def test_one_lockfile_is_reported_as_before(monorepo: Monorepo) -> None:
    done = monorepo.scan("package-lock.json", "--format", "json")
    assert done.report["schema"] == "npmguard.report/1"
    (reports,) = [it for it in monorepo.json() if it["target"]["path"] == "package-lock.json"]
    assert reports == done.report


def test_each_version_is_fetched_once_for_all(monorepo: Monorepo, server: RegistryServer) -> None:
    monorepo.write("server/package.json", "{}")
    monorepo.pnpm("other", monorepo.honest)
    monorepo.scan("server", "other", "--no-cache", "--format", "json")
    assert len(server.asked("/honest/-/honest-1.0.0.tgz")) == 1
    assert len(server.asked("/honest")) == 1


def test_the_worst_of_all_decides_the_exit_code(monorepo: Monorepo) -> None:
    bad = monorepo.publish(load_case("fetch-response-clipper", "after"))
    monorepo.yarn("app", bad)
    monorepo.write("server/pnpm-lock.yaml", "lockfileVersion: '5.4'\n")
    done = monorepo.scan()
    assert done.code == 1
    assert done.text.splitlines()[-1].startswith(
        "✗ 3 lockfiles: 1 malicious, 0 suspicious, 1 clean, 0 unverified; 1"
    )
    assert monorepo.scan("server/pnpm-lock.yaml").code == 2


def test_a_lock_that_was_found_and_cannot_be_read_leaves_the_scan_incomplete(monorepo: Monorepo) -> None:
    monorepo.write("app/yarn.lock", "<<<<<<< HEAD\n")
    done = monorepo.scan("--format", "json")
    assert done.code == 3
    (broken,) = [it for it in done.report["reports"] if it["incomplete"]]
    assert "merge conflict markers" in broken["incomplete"][0]
    named = monorepo.scan("package-lock.json", "app/yarn.lock")
    assert named.code == 2
    assert "app/yarn.lock:1:1: merge conflict markers" in named.stderr


def test_the_locks_that_a_hook_names_are_scanned(monorepo: Monorepo) -> None:
    reports = monorepo.json("app/yarn.lock", "server/pnpm-lock.yaml", "app", monorepo.folder / "server")
    assert [it["target"]["path"] for it in reports] == ["app/yarn.lock", "server/pnpm-lock.yaml"]


def test_two_managers_locks_in_one_folder_are_both_scanned_and_that_is_noted(monorepo: Monorepo) -> None:
    monorepo.pnpm("app", monorepo.honest)
    reports = monorepo.json("app")
    assert [it["target"]["path"] for it in reports] == ["app/yarn.lock", "app/pnpm-lock.yaml"]
    assert any("also has pnpm-lock.yaml" in note for note in reports[0]["notes"])


def test_a_project_with_settings_of_its_own_is_held_to_them(monorepo: Monorepo) -> None:
    monorepo.write("app/npmguard.toml", '[policy]\nregistries = ["https://registry.example/"]\n')
    done = monorepo.scan("--format", "json")
    assert done.code == 1
    findings = [
        [it for each in report["packages"] for it in each["findings"]] for report in done.report["reports"]
    ]
    assert [[it["rule"] for it in each if it["policy"]] for each in findings] == [
        [],
        ["registry-not-trusted"],
        [],
    ]


def test_the_root_s_settings_hold_for_projects_without_their_own(monorepo: Monorepo) -> None:
    monorepo.write("npmguard.toml", '[policy]\nregistries = ["https://registry.example/"]\n')
    assert monorepo.scan("--format", "json").code == 1
    assert monorepo.scan("app", "server", "--format", "json").code == 1
    assert monorepo.scan("app", "--format", "json").code == 0


@pytest.mark.parametrize(
    "options", [["--installed"], ["--fix-overrides"], ["--format", "html"], ["--format", "cyclonedx"]]
)
def test_what_is_for_one_lockfile_alone_says_so(monorepo: Monorepo, options: list[str]) -> None:
    done = monorepo.scan(*options)
    assert done.code == 2
    assert "is for one lockfile, and 3 were found; name one of them" in done.stderr


def test_installed_is_for_npm_s_lock_alone(monorepo: Monorepo) -> None:
    done = monorepo.scan("app", "--installed")
    assert (done.code, "reads npm's own lock alone" in done.stderr) == (2, True)


def test_a_pull_request_that_changes_two_of_them(monorepo: Monorepo) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], cwd=monorepo.folder, check=True)
    bad = monorepo.publish(load_case("fetch-response-clipper", "after"))
    monorepo.yarn("app", bad)
    monorepo.yarn("new", monorepo.honest)
    reports = monorepo.json("--against", "main")
    told = {it["target"]["path"]: [change["name"] for change in it["changes"]] for it in reports}
    assert told == {
        "package-lock.json": [],
        "app/yarn.lock": sorted([bad["name"], "honest"]),
        "new/yarn.lock": ["honest"],
        "server/pnpm-lock.yaml": [],
    }


def test_sarif_has_a_run_for_each_of_them(monorepo: Monorepo) -> None:
    runs = monorepo.scan("--format", "sarif").report["runs"]
    assert [it["automationDetails"]["id"] for it in runs] == [
        "npmguard/package-lock.json/",
        "npmguard/app/yarn.lock/",
        "npmguard/server/pnpm-lock.yaml/",
    ]


def test_markdown_ends_with_a_table_of_them(monorepo: Monorepo) -> None:
    lines = monorepo.scan("--format", "markdown").text.splitlines()
    assert lines[-3:] == [
        "| `package-lock.json` | 0 | 0 | 0 | 1 |",
        "| `app/yarn.lock` | 0 | 0 | 0 | 1 |",
        "| `server/pnpm-lock.yaml` | 0 | 0 | 0 | 1 |",
    ]


def test_a_flagged_version_has_its_way_in_and_its_way_out(monorepo: Monorepo) -> None:
    before = monorepo.publish(load_case("fetch-response-clipper", "before"))
    bad = monorepo.publish(load_case("fetch-response-clipper", "after"))
    monorepo.pnpm("server", bad)
    (package,) = monorepo.scan("server", "--format", "json").report["packages"]
    assert package["verdict"] == "malicious"
    assert package["paths"] == [[f"{bad['name']}@{bad['version']}"]]
    assert package["locations"] == [f"{bad['name']}@{bad['version']}"]
    assert any(
        f"pnpm add --save-exact {before['name']}@{before['version']}" in note for note in package["notes"]
    )


def test_an_sbom_comes_out_and_is_scanned_again(monorepo: Monorepo) -> None:
    bad = monorepo.publish(load_case("fetch-response-clipper", "after"))
    write_lock(monorepo.folder, monorepo.honest, bad)
    done = monorepo.scan("package-lock.json", "--format", "cyclonedx", "-o", "sbom.json")
    assert (done.code, done.stderr) == (1, "")
    written = (monorepo.folder / "sbom.json").read_bytes()
    document = json.loads(written)
    assert [it["purl"] for it in document["components"]] == sorted(
        [f"pkg:npm/{bad['name']}@{bad['version']}", "pkg:npm/honest@1.0.0"]
    )
    assert {it["analysis"]["state"] for it in document["vulnerabilities"]} <= {"exploitable", "in_triage"}
    again = monorepo.scan("sbom.json", "--format", "json")
    assert again.code == 1
    assert again.package(bad["name"])["verdict"] == "malicious"
    assert again.package("honest")["integrity"]["lock"] == "valid"
    assert again.package(bad["name"])["paths"] == [[f"{bad['name']}@{bad['version']}"]]
    assert monorepo.scan("package-lock.json", "--format", "cyclonedx").stdout == written


@pytest.mark.parametrize("options", [["--installed"], ["--against", "main"]])
def test_an_sbom_is_of_a_whole_lockfile(monorepo: Monorepo, options: list[str]) -> None:
    done = monorepo.scan("package-lock.json", "--format", "cyclonedx", *options)
    assert (done.code, "tells of a whole lockfile" in done.stderr) == (2, True)


def test_more_lockfiles_than_the_cap(monorepo: Monorepo) -> None:
    monorepo.write("npmguard.toml", "[limits]\nlockfile-count = 2\n")
    done = monorepo.scan()
    assert (done.code, "over 2 lockfiles" in done.stderr) == (2, True)
    monorepo.write("npmguard.toml", "[limits]\nlockfile-depth = 0\n")
    done = monorepo.scan()
    assert (done.code, "deeper than 0 folders" in done.stderr) == (2, True)
