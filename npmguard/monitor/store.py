"""The state of a monitor: what is to be done, by whom, and what was found.

Every method is one transaction. What a page of the feed asks for is stored with the sequence that the page ends
with, and a verdict with its alerts and the end of its work, so that a process may die between any two
statements: nothing is lost, and nothing counts twice.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from npmguard.monitor.kept import CODE_KEPT, CODE_NOT_KEPT
from npmguard.monitor.owner import is_dead, this_owner
from npmguard.monitor.records import (
    Answer,
    Cursor,
    Judged,
    NameOrder,
    NameState,
    Page,
    Reading,
    Source,
    VersionOrder,
    WorkState,
    plain,
)
from npmguard.monitor.tables import cursors, facts, names, verdicts, work
from npmguard.monitor.transactions import Transactions

#: For how long a claim holds without being renewed.
LEASE: Final = timedelta(minutes=5)
#: When a document that was read is read once more: it may have been older than the feed.
RECHECKS: Final = (timedelta(minutes=1), timedelta(minutes=15))
_FIRST_WAIT: Final = timedelta(seconds=2)
_LONGEST_WAIT: Final = timedelta(hours=1)
_ATTEMPTS: Final = 20  # about ten hours in all
_UNREAD_ATTEMPTS: Final = 10  # half an hour, for a version whose document could be read, and its tarball not
_ROWS: Final = 500  # in one statement: SQLite binds no more than 32,766 values

Raise = Callable[[Connection, Judged], None]


def silence(transaction: Connection, judged: Judged) -> None:
    """Raise no alert."""


class Store:
    """The state in one database, for one process, from one thread.

    Args:
        engine: as :func:`npmguard.monitor.database.open_database` gives it.
        clock: what the time is, in UTC.
        raise_alerts: called within the transaction that stores a verdict.
        patience: seconds for which a database that does not answer is asked again.
        stop: ends that waiting.

    Every method raises:
        StoreError: the database refuses, has no room, or does not answer for too long.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        raise_alerts: Raise = silence,
        patience: float = 120.0,
        stop: threading.Event | None = None,
        lease: timedelta = LEASE,
    ) -> None:
        self.owner = this_owner()
        self._clock = clock
        self._raise = raise_alerts
        self._lease = lease
        self._run = Transactions(engine, patience, stop or threading.Event()).run
        self._insert: Any = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    # --- the feed ------------------------------------------------------------------------------------------

    def cursor(self, feed: str) -> Cursor | None:
        """How far that feed was read; None where it never was."""

        def read(transaction: Connection) -> Cursor | None:
            row = transaction.execute(select(cursors).where(cursors.c.feed == feed)).first()
            return Cursor(row.feed, row.sequence, row.horizon, row.head) if row is not None else None

        return self._run(read)

    def place(self, cursor: Cursor, *, anew: bool = False) -> Cursor:
        """Begin to read a feed there, or with *anew* go on from there; the cursor that holds now."""

        def write(transaction: Connection) -> None:
            values = {
                "feed": cursor.feed,
                "sequence": cursor.sequence,
                "horizon": cursor.horizon,
                "head": cursor.head,
                "updated": self._clock(),
            }
            insertion = self._insert(cursors).values(values)
            if anew:
                change = {"sequence": cursor.sequence, "updated": values["updated"]}
                transaction.execute(insertion.on_conflict_do_update(index_elements=["feed"], set_=change))
            else:
                transaction.execute(insertion.on_conflict_do_nothing())

        self._run(write)
        return self.cursor(cursor.feed) or cursor

    def add_page(self, cursor: Cursor, page: Page, watched: frozenset[str] | None = None) -> bool:
        """Take in what a page of the feed names, and put the sequence to the page's end, in one transaction.

        *watched* are the only names that matter, or None. False where another monitor has read on from the
        same cursor before: then nothing was stored.
        """
        changes = [it for it in page.changes if watched is None or it.name in watched]

        def write(transaction: Connection) -> bool:
            now = self._clock()
            moved = transaction.execute(
                update(cursors)
                .where(cursors.c.feed == cursor.feed, cursors.c.sequence == cursor.sequence)
                .values(sequence=page.last, updated=now)
            )
            if moved.rowcount != 1:
                return False
            rows = [
                {
                    "name": change.name,
                    "state": (NameState.GONE if change.deleted else NameState.CHANGED).value,
                    "changed": change.sequence,
                    "source": Source.FEED.value,
                    "horizon": cursor.horizon,
                    "due": now,
                    "attempts": 0,
                    "owner": None,
                    "lease": None,
                    "reason": "deleted" if change.deleted else None,
                }
                for change in sorted(changes, key=lambda it: it.name)
            ]
            told = ("state", "changed", "source", "due", "attempts", "owner", "lease", "reason")
            self._upsert(transaction, names, rows, ["name"], told)
            return True

        return self._run(write)

    def reached_head(self, feed: str) -> None:
        """Note that the feed was read to its end."""

        def write(transaction: Connection) -> None:
            now = self._clock()
            transaction.execute(update(cursors).where(cursors.c.feed == feed).values(head=now, updated=now))

        self._run(write)

    # --- names ---------------------------------------------------------------------------------------------

    def add_names(self, wanted: Iterable[str], source: Source, horizon: datetime) -> None:
        """Have the documents of names read, and every version published after *horizon* judged."""
        wanted = sorted(set(wanted))

        def write(transaction: Connection) -> None:
            now = self._clock()
            rows = [
                {
                    "name": name,
                    "state": NameState.CHANGED.value,
                    "changed": 0,
                    "source": source.value,
                    "horizon": horizon,
                    "due": now,
                    "attempts": 0,
                    "owner": None,
                    "lease": None,
                    "digest": None,  # so that its versions are looked at whether it changed or not
                    "reason": None,
                }
                for name in wanted
            ]
            told = ("state", "source", "horizon", "due", "attempts", "owner", "lease", "digest", "reason")
            self._upsert(transaction, names, rows, ["name"], told)
            for start in range(0, len(wanted), _ROWS):
                given_up = and_(
                    work.c.name.in_(wanted[start : start + _ROWS]),
                    work.c.state.in_([WorkState.FAILED.value, WorkState.UNVERIFIED.value]),
                )
                transaction.execute(
                    update(work)
                    .where(given_up)
                    .values(state=WorkState.QUEUED.value, source=source.value, due=now, attempts=0)
                )

        self._run(write)

    def claim_names(self, count: int) -> list[NameOrder]:
        """Take up to *count* names whose documents are to be read: the feed's first, rechecks last."""

        def claim(transaction: Connection) -> list[NameOrder]:
            now = self._clock()
            rows: list[Any] = []
            for state in (NameState.CHANGED, NameState.RECHECK):
                for source in Source:
                    if len(rows) < count:
                        rows += self._due(transaction, names, state.value, source, count - len(rows), now)
            for row in rows:
                self._take(transaction, names, NameState.READING.value, now, names.c.name == row.name)
            return [
                NameOrder(
                    row.name,
                    row.state == NameState.RECHECK.value,
                    Source(row.source),
                    row.horizon,
                    row.digest,
                    row.attempts,
                )
                for row in rows
            ]

        return self._run(claim)

    def finish_names(self, readings: Sequence[Reading]) -> int:
        """Queue the versions that documents told of, settle when each name is read next; how many are new."""

        def write(transaction: Connection) -> int:
            now = self._clock()
            return sum(self._finish_name(transaction, reading, now) for reading in readings)

        return self._run(write)

    def _finish_name(self, transaction: Connection, reading: Reading, now: datetime) -> int:
        order = reading.order
        values = self._next_state(reading, now)
        transaction.execute(
            update(names)
            .where(
                names.c.name == order.name,
                names.c.owner == self.owner,
                names.c.state == NameState.READING.value,  # else it changed once more meanwhile
            )
            .values(owner=None, lease=None, **values)
        )
        rows = [
            {
                "name": order.name,
                "version": version,
                "state": WorkState.QUEUED.value,
                "source": order.source.value,
                "queued": now,
                "published": published,
                "due": now,
                "attempts": 0,
            }
            for version, published in reading.versions
        ]
        return self._upsert(transaction, work, rows, ["name", "version"], ())

    def _next_state(self, reading: Reading, now: datetime) -> dict[str, Any]:
        order = reading.order
        if reading.problem is not None and not order.recheck:
            if order.attempts + 1 >= _ATTEMPTS:
                state = NameState.GONE if reading.absent else NameState.FAILED
                return {"state": state.value, "reason": plain(reading.problem), "attempts": order.attempts + 1}
            return {
                "state": NameState.CHANGED.value,
                "reason": plain(reading.problem),
                "attempts": order.attempts + 1,
                "due": now + _wait(order.attempts),
            }
        checks = order.attempts + 1 if order.recheck else 0
        told = {"digest": reading.digest} if reading.digest is not None else {}
        if order.source is Source.FEED and checks < len(RECHECKS):
            due = now + RECHECKS[checks]
            return {"state": NameState.RECHECK.value, "attempts": checks, "due": due, "reason": None, **told}
        return {"state": NameState.READ.value, "attempts": 0, "reason": None, **told}

    # --- versions ------------------------------------------------------------------------------------------

    def claim_versions(self, count: int) -> list[VersionOrder]:
        """Take up to *count* versions to judge, the feed's before all others."""

        def claim(transaction: Connection) -> list[VersionOrder]:
            now = self._clock()
            rows: list[Any] = []
            for source in Source:
                if len(rows) < count:
                    queued = WorkState.QUEUED.value
                    rows += self._due(transaction, work, queued, source, count - len(rows), now)
            for row in rows:
                this = and_(work.c.name == row.name, work.c.version == row.version)
                self._take(transaction, work, WorkState.LEASED.value, now, this)
            return [
                VersionOrder(row.name, row.version, Source(row.source), row.attempts, row.published)
                for row in rows
            ]

        return self._run(claim)

    def finish_versions(self, answers: Sequence[tuple[VersionOrder, Answer]]) -> list[WorkState]:
        """Store what workers said, each verdict with its alerts; where each version stands now.

        A version that meanwhile fell to another monitor is left to that one.
        """

        def write(transaction: Connection) -> list[WorkState]:
            now = self._clock()
            return [self._finish_version(transaction, order, answer, now) for order, answer in answers]

        return self._run(write)

    def _finish_version(
        self, transaction: Connection, order: VersionOrder, answer: Answer, now: datetime
    ) -> WorkState:
        state = _state_after(order, answer)
        values: dict[str, Any] = {
            "state": state.value,
            "reason": plain(answer.problem) if answer.problem is not None else None,
            "attempts": order.attempts + 1,
            "owner": None,
            "lease": None,
        }
        values |= {"due": now + _wait(order.attempts)} if state is WorkState.QUEUED else {"ended": now}
        ours = and_(
            work.c.name == order.name,
            work.c.version == order.version,
            work.c.state == WorkState.LEASED.value,
            work.c.owner == self.owner,
        )
        if transaction.execute(update(work).where(ours).values(values)).rowcount != 1:
            return WorkState.LEASED
        if answer.verdict is not None and state is not WorkState.QUEUED:
            judged = Judged(
                name=order.name,
                version=order.version,
                verdict=answer.verdict,
                ruleset=answer.ruleset,
                source=order.source,
                judged=now,
                document=answer.document,
                published=order.published,
                sha512=answer.sha512,
            )
            self._keep(transaction, judged)
            self._keep_facts(transaction, order.name, order.version, answer.facts, readable=answer.readable)
            self._raise(transaction, judged)
        return state

    def _keep(self, transaction: Connection, judged: Judged) -> None:
        row = {
            "name": judged.name,
            "version": judged.version,
            "ruleset": judged.ruleset,
            "verdict": judged.verdict,
            "published": judged.published,
            "judged": judged.judged,
            "sha512": judged.sha512,
            "document": zlib.compress(judged.document),
        }
        keys = ["name", "version", "ruleset"]
        self._upsert(transaction, verdicts, [row], keys, tuple(key for key in row if key not in keys))

    def _keep_facts(
        self, transaction: Connection, name: str, version: str, content: bytes, *, readable: bool
    ) -> None:
        if not content:
            return
        row = {
            "name": name,
            "version": version,
            "format": CODE_KEPT if readable else CODE_NOT_KEPT,
            "stored": self._clock(),
            "content": content,
        }
        self._upsert(transaction, facts, [row], ["name", "version"], ("format", "stored", "content"))

    # --- leases --------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Hold on to all that this process has claimed."""

        def write(transaction: Connection) -> None:
            lease = self._clock() + self._lease
            for table in (names, work):
                transaction.execute(update(table).where(table.c.owner == self.owner).values(lease=lease))

        self._run(write)

    def release(self, versions: Iterable[VersionOrder] | None = None) -> None:
        """Give back those *versions*, or all that this process has claimed, for anyone to take at once."""

        def write(transaction: Connection) -> None:
            if versions is None:
                self._give_back(transaction, names.c.owner == self.owner, work.c.owner == self.owner)
                return
            for order in versions:
                this = and_(work.c.name == order.name, work.c.version == order.version)
                self._give_back(transaction, None, and_(this, work.c.owner == self.owner))

        self._run(write)

    def recover(self) -> None:
        """Free what dead processes of this machine held, and what was claimed for longer than it may be.

        A lease that ends later than any can was given when the clock was ahead of what it is now.
        """

        def write(transaction: Connection) -> None:
            now = self._clock()
            owners = select(names.c.owner).where(names.c.owner.is_not(None))
            owners_of_work = select(work.c.owner).where(work.c.state == WorkState.LEASED.value)
            held = {row.owner for row in transaction.execute(owners.union(owners_of_work)) if row.owner}
            dead = sorted(owner for owner in held if owner != self.owner and is_dead(owner))

            def free(table: Table) -> Any:
                return and_(
                    table.c.owner.is_not(None),
                    or_(
                        table.c.owner.in_(dead),
                        table.c.lease <= now,
                        table.c.lease > now + 2 * self._lease,
                    ),
                    table.c.owner != self.owner,
                )

            self._give_back(transaction, free(names), free(work))
            latest = now + 2 * _LONGEST_WAIT
            for table, states in (
                (names, [NameState.CHANGED.value, NameState.RECHECK.value]),
                (work, [WorkState.QUEUED.value]),
            ):
                ahead = and_(table.c.state.in_(states), table.c.due > latest)
                transaction.execute(update(table).where(ahead).values(due=now))

        self._run(write)

    def _give_back(self, transaction: Connection, these: Any, those: Any) -> None:
        if these is not None:
            reading = and_(names.c.state == NameState.READING.value, these)
            changed = {"state": NameState.CHANGED.value, "owner": None, "lease": None}
            transaction.execute(update(names).where(reading).values(changed))
        leased = and_(work.c.state == WorkState.LEASED.value, those)
        queued = {"state": WorkState.QUEUED.value, "owner": None, "lease": None}
        transaction.execute(update(work).where(leased).values(queued))

    # --- what there is -------------------------------------------------------------------------------------

    def open_work(self) -> tuple[int, datetime | None]:
        """How many names and versions are still to be done, and when the first that waits is due."""

        def read(transaction: Connection) -> tuple[int, datetime | None]:
            count, due = 0, None
            for table, states in (
                (names, [NameState.CHANGED.value, NameState.READING.value]),
                (work, [WorkState.QUEUED.value, WorkState.LEASED.value]),
            ):
                one = select(func.count(), func.min(table.c.due)).where(table.c.state.in_(states))
                number, first = transaction.execute(one).one()
                count += number
                due = min(filter(None, (due, first)), default=None)
            return count, due

        return self._run(read)

    # --- statements ----------------------------------------------------------------------------------------

    def _due(
        self, transaction: Connection, table: Table, state: str, source: Source, count: int, now: datetime
    ) -> Sequence[Any]:
        """Rows that may be claimed; on PostgreSQL locked, and past those that another monitor is claiming."""
        return transaction.execute(
            select(table)
            .where(table.c.state == state, table.c.source == source.value, table.c.due <= now)
            .order_by(table.c.due)
            .limit(count)
            .with_for_update(skip_locked=True)
        ).all()

    def _take(self, transaction: Connection, table: Table, state: str, now: datetime, this: Any) -> None:
        values = {"state": state, "owner": self.owner, "lease": now + self._lease}
        transaction.execute(update(table).where(this).values(values))

    def _upsert(
        self,
        transaction: Connection,
        table: Table,
        rows: Sequence[dict[str, Any]],
        keys: list[str],
        changed: tuple[str, ...],
    ) -> int:
        """Insert rows, or set *changed* columns of those that are there; how many rows were written."""
        written = 0
        for start in range(0, len(rows), _ROWS):
            insertion = self._insert(table).values(rows[start : start + _ROWS])
            if changed:
                values = {column: insertion.excluded[column] for column in changed}
                statement = insertion.on_conflict_do_update(index_elements=keys, set_=values)
            else:
                statement = insertion.on_conflict_do_nothing(index_elements=keys)
            written += transaction.execute(statement).rowcount
        return written


def _state_after(order: VersionOrder, answer: Answer) -> WorkState:
    last = order.attempts + 1 >= (_ATTEMPTS if answer.verdict is None else _UNREAD_ATTEMPTS)
    if answer.again and not last:
        return WorkState.QUEUED
    if answer.absent:
        return WorkState.GONE
    if answer.verdict is None:
        return WorkState.FAILED
    return WorkState.UNVERIFIED if answer.verdict == "unverified" else WorkState.DONE


def _wait(attempts: int) -> timedelta:
    return min(_FIRST_WAIT * float(2 ** min(attempts, 20)), _LONGEST_WAIT)
