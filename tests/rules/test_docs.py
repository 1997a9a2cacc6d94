from __future__ import annotations

from pathlib import Path

import pytest

from npmguard.audit.every_rule import EVERY_RULE, described
from npmguard.detect import rule_docs
from npmguard.detect.rule import load_ruleset
from npmguard.errors import UsageError

RULESET = load_ruleset()
PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_page_of_rules_is_what_the_rule_files_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == rule_docs.render(RULESET, described()), (
        "run: npmguard rules docs -o docs/rules.md"
    )


def test_each_rule_and_signal_has_one_heading() -> None:
    lines = rule_docs.render(RULESET).splitlines()
    for name in (*(rule.id for rule in RULESET.rules), *RULESET.signals):
        assert lines.count(f"### {name}") == 1


def test_findings_of_audits_stand_beside_the_rules() -> None:
    page = rule_docs.render(RULESET, [("integrity-mismatch", "The bytes differ", "What was downloaded …")])
    assert "### integrity-mismatch\n\n**The bytes differ**\n\nWhat was downloaded …\n" in page


def test_the_list_names_every_rule_once() -> None:
    lines = rule_docs.render_list(RULESET).splitlines()
    assert [line.split()[0] for line in lines] == [rule.id for rule in RULESET.rules]


def test_one_rule_or_signal_is_shown_alone() -> None:
    page = rule_docs.render(RULESET)
    for name in (RULESET.rules[0].id, *list(RULESET.signals)[:1]):
        assert rule_docs.render_one(RULESET, name) in page
    with pytest.raises(UsageError, match="npmguard rules list"):
        rule_docs.render_one(RULESET, "no-such-rule")


def test_every_rule_id_of_an_audit_is_described_once() -> None:
    ids = [rule.id for rule in EVERY_RULE]
    assert len(set(ids)) == len(ids)
    assert not {rule.id for rule in RULESET.rules} & set(ids)
