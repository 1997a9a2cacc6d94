"""Which known vulnerabilities of an earlier version a release no longer has.

Two sources are asked about one package: the registry's advisories, at the endpoint that ``npm audit`` uses, and
OSV (``POST query``, https://google.github.io/osv.dev/post-v1-query/), whose records have the versions that
corrected something. Records of malware are no vulnerabilities and are left out.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from npmguard.errors import RegistryError, RegistryProtocolError, RegistryUnreachable
from npmguard.intel.advisories import Advisory, advisories_of, parse_range
from npmguard.intel.malware import Bounds, one_line
from npmguard.intel.osv import ECOSYSTEM, RECORD_ID, parse_record
from npmguard.intel.web import Web

_BYTES: Final = 16 * 1024**2
_MAX_PAGES = 20
_TOKEN_LENGTH = 8192
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,63}", re.ASCII)
_GHSA = re.compile(r"GHSA(?:-[a-z0-9]{4}){3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fixes:
    """The ids of what is fixed, sorted, and why sources could not be asked, a line each."""

    ids: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class _Answer(msgspec.Struct):
    vulns: list[msgspec.Raw] | None = None
    next_page_token: str | None = None


_decoder = msgspec.json.Decoder(_Answer)


class FixFinder:
    """Asks about one package at a time; may be shared by threads.

    A source that could not be reached is not asked again: *seconds* are lost to it once, not for each package.
    """

    def __init__(self, web: Web, seconds: float) -> None:
        """*web* is how to ask, *seconds* how long both sources together may take about one package."""
        self._web = web
        self._seconds = seconds
        self._silent: dict[str, str] = {}

    def find(self, name: str, earlier: str, version: str, *, registry: str, api: str) -> Fixes:
        """The advisories that hold for *earlier* and not for *version* of the package *name*.

        Args:
            name: the package.
            earlier: a version that came before.
            version: the release.
            registry: the base URL of the registry that the package comes from.
            api: the base URL of OSV's API; empty where the name is no business of OSV's.

        Never raises for what a source does: that is in :attr:`Fixes.problems`.
        """
        end = time.monotonic() + self._seconds
        sources = {registry: _of_registry(name, earlier, version, registry, self._web, end)}
        if api:
            sources[api] = _of_osv(name, earlier, api, self._web, end)
        found: set[str] = set()
        problems: list[str] = []
        for url, answers in sources.items():
            if url in self._silent:
                problems.append(self._silent[url])
                continue
            try:
                for id_, bounds in answers:
                    if bounds.covers(earlier) and not bounds.covers(version):
                        found.add(id_)
            except RegistryError as error:
                problems.append(str(error))
                if isinstance(error, RegistryUnreachable):
                    self._silent[url] = str(error)
        return Fixes(tuple(sorted(found)), tuple(problems))


def _of_registry(
    name: str, earlier: str, version: str, registry: str, web: Web, end: float
) -> Iterator[tuple[str, Bounds]]:
    found = advisories_of({name: [earlier, version]}, registry, web, _left(end, registry))
    for advisory in found.get(name, ()):
        if advisory.is_malware:
            continue
        try:
            yield _id(advisory), parse_range(advisory.vulnerable_versions)
        except ValueError:
            continue  # what cannot be read fixes nothing


def _id(advisory: Advisory) -> str:
    known = _GHSA.search(advisory.url)
    return known[0] if known is not None else one_line(advisory.title, 80) or "an advisory"


def _of_osv(name: str, earlier: str, api: str, web: Web, end: float) -> Iterator[tuple[str, Bounds]]:
    url = f"{api.rstrip('/')}/query"
    token = None
    for _ in range(_MAX_PAGES):
        question = {"package": {"name": name, "ecosystem": ECOSYSTEM}, "version": earlier}
        body = msgspec.json.encode({**question, **({"page_token": token} if token else {})})
        answer = web.post(url, body, limit=_BYTES, seconds=_left(end, url))
        try:
            page = _decoder.decode(answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryProtocolError(
                f"{url} answers in no format of OSV: {one_line(str(error), 120)}"
            ) from None
        for document in page.vulns or []:
            try:
                record = parse_record(bytes(document), _ID)
            except ValueError:
                continue  # what cannot be read fixes nothing
            bounds = record.packages.get(name)
            if bounds is not None and not RECORD_ID.fullmatch(record.record.id):
                yield record.record.id, bounds
        token = page.next_page_token
        if not token:
            return
        if len(token) > _TOKEN_LENGTH:
            break
    raise RegistryProtocolError(f"{url} has no end of pages")


def _left(end: float, url: str) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise RegistryUnreachable(f"{url} takes too long")
    return left
