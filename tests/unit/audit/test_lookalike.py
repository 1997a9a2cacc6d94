"""A name that is like a popular one counts together with other evidence only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from npmguard.audit.context import AuditContext
from npmguard.audit.lookalike import audit
from npmguard.detect.verdict import verdict_of
from npmguard.model import (
    Confidence,
    Evidence,
    Finding,
    Manifest,
    Packument,
    Severity,
    TarballAnalysis,
    Verdict,
)
from tests.unit.audit.packuments import History, at, registry

SCRIPT: dict[str, Any] = {"scripts": {"postinstall": "node setup.js"}}
LODASH = History("lodash").past(by="ann", accounts=["ann", "ben"])
CRITICAL = Finding(
    "some-rule",
    Severity.CRITICAL,
    Confidence.MEDIUM,
    "It does something that honest packages do too.",
    file="index.js",
    evidence=(Evidence("signal", "it does", "index.js", 3),),
)


def young(name: str = "loadash", releases: int = 1, **fields: Any) -> History:
    history = History(name)
    for index in range(releases):
        history.add(f"1.0.{index}", 200 + index, **{"by": "eve", **fields})
    return history


def told(
    history: History, *findings: Finding, days: float = 210, popular: History = LODASH, version: str = "1.0.0"
) -> tuple[Finding, ...]:
    return audit(history.context(version), findings, registry(popular).get, at(days))


def verdict(found: tuple[Finding, ...], *others: Finding) -> Verdict:
    return verdict_of((*found, *others))


def test_a_name_alone_is_a_note() -> None:
    (note,) = told(young())
    assert (note.rule, note.severity) == ("lookalike-name", Severity.MEDIUM)
    assert "lodash" in note.message
    assert [it.message for it in note.evidence] == [
        "loadash differs from lodash, which is downloaded very often, by a letter or two",
        "it first came on 2024-07-19, and has 1 release",
        "none of those who published lodash published it",
    ]
    assert verdict((note,)) is Verdict.CLEAN


def test_with_a_script_it_asks_for_a_look() -> None:
    (found,) = told(young(**SCRIPT))
    assert found.rule == "lookalike-name-runs-script"
    assert verdict((found,)) is Verdict.SUSPICIOUS


def test_a_script_that_only_the_tarball_has_counts() -> None:
    manifest = Manifest("loadash", "1.0.0", scripts={"preinstall": "node x.js"})
    analysis = TarballAnalysis((), 0, 0, 0, manifest, (), (), ())
    context = replace(young().context("1.0.0"), analysis=analysis)
    (found,) = audit(context, (), registry(LODASH).get, at(210))
    assert found.rule == "lookalike-name-runs-script"


def test_with_critical_code_it_is_malicious() -> None:
    assert verdict((), CRITICAL) is Verdict.SUSPICIOUS
    (found,) = told(young(), CRITICAL)
    assert found.rule == "lookalike-name-with-hostile-code"
    assert found.evidence[-1].signal == "some-rule"
    assert verdict((found,), CRITICAL) is Verdict.MALICIOUS
    (many,) = told(young(releases=40), CRITICAL)
    assert many.rule == "lookalike-name-with-hostile-code"


def test_code_that_is_only_high_does_not_raise_it() -> None:
    (note,) = told(young(), replace(CRITICAL, severity=Severity.HIGH))
    assert note.rule == "lookalike-name"


def test_a_word_that_says_nothing_never_flags() -> None:
    chalk = History("chalk").past(by="ann")
    assert told(young("chalk-next"), popular=chalk) == ()
    for found in (
        told(young("chalk-next", **SCRIPT), popular=chalk),
        told(young("chalk-next"), CRITICAL, popular=chalk),
    ):
        assert [(it.rule, it.severity) for it in found] == [("lookalike-name", Severity.LOW)]


@pytest.mark.parametrize(
    ("history", "days"),
    [
        (young(**SCRIPT), 200 + 181),  # half a year later, others have looked
        (young("left-pad-of-mine", **SCRIPT), 210),
        (young("preact", **SCRIPT), 210),  # popular itself
        (young(by="ann", **SCRIPT), 210),  # of the same people
        (young(by="ben", **SCRIPT), 210),
        (young(releases=6), 210),
        (History("loadash").add("1.0.0", None, by="eve", **SCRIPT), 210),
    ],
)
def test_nothing_is_said_of_others(history: History, days: float) -> None:
    assert told(history, days=days) == ()


def test_many_releases_make_a_script_no_more_than_a_habit() -> None:
    assert told(young(releases=6, **SCRIPT)) == ()


def test_without_the_popular_package_s_people_the_name_still_counts() -> None:
    def nothing(_: str) -> Packument | None:
        return None

    (found,) = audit(young(**SCRIPT).context("1.0.0"), (), nothing, at(210))
    assert found.rule == "lookalike-name-runs-script"
    assert not any("published lodash" in it.message for it in found.evidence)


def test_only_the_popular_package_is_asked_about_and_only_for_a_young_lookalike() -> None:
    asked: list[str] = []

    def packument_of(name: str) -> Packument | None:
        asked.append(name)
        return None

    audit(young("left-pad-of-mine").context("1.0.0"), (), packument_of, at(210))
    audit(young().context("1.0.0"), (), packument_of, at(900))
    assert asked == []
    audit(young().context("1.0.0"), (), packument_of, at(210))
    assert asked == ["lodash"]


def test_what_the_registry_does_not_hold_is_nothing() -> None:
    context = young().context("1.0.0")
    assert audit(AuditContext(locked=context.locked), (), registry(LODASH).get, at(210)) == ()
