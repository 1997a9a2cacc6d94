"""Whether the account that published a release is one that the package knows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from npmguard.audit.note import day, listed, note, short
from npmguard.model import Severity

if TYPE_CHECKING:
    from npmguard.audit.release_history import ReleaseHistory
    from npmguard.model import Finding

NEW_PUBLISHER = "publisher-never-seen"
ADDRESS_CHANGED = "publisher-address-changed"
MAINTAINER_ADDED = "maintainer-added-before-release"
MAINTAINERS_REPLACED = "maintainers-replaced"

_KNOWN = 3  # earlier releases whose publisher must be known
_LOOKED_BACK = 200  # earlier releases
_SHORTLY = timedelta(days=30)


def signals(history: ReleaseHistory) -> tuple[Finding, ...]:
    """Notes on a publisher whom no earlier release had, or whose address changed, and on new maintainers.

    A maintainer of the time before who publishes for the first time is no news, and neither is the first
    release by a build service.
    """
    return (*_publisher(history), *_address(history), *_maintainers(history))


def _publisher(history: ReleaseHistory) -> tuple[Finding, ...]:
    release, baseline = history.release, history.baseline
    publisher = release.publisher
    if publisher is None or baseline is None or release.trusted_publisher is not None:
        return ()
    if baseline.publisher in {None, publisher}:
        return ()
    known = [it.publisher for it in history.releases(history.earlier) if it.publisher is not None]
    if len(known) < _KNOWN or publisher in known or publisher in _accounts_before(history):
        return ()
    others = list(dict.fromkeys(known))
    return (
        note(
            NEW_PUBLISHER,
            f"The account {short(publisher)}, which published it, published no earlier release of this package,"
            " and was not among its maintainers.",
            f"{len(known)} earlier releases were published by {listed(others)}",
            severity=Severity.MEDIUM,
        ),
    )


def _address(history: ReleaseHistory) -> tuple[Finding, ...]:
    """Who takes over an account changes its address first; the registry keeps that of each publication."""
    release = history.release
    publisher, now = release.publisher, release.publisher_email
    if publisher is None or now is None or release.trusted_publisher is not None:
        return ()
    baseline = history.baseline
    if baseline is not None and (baseline.publisher, baseline.publisher_email) == (publisher, now):
        return ()
    own = [it for it in history.releases(history.earlier[:_LOOKED_BACK]) if it.publisher == publisher]
    before = next((it for it in own if it.publisher_email is not None), None)
    if before is None or any(it.publisher_email == now for it in own):
        return ()
    return (
        note(
            ADDRESS_CHANGED,
            f"The account {short(publisher)}, which published it, had another e-mail address when it published"
            f" {short(before.manifest.version)}.",
            f"from {_provider(before.publisher_email or '')} to {_provider(now)}",
            severity=Severity.MEDIUM,
        ),
    )


def _provider(address: str) -> str:
    """The address without the part that names a person."""
    return short(f"...@{address.rpartition('@')[2]}")


def _maintainers(history: ReleaseHistory) -> tuple[Finding, ...]:
    if history.release.publisher is None:
        return ()  # a registry that knows no accounts: the list may be what an author wrote
    maintainers = history.packument.maintainers
    now = maintainers.get(history.version, ()) if maintainers else ()
    last = next((it for it in history.earlier if maintainers.get(it)), None) if now else None
    if last is None:
        return ()
    before = maintainers[last]
    added = [it for it in now if it not in before]
    found: list[Finding] = []
    if added and not set(before) & set(now):
        found.append(
            note(
                MAINTAINERS_REPLACED,
                "None of the accounts that might publish the package before may do so any more.",
                f"with {last}: {listed(before)}",
                f"with this version: {listed(now)}",
                severity=Severity.MEDIUM,
            )
        )
    published, previous = history.published, history.packument.times.get(last)
    if (
        history.release.publisher in added
        and published is not None
        and previous is not None
        and history.tells_time
        and published - previous <= _SHORTLY
    ):
        found.append(
            note(
                MAINTAINER_ADDED,
                f"Its publisher, {short(history.release.publisher or '')}, became a maintainer of the package"
                f" after {last} came on {day(previous)}, and published this version on {day(published)}.",
                f"with {last}: {listed(before)}",
                severity=Severity.MEDIUM,
            )
        )
    return tuple(found)


def _accounts_before(history: ReleaseHistory) -> frozenset[str]:
    """Who might publish when the newest release that is no longer young came."""
    maintainers = history.packument.maintainers
    return frozenset(next((maintainers[it] for it in history.settled if maintainers.get(it)), ()))
