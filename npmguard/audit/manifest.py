"""Whether the shipped package.json is the one that the registry shows, and what it runs at install time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from npmguard.audit.catalogue import remediation_of
from npmguard.model import Confidence, Evidence, Finding, Manifest, ManifestDelta, Severity, ShellDeed
from npmguard.package.manifest import GYP_INSTALL, INSTALL_SCRIPTS, install_scripts, manifest_differences
from npmguard.package.script import RiskyCommand, ScriptRisk, script_risks

if TYPE_CHECKING:
    from npmguard.audit.context import AuditContext

_MANIFEST = "package.json"
_EXCERPT = 160
_HARM = frozenset({ScriptRisk.RUNS_FETCHED, ScriptRisk.SENDS, ScriptRisk.DESTROYS, ScriptRisk.STOPS})
_HARMFUL = "install-script-harm"  # the rule that says the same of the scripts as shipped
_MAX_EVIDENCE = 10
_DEEDS = {
    ScriptRisk.RUNS_FETCHED: (Severity.CRITICAL, Confidence.HIGH, "fetches or decodes code and runs it"),
    ScriptRisk.SENDS: (Severity.CRITICAL, Confidence.HIGH, "sends data of the machine away"),
    ScriptRisk.DESTROYS: (Severity.CRITICAL, Confidence.HIGH, "deletes or overwrites what is not its own"),
    ScriptRisk.STOPS: (Severity.CRITICAL, Confidence.HIGH, "shuts the machine down"),
    ScriptRisk.PERSISTS: (Severity.CRITICAL, Confidence.MEDIUM, "has something started again later"),
    ScriptRisk.FETCHES: (Severity.HIGH, Confidence.MEDIUM, "fetches something from the network by itself"),
    ScriptRisk.UNREADABLE: (Severity.HIGH, Confidence.LOW, "is too long or too deeply nested to be read"),
}


def audit(context: AuditContext) -> tuple[Finding, ...]:
    """Findings about one version's manifest.

    An install script that fetches and runs, or sends, is malicious by its text alone. A hidden install script
    or a name or version of another package is suspicious. Other differences and new install scripts are notes:
    honest publishers cause them every day.
    """
    return (
        *_confusion(context),
        *_added_scripts(context),
        *_risky_scripts(context),
        *_shell_files(context),
    )


# --- what the registry does not show ---------------------------------------------------------------------


def _confusion(context: AuditContext) -> Iterator[Finding]:
    shipped = context.analysis.manifest if context.analysis is not None else None
    if shipped is None or context.release is None:
        return
    deltas = manifest_differences(shipped, context.release.manifest)
    scripts = [it for it in deltas if it.field == "scripts" and it.key in INSTALL_SCRIPTS]
    for found, severity, confidence, message in (
        (
            [it for it in scripts if it.new is not None],
            Severity.HIGH,
            Confidence.HIGH,
            "The tarball's package.json has install scripts that the registry does not show",
        ),
        (
            [it for it in deltas if it.field in {"name", "version"}],
            Severity.HIGH,
            Confidence.MEDIUM,
            "The tarball's package.json is of another package or version than the registry says",
        ),
        (
            [it for it in deltas if it.field in {"dependencies", "bin"}]
            + [it for it in scripts if it.new is None],
            Severity.MEDIUM,
            Confidence.LOW,
            "The tarball's package.json is not the manifest that the registry shows",
        ),
    ):
        if found:
            yield Finding(
                rule="manifest-confusion",
                severity=severity,
                confidence=confidence,
                message=f"{message}: {_listed(found)}.",
                file=_MANIFEST,
                evidence=tuple(_difference(delta) for delta in found[:_MAX_EVIDENCE]),
                remediation=remediation_of("manifest-confusion"),
            )


def _difference(delta: ManifestDelta) -> Evidence:
    shown = "nothing" if delta.old is None else delta.old[:_EXCERPT]
    return Evidence(
        signal="manifest-difference",
        message=f"{_place(delta)}: the registry shows {shown}",
        file=_MANIFEST,
        excerpt=(delta.new or "")[:_EXCERPT],
    )


def _listed(deltas: Sequence[ManifestDelta]) -> str:
    places = [_place(delta) for delta in deltas]
    more = f" and {len(places) - _MAX_EVIDENCE} more" if len(places) > _MAX_EVIDENCE else ""
    return ", ".join(places[:_MAX_EVIDENCE]) + more


def _place(delta: ManifestDelta) -> str:
    return f"{delta.field}.{delta.key[:_EXCERPT]}" if delta.key else delta.field


# --- what an installation runs ---------------------------------------------------------------------------


def _added_scripts(context: AuditContext) -> Iterator[Finding]:
    if context.baseline_release is None or context.baseline is None:
        return
    before = _run_by(context.baseline_release.manifest)
    new = {key: text for key, text in _scripts(context).items() if not _unchanged(key, text, before, context)}
    if not new:
        return
    names = ", ".join(f"{key} (changed)" if key in before else key for key in new)
    yield Finding(
        rule="install-script-added",
        severity=Severity.MEDIUM,
        confidence=Confidence.HIGH,
        message=f"Installing it runs what {context.baseline.version} did not: {names}.",
        file=_MANIFEST,
        evidence=tuple(
            Evidence(
                signal="install-script",
                message=f"scripts.{key} is new" if key not in before else f"scripts.{key} was {before[key]!r}",
                file=_MANIFEST,
                excerpt=text[:_EXCERPT],
                added=True,
            )
            for key, text in new.items()
        ),
        added=True,
        remediation=remediation_of("install-script-added"),
    )


def _unchanged(key: str, text: str, before: dict[str, str], context: AuditContext) -> bool:
    if before.get(key) == text:
        return True
    analysis = context.analysis
    implicit = analysis.implicit_install if analysis is not None else None
    if implicit is None or key != "install" or text != GYP_INSTALL:
        return False
    # publishers other than npm do not tell the registry of the build; the file itself then says what is new
    return analysis is not None and analysis.diff is not None and implicit not in analysis.diff.added


def _risky_scripts(context: AuditContext) -> Iterator[Finding]:
    """Scripts of both manifests and the commands of .gyp files, by what their text alone does."""
    before = _run_by(context.baseline_release.manifest) if context.baseline_release is not None else None
    told = _run_by(context.release.manifest) if context.release is not None else {}
    texts = [(key, text) for key, text in (*_scripts(context).items(), *told.items())]
    shipped = {*_scripts(context).values(), *(context.analysis.gyp_commands if context.analysis else ())}
    texts += [("a .gyp command", text) for text in (context.analysis.gyp_commands if context.analysis else ())]
    for place, text in dict.fromkeys(texts):
        risks = script_risks(text)
        if not risks or (text in shipped and _told_by_rules(context, risks[0].risk)):
            continue
        severity, confidence, deed = _DEEDS[risks[0].risk]
        added = None if before is None or place not in INSTALL_SCRIPTS else before.get(place) != text
        yield Finding(
            rule="install-script-downloads",
            severity=severity,
            confidence=confidence,
            message=f"{place[0].upper() + place[1:] if ' ' in place else f'scripts.{place}'} {deed}.",
            file=_MANIFEST if place in INSTALL_SCRIPTS else None,
            evidence=tuple(_deed(risk, added) for risk in risks[:_MAX_EVIDENCE]),
            added=added,
            remediation=remediation_of("install-script-downloads"),
        )


def _shell_files(context: AuditContext) -> Iterator[Finding]:
    """Shell files that the install scripts run, by what their text does."""
    deeds: dict[str, list[ShellDeed]] = {}
    for deed in context.analysis.shell_deeds if context.analysis is not None else ():
        if deed.risk != ScriptRisk.FETCHES.value:  # a file that downloads alone is what honest installers are
            deeds.setdefault(deed.file, []).append(deed)
    diff = context.analysis.diff if context.analysis is not None else None
    for file, done in deeds.items():
        risk = ScriptRisk(done[0].risk)
        if _told_by_rules(context, risk):
            continue
        severity, confidence, words = _DEEDS[risk]
        added = None if diff is None else file in diff.added or any(file == each.path for each in diff.changed)
        yield Finding(
            rule="install-script-downloads",
            severity=severity,
            confidence=confidence,
            message=f"{file}, which an installation runs, {words}.",
            file=file,
            evidence=tuple(
                Evidence(
                    signal=f"script-{deed.risk}",
                    message=f"it {_DEEDS[ScriptRisk(deed.risk)][2]}",
                    file=file,
                    excerpt=deed.command,
                    added=added,
                )
                for deed in done[:_MAX_EVIDENCE]
            ),
            added=added,
            remediation=remediation_of("install-script-downloads"),
        )


def _told_by_rules(context: AuditContext, risk: ScriptRisk) -> bool:
    """Whether a rule has said of what is shipped what a finding about *risk* would say again."""
    found = context.analysis.findings if context.analysis is not None else ()
    return risk in _HARM and any(finding.rule == _HARMFUL for finding in found)


def _deed(risk: RiskyCommand, added: bool | None) -> Evidence:
    return Evidence(
        signal=f"script-{risk.risk.value}",
        message=f"it {_DEEDS[risk.risk][2]}",
        file=_MANIFEST,
        excerpt=risk.command,
        added=added,
    )


def _scripts(context: AuditContext) -> dict[str, str]:
    """What installing this version runs: as shipped, and as told where the shipped manifest cannot be had."""
    analysis, release = context.analysis, context.release
    manifest = analysis.manifest if analysis is not None else None
    if manifest is None:
        return _run_by(release.manifest) if release is not None else {}
    scripts = _run_by(manifest)
    if analysis is not None and analysis.implicit_install is not None:
        scripts.setdefault("install", GYP_INSTALL)
    return scripts


def _run_by(manifest: Manifest) -> dict[str, str]:
    return {key: text.strip() for key, text in install_scripts(manifest).items()}
