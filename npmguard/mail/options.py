"""What a user can tell the judgement of a message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from npmguard.config import Limits
from npmguard.lookup.answers import DomainAge, Resolver
from npmguard.model import Indicator


@dataclass(frozen=True, slots=True)
class MailOptions:
    """Settings of one run.

    ``own_domains`` are the reader's. ``authserv_ids`` name the servers whose Authentication-Results are
    believed. ``client_ip``, ``helo`` and ``mail_from`` describe the SMTP session, where a mail server pipes.
    ``resolver`` and ``age`` are None offline; ``now`` is what an age is counted from.
    """

    own_domains: frozenset[str] = frozenset()
    authserv_ids: frozenset[str] = frozenset()
    client_ip: str | None = None
    helo: str | None = None
    mail_from: str | None = None
    indicators: tuple[Indicator, ...] = ()
    limits: Limits = field(default_factory=Limits)
    resolver: Resolver | None = None
    age: Callable[[str], DomainAge] | None = None
    now: datetime | None = None
