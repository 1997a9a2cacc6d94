"""Monitors, workers and clusters that are killed: nothing is lost, and nobody is told twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from sqlalchemy.exc import OperationalError

from tests.changes import ChangingRegistry, days_ago, harmless
from tests.command import npmguard
from tests.monitor_runs import Runner, judging, kill, publish_pair
from tests.postgresql import PostgreSQL
from tests.servers import free_port, wait_until

ATTACKED = 3


@pytest.fixture
def runner(state: str, registry: ChangingRegistry, tmp_path: Path) -> Runner:
    return Runner(tmp_path, registry, state)


def publish(registry: ChangingRegistry, harmless_ones: int) -> list[str]:
    """So many packages with one harmless version, and a few that were taken over; all versions, sorted."""
    for number in range(harmless_ones):
        name = f"plain-{number:02}"
        registry.release(name, "1.0.0", harmless(name, "1.0.0"), at=days_ago(2))
    for number in range(ATTACKED):
        publish_pair(registry, f"taken-{number}")
    versions = [f"plain-{number:02}@1.0.0" for number in range(harmless_ones)]
    return sorted(
        versions + [f"taken-{number}@{version}" for number in range(ATTACKED) for version in ("1.0.0", "1.0.1")]
    )


def check_all_once(runner: Runner, versions: list[str]) -> None:
    attacked = [f"taken-{number}@1.0.1" for number in range(ATTACKED)]
    assert runner.states() == {"done": len(versions)}
    assert runner.judged() == versions
    assert runner.flagged() == attacked
    assert runner.told_releases() == attacked
    ids = [alert["id"] for alert in runner.told()]
    assert len(ids) == len(set(ids)) == runner.queued_alerts()


def test_a_killed_monitor_is_followed_by_one_that_does_the_rest(runner: Runner) -> None:
    versions = publish(runner.registry, 14)
    moments = Random(4)
    for _ in range(3):
        with runner.started("--once") as monitor:
            with_work = Path(runner.state).exists() or "://" in runner.state
            time.sleep(moments.uniform(1.5, 4.0) if with_work else 3.0)
            kill(monitor.pid)
    last = runner.once()
    assert last.code == 0, last.stderr
    check_all_once(runner, versions)
    again = runner.once()
    assert (again.code, "versions: none" in again.stderr) == (0, True)
    check_all_once(runner, versions)


def test_two_monitors_share_the_work(
    postgresql: PostgreSQL, registry: ChangingRegistry, tmp_path: Path
) -> None:
    runner = Runner(tmp_path, registry, postgresql.database(), workers=1)
    versions = publish(registry, 12)
    with runner.started("--once") as other:
        assert runner.once().code in {0, 3}
        assert other.wait(60) in {0, 3}
    assert runner.once().code == 0
    check_all_once(runner, versions)
    tarballs = [path for path in registry.paths if path.startswith("/plain-") and path.endswith(".tgz")]
    assert len(tarballs) == len(set(tarballs)) == 12  # each was judged by one of them


def test_killed_workers_are_replaced(registry: ChangingRegistry, tmp_path: Path) -> None:
    runner = Runner(tmp_path, registry, str(tmp_path / "state.db"))
    versions = publish(registry, 16)
    with runner.started("--once") as monitor:
        for done in (2, 8):
            wait_until(lambda done=done: len(judged_so_far(runner)) >= done, 60)  # type: ignore[misc]
            for worker in judging(monitor.pid)[:1]:
                kill(worker)
        _, stderr = monitor.communicate(timeout=90)
    assert monitor.returncode == 0, stderr
    check_all_once(runner, versions)


def judged_so_far(runner: Runner) -> list[str]:
    try:
        return runner.judged() if Path(runner.state).exists() else []
    except OperationalError:  # its tables are being made
        return []


def test_what_is_published_is_told_soon_and_sigterm_ends_it(runner: Runner) -> None:
    with runner.started("--follow", "--interval", "1") as monitor:
        wait_until(
            lambda: any("_changes" in path for path in runner.registry.paths) or runner_looks(runner), 30
        )
        publish_pair(runner.registry, "taken-0")
        wait_until(lambda: runner.told_releases() == ["taken-0@1.0.1"], 60)
        monitor.send_signal(signal.SIGTERM)
        _, stderr = monitor.communicate(timeout=30)
    assert monitor.returncode == 0, stderr
    assert "0 left" in stderr
    status = npmguard("monitor", "status", "--state", runner.state, env=runner.environment, cwd=runner.home)
    assert "1 malicious, 1 clean" in status.text


def runner_looks(runner: Runner) -> bool:
    return "/registry/" in runner.registry.paths


def test_a_verdict_is_that_of_an_inspection(registry: ChangingRegistry, tmp_path: Path) -> None:
    from sqlalchemy import select

    from npmguard.monitor.alerts import stored_document
    from npmguard.monitor.database import open_database
    from npmguard.monitor.tables import verdicts

    runner = Runner(tmp_path, registry, str(tmp_path / "state.db"), workers=1)
    publish_pair(registry, "taken-0")
    assert runner.once().code == 0
    inspected = npmguard(
        "inspect", "taken-0@1.0.1", "--format", "json", env=runner.environment, cwd=runner.home
    )
    engine = open_database(runner.state)
    with engine.connect() as connection:
        stored = stored_document(connection, "taken-0", "1.0.1")
        assert len(connection.execute(select(verdicts)).all()) == 2
    engine.dispose()
    assert stored is not None
    assert json.loads(stored)["packages"] == inspected.report["packages"]


def test_workers_know_nothing_of_the_database(
    postgresql: PostgreSQL, registry: ChangingRegistry, tmp_path: Path
) -> None:
    runner = Runner(tmp_path, registry, postgresql.database(), workers=1)
    secret = {"NPMGUARD_STATE": runner.state, "PGPASSWORD": "a-secret-of-the-database"}
    arguments = [it for it in runner.arguments() if it not in {"--state", runner.state}]
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "npmguard", "monitor", "--follow", *arguments],
        env={**runner.environment, **secret},
        cwd=runner.home,
        stderr=subprocess.PIPE,
    ) as monitor:
        try:
            publish_pair(registry, "taken-0")
            wait_until(lambda: bool(judging(monitor.pid)) and runner.judged() != [], 60)
            (worker,) = judging(monitor.pid)
            for file in ("environ", "cmdline"):
                content = Path(f"/proc/{worker}/{file}").read_bytes()
                assert b"a-secret-of-the-database" not in content
                assert runner.state.encode() not in content
        finally:
            monitor.kill()


@contextmanager
def cluster(
    folder: Path, env: dict[str, str], address: str | None = None
) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A Dask scheduler with two workers; its address, and the processes, the scheduler first."""
    address = address or f"tcp://127.0.0.1:{free_port()}"
    options = ["--no-dashboard", "--host", "127.0.0.1"]
    start = [sys.executable, "-P", "-m", "distributed.cli.dask_scheduler"]
    with (folder / "dask.log").open("wb") as log:
        processes = [
            subprocess.Popen(
                [*start, *options, "--port", address.rpartition(":")[2]], env=env, cwd=folder, stderr=log
            )
        ]
        worker = [sys.executable, "-P", "-m", "distributed.cli.dask_worker", address, "--no-dashboard"]
        limits = ["--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--local-directory", str(folder)]
        processes += [subprocess.Popen([*worker, *limits], env=env, cwd=folder, stderr=log) for _ in range(2)]
        try:
            wait_until(lambda: (folder / "dask.log").read_text().count("Registered to") >= 2, 60)
            yield address, processes
        finally:
            for process in processes:
                process.kill()
                process.wait()


def test_a_cluster_that_loses_a_worker_judges_everything_once(
    registry: ChangingRegistry, tmp_path: Path
) -> None:
    runner = Runner(tmp_path, registry, str(tmp_path / "state.db"))
    versions = publish(registry, 10)
    with (
        cluster(tmp_path, runner.environment) as (address, processes),
        runner.started("--once", "--scheduler", address) as monitor,
    ):
        wait_until(lambda: len(judged_so_far(runner)) >= 3, 90)
        processes[1].kill()
        _, stderr = monitor.communicate(timeout=120)
    assert monitor.returncode == 0, stderr
    check_all_once(runner, versions)


def test_a_scheduler_that_is_lost_loses_no_version(registry: ChangingRegistry, tmp_path: Path) -> None:
    runner = Runner(tmp_path, registry, str(tmp_path / "state.db"))
    versions = publish(registry, 10)
    with (
        cluster(tmp_path, runner.environment) as (address, processes),
        runner.started("--once", "--scheduler", address) as monitor,
    ):
        wait_until(lambda: len(judged_so_far(runner)) >= 3, 90)
        for process in processes:
            process.kill()
            process.wait()
        with cluster(tmp_path, runner.environment, address):
            _, stderr = monitor.communicate(timeout=150)
    assert monitor.returncode == 0, stderr
    check_all_once(runner, versions)
