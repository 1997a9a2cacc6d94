"""Asks registries for GitHub's advisories of malware, at the endpoint that ``npm audit`` uses.

``POST -/npm/v1/security/advisories/bulk`` with ``{name: [versions]}`` answers ``{name: [advisory]}``. An
advisory is one of malware where its weakness is CWE-506, embedded malicious code, or its title begins so; all
others are about vulnerabilities and none of this module's business.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Final

import msgspec

from npmguard.errors import RegistryProtocolError, RegistryUnreachable
from npmguard.intel.malware import Bounds, Event, Record, Source, Statement, one_line
from npmguard.intel.web import Web

PATH: Final = "-/npm/v1/security/advisories/bulk"
_NAMES_A_CALL = 1000
_CALL_BYTES = 64 * 1024**2
_MALWARE = "CWE-506"
_TITLES = ("malware in ", "malicious package", "malicious code in ", "embedded malicious code in ")
_ADVISORY = re.compile(r"https://github\.com/advisories/(GHSA(?:-[a-z0-9]{4}){3})", re.ASCII)
_RANGE_LENGTH = 16384
_COMPARATOR = re.compile(r"(>=|<=|>|<|=|)\s*([0-9A-Za-z.+*-]+)", re.ASCII)
_KINDS = {">=": "introduced", ">": "after", "<=": "last_affected", "<": "fixed"}


class Advisory(msgspec.Struct):
    """One advisory, as the registry hands it out."""

    title: str = ""
    url: str = ""
    vulnerable_versions: str = ""
    cwe: list[str] | str | None = None

    @property
    def is_malware(self) -> bool:
        """Whether it is about malicious code, by its weakness or its title."""
        weaknesses = [self.cwe] if isinstance(self.cwe, str) else self.cwe or []
        return _MALWARE in weaknesses or self.title.lower().startswith(_TITLES)


_decoder = msgspec.json.Decoder(dict[str, list[Advisory]])


def ask_registries(
    versions: Iterable[tuple[str, str]], registry_for: Callable[[str], str], web: Web, seconds: float
) -> Mapping[str, tuple[Statement, ...]]:
    """What the advisories of malware say of these (name, version), within *seconds*.

    Each package's name goes to the registry that it comes from, and to no other.

    Raises:
        RegistryError: a registry cannot be reached, has no such endpoint, does not answer in time, or not in
            that format.
    """
    end = time.monotonic() + seconds
    asked: dict[str, dict[str, list[str]]] = {}
    for name, version in sorted(set(versions)):
        asked.setdefault(registry_for(name), {}).setdefault(name, []).append(version)
    found: dict[str, tuple[Statement, ...]] = {}
    for registry, packages in sorted(asked.items()):
        waiting = iter(packages)
        while names := list(islice(waiting, _NAMES_A_CALL)):
            left = end - time.monotonic()
            if left <= 0:
                raise RegistryUnreachable(f"{registry} takes too long to name its advisories")
            advisories = advisories_of({name: packages[name] for name in names}, registry, web, left)
            for name, listed in sorted(advisories.items()):
                statements = [_statement(it) for it in listed if it.is_malware]
                if statements:
                    found[name] = tuple(statements)
    return found


def advisories_of(
    versions: Mapping[str, list[str]], registry: str, web: Web, seconds: float
) -> Mapping[str, list[Advisory]]:
    """Every advisory that *registry* (a base URL) has on these packages: name to versions, in one call.

    Raises:
        RegistryError: as :func:`ask_registries`.
    """
    answer = web.post(f"{registry}{PATH}", msgspec.json.encode(versions), limit=_CALL_BYTES, seconds=seconds)
    try:
        advisories = _decoder.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryProtocolError(
            f"{registry}{PATH} answers in no format of advisories: {one_line(str(error), 120)}"
        ) from None
    return {name: advisories[name] for name in sorted(versions.keys() & advisories.keys())}


def _statement(advisory: Advisory) -> Statement:
    known = _ADVISORY.fullmatch(advisory.url)
    try:
        bounds = parse_range(advisory.vulnerable_versions)
    except ValueError as error:
        raise RegistryProtocolError(f"an advisory of malware has versions that {error}") from None
    record = Record(
        id=known[1] if known is not None else "GHSA",
        source=Source.GITHUB,
        date="",
        summary=one_line(advisory.title),
        url=known[0] if known is not None else "",
    )
    return Statement(record, bounds)


def parse_range(text: str) -> Bounds:
    """Read the versions of an advisory: comparators side by side, alternatives parted by ``||``.

    These are npm's ranges without carets, tildes and hyphens, which advisories do not use; a pre-release lies
    inside a range by its place in the order alone.

    Raises:
        ValueError: it is no such range.
    """
    if len(text) > _RANGE_LENGTH:
        raise ValueError("are too long")
    listed: list[str] = []
    ranges: list[list[Event]] = []
    for alternative in text.split("||"):
        events = _events(alternative.replace(",", " ").strip())
        if len(events) == 1 and events[0][0] == "=":
            listed.append(events[0][1])
        elif any(kind == "=" for kind, _ in events):
            raise ValueError(f"cannot be read: {one_line(text, 80)!r}")
        else:
            lower = any(kind in {"introduced", "after"} for kind, _ in events)
            ranges.append(events if lower else [("introduced", "0"), *events])
    try:
        return Bounds.of(listed, ranges)
    except ValueError:
        raise ValueError(f"cannot be read: {one_line(text, 80)!r}") from None


def _events(text: str) -> list[Event]:
    events: list[Event] = []
    position = 0
    while position < len(text):
        found = _COMPARATOR.match(text, position)
        if found is None:
            raise ValueError(f"cannot be read: {one_line(text, 80)!r}")
        operator, version = found[1], found[2]
        if version == "*":
            events.append(("introduced", "0"))
        elif operator in _KINDS:
            beginning = operator == ">=" and version in {"0", "0.0.0"}
            events.append((_KINDS[operator], "0" if beginning else version))
        else:
            events.append(("=", version))
        position = found.end()
        while position < len(text) and text[position].isspace():
            position += 1
    return events
