"""What is told to type is what npm takes, and nothing from a package gets into a command unread."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from npmguard.model import (
    Confidence,
    Evidence,
    Finding,
    Fix,
    PackageReport,
    ScanReport,
    Severity,
    Verdict,
)
from npmguard.way_out import WayOut, if_it_ran, overrides_block, way_out

DIRECT = (("debug@4.4.2",),)
TRANSITIVE = (("express@4.21.2", "debug@4.4.2"),)


def flagged(
    name: str = "debug", version: str = "4.4.2", fix: str | None = "4.4.1", **fields: Any
) -> PackageReport:
    fields.setdefault("locations", (f"node_modules/{name}",))
    fields.setdefault("verdict", Verdict.MALICIOUS)
    return PackageReport(
        name=name, version=version, line=1, fix=Fix(fix, "the closest clean version"), **fields
    )


def report(*packages: PackageReport) -> ScanReport:
    return ScanReport("1", "r", "lockfile", "package-lock.json", packages)


def out(package: PackageReport) -> WayOut:
    found = way_out(package)
    assert found is not None
    return found


def test_a_clean_version_needs_no_way_out() -> None:
    assert way_out(flagged(verdict=Verdict.CLEAN)) is None
    assert way_out(flagged(verdict=Verdict.UNVERIFIED)) is None


def test_a_direct_dependency_is_installed_at_the_exact_version() -> None:
    way = out(flagged(paths=DIRECT))
    assert way.to == "4.4.1"
    assert way.commands == ("npm install --save-exact debug@4.4.1", "npm ls debug")
    assert way.overrides == {}


def test_a_dependency_of_dependencies_is_overridden() -> None:
    way = out(flagged(paths=TRANSITIVE, locations=("node_modules/express/node_modules/debug",)))
    assert way.overrides == {"debug@4.4.2": "4.4.1"}
    assert way.commands == ("npm install", "npm ls debug")
    assert "npm update would take the highest" in way.explanation


def test_a_dependency_of_both_kinds_gets_both_and_they_agree() -> None:
    way = out(flagged(paths=(*DIRECT, *TRANSITIVE)))
    assert way.commands == ("npm install --save-exact debug@4.4.1", "npm install", "npm ls debug")
    assert way.overrides == {"debug@4.4.2": "$debug"}


def test_a_scoped_name_is_quoted_for_powershell() -> None:
    way = out(flagged("@s/x", "1.0.1", "1.0.0", paths=(("@s/x@1.0.1",),)))
    assert way.commands[0] == 'npm install --save-exact "@s/x@1.0.0"'
    assert shlex.split(way.commands[0])[-1] == "@s/x@1.0.0"


def test_an_alias_keeps_its_name() -> None:
    direct = out(flagged(paths=DIRECT, locations=("node_modules/log",)))
    assert direct.commands[0] == "npm install --save-exact log@npm:debug@4.4.1"
    nested = out(flagged(paths=TRANSITIVE, locations=("node_modules/express/node_modules/log",)))
    assert nested.overrides == {"log@4.4.2": "npm:debug@4.4.1"}


def test_only_names_that_the_project_asks_for_are_installed() -> None:
    package = flagged(paths=DIRECT, locations=("node_modules/debug", "node_modules/log"))
    way = way_out(package, direct={"debug"})
    assert way is not None
    assert way.commands[0] == "npm install --save-exact debug@4.4.1"
    assert len(way.commands) == 2


def test_a_package_that_no_lock_holds_is_installed_by_name() -> None:
    assert out(flagged(locations=())).commands[0] == "npm install --save-exact debug@4.4.1"


def test_a_clean_version_outside_the_ranges_is_overridden_and_said_to_be_so() -> None:
    package = PackageReport(
        "debug", "4.4.2", ("node_modules/debug",), 1, Verdict.MALICIOUS,
        paths=TRANSITIVE, fix=Fix(None, "4.3.7 is clean, but express@4.21.2 asks for 4.4.2", outside="4.3.7"),
    )  # fmt: skip
    way = out(package)
    assert way.overrides == {"debug@4.4.2": "4.3.7"}
    assert "express@4.21.2 asks for 4.4.2" in way.explanation


def test_without_any_clean_version_nothing_is_told_to_type() -> None:
    way = out(flagged(fix=None, paths=DIRECT))
    assert (way.to, way.commands, way.overrides) == (None, (), {})
    assert "Take the package out" in way.explanation
    assert way.if_it_ran


HOSTILE = [
    "-g", "--registry=https://c2.example", "a b", "a;id", "$(id)", "`id`", "a\nb", "a|b", "../x", "~x", "@s/.x",
    "@s/-g/../x", "a'b", 'a"b', "\u202ea", "\u0430", "@a b/c", "", "a" * 215, "%PATH%", "a^b", "!!", ".",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_is_none_gets_into_no_command(name: str) -> None:
    way = out(flagged(name, paths=DIRECT))
    assert (way.to, way.commands, way.overrides) == (None, (), {})
    aliased = out(flagged(paths=(*DIRECT, *TRANSITIVE), locations=(f"node_modules/{name}",)))
    assert all(name not in it or not name for it in aliased.commands)
    assert aliased.overrides == {}


@pytest.mark.parametrize(
    "version", ["1", "latest", "1.0.0 && id", "1.0.0;id", "$(id)", "1.0.0\n", "^1.0.0", "v1.0.0", ""]
)
def test_a_version_that_is_none_gets_into_no_command(version: str) -> None:
    for way in (out(flagged(version=version, paths=DIRECT)), out(flagged(fix=version or "x", paths=DIRECT))):
        assert (way.to, way.commands, way.overrides) == (None, (), {})


# --- overrides ---


def test_the_block_holds_every_flagged_version_and_nothing_else() -> None:
    block = overrides_block(
        report(
            flagged("color", "5.0.1", "5.0.0", paths=(("a@1.0.0", "color@5.0.1"),)),
            flagged(
                "debug", "2.6.9", "2.6.8", paths=TRANSITIVE, locations=("node_modules/a/node_modules/debug",)
            ),
            flagged("debug", "4.4.2", "4.4.1", paths=TRANSITIVE),
            flagged("left", "1.0.0", "0.9.0", paths=(("left@1.0.0",),)),
            flagged("right", "1.0.0", verdict=Verdict.CLEAN, paths=TRANSITIVE),
        )
    )
    assert block.endswith("}\n")
    assert list(json.loads(block)["overrides"].items()) == [
        ("color@5.0.1", "5.0.0"),
        ("debug@4.4.2", "4.4.1"),
        ("debug@2.6.9", "2.6.8"),
    ]


def test_overrides_that_are_there_already_stay_behind_ours() -> None:
    existing = {"debug": "4.3.0", "debug@4.4.2": "4.4.2", "ms": {".": "2.1.3"}}
    block = json.loads(overrides_block(report(flagged(paths=TRANSITIVE)), existing))
    assert list(block["overrides"].items()) == [
        ("debug@4.4.2", "4.4.1"), ("debug", "4.3.0"), ("ms", {".": "2.1.3"}),
    ]  # fmt: skip


def test_nothing_flagged_is_an_empty_block() -> None:
    assert json.loads(overrides_block(report())) == {"overrides": {}}


def test_npm_itself_applies_the_block_to_the_flagged_version_alone(override_rule: Any) -> None:
    block = json.loads(
        overrides_block(
            report(
                flagged("debug", "2.6.9", "2.6.8", paths=TRANSITIVE),
                flagged(
                    "debug", "4.4.2", "4.4.1", paths=TRANSITIVE, locations=("node_modules/a/node_modules/log",)
                ),
            )
        )
    )["overrides"]
    assert override_rule(block, "debug", "2.6.9") == "2.6.8"
    assert override_rule(block, "debug", "^2.6.0") == "2.6.8"
    assert override_rule(block, "debug", "^3.0.0") is None
    assert override_rule(block, "debug", "^4.4.0") is None
    assert override_rule(block, "log", "npm:debug@^4.4.0") == "npm:debug@4.4.1"


@pytest.fixture
def override_rule() -> Any:
    """What npm's own override set makes of a requirement: the value that takes its place, or None."""
    import shutil
    import subprocess

    node, npm = shutil.which("node"), shutil.which("npm")
    assert node is not None
    assert npm is not None
    arborist = (
        Path(npm).resolve().parents[1] / "node_modules" / "@npmcli" / "arborist" / "lib" / "override-set.js"
    )
    script = (
        "const OverrideSet = require(process.argv[1]);"
        "const set = new OverrideSet({ overrides: JSON.parse(process.argv[2]) });"
        "const edge = { name: process.argv[3], spec: process.argv[4], rawSpec: process.argv[4] };"
        "const rule = set.getEdgeRule(edge);"
        "process.stdout.write(JSON.stringify(rule === set ? null : rule.value));"
    )

    def ask(block: dict[str, Any], name: str, spec: str) -> Any:
        arguments = [node, "-e", script, str(arborist), json.dumps(block), name, spec]
        done = subprocess.run(arguments, capture_output=True, check=True, timeout=60)
        return json.loads(done.stdout)

    return ask


# --- after the fact ---


def finding(rule: str, *evidence: tuple[str, str]) -> Finding:
    items = tuple(Evidence(signal, text, excerpt=text) for signal, text in evidence)
    return Finding(
        rule, Severity.CRITICAL, Confidence.HIGH, "It does it.", evidence=items, remediation="wallet"
    )


def advice(*findings: Finding, verdict: Verdict = Verdict.MALICIOUS) -> list[str]:
    told = if_it_ran(flagged(findings=findings, verdict=verdict))
    return [it.partition(":")[0].partition(" ")[0] for it in told]


def test_a_clipper_is_about_payments() -> None:
    told = advice(finding("address-swap-in-network-hook", ("hooks-wallet-provider", "window.ethereum.request")))
    assert told == ["Stop", "Wallets", "Build"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("readFileSync(home + '/.npmrc')", "npm"),
        ("process.env.NPM_TOKEN", "npm"),
        ("exec('gh auth token')", "GitHub"),
        ("~/.ssh/id_ed25519", "SSH"),
        ("http://169.254.169.254/latest/meta-data", "Clouds"),
        ("AWS_SECRET_ACCESS_KEY", "Clouds"),
        ("JSON.stringify(process.env)", "Environment"),
        ("Chrome/Default/Login Data", "Browsers"),
        ("~/.docker/config.json", "Containers"),
    ],
)
def test_what_the_code_reached_for_is_what_to_renew(text: str, kind: str) -> None:
    assert kind in advice(finding("reads-secrets", ("reads", text)))


def test_code_that_ran_at_installation_or_is_known_to_be_malware_could_do_everything() -> None:
    assert "Take" in advice(finding("install-script-downloads"))
    assert "Take" in advice(finding("known-malware"))
    assert "Take" in advice()


def test_a_suspicious_version_is_looked_at_first() -> None:
    assert advice(finding("x", ("y", "window.ethereum")), verdict=Verdict.SUSPICIOUS)[0] == "A"


def test_the_advice_of_a_rule_is_no_evidence() -> None:
    assert "Wallets" not in advice(finding("reads-secrets", ("reads", "~/.ssh/id_rsa")))


# --- other package managers ---


@pytest.mark.parametrize(
    ("manager", "commands"),
    [
        ("yarn-classic", ("yarn upgrade --exact debug@4.4.1", "yarn why debug")),
        ("yarn", ("yarn up --exact debug@4.4.1", "yarn why debug")),
        ("pnpm", ("pnpm add --save-exact debug@4.4.1", "pnpm why debug")),
        ("bun", ("bun add --exact debug@4.4.1", "bun why debug")),
    ],
)
def test_each_package_manager_has_its_own_command(manager: str, commands: tuple[str, ...]) -> None:
    way = way_out(flagged(paths=DIRECT, locations=("debug@4.4.2",)), ["debug"], manager)
    assert way is not None
    assert way.commands == commands


@pytest.mark.parametrize(
    ("manager", "block"),
    [
        ("yarn-classic", {"resolutions": {"debug": "4.4.1"}}),
        ("yarn", {"resolutions": {"debug": "4.4.1"}}),
        ("pnpm", {"pnpm": {"overrides": {"debug": "4.4.1"}}}),
        ("bun", {"overrides": {"debug": "4.4.1"}}),
    ],
)
def test_each_package_manager_has_its_own_overrides(manager: str, block: dict[str, Any]) -> None:
    package = flagged(paths=TRANSITIVE, locations=("debug@4.4.2",))
    assert json.loads(overrides_block(report(package), manager=manager)) == block
    way = way_out(package, (), manager)
    assert way is not None
    assert way.commands[0].endswith(" install")
    assert "every version of the package" in way.explanation


def test_an_alias_is_named_as_the_project_names_it() -> None:
    way = way_out(flagged(paths=DIRECT, locations=("debug@4.4.2",)), ["log", "--evil; x"], "pnpm")
    assert way is not None
    assert way.commands[0] == "pnpm add --save-exact log@npm:debug@4.4.1"
    assert len(way.commands) == 2


def test_an_sbom_has_no_command() -> None:
    way = way_out(flagged(paths=DIRECT), (), "cyclonedx")
    assert way is not None
    assert way.commands == ()
    assert "4.4.1" in way.explanation
