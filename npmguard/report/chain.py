"""The chain from what was seen to a verdict, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npmguard.model import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from npmguard.model import Acceptance, Finding, PackageReport, VerdictReason

_WORDS = {
    Context.NEW: "new in this version",
    Context.FIRST: "came with the package's first release",
    Context.INSTALL: "runs at installation",
    Context.LOAD: "runs when the package is loaded",
    Context.HIDDEN: "hidden from readers",
    Context.TRUST_LOST: "in a release that was not published as those before",
    Context.SETTLED: "unchanged, and public for two years",
}


def newness(finding: Finding, package: PackageReport) -> str | None:
    """Whether the version compared with has the finding too; None where nothing was compared."""
    if finding.added is None or package.baseline is None:
        return None
    return f"new since {package.baseline.version}" if finding.added else f"also in {package.baseline.version}"


def circumstances(finding: Finding, package: PackageReport) -> Iterator[str]:
    """Why the finding counts here, a phrase for each circumstance that :func:`newness` does not tell."""
    if finding.accepted is not None:
        yield acceptance(finding.accepted)
    told = newness(finding, package) is not None
    for each in finding.circumstances:
        if each.context is Context.NEW and told:
            continue
        words = _WORDS[each.context]
        yield f"{words}: {each.detail}" if each.detail else words


def acceptance(accepted: Acceptance) -> str:
    """Who lives with a finding, until when, and why."""
    return f"accepted until {accepted.expires} by {accepted.author}: {accepted.reason}"


def conclusion(reason: VerdictReason) -> str:
    """How the verdict follows from one finding, or from none."""
    return f"{reason.verdict.value}: " + (f"{reason.rule}: " if reason.rule else "") + reason.text
