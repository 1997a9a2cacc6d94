"""Judges stored versions again when rules or known malware changed, without a download."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from npmguard import __version__
from npmguard.detect import kept as kept_code
from npmguard.detect.analyse import matcher_of
from npmguard.detect.circumstances import in_history, with_lost_trust
from npmguard.detect.demand import Demand, demand_of
from npmguard.detect.kept import KeptCode
from npmguard.detect.rejudge import findings_again
from npmguard.detect.verdict import decide
from npmguard.errors import LimitExceeded
from npmguard.model import (
    Confidence,
    FileTrace,
    Finding,
    LockedPackage,
    PackageReport,
    ScanReport,
    Severity,
    Specimen,
    Verdict,
)
from npmguard.monitor.kept import KeptVersion, pack, unpack
from npmguard.monitor.records import Judged, Source
from npmguard.report.json_v1 import render

if TYPE_CHECKING:
    from npmguard.config import Limits
    from npmguard.detect.rule import Ruleset
    from npmguard.monitor.kept_store import KeptStore, Key, StoredVersion

_PAGE: Final = 50
_KNOWN_MALWARE: Final = "known-malware"
_FLAGGED: Final = frozenset({Verdict.MALICIOUS, Verdict.SUSPICIOUS})
_NOTE: Final = "judged again from what was kept of it"
_UNCOMPARED: Final = "what they are compared with is not stored"
Known = Callable[[Sequence[LockedPackage]], Sequence[tuple[Verdict, tuple[Finding, ...]]]]


@dataclass(slots=True)
class Again:
    """What a run did: how many versions it looked at, judged again, and found another verdict for.

    ``unread`` are those that need their tarball once more, by the reason.
    """

    seen: int = 0
    judged: int = 0
    changed: int = 0
    unread: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all of them are judged by the rules in force."""
        return not self.unread


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The report on one version, None where nothing changed, and why its tarball is needed once more."""

    report: PackageReport | None = None
    ruleset: str = ""
    unread: str | None = None


class Rejudge:
    """Judges the versions of one state.

    Args:
        store: the state; alerts are raised by its own hook.
        ruleset: the rules in force.
        limits: the caps.
        known: what is known of versions without a look into them, offline.
    """

    def __init__(self, store: KeptStore, ruleset: Ruleset, limits: Limits, known: Known) -> None:
        self._store = store
        self._ruleset = ruleset
        self._limits = limits
        self._known = known
        self._demand = demand_of(matcher_of(ruleset))
        store.keep_ruleset(ruleset.digest, self._demand)
        self._demands = store.demands()

    def run(self, since: datetime, names: frozenset[str] = frozenset(), *, fetch: bool = False) -> Again:
        """Judge what was judged from *since* on; with *fetch*, queue what needs its tarball for a download.

        It can be ended at any time and run again: what is stored is not done twice.
        """
        tally = Again()
        after = ("", "")
        while page := self._store.judged_since(since, after, _PAGE, names):
            after = (page[-1].name, page[-1].version)
            tally.seen += len(page)
            self._page(page, tally, fetch=fetch)
        return tally

    def _page(self, page: Sequence[StoredVersion], tally: Again, *, fetch: bool) -> None:
        kept = [unpack(it.content) if it.content else None for it in page]
        locked = [_locked(it, its) for it, its in zip(page, kept, strict=True)]
        unread: list[Key] = []
        for stored, its, (_, found) in zip(page, kept, self._known(locked), strict=True):
            malware = tuple(it for it in found if it.rule.startswith(_KNOWN_MALWARE))
            outcome = self._outcome(stored, its, malware)
            if outcome.unread is not None:
                tally.unread[outcome.unread] = tally.unread.get(outcome.unread, 0) + 1
                unread.append((stored.name, stored.version))
            if outcome.report is not None and its is not None:
                self._keep(stored, its, outcome, tally)
        if fetch and unread:
            self._store.queue_again(unread)

    def _outcome(
        self, stored: StoredVersion, its: KeptVersion | None, malware: tuple[Finding, ...]
    ) -> _Outcome:
        if its is None:
            current = stored.ruleset == self._ruleset.digest
            return _Outcome(unread=None if current else "nothing was kept of them")
        same = _sorted(malware) == _sorted(it for it in its.report.findings if _is_malware(it))
        if stored.ruleset == self._ruleset.digest:
            if same:
                return _Outcome(unread=_UNCOMPARED if self._is_uncompared(its) else None)
            return _Outcome(self._report(its, [*_without_malware(its), *malware]), stored.ruleset)
        code, reason = self._readable(stored, its)
        if code is not None:
            try:
                findings, unknown = self._findings(stored, its, code)
                report = self._report(its, [*findings, *malware], code)
                return _Outcome(report, self._ruleset.digest, _UNCOMPARED if unknown else None)
            except LimitExceeded:
                reason = "they take too long"
        told = None if same else self._report(its, [*_without_malware(its), *malware])
        return _Outcome(told, stored.ruleset, reason)

    def _readable(self, stored: StoredVersion, its: KeptVersion) -> tuple[KeptCode | None, str]:
        """The facts, where the rules in force can be asked of them; else why not."""
        content = its.kept.facts
        if not content:
            return None, "their facts are over limits.facts-bytes, or were never read"
        code = kept_code.unpack(content, self._limits.facts_bytes)
        if code is None:
            return None, "their facts are over limits.facts-bytes, or of another npmguard"
        drawn = self._demands.get(its.drawn)
        if drawn is None or stored.ruleset not in self._demands or not self._answers(drawn, code):
            return None, "the rules ask for what was not drawn from them"
        return code, ""

    def _answers(self, drawn: Demand, code: KeptCode) -> bool:
        return drawn.draws(self._demand) and (not code.passed_over or drawn.parses(self._demand))

    def _findings(self, stored: StoredVersion, its: KeptVersion, code: KeptCode) -> tuple[list[Finding], bool]:
        """All findings but those of known malware, and whether nobody can tell of one whether it is new."""
        rules = self._demands[its.drawn].rules | self._demands[stored.ruleset].rules
        before = [it for it in its.report.findings if it.rule in rules]
        others = [it for it in its.report.findings if it.rule not in rules and not _is_malware(it)]
        old = self._baseline(its)
        found = findings_again(code, self._ruleset, self._limits, baseline=old, before=before)
        unknown = its.report.baseline is not None and any(it.added is None for it in found)
        kept = its.kept
        told = in_history(found, first=kept.first, published=kept.published, now=self._store.now())
        return [*with_lost_trust(told, kept.lost), *others], unknown

    def _is_uncompared(self, its: KeptVersion) -> bool:
        """Whether it was judged again without its baseline, so that a finding may weigh too little."""
        report = its.report
        if _NOTE not in report.notes or report.baseline is None:
            return False
        return any(it.added is None and it.rule in self._demand.rules for it in report.findings)

    def _baseline(self, its: KeptVersion) -> KeptCode | None:
        if its.report.baseline is None:
            return None
        content = self._store.content(its.report.name, its.report.baseline.version)
        old = unpack(content) if content else None
        drawn = self._demands.get(old.drawn) if old is not None else None
        if old is None or not old.kept.facts or drawn is None:
            return None
        code = kept_code.unpack(old.kept.facts, self._limits.facts_bytes)
        return code if code is not None and self._answers(drawn, code) else None

    def _report(
        self, its: KeptVersion, findings: Sequence[Finding], code: KeptCode | None = None
    ) -> PackageReport:
        report = its.report
        decision = decide(findings, report.unverified_reason)
        flagged = decision.verdict in _FLAGGED
        return replace(
            report,
            verdict=decision.verdict,
            reasons=decision.reasons,
            findings=_worst_first(findings),
            specimen=_specimen(its, findings, code) if flagged else report.specimen,
            fix=report.fix if flagged else None,
            diff=report.diff if flagged else None,
            notes=(*(it for it in report.notes if it != _NOTE), _NOTE),
        )

    def _keep(self, stored: StoredVersion, its: KeptVersion, outcome: _Outcome, tally: Again) -> None:
        report = outcome.report
        if report is None:
            return
        target = f"{stored.name}@{stored.version}"
        document = render(ScanReport(__version__, outcome.ruleset, "spec", target, (report,)))
        judged = Judged(
            name=stored.name,
            version=stored.version,
            verdict=report.verdict.value,
            ruleset=outcome.ruleset,
            source=Source.REJUDGE,
            judged=self._store.now(),
            document=document,
            published=stored.published,
            sha512=stored.sha512,
        )
        content = pack(KeptVersion(its.drawn, report, its.kept))
        if self._store.keep_again(stored, judged, content, readable=bool(its.kept.facts)):
            tally.judged += 1
            tally.changed += stored.verdict != judged.verdict


def _locked(stored: StoredVersion, its: KeptVersion | None) -> LockedPackage:
    integrity = its.kept.integrity if its is not None else None
    return LockedPackage(name=stored.name, version=stored.version, location="", line=0, integrity=integrity)


def _is_malware(finding: Finding) -> bool:
    return finding.rule.startswith(_KNOWN_MALWARE)


def _without_malware(its: KeptVersion) -> list[Finding]:
    return [it for it in its.report.findings if not _is_malware(it)]


def _sorted(findings: Iterable[Finding]) -> list[str]:
    return sorted(map(repr, findings))


def _worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    severities, confidences = list(Severity), list(Confidence)
    return tuple(
        sorted(findings, key=lambda it: (severities.index(it.severity), confidences.index(it.confidence)))
    )


def _specimen(its: KeptVersion, findings: Sequence[Finding], code: KeptCode | None) -> Specimen:
    """What a flagged version can be known by: of files that are flagged only now, their hash alone."""
    known = {it.path: it for it in (its.report.specimen.files if its.report.specimen is not None else ())}
    hashes = {it.facts.path: it.sha256 for it in (code.files if code is not None else ())}
    named = sorted({it.file for it in findings if it.file is not None and it.severity in _BAD})
    files = [
        known.get(path) or FileTrace(path, hashes[path]) for path in named if path in known or path in hashes
    ]
    return Specimen(its.kept.published, its.kept.hashes, tuple(files))


_BAD = frozenset({Severity.CRITICAL, Severity.HIGH})
