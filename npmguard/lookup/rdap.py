"""How old a domain is, by RDAP (RFC 9083) through IANA's bootstrap (RFC 9224), kept on disk."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from npmguard.config import Network
from npmguard.errors import NotInRegistry, RegistryError
from npmguard.lookup.answers import DomainAge
from npmguard.registry.npmrc import load_npm_config
from npmguard.registry.web import HttpWeb

BOOTSTRAP = "https://data.iana.org/rdap/dns.json"
_BOOTSTRAP_AGE = 7 * 86400
_ANSWER_AGE = 86400
_ANSWER_BYTES = 4 * 1024 * 1024
_DEADLINE = 15.0
_ACCEPT = "application/rdap+json, application/json"
_UNKNOWN = b"{}"  # what is kept where the registry knows no such domain
_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]{0,250}[a-z0-9]")


class _Event(msgspec.Struct):
    eventAction: str = ""  # noqa: N815 - RFC 9083's own spelling
    eventDate: str = ""  # noqa: N815


class _Domain(msgspec.Struct):
    events: list[_Event] = []


class _Bootstrap(msgspec.Struct):
    services: list[list[list[str]]] = []


class RdapUnanswered(Exception):  # noqa: N818 - told apart from errors of npmguard: it becomes DomainAge.problem
    """One question stayed without a usable answer."""


class RdapClient:
    """Asks when domains were registered; answers are kept in *folder* for a day, the bootstrap for a week.

    An unanswered question is a :class:`~npmguard.lookup.answers.DomainAge` with a ``problem``, never an error.
    Nothing that the bootstrap or a registry names leads into an internal network, but for the bootstrap's own
    host and port.

    Args:
        folder: where answers are kept; None to keep none.
        bootstrap: the URL of the list of registries.
        clock: the time, in seconds since the epoch.
        web: what asks; by default over the proxies and certificates that npm is configured with.
    """

    def __init__(
        self,
        folder: Path | None,
        bootstrap: str = BOOTSTRAP,
        clock: Callable[[], float] = time.time,
        web: HttpWeb | None = None,
    ) -> None:
        self._folder = folder
        self._bootstrap = bootstrap
        self._clock = clock
        self._web = web
        self._services: dict[str, str] | None = None
        self._known: dict[str, DomainAge] = {}
        self._unreachable = ""

    def __call__(self, domain: str) -> DomainAge:
        """The age of one registered domain in ASCII."""
        domain = domain.lower()
        if domain not in self._known:
            self._known[domain] = self._age(domain)
        return self._known[domain]

    @property
    def problems(self) -> tuple[str, ...]:
        """Why questions stayed unanswered, sorted."""
        return tuple(sorted({f"{age.domain}: {age.problem}" for age in self._known.values() if age.problem}))

    def _age(self, domain: str) -> DomainAge:
        if not _NAME.fullmatch(domain) or "." not in domain:
            return DomainAge(domain, None, "no name that a registry knows")
        try:
            base = self._service(domain)
            raw = self._get(f"{base.rstrip('/')}/domain/{domain}", _ANSWER_AGE)
            answer = msgspec.json.decode(raw, type=_Domain)
        except RdapUnanswered as error:
            return DomainAge(domain, None, str(error))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return DomainAge(domain, None, "the RDAP answer is not one")
        if raw == _UNKNOWN:
            return DomainAge(domain, None, "its registry knows no such domain", unregistered=True)
        expires = _date(answer, "expiration")
        registered = _date(answer, "registration")
        if registered is None:
            return DomainAge(domain, None, "the RDAP answer names no date of registration", expires=expires)
        return DomainAge(domain, registered, expires=expires)

    def _service(self, domain: str) -> str:
        """The base URL of the registry's RDAP server: the longest top-level name that the bootstrap lists."""
        if self._unreachable:
            raise RdapUnanswered(self._unreachable)
        if self._services is None:
            try:
                table = msgspec.json.decode(self._get(self._bootstrap, _BOOTSTRAP_AGE), type=_Bootstrap)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._unreachable = "IANA's RDAP bootstrap is not readable"
            except RdapUnanswered as error:
                self._unreachable = f"IANA's RDAP bootstrap: {error}"
            if self._unreachable:
                raise RdapUnanswered(self._unreachable)
            secure = urlsplit(self._bootstrap).scheme == "https"
            self._services = {
                name.lower(): url
                for service in table.services
                if len(service) >= 2
                for name in service[0]
                for url in service[1]
                if url.startswith("https://") or not secure
            }
        rest = domain
        while rest:
            rest = rest.partition(".")[2]
            if rest in self._services:
                return self._services[rest]
        raise RdapUnanswered(f"no RDAP server is known for .{domain.rpartition('.')[2]}")

    def _get(self, url: str, keep: float) -> bytes:
        path = self._folder / f"{sha256(url.encode()).hexdigest()}.json" if self._folder else None
        if path is not None:
            try:
                if self._clock() - path.stat().st_mtime < keep:
                    return path.read_bytes()
            except OSError:
                pass  # not kept: ask
        content = self._fetch(url)
        if path is not None:
            _keep(path, content)
        return content

    def _fetch(self, url: str) -> bytes:
        if self._web is None:
            self._web = HttpWeb(load_npm_config(Path(), os.environ), Network(), (self._bootstrap,))
        try:
            return self._web.get(url, limit=_ANSWER_BYTES, seconds=_DEADLINE, accept=_ACCEPT)
        except NotInRegistry:
            return _UNKNOWN
        except RegistryError as error:
            raise RdapUnanswered(str(error)) from error


def _date(answer: _Domain, action: str) -> datetime | None:
    """When that last happened, or is to happen."""
    for event in answer.events:
        if event.eventAction == action:
            try:
                when = datetime.fromisoformat(event.eventDate)
            except ValueError:
                return None
            return when if when.tzinfo else when.replace(tzinfo=UTC)
    return None


def _keep(path: Path, content: bytes) -> None:
    """Write *content* so that a reader sees all or nothing; without a writable cache, nothing is kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)  # noqa: PTH105 - file.name is a string
    except OSError:
        return
