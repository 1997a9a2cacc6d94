"""Stored versions are judged again by new rules without a download, and thrown away when they are old."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection

from npmguard.config import Limits
from npmguard.detect.analyse import matcher_of
from npmguard.detect.demand import demand_of
from npmguard.detect.rule import load_ruleset
from npmguard.model import Kept, PackageReport, Verdict
from npmguard.monitor.database import open_database
from npmguard.monitor.kept import KeptVersion, pack
from npmguard.monitor.kept_store import KeptStore
from npmguard.monitor.records import Answer, Judged, Reading, Source
from npmguard.monitor.rejudge import Rejudge
from npmguard.monitor.since import BEGINNING
from npmguard.worker import analyse_tarball
from tests.changes import ChangingRegistry, days_ago, harmless
from tests.command import Result, npmguard
from tests.feeds import osv_record, zipped
from tests.fixture_packages import load_case
from tests.monitor_runs import Runner, publish_pair
from tests.servers import Reply

RULES = load_ruleset()
MANIFEST = b'{"name": "tool", "version": "1.0.0", "scripts": {"postinstall": "node setup.js"}}'
SETUP = b"""
const fs = require("fs"), os = require("os"), path = require("path");
if (os.hostname().endsWith(".invalid")) fs.appendFileSync(path.join(os.homedir(), ".bashrc"), "true");
"""
RULE = """\
id: own-profile
kind: rule
title: What npm runs at installation writes into the profile of a shell
severity: critical
confidence: high
requires: ">=0.1"
description: A file that an install script runs writes to a file that shells run.
false_positives: Installers of completions.
remediation: Look at what is written.
scope: file
runs: install
match:
  all: [{signals}]
examples:
  match:
    - name: a line is added
      files:
        package.json: '{{"scripts": {{"postinstall": "node setup.js"}}}}'
        setup.js: |
          require("fs").appendFileSync(require("os").homedir() + "/.bashrc", line);
    - name: minified
      files:
        package.json: '{{"scripts": {{"preinstall": "node a"}}}}'
        a.js: |
          const{{appendFileSync:a}}=require("fs");a(process.env.HOME+"/.pro"+"file",x);
  no_match:
    - name: something else is
      files:
        index.js: |
          module.exports = 2;
    - name: nothing is
      files:
        index.js: |
          module.exports = 1;
"""
WORD = """\
id: names-own-word
kind: signal
title: Names a word that no rule asked for before
description: A word.
match:
  all:
    - string: {equals: a-word-that-no-rule-has-asked-for}
examples:
  match:
    - name: it
      files:
        index.js: |
          module.exports = "a-word-that-no-rule-has-asked-for";
    - name: it again
      files:
        index.js: |
          exports.a = "a-word-that-no-rule-has-asked-for";
  no_match:
    - name: another
      files:
        index.js: |
          module.exports = "another";
    - name: none
      files:
        index.js: |
          module.exports = 1;
"""


@pytest.fixture
def runner(state: str, registry: ChangingRegistry, tmp_path: Path) -> Runner:
    return Runner(tmp_path, registry, state, workers=1)


def run(runner: Runner, *arguments: str) -> Result:
    alerts = () if arguments[0] == "prune" else ("--alerts", f"jsonl:{runner.alerts}")
    told = ("monitor", *arguments, "--state", runner.state, *alerts)
    return npmguard(*told, env=runner.environment, cwd=runner.home)


def with_rule(runner: Runner, signals: str, **more: str) -> None:
    """Settings with a folder of rules that has one more."""
    folder = runner.home / "rules"
    folder.mkdir(exist_ok=True)
    (folder / "own-profile.yml").write_text(RULE.format(signals=signals))
    for name, text in more.items():
        (folder / f"{name.replace('_', '-')}.yml").write_text(text)
    (runner.home / "npmguard.toml").write_text(f'rules = ["{folder}"]\n')


def learn(runner: Runner, name: str, version: str) -> None:
    """Have the index of known malware name that version."""
    runner.registry.outage = None
    runner.registry.route("/all.zip", Reply(zipped(osv_record("MAL-2026-7", name, version))))
    with (runner.home / "npmguard.toml").open("a") as settings:
        settings.write(f'[feed]\nurl = "{runner.registry.url}all.zip"\n')
    done = npmguard("feed", "update", env=runner.environment, cwd=runner.home)
    assert done.code == 0, done.stderr
    runner.registry.outage = Reply(status=503)


def test_a_new_rule_finds_what_was_clean_without_a_download(runner: Runner) -> None:
    runner.registry.release("tool", "1.0.0", harmless("tool", "1.0.0", **FILES), at=days_ago(2))
    runner.registry.release("plain", "1.0.0", harmless("plain", "1.0.0"), at=days_ago(2))
    publish_pair(runner.registry, "taken")
    first = runner.once()
    assert first.code == 0, first.stderr
    assert runner.told_releases() == ["taken@1.0.1"]
    runner.registry.outage = Reply(status=503)
    asked = len(runner.registry.paths)
    with_rule(runner, "names-shell-profile, writes-file")
    again = run(runner, "rejudge")
    assert (again.code, "4 judged again, 1 of them" in again.stderr) == (0, True), again.stderr
    assert runner.told_releases() == ["taken@1.0.1", "tool@1.0.0"]
    assert len(runner.registry.paths) == asked
    told = runner.alerts.read_bytes()
    once_more = run(runner, "rejudge", "--since", "7d")
    assert (once_more.code, "0 judged again" in once_more.stderr) == (0, True), once_more.stderr
    assert runner.alerts.read_bytes() == told
    learn(runner, "plain", "1.0.0")
    asked = len(runner.registry.paths)
    learned = run(runner, "rejudge", "plain", "taken")
    assert (learned.code, "3 versions, 1 judged again, 1 of" in learned.stderr) == (0, True), learned.stderr
    assert runner.told_releases() == ["plain@1.0.0", "taken@1.0.1", "tool@1.0.0"]
    assert len(runner.registry.paths) == asked
    assert "0 judged again" in run(runner, "rejudge").stderr


def test_what_no_rule_asked_for_is_downloaded_again(runner: Runner) -> None:
    runner.registry.release("tool", "1.0.0", harmless("tool", "1.0.0", **FILES), at=days_ago(2))
    assert runner.once().code == 0
    with_rule(runner, "names-shell-profile, names-own-word", names_own_word=WORD)
    again = run(runner, "rejudge", "tool", "--fetch")
    assert (again.code, "1 need their tarball again: the rules ask" in again.stderr) == (3, True), again.stderr
    assert runner.once().code == 0
    assert run(runner, "rejudge").code == 0


def test_what_is_over_the_cap_is_told(registry: ChangingRegistry, tmp_path: Path) -> None:
    runner = Runner(tmp_path, registry, str(tmp_path / "state.db"), workers=1)
    (runner.home / "npmguard.toml").write_text("[limits]\nfacts-bytes = 100\n")
    registry.release("tool", "1.0.0", harmless("tool", "1.0.0", **FILES), at=days_ago(2))
    assert runner.once().code == 0
    assert "facts      1 not kept" in run_status(runner)
    with_rule(runner, "names-shell-profile, writes-file")
    again = run(runner, "rejudge")
    assert (again.code, "1 need their tarball again: their facts" in again.stderr) == (3, True), again.stderr


def test_what_cannot_be_compared_is_judged_and_told_until_it_is_read_again(
    registry: ChangingRegistry, tmp_path: Path
) -> None:
    """The version before is older than what the monitor was told to look at, so nothing was kept of it."""
    runner = Runner(tmp_path, registry, str(tmp_path / "state.db"), workers=1)
    registry.release("tool", "0.9.0", harmless("tool", "0.9.0"), at=days_ago(30))
    registry.release("tool", "1.0.0", harmless("tool", "1.0.0", **FILES), at=days_ago(2))
    assert runner.once("--since", days_ago(10).date().isoformat()).code == 0
    assert (runner.judged(), runner.told_releases()) == (["tool@1.0.0"], [])
    with_rule(runner, "names-shell-profile, writes-file")
    for arguments in ((), ("--fetch",)):
        again = run(runner, "rejudge", *arguments)
        assert (again.code, "1 need their tarball again: what they are" in again.stderr) == (3, True)
        assert runner.told_releases() == ["tool@1.0.0"]
    assert runner.once().code == 0
    assert run(runner, "rejudge").code == 0
    assert runner.told_releases() == ["tool@1.0.0"]


def test_a_run_that_was_ended_is_followed_by_one_that_does_the_rest(state: str) -> None:
    """Several pages of versions, all taken over; each is told once, whenever the run ends."""
    package = load_case("esm-clipper", "after")
    analysis = analyse_tarball(package, RULES, Limits(), facts=True)
    kept = Kept(analysis.facts, False, None, (), analysis.hashes, None)
    told: list[str] = []

    def tell(_: Connection, judged: Judged) -> None:
        if judged.name == "p070" and "p070" not in ended:
            ended.append(judged.name)
            raise KeyboardInterrupt
        told.append(f"{judged.name} {judged.verdict}")

    ended = ["p070"]
    engine = open_database(state)
    try:
        store = KeptStore(engine, raise_alerts=tell)
        names = [f"p{number:03}" for number in range(120)]
        store.add_names(names, Source.BACKFILL, BEGINNING)
        orders = store.claim_names(120)
        store.finish_names([Reading(order, (("1.0.0", None),), "digest") for order in orders])
        answers = []
        for order in store.claim_versions(120):
            report = PackageReport(order.name, "1.0.0", (), 0, Verdict.CLEAN)
            content = pack(KeptVersion("old", report, kept))
            clean = Answer(verdict="clean", ruleset="old", document=b"{}", facts=content, readable=True)
            answers.append((order, clean))
        store.finish_versions(answers)
        store.keep_ruleset("old", demand_of(matcher_of(RULES)))
        told.clear()
        ended.clear()
        rejudge = Rejudge(store, RULES, Limits(), lambda packages: [(Verdict.UNVERIFIED, ())] * len(packages))
        with pytest.raises(KeyboardInterrupt):
            rejudge.run(BEGINNING)
        assert told == [f"{name} malicious" for name in names[:70]]
        again = rejudge.run(BEGINNING)
        assert (again.seen, again.judged, again.changed, again.complete) == (120, 50, 50, True)
        assert told == [f"{name} malicious" for name in names]
    finally:
        engine.dispose()


def test_old_clean_verdicts_are_thrown_away_and_incidents_stay(runner: Runner) -> None:
    runner.registry.release("plain", "1.0.0", harmless("plain", "1.0.0"), at=days_ago(2))
    publish_pair(runner.registry, "taken")
    assert runner.once().code == 0
    assert run(runner, "prune", "--older-than", "1d").code == 0
    assert runner.judged() == ["plain@1.0.0", "taken@1.0.0", "taken@1.0.1"]
    gone = run(runner, "prune", "--older-than", "0d")
    assert (gone.code, "facts of 3 versions and 2 clean" in gone.stderr) == (0, True), gone.stderr
    assert runner.judged() == ["taken@1.0.1"]
    assert "versions: none" in runner.once().stderr


def run_status(runner: Runner) -> str:
    return npmguard("monitor", "status", "--state", runner.state, env=runner.environment, cwd=runner.home).text


FILES = {"setup.js": SETUP, "package.json": MANIFEST}
