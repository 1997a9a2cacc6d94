from __future__ import annotations

import re
import sys
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from hypothesis import given, settings
from rich.cells import cell_len
from rich.console import Console

from npmguard.model import PackageReport, ScanReport, SkippedPackage, SkipReason, Verdict
from npmguard.report import terminal
from tests.unit.report.samples import ALL_CLEAN, BAD_DAY, GOLDEN, NOTHING, OUTAGE, SAMPLES, TOKEN, on_terminal
from tests.unit.report.strategies import reports

SUMMARY = re.compile(
    r"^. (\d+) packages?: (\d+) malicious, (\d+) suspicious, (\d+) clean, (\d+) unverified, (\d+) skipped; "
)


@pytest.mark.parametrize("name", SAMPLES)
def test_output_is_the_golden_one(name: str) -> None:
    assert on_terminal(SAMPLES[name]) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_verbose_output_is_the_golden_one() -> None:
    expected = (GOLDEN / "bad-day-verbose.txt").read_text(encoding="utf-8")
    assert on_terminal(BAD_DAY, verbose=True) == expected


@pytest.mark.parametrize("name", SAMPLES)
def test_the_last_line_counts_every_verdict(name: str) -> None:
    report = SAMPLES[name]
    found = SUMMARY.match(on_terminal(report).splitlines()[-1])
    assert found is not None
    packages, *verdicts, skipped = map(int, found.groups())
    assert packages == len(report.packages) == sum(verdicts)
    assert verdicts == [report.count(verdict) for verdict in Verdict]
    assert skipped == len(report.skipped)


def test_malicious_packages_stand_first_and_every_one_that_is_not_clean_is_named() -> None:
    text = on_terminal(BAD_DAY)
    assert text.index("MALICIOUS") < text.index("SUSPICIOUS") < text.index("UNVERIFIED") < text.index("SKIPPED")
    for name in (
        "@acme/http@1.2.3",
        "palette-lite@5.6.1",
        "gone-away@2.0.0",
        "private-a@1.0.0",
        "private-b@1.0.0",
    ):
        assert name in text
    assert "zebra" not in text


def test_a_finding_says_where_what_it_hides_what_is_new_and_what_to_install() -> None:
    lines = [line.strip() for line in on_terminal(BAD_DAY, width=120).splitlines()]
    assert "address-swap-in-network-hook · new since 5.6.0" in lines
    assert "source/index.js:12  replaces a network primitive of the page" in lines
    assert "│ const _0x1a=['\\x66etch'];window[_0x1a[0]]=async function(...a){return swap(a)}" in lines
    assert "│ decoded: fetch" in lines
    assert "boxes@7.1.1 > palette-lite@5.6.1" in lines
    assert "and 12 more paths" in lines
    assert any(line.startswith("install   palette-lite@5.6.0  ") for line in lines)


def test_both_hashes_of_a_mismatch_are_shown_whole() -> None:
    text = "".join(line.strip() for line in on_terminal(BAD_DAY).splitlines())
    assert "sha512-" + "A" * 86 + "==" in text
    assert "sha512-" + "B" * 86 + "==" in text


def test_hundreds_with_one_reason_are_one_block() -> None:
    text = on_terminal(OUTAGE)
    assert len(text.splitlines()) < 15
    assert "760 packages: https://registry.npmjs.org/<package>: no answer within 5 s" in text
    assert "package-000@1.0.0" in text
    assert "752 more" in text
    assert "package-759@1.0.0" in on_terminal(OUTAGE, verbose=True)


def test_no_package_read_is_never_shown_as_clean() -> None:
    text = on_terminal(NOTHING)
    assert (
        "No packages were read from web-app/package-lock.json: it lists none. Nothing was checked."
        in " ".join(text.split())
    )
    assert "✓" not in text
    assert "✓" in on_terminal(ALL_CLEAN)


def test_a_lock_of_skipped_entries_alone_says_so() -> None:
    report = replace(NOTHING, skipped=(SkippedPackage("packages/a", 4, SkipReason.WORKSPACE, "packages/a"),))
    assert "every entry of it was skipped" in " ".join(on_terminal(report).split())


def test_entries_that_nobody_checked_are_named_and_spoil_the_tick() -> None:
    skipped = tuple(
        SkippedPackage(f"node_modules/g{number}", number, SkipReason.GIT, "git+ssh://git@git.example/o/r.git")
        for number in range(5)
    )
    report = replace(ALL_CLEAN, skipped=skipped)
    text = on_terminal(report)
    assert "node_modules/g0  git+ssh://git@git.example/o/r.git" in text
    assert "and 2 more entries (--verbose)" in text
    assert "✓" not in text
    assert "node_modules/g4" in on_terminal(report, verbose=True)


def test_colour_is_only_for_terminals() -> None:
    assert "\x1b" not in on_terminal(BAD_DAY)
    coloured = on_terminal(BAD_DAY, colour=True)
    assert "\x1b[1;31m✗ palette-lite@5.6.1" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == on_terminal(BAD_DAY)


def test_no_secret_reaches_the_screen() -> None:
    text = on_terminal(BAD_DAY, verbose=True)
    assert TOKEN not in text
    assert "hunter2" not in text


def test_a_terminal_without_unicode_gets_ascii() -> None:
    stream = TextIOWrapper(BytesIO(), "ascii")
    terminal.render(BAD_DAY, Console(file=stream, width=80))
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, BytesIO)
    assert raw.getvalue().isascii()
    assert b"x palette-lite@5.6.1" in raw.getvalue()


def test_text_for_a_file_is_plain_utf8_whatever_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(BytesIO(), "ascii"))
    content = terminal.render_text(BAD_DAY, to_file=True)
    assert b"\x1b" not in content
    assert "✗ palette-lite@5.6.1" in content.decode()
    assert max(map(cell_len, content.decode().splitlines()[:-1])) == 90


def test_text_for_a_pipe_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(BytesIO(), "utf-8"))
    content = terminal.render_text(BAD_DAY)
    assert b"\x1b" not in content
    assert content.decode() == on_terminal(BAD_DAY, width=terminal.LOG_WIDTH)


@given(reports)
@settings(deadline=None, max_examples=150)
def test_whatever_is_in_a_report_the_output_obeys_its_reader(report: ScanReport) -> None:
    file = StringIO()
    terminal.render(report, Console(file=file, width=60), verbose=True)
    *lines, summary = file.getvalue().rstrip("\n").split("\n")
    for line in lines:
        assert line.isprintable(), line
        assert cell_len(line) <= 60
        assert not line.lstrip().startswith("::")
        assert not re.search(r"##\w*\[", line)
    assert SUMMARY.match(summary)


def test_reasons_beyond_a_screenful_are_counted() -> None:
    packages = tuple(
        PackageReport(
            name=f"p{number}",
            version="1.0.0",
            locations=(),
            line=1,
            verdict=Verdict.UNVERIFIED,
            unverified_reason=f"trouble number {number + 100}",
        )
        for number in range(40)
    )
    report = replace(OUTAGE, packages=packages)
    assert "and 28 packages for 28 more reasons (--verbose)" in on_terminal(report)
    assert "trouble number 139" in on_terminal(report, verbose=True)
