"""Whether a young package bears a name that passes for a popular one's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from npmguard.audit.install_script import install_scripts
from npmguard.audit.kinship import Kinship, kinship
from npmguard.audit.note import day, short
from npmguard.audit.release_history import ReleaseHistory
from npmguard.errors import RegistryError
from npmguard.intel.popular import Imitation, Likeness, load_popular
from npmguard.model import Confidence, Evidence, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from npmguard.audit.context import AuditContext
    from npmguard.audit.new_dependency import PackumentOf
    from npmguard.model import Packument, Release

NOTE: Final = "lookalike-name"
RUNS_SCRIPT: Final = "lookalike-name-runs-script"
HOSTILE_CODE: Final = "lookalike-name-with-hostile-code"

YOUNG: Final = timedelta(days=180)  # since its first release
_FEW = 5  # releases
_LOOKED_AT = 20
_HOW = {
    Likeness.SEPARATORS: "by its separators alone",
    Likeness.HOMOGLYPHS: "by characters that look the same",
    Likeness.TYPO: "by a letter or two",
    Likeness.WORDS: "by the order of its words alone",
    Likeness.AFFIX: "by a word that says nothing",
}
REMEDIATION: Final = (
    "See whether the package was meant that the name resembles, and how this one came into the tree; do not"
    " install it before that is clear."
)


@dataclass(frozen=True, slots=True)
class _Case:
    """A young package, what its name resembles, and what else speaks against it."""

    package: str
    first: datetime
    releases: int
    imitation: Imitation
    scripts: tuple[str, ...]
    kin: Kinship


def audit(
    context: AuditContext, findings: Sequence[Finding], packument_of: PackumentOf, now: datetime
) -> tuple[Finding, ...]:
    """At most one finding, for a package that first came within half a year before *now*.

    A name alone is a note at most. With an install script and few releases, a name that a reader would not
    tell from the popular one asks for a look; where *findings* hold a critical one of code besides, that was
    meant. Packages that are popular themselves, in the same scope or of the same people raise nothing.
    *packument_of* is asked about the popular package alone.
    """
    case = _case(context, packument_of, now)
    if case is None:
        return ()
    critical = next((it for it in findings if it.severity is Severity.CRITICAL and it.file is not None), None)
    few, strong = case.releases <= _FEW, case.imitation.strong
    if strong and critical is not None:
        message = f"Its name passes for {case.imitation.name}, and its code is found to be hostile."
        found = Evidence(critical.rule, critical.message, critical.file, critical.line)
        return (_finding(case, HOSTILE_CODE, Severity.CRITICAL, Confidence.HIGH, message, found),)
    if strong and few and case.scripts:
        message = f"Its name passes for {case.imitation.name}, it is young, and npm runs a script of it."
        return (_finding(case, RUNS_SCRIPT, Severity.HIGH, Confidence.MEDIUM, message),)
    if few and (strong or case.scripts or critical is not None):
        severity = Severity.MEDIUM if strong else Severity.LOW
        message = f"Its name is like that of {case.imitation.name}, and it is young."
        return (_finding(case, NOTE, severity, Confidence.LOW, message),)
    return ()


def _case(context: AuditContext, packument_of: PackumentOf, now: datetime) -> _Case | None:
    packument, history = context.packument, ReleaseHistory.of(context)
    first = min(packument.times.values(), default=None) if packument is not None else None
    if packument is None or history is None or first is None or now - first > YOUNG:
        return None
    imitation = load_popular().imitated_by(packument.name)
    if imitation is None:
        return None
    kin = _kin(packument, packument_of(imitation.name), now)
    if kin in {Kinship.PEOPLE, Kinship.SCOPE}:
        return None
    return _Case(
        package=packument.name,
        first=first,
        releases=len(packument.times),
        imitation=imitation,
        scripts=tuple(sorted(_scripts(context, history))),
        kin=kin,
    )


def _kin(packument: Packument, popular: Packument | None, now: datetime) -> Kinship:
    """What the popular package's people have to do with this one."""
    if popular is None or not popular.releases:
        return Kinship.UNKNOWN
    newest = max(popular.releases, key=lambda it: (it in popular.times, popular.times.get(it, now), it))
    try:
        history = ReleaseHistory(popular, newest, popular.releases[newest], None)
    except RegistryError:  # a spoilt entry tells of nobody
        return Kinship.UNKNOWN
    return kinship(history, packument, list(_releases(packument)))


def _releases(packument: Packument) -> Iterator[Release]:
    for version in islice(packument.releases, _LOOKED_AT):
        try:
            yield packument.releases[version]
        except RegistryError:  # as above
            continue


def _scripts(context: AuditContext, history: ReleaseHistory) -> Iterator[str]:
    yield from install_scripts(history.release.manifest)
    shipped = context.analysis.manifest if context.analysis is not None else None
    if shipped is not None:
        yield from (it for it in install_scripts(shipped) if it not in history.release.manifest.scripts)


def _finding(
    case: _Case, rule: str, severity: Severity, confidence: Confidence, message: str, *further: Evidence
) -> Finding:
    name, popular = short(case.package), short(case.imitation.name)
    releases = "1 release" if case.releases == 1 else f"{case.releases} releases"
    told = [
        f"{name} differs from {popular}, which is downloaded very often, {_HOW[case.imitation.likeness]}",
        f"it first came on {day(case.first)}, and has {releases}",
    ]
    if case.kin is Kinship.STRANGERS:
        told.append(f"none of those who published {popular} published it")
    if case.scripts:
        told.append(f"npm runs its {' and '.join(case.scripts)} script at installation")
    return Finding(
        rule=rule,
        severity=severity,
        confidence=confidence,
        message=message,
        evidence=(*(Evidence(signal=rule, message=it) for it in told), *further),
        remediation=REMEDIATION,
    )
