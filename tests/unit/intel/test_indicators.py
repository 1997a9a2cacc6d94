from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
import stix2

from npmguard.errors import IndicatorError
from npmguard.intel.indicators import (
    Format,
    format_indicators,
    guess_kind,
    load_indicators,
    make_indicator,
    parse_indicators,
)
from npmguard.model import Indicator, IndicatorKind

ALL = tuple(
    sorted(
        (
            make_indicator(IndicatorKind.DOMAIN, "NPMJS.help.", "Acme", "2025-09-08", "lookalike"),
            make_indicator(IndicatorKind.URL, "https://npmjs.help/login?a=1", "Acme", "2025-09-08"),
            make_indicator(IndicatorKind.EMAIL, "Support@npmjs.help", "Acme", "2025-09-08"),
            make_indicator(IndicatorKind.IP, "192.0.2.7", "Acme", "2025-09-08"),
            make_indicator(IndicatorKind.IP, "2001:DB8::7", "Acme", "2025-09-08"),
            make_indicator(
                IndicatorKind.ADDRESS, "0x000000000000000000000000000000000000dEaD", "Acme", "2025-09-08"
            ),
            make_indicator(IndicatorKind.SHA256, "A" * 64, "Acme", "2025-09-08"),
            make_indicator(IndicatorKind.PURL, "pkg:npm/@scope/name@1.2.3", "Acme", "2025-09-08"),
        )
    )
)


@pytest.mark.parametrize("form", ["plain", "csv", "stix", "misp"])
def test_what_is_written_is_read_back(form: Format) -> None:
    read = parse_indicators(format_indicators(ALL, form), "x")
    assert [(item.kind, item.value) for item in read] == [(item.kind, item.value) for item in ALL]
    assert {item.source for item in read} == {"Acme"}
    assert {item.date for item in read} == {"2025-09-08"}


@pytest.mark.parametrize("form", ["plain", "csv", "stix", "misp"])
def test_the_same_indicators_are_written_as_the_same_bytes(form: Format) -> None:
    assert format_indicators(ALL, form) == format_indicators(reversed(ALL), form)


def test_what_is_written_as_stix_is_stix_2_1() -> None:
    bundle = stix2.parse(format_indicators(ALL, "stix"))
    assert bundle.type == "bundle"
    patterns = [item.pattern for item in bundle.objects if item.type == "indicator"]
    assert "[domain-name:value = 'npmjs.help']" in patterns
    assert len(patterns) == len(ALL)


def test_a_misp_event_marks_its_attributes_for_detection() -> None:
    event = json.loads(format_indicators(ALL, "misp"))["Event"]
    assert all(attribute["to_ids"] for attribute in event["Attribute"])
    assert {"type": "domain", "value": "npmjs.help"}.items() <= event["Attribute"][-1].items() or any(
        attribute["type"] == "domain" and attribute["value"] == "npmjs.help" for attribute in event["Attribute"]
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("npmjs[.]help", IndicatorKind.DOMAIN),
        ("hxxps://npmjs[.]help/login", IndicatorKind.URL),
        ("192.0.2.7", IndicatorKind.IP),
        ("2001:db8::7", IndicatorKind.IP),
        ("support[@]npmjs[.]help", IndicatorKind.EMAIL),
        ("pkg:npm/debug@4.4.2", IndicatorKind.PURL),
        ("b" * 64, IndicatorKind.SHA256),
        ("0x000000000000000000000000000000000000dEaD", IndicatorKind.ADDRESS),
        ("b\u00fccher.example", IndicatorKind.DOMAIN),
        ("two words", None),
        ("", None),
    ],
)
def test_a_bare_value_is_recognised_defanged_or_not(value: str, kind: IndicatorKind | None) -> None:
    assert guess_kind(value) is kind


def test_plain_text_has_comments_sources_and_hosts_lines() -> None:
    found = parse_indicators(
        "# list\n0.0.0.0 bad.example\nworse.example  # Acme, 2025-09-08\n\n", "/feeds/list.txt"
    )
    assert found == (
        Indicator(IndicatorKind.DOMAIN, "bad.example", "list.txt"),
        Indicator(IndicatorKind.DOMAIN, "worse.example", "Acme", "2025-09-08"),
    )


def test_a_line_that_is_nothing_is_named_with_its_number() -> None:
    with pytest.raises(IndicatorError, match=r"f:2: 'no such thing'"):
        parse_indicators("bad.example\nno such thing\n", "f")


def test_csv_errors_are_named_with_their_line() -> None:
    with pytest.raises(IndicatorError, match=r"f:2: 'planet' is no kind"):
        parse_indicators("kind,value\nplanet,earth\n", "f")
    with pytest.raises(IndicatorError, match="unknown column 'colour'"):
        parse_indicators("kind,value,colour\n", "f")
    with pytest.raises(IndicatorError, match=r"f:2: 'x y' is no domain"):
        parse_indicators("kind,value\ndomain,x y\n", "f")


def test_a_csv_cell_is_no_formula_for_a_spreadsheet() -> None:
    text = format_indicators([make_indicator(IndicatorKind.DOMAIN, "a.example", "=cmd()")], "csv")
    assert ",'=cmd()," in text
    assert parse_indicators(text)[0].source == "=cmd()"


def test_a_stix_pattern_of_alternatives_gives_each_and_one_of_conditions_none() -> None:
    def bundle(pattern: str, **more: object) -> str:
        return json.dumps({"type": "bundle", "objects": [{"type": "indicator", "pattern": pattern, **more}]})

    either = bundle("[domain-name:value = 'a.example' OR url:value = 'https://b.example/\\'x']")
    assert [item.value for item in parse_indicators(either)] == ["a.example", "https://b.example/'x"]
    assert parse_indicators(bundle("[domain-name:value = 'a.example' AND file:size = 1]")) == ()
    assert parse_indicators(bundle("[domain-name:value = 'a.example']", revoked=True)) == ()
    assert parse_indicators(bundle("sigma rule", pattern_type="sigma")) == ()
    assert [item.value for item in parse_indicators(bundle("[domain-name:value = 'AND.example']"))] == [
        "and.example"
    ]


def test_misp_events_are_read_as_servers_export_them() -> None:
    event = {
        "Event": {
            "date": "2025-09-08",
            "Orgc": {"name": "CERT"},
            "Attribute": [
                {"type": "domain", "value": "a.example", "to_ids": True},
                {"type": "domain|ip", "value": "b.example|192.0.2.1"},
                {"type": "filename|sha256", "value": "x.js|" + "c" * 64},
                {"type": "domain", "value": "context.example", "to_ids": False},
                {"type": "domain", "value": "gone.example", "deleted": True},
                {"type": "comment", "value": "d.example"},
                {"type": "domain", "value": 7},
            ],
            "Object": [{"Attribute": [{"type": "url", "value": "https://e.example/x"}]}],
        }
    }
    for document in (event, {"response": [event]}, [event]):
        found = parse_indicators(json.dumps(document))
        assert {item.value for item in found} == {"a.example", "b.example", "c" * 64, "https://e.example/x"}
        assert {item.source for item in found} == {"CERT"}


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, '{"a": 1}', "[1]", '{"type": "bundle", "objects": 3}', '{"Event": 3}']
)
def test_json_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(IndicatorError):
        parse_indicators(text)


def test_a_file_is_read_or_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffbad.example\n".encode())
    assert [item.value for item in load_indicators(path)] == ["bad.example"]
    with pytest.raises(IndicatorError, match="over the limit"):
        load_indicators(path, limit=3)
    with pytest.raises(IndicatorError, match="cannot be read"):
        load_indicators(tmp_path / "none")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(IndicatorError, match="not UTF-8"):
        load_indicators(path)


@pytest.mark.parametrize("odd", [[], {}, [["x"]], {"a": []}])
def test_a_bundle_whose_ids_are_no_text_is_read(odd: object) -> None:
    objects = [
        {"type": "identity", "id": odd, "name": "n"},
        {"type": "domain-name", "value": "c2.example", "created_by_ref": odd},
    ]
    (found,) = parse_indicators(json.dumps({"type": "bundle", "objects": objects}))
    assert found.value == "c2.example"


@pytest.mark.parametrize("line_break", ["\n", "\r", "\x85", "\u2028", "\x1e", "\x0b"])
def test_no_field_of_an_indicator_begins_a_line_of_its_own(line_break: str) -> None:
    planted = f"x{line_break}planted.example"
    row = f'kind,value,source,date,description\ndomain,c2.example,"{planted}","{planted}","{planted}"\n'
    found = parse_indicators(row)
    for form in get_args(Format):
        assert [it.value for it in parse_indicators(format_indicators(found, form))] == ["c2.example"]


@pytest.mark.parametrize(
    "day", ["2025-99-99", "0000-01-01", "2025-02-30", "\u0661\u0662\u0663\u0664-01-01", "20250101"]
)
def test_a_day_that_is_none_is_left_out_of_what_needs_one(day: str) -> None:
    found = [make_indicator(IndicatorKind.DOMAIN, "c2.example", "n", day)]
    for form in get_args(Format):
        assert [it.value for it in parse_indicators(format_indicators(found, form))] == ["c2.example"]
