from __future__ import annotations

from pathlib import Path

import pytest

from npmguard.detect import rule_docs
from npmguard.detect.rule import Rule, Signal, load_ruleset
from npmguard.detect.rule_test import run, try_rule, try_signal

RULESET = load_ruleset()
DOCS = Path(__file__).parents[2] / "docs" / "rules.md"


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
    from npmguard.detect.rule import uses

    reached: set[str] = set()
    queue = [name for rule in RULESET.rules for name in uses(rule.match)]
    while queue:
        name = queue.pop()
        if name not in reached:
            reached.add(name)
            queue.extend(uses(RULESET.signals[name].match))
    assert reached == set(RULESET.signals)


def test_each_rule_has_one_heading_in_the_page_of_rules() -> None:
    lines = rule_docs.render(RULESET).splitlines()
    for name in (*(rule.id for rule in RULESET.rules), *RULESET.signals):
        assert lines.count(f"### {name}") == 1


def test_the_whole_run_counts_every_rule_and_signal() -> None:
    assert len(run(RULESET).outcomes) == len(RULESET.rules) + len(RULESET.signals)
