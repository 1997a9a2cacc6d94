"""Alerts are handed over until they are taken, each once by its id, whatever a receiver does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

import pytest
from sqlalchemy import Connection, Engine, create_engine, insert, select
from sqlalchemy.pool import StaticPool

from npmguard.errors import SinkError
from npmguard.monitor.alert import Alert
from npmguard.monitor.outbox import LONGEST_WAIT, Outbox, sink_statuses
from npmguard.monitor.sinks.webhook import Webhook
from npmguard.monitor.tables import metadata, outbox
from tests.servers import RegistryServer, Reply
from tests.unit.monitor.released import NOON, alert

T = TypeVar("T")


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def wait(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Flaky:
    """A sink that fails as often as told, and keeps what it gets."""

    name: str = "flaky"
    failures: int = 0
    retry_after: float | None = None
    got: list[str] = field(default_factory=list)
    asked: int = 0

    def takes(self, alert: Alert) -> bool:
        del alert
        return True

    def deliver(self, alert: Alert) -> None:
        self.asked += 1
        if self.failures > 0:
            self.failures -= 1
            raise SinkError("flaky: is away", self.retry_after)
        self.got.append(alert.id)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(made)
    yield made
    made.dispose()


def fill(engine: Engine, *sinks: str, count: int = 1) -> list[str]:
    ids = [f"{number:032x}" for number in range(count)]
    with engine.begin() as transaction:
        for sink in sinks:
            for number, identity in enumerate(ids):
                transaction.execute(
                    insert(outbox).values(
                        id=f"{sink}-{identity}"[-64:],
                        sink=sink,
                        payload=alert(identity).encode(),
                        state="pending",
                        attempts=0,
                        created=NOON + timedelta(milliseconds=number),
                        due=NOON,
                    )
                )
    return ids


def box(engine: Engine, clock: Clock, *sinks: object, dead: str = "", days: float = 7) -> Outbox:
    def run(action: Callable[[Connection], T]) -> T:
        with engine.begin() as transaction:
            return action(transaction)

    return Outbox(
        run,
        sinks,  # type: ignore[arg-type] # what the tests make
        owner="me",
        is_dead=lambda owner: owner == dead,
        now=clock,
        random=Random(7),
        give_up_after=timedelta(days=days),
    )


def test_everything_is_delivered_once_and_in_order(engine: Engine) -> None:
    ids, sink, clock = fill(engine, "flaky", count=20), Flaky(), Clock()
    assert box(engine, clock, sink).deliver().delivered == 20
    assert box(engine, clock, sink).deliver().delivered == 0
    assert sink.got == ids


def test_a_receiver_that_is_away_for_an_hour_gets_everything_once(engine: Engine) -> None:
    ids, clock, sink = fill(engine, "flaky", count=5), Clock(), Flaky(failures=10**6)
    deliveries = box(engine, clock, sink)
    for _ in range(360):  # an hour, looked at every ten seconds
        deliveries.deliver()
        clock.wait(seconds=10)
    assert 6 <= sink.asked <= 12  # waits grow, and one alert is asked about, not all five
    sink.failures = 0
    for _ in range(360):
        deliveries.deliver()
        clock.wait(seconds=10)
    assert sink.got == ids


def test_one_receiver_that_is_away_holds_up_no_other(engine: Engine) -> None:
    ids = fill(engine, "flaky", "well", count=3)
    away, well = Flaky(failures=9), Flaky("well")
    round_ = box(engine, Clock(), away, well).deliver()
    assert well.got == ids
    assert (round_.delivered, round_.pending, dict(round_.failed)) == (3, 3, {"flaky": "flaky: is away"})


def test_what_a_receiver_asks_to_wait_is_waited(engine: Engine) -> None:
    fill(engine, "flaky")
    clock, sink = Clock(), Flaky(failures=1, retry_after=900)
    deliveries = box(engine, clock, sink)
    assert deliveries.deliver().due == NOON + timedelta(seconds=900)
    clock.wait(seconds=899)
    deliveries.deliver()
    assert sink.asked == 1
    clock.wait(seconds=2)
    deliveries.deliver()
    assert len(sink.got) == 1


def test_no_receiver_is_waited_for_without_end(engine: Engine) -> None:
    fill(engine, "flaky")
    due = box(engine, Clock(), Flaky(failures=1, retry_after=10**9)).deliver().due
    assert due == NOON + 2 * LONGEST_WAIT


def test_after_the_limit_an_alert_is_dead_and_the_status_says_so(engine: Engine) -> None:
    fill(engine, "flaky", count=2)
    clock, sink = Clock(), Flaky(failures=10**6)
    deliveries = box(engine, clock, sink)
    dead = 0
    for _ in range(24 * 9):
        dead += deliveries.deliver().dead
        clock.wait(hours=1)
    assert dead == 2
    with engine.begin() as transaction:
        (status,) = sink_statuses(transaction)
    assert (status.sink, status.pending, status.dead) == ("flaky", 0, 2)


def test_what_a_killed_process_was_delivering_is_delivered_again_at_once(engine: Engine) -> None:
    (identity,) = fill(engine, "flaky")
    clock, sink = Clock(), Flaky()

    class Killed(BaseException):
        pass

    class Dying(Flaky):
        def deliver(self, alert: Alert) -> None:
            super().deliver(alert)
            raise Killed

    dying = Dying()
    with pytest.raises(Killed):
        box(engine, clock, dying).deliver()
    assert dying.got == [identity]
    box(engine, clock, sink).deliver()
    assert sink.got == []  # for all that is known, its owner is still at it
    box(engine, clock, sink, dead="me").deliver()
    assert sink.got == [identity]  # the same id, by which the receiver knows it


def test_a_claim_of_another_machine_runs_out(engine: Engine) -> None:
    fill(engine, "flaky")
    clock, sink = Clock(), Flaky()
    with engine.begin() as transaction:
        transaction.execute(outbox.update().values(owner="elsewhere", due=NOON + timedelta(minutes=5)))
    box(engine, clock, sink).deliver()
    assert sink.asked == 0
    clock.wait(minutes=5)
    box(engine, clock, sink).deliver()
    assert sink.asked == 1


def test_a_clock_that_was_ahead_makes_nothing_wait_for_years(engine: Engine) -> None:
    fill(engine, "flaky")
    sink = Flaky()
    with engine.begin() as transaction:
        transaction.execute(outbox.update().values(due=NOON + timedelta(days=900)))
    box(engine, Clock(), sink).deliver()
    assert sink.asked == 1


def test_a_real_webhook_that_is_down_throttles_and_recovers(engine: Engine) -> None:
    ids, clock = fill(engine, "hook", count=2), Clock()
    with RegistryServer() as server:
        server.route(
            "/hook",
            Reply(status=500),
            Reply(status=429, headers={"Retry-After": "600"}),
            Reply(reset=True),
            Reply(status=302, headers={"Location": "/elsewhere"}),
            Reply(status=204),
        )
        hook = Webhook("hook", f"{server.url}hook", Alert.encode, clock)
        deliveries = box(engine, clock, hook)
        reasons: list[str] = []
        for _ in range(40):
            reasons += deliveries.deliver().failed.values()
            clock.wait(minutes=1)
        answered = [request.headers["webhook-id"] for request in server.requests]
    assert reasons == [
        "hook: answered 500",
        "hook: answered 429",
        "hook: cannot be reached, or broke the connection",
        "hook: answered 302",
    ]
    assert answered == [ids[0]] * 5 + [ids[1]]
    with engine.begin() as transaction:
        states = transaction.execute(select(outbox.c.state)).scalars().all()
    assert states == ["delivered"] * 2
