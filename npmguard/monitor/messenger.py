"""Raises alerts within the transactions that store verdicts, and hands them over from a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from npmguard.monitor.alerts import Alerting, raise_alerts, raise_overdue
from npmguard.monitor.outbox import Outbox
from npmguard.monitor.owner import is_dead
from npmguard.monitor.transactions import Transactions

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from npmguard.config import Alerts
    from npmguard.monitor.records import Judged
    from npmguard.monitor.sinks.sink import Sink

_LOOK: Final = timedelta(seconds=5)  # for alerts that other monitors raised, and for growth to be told of


class Messenger:
    """The alerts of one process.

    Args:
        engine: the state.
        sinks: whom alerts are for; incidents are kept without any, too.
        settings: what is told, and how long it is tried.
        owner: this process, as :func:`npmguard.monitor.owner.this_owner` names it.
        stop: ends waiting for a database that does not answer.
        patience: seconds for which it is asked again.
        say: shows a line to the operator.
        clock: what the time is, in UTC.
    """

    def __init__(
        self,
        engine: Engine,
        sinks: tuple[Sink, ...],
        settings: Alerts,
        *,
        owner: str,
        stop: threading.Event,
        patience: float = 120.0,
        say: Callable[[str], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._alerting = Alerting(sinks, settings.threshold, timedelta(seconds=settings.quiet))
        self._run = Transactions(engine, patience, stop).run
        self._clock = clock
        self._say = say
        self._outbox = Outbox(
            self._run,
            sinks,
            owner=owner,
            is_dead=is_dead,
            now=clock,
            random=Random(owner),  # noqa: S311 - spreads load, hides nothing
            give_up_after=timedelta(seconds=settings.give_up_after),
        )
        self._raised = threading.Event()
        self._raised.set()
        self._next = clock()
        self._pending = 0
        self._failing: dict[str, str] = {}

    def raise_alerts(self, transaction: Connection, judged: Judged) -> None:
        """Put what a verdict makes worth telling into the outbox, within *transaction*."""
        raise_alerts(transaction, judged, self._alerting)
        self._raised.set()

    def deliver(self) -> int:
        """Hand over what is due; how many alerts are left. Called again and again, and cheap in between.

        Raises:
            StoreError: the state cannot be read or written.
        """
        now = self._clock()
        if not self._raised.is_set() and now < self._next <= now + _LOOK:
            return self._pending
        raised = self._raised.is_set()
        self._raised.clear()
        self._run(lambda transaction: raise_overdue(transaction, now, self._alerting))
        round_ = self._outbox.deliver()
        self._pending = round_.pending
        self._next = now + _LOOK if round_.due is None else min(round_.due, now + _LOOK)
        if raised and not round_.delivered and not round_.pending:
            self._raised.set()  # its transaction may not have ended yet
        for sink, reason in round_.failed.items():
            if self._failing.get(sink) != reason:
                self._say(f"alerts wait: {reason}; tried again until it works, at most for the days set")
        self._failing = dict(round_.failed) if round_.failed or round_.delivered else self._failing
        if round_.dead:
            self._say(f"{round_.dead} alerts were given up: npmguard monitor status tells whose")
        return self._pending
