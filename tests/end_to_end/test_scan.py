"""The whole way with real parts: Verdaccio, real npm, real locks, the registry that npm is configured for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from npmguard.config import Limits
from npmguard.detect.rule import load_ruleset
from npmguard.worker import analyse_tarball
from tests.command import environment, npmguard
from tests.end_to_end.verdaccio import Verdaccio
from tests.fixture_packages import TRANSFORMS, cases, load_case
from tests.node_tools import ROOT

LOCKS = ROOT / "fixtures" / "lockfiles"
COMPROMISED = list(cases(benign=False))
BENIGN = list(cases(benign=True))
MINIFIED = [transform for transform in TRANSFORMS if transform != "obfuscator"]  # that has tests of its own


@pytest.fixture(scope="module")
def project(registry_with_fixtures: Verdaccio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose lock real npm wrote: every compromised fixture, every benign one, and an alias."""
    folder = tmp_path_factory.mktemp("project") / "app"
    folder.mkdir()
    wanted = {case.package: "^1.2.0" for case in cases()}  # a range that holds both sides
    wanted["alias-of-clean"] = f"npm:{BENIGN[0].package}@1.2.0"
    manifest = {"name": "app", "version": "1.0.0", "private": True, "dependencies": wanted}
    (folder / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
    registry_with_fixtures.install(folder)
    return folder


@pytest.fixture(scope="module")
def scanned(
    registry_with_fixtures: Verdaccio, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The JSON report of that project, after checking its exit code."""
    env = registry_with_fixtures.environment()
    env["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    done = npmguard("scan", project, "--format", "json", env=env)
    assert done.code == 1, done.stderr
    return done.report


def test_every_compromised_version_is_malicious_and_nothing_else_is(scanned: dict[str, Any]) -> None:
    verdicts = {(package["name"], package["version"]): package["verdict"] for package in scanned["packages"]}
    expected = {(case.package, "1.2.1"): "malicious" for case in COMPROMISED}
    expected |= {(case.package, "1.2.0"): "clean" for case in BENIGN}
    assert verdicts == expected


def test_the_fix_names_the_version_before(scanned: dict[str, Any]) -> None:
    fixes = {
        package["name"]: (package["fix"] or {}).get("version")
        for package in scanned["packages"]
        if package["verdict"] == "malicious"
    }
    assert fixes == {case.package: "1.2.0" for case in COMPROMISED}


def test_the_baseline_is_told_and_the_finding_is_new_against_it(scanned: dict[str, Any]) -> None:
    for package in scanned["packages"]:
        if package["verdict"] != "malicious":
            continue
        assert package["baseline"]["version"] == "1.2.0"
        critical = [finding for finding in package["findings"] if finding["severity"] == "critical"]
        assert critical
        assert all(finding["added"] for finding in critical), package["name"]
        assert all(finding["file"] for finding in critical)


def test_each_is_proven_against_lock_and_registry_with_its_path(scanned: dict[str, Any]) -> None:
    for package in scanned["packages"]:
        assert package["integrity"]["lock"] == package["integrity"]["registry"] == "valid"
        if package["verdict"] == "malicious":
            assert package["paths"] == [[f"{package['name']}@{package['version']}"]]


def test_the_report_keeps_its_schema(scanned: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(scanned, schema)


def test_an_alias_is_judged_by_its_real_name(scanned: dict[str, Any]) -> None:
    (package,) = [package for package in scanned["packages"] if package["name"] == BENIGN[0].package]
    assert "node_modules/alias-of-clean" in package["locations"]


def test_a_scan_after_npm_install_takes_the_tarballs_from_npms_cache(
    registry_with_fixtures: Verdaccio, project: Path, tmp_path: Path
) -> None:
    env = registry_with_fixtures.environment()
    env["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    npmguard("scan", project, env=env)
    offline = npmguard("scan", project, "--offline", "--format", "json", env=env)
    assert offline.code == 1
    assert offline.report["summary"]["unverified"] == 0
    env["XDG_CACHE_HOME"] = str(tmp_path / "another-cache")
    online = npmguard("scan", project, "--format", "json", env=env)
    verdicts = [
        {(package["name"], package["version"]): package["verdict"] for package in done.report["packages"]}
        for done in (online, offline)
    ]
    assert verdicts[0] == verdicts[1]


def test_two_scans_write_the_same_bytes(
    registry_with_fixtures: Verdaccio, project: Path, tmp_path: Path
) -> None:
    outputs = []
    for jobs in ("1", "2"):
        env = registry_with_fixtures.environment()
        env["XDG_CACHE_HOME"] = str(tmp_path / "cache")  # which a note names
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        outputs += [
            npmguard("scan", project, "--jobs", jobs, "--format", form, env=env).stdout
            for form in ("json", "sarif")
        ]
    assert outputs[:2] == outputs[2:]


def test_diff_shows_what_the_compromised_release_gained(
    registry_with_fixtures: Verdaccio, tmp_path: Path
) -> None:
    env = registry_with_fixtures.environment()
    env["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    name = next(case.package for case in COMPROMISED if case.name == "fetch-response-clipper")
    done = npmguard("diff", name, "1.2.0", "1.2.1", "--format", "json", env=env, cwd=tmp_path)
    assert done.code == 0
    report = done.report
    assert report["verdict"] == "malicious"
    assert [change["path"] for change in report["files"]["changed"]]
    assert "hooks-network-primitive" in report["behaviours"]["gained"]
    assert report["behaviours"]["lost"] == []


def test_inspect_judges_a_version_of_the_registry(registry_with_fixtures: Verdaccio, tmp_path: Path) -> None:
    env = registry_with_fixtures.environment()
    env["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    name = COMPROMISED[0].package
    assert npmguard("inspect", f"{name}@latest", env=env, cwd=tmp_path).code == 1
    assert npmguard("inspect", f"{name}@1.2.0", env=env, cwd=tmp_path).code == 0
    assert npmguard("inspect", f"{name}@^9.0.0", env=env, cwd=tmp_path).code == 3


def test_a_registry_that_wants_a_token_is_named(tmp_path: Path) -> None:
    with Verdaccio(tmp_path / "registry", login_required=True) as server:
        case = BENIGN[0]
        server.put(load_case(case, "package"))
        lock = server.install(tmp_path / "app", case.package)
        env = server.environment()
        env["XDG_CACHE_HOME"] = str(tmp_path / "cache")
        env["npm_config_cache"] = str(tmp_path / "empty-npm-cache")
        assert npmguard("scan", lock, env=env).code == 0
        server.npmrc(lock.parent, token=False)
        server.npmrc(Path(env["npm_config_userconfig"]).parent, token=False)
        env["XDG_CACHE_HOME"] = str(tmp_path / "second-cache")
        done = npmguard("scan", lock, "--format", "json", env=env)
        assert done.code == 3
        assert "_authToken" in done.package(case.package)["unverified_reason"]


@pytest.mark.parametrize("transform", MINIFIED)
@pytest.mark.parametrize("case", COMPROMISED, ids=lambda case: case.name)
def test_the_clipper_is_found_in_every_form(case: Any, transform: str) -> None:
    ruleset = load_ruleset()
    baseline = load_case(case, "before", transform)
    tarball = load_case(case, "after", transform)
    for prefilter in (True, False):
        alone = analyse_tarball(tarball, ruleset, Limits(), prefilter=prefilter)
        assert any(finding.severity == "critical" for finding in alone.findings)
        assert analyse_tarball(tarball, ruleset, Limits(), baseline, prefilter=prefilter).findings
        assert not analyse_tarball(baseline, ruleset, Limits(), prefilter=prefilter).findings


# --- the registry that npm's own configuration names -----------------------------------------------------


@pytest.mark.network
def test_a_real_lock_holds_nothing_malicious_and_its_counts_add_up(tmp_path: Path) -> None:
    env = environment(tmp_path / "home")
    done = npmguard("scan", LOCKS / "pdf.js", "--format", "json", env=env, limit=300)
    report = done.report
    flagged = [
        (package["name"], package["version"], package["unverified_reason"], package["findings"])
        for package in report["packages"]
        if package["verdict"] != "clean"
    ]
    assert flagged == []
    assert done.code == 0
    assert sum(len(package["locations"]) for package in report["packages"]) + len(report["skipped"]) == 970


def test_the_prefilter_changes_nothing_in_a_report(tmp_path: Path) -> None:
    lock = json.loads((LOCKS / "pdf.js" / "package-lock.json").read_bytes())
    locations = sorted(location for location in lock["packages"] if location)
    wanted = {"", *(location for location in locations[::25] if "typescript" not in location)}
    part = {location: entry for location, entry in lock["packages"].items() if location in wanted}
    part[""] = {"name": "part", "version": "1.0.0"}
    (tmp_path / "project").mkdir()
    path = tmp_path / "project" / "package-lock.json"
    path.write_text(json.dumps({**lock, "packages": part}))
    env = environment(tmp_path / "home")
    filtered, unfiltered = (
        npmguard("scan", path, "--format", "json", "--no-cache", *options, env=env, limit=300)
        for options in ((), ("--no-prefilter",))
    )
    assert len(filtered.report["packages"]) > 25
    assert unfiltered.stdout == filtered.stdout


# --- the wheel -------------------------------------------------------------------------------------------


def test_an_installed_wheel_brings_its_rules_and_scans(
    registry_with_fixtures: Verdaccio, project: Path, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT], check=True, timeout=300)
    (wheel,) = wheels.iterdir()
    elsewhere = tmp_path / "elsewhere"
    venv.create(elsewhere, with_pip=True)
    python = elsewhere / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", wheel],
        check=True,
        timeout=600,
    )
    env = registry_with_fixtures.environment()
    env["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    done = subprocess.run(
        [elsewhere / "bin" / "npmguard", "scan", project, "--format", "json"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["summary"]["malicious"] == len(COMPROMISED)
    rules = subprocess.run(
        [elsewhere / "bin" / "npmguard", "rules", "test"],
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert rules.returncode == 0, rules.stdout
