"""The project's own policy: what it asks of every release, whatever the release does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from npmguard.audit.catalogue import AuditRule
from npmguard.detect.verdict import decide
from npmguard.model import Confidence, Finding, LockedPackage, PackageReport, Severity

if TYPE_CHECKING:
    from npmguard.config import Policy
    from npmguard.model import Lockfile, ScanReport

REGISTRY = "registry-not-trusted"
SCOPE = "scope-from-another-registry"
PROVENANCE = "provenance-required"
INSTALL_SCRIPT = "install-script-not-allowed"

_REMEDIES = {
    REGISTRY: "Install it from a registry that policy.registries names, or add its registry there.",
    SCOPE: "Have npm ask the scope's registry (npm config set @scope:registry URL), and install anew.",
    PROVENANCE: "Install a version with provenance, or take the package out of policy.require-provenance.",
    INSTALL_SCRIPT: "Read what it runs (npmguard inspect), then add its name to policy.install-scripts.",
}

POLICY_RULES: Final = (
    AuditRule(
        REGISTRY,
        "It comes from a registry that the policy does not name",
        "policy.registries names the registries that the project trusts, and the lock downloads it elsewhere.",
        _REMEDIES[REGISTRY],
        Severity.HIGH,
    ),
    AuditRule(
        SCOPE,
        "It comes from another registry than its scope's",
        "policy.scopes names one registry for the packages of a scope, and the lock downloads it elsewhere:"
        " somebody else may own that name there.",
        _REMEDIES[SCOPE],
        Severity.HIGH,
    ),
    AuditRule(
        PROVENANCE,
        "It does not prove where it was built",
        "policy.require-provenance asks for a verified provenance attestation of the package.",
        _REMEDIES[PROVENANCE],
        Severity.HIGH,
    ),
    AuditRule(
        INSTALL_SCRIPT,
        "It runs something at installation, and the policy does not allow it",
        "policy.install-scripts lists the packages that may have install scripts.",
        _REMEDIES[INSTALL_SCRIPT],
        Severity.HIGH,
    ),
)


def apply_policy(report: ScanReport, lock: Lockfile, policy: Policy) -> ScanReport:
    """The report with a finding for each package that breaks the *policy*.

    A provenance that could not be asked for leaves the package unverified: nobody can say that it is missing.
    """
    questions: list[Callable[[LockedPackage, PackageReport, Policy], Iterator[Finding]]] = []
    if policy.registries or policy.scopes:
        questions.append(_registry)
    if policy.require_provenance:
        questions.append(_provenance)
    if policy.install_scripts != "any":
        questions.append(_install_script)
    if not questions:
        return report
    entries: dict[str, LockedPackage] = {package.location: package for package in lock.packages}
    packages = []
    for package in report.packages:
        broken = {
            finding.message: finding
            for location in package.locations
            for question in questions
            for finding in question(entries[location], package, policy)
        }
        packages.append(_held(package, tuple(broken.values()), policy))
    report = replace(report, packages=tuple(packages))
    if policy.install_scripts != "any" and lock.manager != "npm":
        untold = (
            f"{lock.path}: a lock of this kind does not say which packages have install scripts, so that the"
            " policy on install-scripts was not checked"
        )
        report = replace(report, incomplete=(*report.incomplete, untold))
    return report


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern of the settings, a name or ``@scope/*``, means the package of that *name*."""
    return name == pattern or (pattern.endswith("/*") and name.startswith(pattern[:-1]))


def _held(package: PackageReport, broken: tuple[Finding, ...], policy: Policy) -> PackageReport:
    reason = package.unverified_reason
    if package.integrity.provenance in {None, "not-asked"} and _asked_to_prove(package.name, policy):
        open_question = "its provenance, which the policy requires, could not be asked for"
        reason = f"{reason}; {open_question}" if reason else open_question
    if not broken and reason == package.unverified_reason:
        return package
    findings = (*package.findings, *broken)
    decision = decide(findings, reason)
    return replace(
        package,
        findings=findings,
        unverified_reason=reason,
        verdict=decision.verdict,
        reasons=decision.reasons,
    )


def _registry(locked: LockedPackage, _package: PackageReport, policy: Policy) -> Iterator[Finding]:
    if locked.resolved is None:
        return  # npm takes it from where its own configuration says
    scope = locked.name.partition("/")[0] if locked.name.startswith("@") else None
    wanted = policy.scopes.get(scope) if scope is not None else None
    if wanted is not None:
        if not _below(locked.resolved, wanted):
            yield _finding(SCOPE, f"It is downloaded from {_host(locked.resolved)}, and {scope} is {wanted}'s.")
    elif policy.registries and not any(_below(locked.resolved, url) for url in policy.registries):
        yield _finding(REGISTRY, f"It is downloaded from {_host(locked.resolved)}, which no policy names.")


def _provenance(_locked: LockedPackage, package: PackageReport, policy: Policy) -> Iterator[Finding]:
    told = package.integrity.provenance
    if told in {None, "not-asked", "valid"} or not _asked_to_prove(package.name, policy):
        return
    yield _finding(PROVENANCE, f"The policy requires provenance, and it is {told}.")


def _install_script(locked: LockedPackage, _package: PackageReport, policy: Policy) -> Iterator[Finding]:
    allowed = policy.install_scripts
    if isinstance(allowed, str) or any(covers(pattern, locked.name) for pattern in allowed):
        return
    if locked.has_install_script:
        yield _finding(INSTALL_SCRIPT, "It has an install script, and the policy allows it none.")


def _asked_to_prove(name: str, policy: Policy) -> bool:
    return any(covers(pattern, name) for pattern in policy.require_provenance)


def _finding(rule: str, message: str) -> Finding:
    return Finding(rule, Severity.HIGH, Confidence.HIGH, message, remediation=_REMEDIES[rule], policy=True)


def _below(url: str, base: str) -> bool:
    one, other = urlsplit(url), urlsplit(base if base.endswith("/") else f"{base}/")
    same_host = (one.hostname, one.port) == (other.hostname, other.port)
    return one.scheme == other.scheme and same_host and one.path.startswith(other.path)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "no host"
