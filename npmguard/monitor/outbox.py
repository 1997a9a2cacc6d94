"""Hands over the alerts of the outbox, again and again until they are taken.

An alert is claimed in one transaction, handed over outside of any, and marked as delivered in another. Whoever
dies in between leaves it claimed: it is handed over once more, with the same id, and the receiver knows it by
that. The alerts of a receiver go one after another, so that one which is away is asked about one alert and not
about all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, Row, func, select, update

from npmguard.errors import SinkError
from npmguard.monitor.alert import Alert
from npmguard.monitor.records import AlertState
from npmguard.monitor.sinks.sink import Sink
from npmguard.monitor.tables import outbox

FIRST_WAIT: Final = timedelta(seconds=10)
LONGEST_WAIT: Final = timedelta(hours=1)
_CLAIM: Final = timedelta(minutes=5)  # longer than any delivery takes
_REASON: Final = 300

_T = TypeVar("_T")


class Run(Protocol):
    """Runs an action in one transaction, perhaps more than once."""

    def __call__(self, action: Callable[[Connection], _T], /) -> _T:
        """The action's result."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one round came to.

    ``failed`` holds, for each sink that did not take an alert, why. ``pending`` counts what is still to be
    delivered, and ``due`` is when the next of it is, None where there is nothing.
    """

    delivered: int
    dead: int
    pending: int
    failed: Mapping[str, str]
    due: datetime | None


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How one sink stands: alerts by state, the oldest that waits, and why the last attempt at it failed."""

    sink: str
    pending: int
    delivered: int
    dead: int
    oldest: datetime | None
    reason: str | None


class Outbox:
    """The outbox of one process.

    Args:
        run: how to run a transaction.
        sinks: whom to hand alerts to; those for others are left alone.
        owner: this process, as :func:`npmguard.monitor.owner.this_owner` names it.
        is_dead: whether another such process has ended for sure; what it had claimed is delivered at once.
        now: what the time is.
        random: what waits are spread by.
        give_up_after: the age at which an alert that nobody takes is dead.
    """

    def __init__(
        self,
        run: Run,
        sinks: Iterable[Sink],
        *,
        owner: str,
        is_dead: Callable[[str], bool],
        now: Callable[[], datetime],
        random: Random,
        give_up_after: timedelta,
    ) -> None:
        self._run = run
        self._sinks = tuple(sinks)
        self._owner = owner
        self._is_dead = is_dead
        self._now = now
        self._random = random
        self._give_up_after = give_up_after

    def deliver(self, most: int = 1000) -> Delivery:
        """Hand over what is due, at most *most* alerts a sink; a sink that fails is left alone for this round.

        Never raises for what a sink does.
        """
        delivered = dead = 0
        failed: dict[str, str] = {}
        for sink in self._sinks:
            for _ in range(most):
                row = self._run(lambda transaction, name=sink.name: self._claim(transaction, name))  # type: ignore[misc]
                if row is None:
                    break
                try:
                    alert = Alert.decode(row.payload)
                except SinkError as error:  # time will not mend it
                    dead += self._postpone(row, error, for_good=True)
                    continue
                try:
                    sink.deliver(alert)
                except SinkError as error:
                    failed[sink.name] = str(error)[:_REASON]
                    dead += self._postpone(row, error)
                    break
                self._run(lambda transaction, identity=row.id: self._delivered(transaction, identity))  # type: ignore[misc]
                delivered += 1
        pending, due = self._run(self._waiting)
        return Delivery(delivered, dead, pending, failed, due)

    def _claim(self, transaction: Connection, sink: str) -> Row[Any] | None:
        """The sink's oldest pending alert, if it is due; it is ours until the claim ends."""
        row = transaction.execute(
            select(outbox)
            .where(outbox.c.sink == sink, outbox.c.state == AlertState.PENDING.value)
            .order_by(outbox.c.created, outbox.c.id)
            .limit(1)
            .with_for_update()
        ).first()
        now = self._now()
        if row is None:
            return None
        in_time = (
            now < row.due <= now + 2 * LONGEST_WAIT
        )  # later than that, a clock was ahead of what it is now
        if in_time and not (row.owner is not None and self._is_dead(row.owner)):
            return None
        transaction.execute(
            update(outbox)
            .where(outbox.c.id == row.id)
            .values(owner=self._owner, due=now + _CLAIM, attempts=row.attempts + 1)
        )
        return row

    def _delivered(self, transaction: Connection, identity: str) -> None:
        transaction.execute(
            update(outbox)
            .where(outbox.c.id == identity)
            .values(state=AlertState.DELIVERED.value, delivered=self._now(), owner=None, reason=None)
        )

    def _postpone(self, row: Row[Any], error: SinkError, *, for_good: bool = False) -> int:
        """Wait with an alert that was not taken, or give it up; how many were given up."""
        now = self._now()
        is_dead_now = for_good or now - row.created >= self._give_up_after
        values: dict[str, Any] = {"owner": None, "reason": str(error)[:_REASON]}
        if is_dead_now:
            values["state"] = AlertState.DEAD.value
        else:
            values["due"] = now + self._wait(row.attempts, error.retry_after)
        self._run(
            lambda transaction: (
                transaction.execute(update(outbox).where(outbox.c.id == row.id).values(values)).rowcount
            )
        )
        return int(is_dead_now)

    def _wait(self, attempts: int, asked: float | None) -> timedelta:
        """Doubling from ten seconds to an hour, spread over a quarter; what the receiver asks for if longer."""
        wait = min(FIRST_WAIT * float(2 ** min(attempts, 20)), LONGEST_WAIT) * self._random.uniform(0.75, 1.0)
        if asked is None:
            return wait
        return min(max(wait, timedelta(seconds=min(asked, 86400.0))), 2 * LONGEST_WAIT)

    def _waiting(self, transaction: Connection) -> tuple[int, datetime | None]:
        names = [sink.name for sink in self._sinks]
        count, due = transaction.execute(
            select(func.count(), func.min(outbox.c.due)).where(
                outbox.c.state == AlertState.PENDING.value, outbox.c.sink.in_(names)
            )
        ).one()
        return count, due


def sink_statuses(transaction: Connection) -> tuple[SinkStatus, ...]:
    """How every sink of the outbox stands, by name, those that no monitor delivers to any more as well."""
    found: dict[str, dict[str, int]] = {}
    for sink, state, count in transaction.execute(
        select(outbox.c.sink, outbox.c.state, func.count()).group_by(outbox.c.sink, outbox.c.state)
    ):
        found.setdefault(sink, {})[state] = count
    statuses = []
    for sink in sorted(found):
        oldest = transaction.execute(
            select(outbox.c.created, outbox.c.reason)
            .where(outbox.c.sink == sink, outbox.c.state == AlertState.PENDING.value)
            .order_by(outbox.c.created, outbox.c.id)
            .limit(1)
        ).first()
        counts = found[sink]
        statuses.append(
            SinkStatus(
                sink,
                counts.get(AlertState.PENDING.value, 0),
                counts.get(AlertState.DELIVERED.value, 0),
                counts.get(AlertState.DEAD.value, 0),
                oldest.created if oldest is not None else None,
                oldest.reason if oldest is not None else None,
            )
        )
    return tuple(statuses)
