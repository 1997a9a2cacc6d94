"""Every rule id that an audit can raise, for reports and the page of rules."""

from __future__ import annotations

from typing import Final

from npmguard.audit import known_malware, lookalike, provenance, shadowed_command, signature
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
        shadowed_command.RULE,
        "It takes the place of a well-known command",
        "The package brings a command of the name of one that everybody relies on (node, npm, git, ssh, sudo,"
        " curl …), which the package's own name does not say. npm puts the commands of packages before those of"
        " the system in the PATH of every script. It weighs more where the version before did not bring it.",
        shadowed_command.REMEDIATION,
        Severity.CRITICAL,
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

_NAME_RULES: Final = (
    AuditRule(
        lookalike.NOTE,
        "A young package's name is like a popular one's",
        "The package first came within half a year, has few releases, and its name differs from that of a much"
        " downloaded package by a letter, a separator, the order of words, or a word that says nothing. Many"
        " honest packages are called so; the note is for those who wonder how it came into the tree.",
        lookalike.REMEDIATION,
        Severity.MEDIUM,
    ),
    AuditRule(
        lookalike.RUNS_SCRIPT,
        "A young package with a popular one's name runs a script",
        "The package first came within half a year, has few releases, a reader would take its name for that of"
        " a much downloaded package of other people, and npm runs a script of it at installation.",
        lookalike.REMEDIATION,
        Severity.HIGH,
    ),
    AuditRule(
        lookalike.HOSTILE_CODE,
        "Hostile code under a name that passes for a popular one",
        "The package first came within half a year, a reader would take its name for that of a much downloaded"
        " package of other people, and a rule found critical behaviour in its code. What an honest package"
        " might hold by trade was meant here.",
        lookalike.REMEDIATION,
        Severity.CRITICAL,
    ),
)

EVERY_RULE: Final[tuple[AuditRule, ...]] = (*AUDIT_RULES, *TRUST_RULES, *_EVIDENCE_RULES, *_NAME_RULES)


def described() -> tuple[tuple[str, str, str], ...]:
    """Each rule as the page of rules takes it: id, title, description."""
    return tuple((rule.id, rule.title, rule.description) for rule in EVERY_RULE)
