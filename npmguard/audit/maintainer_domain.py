"""Whether somebody else may hold the mail domain of an account that may publish a package."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from npmguard.audit.note import day, note, short, span
from npmguard.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from npmguard.lookup.answers import DomainState
    from npmguard.model import Finding, Packument, Release

EXPIRED: Final = "maintainer-domain-expired"
NEW: Final = "maintainer-domain-new"

_YOUNG = timedelta(days=90)


def signals(
    packument: Packument, release: Release, state_of: Callable[[str], DomainState], now: datetime
) -> tuple[Finding, ...]:
    """Notes on domains that nobody holds, and on those registered lately or after the account published here.

    Looked at are the publisher's address and those of the maintainers when *release* came. *state_of* is asked
    about each address once.
    """
    version = release.manifest.version
    addresses = set(packument.addresses.get(version, ()))
    if release.publisher_email is not None and release.trusted_publisher is None:
        addresses.add(release.publisher_email.lower())
    found: dict[tuple[str, str], Finding] = {}
    for address in sorted(addresses):
        if address.count("@") != 1:
            continue
        state = state_of(address)
        finding = _finding(state, _first_seen(packument, address), now)
        if finding is not None:
            found[finding.rule, state.domain] = finding
    return tuple(found.values())


def _finding(state: DomainState, seen: datetime | None, now: datetime) -> Finding | None:
    domain = short(state.domain)
    if state.gone:
        return note(
            EXPIRED,
            f"Nobody holds the mail domain {domain} of an account that may publish it: {state.gone}. Who"
            " registers it next can have the account's password reset.",
            severity=Severity.MEDIUM,
        )
    if state.registered is None:
        return None
    if seen is not None and state.registered > seen:
        return note(
            NEW,
            f"The mail domain {domain} of an account that may publish it was registered on"
            f" {day(state.registered)}, after the account was known here on {day(seen)}: somebody else may"
            " hold it now.",
            severity=Severity.MEDIUM,
        )
    if now - state.registered < _YOUNG:
        return note(
            NEW,
            f"The mail domain {domain} of an account that may publish it was registered"
            f" {span(now - state.registered)} ago.",
            severity=Severity.MEDIUM,
        )
    return None


def _first_seen(packument: Packument, address: str) -> datetime | None:
    """When the first version came that names the address; None where no time is known."""
    times = [
        packument.times[version]
        for version, listed in packument.addresses.items()
        if address in listed and version in packument.times
    ]
    return min(times, default=None)
