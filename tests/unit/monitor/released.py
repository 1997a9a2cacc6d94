"""Reports of one release, as a monitor stores them, and alerts about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from npmguard.model import (
    Confidence,
    FileTrace,
    Finding,
    Hash,
    ManifestDelta,
    PackageReport,
    ScanReport,
    Severity,
    Specimen,
    Verdict,
    VersionDiff,
)
from npmguard.monitor.alert import Affected, Alert, AlertFinding, AlertKind, Trait
from npmguard.monitor.records import Judged, Source
from npmguard.report import json_v1

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTILE = (
    "</script>]]>&<!channel>\r\nBcc: all@evil.example\n[x](https://evil.example)\u202e\x1b[31m"
    "**b** ${7*7} {{DATE(x)}}"
)


def digest(text: str) -> str:
    return text.encode().hex().ljust(64, "0")[:64]


def report(
    name: str,
    version: str = "1.0.0",
    verdict: Verdict = Verdict.MALICIOUS,
    *,
    files: dict[str, str] | None = None,
    names: tuple[str, ...] = (),
    brings: dict[str, str] | None = None,
    message: str = "Wallet addresses in network responses are replaced.",
) -> bytes:
    """The ``npmguard.report/1`` of a release; *files* are paths with what stands for their content."""
    contents = {"index.js": f"{name}@{version}"} if files is None else files
    finding = Finding(
        "address-swap-in-network-hook",
        Severity.CRITICAL,
        Confidence.HIGH,
        message,
        next(iter(contents), None),
        3,
    )
    diff = VersionDiff(
        "0.9.0",
        version,
        (),
        (),
        (),
        tuple(ManifestDelta("dependencies", key, None, spec) for key, spec in (brings or {}).items()),
    )
    package = PackageReport(
        name,
        version,
        (),
        0,
        verdict,
        findings=(finding,),
        specimen=Specimen(
            NOON,
            (Hash("sha512", f"{name}@{version}".encode().ljust(64, b"\0")[:64]),),
            tuple(FileTrace(path, digest(content), names) for path, content in contents.items()),
        ),
        diff=diff,
    )
    return json_v1.render(ScanReport("0.1.0", "0" * 64, "spec", f"{name}@{version}", (package,)))


def judged(
    name: str,
    version: str = "1.0.0",
    verdict: Verdict = Verdict.MALICIOUS,
    *,
    after: float = 0.0,
    **said: object,
) -> Judged:
    """The verdict on such a release, that many seconds after noon."""
    document = report(name, version, verdict, **said)  # type: ignore[arg-type] # those of report
    when = NOON + timedelta(seconds=after)
    return Judged(name, version, verdict.value, "0" * 64, Source.FEED, when, document, NOON)


def alert(
    identity: str = "a" * 32,
    kind: AlertKind = AlertKind.OPENED,
    *,
    name: str = "palette-lite",
    version: str = "5.6.1",
    verdict: str = "malicious",
    message: str = "Wallet addresses in network responses are replaced.",
    traits: tuple[Trait, ...] = (Trait("domain", "drop.evil.example", 3), Trait("ip", "192.0.2.7", 2)),
) -> Alert:
    finding = AlertFinding("address-swap-in-network-hook", "critical", message, "index.js", 3)
    affected = Affected(name, version, verdict, NOON.isoformat(), NOON.isoformat(), "ab" * 64, (finding,))
    return Alert(
        identity,
        kind,
        "inc-0123456789abcdef",
        f"{name}@{version}: {message}",
        verdict,
        NOON.isoformat(),
        3,
        2,
        (affected,),
        traits,
    )


def hostile_alert(kind: AlertKind = AlertKind.OPENED) -> Alert:
    """An alert all of whose texts are an attacker's."""
    traits = (Trait("url", f"https://evil.example/{HOSTILE}", 2), Trait("package", HOSTILE, 2))
    return alert("b" * 32, kind, name=HOSTILE, version=HOSTILE, message=HOSTILE, traits=traits)
