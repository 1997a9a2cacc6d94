"""Whether an entry of the lock downloads the package that it says it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npmguard.model import Confidence, Finding, Severity

if TYPE_CHECKING:
    from npmguard.audit.context import AuditContext

RULE = "lock-entry-names-another-package"


def audit(context: AuditContext) -> tuple[Finding, ...]:
    """A finding where the lock's download address names another package or version than the entry.

    npm downloads what the address says and holds it against the lock's own hash, so that a changed lock can
    install anything under a trusted name. An alias is no such case: its entry says the real name.
    """
    locked = context.locked
    if locked.resolved_name is None and locked.resolved_version is None:
        return ()
    fetched = f"{locked.resolved_name or locked.name}@{locked.resolved_version or locked.version}"
    return (
        Finding(
            rule=RULE,
            severity=Severity.HIGH,
            confidence=Confidence.HIGH,
            message=(
                f"The lock's entry is {locked.name}@{locked.version}, and the address to download it from"
                f" names {fetched}."
            ),
            remediation=(
                "Look at who changed the lockfile and when; restore the entry from version control, or delete"
                " it and run npm install to have npm resolve it anew."
            ),
        ),
    )
