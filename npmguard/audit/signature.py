"""Whether the registry's signature of a version speaks against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from npmguard.errors import RegistryProtocolError
from npmguard.integrity.signature import SignatureOutcome, SignatureResult
from npmguard.model import Confidence, Finding, Severity

if TYPE_CHECKING:
    from npmguard.model import Packument

INVALID: Final = "registry-signature-invalid"
MISSING: Final = "registry-signature-missing"
EXPIRED: Final = "registry-signature-key-expired"
_LOOKED_AT = 20


def audit_signature(
    name: str, version: str, result: SignatureResult, packument: Packument | None
) -> tuple[Finding, ...]:
    """What a signature's outcome says of the version.

    A signature that does not hold means that name, version or integrity are not what the registry signed. A
    missing one is told only where the registry has signed other versions of the package: a mirror that hands
    on another registry's keys holds packages of its own as well, which nobody signs. What could not be judged
    or asked says nothing.
    """
    if result.outcome is SignatureOutcome.INVALID:
        return (
            Finding(
                rule=INVALID,
                severity=Severity.CRITICAL,
                confidence=Confidence.HIGH,
                message=f"The registry's signature of {name}@{version} is invalid: {result.detail}.",
                remediation=(
                    "Do not install it. What this registry says of the version was changed after it was signed."
                    " Compare with another registry or mirror, and tell this one."
                ),
            ),
        )
    if result.outcome is SignatureOutcome.MISSING and packument is not None and _signs(packument, version):
        return (
            Finding(
                rule=MISSING,
                severity=Severity.MEDIUM,
                confidence=Confidence.MEDIUM,
                message=(
                    f"The registry has signed other versions of {name} and not {version}, though it publishes"
                    " signing keys."
                ),
                remediation="Compare its integrity with that of another registry or mirror.",
            ),
        )
    if result.expired:
        return (
            Finding(
                rule=EXPIRED,
                severity=Severity.MEDIUM,
                confidence=Confidence.LOW,
                message=f"{name}@{version} is {result.detail}.",
                remediation=(
                    "Look at the version's publish time on the public registry. Mirrors that write times of"
                    " their own cause this; a registry that signs with a key it has given up is suspect."
                ),
            ),
        )
    return ()


def _signs(packument: Packument, version: str) -> bool:
    """Whether the registry has signed any of the versions next to this one, the newest first."""
    others = [other for other in packument.releases if other != version]
    for other in reversed(others[-_LOOKED_AT:]):
        try:
            if packument.releases[other].dist.signatures:
                return True
        except RegistryProtocolError:
            continue  # a misshapen release says nothing of the others
    return False
