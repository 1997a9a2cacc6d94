from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from npmguard.model import ScanReport, Verdict
from npmguard.report import json_v1
from tests.unit.report.samples import BAD_DAY, GOLDEN, SAMPLES, TOKEN
from tests.unit.report.strategies import reports

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def objects(schema: Any) -> list[dict[str, Any]]:
    """Every object schema inside *schema*."""
    found = [schema] if isinstance(schema, dict) and "properties" in schema else []
    children = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    return found + [inner for child in children for inner in objects(child)]


def test_the_schema_is_one_and_leaves_nothing_open() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for schema in objects(SCHEMA):
        assert schema["additionalProperties"] is False
        assert sorted(schema["required"]) == sorted(schema["properties"])


def test_output_is_the_golden_one() -> None:
    assert json_v1.render(BAD_DAY) == (GOLDEN / "bad-day.json").read_bytes()


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_keep_to_the_schema(name: str) -> None:
    VALIDATOR.validate(json.loads(json_v1.render(SAMPLES[name])))


@given(reports)
@settings(deadline=None, max_examples=150)
def test_any_report_keeps_to_the_schema_and_counts_itself(report: ScanReport) -> None:
    document = json.loads(json_v1.render(report))
    VALIDATOR.validate(document)
    verdicts = [package["verdict"] for package in document["packages"]]
    assert document["summary"] == {
        "packages": len(verdicts),
        **{verdict.value: verdicts.count(verdict.value) for verdict in Verdict},
        "skipped": len(document["skipped"]),
    }


@given(reports)
@settings(deadline=None, max_examples=50)
def test_the_bytes_are_inert_where_they_are_printed(report: ScanReport) -> None:
    content = json_v1.render(report)
    assert content.endswith(b"}\n")
    lines = content.decode("ascii").removesuffix("\n").split("\n")
    for line in lines:
        assert line.isprintable()
        assert line[0] in '{}]"'
        assert not re.search(r"##\w*\[", line)


def test_time_taken_leaves_no_trace() -> None:
    assert json_v1.render(BAD_DAY) == json_v1.render(replace(BAD_DAY, seconds=1.0))


def test_keys_of_version_1_stand_where_programs_look_for_them() -> None:
    document = json.loads(json_v1.render(BAD_DAY))
    assert document["schema"] == "npmguard.report/1"
    assert document["tool"] == {"name": "npmguard", "version": "0.1.0", "ruleset": "3f2a9c1e77d0b4a5"}
    assert document["target"] == {"kind": "lockfile", "path": "web-app/package-lock.json"}
    package = next(item for item in document["packages"] if item["name"] == "palette-lite")
    assert package["verdict"] == "malicious"
    assert package["baseline"]["version"] == "5.6.0"
    assert package["fix"]["version"] == "5.6.0"
    assert package["paths"][1] == ["boxes@7.1.1", "palette-lite@5.6.1"]
    assert package["integrity"]["lock"] == "valid"
    finding = package["findings"][0]
    assert (finding["rule"], finding["file"], finding["line"]) == (
        "address-swap-in-network-hook",
        "source/index.js",
        12,
    )
    assert finding["evidence"][0]["decoded"] == "fetch"
    assert document["skipped"][0]["reason"] == "git"


def test_hostile_text_is_data_and_credentials_are_gone() -> None:
    content = json_v1.render(BAD_DAY)
    names = [package["name"] for package in json.loads(content)["packages"]]
    assert "p\u0430lette\x1b[31m-\u202elite" in names
    assert TOKEN.encode() not in content
    assert b"hunter2" not in content


def test_json_does_not_pay_for_a_terminal() -> None:
    script = "import sys, npmguard.report.json_v1, npmguard.report.sarif; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
