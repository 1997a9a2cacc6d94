from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft4Validator

from npmguard.model import ScanReport, SkippedPackage, SkipReason, Verdict
from npmguard.report import sarif
from tests.unit.report.samples import ALL_CLEAN, BAD_DAY, GOLDEN, NOTHING, OUTAGE, RULES, SAMPLES, TOKEN
from tests.unit.report.strategies import reports

SCHEMAS = Path(__file__).parents[3] / "fixtures" / "schemas"
VALIDATOR = Draft4Validator(json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_text(encoding="utf-8")))
URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9\-._~/!$&'()*+,;=@]|%[0-9A-F]{2})+")


def run_of(report: ScanReport, **options: Any) -> dict[str, Any]:
    document = json.loads(sarif.render(report, RULES, **options))
    run = document["runs"][0]
    assert isinstance(run, dict)
    return run


def results_of(report: ScanReport) -> list[dict[str, Any]]:
    return list(run_of(report)["results"])


def test_output_is_the_golden_one() -> None:
    assert sarif.render(BAD_DAY, RULES) == (GOLDEN / "bad-day.sarif").read_bytes()


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_keep_to_the_official_schema(name: str) -> None:
    VALIDATOR.validate(json.loads(sarif.render(SAMPLES[name], RULES)))


@given(reports)
@settings(deadline=None, max_examples=60)
def test_any_report_keeps_to_the_official_schema_and_to_what_code_scanning_needs(report: ScanReport) -> None:
    content = sarif.render(report, RULES)
    document = json.loads(content)
    VALIDATOR.validate(document)
    run = document["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
    for result in run["results"]:
        assert result["ruleId"] == rules[result["ruleIndex"]]["id"]
        assert result["message"]["text"].isprintable() or "\n" in result["message"]["text"]
        assert "](" not in result["message"]["text"]
        assert not re.search(r"<[A-Za-z/!?]", result["message"]["text"])
        assert result["partialFingerprints"]["primaryLocationLineHash"]
        for location in result["locations"]:
            if report.kind != "spec":
                physical = location["physicalLocation"]
                assert URI_REFERENCE.fullmatch(physical["artifactLocation"]["uri"])
                assert not physical["artifactLocation"]["uri"].startswith(("/", "../"))
                assert physical["region"]["startLine"] >= 1
    flagged = [package for package in report.packages if package.verdict is not Verdict.CLEAN]
    unverified = report.count(Verdict.UNVERIFIED)
    assert len(run["results"]) == sum(len(package.findings) for package in flagged) + unverified
    for line in content.decode("ascii").removesuffix("\n").split("\n"):
        assert line.isprintable()
        assert line[0] in '{}]"'
        assert not re.search(r"##\w*\[", line)


def test_each_finding_is_one_result_at_the_packages_line_of_the_lockfile() -> None:
    found = [
        (
            result["ruleId"],
            result["level"],
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            result["locations"][0]["physicalLocation"]["region"]["startLine"],
        )
        for result in results_of(BAD_DAY)
    ]
    lock = "web-app/package-lock.json"
    assert found == [
        ("integrity-mismatch", "error", lock, 31),
        ("address-swap-in-network-hook", "error", lock, 812),
        ("lifecycle-script-added", "warning", lock, 812),
        ("hidden-characters", "warning", lock, 77),  # high, but of a package that is only suspicious
        ("npmguard-unverified", "warning", lock, 204),
        ("npmguard-unverified", "warning", lock, 300),
        ("npmguard-unverified", "warning", lock, 310),
    ]


def test_the_file_inside_the_tarball_is_told_without_a_false_place_in_the_repository() -> None:
    result = next(it for it in results_of(BAD_DAY) if it["ruleId"] == "address-swap-in-network-hook")
    logical = result["locations"][0]["logicalLocations"][0]
    assert logical["fullyQualifiedName"] == "palette-lite@5.6.1/source/index.js"
    text = result["message"]["text"]
    assert text.startswith("palette-lite@5.6.1: Wallet addresses in network responses are replaced")
    assert "New since 5.6.0." in text
    assert "source/index.js:12" in text
    assert "decoded: fetch" in text
    assert "Install palette-lite@5.6.0" in text
    assert not any("source/index.js" in json.dumps(it["physicalLocation"]) for it in result["locations"])


def test_in_a_scanned_folder_the_location_is_the_file_itself() -> None:
    report = replace(BAD_DAY, kind="directory", path="packages/palette lite")
    physical = next(
        it["locations"][0]["physicalLocation"]
        for it in results_of(report)
        if it["ruleId"] == "address-swap-in-network-hook"
    )
    assert physical["artifactLocation"]["uri"] == "packages/palette%20lite/source/index.js"
    assert physical["region"]["startLine"] == 12


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("package-lock.json", "package-lock.json"),
        ("./a/../web app/package-lock.json", "web%20app/package-lock.json"),
        ("/home/me/app/package-lock.json", "package-lock.json"),
        ("../app/package-lock.json", "package-lock.json"),
        ("a:b/caf\u00e9?#.json", "a%3Ab/caf%C3%A9%3F%23.json"),
    ],
)
def test_locations_are_relative_to_where_the_scan_was_run(path: str, uri: str) -> None:
    results = results_of(replace(BAD_DAY, path=path))
    assert {it["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for it in results} == {uri}


def test_fingerprints_survive_unrelated_changes_of_the_lockfile() -> None:
    moved = replace(
        BAD_DAY, packages=tuple(replace(package, line=package.line + 40) for package in BAD_DAY.packages[1:])
    )
    before = {it["partialFingerprints"]["npmguard/v1"] for it in results_of(BAD_DAY)}
    after = {it["partialFingerprints"]["npmguard/v1"] for it in results_of(moved)}
    assert len(before) == 7
    assert after < before


def test_fingerprints_change_with_the_version_and_the_evidence() -> None:
    clipper = next(package for package in BAD_DAY.packages if package.name == "palette-lite")
    finding = clipper.findings[0]
    fewer = replace(finding, evidence=finding.evidence[:1])
    variants = [clipper, replace(clipper, version="5.6.2"), replace(clipper, findings=(fewer,))]
    prints = {
        results_of(replace(BAD_DAY, packages=(it,)))[0]["partialFingerprints"]["npmguard/v1"] for it in variants
    }
    assert len(prints) == 3


def test_two_findings_of_one_kind_in_one_file_keep_two_fingerprints() -> None:
    clipper = next(package for package in BAD_DAY.packages if package.name == "palette-lite")
    twice = replace(clipper, findings=clipper.findings[:1] * 2)
    first, second = results_of(replace(BAD_DAY, packages=(twice,)))
    assert first["partialFingerprints"]["npmguard/v1"].endswith(":1")
    assert (
        second["partialFingerprints"]["npmguard/v1"] == first["partialFingerprints"]["npmguard/v1"][:-1] + "2"
    )


def test_every_rule_is_described_also_the_silent_ones() -> None:
    rules = {rule["id"]: rule for rule in run_of(ALL_CLEAN)["tool"]["driver"]["rules"]}
    assert set(rules) == {*RULES, "npmguard-unverified"}
    critical = rules["address-swap-in-network-hook"]
    assert critical["defaultConfiguration"] == {"level": "error"}
    assert float(critical["properties"]["security-severity"]) > 9.0
    assert critical["helpUri"] == "https://advisories.example/2025/clipper"
    assert "**What to do:**" in critical["help"]["markdown"]


def test_help_points_to_the_page_of_rules_where_there_is_one() -> None:
    rules = run_of(ALL_CLEAN, docs_url="https://docs.example/rules.html")["tool"]["driver"]["rules"]
    uris = {rule["helpUri"] for rule in rules}
    assert "https://docs.example/rules.html#integrity-mismatch" in uris


def test_a_result_of_an_undescribed_rule_still_has_its_rule() -> None:
    rules = {rule["id"] for rule in run_of(BAD_DAY)["tool"]["driver"]["rules"]}
    assert "hidden-characters" in rules


def test_results_over_the_limit_are_left_out_least_severe_first_and_it_is_said() -> None:
    many = tuple(
        replace(package, name=f"{package.name}-{number}") for number in range(7) for package in OUTAGE.packages
    )
    clipper = next(package for package in BAD_DAY.packages if package.name == "palette-lite")
    run = run_of(replace(OUTAGE, packages=(*many, clipper)))
    assert len(run["results"]) == sarif.MAX_RESULTS
    assert run["results"][0]["ruleId"] == "address-swap-in-network-hook"
    told = [it["message"]["text"] for it in run["invocations"][0]["toolExecutionNotifications"]]
    left = len(many) + len(clipper.findings) - sarif.MAX_RESULTS
    assert any(text.startswith(f"{left} further results, the least severe ones, are left out") for text in told)


def test_a_flood_of_text_stays_under_the_upload_limit() -> None:
    clipper = next(package for package in BAD_DAY.packages if package.name == "palette-lite")
    flood = replace(clipper.findings[0], message="\U0001f4a3" * 1000)
    packages = tuple(replace(clipper, name=f"p{number}", findings=(flood,)) for number in range(2500))
    content = sarif.render(replace(BAD_DAY, packages=packages), RULES)
    assert len(content) < 10_000_000
    assert b"further results" in content


def test_skipped_entries_and_an_empty_lock_are_notifications() -> None:
    skipped = (SkippedPackage("node_modules/a", 4, SkipReason.URL, "https://files.example/a.tgz"),)
    run = run_of(replace(NOTHING, skipped=skipped))
    told = [it["message"]["text"] for it in run["invocations"][0]["toolExecutionNotifications"]]
    assert told == [
        "1 entry names no registry tarball and has no result: 1 url.",
        "No packages were read: nothing was checked.",
    ]


def test_no_secret_and_no_time_is_in_the_file() -> None:
    content = sarif.render(BAD_DAY, RULES)
    assert TOKEN.encode() not in content
    assert b"hunter2" not in content
    assert content == sarif.render(replace(BAD_DAY, seconds=3.0), RULES)
