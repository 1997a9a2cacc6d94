"""The exit code is the contract of every CI job: flagged wins, and nothing unjudged is ever a zero."""

from __future__ import annotations

from dataclasses import replace

import pytest

from npmguard.config import FailOn
from npmguard.model import PackageReport, ScanReport, SkippedPackage, SkipReason, Verdict
from npmguard.outcome import exit_code


def report(*verdicts: Verdict, skipped: tuple[SkipReason, ...] = ()) -> ScanReport:
    return ScanReport(
        tool_version="1",
        ruleset="r",
        kind="lockfile",
        path="package-lock.json",
        packages=tuple(PackageReport(f"p{n}", "1.0.0", (), 1, verdict) for n, verdict in enumerate(verdicts)),
        skipped=tuple(SkippedPackage("node_modules/x", 1, reason, "detail") for reason in skipped),
    )


BAD, ODD, FINE, OPEN = Verdict.MALICIOUS, Verdict.SUSPICIOUS, Verdict.CLEAN, Verdict.UNVERIFIED


@pytest.mark.parametrize(
    ("verdicts", "fail_on", "code"),
    [
        ((), "malicious", 0),
        ((FINE,), "malicious", 0),
        ((FINE, ODD), "malicious", 0),
        ((FINE, ODD), "suspicious", 1),
        ((FINE, BAD), "malicious", 1),
        ((FINE, BAD), "suspicious", 1),
        ((FINE, BAD), "never", 0),
        ((FINE, OPEN), "malicious", 3),
        ((FINE, OPEN), "never", 3),
        ((BAD, OPEN), "malicious", 1),
        ((BAD, OPEN), "never", 3),
        ((ODD, OPEN), "malicious", 3),
    ],
)
def test_exit_code(verdicts: tuple[Verdict, ...], fail_on: FailOn, code: int) -> None:
    assert exit_code(report(*verdicts), fail_on) == code


@pytest.mark.parametrize("reason", list(SkipReason))
def test_a_skipped_entry_is_open_unless_it_is_judged_elsewhere(reason: SkipReason) -> None:
    own = {SkipReason.LINK, SkipReason.WORKSPACE, SkipReason.PATCH}
    judged = own | {SkipReason.BUNDLED, SkipReason.FOREIGN}
    assert exit_code(report(FINE, skipped=(reason,)), "malicious") == (0 if reason in judged else 3)


def test_a_kind_of_entry_can_be_accepted() -> None:
    scanned = report(FINE, skipped=(SkipReason.GIT, SkipReason.URL))
    assert exit_code(scanned, "malicious", ["git"]) == 3
    assert exit_code(scanned, "malicious", ["git", "url"]) == 0


def test_what_the_lock_does_not_hold_leaves_the_scan_incomplete() -> None:
    assert exit_code(replace(report(FINE), incomplete=("x is not in the lock",)), "malicious") == 3
