"""Which neutral signals about a release, taken together, ask for a person's look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from npmguard.audit import (
    home,
    install_script,
    maintainer_domain,
    new_dependency,
    provenance_history,
    publisher,
    release_rhythm,
    version_line,
    withdrawal,
)
from npmguard.audit.release_history import ReleaseHistory
from npmguard.model import Confidence, Evidence, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from npmguard.audit.context import AuditContext
    from npmguard.audit.new_dependency import PackumentOf

_LOST: Final = frozenset({provenance_history.PROVENANCE_LOST, provenance_history.TRUSTED_PUBLISHING_LOST})
_STRANGER: Final = frozenset(
    {
        publisher.NEW_PUBLISHER,
        publisher.ADDRESS_CHANGED,
        publisher.MAINTAINER_ADDED,
        publisher.MAINTAINERS_REPLACED,
        maintainer_domain.EXPIRED,
        maintainer_domain.NEW,
    }
)
_UNSETTLED: Final = _LOST | _STRANGER
_NEW_CODE: Final = "new-behaviour"  # stands for any added finding of the code rules


@dataclass(frozen=True, slots=True)
class Combination:
    """Signals that flag a package: one of each set has to be there."""

    rule: str
    title: str
    needs: tuple[frozenset[str], ...]
    message: str
    severity: Severity = Severity.HIGH
    confidence: Confidence = Confidence.MEDIUM


_FRESH: Final = frozenset({new_dependency.JUST_PUBLISHED})
_RUNS: Final = frozenset({new_dependency.RUNS_AT_INSTALLATION})
_CONDEMNED: Final = frozenset({new_dependency.TAKEN_DOWN, new_dependency.CALLED_MALWARE})
_ODD: Final = frozenset(
    {
        new_dependency.RUNS_AT_INSTALLATION,
        new_dependency.NEVER_NAMED,
        new_dependency.WITHOUT_A_PAST,
    }
)

#: In the order in which they are told; docs/trust.md explains each.
COMBINATIONS: Final = (
    Combination(
        "fresh-dependency-condemned",
        "A fresh dependency turned out to be malware",
        (_FRESH, _CONDEMNED),
        "It brings in a package that was hardly published when it came, and that was taken down, or called"
        " malware, since.",
        Severity.CRITICAL,
        Confidence.HIGH,
    ),
    Combination(
        "odd-fresh-dependency-and-trust-lost",
        "An odd dependency, fresh, and another way of publishing",
        (_FRESH, _ODD, _UNSETTLED),
        "It brings in a package that was hardly published when it came and is odd besides, and it was not"
        " published as its forerunners were.",
        Severity.CRITICAL,
        Confidence.HIGH,
    ),
    Combination(
        "fresh-script-dependency-never-named",
        "A fresh dependency of strangers that runs a script and has no other use",
        (
            _FRESH,
            _RUNS,
            frozenset({new_dependency.NEVER_NAMED}),
            frozenset({new_dependency.OF_STRANGERS}),
        ),
        "It brings in a package of strangers that was hardly published when it came, that no code of it names,"
        " and that runs a script when it is installed.",
        Severity.CRITICAL,
        Confidence.HIGH,
    ),
    Combination(
        "dependency-replaced-by-placeholder",
        "A new dependency is a placeholder for a removed package",
        (frozenset({new_dependency.TAKEN_DOWN}),),
        "It brings in a package that npm has taken down and replaced by a placeholder.",
    ),
    Combination(
        "dependency-called-malware",
        "A new dependency is called malware",
        (frozenset({new_dependency.CALLED_MALWARE}),),
        "It brings in a package whose own people, or whose registry, call it malware.",
    ),
    Combination(
        "release-called-compromised",
        "The package's people call it compromised",
        (frozenset({withdrawal.CALLED_COMPROMISED}),),
        "Its own people say that this version was compromised.",
    ),
    Combination(
        "fresh-dependency-runs-at-installation",
        "A fresh dependency of strangers runs a script",
        (_FRESH, _RUNS),
        "It brings in a package that was hardly published when it came, and that runs a script of its own.",
    ),
    Combination(
        "fresh-dependency-of-strangers",
        "A fresh dependency of strangers",
        (_FRESH, frozenset({new_dependency.OF_STRANGERS})),
        "It brings in a package that was hardly published when it came, by people who have nothing to do with"
        " it.",
    ),
    Combination(
        "fresh-dependency-without-reason",
        "A fresh dependency without a use or a past",
        (_FRESH, frozenset({new_dependency.NEVER_NAMED, new_dependency.WITHOUT_A_PAST})),
        "It brings in a package that was hardly published when it came, and that it does not use, or that"
        " pretends to be older.",
    ),
    Combination(
        "fresh-dependency-and-trust-lost",
        "A fresh dependency, and another way of publishing",
        (_FRESH, _UNSETTLED),
        "It brings in a package that was hardly published when it came, and it was not published as its"
        " forerunners were.",
    ),
    Combination(
        "install-script-and-trust-lost",
        "A new install script, without proof of origin, from a stranger",
        (frozenset({install_script.SCRIPT_ADDED}), _LOST, _STRANGER),
        "It runs a new script at installation, without the proof of origin that its forerunners had, and from"
        " an account that the package did not know.",
    ),
    Combination(
        "woken-by-a-stranger",
        "A stranger woke a silent package",
        (
            frozenset({release_rhythm.SILENCE}),
            _STRANGER,
            frozenset({install_script.SCRIPT_ADDED, new_dependency.JUST_PUBLISHED}),
        ),
        "After years of silence, an account that the package did not know published a version that runs or"
        " brings in something new.",
    ),
    Combination(
        "new-behaviour-and-trust-lost",
        "New behaviour, and another way of publishing",
        (frozenset({_NEW_CODE}), _UNSETTLED),
        "It does something new that a rule speaks of, and it was not published as its forerunners were.",
    ),
)
REMEDIATION: Final = (
    "Ask the package's people, or wait until somebody has; read what npmguard diff shows against the version"
    " before, and keep to that version until then."
)
REMOVE: Final = (
    "Do not install it. Keep to the version before; where this one was installed, take it and what it brought"
    " in for hostile code that ran with your rights."
)


def audit(
    context: AuditContext, packument_of: PackumentOf, more: Sequence[Finding] = ()
) -> tuple[Finding, ...]:
    """Every signal about the locked release, each a note, and what they amount to together.

    Nothing is asked but *packument_of*, about dependencies that the release brings in. *more* are signals that
    were found otherwise.
    """
    history = ReleaseHistory.of(context)
    if history is None:
        return tuple(more)
    unnamed = context.analysis.unnamed_dependencies if context.analysis is not None else ()
    signals = (*trust_signals(history, packument_of, unnamed), *more)
    code = context.analysis.findings if context.analysis is not None else ()
    scripts = install_script.signals(history)  # the audit of the manifest tells of these
    return (*signals, *trust_verdict((*signals, *scripts), code))


def trust_signals(
    history: ReleaseHistory, packument_of: PackumentOf, unnamed: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """The neutral signals of one release, all of severity medium or low.

    *unnamed* are the dependencies that no code of it names.
    """
    return (
        *provenance_history.signals(history),
        *publisher.signals(history),
        *release_rhythm.signals(history),
        *version_line.signals(history),
        *withdrawal.signals(history),
        *home.signals(history),
        *new_dependency.signals(history, packument_of, unnamed),
    )


def trust_verdict(signals: Sequence[Finding], code_findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings for the combinations that are there, which flag the package.

    *code_findings* count where a rule speaks of code that is new against the baseline, whatever its severity.
    """
    there = {it.rule: it for it in signals}
    added = next((it for it in code_findings if it.added), None)
    if added is not None:
        there[_NEW_CODE] = added
    found: list[Finding] = []
    for combination in COMBINATIONS:
        parts = [sorted(it & there.keys()) for it in combination.needs]
        if not all(parts):
            continue
        found.append(
            Finding(
                rule=combination.rule,
                severity=combination.severity,
                confidence=combination.confidence,
                message=combination.message,
                evidence=tuple(_as_evidence(there[name]) for names in parts for name in names),
                remediation=remediation_of(combination),
            )
        )
    return tuple(found)


def remediation_of(combination: Combination) -> str:
    """What to do about it."""
    return REMOVE if combination.severity is Severity.CRITICAL else REMEDIATION


def _as_evidence(finding: Finding) -> Evidence:
    return Evidence(finding.rule, finding.message, finding.file, finding.line, added=finding.added)
