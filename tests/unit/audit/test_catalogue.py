from __future__ import annotations

import re
from pathlib import Path

import npmguard.audit
from npmguard.audit.catalogue import AUDIT_RULES, RULES_BY_ID, remediation_of

AUDITS = Path(npmguard.audit.__file__).parent


def test_ids_are_unique_kebab_case_and_explained() -> None:
    assert len(RULES_BY_ID) == len(AUDIT_RULES)
    for rule in AUDIT_RULES:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.id)
        assert rule.title
        assert rule.description.endswith(".")
        assert rule.remediation.endswith(".")
        assert not rule.title.endswith(".")


def test_every_rule_of_the_two_audits_is_in_it_and_raised() -> None:
    source = "".join((AUDITS / f"{name}.py").read_text("utf-8") for name in ("integrity", "manifest"))
    raised = set(re.findall(r'"((?:integrity|tarball|manifest|install)-[a-z-]+)"', source)) - {
        "install-script",  # signals of evidence, not rules
        "manifest-difference",
        "install-script-harm",  # a rule of its own file
    }
    listed = {
        rule.id
        for rule in AUDIT_RULES
        if rule.id.startswith(("integrity-", "tarball-", "manifest-", "install-"))
    }
    assert raised == listed


def test_every_rule_says_what_to_do() -> None:
    assert all(remediation_of(rule.id) == rule.remediation for rule in AUDIT_RULES)
