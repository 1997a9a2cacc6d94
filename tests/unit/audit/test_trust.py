"""Signals of trust are notes; certain of them together ask for a look; what is not known is no signal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from npmguard.audit import trust
from npmguard.audit.context import AuditContext
from npmguard.audit.trust import COMBINATIONS, audit
from npmguard.audit.trust_rules import TRUST_RULES
from npmguard.detect.verdict import verdict_of
from npmguard.model import Confidence, Finding, Packument, Severity, TarballAnalysis, Verdict
from tests.unit.audit.packuments import BUILD_SERVICE, History, registry

SCRIPT: dict[str, Any] = {"scripts": {"postinstall": "node setup.js"}}


def nothing(_: str) -> Packument | None:
    return None


def findings(history: History, version: str, *others: History) -> tuple[Finding, ...]:
    return audit(history.context(version), registry(*others).get)


def rules(history: History, version: str, *others: History) -> set[str]:
    return {it.rule for it in findings(history, version, *others)}


def verdict(history: History, version: str, *others: History) -> Verdict:
    return verdict_of(findings(history, version, *others))


def test_an_ordinary_release_is_nothing() -> None:
    history = History().past(by="ann", accounts=["ann"], provenance=True)
    history.add("1.0.6", 180, by="ann", accounts=["ann"], provenance=True)
    assert findings(history, "1.0.6") == ()


def test_what_the_registry_does_not_hold_is_nothing() -> None:
    context = History().past().context("1.0.0")
    assert audit(type(context)(locked=context.locked), nothing) == ()


# --- provenance, trusted publishing ---


def test_lost_provenance_alone_is_a_note() -> None:
    history = History().past(by="ann", provenance=True).add("1.0.6", 180, by="ann")
    assert rules(history, "1.0.6") == {"provenance-lost"}
    assert verdict(history, "1.0.6") is Verdict.CLEAN


def test_lost_trusted_publishing_names_who_published_instead() -> None:
    history = History().past(by=BUILD_SERVICE, provenance=True).add("1.0.6", 180, by="ann")
    assert {"provenance-lost", "trusted-publishing-lost"} <= rules(history, "1.0.6")
    told = next(it for it in findings(history, "1.0.6") if it.rule == "trusted-publishing-lost")
    assert any("published by ann" in it.message for it in told.evidence)
    assert any("1.0.5" in it.message for it in told.evidence)


def test_a_line_that_never_had_provenance_has_lost_none() -> None:
    history = History().past(by="ann")
    for index in range(5):
        history.add(f"2.0.{index}", 200 + index * 10, by="ann", provenance=True)
    history.add("1.0.6", 300, by="ann")
    assert findings(history, "1.0.6") == ()


def test_one_trial_of_a_build_service_is_no_habit() -> None:
    history = History().past(by="ann").add("1.0.6", 180, by="ann", provenance=True).add("1.0.7", 210, by="ann")
    assert findings(history, "1.0.7") == ()


def test_the_second_bad_release_in_a_row_is_seen_like_the_first() -> None:
    history = (
        History().past(by="ann", provenance=True).add("1.0.6", 180, by="ann").add("1.0.7", 180.1, by="ann")
    )
    assert rules(history, "1.0.7") == {"provenance-lost"}


# --- publishers and maintainers ---


def test_a_publisher_whom_nobody_knows_is_a_note() -> None:
    history = History().past(by="ann", accounts=["ann"]).add("1.0.6", 180, by="eve", accounts=["ann", "eve"])
    assert "publisher-never-seen" in rules(history, "1.0.6")
    assert verdict(history, "1.0.6") is Verdict.CLEAN


def test_a_maintainer_of_old_may_publish_for_the_first_time() -> None:
    history = (
        History().past(by="ann", accounts=["ann", "ben"]).add("1.0.6", 180, by="ben", accounts=["ann", "ben"])
    )
    assert findings(history, "1.0.6") == ()


def account(name: str, address: str) -> dict[str, str]:
    return {"name": name, "email": address}


def test_another_address_of_a_known_account_is_a_note_that_names_no_person() -> None:
    history = History().past(by=account("ann", "ann@h.example"))
    history.add("1.0.6", 180, by=account("ann", "secret@mail.example"))
    (told,) = findings(history, "1.0.6")
    assert told.rule == "publisher-address-changed"
    assert [it.message for it in told.evidence] == ["from ...@h.example to ...@mail.example"]
    history.add("1.0.7", 181, by=account("ann", "ann@h.example"))
    assert findings(history, "1.0.7") == ()


def test_another_address_and_a_fresh_dependency_ask_for_a_look() -> None:
    history = History().past(by=account("ann", "ann@h.example"))
    history.add("1.0.6", 180, by=account("ann", "ann@mail.example"), dependencies={"fresh": "^4.2.1"})
    assert "fresh-dependency-and-trust-lost" in rules(history, "1.0.6", fresh())


def test_a_staged_release_that_somebody_approved_has_lost_no_trust() -> None:
    history = History().past(by=BUILD_SERVICE, provenance=True)
    history.add("1.0.6", 180, by={"name": "ann", "approver": {"name": "ben"}}, provenance=True)
    assert "trusted-publishing-lost" not in rules(history, "1.0.6")


def test_a_build_service_may_publish_for_the_first_time() -> None:
    history = History().past(by="ann").add("1.0.6", 180, by=BUILD_SERVICE, provenance=True)
    assert findings(history, "1.0.6") == ()


def test_two_releases_are_too_few_to_know_a_package_s_publishers() -> None:
    history = History().past(2, by="ann").add("1.0.6", 180, by="eve")
    assert findings(history, "1.0.6") == ()


def test_a_publisher_who_became_maintainer_days_ago_is_told_with_the_days() -> None:
    history = History().past(by="ann", accounts=["ann"]).add("1.0.6", 160, by="eve", accounts=["ann", "eve"])
    told = next(it for it in findings(history, "1.0.6") if it.rule == "maintainer-added-before-release")
    assert "eve" in told.message
    assert "2024-05-30" in told.message  # when 1.0.5 came, without her
    late = History().past(by="ann", accounts=["ann"]).add("1.0.6", 400, by="eve", accounts=["ann", "eve"])
    assert "maintainer-added-before-release" not in rules(late, "1.0.6")


def test_replaced_maintainers_are_a_note() -> None:
    history = History().past(by="ann", accounts=["ann", "ben"]).add("1.0.6", 400, by="eve", accounts=["eve"])
    assert "maintainers-replaced" in rules(history, "1.0.6")


def test_an_author_s_own_list_of_maintainers_is_no_evidence() -> None:
    people: dict[str, Any] = {"maintainers": [{"name": "ann"}]}
    others: dict[str, Any] = {"maintainers": [{"name": "ben"}]}
    assert findings(History().past(**people).add("1.0.6", 160, **others), "1.0.6") == ()


# --- rhythm ---


def test_silence_alone_is_nothing_and_silence_with_news_a_note() -> None:
    quiet = History().past(by="ann").add("1.0.6", 2000, by="ann")
    assert findings(quiet, "1.0.6") == ()
    news = History().past(by="ann").add("1.0.6", 2000, by="ann", dependencies={"b": "1"})
    assert rules(news, "1.0.6") == {"published-after-long-silence"}
    assert verdict(news, "1.0.6") is Verdict.CLEAN


def test_many_versions_within_minutes_are_a_note() -> None:
    history = History().past()
    for index in range(4):
        history.add(f"1.{index + 1}.0", 180 + index / 1440)
    assert rules(history, "1.2.0") == {"many-versions-within-minutes"}


def test_a_correction_of_many_lines_at_once_is_nothing() -> None:
    history = History().past(every=10)
    for minor in range(1, 6):
        history.add(f"1.{minor}.0", 100 + minor * 20)
    for minor in range(6):
        history.add(f"1.{minor}.9", 300 + minor / 1440)
    assert findings(history, "1.3.9") == ()


def test_a_mirror_that_copied_the_past_in_a_day_tells_no_time() -> None:
    copied = History()
    for index in range(30):
        copied.add(f"1.{index}.0", index / 1440)
    copied.add("1.30.0", 2000, dependencies={"b": "1"})
    assert findings(copied, "1.20.0") == ()
    assert findings(copied, "1.30.0", History("b").add("1.0.0", 1999)) == ()


def test_a_mirror_that_copied_in_no_order_tells_no_time() -> None:
    copied = History()
    for index, days in enumerate((90, 10, 60, 40, 80, 30)):
        copied.add(f"1.0.{index}", days)
    copied.add("1.0.9", 2000, dependencies={"b": "1"})
    assert findings(copied, "1.0.9", History("b").add("1.0.0", 1999)) == ()


def test_a_registry_without_times_and_accounts_gives_no_signal() -> None:
    history = History()
    for index in range(9):
        history.add(f"1.0.{index}", None)
    history.add("1.0.9", None, dependencies={"b": "1"})
    assert findings(history, "1.0.9", History("b").add("1.0.0", None)) == ()


# --- version line ---


def test_a_jump_of_the_major_version_is_a_note_and_a_year_is_none() -> None:
    assert rules(History().past().add("99.9.9", 180), "99.9.9") == {"version-jump"}
    assert findings(History().past().add("2024.6.0", 180), "2024.6.0") == ()
    assert findings(History().past().add("3.0.0", 180), "3.0.0") == ()


def test_a_latest_tag_that_moved_back_is_a_note() -> None:
    history = History().past().add("1.0.6", 180).tag(latest="1.0.5")
    assert rules(history, "1.0.6") == {"latest-moved-back"}
    history.tag(next="1.0.6")
    assert findings(history, "1.0.6") == ()


# --- withdrawal ---


@pytest.mark.parametrize(
    "message",
    [
        "This version was compromised, use 1.0.5",
        "Contains malware. Do not use!",
        "unauthorized publish, please upgrade",
        "part of a supply-chain attack",
        "The maintainer's account was hijacked",
        "Malicious code was published in this version",
    ],
)
def test_a_version_that_its_people_call_compromised_asks_for_a_look(message: str) -> None:
    history = History().past().add("1.0.6", 180, deprecated=message)
    assert {"deprecated-as-compromised", "release-called-compromised"} <= rules(history, "1.0.6")
    assert verdict(history, "1.0.6") is Verdict.SUSPICIOUS


@pytest.mark.parametrize(
    "message",
    [
        "Please upgrade to version 7 or higher. Older versions may use Math.random() in certain circumstances",
        "Critical security vulnerability fixed in v0.21.1",
        "Rimraf versions prior to v4 are no longer supported",
        "ReDoS with malicious input, please upgrade",
        "vulnerable to session hijacking, use 2.x",
    ],
)
def test_any_other_deprecation_is_npm_s_to_tell(message: str) -> None:
    assert findings(History().past().add("1.0.6", 180, deprecated=message), "1.0.6") == ()


def test_neighbours_that_were_taken_down_are_a_note() -> None:
    history = History().past().add("1.0.6", 180).gone("1.0.7", 180.5)
    assert findings(history, "1.0.6") == ()
    assert rules(history.gone("1.0.8", 180.6), "1.0.6") == {"neighbours-unpublished"}


# --- new dependencies ---


def fresh(**fields: Any) -> History:
    """A package of strangers that first came a day before day 180."""
    return History("fresh").add("4.2.0", 179, by="eve", **fields).add("4.2.1", 179.9, by="eve", **fields)


def with_unnamed(context: AuditContext, *names: str) -> AuditContext:
    """The same release, with code that names all of its dependencies but these."""
    return replace(context, analysis=TarballAnalysis((), 0, 0, 0, None, (), (), (), unnamed_dependencies=names))


def named_rules(history: History, version: str, *others: History, unnamed: tuple[str, ...]) -> set[str]:
    return {it.rule for it in audit(with_unnamed(history.context(version), *unnamed), registry(*others).get)}


def test_the_shape_of_axios_1_14_1_is_malicious_from_packuments_alone() -> None:
    history = History("axios").past(by=BUILD_SERVICE, provenance=True, dependencies={"form-data": "^4.0.0"})
    history.add("1.0.6", 180, by="ann", dependencies={"form-data": "^4.0.0", "fresh": "^4.2.1"})
    found = findings(history, "1.0.6", fresh(**SCRIPT))
    assert {"odd-fresh-dependency-and-trust-lost", "fresh-dependency-runs-at-installation"} <= {
        it.rule for it in found
    }
    assert verdict_of(found) is Verdict.MALICIOUS
    combined = next(it for it in found if it.rule == "fresh-dependency-runs-at-installation")
    assert [it.signal for it in combined.evidence] == [
        "new-dependency-just-published",
        "new-dependency-runs-at-installation",
    ]


def test_it_is_malicious_without_lost_trust_where_strangers_run_what_nothing_names() -> None:
    history = History("axios").past(by="ann").add("1.0.6", 180, by="ann", dependencies={"fresh": "^4.2.1"})
    context = with_unnamed(history.context("1.0.6"), "fresh")
    found = audit(context, registry(fresh(**SCRIPT)).get)
    assert "fresh-script-dependency-never-named" in {it.rule for it in found}
    assert verdict_of(found) is Verdict.MALICIOUS
    used = audit(with_unnamed(history.context("1.0.6")), registry(fresh(**SCRIPT)).get)
    assert verdict_of(used) is Verdict.SUSPICIOUS
    assert verdict_of(audit(context, registry(fresh()).get)) is Verdict.SUSPICIOUS


def test_a_fresh_dependency_of_strangers_asks_for_a_look() -> None:
    history = History().past(by="ann").add("1.0.6", 180, by="ann", dependencies={"b": "1"})
    other = History("b").add("1.0.0", 176, by="eve")
    assert rules(history, "1.0.6", other) == {
        "new-dependency-just-published",
        "new-dependency-of-strangers",
        "fresh-dependency-of-strangers",
    }
    assert verdict(history, "1.0.6", other) is Verdict.SUSPICIOUS
    assert findings(history, "1.0.6", History("b").add("1.0.0", 170, by="eve")) == ()


def test_a_fresh_dependency_of_nobody_knows_whom_is_a_note_unless_something_is_odd() -> None:
    history = History().past().add("1.0.6", 180, dependencies={"b": "1"})
    other = History("b").add("1.0.0", 176)
    assert rules(history, "1.0.6", other) == {"new-dependency-just-published"}
    assert verdict(history, "1.0.6", other) is Verdict.CLEAN
    assert "fresh-dependency-without-reason" in named_rules(history, "1.0.6", other, unnamed=("b",))
    assert named_rules(history, "1.0.6", other, unnamed=("c",)) == {"new-dependency-just-published"}


@pytest.mark.parametrize(
    ("versions", "odd"),
    [
        ([("4.2.0", 9)], True),
        ([("0.0.1", 2), ("1.0.0", 9)], True),
        ([("0.0.1", 2), ("0.0.2", 9)], False),
        ([("0.0.1", 9), ("1.0.0", 9)], False),
        ([("1.0.0", 2)], False),
        ([("0.1.0", None), ("1.0.0", None)], False),
    ],
)
def test_version_numbers_may_tell_of_a_past_that_is_not_there(
    versions: list[tuple[str, int | None]], *, odd: bool
) -> None:
    history = History().past().add("1.0.6", 180, dependencies={"b": "*"})
    other = History("b")
    for index, (version, files) in enumerate(versions):
        other.add(version, 178 + index, dist={"fileCount": files} if files is not None else {})
    assert ("new-dependency-without-a-past" in rules(history, "1.0.6", other)) is odd
    assert (verdict(history, "1.0.6", other) is Verdict.SUSPICIOUS) is odd


def test_an_account_of_before_is_of_the_people_and_one_of_today_is_not() -> None:
    other = History("b").add("1.0.0", 179, by="eve")
    once = History().past(by="eve").add("1.0.6", 180, by="ann", accounts=["ann"], dependencies={"b": "1"})
    assert rules(once, "1.0.6", other) == {"publisher-never-seen"}
    maintains = History().past(by="ann", accounts=["ann", "eve"])
    maintains.add("1.0.6", 180, by="ann", accounts=["ann", "eve"], dependencies={"b": "1"})
    assert findings(maintains, "1.0.6", other) == ()
    newcomer = History().past(by="ann").add("1.0.6", 180, by="eve", dependencies={"b": "1"})
    assert {"publisher-never-seen", "new-dependency-just-published"} <= rules(newcomer, "1.0.6", other)
    assert verdict(newcomer, "1.0.6", other) is Verdict.SUSPICIOUS
    scripted = History("b").add("1.0.0", 179, by="eve", **SCRIPT)
    assert verdict(newcomer, "1.0.6", scripted) is Verdict.MALICIOUS


def test_a_build_service_is_nobody_s_name_and_an_owner_may_be_named_by_anybody() -> None:
    history = History().past(by=BUILD_SERVICE, accounts=["ann"], provenance=True)
    history.add("1.0.6", 180, by=BUILD_SERVICE, accounts=["ann"], provenance=True, dependencies={"b": "1"})
    theirs = History("b").add("1.0.0", 178, by="eve").add("1.0.1", 179, by=BUILD_SERVICE, accounts=["ann"])
    assert verdict(history, "1.0.6", theirs) is Verdict.SUSPICIOUS
    own = History("b").add("1.0.0", 178, by="ann").add("1.0.1", 179, by=BUILD_SERVICE)
    assert findings(history, "1.0.6", own) == ()


def test_a_dependency_behind_an_alias_is_looked_at_by_its_own_name() -> None:
    history = History().past(by="ann").add("1.0.6", 180, by="ann", dependencies={"b": "npm:fresh@^4.2.1"})
    assert verdict(history, "1.0.6", fresh(**SCRIPT)) is Verdict.SUSPICIOUS


def test_a_dependency_with_a_history_is_nothing() -> None:
    history = History().past().add("1.0.6", 180, dependencies={"old": "^1.0.0"})
    assert findings(history, "1.0.6", History("old").past(**SCRIPT)) == ()


def test_a_dependency_that_an_earlier_release_had_is_not_new() -> None:
    history = History().add("0.9.0", 0, dependencies={"fresh": "1"}).past(every=31)
    history.add("1.0.6", 400, dependencies={"fresh": "^1.0.0"})
    assert findings(history, "1.0.6", History("fresh").add("1.0.0", 399, **SCRIPT)) == ()


def test_packages_of_one_scope_or_one_publisher_come_together() -> None:
    scoped = History("@s/a").past().add("1.0.6", 180, dependencies={"@s/b": "1"})
    assert findings(scoped, "1.0.6", History("@s/b").add("1.0.0", 180, **SCRIPT)) == ()
    own = History().past(by="ann").add("1.0.6", 180, by="ann", dependencies={"b": "1"})
    assert findings(own, "1.0.6", History("b").add("1.0.0", 179.9, by="ann")) == ()
    assert verdict(own, "1.0.6", History("b").add("1.0.0", 179.9, by="ann", **SCRIPT)) is Verdict.CLEAN


def test_a_claimed_repository_makes_nobody_one_of_the_package_s_people() -> None:
    home: dict[str, Any] = {"repository": "github:ann/a"}
    history = History().past(by="ann", **home).add("1.0.6", 180, by="ann", **home, dependencies={"fresh": "4"})
    assert verdict(history, "1.0.6", fresh(**SCRIPT, **home)) is Verdict.SUSPICIOUS


def test_a_dependency_that_is_a_placeholder_now_asks_for_a_look() -> None:
    history = History().past().add("1.0.6", 180, dependencies={"fresh": "^4.2.1"})
    gone = History("fresh").add("0.0.1-security.0", 190)
    assert {"new-dependency-taken-down", "dependency-replaced-by-placeholder"} == rules(history, "1.0.6", gone)
    assert verdict(history, "1.0.6", gone) is Verdict.SUSPICIOUS


@pytest.mark.parametrize(
    "removed",
    [
        History("fresh").add("0.0.1-security.0", 190).gone("4.2.1", 179.9),
        History("fresh").add("4.2.1", 179.9, deprecated="This package contained malware"),
    ],
)
def test_a_fresh_dependency_that_turned_out_to_be_malware_is_malicious(removed: History) -> None:
    history = History().past().add("1.0.6", 180, dependencies={"fresh": "^4.2.1"})
    assert "fresh-dependency-condemned" in rules(history, "1.0.6", removed)
    assert verdict(history, "1.0.6", removed) is Verdict.MALICIOUS


def test_an_old_dependency_that_is_called_malware_asks_for_a_look() -> None:
    history = History().past().add("1.0.6", 180, dependencies={"b": "1"})
    other = History("b").past(deprecated="Malicious code was published")
    assert rules(history, "1.0.6", other) == {"new-dependency-called-malware", "dependency-called-malware"}
    assert verdict(history, "1.0.6", other) is Verdict.SUSPICIOUS


def test_only_new_dependencies_are_asked_about() -> None:
    asked: list[str] = []

    def packument_of(name: str) -> Packument | None:
        asked.append(name)
        return None

    history = History().past(dependencies={"old": "1"}).add("1.0.6", 180, dependencies={"old": "1", "b": "1"})
    audit(history.context("1.0.6"), packument_of)
    assert asked == ["b"]
    many = {f"d{index}": "1" for index in range(1000)}
    audit(History().past().add("1.0.6", 180, dependencies=many).context("1.0.6"), packument_of)
    assert len(asked) < 50


# --- combinations ---


def test_a_new_script_alone_or_with_one_loss_is_clean() -> None:
    assert verdict(History().past(by="ann").add("1.0.6", 180, by="ann", **SCRIPT), "1.0.6") is Verdict.CLEAN
    lost = History().past(by="ann", provenance=True).add("1.0.6", 180, by="ann", **SCRIPT)
    assert verdict(lost, "1.0.6") is Verdict.CLEAN


def test_a_new_script_without_proof_from_a_stranger_asks_for_a_look() -> None:
    history = History().past(by="ann", provenance=True).add("1.0.6", 180, by="eve", **SCRIPT)
    assert "install-script-and-trust-lost" in rules(history, "1.0.6")
    assert verdict(history, "1.0.6") is Verdict.SUSPICIOUS


def test_a_silent_package_woken_by_a_stranger_with_a_script_asks_for_a_look() -> None:
    history = History().past(by="ann").add("1.0.6", 2000, by="eve", **SCRIPT)
    assert "woken-by-a-stranger" in rules(history, "1.0.6")


def test_new_behaviour_counts_together_with_lost_trust_only() -> None:
    code = Finding("some-rule", Severity.MEDIUM, Confidence.MEDIUM, "It does something new.", added=True)
    analysis = TarballAnalysis((), 0, 0, 0, None, (), (code,), ())
    lost = History().past(by="ann", provenance=True).add("1.0.6", 180, by="ann").context("1.0.6")
    kept = History().past(by="ann").add("1.0.6", 180, by="ann").context("1.0.6")

    def told(context: AuditContext) -> set[str]:
        return {it.rule for it in audit(replace(context, analysis=analysis), nothing)}

    assert told(lost) == {"provenance-lost", "new-behaviour-and-trust-lost"}
    assert told(kept) == set()


def test_the_page_names_every_rule_once() -> None:
    page = (Path(__file__).parents[3] / "docs" / "trust.md").read_text(encoding="utf-8")
    for rule in TRUST_RULES:
        assert page.count(f"\n| `{rule.id}` |") == 1, rule.id
        needed = f"\n| `{rule.id}` | {rule.severity} |"
        assert (needed in page) == (rule.id not in {it.rule for it in COMBINATIONS})


def test_every_rule_is_explained_once() -> None:
    ids = [it.id for it in TRUST_RULES]
    assert len(ids) == len(set(ids))
    assert {it.rule for it in COMBINATIONS} <= set(ids)
    notes = set(ids) - {it.rule for it in COMBINATIONS}
    needed = {signal for it in COMBINATIONS for need in it.needs for signal in need}
    assert needed - notes <= {"install-script-added", "new-behaviour"}
    severities = {it.rule: it.severity for it in COMBINATIONS}
    assert set(severities.values()) == {Severity.CRITICAL, Severity.HIGH}
    assert all(it.severity is severities[it.id] for it in TRUST_RULES if it.id in severities)
    assert trust.REMEDIATION
