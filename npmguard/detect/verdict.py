"""The verdict of a package, drawn from its findings and what is known of their places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from npmguard.model import Confidence, Context, Finding, Severity, Verdict, VerdictReason

_FLAGGED = (Verdict.MALICIOUS, Verdict.SUSPICIOUS)


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and the reasons that decide it."""

    verdict: Verdict
    reasons: tuple[VerdictReason, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table in docs/verdicts.md: the first that fits a finding says what it amounts to.

    ``contexts`` are alternatives: all of one of them have to be there. ``reason`` is told after the severity.
    """

    severity: Severity
    confidences: tuple[Confidence, ...]
    contexts: tuple[frozenset[Context], ...]
    verdict: Verdict
    reason: str

    def fits(self, finding: Finding) -> bool:
        """Whether the row speaks of *finding*."""
        return (
            finding.severity is self.severity
            and finding.confidence in self.confidences
            and any(needed <= contexts_of(finding) for needed in self.contexts)
        )

    def decisive(self, finding: Finding) -> frozenset[Context]:
        """The contexts of *finding* that make the row fit."""
        there = contexts_of(finding)
        return frozenset(it for needed in self.contexts if needed <= there for it in needed)


def _any(*alternatives: set[Context]) -> tuple[frozenset[Context], ...]:
    return tuple(map(frozenset, alternatives))


_WORDS = {
    Context.NEW: "is new in this version",
    Context.FIRST: "came with the package's first release",
    Context.INSTALL: "runs at installation",
    Context.LOAD: "runs when the package is loaded",
    Context.HIDDEN: "is hidden from readers",
    Context.TRUST_LOST: "was not published as the releases before were",
    Context.SETTLED: "has been public and unchanged for two years",
}
_ALWAYS = _any(set())
_DAMNING = _any(
    {Context.NEW, Context.TRUST_LOST},
    {Context.NEW, Context.INSTALL},
    {Context.NEW, Context.LOAD},
    {Context.NEW, Context.HIDDEN},
    {Context.FIRST, Context.INSTALL},
    {Context.FIRST, Context.HIDDEN},
    {Context.INSTALL, Context.HIDDEN},
)

TABLE = (
    Row(
        Severity.CRITICAL,
        (Confidence.HIGH,),
        _ALWAYS,
        Verdict.MALICIOUS,
        "the rule is sure: one such finding is enough, old or new",
    ),
    Row(
        Severity.CRITICAL,
        (Confidence.MEDIUM,),
        _DAMNING,
        Verdict.MALICIOUS,
        "honest packages may hold this, but not there",
    ),
    Row(
        Severity.CRITICAL,
        tuple(Confidence),
        _ALWAYS,
        Verdict.SUSPICIOUS,
        "honest packages may hold this: a person has to look",
    ),
    Row(
        Severity.HIGH,
        (Confidence.HIGH,),
        _any(
            {Context.NEW, Context.INSTALL, Context.HIDDEN},
            {Context.FIRST, Context.INSTALL, Context.HIDDEN},
        ),
        Verdict.MALICIOUS,
        "no honest release brings this, hidden, in what an installation runs",
    ),
    Row(
        Severity.HIGH,
        tuple(Confidence),
        _any({Context.SETTLED}),
        Verdict.CLEAN,
        "others have read it by now: a note",
    ),
    Row(
        Severity.HIGH,
        tuple(Confidence),
        _ALWAYS,
        Verdict.SUSPICIOUS,
        "a person has to look",
    ),
    Row(
        Severity.MEDIUM,
        (Confidence.HIGH,),
        _any({Context.INSTALL, Context.HIDDEN}),
        Verdict.SUSPICIOUS,
        "what an installation runs has nothing to hide: a person has to look",
    ),
    Row(Severity.MEDIUM, tuple(Confidence), _ALWAYS, Verdict.CLEAN, "a note"),
    Row(Severity.LOW, tuple(Confidence), _ALWAYS, Verdict.CLEAN, "a note"),
)
"""What each finding amounts to, by the first row that fits; every finding fits one."""


def decide(findings: Iterable[Finding], unverified_reason: str | None = None) -> Decision:
    """Say what npmguard says of one package version, and why.

    The worst that any finding amounts to is the verdict. What could not be checked is unverified, unless it is
    flagged anyway.
    """
    reasons = [weigh(finding) for finding in findings]
    for verdict in _FLAGGED:
        deciding = tuple(dict.fromkeys(reason for reason in reasons if reason.verdict is verdict))
        if deciding:
            return Decision(verdict, deciding)
    if unverified_reason is not None:
        return Decision(
            Verdict.UNVERIFIED, (VerdictReason(None, Verdict.UNVERIFIED, "not all of it could be checked"),)
        )
    return Decision(Verdict.CLEAN, ())


def verdict_of(findings: Iterable[Finding], unverified_reason: str | None = None) -> Verdict:
    """Say what npmguard says of one package version; see :func:`decide` for why."""
    return decide(findings, unverified_reason).verdict


def weigh(finding: Finding) -> VerdictReason:
    """What one finding amounts to by itself."""
    row = next(row for row in TABLE if row.fits(finding))
    decisive = row.decisive(finding)
    told = [words for context, words in _WORDS.items() if context in decisive]
    confidence = f"{finding.severity} with {finding.confidence} confidence"
    where = f", and it {' and '.join(told)}" if told else ""
    return VerdictReason(finding.rule, row.verdict, f"{confidence}{where}; {row.reason}")


def contexts_of(finding: Finding) -> frozenset[Context]:
    """The contexts that count for *finding*: those that were found, and its being new."""
    return finding.contexts | ({Context.NEW} if finding.added else frozenset())
