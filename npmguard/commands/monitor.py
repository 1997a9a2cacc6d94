"""``npmguard monitor``: every new version of a registry, judged as it comes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from npmguard.commands.monitor_again import prune, rejudge
from npmguard.commands.monitor_incidents import incidents
from npmguard.commands.monitor_state import (
    DATABASE_PATIENCE,
    DEFAULT_STATE,
    AlertOn,
    AlertOnOption,
    AlertsOption,
    StateOption,
    open_state,
)
from npmguard.commands.options import ConfigOption, FeedChoice, FeedOption
from npmguard.commands.output import emit, say
from npmguard.commands.running import settings_of
from npmguard.errors import ConfigError, StoreError, UsageError
from npmguard.outcome import INCOMPLETE, OK

if TYPE_CHECKING:
    from npmguard.config import Config
    from npmguard.monitor.crew import Crew
    from npmguard.monitor.feed import ChangesFeed
    from npmguard.monitor.kept_store import KeptStore
    from npmguard.monitor.records import Source
    from npmguard.monitor.run import Monitor, Plan, Tally
    from npmguard.registry.npmrc import NpmConfig


monitor_app = typer.Typer(
    help="Judge every new version of a registry as it is published, and tell of what is found.",
    invoke_without_command=True,
    no_args_is_help=True,
)

ChangesOption = Annotated[
    str, typer.Option("--changes-url", help="The registry's changes feed; default: that of registry.npmjs.org.")
]
RegistryOption = Annotated[
    str | None, typer.Option("--registry", help="The registry's URL; default: npm's configuration.")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Judging processes; default: two a core.")
]
SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", help="Judge on the Dask cluster of this scheduler: tcp://HOST:PORT."),
]
ContactOption = Annotated[
    str | None, typer.Option("--contact", help="A URL or mail address for the User-Agent of every request.")
]
RateOption = Annotated[
    float | None, typer.Option("--rate", min=0.01, help="Most requests a second, all processes together.")
]
PatienceOption = Annotated[
    float, typer.Option("--patience", min=0.0, help="Seconds to wait for what failed before giving up.")
]


@monitor_app.callback()
def monitor(
    context: typer.Context,
    *,
    once: Annotated[bool, typer.Option("--once", help="Do what there is to do, and end: for cron.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until SIGTERM or Ctrl-C.")] = False,
    registry: RegistryOption = None,
    changes_url: ChangesOption = "",
    state: StateOption = DEFAULT_STATE,
    watch: Annotated[
        list[Path] | None,
        typer.Option("--watch", help="Only names in these lists (.txt), lockfiles or SBOMs, repeatable."),
    ] = None,
    since: Annotated[
        str, typer.Option("--since", help="Where a first run begins: now, a sequence, or a date.")
    ] = "now",
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, help="Seconds between two looks at the feed (--follow).")
    ] = 15.0,
    patience: PatienceOption = 60.0,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    contact: ContactOption = None,
    rate: RateOption = None,
    alerts: AlertsOption = None,
    alert_on: AlertOnOption = None,
    config: ConfigOption = None,
    feed: FeedOption = FeedChoice.OFF,
) -> int | None:
    """Read a registry's changes, judge each new version against its baseline, tell of what is found.

    Exit code 0: all was judged. 3: something was left undone; the next run goes on with it. What was found does
    not change the exit code: alerts tell it.
    """
    if context.invoked_subcommand is not None:
        return None
    if once == follow:
        raise UsageError("give one of --once, --follow; or a command: see npmguard monitor --help")
    from npmguard.monitor.feed import PUBLIC_FEED
    from npmguard.monitor.run import Plan
    from npmguard.monitor.watch import watched_names

    settings = _settings(config, feed, contact, rate, workers, alert_on)
    plan = Plan(
        config=settings,
        registry=_registry(registry),
        since=since,
        watched=watched_names(watch, settings.limits) if watch else None,
        patience=patience,
        interval=interval,
    )
    url = changes_url or (PUBLIC_FEED if registry is None else "")
    if not url:
        raise UsageError("--registry needs its feed as well: --changes-url URL, which ends in /_changes")
    return _run(plan, state, workers, scheduler, alerts or [], feed_url=url, follow=follow)


monitor_app.command("incidents")(incidents)
monitor_app.command("rejudge")(rejudge)
monitor_app.command("prune")(prune)


@monitor_app.command("backfill")
def backfill(
    wanted: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Packages.")] = None,
    *,
    popular: Annotated[
        Path | None, typer.Option("--popular", help="A list of names, one a line, such as the most used.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Versions published from this date on; default: all.")
    ] = None,
    registry: RegistryOption = None,
    state: StateOption = DEFAULT_STATE,
    patience: PatienceOption = 60.0,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    contact: ContactOption = None,
    rate: RateOption = None,
    alerts: AlertsOption = None,
    alert_on: AlertOnOption = None,
    config: ConfigOption = None,
    feed: FeedOption = FeedChoice.OFF,
) -> int:
    """Judge the versions that packages have already, after those that the feed brings.

    Versions that were judged are not judged again, unless that could not be done in full.
    """
    from npmguard.monitor.records import Source
    from npmguard.monitor.run import Plan
    from npmguard.monitor.since import BEGINNING
    from npmguard.monitor.watch import listed_names
    from npmguard.target import parse_spec

    names = {parse_spec(name)[0] for name in wanted or ()} | (listed_names(popular) if popular else set())
    if not names:
        raise UsageError("name packages, or give --popular FILE")
    horizon = BEGINNING if since is None else _date(since)
    settings = _settings(config, feed, contact, rate, workers, alert_on)
    plan = Plan(config=settings, registry=_registry(registry), patience=patience)
    return _run(
        plan,
        state,
        workers,
        scheduler,
        alerts or [],
        wanted=(frozenset(names), Source.BACKFILL, horizon),
    )


@monitor_app.command("status")
def status(
    *,
    changes_url: ChangesOption = "",
    state: StateOption = DEFAULT_STATE,
    prometheus: Annotated[
        Path | None,
        typer.Option("--prometheus", help="Write Prometheus' text format to this file, - for standard output."),
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Say how far behind the feed the state is, what waits, what was found, and what failed."""
    from npmguard.errors import RegistryError
    from npmguard.monitor.status import read_status, render_prometheus, render_text

    settings = settings_of(Path(), config)
    with open_state(state) as engine:
        found = read_status(engine, changes_url or None, None, datetime.now(UTC))
        if found.feed is not None:
            with _feed(found.feed, settings) as feed:
                try:
                    found = read_status(engine, found.feed, feed.head(), datetime.now(UTC))
                except RegistryError as error:
                    say(f"the feed cannot be asked: {error}")
    if prometheus is None:
        emit(render_text(found).encode(), None)
    elif str(prometheus) == "-":
        emit(render_prometheus(found).encode(), None)
    else:
        _replace(prometheus, render_prometheus(found).encode())
    return OK


def _run(
    plan: Plan,
    state: str,
    workers: int | None,
    scheduler: str | None,
    alerts: list[str],
    *,
    feed_url: str = "",
    follow: bool = False,
    wanted: tuple[frozenset[str], Source, datetime] | None = None,
) -> int:
    """Run a monitor to its end, and say what it did."""
    stop = _stopping()
    try:
        with _monitor(plan, state, workers, scheduler, alerts, feed_url, stop, wanted) as running:
            tally = running.follow() if follow else running.once()
    except StoreError as error:
        say(str(error))
        return INCOMPLETE
    say(_line(tally))
    return OK if tally.complete else INCOMPLETE


@contextmanager
def _monitor(
    plan: Plan,
    state: str,
    workers: int | None,
    scheduler: str | None,
    alerts: list[str],
    feed_url: str,
    stop: threading.Event,
    wanted: tuple[frozenset[str], Source, datetime] | None,
) -> Iterator[Monitor]:
    from npmguard.monitor.kept_store import KeptStore
    from npmguard.monitor.messenger import Messenger
    from npmguard.monitor.owner import this_owner
    from npmguard.monitor.run import Monitor
    from npmguard.monitor.sinks.targets import open_sinks, take_secrets
    from npmguard.registry.client import RegistryClient

    settings = plan.config
    sinks = open_sinks(alerts, settings.alerts, take_secrets(alerts, settings.alerts, os.environ))
    npm = _npm()
    if plan.registry is not None:
        npm = replace(npm, registry=plan.registry)
    folder = settings.cache.path if settings.cache.enabled else None
    with ExitStack() as stack:
        engine = stack.enter_context(open_state(state))
        crew = stack.enter_context(_crew(workers, scheduler))
        client = stack.enter_context(RegistryClient(npm, settings.network, settings.limits, folder))
        feed = stack.enter_context(_feed(feed_url, settings)) if feed_url else None
        messenger = Messenger(
            engine,
            sinks,
            settings.alerts,
            owner=this_owner(),
            stop=stop,
            patience=DATABASE_PATIENCE,
            say=say,
        )
        store = KeptStore(engine, patience=DATABASE_PATIENCE, stop=stop, raise_alerts=messenger.raise_alerts)
        _keep_ruleset(store, settings)
        if wanted is not None:
            store.add_names(*wanted)
        yield Monitor(store, crew, client, plan, feed=feed, deliver=messenger.deliver, stop=stop, say=say)


@contextmanager
def _feed(url: str, settings: Config) -> Iterator[ChangesFeed]:
    from npmguard.monitor.feed import ChangesFeed
    from npmguard.registry.web import HttpWeb

    with HttpWeb(_npm(), settings.network, (url,)) as web:
        yield ChangesFeed(url, web)


def _npm() -> NpmConfig:
    from npmguard.registry.npmrc import load_npm_config

    return load_npm_config(Path(), os.environ)


def _crew(workers: int | None, scheduler: str | None) -> Crew:
    from npmguard.monitor.crew import cluster, processes

    if scheduler is None:
        return processes(_workers(workers))
    if workers is not None:
        raise UsageError("--workers is for this machine's processes; a --scheduler knows its own")
    return cluster(scheduler)


def _workers(workers: int | None) -> int:
    return workers if workers is not None else (os.cpu_count() or 1) + 1


def _settings(
    config: Path | None,
    feed: FeedChoice | None,
    contact: str | None,
    rate: float | None,
    workers: int | None,
    alert_on: AlertOn | None,
) -> Config:
    """The settings for judging what is new: one analysing process a worker, and no hold on young releases."""
    settings = settings_of(Path(), config, feed=feed, jobs=1)
    if alert_on is not None:
        told = msgspec.structs.replace(settings.alerts, threshold=alert_on.value)
        settings = msgspec.structs.replace(settings, alerts=told)
    network = settings.network
    if contact is not None:
        if not (contact.isascii() and contact.isprintable()) or set(contact) & set("()"):
            raise ConfigError("--contact: a URL or mail address in ASCII, without parentheses")
        network = msgspec.structs.replace(network, contact=contact)
    if rate is not None:
        network = msgspec.structs.replace(network, requests_per_second=rate / (_workers(workers) + 1))
    return msgspec.structs.replace(
        settings, network=network, cooldown=msgspec.structs.replace(settings.cooldown, min_age="0")
    )


def _registry(url: str | None) -> str | None:
    from npmguard.registry.urls import HttpUrl

    if url is None:
        return None
    try:
        HttpUrl.parse(url)
    except ValueError as error:
        raise UsageError(f"--registry: {url} {error}") from error
    return url if url.endswith("/") else f"{url}/"


def _date(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--since {text}: give a date such as 2025-09-08") from error
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


def _keep_ruleset(store: KeptStore, settings: Config) -> None:
    """Note what the rules in force ask for, so that later ones can be held against them."""
    from npmguard.detect.ruleset import ruleset_digest

    if store.knows_ruleset(ruleset_digest(settings.rules)):
        return
    from npmguard.detect.analyse import matcher_of
    from npmguard.detect.demand import demand_of
    from npmguard.detect.rule import load_ruleset

    ruleset = load_ruleset(settings.rules)
    store.keep_ruleset(ruleset.digest, demand_of(matcher_of(ruleset)))


def _stopping() -> threading.Event:
    """Set by SIGTERM and Ctrl-C: a monitor ends between two steps."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _line(tally: Tally) -> str:
    judged = ", ".join(f"{count} {state.value}" for state, count in sorted(tally.versions.items())) or "none"
    line = f"{tally.changes} changes, {tally.names} documents read, versions: {judged}; {tally.left} left"
    return f"{line}, {tally.undelivered} alerts undelivered" if tally.undelivered else line


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step: who collects it sees the old one or the new one."""
    making = path.with_name(f"{path.name}.making")
    try:
        making.write_bytes(content)
        making.replace(path)
    except OSError as error:
        raise UsageError(f"--prometheus {path}: cannot be written: {error.strerror}") from error
