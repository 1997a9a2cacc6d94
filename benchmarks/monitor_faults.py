"""Kills monitors at random moments, and checks that nothing was lost and nothing was told twice.

::

    python -m benchmarks.monitor_faults --kills 50 --versions 500 [--postgresql] [--seed 1]

Every fifth package was taken over; each of these has to be told of once. Beside the monitors, their workers are
killed now and then, and with ``--postgresql`` the database is stopped at once and started again.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

from sqlalchemy.exc import DatabaseError

from tests.changes import ChangingRegistry, days_ago, harmless
from tests.monitor_runs import Runner, judging, kill, publish_pair
from tests.postgresql import PostgreSQL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--versions", type=int, default=500)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random = Random(arguments.seed)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="npmguard-faults-")))
        registry = stack.enter_context(ChangingRegistry())
        server = stack.enter_context(PostgreSQL()) if arguments.postgresql else None
        runner = Runner(home, registry, server.database() if server is not None else str(home / "state.db"))
        expected, attacked = _publish(registry, arguments.versions)
        for number in range(arguments.kills):
            done = len(_judged(runner))
            with runner.started("--once") as monitor:
                if random.random() < 0.3:  # while it starts
                    time.sleep(random.uniform(0.2, 5.0))
                else:  # at work
                    _wait_for(runner, monitor, min(done + random.randint(1, 25), len(expected)))
                    time.sleep(random.uniform(0.0, 0.5))
                if random.random() < 0.3:
                    for worker in judging(monitor.pid)[:1]:
                        kill(worker)
                    time.sleep(random.uniform(0.0, 1.0))
                if server is not None and random.random() < 0.2:
                    server.stop()
                    server.start()
                kill(monitor.pid)
            print(f"kill {number + 1}: {done} of {len(expected)} judged before it", flush=True)
        ended = runner.once()
        assert ended.code == 0, ended.stderr
        ids = [alert["id"] for alert in runner.told()]
        assert runner.judged() == expected, set(expected) ^ set(runner.judged())
        assert runner.told_releases() == attacked
        assert len(ids) == len(set(ids)) == runner.queued_alerts()
        print(f"{len(expected)} versions judged once, {len(attacked)} releases told of once, {len(ids)} alerts")


def _publish(registry: ChangingRegistry, versions: int) -> tuple[list[str], list[str]]:
    """Packages that hold so many versions together: all of these, and those that were taken over, sorted."""
    expected: list[str] = []
    attacked: list[str] = []
    number = 0
    while len(expected) < versions:
        number += 1
        if number % 5 == 0:
            name = f"taken-{number:04}"
            publish_pair(registry, name)
            expected += [f"{name}@1.0.0", f"{name}@1.0.1"]
            attacked.append(f"{name}@1.0.1")
        else:
            name = f"plain-{number:04}"
            registry.release(name, "1.0.0", harmless(name, "1.0.0"), at=days_ago(2))
            expected.append(f"{name}@1.0.0")
    return sorted(expected), sorted(attacked)


def _wait_for(runner: Runner, monitor: subprocess.Popen[str], count: int) -> None:
    """Until so many versions are judged, or the monitor has ended."""
    while len(_judged(runner)) < count and monitor.poll() is None:
        time.sleep(0.1)


def _judged(runner: Runner) -> list[str]:
    try:
        return runner.judged()
    except DatabaseError:  # there are no tables yet
        return []


if __name__ == "__main__":
    main()
