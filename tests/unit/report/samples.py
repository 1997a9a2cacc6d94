r"""Reports to render: one as a bad day would bring it, and the ends of the scale.

The expected outputs stand in ``golden/``. After a wanted change of a format, write them again and read the
difference before it is committed::

    python tests/unit/report/samples.py
    git diff tests/unit/report/golden
"""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from rich.console import Console

from npmguard.model import (
    Baseline,
    Circumstance,
    Confidence,
    Context,
    Evidence,
    FileTrace,
    Finding,
    Fix,
    Hash,
    IntegrityOutcome,
    IntegrityReport,
    PackageReport,
    ScanReport,
    Severity,
    SkippedPackage,
    SkipReason,
    Specimen,
    Verdict,
    VerdictReason,
)
from npmguard.report import json_v1, sarif, terminal
from npmguard.report.sarif import RuleText

GOLDEN = Path(__file__).with_name("golden")
TOKEN = "npm_" + "Q7" * 18
WIDTH = 80

_SOUND = IntegrityReport(
    lock=IntegrityOutcome.VALID, registry=IntegrityOutcome.VALID, signature="valid", provenance="missing"
)
_ROTATE = "Remove it, install the version named above, and check transactions signed while it was in use."

_CLIPPER = PackageReport(
    name="palette-lite",
    version="5.6.1",
    locations=("node_modules/palette-lite", "node_modules/boxes/node_modules/palette-lite"),
    line=812,
    verdict=Verdict.MALICIOUS,
    baseline=Baseline("5.6.0", "the newest release of the same line, published 62 days earlier"),
    findings=(
        Finding(
            rule="address-swap-in-network-hook",
            severity=Severity.CRITICAL,
            confidence=Confidence.HIGH,
            message="Wallet addresses in network responses are replaced by others that look alike.",
            file="source/index.js",
            line=12,
            evidence=(
                Evidence(
                    signal="hooks-network-primitive",
                    message="replaces a network primitive of the page",
                    file="source/index.js",
                    line=12,
                    excerpt="const _0x1a=['\\x66etch'];window[_0x1a[0]]=async   function(...a){return swap(a)}",
                    decoded="fetch",
                    added=True,
                ),
                Evidence(
                    signal="wallet-address-patterns",
                    message="holds a pattern that accepts ethereum addresses",
                    file="source/index.js",
                    line=40,
                    excerpt="/\\b0x[a-fA-F0-9]{40}\\b/g",
                    added=True,
                ),
                Evidence(
                    signal="edit-distance",
                    message="chooses the most similar of many strings",
                    file="source/index.js",
                    line=58,
                    excerpt="for(let i=0;i<a.length;i++)for(let j=0;j<b.length;j++)d[i][j]=least(d,i,j)",
                    added=True,
                ),
            ),
            added=True,
            remediation=_ROTATE,
            circumstances=(
                Circumstance(Context.NEW),
                Circumstance(Context.LOAD, "main > source/index.js"),
                Circumstance(Context.HIDDEN, "'fetch' stands nowhere in source/index.js"),
            ),
        ),
        Finding(
            rule="lifecycle-script-added",
            severity=Severity.MEDIUM,
            confidence=Confidence.MEDIUM,
            message="A postinstall script was added.",
            file="package.json",
            line=9,
            added=True,
        ),
    ),
    integrity=_SOUND,
    paths=(
        ("palette-lite@5.6.1",),
        ("boxes@7.1.1", "palette-lite@5.6.1"),
        ("test-runner@29.7.0", "test-runner-cli@29.7.0", "reporters@29.7.0", "palette-lite@5.6.1"),
    ),
    more_paths=12,
    fix=Fix("5.6.0", "the closest clean version published before it, inside every dependent's range"),
    reasons=(
        VerdictReason(
            "address-swap-in-network-hook",
            Verdict.MALICIOUS,
            "critical with high confidence; the rule is sure: one such finding is enough, old or new",
        ),
    ),
    specimen=Specimen(
        published=datetime(2025, 9, 8, 13, 16, tzinfo=UTC),
        hashes=(Hash("sha512", b"\x5a" * 64), Hash("sha256", b"\x2b" * 32)),
        files=(FileTrace("source/index.js", "c3" * 32, ("0x" + "9A" * 20, "https://drop.example/x")),),
    ),
)

_SWAPPED = PackageReport(
    name="@acme/http",
    version="1.2.3",
    locations=("node_modules/@acme/http",),
    line=31,
    verdict=Verdict.MALICIOUS,
    findings=(
        Finding(
            rule="integrity-mismatch",
            severity=Severity.CRITICAL,
            confidence=Confidence.HIGH,
            message="The tarball is not the one that the lockfile pins.",
        ),
    ),
    integrity=IntegrityReport(
        lock=IntegrityOutcome.MISMATCH,
        registry=IntegrityOutcome.VALID,
        signature="valid",
        detail="lock says sha512-" + "A" * 86 + "==, the bytes are sha512-" + "B" * 86 + "==",
    ),
    paths=(("web-app@1.0.0", "@acme/http@1.2.3"),),
    fix=Fix(None, "web-app@1.0.0 asks for 1.2.3 exactly; 1.2.2 is clean, so change that range or override it"),
)

_HOSTILE_TEXT = (
    "\x1b[2J\x1b]8;;https://evil.example\x07click\x1b]8;;\x07 [bold red]markup[/] <img src=x onerror=alert(1)> "
    "[link](https://evil.example) \u202egnp.exe\u2069 zero\u200bwidth \ue000 \U000e0041 \r\n"
    "::set-output name=token::pwned ##[add-mask]x ##vso[task.setvariable variable=a]b :warning:"
)

_HOSTILE = PackageReport(
    name="p\u0430lette\x1b[31m-\u202elite",
    version="1.0.0\n::error::owned",
    locations=("node_modules/p\u0430lette\x1b[31m-\u202elite",),
    line=77,
    verdict=Verdict.SUSPICIOUS,
    baseline=Baseline("0.9.9\x1b[0m", "the newest earlier release"),
    findings=(
        Finding(
            rule="hidden-characters",
            severity=Severity.HIGH,
            confidence=Confidence.MEDIUM,
            message=f"Says: {_HOSTILE_TEXT}",
            file="lib/\x1b]0;title\x07::stop-commands::x.js",
            line=3,
            evidence=(
                Evidence(
                    signal="invisible-text",
                    message="holds \u2066characters\u2069 that cannot be seen",
                    file="lib/\x1b]0;title\x07::stop-commands::x.js",
                    line=3,
                    excerpt=" " * 400 + _HOSTILE_TEXT,
                    decoded="\U000e0061\ufe0f" * 30,
                    added=False,
                ),
                Evidence(
                    signal="reads-registry-credential",
                    message=f"reads https://bob:hunter2@registry.example/ with {TOKEN}",
                    excerpt=f"//registry.example/:_authToken={TOKEN}; fetch(u,{{a:'Bearer {TOKEN}'}})",
                ),
            ),
            added=False,
            circumstances=(Circumstance(Context.INSTALL, f"scripts.install > {_HOSTILE_TEXT}"),),
        ),
    ),
    reasons=(VerdictReason(_HOSTILE_TEXT, Verdict.SUSPICIOUS, "high with medium confidence"),),
    integrity=IntegrityReport(lock=IntegrityOutcome.WEAK, registry=IntegrityOutcome.UNVERIFIABLE),
    paths=(("\u202eevil@1.0.0", "p\u0430lette@1.0.0"),),
    fix=Fix("0.9.9\x1b[0m", "the closest \x1b[5mclean\x1b[0m version"),
    notes=("two entries of the tarball differ in \x07case alone",),
)

_UNVERIFIED = (
    PackageReport(
        name="gone-away",
        version="2.0.0",
        locations=("node_modules/gone-away",),
        line=204,
        verdict=Verdict.UNVERIFIED,
        paths=(("gone-away@2.0.0",),),
        unverified_reason="gone-away@2.0.0 is not in the registry https://registry.npmjs.org/ any more: "
        "it was unpublished",
    ),
    PackageReport(
        name="private-a",
        version="1.0.0",
        locations=("node_modules/private-a",),
        line=300,
        verdict=Verdict.UNVERIFIED,
        unverified_reason="https://npm.example/private-a: 401; give _authToken for //npm.example/ in .npmrc",
    ),
    PackageReport(
        name="private-b",
        version="1.0.0",
        locations=("node_modules/private-b",),
        line=310,
        verdict=Verdict.UNVERIFIED,
        unverified_reason="https://npm.example/private-b: 401; give _authToken for //npm.example/ in .npmrc",
    ),
)

_CLEAN = tuple(
    PackageReport(
        name=name,
        version="4.0.1",
        locations=(f"node_modules/{name}",),
        line=400 + 10 * number,
        verdict=Verdict.CLEAN,
        baseline=Baseline("4.0.0", "the newest release of the same line, published 90 days earlier"),
        integrity=_SOUND,
    )
    for number, name in enumerate(("zebra", "zipper", "zoo"))
)

_SKIPPED = (
    SkippedPackage(
        "node_modules/forked",
        120,
        SkipReason.GIT,
        f"git+https://x:{TOKEN}@git.example/o/r.git#1f2e3d",
        "forked",
    ),
    SkippedPackage("node_modules/app", 10, SkipReason.LINK, "packages/app"),
    SkippedPackage("packages/app", 20, SkipReason.WORKSPACE, "packages/app", "app"),
    *(
        SkippedPackage(
            f"node_modules/npm/node_modules/{name}", 500 + number, SkipReason.BUNDLED, "npm@10.9.0", name
        )
        for number, name in enumerate(("abbrev", "ansi-styles", "chownr"))
    ),
)


def _report(
    *packages: PackageReport,
    skipped: tuple[SkippedPackage, ...] = (),
    incomplete: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    seconds: float = 1.25,
) -> ScanReport:
    return ScanReport(
        tool_version="0.1.0",
        ruleset="3f2a9c1e77d0b4a5",
        kind="lockfile",
        path="web-app/package-lock.json",
        packages=packages,
        skipped=skipped,
        incomplete=incomplete,
        notes=notes,
        seconds=seconds,
    )


BAD_DAY = _report(
    _SWAPPED,
    *_UNVERIFIED,
    _CLIPPER,
    _HOSTILE,
    *_CLEAN,
    skipped=_SKIPPED,
    incomplete=("left@^1, which the project asks for, is not in the \x1b[31mlock: npm would choose a version",),
    notes=("the cache in ~/.cache/npmguard could not be written: no space left on device",),
    seconds=74.2,
)
ALL_CLEAN = _report(*_CLEAN)
NOTHING = _report(seconds=0.04)
OUTAGE = _report(
    *(
        PackageReport(
            name=f"package-{number:03}",
            version="1.0.0",
            locations=(f"node_modules/package-{number:03}",),
            line=number * 9 + 3,
            verdict=Verdict.UNVERIFIED,
            unverified_reason=f"https://registry.npmjs.org/package-{number:03}: no answer within 5 s; is the "
            "network up, and is the proxy of .npmrc right?",
        )
        for number in range(760)
    ),
    seconds=21.0,
)
SAMPLES = {"bad-day": BAD_DAY, "all-clean": ALL_CLEAN, "nothing": NOTHING, "outage": OUTAGE}

RULES = {
    "address-swap-in-network-hook": RuleText(
        title="Network responses have wallet addresses replaced",
        description="A network primitive is replaced by a function that rewrites wallet addresses.",
        remediation=_ROTATE,
        severity=Severity.CRITICAL,
        references=("https://advisories.example/2025/clipper",),
    ),
    "integrity-mismatch": RuleText(
        title="The tarball is not the one that was locked",
        description="The bytes that the registry sends have another hash than the lockfile pins.",
        remediation="Do not install. Ask the registry's operator what happened.",
        severity=Severity.CRITICAL,
        references=(),
    ),
    "lifecycle-script-added": RuleText(
        title="A lifecycle script was added",
        description="This version runs a command on install that the one before did not.",
        remediation="Read the script before you install.",
        severity=Severity.MEDIUM,
        references=(),
    ),
}


def on_terminal(report: ScanReport, *, width: int = WIDTH, colour: bool = False, verbose: bool = False) -> str:
    """What :func:`npmguard.report.terminal.render` writes."""
    file = StringIO()
    console = Console(
        file=file, width=width, height=25, force_terminal=colour, color_system="standard" if colour else None
    )
    terminal.render(report, console, verbose=verbose)
    return file.getvalue()


def golden() -> dict[str, bytes]:
    """Every golden file's name, and what it must hold."""
    files: dict[str, bytes] = {}
    for name, report in SAMPLES.items():
        files[f"{name}.txt"] = on_terminal(report).encode()
    files["bad-day-verbose.txt"] = on_terminal(BAD_DAY, verbose=True).encode()
    files["bad-day.json"] = json_v1.render(BAD_DAY)
    files["bad-day.sarif"] = sarif.render(BAD_DAY, RULES)
    return files


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for file_name, content in golden().items():
        (GOLDEN / file_name).write_bytes(content)
