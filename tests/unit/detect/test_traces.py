from __future__ import annotations

from hashlib import sha256

from npmguard.config import Limits
from npmguard.detect.analyse import is_source
from npmguard.detect.traces import traces
from npmguard.model import Confidence, FileTrace, Finding, PackageArchive, Severity
from npmguard.package.tarball import read_archive
from tests.fixture_addresses import burn_address
from tests.tarballs import tarball

WALLET = burn_address("eth", 0xA1)


def archive(**files: str) -> PackageArchive:
    named = {f"{name}.js": text.encode() for name, text in files.items()}
    manifest = b'{"name": "a", "version": "1.0.0"}'
    return read_archive(tarball({"package.json": manifest, **named}), Limits(), is_source, hashes=True)


def finding(path: str, line: int, severity: Severity = Severity.CRITICAL) -> Finding:
    return Finding("rule", severity, Confidence.HIGH, "bad", file=path, line=line)


def trace(new: PackageArchive, *findings: Finding, old: PackageArchive | None = None) -> tuple[FileTrace, ...]:
    return traces(new, findings, Limits(), old)


def test_a_flagged_file_is_known_by_its_hash_and_what_it_names() -> None:
    text = f"send('{WALLET}', 'https://drop.example/x'); request({{hostname: 'c2.example'}})"
    (found,) = trace(archive(index=text, other="1"), finding("index.js", 1))
    assert found.path == "index.js"
    assert found.sha256 == sha256(text.encode()).hexdigest()
    assert found.names == (WALLET, "c2.example", "https://drop.example/x")


def test_what_code_puts_together_counts_as_it_is_meant() -> None:
    text = "send(['drop', 'example'].join('.')); send(atob('aHR0cHM6Ly9oaWRkZW4uZXhhbXBsZS94'))"
    (found,) = trace(archive(index=text), finding("index.js", 1))
    assert found.names == ("drop.example", "https://hidden.example/x")


def test_what_looks_like_a_host_and_is_none_does_not_count() -> None:
    (found,) = trace(archive(index="load('index.js', 'a.map', 'chat.link', '1.2.3')"), finding("index.js", 1))
    assert found.names == ()


def test_what_the_version_before_names_is_not_the_attacker_s() -> None:
    before = archive(index="get('https://home.example/x')", other=f"donate('{WALLET}')")
    after = archive(index=f"get('https://home.example/x'); get('https://drop.example/x', '{WALLET}')")
    (found,) = trace(after, finding("index.js", 1), old=before)
    assert found.names == ("https://drop.example/x",)


def test_without_a_version_before_the_places_count_and_addresses_anywhere() -> None:
    text = f"""const home = 'https://home.example/x'
const swap = '{WALLET}'
function bad() {{
  hook()
  return 'https://drop.example/x'
}}
"""
    (found,) = trace(archive(index=text), finding("index.js", 4))
    assert found.names == (WALLET, "https://drop.example/x")


def test_notes_leave_no_trace() -> None:
    assert trace(archive(index="1"), finding("index.js", 1, Severity.MEDIUM)) == ()


def test_a_file_that_is_no_code_is_known_by_its_hash() -> None:
    (found,) = trace(archive(index="1"), finding("package.json", 1))
    assert (found.path, found.names) == ("package.json", ())
