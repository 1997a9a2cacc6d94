from __future__ import annotations

import json

import pytest

from npmguard.config import Limits
from npmguard.detect.analyse import analyse_package, is_source
from npmguard.detect.own_files import ArchiveFiles, Mentions
from npmguard.detect.rule import load_ruleset
from npmguard.model import PackageFile
from npmguard.package.tarball import read_archive
from npmguard.worker import analyse_tarball
from tests.fixture_packages import load_case, pack

RULESET = load_ruleset()
MANIFEST = b'{"name": "a", "version": "1.0.0", "main": "index.js"}'
ADDRESSES = "['0x1111111111111111111111111111111111111111', 'bc1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3h8ffkz']"
HOOK = (
    "const original = window.fetch; window.fetch = async (...args) => { const answer = await original(...args);"
    f" const text = await answer.text(); for (const to of {ADDRESSES})"
    " text.replace(/0x[a-fA-F0-9]{40}/g, to).replace(/bc1[a-z0-9]{25,39}/g, to); return new Response(text) };"
).encode()


def source(text: str) -> PackageFile:
    return PackageFile("index.js", len(text), "", text.encode())


@pytest.mark.parametrize(
    "code",
    ["require('./x.dat')", 'read("x.dat")', "f(`${dir}/x.dat`)", "import './data/LOGO'", "f('lib/x.dat')"],
)
def test_a_source_that_names_another_file_is_known(code: str) -> None:
    assert Mentions(["lib/x.dat", "data/LOGO", "y.css"]).named_in(source(code))


@pytest.mark.parametrize(
    "code",
    ["require('./x.data')", "//# sourceMappingURL=index.js.map", "const LOGO = 'LOGO'", "x.dat", "'ax.dat'"],
)
def test_other_words_are_no_names(code: str) -> None:
    assert not Mentions(["lib/x.dat", "data/LOGO", "index.js.map"]).named_in(source(code))


def test_a_package_of_sources_mentions_nothing() -> None:
    assert not Mentions([]).named_in(source("require('./x.dat')"))
    assert not Mentions(["LICENSE", "README.md"]).named_in(source("read('README.md'); read('/LICENSE')"))


def test_many_files_are_known_by_their_endings() -> None:
    many = Mentions([f"icons/{index}.svg" for index in range(2000)])
    assert many.named_in(source("read('icons/7.svg')"))
    assert not many.named_in(source("read('icons/7.png')"))


def test_what_was_not_kept_is_remembered() -> None:
    tarball = pack({"package.json": MANIFEST, "x.dat": b"1", "big.dat": b"1" * 100})
    files = ArchiveFiles(read_archive(tarball, Limits(), is_source), 50)
    assert files.content("x.dat") is None
    assert files.content("y.dat") is None
    assert files.content("big.dat") is None
    assert files.missing == {"x.dat"}


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("lib/x.dat", "require('./lib/x.dat')"),
        ("lib/x.dat", "eval(require('fs').readFileSync(__dirname + '/lib/' + 'x' + '.dat', 'utf8'))"),
        ("lib/x.json", "(0, eval)(require('./lib/x.json').code)"),
    ],
)
def test_a_payload_in_a_file_of_another_kind_is_found(name: str, loader: str) -> None:

    content = json.dumps({"code": HOOK.decode()}).encode() if name.endswith(".json") else HOOK
    tarball = pack({"package.json": MANIFEST, "index.js": loader.encode(), name: content})
    analysis = analyse_tarball(tarball, RULESET, Limits())
    assert analysis.unverified is None
    assert "address-swap-in-network-hook" in {finding.rule for finding in analysis.findings}
    finding = next(each for each in analysis.findings if each.rule == "address-swap-in-network-hook")
    assert {(each.file, each.line) for each in finding.evidence} == {("index.js", 1)}
    assert any("window.fetch" in (each.decoded or "") for each in finding.evidence)
    everything = analyse_tarball(tarball, RULESET, Limits(), prefilter=False)
    assert everything == analysis


def test_without_the_content_the_analysis_is_unverified() -> None:
    tarball = pack({"package.json": MANIFEST, "index.js": b"require('./x.dat')", "x.dat": HOOK})
    analysis = analyse_package(read_archive(tarball, Limits(), is_source), RULESET, Limits())
    assert analysis.missing == {"x.dat"}
    assert "x.dat" in (analysis.unverified or "")


def test_a_stylesheet_that_a_bundler_is_given_is_no_code() -> None:
    files = {"package.json": MANIFEST, "index.js": b"require('./x.css')", "x.css": b"a { color: red } b { }"}
    analysis = analyse_tarball(pack(files), RULESET, Limits())
    assert analysis.unverified is None
    assert analysis.partial == ()


def test_what_was_in_the_baseline_is_not_new() -> None:
    files = {"package.json": MANIFEST, "index.js": b"require('./x.dat')", "x.dat": HOOK}
    old = pack(files)
    new = pack({**files, "index.js": b"require('./x.dat') // changed"})
    analysis = analyse_tarball(new, RULESET, Limits(), old)
    assert analysis.findings
    assert not any(finding.added for finding in analysis.findings)
    assert all(
        each.added
        for each in analyse_tarball(new, RULESET, Limits(), pack({"package.json": MANIFEST})).findings
    )


def test_fixtures_read_no_file_that_was_not_kept() -> None:
    archive = read_archive(load_case("benign-levenshtein", "package"), Limits(), is_source)
    assert analyse_package(archive, RULESET, Limits()).missing == frozenset()
