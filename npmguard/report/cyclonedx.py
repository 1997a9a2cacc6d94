"""A ScanReport as a CycloneDX 1.6 bill of materials, whose verdicts are its VEX.

Format: https://cyclonedx.org/docs/1.6/json/. The same report gives the same bytes: there is no time in it, and
the serial number is drawn from its content.
"""

from __future__ import annotations

import json
import uuid
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from npmguard.model import Severity, SkipReason, Verdict
from npmguard.report import chain, escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cyclonedx.model.component import Component
    from cyclonedx.model.vulnerability import Vulnerability

    from npmguard.model import Finding, Integrity, Lockfile, PackageReport, ScanReport

_NAME = 250
_LONGEST = 1024  # characters of a version
_EVIDENCE = 5
_ALGORITHMS: Final = {
    "sha512": "SHA-512",
    "sha384": "SHA-384",
    "sha256": "SHA-256",
    "sha1": "SHA-1",
    "md5": "MD5",
}
_SEVERITIES: Final = {it: it.value for it in Severity}
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:npmguard:cyclonedx")


def render(report: ScanReport, lock: Lockfile, edges: Mapping[str, Sequence[str]]) -> bytes:
    """*report* on *lock* as CycloneDX 1.6 JSON.

    A component for each package, with its package URL, the lock's hashes and its verdict, and one for each
    skipped entry but links. *edges* are the locations that each location of the lock leads to.

    A finding that led to a verdict is a vulnerability whose id is the rule's: ``exploitable`` where it makes
    the package malicious, ``in_triage`` where it makes it suspicious, ``not_affected`` with the reason where
    the project accepted it.
    """
    from cyclonedx.model.bom import Bom  # noqa: PLC0415 - of this format alone
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415

    bom = Bom(serial_number=_NAMESPACE)
    components: dict[str, Component] = {"": _project(report, lock)}
    taken: defaultdict[str, int] = defaultdict(int)
    integrity = {package.location: package.integrity for package in lock.packages}
    for package in report.packages:
        component = _component(package, taken, integrity.get(next(iter(package.locations), "")))
        bom.components.add(component)
        components.update(dict.fromkeys(package.locations, component))
        bom.vulnerabilities.update(_vulnerabilities(package, str(component.bom_ref.value)))
    for entry in report.skipped:
        if entry.reason is not SkipReason.LINK:
            component = _skipped(entry.location, entry.name, entry.version, entry.reason, taken)
            bom.components.add(component)
            components[entry.location] = component
    _describe(bom, report, components[""])
    wanted: defaultdict[str, dict[str, Component]] = defaultdict(dict)
    for location, component in components.items():
        ref = str(component.bom_ref.value)
        found = (components[it] for it in edges.get(location, ()) if it in components)
        wanted[ref].update((str(it.bom_ref.value), it) for it in found)
    for location, component in components.items():
        if location in lock.nodes:
            bom.register_dependency(component, list(wanted[str(component.bom_ref.value)].values()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a project that asks for nothing
        document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    document["metadata"].pop("timestamp", None)
    del document["serialNumber"]
    plain = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, plain)}"
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True)
    return f"{escape.inert_json(text)}\n".encode("ascii")


def _describe(bom: Any, report: ScanReport, project: Component) -> None:
    from cyclonedx.model import Property  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    tool = Component(name="npmguard", version=report.tool_version, type=ComponentType.APPLICATION)
    bom.metadata.tools.components.add(tool)
    bom.metadata.component = project
    bom.metadata.properties.add(Property(name="npmguard:ruleset", value=report.ruleset))
    for number, gap in enumerate(report.incomplete, 1):
        bom.metadata.properties.add(Property(name=f"npmguard:incomplete:{number}", value=escape.message(gap)))


def _project(report: ScanReport, lock: Lockfile) -> Component:
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    name = escape.message(lock.name or report.path, _NAME)
    return Component(name=name, type=ComponentType.APPLICATION, bom_ref="project")


def _component(package: PackageReport, taken: dict[str, int], integrity: Integrity | None) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415
    from cyclonedx.model.component import Component  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    scope, _, base = _plain(package.name).rpartition("/")
    version = _plain(package.version)
    purl = PackageURL("npm", scope or None, base, version)
    properties = [Property(name="npmguard:verdict", value=package.verdict.value)]
    properties += [Property(name="npmguard:location", value=escape.message(it)) for it in package.locations]
    if package.unverified_reason is not None:
        reason = escape.message(package.unverified_reason)
        properties.append(Property(name="npmguard:unverified", value=reason))
    return Component(
        name=base,
        group=scope or None,
        version=version,
        bom_ref=_unique(purl.to_string(), taken),
        purl=purl,
        hashes=[
            HashType(alg=HashAlgorithm(_ALGORITHMS[it.algorithm]), content=it.digest.hex())
            for it in (integrity.hashes if integrity is not None else ())
        ],
        properties=properties,
    )


def _skipped(
    location: str, name: str | None, version: str | None, reason: SkipReason, taken: dict[str, int]
) -> Component:
    from cyclonedx.model import Property  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    own = reason in {SkipReason.WORKSPACE, SkipReason.PATCH}
    return Component(
        name=escape.message(name or location, _NAME),
        type=ComponentType.APPLICATION if own else ComponentType.LIBRARY,
        version=_plain(version) if version is not None else None,
        bom_ref=_unique(f"skipped:{escape.message(location)}", taken),
        properties=[Property(name="npmguard:skipped", value=reason.value)],
    )


def _plain(text: str) -> str:
    """A name or version as it is, but for credentials, for what has no UTF-8, and for its length."""
    return escape.mask(text).encode("utf-8", "backslashreplace").decode()[:_LONGEST]


def _unique(ref: str, taken: dict[str, int]) -> str:
    taken[ref] += 1
    return ref if taken[ref] == 1 else f"{ref}#{taken[ref]}"


# --- verdicts ---


def _vulnerabilities(package: PackageReport, ref: str) -> Iterator[Vulnerability]:
    led = {it.rule: it.verdict for it in package.reasons}
    seen: defaultdict[str, int] = defaultdict(int)
    for finding in package.findings:
        verdict = led.get(finding.rule)
        if finding.accepted is not None or verdict in {Verdict.MALICIOUS, Verdict.SUSPICIOUS}:
            seen[finding.rule] += 1
            number = f":{seen[finding.rule]}" if seen[finding.rule] > 1 else ""
            yield _vulnerability(package, finding, verdict, ref, f"{ref}:{finding.rule}{number}")


def _vulnerability(
    package: PackageReport, finding: Finding, verdict: Verdict | None, ref: str, own: str
) -> Vulnerability:
    from cyclonedx.model.impact_analysis import ImpactAnalysisAffectedStatus as Status  # noqa: PLC0415
    from cyclonedx.model.impact_analysis import ImpactAnalysisState as State  # noqa: PLC0415
    from cyclonedx.model.vulnerability import (  # noqa: PLC0415
        BomTarget,
        BomTargetVersionRange,
        Vulnerability,
        VulnerabilityAnalysis,
        VulnerabilityRating,
        VulnerabilityScoreSource,
        VulnerabilitySeverity,
        VulnerabilitySource,
    )

    if finding.accepted is not None:
        state, status = State.NOT_AFFECTED, Status.UNAFFECTED
        detail = escape.message(chain.acceptance(finding.accepted))
    elif verdict is Verdict.MALICIOUS:
        state, status, detail = State.EXPLOITABLE, Status.AFFECTED, "Do not install this version."
    else:
        state, status, detail = State.IN_TRIAGE, Status.UNKNOWN, "A person should look at it."
    source = VulnerabilitySource(name="npmguard")
    target = BomTarget(
        ref=ref, versions=[BomTargetVersionRange(version=_plain(package.version), status=status)]
    )
    return Vulnerability(
        bom_ref=own,
        id=finding.rule,
        source=source,
        ratings=[
            VulnerabilityRating(
                source=source,
                severity=VulnerabilitySeverity(_SEVERITIES[finding.severity]),
                method=VulnerabilityScoreSource.OTHER,
            )
        ],
        description=escape.message(finding.message),
        detail="\n".join(_evidence(finding)) or None,
        recommendation=_recommendation(package, finding),
        analysis=VulnerabilityAnalysis(state=state, detail=detail),
        affects=[target],
    )


def _evidence(finding: Finding) -> Iterator[str]:
    for it in finding.evidence[:_EVIDENCE]:
        place = f"{escape.message(it.file, _NAME)}:{it.line or 1}: " if it.file is not None else ""
        yield f"{place}{escape.message(it.message, 300)}"
    if len(finding.evidence) > _EVIDENCE:
        yield f"and {len(finding.evidence) - _EVIDENCE} more"


def _recommendation(package: PackageReport, finding: Finding) -> str | None:
    parts = []
    if package.fix is not None and package.fix.version is not None:
        parts.append(f"Install {escape.message(f'{package.name}@{package.fix.version}', _NAME)}.")
    if finding.remediation:
        parts.append(escape.message(finding.remediation))
    return " ".join(parts) or None
