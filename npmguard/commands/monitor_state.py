"""The state of a monitor, as its commands open it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy import Engine


class AlertOn(StrEnum):
    """From which verdict on an incident is told."""

    MALICIOUS = "malicious"
    SUSPICIOUS = "suspicious"


StateOption = Annotated[
    str,
    typer.Option(
        "--state", envvar="NPMGUARD_STATE", help="Where the state is: a file, or postgresql://host/database."
    ),
]
AlertsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--alerts",
        metavar="KIND:TARGET",
        help="Whom to tell, repeatable: jsonl:FILE, webhook:URL, slack:URL, teams:URL, mailto:ADDRESS,"
        " atom:FILE, osv:FOLDER.",
    ),
]
AlertOnOption = Annotated[
    AlertOn | None, typer.Option("--alert-on", help="The verdict from which on to tell; default: malicious.")
]
DEFAULT_STATE = "npmguard-monitor.db"
DATABASE_PATIENCE = 120.0


@contextmanager
def open_state(state: str) -> Iterator[Engine]:
    """The state, opened; what it takes to open it is hidden from every process that is started later on."""
    from npmguard.monitor.database import open_database, take_secrets

    parameters = take_secrets(os.environ)
    os.environ.pop("NPMGUARD_STATE", None)
    sys.argv[1:] = []  # multiprocessing hands them on
    engine = open_database(state, parameters)
    try:
        yield engine
    finally:
        engine.dispose()
