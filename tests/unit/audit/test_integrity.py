from __future__ import annotations

import pytest

from npmguard.audit.context import AuditContext
from npmguard.audit.integrity import audit
from npmguard.config import Limits
from npmguard.detect.verdict import verdict_of
from npmguard.model import (
    Dist,
    Finding,
    IntegrityOutcome,
    IntegrityReport,
    LockedPackage,
    Manifest,
    Release,
    Severity,
    TarballAnalysis,
    Verdict,
)
from npmguard.package.tarball import read_archive
from tests.hell_tarballs import SHAPES
from tests.tarballs import BLOCK, END, MANIFEST, compress, entry, tarball

LOCKED = LockedPackage("sample", "1.0.0", "node_modules/sample", 7)
OK = IntegrityReport(IntegrityOutcome.VALID, IntegrityOutcome.VALID)
_FIRST = entry("package/package.json", MANIFEST)


def analysis(data: bytes) -> TarballAnalysis:
    archive = read_archive(data, Limits(), lambda path, _size: path.endswith(".js"), hashes=False)
    return TarballAnalysis(
        hashes=(),
        size=len(data),
        file_count=archive.entry_count,
        unpacked_size=archive.unpacked_size,
        manifest=archive.manifest,
        notes=archive.notes,
        findings=(),
        signals=(),
    )


def of_integrity(lock: IntegrityOutcome, registry: IntegrityOutcome) -> tuple[Finding, ...]:
    return audit(AuditContext(LOCKED, integrity=IntegrityReport(lock, registry, detail="one, other")))


def of_tarball(data: bytes) -> tuple[Finding, ...]:
    return audit(AuditContext(LOCKED, analysis=analysis(data), integrity=OK))


def rules(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


@pytest.mark.parametrize(
    ("lock", "registry", "where"),
    [
        (IntegrityOutcome.MISMATCH, IntegrityOutcome.VALID, "lockfile"),
        (IntegrityOutcome.VALID, IntegrityOutcome.MISMATCH, "registry"),
        (IntegrityOutcome.MISMATCH, IntegrityOutcome.MISMATCH, "lockfile and the registry"),
        (IntegrityOutcome.MISSING, IntegrityOutcome.MISMATCH, "registry"),
    ],
)
def test_bytes_that_nobody_promised_are_malicious(
    lock: IntegrityOutcome, registry: IntegrityOutcome, where: str
) -> None:
    findings = of_integrity(lock, registry)
    assert rules(findings) == ["integrity-mismatch"]
    assert f"the one that the {where} states (one, other)" in findings[0].message
    assert verdict_of(findings) is Verdict.MALICIOUS


@pytest.mark.parametrize(
    ("lock", "registry", "rule", "severity"),
    [
        (IntegrityOutcome.MISSING, IntegrityOutcome.VALID, "integrity-missing", Severity.LOW),
        (IntegrityOutcome.MISSING, IntegrityOutcome.MISSING, "integrity-missing", Severity.MEDIUM),
        (IntegrityOutcome.WEAK, IntegrityOutcome.VALID, "integrity-weak", Severity.LOW),
        (IntegrityOutcome.WEAK, IntegrityOutcome.WEAK, "integrity-weak", Severity.MEDIUM),
        (IntegrityOutcome.NOT_CHECKED, IntegrityOutcome.WEAK, "integrity-weak", Severity.MEDIUM),
        (IntegrityOutcome.UNVERIFIABLE, IntegrityOutcome.VALID, "integrity-unverifiable", Severity.LOW),
        (
            IntegrityOutcome.UNVERIFIABLE,
            IntegrityOutcome.NOT_CHECKED,
            "integrity-unverifiable",
            Severity.MEDIUM,
        ),
    ],
)
def test_missing_weak_and_unverifiable_are_notes_of_their_own(
    lock: IntegrityOutcome, registry: IntegrityOutcome, rule: str, severity: Severity
) -> None:
    (finding,) = of_integrity(lock, registry)
    assert (finding.rule, finding.severity) == (rule, severity)
    assert verdict_of([finding]) is Verdict.CLEAN


@pytest.mark.parametrize(
    ("lock", "registry"),
    [
        (IntegrityOutcome.VALID, IntegrityOutcome.VALID),
        (IntegrityOutcome.VALID, IntegrityOutcome.WEAK),  # releases from before the registry had sha512
        (IntegrityOutcome.VALID, IntegrityOutcome.NOT_CHECKED),
        (IntegrityOutcome.NOT_CHECKED, IntegrityOutcome.NOT_CHECKED),
    ],
)
def test_nothing_is_said_where_nothing_is_wrong(lock: IntegrityOutcome, registry: IntegrityOutcome) -> None:
    assert of_integrity(lock, registry) == ()


@pytest.mark.parametrize(
    ("data", "rule", "verdict"),
    [
        (
            compress(_FIRST + entry("package/a.js", b"1") + entry("package/a.js", b"2") + END),
            "tarball-duplicate-entry",
            Verdict.SUSPICIOUS,
        ),
        (
            compress(_FIRST + entry("package/a.js", b"1") * 2 + END),  # a bug of some packers
            "tarball-duplicate-entry",
            Verdict.CLEAN,
        ),
        (compress(_FIRST + entry("package/../../a.js", b"1") + END), "tarball-unsafe-path", Verdict.SUSPICIOUS),
        (compress(_FIRST + entry("package//etc/a.js", b"1") + END), "tarball-unsafe-path", Verdict.SUSPICIOUS),
        (compress(_FIRST + entry("package/a\\b.js", b"1") + END), "tarball-unsafe-path", Verdict.CLEAN),
        (
            tarball({"package.json": MANIFEST, "README": b"1", "readme": b"2"}),
            "tarball-unsafe-path",
            Verdict.CLEAN,
        ),
        (
            compress(_FIRST + entry("package/l", kind=b"2", link=b"/x") + END),
            "tarball-special-entry",
            Verdict.CLEAN,
        ),
        (
            compress(_FIRST + bytes(BLOCK) + entry("package/b.js") + END),
            "tarball-ambiguous",
            Verdict.SUSPICIOUS,
        ),
        (compress(_FIRST + b"?" * BLOCK + END), "tarball-ambiguous", Verdict.SUSPICIOUS),
        (compress(_FIRST + END) + b"more", "tarball-ambiguous", Verdict.SUSPICIOUS),
    ],
)
def test_oddities_of_the_archive(data: bytes, rule: str, verdict: Verdict) -> None:
    findings = of_tarball(data)
    assert rules(findings) == [rule]
    assert verdict_of(findings) is verdict


@pytest.mark.parametrize(
    "shape",
    [
        *("manifest-by-a-dot", "manifest-by-slashes", "manifest-twice", "manifest-of-another-folder"),
        *("manifest-in-capitals", "manifest-in-odd-letters"),
    ],
)
def test_another_file_in_the_place_of_package_json_is_told(shape: str) -> None:
    findings = of_tarball(SHAPES[shape])
    assert "tarball-duplicate-entry" in rules(findings)
    assert verdict_of(findings) is Verdict.SUSPICIOUS


@pytest.mark.parametrize("name", ["Binding.gyp", "scripts/Run.sh", "Scripts/run.sh", "lib\\package.json"])
def test_files_that_are_run_by_name_have_no_double_on_another_system(name: str) -> None:
    files = {"binding.gyp": b"{}", "scripts/run.sh": b"true", "lib/package.json": b"{}", name: b"# other"}
    assert verdict_of(of_tarball(tarball({"package.json": MANIFEST, **files}))) is Verdict.SUSPICIOUS


def test_an_honest_tarball_has_none() -> None:
    assert of_tarball(tarball({"package.json": MANIFEST, "lib/a.js": b"1", "Lib.js": b"2"})) == ()


def test_many_odd_paths_are_one_finding() -> None:
    links = b"".join(entry(f"package/l{number}", kind=b"2", link=b"x") for number in range(50))
    (finding,) = of_tarball(compress(_FIRST + links + END))
    assert "50 paths" in finding.message
    assert len(finding.evidence) == 10


@pytest.mark.parametrize(
    ("file_count", "unpacked_size", "registry", "found"),
    [
        (2, len(MANIFEST) + 4, IntegrityOutcome.MISSING, False),
        (3, None, IntegrityOutcome.MISSING, True),
        (None, 5, IntegrityOutcome.WEAK, True),
        (3, 5, IntegrityOutcome.VALID, False),  # the hash proves more
        (None, None, IntegrityOutcome.MISSING, False),
    ],
)
def test_sizes_count_where_no_strong_hash_of_the_registry_does(
    file_count: int | None, unpacked_size: int | None, registry: IntegrityOutcome, *, found: bool
) -> None:
    dist = Dist("", file_count=file_count, unpacked_size=unpacked_size)
    context = AuditContext(
        LOCKED,
        release=Release(Manifest("sample", "1.0.0"), dist),
        analysis=analysis(tarball({"package.json": MANIFEST, "a.js": b"1234"})),
        integrity=IntegrityReport(IntegrityOutcome.VALID, registry),
    )
    assert ("tarball-size-mismatch" in rules(audit(context))) is found


def test_an_unread_tarball_has_no_sizes_to_compare() -> None:
    unread = TarballAnalysis((), 0, 0, 0, None, (), (), (), unverified="damaged")
    release = Release(Manifest("sample", "1.0.0"), Dist("", file_count=3))
    assert audit(AuditContext(LOCKED, release=release, analysis=unread)) == ()
