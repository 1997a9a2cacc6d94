from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from npmguard.model import Dist, Manifest, Packument, Release
from npmguard.package.baseline import choose_baseline

START = datetime(2025, 1, 1, tzinfo=UTC)


def packument(days: dict[str, int | None]) -> Packument:
    """Versions and the day on which each was published, None where the registry does not say."""
    return Packument(
        name="sample",
        registry="https://registry.example/",
        releases={version: Release(Manifest("sample", version), Dist("")) for version in days},
        times={version: START + timedelta(days=day) for version, day in days.items() if day is not None},
    )


def chosen(days: dict[str, int | None], version: str, malicious: frozenset[str] = frozenset()) -> str | None:
    baseline = choose_baseline(packument(days), version, malicious)
    return baseline.version if baseline else None


def test_the_newest_on_the_line_that_was_out_for_seven_days() -> None:
    days: dict[str, int | None] = {"1.0.0": 0, "1.1.0": 10, "1.1.1": 20, "1.1.2": 24, "1.2.0": 30}
    assert chosen(days, "1.2.0") == "1.1.1"
    assert chosen({**days, "1.1.2": 23}, "1.2.0") == "1.1.2"


@pytest.mark.parametrize(
    ("version", "expected"), [("2.1.0", "2.0.0"), ("1.6.0", "1.5.0"), ("0.3.1", "0.3.0"), ("0.3.0", "0.2.9")]
)
def test_a_line_is_a_major_version_and_below_one_a_minor_version(version: str, expected: str) -> None:
    days: dict[str, int | None] = {
        **dict.fromkeys(("0.2.9", "0.3.0", "1.5.0", "2.0.0"), 0),
        **dict.fromkeys(("0.3.1", "1.6.0", "2.1.0"), 50),
    }
    if version == "0.3.0":
        days = {"0.2.9": 0, "0.3.0": 50}
    assert chosen(days, version) == expected


def test_versions_are_ordered_as_numbers_not_as_text() -> None:
    assert chosen({"1.9.0": 0, "1.10.0": 1, "1.11.0": 30}, "1.11.0") == "1.10.0"


def test_a_backport_is_compared_with_its_own_line() -> None:
    assert chosen({"1.0.0": 0, "2.0.0": 10, "1.0.1": 40}, "1.0.1") == "1.0.0"


def test_a_release_published_later_is_not_earlier() -> None:
    assert chosen({"1.0.0": 0, "1.1.0": 90, "2.0.0": 40}, "2.0.0") == "1.0.0"


def test_a_young_forerunner_on_a_new_line_does_not_hide_the_old_line() -> None:
    baseline = choose_baseline(packument({"1.0.0": 0, "2.0.0": 50, "2.0.1": 51}), "2.0.1")
    assert baseline is not None
    assert baseline.version == "1.0.0"
    assert "no 2.x release had" in baseline.reason


def test_with_nothing_settled_the_newest_earlier_one() -> None:
    baseline = choose_baseline(packument({"1.0.0": 0, "1.0.1": 1, "1.0.2": 2}), "1.0.2")
    assert baseline is not None
    assert baseline.version == "1.0.1"
    assert "none had been out for 7 days" in baseline.reason


def test_the_first_release_has_none() -> None:
    assert chosen({"1.0.0": 0, "1.0.1": 9}, "1.0.0") is None


def test_malicious_versions_are_never_chosen() -> None:
    days: dict[str, int | None] = {"1.0.0": 0, "1.0.1": 10, "1.0.2": 30}
    assert chosen(days, "1.0.2", frozenset({"1.0.1"})) == "1.0.0"
    assert chosen(days, "1.0.2", frozenset({"1.0.0", "1.0.1"})) is None


def test_prereleases_count_for_a_prerelease_on_their_line_only() -> None:
    days: dict[str, int | None] = {
        "1.0.0": 0,
        "2.0.0-beta.2": 5,
        "2.0.0-beta.10": 6,
        "2.0.0-rc.1": 30,
        "2.0.0": 60,
    }
    assert chosen(days, "2.0.0") == "1.0.0"
    assert chosen(days, "2.0.0-rc.1") == "2.0.0-beta.10"
    assert chosen({**days, "3.0.0-beta.1": 99}, "3.0.0-beta.1") == "2.0.0"


def test_prereleases_count_where_there_is_nothing_else() -> None:
    baseline = choose_baseline(packument({"1.0.0-alpha": 0, "1.0.0": 60}), "1.0.0")
    assert baseline is not None
    assert baseline.version == "1.0.0-alpha"
    assert "only prereleases" in baseline.reason


def test_without_publish_times_semver_decides_and_the_reason_says_so() -> None:
    baseline = choose_baseline(packument({"1.0.0": None, "1.1.0": None, "2.0.0": None}), "1.1.0")
    assert baseline is not None
    assert baseline.version == "1.0.0"
    assert "not known" in baseline.reason


def test_loose_versions_of_old_are_ordered_and_nonsense_is_passed_over() -> None:
    assert chosen({"0.0.1beta": 0, "v0.0.2": 1, "zero": 2, "0.0.3": 30}, "0.0.3") == "v0.0.2"


def test_a_target_that_is_no_version_has_none() -> None:
    assert chosen({"1.0.0": 0, "next": 9}, "next") is None
