from __future__ import annotations

from datetime import datetime
from typing import Any

from npmguard.audit.maintainer_domain import EXPIRED, NEW, signals
from npmguard.audit.trust import audit
from npmguard.lookup.answers import DomainState
from npmguard.model import Severity
from tests.unit.audit.packuments import History, at

NOW = at(200)


def look(history: History, version: str = "1.0.5", **domains: Any) -> list[tuple[str, str]]:
    """(rule, message) of each signal; *domains* are what is known, by the part before the first dot."""
    packument = history.packument()
    states = {f"{name}.example": DomainState(f"{name}.example", **known) for name, known in domains.items()}

    def state_of(address: str) -> DomainState:
        domain = address.partition("@")[2]
        return states.get(
            domain, DomainState(domain, registered=datetime.fromisoformat("1999-01-01T00:00:00Z"))
        )

    found = signals(packument, packument.releases[version], state_of, NOW)
    assert {it.severity for it in found} <= {Severity.MEDIUM}
    return [(it.rule, it.message) for it in found]


def test_a_domain_that_has_long_been_held_is_nothing() -> None:
    assert look(History().past(accounts=["ann"])) == []


def test_a_domain_that_nobody_holds_is_told_with_the_reason() -> None:
    ((rule, message),) = look(History().past(accounts=["ann"]), h={"gone": "it is not registered"})
    assert rule == EXPIRED
    assert "h.example" in message
    assert "it is not registered" in message
    assert "ann@" not in message


def test_a_domain_that_was_registered_after_its_account_was_known_has_changed_hands() -> None:
    ((rule, message),) = look(History().past(accounts=["ann"]), h={"registered": at(40)})
    assert rule == NEW
    assert "somebody else may hold it now" in message


def test_a_domain_of_the_last_days_is_told_for_an_account_that_is_new_too() -> None:
    history = History().past(accounts=["ann"])
    history.add("1.0.6", 190, by={"name": "eve", "email": "Eve@fresh.example"}, accounts=["ann"])
    ((rule, message),) = look(history, "1.0.6", fresh={"registered": at(180)})
    assert rule == NEW
    assert "20 days ago" in message


def test_a_build_service_s_own_address_is_nobody_s() -> None:
    history = History().past(accounts=["ann"])
    robot = {"name": "GitHub Actions", "email": "b@robot.example", "trustedPublisher": {"id": "github"}}
    history.add("1.0.6", 190, by=robot, accounts=["ann"])
    assert look(history, "1.0.6", robot={"gone": "it is not registered"}) == []


def test_what_could_not_be_asked_is_no_signal() -> None:
    assert look(History().past(accounts=["ann"]), h={"problem": "rdap.example gives no answer"}) == []


def test_a_registry_that_names_nobody_gives_no_signal() -> None:
    assert look(History().past(), h={"gone": "it is not registered"}) == []


def test_a_lapsed_domain_and_lost_proof_and_a_new_script_ask_for_a_look() -> None:
    history = History().past(accounts=["ann"], provenance=True)
    history.add("1.0.6", 190, accounts=["ann"], scripts={"postinstall": "node x"})
    context = history.context("1.0.6")
    assert context.packument is not None
    assert context.release is not None
    gone = DomainState("h.example", gone="it is not registered")
    more = signals(context.packument, context.release, lambda _: gone, NOW)
    alone = {it.rule for it in audit(context, lambda _: None)}
    together = {it.rule for it in audit(context, lambda _: None, more)}
    assert together - alone == {EXPIRED, "install-script-and-trust-lost"}
