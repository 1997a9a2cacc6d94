"""Facts that were kept say what a fresh look at the package says."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from npmguard.config import Limits
from npmguard.detect.analyse import analyse_package, is_source, matcher_of
from npmguard.detect.demand import demand_of
from npmguard.detect.kept import NOT_KEPT, KeptCode, unpack
from npmguard.detect.rejudge import findings_again
from npmguard.detect.rule import Ruleset, load_ruleset
from npmguard.model import Finding, PackageArchive
from npmguard.package.tarball import read_archive
from tests.fixture_packages import Case, cases, load_case

LIMITS = Limits()
RULES = load_ruleset()


def archive(case: Case, side: str) -> PackageArchive:
    return read_archive(load_case(case, side), LIMITS, is_source, hashes=True)


def kept(package: PackageArchive, ruleset: Ruleset = RULES) -> KeptCode:
    facts = analyse_package(package, ruleset, LIMITS, keep=True).facts
    code = unpack(facts or b"", LIMITS.facts_bytes)
    assert code is not None
    return code


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_facts_say_what_the_package_says(case: Case) -> None:
    before = archive(case, "before") if "before" in case.sides else None
    for side in set(case.sides) - {"before"}:
        package = archive(case, side)
        code = kept(package)
        assert findings_again(code, RULES, LIMITS) == analyse_package(package, RULES, LIMITS).findings
        if before is not None:
            fresh = analyse_package(package, RULES, LIMITS, baseline=before).findings
            again = findings_again(code, RULES, LIMITS, baseline=kept(before))
            assert [place(it) for it in again] == [place(it) for it in fresh]
            assert all(mine.added in {its.added, None} for mine, its in zip(again, fresh, strict=True))


def place(finding: Finding) -> object:
    shown = [(it.signal, it.message, it.file, it.line, it.excerpt, it.decoded) for it in finding.evidence]
    return finding.rule, finding.severity, finding.file, finding.line, shown


def test_facts_over_the_cap_are_not_kept() -> None:
    package = archive(next(case for case in cases() if not case.benign), "after")
    small = msgspec.structs.replace(LIMITS, facts_bytes=100)
    assert analyse_package(package, RULES, small, keep=True).facts == NOT_KEPT
    facts = analyse_package(package, RULES, LIMITS, keep=True).facts
    assert unpack(facts or b"", 100) is None


def test_a_ruleset_that_asks_for_more_is_told_apart() -> None:
    full = demand_of(matcher_of(RULES))
    flow = next(signal for signal in RULES.signals if "clipboard" in signal)
    fewer_rules = replace(RULES, rules=RULES.rules[1:], digest="fewer")
    fewer = demand_of(matcher_of(fewer_rules))
    assert (full.draws(fewer), full.parses(fewer)) == (True, True)
    assert fewer.draws(full)
    without = {name: signal for name, signal in RULES.signals.items() if name != flow}
    users = tuple(rule for rule in RULES.rules if flow not in str(rule.match))
    less = demand_of(matcher_of(Ruleset(rules=users[:5], signals=without, digest="less")))
    assert not less.parses(full)
