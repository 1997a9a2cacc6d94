"""A report as an SBOM: valid by CycloneDX's own schema, the same bytes each time, verdicts as its VEX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from npmguard.config import Limits
from npmguard.lockfile.graph import DependencyGraph
from npmguard.lockfile.reader import parse_lockfile, read_lockfile
from npmguard.model import (
    Acceptance,
    Confidence,
    Evidence,
    Finding,
    Fix,
    Lockfile,
    PackageReport,
    ScanReport,
    Severity,
    Verdict,
    VerdictReason,
)
from npmguard.report import cyclonedx

LOCKS = Path(__file__).parents[3] / "fixtures" / "lockfiles"
SHAPES = [
    "v3-graph",
    "v3-workspaces",
    "real-yarn-1",
    "real-yarn-4",
    "real-pnpm-9",
    "real-bun",
    "v3-hostile-names",
]


def finding(rule: str, **fields: Any) -> Finding:
    evidence = (Evidence("s", "It sends\x1b[31m what it reads", file="a\u202e.js", line=7),)
    return Finding(rule, Severity.HIGH, Confidence.HIGH, "It\nsteals.", evidence=evidence, **fields)


def reported(package: str, version: str, verdict: Verdict, *findings: Finding, **fields: Any) -> PackageReport:
    return PackageReport(package, version, fields.pop("locations", ()), 1, verdict, findings=findings, **fields)


def report_of(lock: Lockfile, **verdicts: tuple[Verdict, tuple[Finding, ...]]) -> ScanReport:
    packages = []
    for it in lock.packages:
        verdict, findings = verdicts.get(it.name, (Verdict.CLEAN, ()))
        reasons = tuple(VerdictReason(each.rule, verdict, "so") for each in findings if each.accepted is None)
        fix = Fix("9.9.9", "clean") if findings else None
        packages.append(
            reported(
                it.name, it.version, verdict, *findings, locations=(it.location,), reasons=reasons, fix=fix
            )
        )
    return ScanReport("1.2.3", "abc", "lockfile", lock.path, tuple(packages), lock.skipped)


def sbom(lock: Lockfile, report: ScanReport) -> dict[str, Any]:
    text = cyclonedx.render(report, lock, DependencyGraph(lock).edges())
    assert text == cyclonedx.render(report, lock, DependencyGraph(lock).edges())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.decode()) is None
    document: dict[str, Any] = json.loads(text)
    return document


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_valid_and_reads_back_as_the_same_packages(shape: str) -> None:
    lock = read_lockfile(LOCKS / shape, Limits())
    document = sbom(lock, report_of(lock))
    again = parse_lockfile(json.dumps(document).encode(), "sbom.json")
    assert {(it.name, it.version) for it in again.packages} == {(it.name, it.version) for it in lock.packages}
    hashed = {(it.name, str(it.integrity)) for it in lock.packages if it.integrity and it.integrity.hashes}
    assert {(it.name, str(it.integrity)) for it in again.packages if it.integrity} == hashed


def test_the_dependency_graph_is_the_lock_s() -> None:
    lock = read_lockfile(LOCKS / "real-pnpm-9", Limits())
    depends = {it["ref"]: it.get("dependsOn", []) for it in sbom(lock, report_of(lock))["dependencies"]}
    assert depends["pkg:npm/debug@4.4.3"] == ["pkg:npm/ms@2.1.3"]
    assert "pkg:npm/debug@4.4.3" in depends["project"]
    assert depends["skipped:packages/a"] == ["pkg:npm/ms@2.1.3", "skipped:packages/b"]


def test_verdicts_are_its_vex() -> None:
    lock = read_lockfile(LOCKS / "real-yarn-1", Limits())
    accepted = finding("old-rule", accepted=Acceptance("ours", "a@b.example", "2030-01-01"))
    document = sbom(
        lock,
        report_of(
            lock,
            debug=(Verdict.MALICIOUS, (finding("steals"),)),
            semver=(Verdict.SUSPICIOUS, (finding("odd"),)),
            depd=(Verdict.CLEAN, (accepted,)),
        ),
    )
    told = {it["id"]: it for it in document["vulnerabilities"]}
    states = {
        rule: (it["analysis"]["state"], it["affects"][0]["versions"][0]["status"]) for rule, it in told.items()
    }
    assert states == {
        "steals": ("exploitable", "affected"),
        "odd": ("in_triage", "unknown"),
        "old-rule": ("not_affected", "unaffected"),
    }
    assert told["steals"]["affects"][0]["ref"] == "pkg:npm/debug@4.4.3"
    assert told["steals"]["ratings"][0]["severity"] == "high"
    assert "Install debug@9.9.9." in told["steals"]["recommendation"]
    assert "ours" in told["old-rule"]["analysis"]["detail"]


def test_there_is_no_time_in_it_and_other_content_has_another_serial_number() -> None:
    lock = read_lockfile(LOCKS / "v3-graph", Limits())
    one = sbom(lock, report_of(lock))
    other = sbom(lock, report_of(lock, **{lock.packages[0].name: (Verdict.MALICIOUS, (finding("steals"),))}))
    assert "timestamp" not in one["metadata"]
    assert one["serialNumber"] != other["serialNumber"]
    assert one["serialNumber"].startswith("urn:uuid:")


def test_text_of_packages_is_made_harmless() -> None:
    lock = read_lockfile(LOCKS / "real-yarn-1", Limits())
    document = sbom(lock, report_of(lock, debug=(Verdict.MALICIOUS, (finding("steals"),))))
    (told,) = document["vulnerabilities"]
    assert "\x1b" not in told["detail"]
    assert "\u202e" not in told["detail"]
    assert "\n" not in told["description"]


def test_a_lock_without_packages() -> None:
    lock = read_lockfile(LOCKS / "v1-empty", Limits())
    assert sbom(lock, report_of(lock)).get("components", []) == []
