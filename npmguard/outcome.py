"""The exit code that a report stands for: the one place that decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npmguard.model import SkipReason, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from npmguard.config import FailOn
    from npmguard.model import PackageReport, ScanReport, SkippedPackage

OK = 0
FLAGGED = 1
USAGE = 2
INCOMPLETE = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells tell it

#: Skipped entries whose code is judged elsewhere (bundled, patched), is the project's own or no npm package:
#: they leave nothing open.
JUDGED_ELSEWHERE = frozenset(
    {SkipReason.LINK, SkipReason.WORKSPACE, SkipReason.BUNDLED, SkipReason.PATCH, SkipReason.FOREIGN}
)

_FLAGGED_BY: dict[FailOn, frozenset[Verdict]] = {
    "malicious": frozenset({Verdict.MALICIOUS}),
    "suspicious": frozenset({Verdict.MALICIOUS, Verdict.SUSPICIOUS}),
    "never": frozenset(),
}


def flagged(report: ScanReport, fail_on: FailOn) -> bool:
    """Whether a package's verdict is at or over *fail_on*, or one breaks the project's own policy."""
    return any(
        package.verdict in _FLAGGED_BY[fail_on] or (fail_on != "never" and breaks_policy(package))
        for package in report.packages
    )


def breaks_policy(package: PackageReport) -> bool:
    """Whether a finding that nobody accepted is one of the project's own policy."""
    return any(finding.policy and finding.accepted is None for finding in package.findings)


def unjudged(report: ScanReport, accepted: Collection[str] = ()) -> tuple[SkippedPackage, ...]:
    """The skipped entries that nobody has looked at: git, file and URL dependencies, unreadable entries."""
    return tuple(
        entry
        for entry in report.skipped
        if entry.reason not in JUDGED_ELSEWHERE and entry.reason.value not in accepted
    )


def worst(codes: Iterable[int]) -> int:
    """The exit code of several reports together: flagged wins over incomplete."""
    return min((code for code in codes if code), default=OK)


def exit_code(report: ScanReport, fail_on: FailOn, accepted: Collection[str] = ()) -> int:
    """0, 1 (flagged) or 3 (incomplete); flagged wins.

    A package that is `unverified`, an entry of the lock that nobody judged, or something that npm would
    install and the lock does not hold, leaves the scan incomplete.
    """
    if flagged(report, fail_on):
        return FLAGGED
    if report.count(Verdict.UNVERIFIED) or unjudged(report, accepted) or report.incomplete:
        return INCOMPLETE
    return OK
