from __future__ import annotations

import pytest

from npmguard.config import Limits
from npmguard.detect.analyse import analyse_package, is_source
from npmguard.detect.rule import load_ruleset
from npmguard.detect.verdict import verdict_of
from npmguard.model import Verdict
from npmguard.package.tarball import read_archive
from tests.fixture_packages import TRANSFORMS, Case, cases, load_case
from tests.rules.equality import hidden_by_prefilter

RULESET = load_ruleset()
LIMITS = Limits()
BENIGN = cases(benign=True)
CLIPPERS = cases(benign=False)


@pytest.mark.parametrize(
    ("case", "transform"),
    [
        pytest.param(case, transform, id=f"{case.name}-{transform}")
        for case in CLIPPERS
        for transform in TRANSFORMS
    ],
)
def test_a_compromised_version_is_malicious_and_the_one_before_clean(case: Case, transform: str) -> None:
    before = read_archive(load_case(case, "before", transform), LIMITS, is_source)
    after = read_archive(load_case(case, "after", transform), LIMITS, is_source)
    old = analyse_package(before, RULESET, LIMITS)
    new = analyse_package(after, RULESET, LIMITS, baseline=before)
    assert verdict_of(old.findings, old.unverified) is Verdict.CLEAN
    assert verdict_of(new.findings, new.unverified) is Verdict.MALICIOUS
    assert all(finding.added for finding in new.findings)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("case", BENIGN, ids=[case.name for case in BENIGN])
def test_a_benign_package_is_clean(case: Case, transform: str) -> None:
    archive = read_archive(load_case(case, "package", transform), LIMITS, is_source)
    analysis = analyse_package(archive, RULESET, LIMITS)
    assert analysis.findings == ()
    assert verdict_of(analysis.findings, analysis.unverified) is Verdict.CLEAN


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_prefilter_hides_nothing(transform: str) -> None:
    tarballs = [
        (f"{case.name}/{side}", load_case(case, side, transform)) for case in cases() for side in case.sides
    ]
    assert hidden_by_prefilter(tarballs, RULESET, LIMITS) == []
