"""The attacks that every npmguard knows are in its data file, and the file keeps its format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from npmguard.errors import RuleError
from npmguard.intel.campaigns import load_campaigns
from npmguard.intel.malware import KnownMalware
from npmguard.model import Hash, Severity
from npmguard.shipped import shipped_folder

CHALK_AND_DEBUG = [
    "debug@4.4.2",
    "chalk@5.6.1",
    "ansi-styles@6.2.2",
    "strip-ansi@7.1.1",
    "color-convert@3.1.1",
    "wrap-ansi@9.0.1",
    "ansi-regex@6.2.1",
    "supports-color@10.2.1",
    "slice-ansi@7.1.1",
    "color-name@2.0.1",
    "is-arrayish@0.3.3",
    "color-string@2.1.1",
    "simple-swizzle@0.2.3",
    "error-ex@1.3.3",
    "has-ansi@6.0.1",
    "chalk-template@1.1.1",
    "backslash@0.2.1",
    "supports-hyperlinks@4.1.1",
    "color@5.0.1",
    "proto-tinker-wc@0.1.87",
]
OTHERS = [
    "axios@1.14.1",
    "axios@0.30.4",
    "plain-crypto-js@4.2.1",
    "nx@21.5.0",
    "@nx/devkit@20.9.0",
    "@ctrl/tinycolor@4.1.1",
    "ua-parser-js@0.7.29",
    "coa@2.0.3",
    "rc@1.2.9",
    "event-stream@3.3.6",
    "flatmap-stream@0.1.1",
    "node-ipc@10.1.1",
    "eslint-scope@3.7.2",
    "@solana/web3.js@1.95.6",
    "@solana/web3.js@1.95.7",
    "@rspack/core@1.1.7",
    "colors@1.4.1",
    "@lottiefiles/lottie-player@2.0.5",
    "eslint-config-prettier@10.1.7",
    "duckdb@1.3.3",
    "02-echo@0.0.7",
    "posthog-js@1.297.3",
]
CLEAN = [
    "debug@4.4.3",
    "debug@4.4.1",
    "chalk@5.6.2",
    "chalk@4.1.2",
    "axios@1.14.0",
    "nx@21.5.1",
    "ua-parser-js@0.7.30",
    "colors@1.4.0",
    "eslint-scope@3.7.3",
    "@solana/web3.js@1.95.8",
    "coa@2.0.2",
    "rc@1.2.8",
    "node-ipc@10.1.3",
    "event-stream@3.3.5",
]


def shipped() -> KnownMalware:
    campaigns = load_campaigns()
    return KnownMalware(campaigns.statements, campaigns.hashes)


def split(label: str) -> tuple[str, str]:
    name, _, version = label.rpartition("@")
    return name, version


@pytest.mark.parametrize("label", CHALK_AND_DEBUG + OTHERS)
def test_what_made_the_news_is_known(label: str) -> None:
    assert shipped().is_malicious(*split(label))


@pytest.mark.parametrize("label", CLEAN)
def test_the_versions_beside_it_are_not(label: str) -> None:
    assert not shipped().is_malicious(*split(label))


def test_the_twenty_of_september_2025_are_one_campaign() -> None:
    judged = {it.id for label in CHALK_AND_DEBUG for it in shipped().judge(*split(label)).records}
    assert (len(CHALK_AND_DEBUG), judged) == (20, {"2025-09-chalk-debug"})


def test_sabotage_by_an_author_is_not_called_theft() -> None:
    (record,) = shipped().judge("colors", "1.4.1").records
    assert record.severity is Severity.HIGH


@pytest.mark.parametrize("lock", ["pdf.js", "insomnia", "npm-cli"])
def test_no_package_of_a_real_lock_is_in_it(lock: str) -> None:
    path = Path(__file__).parents[3] / "fixtures" / "lockfiles" / lock / "package-lock.json"
    entries = json.loads(path.read_bytes())["packages"]
    known = shipped()
    versions = [
        (it.get("name") or key.rpartition("node_modules/")[2], it.get("version", ""))
        for key, it in entries.items()
    ]
    assert len(versions) > 400
    assert [pair for pair in versions if known.is_malicious(*pair)] == []


def test_every_campaign_has_a_source_and_a_date() -> None:
    file = json.loads((shipped_folder() / "intel" / "campaigns.json").read_bytes())
    assert all(it["sources"] and it["date"] for it in file["campaigns"])
    dates = [it["date"] for it in file["campaigns"]]
    assert dates == sorted(dates)


GOOD: Mapping[str, Any] = {
    "id": "2026-01-example",
    "date": "2026-01-09",
    "title": "An example",
    "sources": ["https://advisories.example/1"],
    "packages": {"evil": "1.0.0 1.0.1"},
}
SHA512 = "sha512-" + "A" * 86 + "=="


def load(tmp_path: Path, *campaigns: object) -> KnownMalware:
    path = tmp_path / "campaigns.json"
    path.write_text(json.dumps({"schema": "npmguard.campaigns/1", "campaigns": campaigns}))
    found = load_campaigns(path)
    return KnownMalware(found.statements, found.hashes)


def test_a_tarballs_integrity_may_be_told(tmp_path: Path) -> None:
    known = load(tmp_path, {**GOOD, "integrity": {"evil@1.0.0": SHA512}})
    assert list(known.hashes) == [Hash("sha512", bytes(64))]


@pytest.mark.parametrize(
    "change",
    [
        {"surprise": 1},
        {"id": "Example"},
        {"id": "2026-02-example"},
        {"date": "last week"},
        {"title": ""},
        {"title": "two\nlines"},
        {"sources": []},
        {"sources": ["http://advisories.example/1"]},
        {"packages": {}},
        {"packages": {"evil": ""}},
        {"packages": {"evil": "latest"}},
        {"packages": {"evil": "1.0.0  1.0.1"}},
        {"packages": {"evil": "1.0.0 1.0.0"}},
        {"packages": {"evil": ["1.0.0"]}},
        {"packages": {"e vil": "1.0.0"}},
        {"kind": "mishap"},
        {"integrity": {"evil@2.0.0": SHA512}},
        {"integrity": {"evil@1.0.0": "sha512-short"}},
    ],
)
def test_a_slip_is_an_error_that_names_the_file(tmp_path: Path, change: Mapping[str, object]) -> None:
    with pytest.raises(RuleError, match=r"campaigns\.json"):
        load(tmp_path, {**GOOD, **change})


def test_an_id_stands_once(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="an id stands once"):
        load(tmp_path, GOOD, GOOD)


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="install npmguard anew"):
        load_campaigns(tmp_path / "absent.json")
