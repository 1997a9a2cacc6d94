"""Work is done by one monitor at a time, and by another where the first is gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection, Engine, event, select

from npmguard.errors import StoreError, UsageError
from npmguard.monitor.database import open_database
from npmguard.monitor.owner import is_dead, this_owner
from npmguard.monitor.records import Answer, Cursor, Judged, Reading, Source, Task, WorkState
from npmguard.monitor.since import BEGINNING
from npmguard.monitor.store import Store
from npmguard.monitor.tables import verdicts, work
from tests.changes import ChangingRegistry, days_ago, harmless
from tests.monitors import Clock, clean, office
from tests.postgresql import PostgreSQL

CLEAN = Answer(verdict="clean", ruleset="rules", document=b"{}")


@contextmanager
def engine_of(state: str) -> Iterator[Engine]:
    engine = open_database(state)
    try:
        yield engine
    finally:
        engine.dispose()


def queue(store: Store, count: int) -> None:
    names = [f"p{number:03}" for number in range(count)]
    store.add_names(names, Source.BACKFILL, BEGINNING)
    orders = store.claim_names(count)
    store.finish_names([Reading(order, (("1.0.0", None),), "digest") for order in orders])


def test_two_monitors_never_have_the_same_version(state: str) -> None:
    with engine_of(state) as one, engine_of(state) as other:
        stores = [Store(one), Store(other)]
        queue(stores[0], 120)

        def work_off(store: Store) -> list[str]:
            done = []
            while orders := store.claim_versions(5):
                done += [order.name for order in orders]
                states = store.finish_versions([(order, CLEAN) for order in orders])
                assert set(states) == {WorkState.DONE}
            return done

        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(work_off, stores)
        assert sorted(first + second) == [f"p{number:03}" for number in range(120)]


def test_a_lease_that_ran_out_passes_the_work_on_and_the_late_answer_is_dropped(state: str) -> None:
    clock, told = Clock(), []

    def tell(_: Connection, judged: Judged) -> None:
        told.append(judged.name)

    with engine_of(state) as engine:
        slow = Store(engine, clock=clock, raise_alerts=tell)
        quick = Store(engine, clock=clock, raise_alerts=tell)
        queue(slow, 1)
        (held,) = slow.claim_versions(1)
        clock.offset = timedelta(minutes=4)
        slow.renew()
        clock.offset = timedelta(minutes=8)
        quick.recover()
        assert quick.claim_versions(1) == []
        clock.offset = timedelta(minutes=10)
        quick.recover()
        (taken,) = quick.claim_versions(1)
        assert slow.finish_versions([(held, CLEAN)]) == [WorkState.LEASED]
        assert quick.finish_versions([(taken, CLEAN)]) == [WorkState.DONE]
        assert told == ["p000"]


def test_a_clock_that_went_back_holds_nothing_up(state: str) -> None:
    clock = Clock()
    with engine_of(state) as engine:
        dead = Store(engine, clock=clock)
        clock.offset = timedelta(days=3)
        queue(dead, 2)
        lost, failed = dead.claim_versions(2)
        dead.finish_versions([(failed, Answer(problem="no answer", again=True))])
        clock.offset = timedelta()
        store = Store(engine, clock=clock)
        store.recover()
        assert {order.name for order in store.claim_versions(5)} == {lost.name, failed.name}


def test_what_a_dead_process_held_is_taken_at_once(state: str) -> None:
    script = (
        "import sys; from npmguard.monitor.database import open_database;"
        "from npmguard.monitor.store import Store; store = Store(open_database(sys.argv[1]));"
        "print(len(store.claim_versions(9)), len(store.claim_names(9)))"
    )
    with engine_of(state) as engine:
        store = Store(engine)
        queue(store, 3)
        store.add_names(["unread"], Source.FEED, BEGINNING)
        done = subprocess.run([sys.executable, "-c", script, state], capture_output=True, check=True, text=True)
        assert done.stdout.split() == ["3", "1"]
        assert (store.claim_versions(9), store.claim_names(9)) == ([], [])
        store.recover()
        assert (len(store.claim_versions(9)), len(store.claim_names(9))) == (3, 1)


def test_an_owner_is_dead_when_its_process_is() -> None:
    mine = this_owner()
    machine, process, started, _ = mine.split("|")
    assert not is_dead(mine)
    assert is_dead(f"{machine}|{process}|1|00")  # the number has passed to another process
    assert not is_dead(f"elsewhere|1|{started}|00")
    assert not is_dead("nonsense")


def test_a_verdict_its_alerts_and_the_end_of_its_work_are_stored_together(state: str) -> None:
    def fail(_: Connection, judged: Judged) -> None:
        raise RuntimeError(judged.name)

    with engine_of(state) as engine:
        store = Store(engine, raise_alerts=fail)
        queue(store, 1)
        (order,) = store.claim_versions(1)
        with pytest.raises(RuntimeError):
            store.finish_versions([(order, CLEAN)])
        with engine.connect() as connection:
            assert connection.execute(select(verdicts)).all() == []
            assert [row.state for row in connection.execute(select(work))] == ["leased"]


def test_the_sequence_moves_for_one_of_two_monitors(state: str, registry: ChangingRegistry) -> None:
    registry.release("a", "1.0.0", harmless("a", "1.0.0"))
    with office(state, registry) as desk:
        cursor = desk.store.place(Cursor("feed", 0, BEGINNING))
        page = desk.feed.page(0)
        assert desk.store.add_page(cursor, page)
        assert not desk.store.add_page(cursor, page)
        moved = desk.store.cursor("feed")
        assert moved is not None
        assert moved.sequence == 1


def test_what_cannot_be_judged_is_given_up_after_a_while_and_said(
    state: str, registry: ChangingRegistry
) -> None:
    def answer(task: Task) -> Answer:
        if task.name == "flaky":
            return Answer(problem="no\0answer", again=True)
        if task.name == "damaged":
            return Answer(verdict="unverified", ruleset="rules", document=b"{}", problem="cut short")
        raise BrokenExecutor

    clock = Clock()
    for name in ("damaged", "deadly", "flaky"):
        registry.release(name, "1.0.0", harmless(name, "1.0.0"), at=days_ago(1))
    with office(state, registry, answer=answer, clock=clock) as desk:
        for hours in range(30):
            clock.offset = timedelta(hours=hours)
            assert desk.once().complete == (hours > 19)
        assert desk.versions() == {
            "damaged@1.0.0": "unverified",
            "deadly@1.0.0": "failed",
            "flaky@1.0.0": "failed",
        }
        assert desk.told == {"damaged@1.0.0": 1}


def test_backfill_comes_after_what_is_new(state: str) -> None:
    with engine_of(state) as engine:
        store = Store(engine)
        queue(store, 3)
        store.place(Cursor("feed", 0, BEGINNING))
        store.add_names(["fresh"], Source.FEED, BEGINNING)
        (name,) = store.claim_names(1)
        store.finish_names([Reading(name, (("2.0.0", None),), "d")])
        assert [order.name for order in store.claim_versions(2)] == ["fresh", "p000"]


def test_backfill_judges_what_was_there_before(state: str, registry: ChangingRegistry) -> None:
    for version in ("1.0.0", "1.1.0"):
        registry.release("old", version, harmless("old", version), at=days_ago(100))
    with office(state, registry) as desk:
        assert desk.once("now").complete
        registry.release("old", "1.2.0", harmless("old", "1.2.0"))
        assert desk.once("now").complete
        assert list(desk.versions()) == ["old@1.2.0"]
        desk.store.add_names(["old"], Source.BACKFILL, BEGINNING)
        assert desk.once("now").complete
        assert desk.told == {"old@1.0.0": 1, "old@1.1.0": 1, "old@1.2.0": 1}


def test_a_postgresql_that_restarts_is_waited_for(postgresql: PostgreSQL, registry: ChangingRegistry) -> None:
    for number in range(6):
        registry.release(f"p{number}", "1.0.0", harmless(f"p{number}", "1.0.0"), at=days_ago(1))
    restarts = iter(range(2))

    def answer(task: Task) -> Answer:
        for _ in restarts:
            postgresql.stop()
            postgresql.start()
            break
        return clean(task)

    with office(postgresql.database(), registry, answer=answer) as desk:
        assert desk.once().complete
        assert desk.versions() == {f"p{number}@1.0.0": "done" for number in range(6)}
        assert set(desk.told.values()) <= {1, 2}  # a try that was rolled back has told nothing to anyone
    assert list(restarts) == []


def test_a_postgresql_that_stays_away_ends_the_run_in_one_line(postgresql: PostgreSQL) -> None:
    with engine_of(postgresql.database()) as engine:
        store = Store(engine, patience=0.5)
        postgresql.stop()
        try:
            with pytest.raises(StoreError, match="done by the next run"):
                store.open_work()
        finally:
            postgresql.start()
        assert store.open_work() == (0, None)


def test_states_that_cannot_be_used_say_why() -> None:
    for state in ("mysql://host/db", "/nowhere/at/all/state.db", "postgresql://host:port/db"):
        with pytest.raises(UsageError, match="--state"):
            open_database(state)


def test_a_full_disk_loses_nothing(registry: ChangingRegistry, tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    for number in range(40):
        registry.release(f"p{number:02}", "1.0.0", harmless(f"p{number:02}", "1.0.0"), at=days_ago(1))

    def answer(task: Task) -> Answer:
        return Answer(verdict="clean", ruleset="rules", document=Random(task.name).randbytes(20_000))

    with office(state, registry, answer=answer) as desk:
        with desk.engine.connect() as connection:
            pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one()) + 40

        @event.listens_for(desk.engine, "begin")
        def limited(connection: Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        with pytest.raises(StoreError, match="full"):
            desk.once()
    with office(state, registry, answer=answer) as desk:
        assert desk.once().complete
        assert set(desk.versions().values()) == {"done"}
        assert len(desk.versions()) == 40
