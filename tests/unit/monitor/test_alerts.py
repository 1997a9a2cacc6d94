"""What is told of an incident, how often, and to whom."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import Connection, create_engine, insert, select

from npmguard.model import Verdict
from npmguard.monitor.alert import MOST_TOLD, Alert, AlertKind
from npmguard.monitor.alerts import Alerting, last_step, raise_alerts, raise_overdue
from npmguard.monitor.records import Judged
from npmguard.monitor.sinks.sink import for_people
from npmguard.monitor.tables import incidents, metadata, outbox, verdicts
from tests.unit.monitor.released import NOON, judged


@dataclass
class Kept:
    """A sink that keeps what it gets."""

    name: str = "kept:people"
    wants: Callable[[Alert], bool] = for_people
    got: list[Alert] = field(default_factory=list)

    def takes(self, alert: Alert) -> bool:
        return self.wants(alert)

    def deliver(self, alert: Alert) -> None:
        self.got.append(alert)


PEOPLE = Kept()
PROGRAMS = Kept("kept:programs", lambda _: True)
ALERTING = Alerting((PEOPLE, PROGRAMS))


@pytest.fixture
def transaction() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def store(transaction: Connection, verdict: Judged, alerting: Alerting = ALERTING) -> None:
    row = {
        "name": verdict.name,
        "version": verdict.version,
        "ruleset": verdict.ruleset,
        "verdict": verdict.verdict,
        "judged": verdict.judged,
        "document": zlib.compress(verdict.document),
    }
    transaction.execute(insert(verdicts).prefix_with("OR REPLACE").values(row))
    raise_alerts(transaction, verdict, alerting)


def told(transaction: Connection, sink: str = PEOPLE.name) -> list[Alert]:
    rows = transaction.execute(select(outbox).where(outbox.c.sink == sink).order_by(outbox.c.created)).all()
    return [Alert.decode(row.payload) for row in rows]


def test_a_clean_release_tells_nothing(transaction: Connection) -> None:
    store(transaction, judged("a", verdict=Verdict.CLEAN))
    store(transaction, judged("b", verdict=Verdict.UNVERIFIED))
    assert told(transaction, PROGRAMS.name) == []


def test_a_worm_of_100_packages_is_one_incident_and_few_messages(transaction: Connection) -> None:
    for number in range(100):
        store(transaction, judged(f"worm-{number}", files={"bundle.js": "worm"}, after=number))
    people = told(transaction)
    assert {alert.incident for alert in people} == {people[0].incident}
    assert [alert.releases for alert in people] == [1, 2, 5, 10, 20, 50, 100]
    assert [alert.kind for alert in people] == [AlertKind.OPENED, *[AlertKind.GROWN] * 6]
    assert all(len(alert.affected) <= MOST_TOLD for alert in people)
    assert people[-1].traits[0].kind == "file"
    assert people[-1].traits[0].releases == 100
    programs = told(transaction, PROGRAMS.name)
    releases = [alert.affected[0].name for alert in programs if alert.kind is AlertKind.RELEASE]
    assert sorted(releases) == sorted({f"worm-{number}" for number in range(100)})


def test_an_alert_of_growth_names_who_joined_since_the_last_one(transaction: Connection) -> None:
    for number in range(5):
        store(transaction, judged(f"worm-{number}", files={"bundle.js": "worm"}, after=number))
    last = told(transaction)[-1]
    assert [release.name for release in last.affected] == ["worm-4", "worm-3", "worm-2"]
    assert all(release.findings for release in last.affected)


def test_growth_under_the_next_step_is_told_after_a_quiet_time(transaction: Connection) -> None:
    for number in range(4):
        store(transaction, judged(f"worm-{number}", files={"bundle.js": "worm"}, after=number))
    assert raise_overdue(transaction, NOON + timedelta(minutes=59), ALERTING) == 0
    assert raise_overdue(transaction, NOON + timedelta(minutes=61), ALERTING) == 1
    assert raise_overdue(transaction, NOON + timedelta(hours=9), ALERTING) == 0
    assert told(transaction)[-1].releases == 4
    assert {release.name for release in told(transaction)[-1].affected} == {"worm-2", "worm-3"}


def test_what_becomes_malicious_is_told_at_once(transaction: Connection) -> None:
    both = Alerting((PEOPLE,), "suspicious")
    for number in range(3):
        store(
            transaction,
            judged(f"p{number}", verdict=Verdict.SUSPICIOUS, files={"x.js": "x"}, after=number),
            both,
        )
    store(transaction, judged("p3", files={"x.js": "x"}, after=4), both)
    assert [alert.kind for alert in told(transaction)][-1] is AlertKind.RAISED
    assert told(transaction)[-1].verdict == "malicious"


def test_under_the_threshold_nothing_is_told_until_it_is_reached(transaction: Connection) -> None:
    for number in range(3):
        store(transaction, judged(f"p{number}", verdict=Verdict.SUSPICIOUS, files={"x.js": "x"}, after=number))
    assert told(transaction, PROGRAMS.name) == []
    store(transaction, judged("p3", files={"x.js": "x"}, after=4))
    (first,) = told(transaction)
    assert (first.kind, first.releases, first.verdict) == (AlertKind.OPENED, 4, "malicious")


def test_the_same_verdict_once_more_tells_nothing_new(transaction: Connection) -> None:
    for _ in range(3):
        store(transaction, judged("a"))
    assert len(told(transaction, PROGRAMS.name)) == 2


def test_two_told_incidents_that_become_one_tell_of_it_once(transaction: Connection) -> None:
    store(transaction, judged("a", files={"x.js": "x"}))
    store(transaction, judged("b", files={"y.js": "y"}, after=1))
    store(transaction, judged("c", files={"x.js": "x", "y.js": "y"}, after=2))
    kinds = [(alert.kind, alert.releases) for alert in told(transaction)]
    assert kinds == [(AlertKind.OPENED, 1), (AlertKind.OPENED, 1), (AlertKind.GROWN, 3)]


def test_a_release_and_the_package_that_it_brings_in_are_one_incident(transaction: Connection) -> None:
    store(transaction, judged("plain-thing-js", files={"setup.js": "dropper"}))
    store(
        transaction,
        judged("great-client", files={"package.json": "p"}, brings={"plain-thing-js": "^4.2.1"}, after=1),
    )
    assert [alert.kind for alert in told(transaction)] == [AlertKind.OPENED, AlertKind.GROWN]


def test_what_clean_packages_have_too_makes_no_incident_of_two(transaction: Connection) -> None:
    library = {"vendor/library.js": "library"}
    for number in range(5):
        store(transaction, judged(f"clean-{number}", verdict=Verdict.CLEAN, files=library, after=number))
    store(transaction, judged("a", files=library, after=10))
    store(transaction, judged("b", files=library, after=11))
    assert [alert.kind for alert in told(transaction)] == [AlertKind.OPENED, AlertKind.OPENED]


def test_a_release_that_is_judged_clean_after_all_makes_its_incident_better(transaction: Connection) -> None:
    store(transaction, judged("a"))
    store(transaction, judged("a", verdict=Verdict.CLEAN, after=60))
    assert [row.severity for row in transaction.execute(select(incidents))] == ["clean"]
    assert len(told(transaction)) == 1


@pytest.mark.parametrize(
    ("size", "step"),
    [(1, 1), (2, 2), (4, 2), (5, 5), (9, 5), (10, 10), (19, 10), (20, 20), (499, 200), (12345, 10000)],
)
def test_steps_widen(size: int, step: int) -> None:
    assert last_step(size) == step


def test_an_alert_survives_the_outbox() -> None:
    from tests.unit.monitor.released import alert, hostile_alert

    for each in (alert(), hostile_alert()):
        assert Alert.decode(each.encode()) == each
        assert each.encode().isascii()
        assert b"\n" not in each.encode()
