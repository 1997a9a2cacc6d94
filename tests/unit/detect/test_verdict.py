"""The table of docs/verdicts.md, row by row, and what may never weaken a verdict."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from npmguard.detect.verdict import TABLE, decide, verdict_of, weigh
from npmguard.model import Circumstance, Confidence, Context, Finding, Severity, Verdict

PAGE = (Path(__file__).parents[3] / "docs" / "verdicts.md").read_text(encoding="utf-8")
NEW, FIRST, INSTALL, LOAD = Context.NEW, Context.FIRST, Context.INSTALL, Context.LOAD
HIDDEN, TRUST_LOST, SETTLED = Context.HIDDEN, Context.TRUST_LOST, Context.SETTLED
SETS = [frozenset(each) for size in range(len(Context) + 1) for each in itertools.combinations(Context, size)]


def finding(
    severity: Severity, confidence: Confidence, *contexts: Context, added: bool | None = None
) -> Finding:
    there = tuple(Circumstance(it) for it in contexts)
    return Finding("rule", severity, confidence, "message", added=added, circumstances=there)


@pytest.mark.parametrize(
    ("severity", "confidence", "contexts", "verdict"),
    [
        (Severity.CRITICAL, Confidence.HIGH, (), Verdict.MALICIOUS),
        (Severity.CRITICAL, Confidence.HIGH, (SETTLED,), Verdict.MALICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (NEW, INSTALL), Verdict.MALICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (NEW, LOAD), Verdict.MALICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (NEW, HIDDEN), Verdict.MALICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (NEW, TRUST_LOST), Verdict.MALICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (FIRST, INSTALL), Verdict.MALICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (FIRST, HIDDEN), Verdict.MALICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (INSTALL, HIDDEN), Verdict.MALICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (), Verdict.SUSPICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (NEW,), Verdict.SUSPICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (FIRST, LOAD), Verdict.SUSPICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (LOAD, HIDDEN), Verdict.SUSPICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (INSTALL, LOAD), Verdict.SUSPICIOUS),
        (Severity.CRITICAL, Confidence.MEDIUM, (SETTLED,), Verdict.SUSPICIOUS),
        (Severity.CRITICAL, Confidence.LOW, (NEW, INSTALL, LOAD, HIDDEN), Verdict.SUSPICIOUS),
        (Severity.HIGH, Confidence.HIGH, (NEW, INSTALL, HIDDEN), Verdict.MALICIOUS),
        (Severity.HIGH, Confidence.HIGH, (FIRST, INSTALL, HIDDEN), Verdict.MALICIOUS),
        (Severity.HIGH, Confidence.HIGH, (NEW, INSTALL), Verdict.SUSPICIOUS),
        (Severity.HIGH, Confidence.HIGH, (NEW, LOAD, HIDDEN), Verdict.SUSPICIOUS),
        (Severity.HIGH, Confidence.MEDIUM, (NEW, INSTALL, HIDDEN), Verdict.SUSPICIOUS),
        (Severity.HIGH, Confidence.HIGH, (), Verdict.SUSPICIOUS),
        (Severity.HIGH, Confidence.LOW, (), Verdict.SUSPICIOUS),
        (Severity.HIGH, Confidence.HIGH, (SETTLED,), Verdict.CLEAN),
        (Severity.HIGH, Confidence.LOW, (SETTLED, INSTALL), Verdict.CLEAN),
        (Severity.MEDIUM, Confidence.HIGH, (INSTALL, HIDDEN), Verdict.SUSPICIOUS),
        (Severity.MEDIUM, Confidence.HIGH, (NEW, INSTALL), Verdict.CLEAN),
        (Severity.MEDIUM, Confidence.HIGH, (NEW, LOAD, HIDDEN), Verdict.CLEAN),
        (Severity.MEDIUM, Confidence.MEDIUM, (NEW, INSTALL, HIDDEN), Verdict.CLEAN),
        (Severity.LOW, Confidence.HIGH, (NEW, INSTALL, HIDDEN), Verdict.CLEAN),
    ],
)
def test_one_finding_decides(
    severity: Severity, confidence: Confidence, contexts: tuple[Context, ...], verdict: Verdict
) -> None:
    assert verdict_of([finding(severity, confidence, *contexts)]) is verdict


@pytest.mark.parametrize("contexts", SETS, ids=lambda contexts: "+".join(sorted(contexts)))
def test_nothing_makes_a_sure_critical_finding_less_than_malicious(contexts: frozenset[Context]) -> None:
    for added in (True, False, None):
        sure = finding(Severity.CRITICAL, Confidence.HIGH, *contexts, added=added)
        assert verdict_of([sure]) is Verdict.MALICIOUS
        assert verdict_of([finding(Severity.LOW, Confidence.LOW), sure], "too long") is Verdict.MALICIOUS


@pytest.mark.parametrize("confidence", Confidence)
def test_nothing_makes_a_critical_finding_clean(confidence: Confidence) -> None:
    found = {verdict_of([finding(Severity.CRITICAL, confidence, *contexts)]) for contexts in SETS}
    assert found <= {Verdict.MALICIOUS, Verdict.SUSPICIOUS}


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("confidence", Confidence)
def test_every_finding_has_a_row_and_a_reason(severity: Severity, confidence: Confidence) -> None:
    for contexts in SETS:
        reason = weigh(finding(severity, confidence, *contexts))
        assert reason.rule == "rule"
        assert reason.text.startswith(f"{severity} with {confidence} confidence")


def test_being_new_counts_without_a_circumstance_that_says_so() -> None:
    assert verdict_of([finding(Severity.CRITICAL, Confidence.MEDIUM, INSTALL, added=True)]) is Verdict.MALICIOUS
    assert verdict_of([finding(Severity.CRITICAL, Confidence.MEDIUM, INSTALL, added=False)]) is (
        Verdict.SUSPICIOUS
    )


def test_a_reason_names_the_circumstances_that_decide_and_no_others() -> None:
    (reason,) = decide([finding(Severity.CRITICAL, Confidence.MEDIUM, NEW, LOAD)]).reasons
    assert "is new in this version and runs when the package is loaded" in reason.text
    (reason,) = decide([finding(Severity.CRITICAL, Confidence.HIGH, NEW, LOAD)]).reasons
    assert "loaded" not in reason.text


def test_only_what_decides_is_a_reason() -> None:
    findings = [finding(Severity.HIGH, Confidence.LOW), finding(Severity.CRITICAL, Confidence.HIGH)]
    decision = decide(findings)
    assert [it.verdict for it in decision.reasons] == [Verdict.MALICIOUS]
    assert decide([finding(Severity.LOW, Confidence.LOW)]).reasons == ()
    assert [it.rule for it in decide([], "too long").reasons] == [None]


def test_the_worst_finding_decides_whatever_the_order() -> None:
    findings = [finding(Severity.LOW, Confidence.HIGH), finding(Severity.CRITICAL, Confidence.HIGH)]
    assert verdict_of(findings) is Verdict.MALICIOUS
    assert verdict_of(reversed(findings)) is Verdict.MALICIOUS


def test_flagged_wins_over_unverified() -> None:
    assert verdict_of([finding(Severity.HIGH, Confidence.LOW)], "too long") is Verdict.SUSPICIOUS


def test_what_could_not_be_checked_is_not_clean() -> None:
    assert verdict_of([], "too long") is Verdict.UNVERIFIED
    assert verdict_of([finding(Severity.LOW, Confidence.HIGH)], "too long") is Verdict.UNVERIFIED
    assert verdict_of([finding(Severity.HIGH, Confidence.HIGH, SETTLED)], "too long") is Verdict.UNVERIFIED
    assert verdict_of([]) is Verdict.CLEAN


def test_the_page_holds_the_table_in_order() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.splitlines()
        if line.startswith(("| critical", "| high", "| medium", "| low"))
    ]
    assert len(rows) == len(TABLE)
    for told, row in zip(rows, TABLE, strict=True):
        confidences = {"any": tuple(Confidence)}.get(
            told[1], (Confidence(told[1]),) if told[1] != "any" else ()
        )
        contexts = {
            frozenset(Context(name.strip("` ")) for name in alternative.split(" and "))
            for alternative in told[2].split(", or ")
            if told[2] != "any"
        }
        verdict = Verdict.CLEAN if told[3] == "a note" else Verdict(told[3].strip("`"))
        assert told[0] == row.severity
        assert confidences == row.confidences
        assert (contexts or {frozenset()}) == set(row.contexts)
        assert verdict is row.verdict
