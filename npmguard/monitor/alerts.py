"""Which verdicts are told, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import Connection, insert, select

from npmguard.model import Verdict
from npmguard.monitor.records import AlertState, Judged
from npmguard.monitor.tables import outbox

_TOLD = frozenset({Verdict.MALICIOUS.value, Verdict.SUSPICIOUS.value})


def raise_alerts(transaction: Connection, judged: Judged, sinks: Sequence[str]) -> None:
    """Put the alerts for a verdict into the outbox, one a sink, within the transaction that stores the verdict.

    *sinks* are the ``--alerts`` options (``jsonl:FILE``). An alert that is there already is left alone.
    """
    if judged.verdict not in _TOLD:
        return
    for sink in sinks:
        parts = (sink, judged.name, judged.version, judged.verdict)
        identity = sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]
        if transaction.execute(select(outbox.c.id).where(outbox.c.id == identity)).first() is not None:
            continue
        transaction.execute(
            insert(outbox).values(
                id=identity,
                sink=sink,
                name=judged.name,
                version=judged.version,
                payload=judged.document,
                state=AlertState.PENDING.value,
                attempts=0,
                created=judged.judged,
                due=judged.judged,
            )
        )
