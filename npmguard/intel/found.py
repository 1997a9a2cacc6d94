"""Indicators of what a scan found, drawn from its JSON report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, Literal
from urllib.parse import quote, urlsplit

import msgspec

from npmguard.errors import IndicatorError
from npmguard.intel.indicators import guess_kind, make_indicator
from npmguard.intel.well_known import load_well_known
from npmguard.model import Indicator, IndicatorKind

#: Findings about bytes on their way: the version that they name is not the one that is bad.
_ON_THE_WAY: Final = frozenset(
    {
        *("integrity-mismatch", "integrity-missing", "integrity-weak", "integrity-unverifiable"),
        *("tarball-size-mismatch", "registry-signature-invalid", "provenance-invalid"),
    }
)
_NO_ATTACK: Final = frozenset({"too-young"})
_FLAGS = frozenset({"critical", "high"})
_PUBLISHED = frozenset({"lockfile", "spec"})  # targets whose names and versions are a registry's
_URL = re.compile(r"https?://[^\s\"'`<>\\{}|^$]{4,2000}", re.IGNORECASE)
_DESCRIBED = 3  # rules named in a description


class _Evidence(msgspec.Struct):
    excerpt: str | None = None
    decoded: str | None = None


class _Finding(msgspec.Struct):
    rule: str
    severity: str
    evidence: list[_Evidence] = []


class _File(msgspec.Struct):
    path: str
    sha256: str
    names: list[str] = []


class _Specimen(msgspec.Struct):
    published: str | None = None
    sha512: str | None = None
    sha256: str | None = None
    files: list[_File] = []


class _Package(msgspec.Struct):
    name: str
    version: str
    verdict: str
    findings: list[_Finding] = []
    specimen: _Specimen | None = None


class _Target(msgspec.Struct):
    kind: str = "lockfile"


class _Report(msgspec.Struct):
    schema: Literal["npmguard.report/1"]
    packages: list[_Package]
    target: _Target = msgspec.field(default_factory=_Target)


def found_indicators(
    document: bytes, *, source: str = "npmguard", suspicious: bool = False, name: str = "the report"
) -> tuple[Indicator, ...]:
    """What the malicious packages of a JSON report can be known by: sorted, without repeats.

    Of each: the package version as a package URL, the tarball's hashes, the hashes of the files that findings
    of severity critical or high name, and the wallet addresses, URLs and hosts in those findings and files,
    but for what is everybody's (:mod:`npmguard.intel.well_known`). Clean packages give nothing. The date of an
    indicator is the day on which its version was published, where the registry says so.

    Args:
        document: a report of ``--format json``.
        source: who knows them, as each indicator tells.
        suspicious: take suspicious packages as well; their versions are told as such.
        name: how the report is called in errors.

    Raises:
        IndicatorError: it is no such report.
    """
    try:
        report = msgspec.json.decode(document, type=_Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IndicatorError(f"{name}: no report of npmguard scan --format json: {error}") from None
    wanted = {"malicious", "suspicious"} if suspicious else {"malicious"}
    common = load_well_known()
    found: dict[tuple[IndicatorKind, str], Indicator] = {}
    for package in sorted(report.packages, key=lambda it: (_day(it), it.name, it.version)):
        if package.verdict in wanted:
            for kind, value, about in _values(package, is_published=report.target.kind in _PUBLISHED):
                try:
                    indicator = make_indicator(kind, value, source, _day(package), about)
                except IndicatorError:  # a value that is none after all: code holds all kinds of text
                    continue
                if not common.covers(indicator):
                    found.setdefault((indicator.kind, indicator.value), indicator)
    return tuple(sorted(found.values()))


def latest_day(indicators: tuple[Indicator, ...]) -> str | None:
    """The latest date of *indicators* as RFC 3339, for documents that want a time of their own."""
    days = [it.date for it in indicators if it.date]
    return f"{max(days)}T00:00:00Z" if days else None


def _values(package: _Package, *, is_published: bool) -> Iterator[tuple[IndicatorKind, str, str]]:
    """(kind, value, description) of everything that a flagged package may be known by."""
    flags = [it for it in package.findings if it.severity in _FLAGS and it.rule not in _NO_ATTACK]
    if not flags:
        return
    rules = list(dict.fromkeys(it.rule for it in flags))
    named = f"{package.name}@{package.version}"
    why = ", ".join(rules[:_DESCRIBED]) + (" and others" if len(rules) > _DESCRIBED else "")
    about = f"{named} ({package.verdict}: {why})"
    if is_published and package.name and any(rule not in _ON_THE_WAY for rule in rules):
        purl = f"pkg:npm/{quote(package.name, safe='/-._~')}@{quote(package.version, safe='.-_~+')}"
        yield IndicatorKind.PURL, purl, about
    specimen = package.specimen or _Specimen()
    for kind, digest in ((IndicatorKind.SHA512, specimen.sha512), (IndicatorKind.SHA256, specimen.sha256)):
        if digest is not None:
            yield kind, digest, f"{about}, its tarball"
    for file in specimen.files:
        yield IndicatorKind.SHA256, file.sha256, f"{about}, {file.path}"
        for value in file.names:
            yield from _named(value, f"{about}, in {file.path}")
    for finding in flags:
        for evidence in finding.evidence:
            for text in (evidence.excerpt, evidence.decoded):
                for url in _whole_urls(text or ""):
                    yield from _named(url, about)


def _named(value: str, about: str) -> Iterator[tuple[IndicatorKind, str, str]]:
    """An address, a URL with its host, or a host."""
    if "://" not in value:
        kind = guess_kind(value)
        if kind in {IndicatorKind.ADDRESS, IndicatorKind.DOMAIN, IndicatorKind.IP} and kind is not None:
            yield kind, value, about
        return
    try:
        host = urlsplit(value).hostname or ""
    except ValueError:
        return
    if value.lower().startswith("http") and len(value.partition("://")[2].partition("/")[2]) > 0:
        yield IndicatorKind.URL, value, about
    try:
        ip_address(host)
    except ValueError:
        yield IndicatorKind.DOMAIN, host, about
    else:
        yield IndicatorKind.IP, host, about


def _whole_urls(text: str) -> Iterator[str]:
    """The URLs of an excerpt; the last one may be cut, and then it is none."""
    for match in _URL.finditer(text):
        if "…" not in text[match.start() : match.end() + 1]:
            yield match.group().rstrip(".,;:)]")


def _day(package: _Package) -> str:
    published = (package.specimen.published if package.specimen is not None else None) or ""
    return published[:10] if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", published) else ""
