"""Records of malicious npm packages in the OSV format (https://ossf.github.io/osv-schema/).

The records are those of https://github.com/ossf/malicious-packages, named ``MAL-<year>-<number>``, as OSV's
bucket and its API hand them out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from npmguard.errors import IndicatorError
from npmguard.intel.indicators import make_indicator
from npmguard.intel.malware import Bounds, Event, Record, Source, one_line
from npmguard.intel.well_known import load_well_known
from npmguard.model import Indicator, IndicatorKind

ECOSYSTEM: Final = "npm"
RECORD_ID: Final = re.compile(r"MAL-[0-9]{4}-[0-9]{1,12}", re.ASCII)
_ALIASES = 20
_MOST_INDICATORS = 1000  # of one kind, in one record
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,63}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])(?=T|$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class OsvRecord:
    """One record as read: ``modified`` is its time stamp as written, ``packages`` its npm packages by name.

    ``indicators`` are the domains, addresses and URLs of the attack that it names, less what is everybody's.
    """

    record: Record
    modified: str
    withdrawn: bool
    packages: Mapping[str, Bounds]
    indicators: tuple[Indicator, ...] = ()


class _Package(msgspec.Struct):
    ecosystem: str = ""
    name: str = ""


class _Event(msgspec.Struct):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None


class _Range(msgspec.Struct):
    type: str = ""
    events: list[_Event] | None = None


class _Affected(msgspec.Struct):
    package: _Package | None = None
    versions: list[str] | None = None
    ranges: list[_Range] | None = None


class _Osv(msgspec.Struct):
    """The fields that matter here; all others are passed over without being built."""

    id: str
    modified: str
    published: str | None = None
    withdrawn: str | None = None
    summary: str | None = None
    aliases: list[str] | None = None
    affected: list[_Affected] | None = None
    database_specific: msgspec.Raw = msgspec.Raw(b"")


class _Iocs(msgspec.Struct):
    """Indicators as ossf/malicious-packages has them (``internal/report/indicators.go`` there)."""

    domains: list[str] | None = None
    ips: list[str] | None = None
    urls: list[str] | None = None


class _Specific(msgspec.Struct):
    iocs: _Iocs | None = None


_decoder = msgspec.json.Decoder(_Osv)


def parse_osv(document: bytes) -> OsvRecord:
    """Read one record of malware.

    Raises:
        ValueError: as :func:`parse_record`, or it is no record of malware.
    """
    return parse_record(document, RECORD_ID)


def parse_record(document: bytes, ids: re.Pattern[str]) -> OsvRecord:
    """Read one record, whose id has to be one of *ids*.

    Only what it says of npm packages is kept, under their exact names. A withdrawn record has no packages:
    it says nothing any more.

    Raises:
        ValueError: it is no JSON, no OSV record, has another id, or a bound of a range is no version.
            The message is one line.
    """
    try:
        osv = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"is no OSV record: {one_line(str(error), 120)}") from None
    if not ids.fullmatch(osv.id):
        raise ValueError(f"is no record of malware: its id is {one_line(osv.id, 40)!r}")
    day = _DAY.match(osv.published or osv.modified)
    if day is None or not _DAY.match(osv.modified):
        raise ValueError(f"{osv.id} has no usable date")
    withdrawn = osv.withdrawn is not None
    record = Record(
        id=osv.id,
        source=Source.OSV,
        date=day[0],
        summary=one_line(osv.summary or ""),
        url=f"https://osv.dev/vulnerability/{osv.id}",
        aliases=tuple(it for it in (osv.aliases or [])[:_ALIASES] if _ALIAS.fullmatch(it)),
    )
    packages = {} if withdrawn else _packages(osv)
    indicators = _indicators(osv, record) if packages else ()
    return OsvRecord(record, one_line(osv.modified, 40), withdrawn, packages, indicators)


def _packages(osv: _Osv) -> dict[str, Bounds]:
    listed: dict[str, list[str]] = {}
    ranges: dict[str, list[tuple[Event, ...]]] = {}
    for affected in osv.affected or []:
        package = affected.package
        if package is None or package.ecosystem != ECOSYSTEM or not package.name:
            continue
        listed.setdefault(package.name, []).extend(affected.versions or [])
        # the order of npm's own versions is that of SemVer, so that both types mean the same here
        ranges.setdefault(package.name, []).extend(
            tuple(_events(it)) for it in affected.ranges or [] if it.type in {"SEMVER", "ECOSYSTEM"}
        )
    try:
        return {name: Bounds.of(listed[name], ranges[name]) for name in listed}
    except ValueError as error:
        raise ValueError(f"{osv.id} cannot be evaluated: {error}") from None


def _indicators(osv: _Osv, record: Record) -> tuple[Indicator, ...]:
    """What the record names beside packages; what is in no known form there is no reason to refuse it."""
    if not osv.database_specific:
        return ()
    try:
        iocs = msgspec.json.decode(osv.database_specific, type=_Specific).iocs
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    if iocs is None:
        return ()
    source, about = f"{record.source} {record.id}", record.summary
    common = load_well_known()
    found: set[Indicator] = set()
    for kind, values, sure in (
        (IndicatorKind.URL, iocs.urls, True),
        (IndicatorKind.DOMAIN, iocs.domains, False),
        (IndicatorKind.IP, iocs.ips, False),
    ):
        for value in (values or [])[:_MOST_INDICATORS]:
            try:
                indicator = make_indicator(kind, value, source, record.date, about)
            except IndicatorError:  # a network, or no address at all
                continue
            if not common.covers(indicator):
                found.add(replace(indicator, sure=sure))
    return tuple(sorted(found))


def _events(found: _Range) -> list[Event]:
    events: list[Event] = []
    for event in found.events or []:
        for kind in ("introduced", "fixed", "last_affected", "limit"):
            value: str | None = getattr(event, kind)
            if value is not None:
                events.append((kind, value))
    return events
