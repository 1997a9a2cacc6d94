"""The project's own policy and its accepted findings, as a user writes and meets them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.command import Result, environment, npmguard, write_lock
from tests.fixture_packages import load_case, manifest_of
from tests.servers import RegistryServer, sri

SCHEMAS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


class Project:
    """A project that installs one clipper and one honest package."""

    def __init__(self, folder: Path, server: RegistryServer) -> None:
        self.folder = folder / "project"
        self.env = environment(folder / "home", server.url)
        bad, fine = load_case("fetch-response-clipper", "after"), load_case("benign-levenshtein", "package")
        entries = []
        for tarball in (bad, fine):
            manifest = manifest_of(tarball)
            name, version = manifest["name"], manifest["version"]
            server.publish(name, version, tarball, manifest={"main": "index.js"})
            resolved = f"{server.url}{name}/-/{name}-{version}.tgz"
            entries.append({"name": name, "version": version, "resolved": resolved, "integrity": sri(tarball)})
        self.bad, self.fine = entries
        self.lock = write_lock(self.folder, *entries)

    def settings(self, text: str) -> None:
        (self.folder / "npmguard.toml").write_text(text, encoding="utf-8")

    def scan(self, *options: str) -> Result:
        return npmguard("scan", self.folder, "--format", "json", *options, env=self.env)

    def accept(self, *options: str) -> Result:
        return npmguard("accept", *options, self.folder, env=self.env)

    @property
    def spec(self) -> str:
        return f"{self.bad['name']}@{self.bad['version']}"

    @property
    def accepted(self) -> Path:
        return self.folder / "npmguard-accepted.toml"

    def accept_all(self) -> None:
        """Accept every finding of the clipper."""
        for rule in rules_of(self.scan(), self.bad["name"]):
            done = self.accept(self.spec, rule, "--reason", "an exercise", "--author", "a@b.example")
            assert done.code == 0, done.stderr


def rules_of(result: Result, name: str) -> list[str]:
    return sorted({finding["rule"] for finding in result.package(name)["findings"]})


@pytest.fixture
def project(tmp_path: Path, server: RegistryServer) -> Project:
    return Project(tmp_path, server)


# --- policy ----------------------------------------------------------------------------------------------


def test_a_registry_that_the_policy_does_not_name_fails_the_scan(project: Project) -> None:
    project.settings('[policy]\nregistries = ["https://npm.our.example/"]\n')
    done = project.scan()
    assert done.code == 1
    package = done.package(project.fine["name"])
    assert [finding["rule"] for finding in package["findings"]] == ["registry-not-trusted"]
    assert package["findings"][0]["policy"] is True
    assert project.scan("--fail-on", "never").code == 0


def test_a_registry_that_the_policy_names_does_not(project: Project, server: RegistryServer) -> None:
    project.settings(f'[policy]\nregistries = ["{server.url}"]\n')
    assert rules_of(project.scan(), project.fine["name"]) == []


def test_a_scope_belongs_to_one_registry(tmp_path: Path, server: RegistryServer) -> None:
    tarball = load_case("benign-levenshtein", "package")
    server.publish("@our/words", "1.0.0", tarball, manifest={})
    entry = {"name": "@our/words", "version": "1.0.0", "integrity": sri(tarball)}
    resolved = f"{server.url}@our/words/-/words-1.0.0.tgz"
    write_lock(tmp_path / "project", {**entry, "resolved": resolved})
    (tmp_path / "project" / "npmguard.toml").write_text(
        f'[policy]\nregistries = ["{server.url}"]\n[policy.scopes]\n"@our" = "https://npm.our.example/"\n'
    )
    env = environment(tmp_path / "home", server.url)
    done = npmguard("scan", tmp_path / "project", "--format", "json", env=env)
    assert done.code == 1
    assert "scope-from-another-registry" in rules_of(done, "@our/words")


def test_provenance_is_required_of_those_that_the_policy_names(project: Project) -> None:
    project.settings(f'[policy]\nrequire-provenance = ["{project.fine["name"]}"]\n')
    done = project.scan()
    assert rules_of(done, project.fine["name"]) == ["provenance-required"]
    assert done.code == 1


def test_an_install_script_needs_leave(tmp_path: Path, server: RegistryServer) -> None:
    tarball = load_case("benign-levenshtein", "package")
    server.publish("builds", "1.0.0", tarball, manifest={})
    write_lock(
        tmp_path / "project",
        {"name": "builds", "version": "1.0.0", "integrity": sri(tarball), "hasInstallScript": True},
    )
    env = environment(tmp_path / "home", server.url)
    settings = tmp_path / "project" / "npmguard.toml"
    found = {}
    for allowed in ("[]", '["builds"]'):
        settings.write_text(f"[policy]\ninstall-scripts = {allowed}\n")
        done = npmguard("scan", tmp_path / "project", "--format", "json", env=env)
        found[allowed] = "install-script-not-allowed" in rules_of(done, "builds")
    assert found == {"[]": True, '["builds"]': False}


def test_settings_may_stand_in_package_json(project: Project) -> None:
    manifest = {"name": "project", "npmguard": {"policy": {"registries": ["https://npm.our.example/"]}}}
    (project.folder / "package.json").write_text(json.dumps(manifest, indent=2))
    assert rules_of(project.scan(), project.fine["name"]) == ["registry-not-trusted"]
    project.settings("jobs = 1\n")
    done = project.scan()
    assert done.code == 2
    assert "one of the two" in done.stderr


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("jobs = 1\ncolour = true\n", 2, "colour"),
        ("[policy]\n\nregistry = []\n", 3, "registry"),
        ('[policy]\nrequire-provenance = ["ok", "*"]\n', 2, "wildcard"),
        ('[policy]\ninstall-scripts = ["left-*"]\n', 2, "left-*"),
        ('jobs = 1\n\n[cooldown]\nexcept = ["*"]\n', 4, "wildcard"),
        ('[[feed.accept]]\nrecord = "MAL-1"\nuntil = 2030-01-01\n', 1, "reason"),
    ],
)
def test_a_slip_in_the_settings_names_the_line(project: Project, text: str, line: int, told: str) -> None:
    project.settings(text)
    done = project.scan()
    assert done.code == 2
    assert f"npmguard.toml:{line}: " in done.stderr
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_slip_in_package_json_names_the_line(project: Project) -> None:
    manifest = {"name": "project", "npmguard": {"policy": {"registries": "all"}}}
    (project.folder / "package.json").write_text(json.dumps(manifest, indent=2))
    done = project.scan()
    assert done.code == 2
    assert "package.json:5: " in done.stderr


# --- accepted findings -----------------------------------------------------------------------------------


def test_accepted_findings_flag_no_more_and_stay_visible(project: Project) -> None:
    assert project.scan().code == 1
    project.accept_all()
    done = project.scan()
    assert done.code == 0
    package = done.package(project.bad["name"])
    assert package["verdict"] == "clean"
    assert {finding["accepted"]["reason"] for finding in package["findings"]} == {"an exercise"}
    terminal = npmguard("scan", project.folder, env=project.env).text
    assert "ACCEPTED" in terminal
    assert "a@b.example" in terminal
    sarif = json.loads(npmguard("scan", project.folder, "--format", "sarif", env=project.env).stdout)
    justified = [result["suppressions"][0]["justification"] for result in sarif["runs"][0]["results"]]
    assert justified
    assert all("an exercise" in text for text in justified)


def test_a_finding_that_nobody_accepted_still_flags(project: Project) -> None:
    first, *others = rules_of(project.scan(), project.bad["name"])
    assert others
    project.accept(project.spec, first, "--reason", "an exercise", "--author", "me")
    assert project.scan().code == 1


def test_other_bytes_are_not_what_was_accepted(project: Project) -> None:
    project.accept_all()
    lock = json.loads(project.lock.read_text())
    other = load_case("fetch-response-clipper", "before")
    lock["packages"][f"node_modules/{project.bad['name']}"]["integrity"] = sri(other)
    project.lock.write_text(json.dumps(lock, indent=2))
    done = project.scan()
    assert done.code == 2
    assert "other bytes" in done.stderr
    assert "npmguard-accepted.toml:1: " in done.stderr


def test_an_acceptance_expires(project: Project) -> None:
    project.accept_all()
    text = project.accepted.read_text()
    (day,) = {line for line in text.splitlines() if line.startswith("expires")}
    project.accepted.write_text(text.replace(day, "expires = 2020-01-31"))
    done = project.scan()
    assert done.code == 2
    assert "expired on 2020-01-31" in done.stderr


def test_an_acceptance_of_nothing_is_told(project: Project) -> None:
    project.accept(
        f"{project.fine['name']}@{project.fine['version']}", "too-young", "--reason", "x", "--author", "y"
    )
    assert any("nothing to accept" in note for note in project.scan().report["notes"])


ENTRY = """\
[[accepted]]
package = "a"
version = "1.0.0"
integrity = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
rule = "too-young"
reason = "read it"
author = "me"
expires = 2999-01-01
"""


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (f"<<<<<<< ours\n{ENTRY}=======\n{ENTRY}>>>>>>> theirs\n", 1, "merge conflict"),
        (ENTRY.replace('reason = "read it"\n', ""), 1, "reason"),
        (ENTRY.replace('"read it"', '" "'), 1, "reason"),
        (ENTRY.replace('"a"', '"*"'), 1, "wildcard"),
        (ENTRY + ENTRY.replace("author", "auther"), 15, "auther"),
        (ENTRY.replace("sha512-z4", "sha512-?"), 1, "no integrity"),
    ],
)
def test_a_damaged_file_is_one_clear_line(project: Project, text: str, line: int, told: str) -> None:
    project.accepted.write_text(text, encoding="utf-8")
    done = project.scan()
    assert done.code == 2
    assert f"npmguard-accepted.toml:{line}: " in done.stderr
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("absent@1.0.0", "too-young", "--reason", "x"), "holds no absent@1.0.0"),
        (("SPEC", "no-such-rule", "--reason", "x"), "no such rule"),
        (("SPEC", "too-young", "--reason", " "), "--reason"),
        (("SPEC", "too-young", "--reason", "x", "--expires", "2001-01-01"), "is over"),
        (("SPEC", "too-young", "--reason", "x", "--expires", "soon"), "not a day"),
        (("SPEC", "too-young"), "--reason"),
    ],
)
def test_what_cannot_be_accepted_is_said(project: Project, arguments: tuple[str, ...], told: str) -> None:
    done = project.accept(*(project.spec if each == "SPEC" else each for each in arguments))
    assert done.code == 2
    assert told in done.stderr
    assert not project.accepted.exists()


def test_the_author_is_gits_user(project: Project) -> None:
    git = {**os.environ, "HOME": str(project.folder)}
    subprocess.run(["git", "init", "-q", project.folder], check=True, env=git)
    subprocess.run(
        ["git", "-C", project.folder, "config", "user.email", "dev@our.example"], check=True, env=git
    )
    assert project.accept(project.spec, "too-young", "--reason", "read it").code == 0
    assert 'author = "dev@our.example"' in project.accepted.read_text()


def test_the_schemas_describe_the_files(project: Project) -> None:
    import tomllib

    project.accept_all()
    accepted = json.loads((SCHEMAS / "accepted.schema.json").read_bytes())
    jsonschema.validate(_plain(tomllib.loads(project.accepted.read_text())), accepted)
    settings = json.loads((SCHEMAS / "settings.schema.json").read_bytes())
    jsonschema.validate({"policy": {"registries": ["https://a.example/"]}, "fail-on": "never"}, settings)
    for wrong in ({"colour": True}, {"fail-on": "sometimes"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, settings)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"accepted": [{"package": "a"}]}, accepted)


def _plain(document: object) -> object:
    return json.loads(json.dumps(document, default=str))
