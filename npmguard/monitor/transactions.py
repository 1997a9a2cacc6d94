"""Runs one transaction, again where the database was away for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from npmguard.errors import StoreError
from npmguard.monitor.database import reason

_LONGEST_PAUSE: Final = 5.0
_T = TypeVar("_T")


class Transactions:
    """Transactions on one database.

    What is run may run twice where the answer to its commit was lost, and so has to bear that: each action
    checks within the transaction whether its work is still to be done.

    Args:
        engine: the database.
        patience: seconds for which one that does not answer is asked again.
        stop: ends the waiting.
    """

    def __init__(self, engine: Engine, patience: float, stop: threading.Event) -> None:
        self._engine = engine
        self._patience = patience
        self._stop = stop

    def run(self, action: Callable[[Connection], _T]) -> _T:
        """The result of *action*, all of whose changes are stored, or none.

        Raises:
            StoreError: the database refuses, has no room, or does not answer for too long.
        """
        end = time.monotonic() + self._patience
        pause = 0.1
        while True:
            try:
                with self._engine.begin() as transaction:
                    return action(transaction)
            except SQLAlchemyError as error:
                failure = f"the state cannot be read or written: {reason(error)}"
                if not self._may_pass(error) or time.monotonic() + pause > end:
                    raise StoreError(f"{failure}; what was not stored is done by the next run") from error
            if self._stop.wait(pause):
                raise StoreError(f"{failure}; stopped while waiting for it")
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _may_pass(self, error: SQLAlchemyError) -> bool:
        """Whether it is the kind of failure that ends by itself: a restart, a lost connection, a lock."""
        if self._engine.dialect.name == "sqlite":
            return isinstance(error, OperationalError) and "locked" in str(error.orig)
        return isinstance(error, OperationalError | InterfaceError) or (
            isinstance(error, DBAPIError) and error.connection_invalidated
        )
