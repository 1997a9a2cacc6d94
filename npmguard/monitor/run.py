"""Runs a monitor: reads the feed, then the documents, has versions judged, and tells.

One thread talks to the database; others ask the registry for documents, and workers judge. What is in hand at
any time is bounded by their number, whatever waits in the state.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from npmguard.errors import RegistryError, StoreError
from npmguard.monitor.feed import PAGE_ROWS, ChangesFeed
from npmguard.monitor.reading import read_name
from npmguard.monitor.records import Answer, NameOrder, Reading, Task, VersionOrder, WorkState
from npmguard.monitor.since import sequence_at, start_of

if TYPE_CHECKING:
    from npmguard.config import Config
    from npmguard.monitor.crew import Crew
    from npmguard.monitor.records import Cursor
    from npmguard.monitor.store import Store
    from npmguard.registry.client import RegistryClient

READERS: Final = 8  # threads that read documents
_TURN_SECONDS: Final = 0.5
_GATHER_SECONDS: Final = 0.15  # for more results to share a transaction with the first
_IN_HAND: Final = 6  # versions a worker: what it goes on with while results are stored
_IDLE_SECONDS: Final = 1.0
_RENEW_SECONDS: Final = 60.0
_LONGEST_BACKOFF: Final = 300.0
_LOST: Final = Answer(problem="the worker that had it was lost", again=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a monitor is told. Times in seconds.

    ``watched`` are the only names that matter, or None. ``registry`` None is what npm is configured with.
    ``patience`` is how long a single run waits for what failed to be due again, ``interval`` how long a lasting
    one waits between two looks at the feed, ``grace`` how long work in hand may take when it is told to end.
    """

    config: Config
    registry: str | None = None
    since: str = "now"
    watched: frozenset[str] | None = None
    patience: float = 60.0
    interval: float = 15.0
    grace: float = 10.0
    page_rows: int = PAGE_ROWS


@dataclass(slots=True)
class Tally:
    """What a run did. ``left`` is what is still open after it; ``problems`` why, a line each."""

    changes: int = 0
    names: int = 0
    versions: dict[WorkState, int] = field(default_factory=dict)
    left: int = 0
    undelivered: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing was left undone: neither open, nor given up, nor judged in part alone."""
        given_up = self.versions.get(WorkState.FAILED, 0) + self.versions.get(WorkState.UNVERIFIED, 0)
        return not (self.left or self.undelivered or self.problems or given_up)


class Monitor:
    """One monitor; its methods are called from one thread, and end soon after *stop* is set.

    Args:
        store: the state, opened by this thread.
        crew: the workers.
        client: asks for documents.
        plan: what it is told.
        feed: the feed, or None where only what is in the state is to be done.
        deliver: hands over alerts that are due; how many are left. Called from a thread of its own.
        clock: what the time is, in UTC.
        stop: ends it.
        say: shows a line to the operator.
    """

    def __init__(
        self,
        store: Store,
        crew: Crew,
        client: RegistryClient,
        plan: Plan,
        *,
        feed: ChangesFeed | None = None,
        deliver: Callable[[], int] = lambda: 0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        stop: threading.Event | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._crew = crew
        self._client = client
        self._plan = plan
        self._feed = feed
        self._deliver = deliver
        self._clock = clock
        self._stop = stop or threading.Event()
        self._say = say
        self._unread = False  # whether the feed has more
        self._readings: dict[Future[Reading], NameOrder] = {}
        self._judgings: dict[Future[bytes], VersionOrder] = {}
        self._delivery: Future[int] | None = None
        self._renewed = time.monotonic()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="npmguard-read")
        self._messenger = ThreadPoolExecutor(1, thread_name_prefix="npmguard-deliver")
        self.tally = Tally()

    def once(self) -> Tally:
        """Read the feed to its end and do all that is to be done, as far as it can be done now.

        Raises:
            UsageError: ``--since`` cannot be used.
            StoreError: the state cannot be read or written.
        """
        try:
            self._store.recover()
            self._look()
            until: float | None = None
            while not self._stop.is_set():
                if self._turn():
                    continue
                count, due = self._store.open_work()
                if until is None:
                    until = time.monotonic() + self._plan.patience
                if not count or due is None or time.monotonic() >= until:
                    break
                ahead = (due - self._clock()).total_seconds()
                if ahead > until - time.monotonic():
                    break
                self._stop.wait(min(max(ahead, 0.25), _IDLE_SECONDS))
                self._store.recover()
        finally:
            self._wind_down()
        self.tally.left = self._store.open_work()[0]
        if self._unread and not self.tally.problems:
            self.tally.problems.append("the feed was not read to its end")
        self.tally.undelivered = self._deliver()
        return self.tally

    def follow(self) -> Tally:
        """Go on until told to end; what fails is tried again, less and less often.

        Raises:
            UsageError: ``--since`` cannot be used.
        """
        failures, next_look, recover_at = 0, 0.0, 0.0
        try:
            while not self._stop.is_set():
                try:
                    now = time.monotonic()
                    if now >= recover_at:
                        self._store.recover()
                        recover_at = now + _RENEW_SECONDS
                    if now >= next_look and not self._unread:
                        failures = 0 if self._look() else failures + 1
                        next_look = time.monotonic() + self._pause(failures)
                    if not self._turn():
                        self._stop.wait(min(_IDLE_SECONDS, max(0.05, next_look - time.monotonic())))
                except StoreError as error:
                    failures += 1
                    self._say(str(error))
                    self._stop.wait(self._pause(failures))
        finally:
            self._wind_down()
        self.tally.left = self._store.open_work()[0]
        self.tally.undelivered = self._deliver()
        return self.tally

    def _pause(self, failures: int) -> float:
        longest = max(_LONGEST_BACKOFF, self._plan.interval)
        return min(self._plan.interval * float(2 ** min(failures, 10)), longest)

    # --- the feed ------------------------------------------------------------------------------------------

    def _look(self) -> bool:
        """See whether the feed has more, and where it was reset; False where it cannot be asked."""
        feed = self._feed
        if feed is None:
            return True
        try:
            cursor = self._store.cursor(feed.url)
            if cursor is None:
                start = start_of(self._plan.since, feed, self._client.packument, self._clock())
                cursor = self._store.place(start)
            head = feed.head()
            if head < cursor.sequence:
                cursor = self._restart(feed, cursor)
            self._unread = head > cursor.sequence
            if not self._unread:
                self._store.reached_head(feed.url)
        except RegistryError as error:
            return self._cannot_read(error)
        return True

    def _restart(self, feed: ChangesFeed, cursor: Cursor) -> Cursor:
        """Go on where the feed, numbered anew, was when it was last read to its end.

        What is read twice is known by name and version, and judged once.
        """
        sequence = sequence_at(feed, self._client.packument, cursor.head) if cursor.head is not None else 0
        self._say(f"{feed.url} was reset: its newest sequence is below {cursor.sequence}; on from {sequence}")
        return self._store.place(type(cursor)(cursor.feed, sequence, cursor.horizon, cursor.head), anew=True)

    def _pull(self) -> bool:
        """Take in one page, where there is more; whether something was taken in."""
        feed = self._feed
        if feed is None or not self._unread:
            return False
        cursor = self._store.cursor(feed.url)
        if cursor is None:
            return False
        try:
            page = feed.page(cursor.sequence, self._plan.page_rows)
        except RegistryError as error:
            self._cannot_read(error)
            return False
        if page.last == cursor.sequence:
            self._unread = False
            self._store.reached_head(feed.url)
            return False
        if self._store.add_page(cursor, page, self._plan.watched):
            self.tally.changes += len(page.changes)
        return True

    def _cannot_read(self, error: RegistryError) -> bool:
        self._unread = False
        problem = f"the feed cannot be read: {error}"
        if problem not in self.tally.problems[-1:]:
            self.tally.problems[:] = [*self.tally.problems[-9:], problem]
            self._say(problem)
        return False

    # --- names and versions --------------------------------------------------------------------------------

    def _turn(self) -> bool:
        """Do a little of everything; whether there may be more to do at once."""
        pulled = self._pull()
        free = READERS - len(self._readings)
        claimed = self._store.claim_names(free) if free >= READERS // 2 else []
        for name in claimed:
            self._readings[self._readers.submit(read_name, self._client, name)] = name
        started = self._start_judging()
        pending: list[Future[Any]] = [*self._readings, *self._judgings]
        if pending:
            done, _ = wait(pending, timeout=0.0 if pulled else _TURN_SECONDS, return_when=FIRST_COMPLETED)
            if done and not pulled and len(done) < self._crew.size:
                wait(pending, timeout=_GATHER_SECONDS)
            self._collect()
        self._keep_up()
        return bool(pulled or claimed or started or pending)

    def _start_judging(self) -> bool:
        """Give the workers what they have room for."""
        free = _IN_HAND * self._crew.size - len(self._judgings)
        orders = self._store.claim_versions(free) if free >= _IN_HAND * self._crew.size // 3 else []
        for index, order in enumerate(orders):
            task = Task(order.name, order.version, self._plan.config, self._plan.registry)
            try:
                self._judgings[self._crew.submit(task)] = order
            except BrokenExecutor as error:
                self._say(str(error))
                self._store.release(orders[index:])
                self._stop.wait(_IDLE_SECONDS)
                break
        return bool(orders)

    def _collect(self) -> None:
        """Store what is there: documents and verdicts, each kind in one transaction."""
        read = [reading for reading in self._readings if reading.done()]
        if read:
            self._store.finish_names([_result(reading, self._readings[reading]) for reading in read])
            for reading in read:
                del self._readings[reading]
            self.tally.names += len(read)
        judged = [future for future in self._judgings if future.done()]
        if judged:
            answers = [(self._judgings[future], self._crew.answer(future) or _LOST) for future in judged]
            for state in self._store.finish_versions(answers):
                self.tally.versions[state] = self.tally.versions.get(state, 0) + 1
            for future in judged:  # not before: where the state could not be written, it is tried again
                del self._judgings[future]

    # --- between turns -------------------------------------------------------------------------------------

    def _keep_up(self) -> None:
        now = time.monotonic()
        if now - self._renewed > _RENEW_SECONDS:
            self._store.renew()
            self._renewed = now
        if self._delivery is None or self._delivery.done():
            if self._delivery is not None:
                self._delivery.result()
            self._delivery = self._messenger.submit(self._deliver)

    def _wind_down(self) -> None:
        """Let what is in hand come to its end for a short while, give back the rest."""
        pending: list[Future[Any]] = [*self._readings, *self._judgings]
        wait(pending, timeout=self._plan.grace if self._stop.is_set() else 0.0)
        for step in (self._collect, self._store.release):
            try:
                step()
            except StoreError as error:
                self._say(str(error))  # the leases run out, and the work is done then
        self._crew.close()
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._messenger.shutdown(wait=True)


def _result(reading: Future[Reading], order: NameOrder) -> Reading:
    """What was read; a fault of npmguard's on one document must not stop the others."""
    error = reading.exception()
    if error is None:
        return reading.result()
    return Reading(order, problem=f"npmguard failed on it: {type(error).__name__}: {error}")
