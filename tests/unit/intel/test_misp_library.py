"""MISP's own library reads what is written, and what it writes is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymisp import MISPEvent, MISPObject

from npmguard.intel.indicators import format_indicators, load_indicators
from npmguard.model import Indicator, IndicatorKind

FOUND = (
    Indicator(IndicatorKind.DOMAIN, "drop.example", "team", "2025-09-08", "seen in a beacon"),
    Indicator(IndicatorKind.URL, "https://drop.example/x", "team", "2025-09-08"),
    Indicator(IndicatorKind.IP, "203.0.113.7", "team"),
    Indicator(IndicatorKind.EMAIL, "support@npmjs.example", "team"),
    Indicator(IndicatorKind.ADDRESS, "1BitcoinEaterAddressDontSendf59kuE", "team"),
    Indicator(IndicatorKind.SHA256, "ab" * 32, "team"),
    Indicator(IndicatorKind.SHA512, "cd" * 64, "team"),
    Indicator(IndicatorKind.PURL, "pkg:npm/debug@4.4.2", "team"),
)


def test_the_library_reads_what_is_written() -> None:
    event = MISPEvent(strict_validation=True)
    event.from_json(format_indicators(FOUND, "misp", created="2025-09-09T00:00:00Z"))
    assert sorted(attribute.value for attribute in event.attributes) == sorted(each.value for each in FOUND)
    assert all(attribute.to_ids for attribute in event.attributes)
    for attribute in event.attributes:  # the types and categories are ones that a server takes
        assert attribute.type in event.describe_types["category_type_mappings"][attribute.category]


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    event = MISPEvent()
    event.info = "worm"
    event.add_attribute("domain", "drop.example", comment="beacon")
    event.add_attribute("sha256", "ab" * 32)
    event.add_attribute("domain", "harmless.example", to_ids=False)
    file = MISPObject("file")
    file.add_attribute("sha256", value="cd" * 32)
    event.add_object(file)
    path = tmp_path / "event.json"
    path.write_text(event.to_json(), encoding="utf-8")
    found = {(each.kind, each.value) for each in load_indicators(path, 1_000_000)}
    assert found == {
        (IndicatorKind.DOMAIN, "drop.example"),
        (IndicatorKind.SHA256, "ab" * 32),
        (IndicatorKind.SHA256, "cd" * 32),
    }


@pytest.mark.parametrize("kind", IndicatorKind)
def test_every_kind_has_a_place_in_an_event(kind: IndicatorKind) -> None:
    assert kind in {each.kind for each in FOUND}
