"""What every receiver of alerts is to the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from npmguard.monitor.alert import AlertKind

if TYPE_CHECKING:
    from npmguard.monitor.alert import Alert


class Sink(Protocol):
    """A receiver of alerts."""

    @property
    def name(self) -> str:
        """What it is called in the outbox, in messages and in the status; it holds no secret."""

    def takes(self, alert: Alert) -> bool:
        """Whether *alert* is of use to it."""

    def deliver(self, alert: Alert) -> None:
        """Hand *alert* over; it may be given again after a crash, and is then known by its id.

        Raises:
            SinkError: it was not handed over, or nobody knows whether it was.
        """


def for_people(alert: Alert) -> bool:
    """Whether an alert is one of the few that people want."""
    return alert.kind is not AlertKind.RELEASE
