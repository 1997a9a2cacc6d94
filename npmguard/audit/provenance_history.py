"""Whether earlier releases said where they were built and this one does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npmguard.audit.note import listed, note
from npmguard.model import Severity

if TYPE_CHECKING:
    from npmguard.audit.release_history import ReleaseHistory
    from npmguard.model import Finding, Release

PROVENANCE_LOST = "provenance-lost"
TRUSTED_PUBLISHING_LOST = "trusted-publishing-lost"

_IN_A_ROW = 3


def signals(history: ReleaseHistory) -> tuple[Finding, ...]:
    """A note for provenance, and one for trusted publishing, that the release lacks and its forerunners had.

    The last three releases of its line that had been out for 7 days must all have had it: one trial of a build
    service is no habit, and a line that never had it has lost nothing. The registry's word is taken for what
    earlier releases carried; whether an attestation holds is another audit's question.
    """
    release, baseline = history.release, history.baseline
    if baseline is None:
        return ()
    found: list[Finding] = []
    if _has_provenance(baseline) and not _has_provenance(release):
        before = _all(history, _has_provenance)
        if before:
            found.append(
                note(
                    PROVENANCE_LOST,
                    "The releases before it carry provenance, a signed statement of where they were built;"
                    " this one carries none.",
                    f"provenance: {listed(before)}",
                    _published_by(release),
                    severity=Severity.MEDIUM,
                )
            )
    if _is_trusted(baseline) and not _is_trusted(release) and _by_an_account_alone(release):
        before = _all(history, _is_trusted)
        if before:
            found.append(
                note(
                    TRUSTED_PUBLISHING_LOST,
                    "The releases before it were published by a build service that npm trusts to do so;"
                    " this one was published with an account's own credentials.",
                    f"trusted publishing: {listed(before)}",
                    _published_by(release),
                    severity=Severity.MEDIUM,
                )
            )
    return tuple(found)


def _all(history: ReleaseHistory, has: _Has) -> list[str]:
    """The last releases, if there are enough and each has it."""
    last = list(history.releases(history.settled[:_IN_A_ROW]))
    return [it.manifest.version for it in last] if len(last) == _IN_A_ROW and all(map(has, last)) else []


def _has_provenance(release: Release) -> bool:
    return release.dist.attestations is not None


def _is_trusted(release: Release) -> bool:
    return release.trusted_publisher is not None


def _by_an_account_alone(release: Release) -> bool:
    """Whether an account published it, and nobody had to approve it with a second factor."""
    return release.publisher is not None and release.approver is None


def _published_by(release: Release) -> str:
    return f"this one was published by {release.publisher or 'an account that the registry does not name'}"


if TYPE_CHECKING:
    from collections.abc import Callable

    _Has = Callable[[Release], bool]
