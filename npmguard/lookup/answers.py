"""What questions about domains are answered with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Resolver(Protocol):
    """Asks the DNS. Raises :class:`npmguard.lookup.dns.DnsUnreachable` where no answer comes."""

    def lookup(self, name: str, kind: str) -> tuple[tuple[bytes, ...] | str | tuple[int, str], ...]:
        """The records of *kind* (TXT, A, AAAA, MX, NS, PTR); empty where there are none."""


@dataclass(frozen=True, slots=True)
class DomainAge:
    """What RDAP says of a registered domain; ``registered`` is aware; without it ``problem`` says why.

    ``unregistered`` is where the registry knows no such domain; ``expires`` is the end of the registration.
    """

    domain: str
    registered: datetime | None
    problem: str = ""
    unregistered: bool = False
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class DomainState:
    """What is known of the domain of a mail address.

    ``gone`` says why nobody holds it (any more), in half a sentence; ``registered`` since when somebody does.
    ``problem`` is why neither is known.
    """

    domain: str
    registered: datetime | None = None
    gone: str = ""
    problem: str = ""
