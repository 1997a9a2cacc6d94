"""Monitors inside the test's process, whose workers judge nothing: what is tested is what becomes of the work.

That the verdicts are those of a scan, and what happens to processes, is tested from the command line.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from npmguard.config import Config, Network
from npmguard.monitor.crew import Crew
from npmguard.monitor.database import open_database
from npmguard.monitor.feed import ChangesFeed
from npmguard.monitor.records import Answer, Judged, Task
from npmguard.monitor.run import Monitor, Plan, Tally
from npmguard.monitor.store import Store
from npmguard.monitor.tables import names, work
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import NpmConfig
from npmguard.registry.web import HttpWeb
from tests.changes import ChangingRegistry

QUICK = Network(retries=0, give_up_after=1.0)


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


class Instant(Executor):
    """Answers each task at once, by a function of the test's."""

    def __init__(self, answer: Callable[[Task], Answer]) -> None:
        self._answer = answer

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ARG002 - judges nothing
        future: Future[Any] = Future()
        task = msgspec.msgpack.decode(args[0], type=Task)
        try:
            future.set_result(msgspec.msgpack.encode(self._answer(task)))
        except Exception as error:  # noqa: BLE001 - what the test has it raise
            future.set_exception(error)
        return future


def clean(task: Task) -> Answer:
    return Answer(verdict="clean", ruleset="rules", document=task.name.encode())


class Office:
    """One monitor's parts around a state, and what it was told to tell."""

    def __init__(
        self,
        state: str,
        registry: ChangingRegistry,
        cache: Path | None = None,
        *,
        answer: Callable[[Task], Answer] = clean,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.engine = open_database(state)
        self.stop = threading.Event()
        self.told: Counter[str] = Counter()
        self.clock = clock or Clock()
        self.registry = registry
        self.crew = Crew(lambda: (Instant(answer), lambda: None), 2)
        self.store = Store(self.engine, clock=self.clock, raise_alerts=self._tell, patience=5.0, stop=self.stop)
        npm = NpmConfig(registry=registry.url)
        self.web = HttpWeb(npm, QUICK, (registry.changes_url,))
        self.client = RegistryClient(npm, QUICK, Config().limits, cache)
        self.feed = ChangesFeed(registry.changes_url, self.web)

    def once(self, since: str = "0", **plan: Any) -> Tally:
        plan = {"patience": 0.0, "page_rows": 3, **plan}
        return self.monitor(since, **plan).once()

    def monitor(self, since: str = "0", **plan: Any) -> Monitor:
        return Monitor(
            self.store,
            self.crew,
            self.client,
            Plan(Config(network=QUICK), self.registry.url, since, **plan),
            feed=self.feed,
            clock=self.clock,
            stop=self.stop,
        )

    def versions(self) -> dict[str, str]:
        """What stands in the state: ``name@version`` to where it stands."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(work).order_by(work.c.name, work.c.version)).all()
        return {f"{row.name}@{row.version}": row.state for row in rows}

    def names(self) -> dict[str, str]:
        with self.engine.connect() as connection:
            rows = connection.execute(select(names).order_by(names.c.name)).all()
        return {row.name: row.state for row in rows}

    def _tell(self, transaction: Connection, judged: Judged) -> None:
        assert transaction.in_transaction()
        self.told[f"{judged.name}@{judged.version}"] += 1

    def close(self) -> None:
        self.client.close()
        self.web.close()
        self.engine.dispose()


@contextmanager
def office(state: str, registry: ChangingRegistry, cache: Path | None = None, **more: Any) -> Iterator[Office]:
    opened = Office(state, registry, cache, **more)
    try:
        yield opened
    finally:
        opened.close()
