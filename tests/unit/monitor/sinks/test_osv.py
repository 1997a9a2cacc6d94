"""Malicious releases as records that a database of malicious packages takes in."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npmguard.errors import SinkError
from npmguard.intel.osv import parse_osv
from npmguard.monitor.alert import Alert, AlertKind, Trait
from npmguard.monitor.sinks.osv import OsvRecords, record_path
from tests.unit.monitor.released import HOSTILE, alert, hostile_alert

TRAITS = (
    Trait("domain", "drop.evil.example"),
    Trait("url", "https://drop.evil.example/x"),
    Trait("ip", "192.0.2.7"),
)


def release(name: str = "palette-lite", version: str = "5.6.1", **said: Any) -> Alert:
    return alert(f"{name}{version}".encode().hex()[:32], AlertKind.RELEASE, name=name, version=version, **said)


def record(folder: Path, name: str = "palette-lite") -> Any:
    return json.loads((folder / record_path(name)).read_text("ascii"))


def test_a_record_is_what_the_database_asks_for(tmp_path: Path) -> None:
    """CONTRIBUTING.md of ossf/malicious-packages, "The ideal report", and the OSV schema's types."""
    OsvRecords(tmp_path, "Example Security").deliver(release(traits=TRAITS))
    assert record_path("palette-lite").parent == Path("osv/malicious/npm/palette-lite")
    assert record_path("palette-lite").match("MAL-0000-*.json")
    found = record(tmp_path)
    assert not {"id", "summary"} & set(found)
    assert set(found) == {"schema_version", "modified", "details", "affected", "credits", "database_specific"}
    assert datetime.fromisoformat(found["modified"]).tzinfo is not None
    assert found["modified"].endswith("Z")
    assert found["affected"] == [
        {"package": {"ecosystem": "npm", "name": "palette-lite"}, "versions": ["5.6.1"]}
    ]
    assert found["credits"] == [{"name": "Example Security", "type": "FINDER"}]
    assert found["database_specific"] == {
        "iocs": {
            "domains": ["drop.evil.example"],
            "urls": ["https://drop.evil.example/x"],
            "ips": ["192.0.2.7"],
        }
    }
    assert "Wallet addresses in network responses are replaced" in found["details"].replace("\\", "")


def test_the_record_is_one_that_npmguard_itself_reads_from_the_feed(tmp_path: Path) -> None:
    OsvRecords(tmp_path).deliver(release(traits=TRAITS))
    numbered = {**record(tmp_path), "id": "MAL-2026-1"}
    read = parse_osv(msgspec.json.encode(numbered))
    assert list(read.packages) == ["palette-lite"]
    assert {indicator.value for indicator in read.indicators} == {
        "drop.evil.example",
        "https://drop.evil.example/x",
        "192.0.2.7",
    }


def test_another_version_is_added_to_the_packages_record(tmp_path: Path) -> None:
    sink = OsvRecords(tmp_path)
    sink.deliver(release(version="5.6.1", traits=TRAITS[:1]))
    sink.deliver(release(version="5.6.2", traits=TRAITS[1:]))
    found = record(tmp_path)
    assert found["affected"][0]["versions"] == ["5.6.1", "5.6.2"]
    assert set(found["database_specific"]["iocs"]) == {"domains", "urls", "ips"}
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_a_repeat_changes_nothing(tmp_path: Path) -> None:
    sink = OsvRecords(tmp_path)
    sink.deliver(release())
    before = (tmp_path / record_path("palette-lite")).read_bytes()
    sink.deliver(release())
    assert (tmp_path / record_path("palette-lite")).read_bytes() == before


def test_only_malicious_releases_are_recorded(tmp_path: Path) -> None:
    sink = OsvRecords(tmp_path)
    assert sink.takes(release())
    assert not sink.takes(release(verdict="suspicious"))
    assert not sink.takes(alert())


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "..",
        ".",
        "@../x",
        "@a/../../x",
        "/etc/passwd",
        "a/b",
        "@/x",
        "@a/",
        "\0",
        "a\\b",
        HOSTILE,
        "@a/b/c",
    ],
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    OsvRecords(folder).deliver(release(name))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1
    inside = files[0].relative_to(folder / "osv" / "malicious" / "npm")
    assert ".." not in inside.parts
    assert 2 <= len(inside.parts) <= 3
    assert json.loads(files[0].read_text("ascii"))["affected"][0]["package"]["name"] == name


def test_a_scoped_name_is_two_folders() -> None:
    assert record_path("@example/package").parent == Path("osv/malicious/npm/@example/package")


def test_hostile_texts_are_no_markup_of_the_details(tmp_path: Path) -> None:
    OsvRecords(tmp_path).deliver(hostile_alert(AlertKind.RELEASE))
    (path,) = tmp_path.rglob("*.json")
    details = json.loads(path.read_text("ascii"))["details"]
    assert "<script" not in details
    assert "</script" not in details
    assert "](" not in details
    assert "**b**" not in details


def test_another_file_in_the_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / record_path("palette-lite")
    path.parent.mkdir(parents=True)
    for content in ("{", '{"affected":[{"package":{"ecosystem":"npm","name":"other"}}]}'):
        path.write_text(content)
        with pytest.raises(SinkError, match="move it away"):
            OsvRecords(tmp_path).deliver(release())
        assert path.read_text() == content
