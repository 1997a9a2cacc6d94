"""Monitors as their operators run them: processes of their own, which are ended in unkind ways."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select

from npmguard.monitor.tables import outbox, verdicts, work
from tests.changes import ChangingRegistry, days_ago
from tests.command import Result, command, environment, npmguard
from tests.fixture_packages import load_case, repack

CASE = "esm-clipper"


@dataclass
class Runner:
    """Runs monitors of one state over one registry; alerts go to a file."""

    home: Path
    registry: ChangingRegistry
    state: str
    workers: int = 2

    @property
    def alerts(self) -> Path:
        return self.home / "alerts.jsonl"

    def arguments(self, *more: str) -> list[str]:
        return [
            *("--registry", self.registry.url, "--changes-url", self.registry.changes_url, "--since", "0"),
            *("--state", self.state, "--alerts", f"jsonl:{self.alerts}", "--patience", "20"),
            *([] if "--scheduler" in more else ["--workers", str(self.workers)]),
            *more,
        ]

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.home, self.registry.url)

    def once(self, *more: str) -> Result:
        return npmguard("monitor", "--once", *self.arguments(*more), env=self.environment, cwd=self.home)

    @contextmanager
    def started(self, *more: str) -> Iterator[subprocess.Popen[str]]:
        """A monitor in the background, in a process group of its own; it is killed where it still runs."""
        process = subprocess.Popen(
            [*command(), "monitor", *self.arguments(*more)],
            env=self.environment,
            cwd=self.home,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def states(self) -> Counter[str]:
        return Counter(row.state for row in self._rows(work))

    def judged(self) -> list[str]:
        """Every verdict that is stored, ``name@version``, sorted."""
        return sorted(f"{row.name}@{row.version}" for row in self._rows(verdicts))

    def flagged(self) -> list[str]:
        return sorted(f"{row.name}@{row.version}" for row in self._rows(verdicts) if row.verdict == "malicious")

    def queued_alerts(self) -> int:
        return len(self._rows(outbox))

    def told(self) -> list[dict[str, Any]]:
        if not self.alerts.exists():
            return []
        return [json.loads(line) for line in self.alerts.read_text().splitlines()]

    def told_releases(self) -> list[str]:
        """The releases that alerts were delivered about, each as often as it was told of by itself."""
        releases = [alert["affected"][0] for alert in self.told() if alert["kind"] == "release"]
        return sorted(f"{release['name']}@{release['version']}" for release in releases)

    def _rows(self, table: Any) -> list[Any]:
        url = self.state.replace("postgresql://", "postgresql+psycopg://")
        engine = create_engine(url if "://" in url else f"sqlite:///{url}")
        try:
            with engine.connect() as connection:
                return list(connection.execute(select(table)).all())
        finally:
            engine.dispose()


def publish_pair(registry: ChangingRegistry, name: str, case: str = CASE) -> None:
    """A package that was harmless a month ago and was taken over yesterday."""
    for side, version, age in (("before", "1.0.0", 30.0), ("after", "1.0.1", 1.0)):
        tarball = repack(load_case(case, side), name=name, version=version)
        registry.release(name, version, tarball, at=days_ago(age))


def children(process: int) -> list[int]:
    """The processes that *process* has started, and those that they have."""
    found: list[int] = []
    waiting = [process]
    while waiting:
        parent = waiting.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                direct = [int(it) for it in task.read_text().split()]
            except (FileNotFoundError, ProcessLookupError):
                continue
            found += direct
            waiting += direct
    return found


def judging(process: int) -> list[int]:
    """The workers among the children of a monitor."""
    return [it for it in children(process) if b"spawn_main" in _command_line(it)]


def kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _command_line(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
