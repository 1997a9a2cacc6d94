"""What the findings mean that audits raise, as rule files say it of those that code rules raise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from npmguard.audit import lock_entry
from npmguard.model import Severity


@dataclass(frozen=True, slots=True)
class AuditRule:
    """One rule id of an audit; ``severity`` is the worst that it is raised with."""

    id: str
    title: str
    description: str
    remediation: str
    severity: Severity


_REPORT = "report the package to the registry"

#: Every rule that an audit can raise, by id.
AUDIT_RULES: Final[tuple[AuditRule, ...]] = (
    AuditRule(
        "integrity-mismatch",
        "The bytes are not those that were promised",
        "The downloaded tarball's hash is not the one that the lockfile or the registry states, or the two"
        " state different ones. Somebody between the publisher and this machine changed the package, the"
        " lockfile or the registry's record of it.",
        "Do not install it. Find out which side changed: compare the lockfile with its history, and download"
        " the tarball from the registry itself, not from a mirror.",
        Severity.CRITICAL,
    ),
    AuditRule(
        "integrity-missing",
        "No hash is stated",
        "The lockfile holds no integrity for this package, so npm installs whatever the registry serves.",
        "Run npm install with a current npm and commit the lockfile that it writes.",
        Severity.MEDIUM,
    ),
    AuditRule(
        "integrity-weak",
        "Only a weak hash is stated",
        "The only hash to hold the bytes against is SHA-1 or MD5, for which two files of one hash can be made.",
        "Remove the entry's integrity from the lockfile and run npm install with a current npm: where the"
        " registry has a SHA-512, it is written.",
        Severity.MEDIUM,
    ),
    AuditRule(
        "integrity-unverifiable",
        "The stated hash cannot be computed",
        "An integrity is stated in an algorithm or an encoding that npmguard does not compute, so nothing is"
        " proven by it.",
        "Remove the entry's integrity from the lockfile and run npm install to have npm write a SHA-512.",
        Severity.MEDIUM,
    ),
    AuditRule(
        "tarball-size-mismatch",
        "The tarball holds more or less than the registry says",
        "The number of files or of unpacked bytes is not what the registry states, and no strong hash of the"
        " registry proves the bytes.",
        "Compare with a tarball fetched from the registry itself.",
        Severity.MEDIUM,
    ),
    AuditRule(
        "tarball-duplicate-entry",
        "One path holds two files",
        "The tarball holds the same path more than once, or a package.json, .gyp or shell file twice under"
        " names that are one on macOS and Windows. npm keeps the last; a reviewer or another tool may be shown"
        " the first. npm's own packing never does this.",
        f"Look at both files. Where the bytes differ, do not install it, and {_REPORT}.",
        Severity.HIGH,
    ),
    AuditRule(
        "tarball-ambiguous",
        "The tarball can be read in two ways",
        "The archive holds damaged headers, entries behind its end, or data behind the compressed stream. Tools"
        " disagree about what such an archive holds, which is a way to show reviewers one content and to"
        " install another.",
        f"Do not install it before somebody has looked at the raw archive; {_REPORT}.",
        Severity.HIGH,
    ),
    AuditRule(
        "tarball-unsafe-path",
        "A path leads out of the package or is another file elsewhere",
        "The tarball holds a path that is absolute, climbs with .., or that Windows or a file system without"
        " case takes for another file. npm drops or mends such paths; not every tool does.",
        f"Look at the paths. Where one leads out of the package, do not install it, and {_REPORT}.",
        Severity.HIGH,
    ),
    AuditRule(
        "tarball-special-entry",
        "The tarball holds links or devices",
        "The tarball holds links, devices or other entries that are no files. npm drops them all.",
        "Nothing is installed of them; ask the publisher why they are there.",
        Severity.MEDIUM,
    ),
    AuditRule(
        "manifest-confusion",
        "The registry shows another manifest than the tarball ships",
        "What the registry tells of this version (name, version, install scripts, dependencies, commands) is"
        " not what the package.json in its tarball says. Both decide what an installation does, and reviewers"
        " and most tools see only the registry's.",
        "Review the package.json inside the tarball: npm pack NAME@VERSION, then tar -xzf.",
        Severity.HIGH,
    ),
    AuditRule(
        "install-script-added",
        "A version runs something at install time that the one before did not",
        "An install script (preinstall, install, postinstall, or the build that a .gyp file causes) is new or"
        " changed against the baseline. Most are honest; it is also how most malicious versions start.",
        "Read the script and the file that it runs, or install with --ignore-scripts.",
        Severity.MEDIUM,
    ),
    AuditRule(
        "install-script-downloads",
        "An install script does harm by itself, or fetches something",
        "The text of an install script, a shell file of the package that one runs, or a command in a .gyp file"
        " fetches something from the network and runs it, decodes and runs it, sends data of the machine away,"
        " deletes what is not its own, shuts the machine down, or has something started again later (a shell's"
        " profile, a crontab, a service).",
        "Do not install it, or only with --ignore-scripts, until somebody has read what it fetches.",
        Severity.CRITICAL,
    ),
    AuditRule(
        lock_entry.RULE,
        "The lock's download address is another package's",
        "The address in the lock from which npm downloads this entry names another package or another version"
        " than the entry does, so that something else is installed under a trusted name.",
        "Look at who changed the lockfile and when; restore the entry from version control, or delete it and"
        " run npm install to have npm resolve it anew.",
        Severity.HIGH,
    ),
)

RULES_BY_ID: Final[Mapping[str, AuditRule]] = MappingProxyType({rule.id: rule for rule in AUDIT_RULES})


def remediation_of(rule: str) -> str:
    """What to do about a finding of that rule."""
    return RULES_BY_ID[rule].remediation
