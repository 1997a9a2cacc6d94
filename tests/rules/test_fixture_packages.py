"""Every inert package of fixtures/packages, in the forms that attackers and build tools give code.

Here each case is judged as written, minified, bundled and obfuscated, one case of each family in the other
forms, and of some families in the dearest one; ``make accuracy`` judges every case in every form.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from npmguard.model import Verdict
from tests.fixture_packages import (
    ALL_TRANSFORMS,
    TRANSFORMS,
    Case,
    cases,
    families,
    family_of,
    form_before,
    load_case,
)
from tests.judging import LIMITS, RULESET, judge
from tests.rules.equality import hidden_by_prefilter

BENIGN = cases(benign=True)
ATTACKS = cases(benign=False)
FIRST = {family: next(case for case in ATTACKS if case.name in names) for family, names in families().items()}
DEAREST = "high"
IN_DEAREST = ("reverse-shell", "worm", "downloader")  # the others take up to a minute each
OTHER_FORMS = tuple(form for form in ALL_TRANSFORMS if form not in (*TRANSFORMS, DEAREST))
FLAGGED = {Verdict.MALICIOUS, Verdict.SUSPICIOUS}


def judged(case: Case, form: str) -> tuple[Verdict, Verdict]:
    """The verdicts on the version before and on the compromised one."""
    before, after = load_case(case, "before", form_before(form)), load_case(case, "after", form)
    return judge(before).verdict, judge(after, before).verdict


@pytest.mark.parametrize("form", TRANSFORMS)
@pytest.mark.parametrize("case", ATTACKS, ids=[case.name for case in ATTACKS])
def test_a_compromised_version_is_malicious_and_the_one_before_clean(case: Case, form: str) -> None:
    assert judged(case, form) == (Verdict.CLEAN, expected(case))


@pytest.mark.parametrize("form", OTHER_FORMS)
@pytest.mark.parametrize("family", FIRST)
def test_one_case_of_each_family_is_found_in_every_form(family: str, form: str) -> None:
    assert judged(FIRST[family], form) == (Verdict.CLEAN, expected(FIRST[family]))


@pytest.mark.parametrize("family", IN_DEAREST)
def test_the_dearest_form_is_found(family: str) -> None:
    before, after = judged(FIRST[family], DEAREST)
    assert before is Verdict.CLEAN
    assert after in FLAGGED


@pytest.mark.parametrize("form", TRANSFORMS)
@pytest.mark.parametrize("case", BENIGN, ids=[case.name for case in BENIGN])
def test_a_benign_package_is_clean(case: Case, form: str) -> None:
    result = judge(load_case(case, "package", form))
    hidden = form == "obfuscator" and result.rules == ["obfuscated-by-tool"]  # at installation: a person looks
    assert result.verdict is Verdict.CLEAN or hidden, result.rules


@pytest.mark.parametrize("form", TRANSFORMS)
def test_the_prefilter_hides_nothing(form: str) -> None:
    tarballs = [(f"{case.name}/{side}", load_case(case, side, form)) for case in cases() for side in case.sides]
    assert hidden_by_prefilter(tarballs, RULESET, LIMITS) == []


def test_every_case_belongs_to_a_family_that_has_rules() -> None:
    rules = Path(__file__).parents[2] / "rules"
    assert {family_of(case) for case in ATTACKS} == set(families())
    assert all((rules / family).is_dir() for family in families())


def expected(case: Case) -> Verdict:
    """Obfuscation is suspicious at most by itself; every other shape is malicious."""
    return Verdict.SUSPICIOUS if family_of(case) == "obfuscation" else Verdict.MALICIOUS


@pytest.mark.parametrize("form", ["low", "medium"])
def test_what_is_harmless_is_not_malicious_for_being_obfuscated(form: str) -> None:
    sides = [(case, side) for case in BENIGN for side in case.sides]
    told = {case.name: judge(load_case(case, side, form)) for case, side in sides}

    assert {name: each.rules for name, each in told.items() if each.verdict is Verdict.MALICIOUS} == {}
