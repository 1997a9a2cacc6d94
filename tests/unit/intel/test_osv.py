"""Records of malware are read as published; hostile ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npmguard.intel.osv import OsvRecord, parse_osv
from tests.feeds import osv_record

FIXTURES = Path(__file__).parents[3] / "fixtures" / "osv"


def real(name: str) -> OsvRecord:
    return parse_osv((FIXTURES / f"{name}.json").read_bytes())


def parse(**fields: Any) -> OsvRecord:
    document = {"id": "MAL-2026-1", "modified": "2026-01-02T00:00:00Z", **fields}
    return parse_osv(json.dumps(document).encode())


def package(name: str = "a", ecosystem: str = "npm", **more: Any) -> dict[str, Any]:
    return {"package": {"ecosystem": ecosystem, "name": name}, **more}


def test_a_real_record_names_its_versions_and_aliases() -> None:
    osv = real("MAL-2026-2307")
    assert list(osv.packages) == ["axios"]
    assert osv.packages["axios"].covers("1.14.1")
    assert osv.packages["axios"].covers("0.30.4")
    assert not osv.packages["axios"].covers("1.14.0")
    assert osv.record.aliases == ("GHSA-fw8c-xr5c-95f9",)
    assert osv.record.date == "2026-03-31"
    assert osv.record.summary == "Malicious code in axios (npm)"


@pytest.mark.parametrize(
    ("name", "package_name", "bad", "good"),
    [("MAL-2025-46969", "chalk", "5.6.1", "5.6.0"), ("MAL-2025-46974", "debug", "4.4.2", "4.4.3")],
)
def test_a_record_without_ranges_means_its_versions_alone(
    name: str, package_name: str, bad: str, good: str
) -> None:
    bounds = real(name).packages[package_name]
    assert bounds.covers(bad)
    assert not bounds.covers(good)


def test_a_withdrawn_record_says_nothing() -> None:
    osv = real("MAL-2026-4372")
    assert osv.withdrawn
    assert osv.packages == {}


def test_another_ecosystem_is_not_npm() -> None:
    affected = [package(ecosystem="PyPI", versions=["1.0.0"]), package("b", "NPM", versions=["1.0.0"])]
    assert parse(affected=affected).packages == {}


def test_entries_of_one_package_are_taken_together() -> None:
    affected = [
        package(versions=["1.0.0"]),
        package(ranges=[{"type": "SEMVER", "events": [{"introduced": "0"}]}]),
        package(versions=["2.0.0"]),
    ]
    bounds = parse(affected=affected).packages["a"]
    assert bounds.covers("1.0.0")
    assert bounds.covers("2.0.0")
    assert not bounds.covers("3.0.0")


def test_a_range_of_commits_is_not_of_versions() -> None:
    affected = [package(ranges=[{"type": "GIT", "events": [{"introduced": "0"}]}])]
    assert not parse(affected=affected).packages["a"].covers("1.0.0")


def test_null_is_as_good_as_nothing() -> None:
    osv = parse(aliases=None, affected=[package(versions=None, ranges=None)], withdrawn=None, published=None)
    assert osv.packages["a"].covers("1.0.0") is False
    assert osv.record.date == "2026-01-02"


def test_texts_are_made_fit_to_be_shown() -> None:
    osv = parse(summary="a\x1b[31m\nb\u202e" + "c" * 1000, aliases=["GHSA-1", "\x1b]0;x", "a b"])
    assert osv.record.summary.startswith("a\\x1b[31m b\\u202e")
    assert len(osv.record.summary) == 300
    assert osv.record.aliases == ("GHSA-1",)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"id": "MAL-2026-1"}',
        b'{"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z"}',
        b'{"id": "MAL-2026-1\\n", "modified": "2026-01-01T00:00:00Z"}',
        b'{"id": "MAL-2026-1", "modified": "yesterday"}',
        b'{"id": "MAL-2026-1", "modified": "2026-01-01T00:00:00Z", "affected": {}}',
        b'{"id": "MAL-2026-1", "modified": "2026-01-01T00:00:00Z", "affected": [{"package": {"name": 1}}]}',
        b'{"id": "MAL-2026-1", "modified": "2026-01-01T00:00:00Z", "affected": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_record_is_refused_in_one_line(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        parse_osv(document)
    assert str(caught.value).isprintable()


def test_a_bound_that_is_no_version_is_refused() -> None:
    affected = [package(ranges=[{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "soon"}]}])]
    with pytest.raises(ValueError, match="MAL-2026-1 cannot be evaluated"):
        parse(affected=affected)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("affected", "aliases", "summary", "withdrawn"), JSON)))
def test_any_json_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        osv = parse(**fields)
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - both ways are right
    else:
        assert osv.record.summary.isprintable()


# --- indicators ------------------------------------------------------------------------------------------


def test_a_real_record_names_the_attacker_s_hosts() -> None:
    axios = real("MAL-2026-2307")
    assert [(str(it.kind), it.value, it.sure) for it in axios.indicators] == [
        ("domain", "sfrclak.com", False),
        ("ip", "142.11.206.73", False),
        ("url", "http://sfrclak.com:8000/6202033", True),
    ]
    assert {(it.source, it.date) for it in axios.indicators} == {("OSV MAL-2026-2307", "2026-03-31")}


def naming(**iocs: Any) -> tuple[str, ...]:
    record = osv_record("MAL-2026-1", "evil", "1.0.0", database_specific={"iocs": iocs})
    return tuple(it.value for it in parse_osv(json.dumps(record).encode()).indicators)


def test_what_is_everybody_s_is_no_indicator() -> None:
    assert naming(
        domains=["github.com", "registry.npmjs.org", "c2.example"],
        ips=["127.0.0.1", "8.8.8.8", "203.0.113.9", "203.0.113.0/24"],
        urls=["https://api.github.com/user", "https://pastebin.com/raw/x", "https://c2.example/x"],
    ) == ("c2.example", "203.0.113.9", "https://c2.example/x", "https://pastebin.com/raw/x")


@pytest.mark.parametrize(
    "specific",
    [
        None,
        [],
        "text",
        {"iocs": []},
        {"iocs": {"domains": "c2.example"}},
        {"iocs": {"ips": [7]}},
        {"iocs": None},
    ],
)
def test_indicators_in_no_known_form_leave_the_record_as_it_is(specific: Any) -> None:
    record = osv_record("MAL-2026-1", "evil", "1.0.0", database_specific=specific)
    parsed = parse_osv(json.dumps(record).encode())
    assert (parsed.indicators, list(parsed.packages)) == ((), ["evil"])


def test_a_withdrawn_record_names_nothing() -> None:
    record = osv_record(
        "MAL-2026-1",
        "evil",
        "1.0.0",
        withdrawn="2026-05-02T00:00:00Z",
        database_specific={"iocs": {"domains": ["c2.example"]}},
    )
    assert parse_osv(json.dumps(record).encode()).indicators == ()
