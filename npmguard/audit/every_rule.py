"""Every rule id that an audit can raise, for reports and the page of rules."""

from __future__ import annotations

from typing import Final

from npmguard.audit import known_malware, provenance, signature
from npmguard.audit.catalogue import AUDIT_RULES, AuditRule
from npmguard.audit.trust_rules import TRUST_RULES
from npmguard.detect import indicators
from npmguard.model import Severity

_EVIDENCE_RULES: Final = (
    AuditRule(
        known_malware.RULE,
        "The version is known malware",
        "A public record (OSV, a GitHub advisory, or the list of campaigns that comes with npmguard) names this"
        " version or these bytes as malware.",
        known_malware.REMEDIATION,
        Severity.CRITICAL,
    ),
    AuditRule(
        known_malware.OVERRULED_RULE,
        "A record of malware is overruled",
        "A public record names this version as malware, and feed.accept of npmguard.toml calls it wrong.",
        known_malware.OVERRULED_REMEDIATION,
        Severity.LOW,
    ),
    AuditRule(
        indicators.RULE,
        "It holds something that is known from an attack",
        "A domain, URL, address, wallet, file hash or package that the given file of indicators names is in"
        " this version: in the clear, in a string that its code puts together, or as the hash of a file.",
        indicators.REMEDIATION,
        Severity.CRITICAL,
    ),
    AuditRule(
        "too-young",
        "The release is younger than the settings ask for",
        "The settings, or --min-age, hold releases until others have had time to find what is wrong with them.",
        "Install an older version until then, or name the package in cooldown.except of npmguard.toml.",
        Severity.HIGH,
    ),
    AuditRule(
        signature.INVALID,
        "The registry's signature does not hold",
        "Name, version or integrity are not what the registry signed: its record was changed after that.",
        "Do not install it. Compare with another registry or mirror, and tell this one.",
        Severity.CRITICAL,
    ),
    AuditRule(
        signature.MISSING,
        "The registry signed other versions, not this one",
        "The registry publishes signing keys and has signed other versions of the package.",
        "Compare its integrity with that of another registry or mirror.",
        Severity.MEDIUM,
    ),
    AuditRule(
        signature.EXPIRED,
        "The signing key had expired",
        "The signature holds, by a key that had ended when the version was published.",
        "Compare its integrity with that of another registry or mirror.",
        Severity.MEDIUM,
    ),
    AuditRule(
        provenance.INVALID,
        "The attestation of origin does not hold",
        "The attestations that the registry hands out contradict the tarball, their signatures or the log.",
        "Do not install it. Compare with another registry or mirror, and tell this one.",
        Severity.CRITICAL,
    ),
    AuditRule(
        provenance.MISMATCH,
        "It was built from another repository than it names",
        "The attestation of origin holds, and names another repository than the manifest does.",
        "Look at whether the project has moved, or whether somebody else built it.",
        Severity.MEDIUM,
    ),
)

EVERY_RULE: Final[tuple[AuditRule, ...]] = (*AUDIT_RULES, *TRUST_RULES, *_EVIDENCE_RULES)


def described() -> tuple[tuple[str, str, str], ...]:
    """Each rule as the page of rules takes it: id, title, description."""
    return tuple((rule.id, rule.title, rule.description) for rule in EVERY_RULE)
