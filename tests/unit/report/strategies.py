"""Any report that the value types allow, with the texts that attackers would choose."""

from __future__ import annotations

from datetime import UTC

from hypothesis import strategies as st

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

PIECES = (
    "\x1b[31m",
    "\x1b]8;;https://evil.example\x07",
    "\x9b2J",
    "\r",
    "\n",
    "\t",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\u2028",
    "\u00ad",
    "\u3164",
    "\ufe0f",
    "\ue000",
    "\ud800",
    "\U000e0041",
    "e\u0301\u0301\u0301\u0301",
    "\u65e5\u672c",
    "p\u0430lette",
    "::set-output name=a::b",
    ":",
    "::",
    "##[group]",
    "##vso[task.complete]",
    "[link](https://evil.example)",
    "[bold]",
    ":smile:",
    "<script>",
    "`",
    "|",
    "a b",
    "index.js",
    " " * 90,
    "x" * 90,
)

hostile_text = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.text(st.characters(), max_size=30),  # lone surrogates too
)
lines = st.integers(min_value=0, max_value=10**6)
maybe_added = st.none() | st.booleans()

evidence = st.builds(
    Evidence,
    signal=hostile_text,
    message=hostile_text,
    file=st.none() | hostile_text,
    line=st.none() | lines,
    excerpt=st.none() | hostile_text,
    decoded=st.none() | hostile_text,
    added=maybe_added,
)
findings = st.builds(
    Finding,
    rule=st.sampled_from(("rule-a", "rule-b")) | hostile_text.filter(bool),
    severity=st.sampled_from(Severity),
    confidence=st.sampled_from(Confidence),
    message=hostile_text,
    file=st.none() | hostile_text,
    line=st.none() | lines,
    evidence=st.lists(evidence, max_size=6).map(tuple),
    added=maybe_added,
    remediation=st.none() | hostile_text,
    circumstances=st.lists(
        st.builds(Circumstance, context=st.sampled_from(Context), detail=hostile_text), max_size=3
    ).map(tuple),
)
integrity = st.builds(
    IntegrityReport,
    lock=st.sampled_from(IntegrityOutcome),
    registry=st.sampled_from(IntegrityOutcome),
    signature=st.none() | hostile_text,
    provenance=st.none() | hostile_text,
    detail=st.none() | hostile_text,
)
packages = st.builds(
    PackageReport,
    name=hostile_text,
    version=hostile_text,
    locations=st.lists(hostile_text, max_size=3).map(tuple),
    line=lines,
    verdict=st.sampled_from(Verdict),
    baseline=st.none() | st.builds(Baseline, version=hostile_text, reason=hostile_text),
    findings=st.lists(findings, max_size=3).map(tuple),
    integrity=integrity,
    paths=st.lists(st.lists(hostile_text, min_size=1, max_size=4).map(tuple), max_size=5).map(tuple),
    more_paths=st.integers(min_value=0, max_value=10**6),
    fix=st.none() | st.builds(Fix, version=st.none() | hostile_text, reason=hostile_text),
    unverified_reason=st.none() | hostile_text,
    notes=st.lists(hostile_text, max_size=2).map(tuple),
    reasons=st.lists(
        st.builds(
            VerdictReason,
            rule=st.none() | hostile_text,
            verdict=st.sampled_from([it for it in Verdict if it is not Verdict.CLEAN]),
            text=hostile_text,
        ),
        max_size=4,
    ).map(tuple),
    specimen=st.none()
    | st.builds(
        Specimen,
        published=st.none() | st.datetimes(timezones=st.just(UTC)),
        hashes=st.just((Hash("sha512", b"\1" * 64),)),
        files=st.lists(
            st.builds(
                FileTrace, path=hostile_text, sha256=hostile_text, names=st.lists(hostile_text).map(tuple)
            ),
            max_size=2,
        ).map(tuple),
    ),
)
skipped = st.builds(
    SkippedPackage,
    location=hostile_text,
    line=lines,
    reason=st.sampled_from(SkipReason),
    detail=hostile_text,
    name=st.none() | hostile_text,
)
reports = st.builds(
    ScanReport,
    tool_version=st.just("0.1.0"),
    ruleset=st.just("3f2a9c1e"),
    kind=st.sampled_from(("lockfile", "tarball", "directory", "spec")),
    path=hostile_text,
    packages=st.lists(packages, max_size=4).map(tuple),
    skipped=st.lists(skipped, max_size=4).map(tuple),
    incomplete=st.lists(hostile_text, max_size=2).map(tuple),
    notes=st.lists(hostile_text, max_size=2).map(tuple),
    seconds=st.floats(min_value=0, max_value=10**5),
)
