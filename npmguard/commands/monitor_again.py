"""``npmguard monitor rejudge|prune``: what was judged, judged again and thrown away."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from npmguard.commands.monitor_state import (
    DATABASE_PATIENCE,
    DEFAULT_STATE,
    AlertOnOption,
    AlertsOption,
    StateOption,
    open_state,
)
from npmguard.commands.options import ConfigOption, FeedChoice
from npmguard.commands.output import say
from npmguard.commands.running import settings_of
from npmguard.errors import StoreError, UsageError
from npmguard.outcome import INCOMPLETE, OK


def rejudge(
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Packages; default: all.")
    ] = None,
    *,
    since: Annotated[
        str | None, typer.Option("--since", help="Versions judged from then on: a date, or 7d; default: all.")
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option("--fetch", help="Have the next run download what cannot be judged from what was kept."),
    ] = False,
    state: StateOption = DEFAULT_STATE,
    alerts: AlertsOption = None,
    alert_on: AlertOnOption = None,
    config: ConfigOption = None,
) -> int:
    """Judge stored versions again by the rules and the feed in force, without a download.

    Exit code 0: all are judged by these. 3: some need their tarball again, or an alert was not delivered.
    """
    from npmguard.detect.rule import load_ruleset
    from npmguard.monitor.kept_store import KeptStore
    from npmguard.monitor.messenger import Messenger
    from npmguard.monitor.owner import this_owner
    from npmguard.monitor.rejudge import Rejudge
    from npmguard.monitor.since import BEGINNING
    from npmguard.monitor.sinks.targets import open_sinks, take_secrets
    from npmguard.registry.npmrc import load_npm_config
    from npmguard.scanner import Scanner
    from npmguard.target import parse_spec

    names = frozenset(parse_spec(name)[0] for name in wanted or ())
    settings = settings_of(Path(), config, feed=FeedChoice.OFF, jobs=1)
    if alert_on is not None:
        raised = msgspec.structs.replace(settings.alerts, threshold=alert_on.value)
        settings = msgspec.structs.replace(settings, alerts=raised)
    begin = BEGINNING if since is None else _moment(since, "--since")
    told = alerts or []
    sinks = open_sinks(told, settings.alerts, take_secrets(told, settings.alerts, os.environ))
    stop, npm = threading.Event(), load_npm_config(Path(), os.environ)
    try:
        with (
            open_state(state) as engine,
            Scanner(settings, npm, offline=True) as scanner,
        ):
            messenger = Messenger(
                engine,
                sinks,
                settings.alerts,
                owner=this_owner(),
                stop=stop,
                patience=DATABASE_PATIENCE,
                say=say,
            )
            store = KeptStore(
                engine, patience=DATABASE_PATIENCE, stop=stop, raise_alerts=messenger.raise_alerts
            )
            ruleset = load_ruleset(settings.rules)
            again = Rejudge(store, ruleset, settings.limits, scanner.known).run(begin, names, fetch=fetch)
            undelivered = messenger.deliver()
    except StoreError as error:
        say(str(error))
        return INCOMPLETE
    say(f"{again.seen} versions, {again.judged} judged again, {again.changed} of them otherwise than before")
    for reason, count in sorted(again.unread.items()):
        what = "the next monitor run downloads them" if fetch else "--fetch has them downloaded"
        say(f"{count} need their tarball again: {reason}; {what}")
    if undelivered:
        say(f"{undelivered} alerts undelivered")
    return OK if again.complete and not undelivered else INCOMPLETE


def prune(
    *,
    older_than: Annotated[str, typer.Option("--older-than", help="An age such as 180d, or a date.")],
    state: StateOption = DEFAULT_STATE,
) -> int:
    """Throw away facts and clean verdicts from before then; what belongs to an incident stays."""
    from npmguard.monitor.kept_store import KeptStore

    before = _moment(older_than, "--older-than")
    facts = clean = 0
    try:
        with open_state(state) as engine:
            store = KeptStore(engine, patience=DATABASE_PATIENCE)
            while any(gone := store.prune(before)):
                facts, clean = facts + gone[0], clean + gone[1]
    except StoreError as error:
        say(str(error))
        return INCOMPLETE
    say(f"facts of {facts} versions and {clean} clean verdicts thrown away")
    return OK


def _moment(text: str, option: str) -> datetime:
    """A date, or the time that lies so many days, hours or weeks (7d, 12h, 26w) back."""
    units = {"h": "hours", "d": "days", "w": "weeks"}
    number, unit = text[:-1], text[-1:]
    try:
        if unit in units and number.isascii() and number.isdigit():
            return datetime.now(UTC) - timedelta(**{units[unit]: int(number)})
        when = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} {text}: give an age such as 7d, or a date such as 2025-09-08") from error
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
