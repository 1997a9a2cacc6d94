"""``npmguard monitor incidents``: what a monitor found, as it belongs together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from npmguard.commands.options import ConfigOption
from npmguard.commands.output import check_writable, emit
from npmguard.config import load_config
from npmguard.errors import StoreError, UsageError
from npmguard.outcome import OK

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from npmguard.model import Incident, IncidentSummary


class IncidentFormat(StrEnum):
    """How incidents are written."""

    TERMINAL = "terminal"
    JSON = "json"
    HTML = "html"


class IncidentVerdict(StrEnum):
    """Incidents of which verdict are listed."""

    MALICIOUS = "malicious"
    SUSPICIOUS = "suspicious"


def incidents(
    identity: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One incident, or the beginning of its id; none: all.")
    ] = None,
    *,
    format_: Annotated[
        IncidentFormat, typer.Option("--format", "-f", help="How to write it; html is for one incident.")
    ] = IncidentFormat.TERMINAL,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    verdict: Annotated[
        IncidentVerdict | None, typer.Option("--verdict", help="List those of this verdict alone.")
    ] = None,
    watch: Annotated[
        list[Path] | None,
        typer.Option(
            "--watch", help="Say what of these lockfiles, SBOMs or lists (.txt) is affected, repeatable."
        ),
    ] = None,
    state: Annotated[
        str,
        typer.Option(
            "--state",
            envvar="NPMGUARD_STATE",
            help="Where the state is: a file, or postgresql://host/database.",
        ),
    ] = "npmguard-monitor.db",
    config: ConfigOption = None,
) -> int:
    """List the incidents, or show one: npmguard monitor incidents ID --format html -o incident.html."""
    check_writable(output)
    if identity is None:
        if format_ is IncidentFormat.HTML or watch:
            raise UsageError("--format html and --watch are for one incident; name it by its id")
        emit(_list(_all(state, verdict), format_), output)
        return OK
    if verdict is not None:
        raise UsageError("--verdict is for the list; leave it out, or leave the id out")
    emit(_show(_one(state, identity, watch or [], config), format_), output)
    return OK


def _all(state: str, verdict: IncidentVerdict | None) -> tuple[IncidentSummary, ...]:
    from npmguard.monitor.incident_list import list_incidents

    with _reading(state) as connection:
        return list_incidents(connection, verdict=verdict.value if verdict is not None else None)


def _one(state: str, identity: str, watch: list[Path], config: Path | None) -> Incident:
    from npmguard.monitor.incident_list import read_incident, with_dependents

    with _reading(state) as connection:
        incident = read_incident(connection, identity)
    return with_dependents(incident, watch, load_config(Path(), config).limits) if watch else incident


@contextmanager
def _reading(state: str) -> Iterator[Connection]:
    """The state of a monitor that has run."""
    from sqlalchemy.exc import SQLAlchemyError

    from npmguard.monitor.database import open_database, reason, take_secrets

    if "://" not in state and not Path(state).is_file():
        raise UsageError(f"--state {state}: there is no such file; name the state of npmguard monitor")
    engine = open_database(state, take_secrets(os.environ))
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StoreError(f"the state cannot be read: {reason(error)}") from error
    finally:
        engine.dispose()


def _list(found: tuple[IncidentSummary, ...], format_: IncidentFormat) -> bytes:
    from npmguard.report.incident import render_list_json, render_list_text

    return render_list_json(found) if format_ is IncidentFormat.JSON else render_list_text(found)


def _show(incident: Incident, format_: IncidentFormat) -> bytes:
    if format_ is IncidentFormat.HTML:
        from npmguard.report import incident_html

        return incident_html.render(incident)
    from npmguard.report.incident import render_json, render_text

    return render_json(incident) if format_ is IncidentFormat.JSON else render_text(incident)
