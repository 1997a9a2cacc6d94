"""Alerts from end to end: one campaign, few messages, nothing lost and nothing twice."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import feedparser
from sqlalchemy import Engine, select, update

from npmguard.config import Alerts
from npmguard.monitor.database import open_database
from npmguard.monitor.incident_list import list_incidents
from npmguard.monitor.messenger import Messenger
from npmguard.monitor.owner import this_owner
from npmguard.monitor.sinks.json_lines import JsonLines
from npmguard.monitor.sinks.sink import Sink
from npmguard.monitor.sinks.targets import open_sinks
from npmguard.monitor.tables import outbox
from tests.changes import ChangingRegistry, days_ago
from tests.command import environment, npmguard, write_lock
from tests.fixture_packages import case_files, load_case
from tests.servers import RegistryServer, Reply
from tests.unit.monitor.released import NOON, judged

ROOT = Path(__file__).parents[3]
CLIPPER = "esm-clipper"
NAME = f"npmguard-fixture-{CLIPPER}"
OLD, NEW = (json.loads(case_files(CLIPPER, side)["package.json"])["version"] for side in ("before", "after"))


@contextmanager
def messenger(
    state: str, *sinks: Sink, say: Callable[[str], None] = print
) -> Iterator[tuple[Messenger, Engine]]:
    """A monitor's part that tells, ten minutes after everything happened, and the state beside it."""
    engine = open_database(state)
    try:
        yield (
            Messenger(
                engine,
                sinks,
                Alerts(),
                owner=this_owner(),
                stop=threading.Event(),
                clock=lambda: NOON + timedelta(minutes=10),
                say=say,
            ),
            engine,
        )
    finally:
        engine.dispose()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_two_monitors_tell_of_a_worm_as_one_incident(state: str, tmp_path: Path) -> None:
    """Both meet parts of it at the same time, and neither sees what the other has not stored yet."""
    target = JsonLines(tmp_path / "alerts.jsonl")
    size = 500 if "://" in state else 100  # where two really write at once
    failures: list[BaseException] = []

    def run(first: int) -> None:
        try:
            with messenger(state, target) as (monitor, engine):
                for batch in range(first, size, 20):  # as a monitor stores what several workers said at once
                    with engine.begin() as transaction:
                        for number in range(batch, batch + 10):
                            worm = judged(f"worm-{number}", files={"bundle.js": "worm"}, after=number)
                            monitor.raise_alerts(transaction, worm)
                    monitor.deliver()
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(first,)) for first in (0, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with messenger(state, target) as (last, engine):
        assert last.deliver() == 0
        with engine.connect() as connection:
            (incident,) = list_incidents(connection)
    told = lines(target.path)
    assert max(Counter(alert["id"] for alert in told).values()) == 1
    assert len({alert["incident"] for alert in told}) == 1
    few = [alert["releases"] for alert in told if alert["kind"] != "release"]
    assert sorted(few) == [step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500) if step <= size]
    releases = sorted(alert["affected"][0]["name"] for alert in told if alert["kind"] == "release")
    assert releases == sorted(f"worm-{number}" for number in range(size))
    assert (incident.releases, incident.packages) == (size, size)


DIE = """
import os, signal, sys, threading
from pathlib import Path
from npmguard.config import Alerts
from npmguard.monitor.database import open_database
from npmguard.monitor.messenger import Messenger
from npmguard.monitor.outbox import Outbox
from npmguard.monitor.owner import this_owner
from npmguard.monitor.sinks.targets import open_sinks

state, step, after, *targets = sys.argv[1:]
inner, left = getattr(Outbox, step), int(after)

def dying(self, *arguments):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(self, *arguments)

setattr(Outbox, step, dying)
sinks = open_sinks(targets, Alerts(), {})
Messenger(open_database(state), sinks, Alerts(), owner=this_owner(), stop=threading.Event()).deliver()
"""


def test_kill_9_between_delivery_and_commit_loses_nothing_and_tells_nothing_twice(
    state: str, tmp_path: Path
) -> None:
    file = tmp_path / "alerts.jsonl"
    with RegistryServer() as server:
        server.route("/hook", Reply(b"taken"))
        targets = [f"jsonl:{file}", f"webhook:{server.url}hook"]
        sinks = open_sinks(targets, Alerts(), {})
        with messenger(state, *sinks) as (monitor, engine), engine.begin() as transaction:
            for number in range(12):
                monitor.raise_alerts(transaction, judged(f"p{number}"))
        kills = [("_delivered", 3), ("_claim", 2), ("_delivered", 1), ("_delivered", 14), ("_claim", 30)]
        for step, after in kills:
            done = subprocess.run(
                [sys.executable, "-c", DIE, state, step, str(after), *targets],
                cwd=ROOT,
                check=False,
                timeout=60,
            )
            assert done.returncode in {-signal.SIGKILL, 0}
        with messenger(state, *sinks) as (last, engine):
            assert last.deliver() == 0
            with engine.connect() as connection:
                assert set(connection.execute(select(outbox.c.state)).scalars()) == {"delivered"}
        posted = Counter(request.headers["webhook-id"] for request in server.requests)
        bodies = {request.body for request in server.requests}
    written = Counter(alert["id"] for alert in lines(file))
    assert len(written) == 24  # a release and an incident for each
    assert set(written.values()) == {1}
    assert len(posted) == len(bodies) == 12
    assert sum(posted.values()) <= 12 + len(kills)


def test_one_run_over_a_registry_tells_everybody(tmp_path: Path, registry: ChangingRegistry) -> None:
    state = str(tmp_path / "state.db")
    registry.release(NAME, OLD, load_case(CLIPPER, "before"), at=days_ago(90))
    registry.release(NAME, NEW, load_case(CLIPPER, "after"), at=days_ago(1))
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    (tmp_path / "osv").mkdir()
    with RegistryServer() as server:
        server.route("/hook/with-a-secret-part", Reply(b"ok"))
        server.route("/down", Reply(status=503, headers={"Retry-After": "3600"}))
        env = environment(
            tmp_path / "home",
            registry.url,
            NPMGUARD_WEBHOOK_SECRET=secret,
            SLACK=f"{server.url}hook/with-a-secret-part",
            DOWN=f"{server.url}down",
        )
        arguments = [
            *("monitor", "--once", "--registry", registry.url, "--changes-url", registry.changes_url),
            *("--since", "0", "--state", state, "--workers", "1", "--patience", "20"),
            *("--alerts", f"jsonl:{tmp_path}/alerts.jsonl", "--alerts", f"atom:{tmp_path}/alerts.atom"),
            *("--alerts", f"osv:{tmp_path}/osv", "--alerts", "slack:env:SLACK", "--alerts", "webhook:env:DOWN"),
        ]
        first = npmguard(*arguments, env=env, cwd=tmp_path)
        again = npmguard(*arguments, env=env, cwd=tmp_path)
        slack = [json.loads(request.body) for request in server.requests if request.path != "/down"]
        down = [request for request in server.requests if request.path == "/down"]
    assert (first.code, again.code) == (3, 3)  # one receiver was not reached
    assert "webhook:env:DOWN: answered 503" in first.stderr
    assert "1 alerts undelivered" in first.stderr
    for said in (first.stderr, again.stderr):
        assert "secret-part" not in said
        assert secret not in said
    assert len(down) == 1  # it asked for an hour of peace
    assert "webhook-signature" in down[0].headers
    assert len(slack) == 1
    told = lines(tmp_path / "alerts.jsonl")
    assert [alert["kind"] for alert in told].count("release") == 1
    assert len(told) == 2
    assert {alert["affected"][0]["version"] for alert in told} == {NEW}
    assert len(feedparser.parse((tmp_path / "alerts.atom").read_bytes()).entries) == 1
    (record,) = (tmp_path / "osv").rglob("*.json")
    assert json.loads(record.read_text())["affected"][0]["versions"] == [NEW]
    status = npmguard("monitor", "status", "--state", state, env=env, cwd=tmp_path)
    assert "webhook:env:DOWN: 0 delivered, 1 wait" in status.text
    assert f"jsonl:{tmp_path}/alerts.jsonl: 2 delivered" in status.text
    write_lock(
        tmp_path / "shop", {"name": NAME, "version": NEW, "resolved": f"{registry.url}{NAME}/-/x-{NEW}.tgz"}
    )
    identity = told[0]["incident"]
    shown = npmguard(
        *("monitor", "incidents", identity, "--state", state, "--format", "json", "--watch", tmp_path / "shop"),
        env=env,
        cwd=tmp_path,
    ).report
    assert [(release["version"], release["verdict"]) for release in shown["affected"]] == [(NEW, "malicious")]
    assert shown["dependents"][0]["affected"] is True


def test_what_was_given_up_is_told_by_the_status(tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    said: list[str] = []
    with RegistryServer() as server:
        server.route("/gone", Reply(status=410))
        (sink,) = open_sinks([f"webhook:{server.url}gone"], Alerts(), {})
        with messenger(state, sink, say=said.append) as (monitor, engine):
            with engine.begin() as transaction:
                monitor.raise_alerts(transaction, judged("a"))
                transaction.execute(update(outbox).values(created=NOON - timedelta(days=8)))
            assert monitor.deliver() == 0
    assert any("given up" in line for line in said)
    env = environment(tmp_path / "home")
    status = npmguard("monitor", "status", "--state", state, env=env, cwd=tmp_path)
    assert "1 were given up and will not be delivered" in status.text
    metrics = npmguard("monitor", "status", "--state", state, "--prometheus", "-", env=env, cwd=tmp_path)
    assert f'npmguard_monitor_sink_alerts{{sink="{sink.name}",state="dead"}} 1' in metrics.text


def test_a_row_that_is_no_alert_is_given_up_and_holds_up_nobody(tmp_path: Path) -> None:
    """An outbox that something else wrote to."""
    sink = JsonLines(tmp_path / "alerts.jsonl")
    with messenger(str(tmp_path / "state.db"), sink) as (monitor, engine):
        with engine.begin() as transaction:
            monitor.raise_alerts(transaction, judged("a"))
            transaction.execute(update(outbox).values(payload=b"{"))
            monitor.raise_alerts(transaction, judged("b"))
        assert monitor.deliver() == 0
        with engine.connect() as connection:
            states = Counter(connection.execute(select(outbox.c.state)).scalars())
    assert states == {"dead": 2, "delivered": 2}
    assert {alert["affected"][0]["name"] for alert in lines(sink.path)} == {"b"}
