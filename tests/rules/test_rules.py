from __future__ import annotations

import pytest

from npmguard.detect.clause import ClauseKind
from npmguard.detect.rule import Rule, Signal, clauses_of, load_ruleset, uses
from npmguard.detect.rule_test import Outcome, RuleTest, render, run, try_rule, try_signal
from npmguard.javascript.shapes import SHAPES

RULESET = load_ruleset()


@pytest.mark.parametrize("prefilter", [False, True], ids=["unfiltered", "prefiltered"])
@pytest.mark.parametrize("rule", RULESET.rules, ids=[rule.id for rule in RULESET.rules])
def test_rule(rule: Rule, *, prefilter: bool) -> None:
    outcome = try_rule(RULESET, rule, prefilter=prefilter)
    assert (outcome.missing, outcome.noisy) == ((), ())


@pytest.mark.parametrize("signal", RULESET.signals.values(), ids=list(RULESET.signals))
def test_signal(signal: Signal) -> None:
    outcome = try_signal(RULESET, signal)
    assert (outcome.missing, outcome.noisy) == ((), ())


def test_every_signal_is_used_by_a_rule() -> None:
    reached: set[str] = set()
    queue = [name for rule in RULESET.rules for name in uses(rule.match)]
    while queue:
        name = queue.pop()
        if name not in reached:
            reached.add(name)
            queue.extend(uses(RULESET.signals[name].match))
    assert reached == set(RULESET.signals)


def test_every_shape_that_is_asked_for_is_drawn() -> None:
    """A signal about a shape that nothing draws would never hold, and no example of another would tell."""
    asked = {
        name
        for signal in RULESET.signals.values()
        for clause in clauses_of(signal.match)
        if clause.kind is ClauseKind.SHAPE
        for name in clause.names
    }
    assert asked <= SHAPES


def test_the_whole_run_counts_every_rule_and_signal() -> None:
    assert len(run(RULESET).outcomes) == len(RULESET.rules) + len(RULESET.signals)


def test_what_went_wrong_is_told_by_example() -> None:
    result = RuleTest((Outcome("quiet", 4), Outcome("wrong", 4, missing=("seen",), noisy=("unseen",))))
    assert not result.passed
    assert render(result) == (
        "ok      quiet\n"
        "FAILED  wrong\n"
        "        missing (should match, does not): seen\n"
        "        noisy (should not match, does): unseen\n"
        "2 rules and signals, 8 examples: 1 missing, 1 noisy\n"
    )
