"""A young release waits, unless it is a correction that brings nothing else with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from npmguard.config import Cooldown
from npmguard.cooldown import AgeJudgement, Change, Outcome, judge_age, parse_age
from npmguard.detect.verdict import verdict_of
from npmguard.errors import ConfigError
from npmguard.model import ManifestDelta, Verdict, VersionDiff

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
WEEK = Cooldown(min_age="7d", except_=("@ours/*", "left-pad"))
HARMLESS = VersionDiff("1.0.0", "1.0.1", (), (), (), ())
FIX = Change("1.0.0", fixes=("GHSA-1",), diff=HARMLESS, gained=(), hosts=(), trust_lost=())


def judge(name: str = "a", change: Change = Change(), *, hours: float = 5) -> AgeJudgement:  # noqa: B008 - frozen
    return judge_age(name, NOW - timedelta(hours=hours), NOW, WEEK, change)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("12h", 12), ("7d", 168), ("2w", 336), ("90m", 1.5), (" 7 D ", 168), ("0", 0), ("0d", 0)],
)
def test_ages_are_read_as_people_write_them(text: str, hours: float) -> None:
    assert parse_age(text) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "text", ["", "7", "d", "-1d", "1.5d", "7 days", "99999d", "\u0667d", "7d7d", "7d\n--x"]
)
def test_another_spelling_of_an_age_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_age(text)
    assert "write 12h, 7d or 2w" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_settings_refuse_what_is_no_age_when_they_are_read() -> None:
    for text in ("7 days", "", "soon"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"min-age": text}, Cooldown)
    read = msgspec.convert({"min-age": "7d", "except": ["@ours/*"]}, Cooldown)
    assert parse_age(read.min_age) == timedelta(days=7)
    assert read.except_ == ("@ours/*",)


def test_nothing_is_held_unless_an_age_is_asked_for() -> None:
    assert judge_age("a", None, NOW, Cooldown(), Change()).outcome is Outcome.OFF


def test_a_young_release_is_held_and_asks_for_a_look() -> None:
    held = judge()
    assert held.outcome is Outcome.HELD
    assert held.finding is not None
    assert held.finding.rule == "too-young"
    assert "it came 5 hours ago, and the settings ask for 7 days" in held.finding.message
    assert verdict_of((held.finding,)) is Verdict.SUSPICIOUS


def test_the_age_is_reached_to_the_second() -> None:
    assert judge(hours=168).outcome is Outcome.OLD_ENOUGH
    assert judge(hours=168 - 1 / 3600).outcome is Outcome.HELD


def test_a_release_from_the_future_is_young() -> None:
    held = judge(hours=-48)
    assert held.outcome is Outcome.HELD
    assert "from the future" in held.reason


def test_an_unknown_age_is_no_age() -> None:
    judged = judge_age("a", None, NOW, WEEK, FIX)
    assert (judged.outcome, judged.finding) == (Outcome.UNKNOWN, None)
    assert "does not say" in judged.reason


@pytest.mark.parametrize(("name", "outcome"), [
    ("@ours/x", Outcome.EXCEPTED), ("left-pad", Outcome.EXCEPTED), ("left-pads", Outcome.HELD),
    ("@OURS/x", Outcome.HELD), ("ours/x", Outcome.HELD), ("@ours-evil/x", Outcome.HELD),
])  # fmt: skip
def test_exceptions_go_by_the_name(name: str, outcome: Outcome) -> None:
    assert judge(name).outcome is outcome


def test_a_correction_that_adds_nothing_passes_with_the_reason() -> None:
    passed = judge(change=FIX)
    assert (passed.outcome, passed.finding) == (Outcome.FIX, None)
    assert passed.reason == (
        "it came 5 hours ago, and passes before 7 days are over: it fixes GHSA-1, and adds no behaviour,"
        " script, dependency or host to 1.0.0"
    )


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (replace(FIX, fixes=()), "no known advisory says that it fixes anything"),
        (replace(FIX, baseline=None), "could not be compared"),
        (replace(FIX, diff=None), "could not be compared"),
        (replace(FIX, gained=None), "could not be compared"),
        (replace(FIX, hosts=None), "could not be compared"),
        (replace(FIX, trust_lost=None), "could not be asked"),
        (replace(FIX, trust_lost=("provenance-lost",)), "less trusted than its forerunners: provenance-lost"),
        (replace(FIX, gained=("hooks-network-primitive",)), "something new: hooks-network-primitive"),
        (replace(FIX, hosts=("c2.example",)), "new hosts: c2.example"),
    ],
)
def test_a_correction_that_is_not_known_to_add_nothing_waits(change: Change, because: str) -> None:
    held = judge(change=change)
    assert held.outcome is Outcome.HELD
    assert held.finding is not None
    assert [because in it.message for it in held.finding.evidence] == [True]


@pytest.mark.parametrize(
    ("delta", "because"),
    [
        (ManifestDelta("scripts", "postinstall", None, "node x"), "postinstall script is new"),
        (ManifestDelta("scripts", "preinstall", "a", "b"), "preinstall script is another"),
        (ManifestDelta("dependencies", "fresh", None, "^1"), "brings in fresh"),
        (ManifestDelta("optionalDependencies", "fresh", None, "^1"), "brings in fresh"),
        (ManifestDelta("dependencies", "old", "^1", "npm:other@1"), "brings in old"),
        (ManifestDelta("dependencies", "old", "^1", "git+https://h.example/x"), "brings in old"),
        (ManifestDelta("bin", "npm", None, "cli.js"), "bin is new"),
        (ManifestDelta("gypfile", "", None, "true"), "gypfile is new"),
        (ManifestDelta("scripts", "test", None, "mocha"), None),
        (ManifestDelta("scripts", "postinstall", "node x", None), None),
        (ManifestDelta("dependencies", "old", "^1", None), None),
        (ManifestDelta("dependencies", "old", "^1.0.0", "^1.0.1"), None),
        (ManifestDelta("main", "", "a.js", "b.js"), None),
    ],
)
def test_what_a_correction_may_change_in_its_manifest(delta: ManifestDelta, because: str | None) -> None:
    judged = judge(change=replace(FIX, diff=replace(HARMLESS, manifest=(delta,))))
    if because is None:
        assert judged.outcome is Outcome.FIX
    else:
        assert judged.finding is not None
        assert because in judged.finding.evidence[0].message


def test_every_reason_to_wait_is_told() -> None:
    held = judge(change=replace(FIX, gained=("a", "b", "c", "d"), hosts=("c2.example",)))
    assert held.finding is not None
    assert [it.message for it in held.finding.evidence] == [
        "it does not pass early: it does something new: a, b, c and 1 more",
        "it does not pass early: it names new hosts: c2.example",
    ]
