"""Whether the domains of mail addresses are still held by somebody, and since when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from npmguard.errors import UsageError
from npmguard.lookup.answers import DomainAge, DomainState, Resolver
from npmguard.lookup.dns import DnsUnreachable

if TYPE_CHECKING:
    from tldextract import TLDExtract

SECONDS: Final = 60.0
"""How long all questions of one run may take together."""


class MailDomains:
    """Asks about domains, each once; may be used by many threads.

    Args:
        age: what RDAP says of a registered domain.
        resolver: the DNS.
        now: the time that registrations are held against (aware).
        seconds: after so long, nothing further is asked.
    """

    def __init__(
        self,
        age: Callable[[str], DomainAge],
        resolver: Resolver,
        now: datetime,
        seconds: float = SECONDS,
    ) -> None:
        self._age = age
        self._resolver = resolver
        self._now = now
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._known: dict[str, DomainState] = {}

    def of(self, address: str) -> DomainState:
        """The state of the registered domain of a mail *address*; never raises."""
        domain = registered_domain(address.rpartition("@")[2])
        with self._lock:
            lock = self._locks.setdefault(domain, threading.Lock())
        with lock:
            if domain not in self._known:
                late = time.monotonic() > self._end
                self._known[domain] = (
                    DomainState(domain, problem="there was no time left to ask") if late else self._ask(domain)
                )
            return self._known[domain]

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be asked, in at most one line."""
        open_ = sorted((it.domain, it.problem) for it in self._known.values() if it.problem)
        if not open_:
            return ()
        more = f", and {len(open_) - 1} more" if len(open_) > 1 else ""
        return (f"maintainers' domains: {open_[0][0]} could not be asked about: {open_[0][1]}{more}",)

    def _ask(self, domain: str) -> DomainState:
        answer = self._age(domain)
        if answer.expires is not None and answer.expires < self._now:
            return DomainState(
                domain, answer.registered, gone=f"its registration ended on {answer.expires:%Y-%m-%d}"
            )
        if answer.registered is not None:
            return DomainState(domain, answer.registered)
        if not answer.unregistered:
            return DomainState(domain, problem=answer.problem)
        try:  # a registry may not know a name that the DNS has: then nothing is known
            served = any(self._resolver.lookup(domain, kind) for kind in ("NS", "MX", "A", "AAAA"))
        except DnsUnreachable as error:
            return DomainState(domain, problem=str(error))
        if served:
            return DomainState(domain, problem="RDAP knows no such domain, and the DNS does")
        return DomainState(domain, gone="it is not registered")


def registered_domain(host: str) -> str:
    """The part of *host* that somebody registers, by the public-suffix list that tldextract ships."""
    host = host.lower().rstrip(".")
    found = _extractor()(host)
    if found.suffix:
        return f"{found.domain}.{found.suffix}" if found.domain else host
    return ".".join(host.split(".")[-2:])  # the list's prevailing rule, *, which tldextract leaves out


@lru_cache(maxsize=1)
def _extractor() -> TLDExtract:
    try:
        from tldextract import TLDExtract  # noqa: PLC0415 - loads the public-suffix list
    except ImportError:
        raise UsageError("--check-domains lacks libraries; run: pip install 'npmguard[mail]'") from None
    return TLDExtract(suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True)
