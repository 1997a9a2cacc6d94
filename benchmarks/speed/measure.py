"""What a command costs with all of its descendants, and tables of such costs."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: column -> text; the same columns in every row of a table
Row = Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """One command: seconds on the wall, of CPU (with its children), and the largest memory of them all."""

    wall: float
    cpu: float
    peak_mb: float
    code: int

    @property
    def text(self) -> str:
        """All of it in one cell."""
        return f"{self.wall:.2f} s, CPU {self.cpu:.2f} s, peak {self.peak_mb:.0f} MB, exit {self.code}"


Command = Sequence[str | Path]


def run(command: Command, cwd: Path, env: Mapping[str, str]) -> Run:
    """Run a command and account for it and all of its descendants."""
    started = time.monotonic()
    before = os.times()
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = [0]
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
    watcher.start()
    code = process.wait()
    wall = time.monotonic() - started
    done.set()
    watcher.join()
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(wall, cpu, peak[0] / 1024, code)


def markdown(title: str, rows: Sequence[Row]) -> str:
    """A table; one line says so where there are no rows."""
    if not rows:
        return f"## {title}\n\nnothing measured\n"
    head = list(rows[0])
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(row[column] for column in head)} |" for row in rows]
    return f"## {title}\n\n" + "\n".join(lines) + "\n"


def spread(values: Sequence[float]) -> str:
    """Median, 95th percentile, largest and sum of seconds."""
    ordered = sorted(values)
    middle, high = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
    most, total = ordered[-1], sum(values)
    return f"median {middle * 1000:.1f} ms, 95 % {high * 1000:.0f} ms, most {most:.2f} s, sum {total:.2f} s"


def _watch(pid: int, peak: list[int], done: threading.Event) -> None:
    """Sample the proportional set size (KiB) of a process with all of its descendants."""
    while not done.wait(0.1):
        peak[0] = max(peak[0], sum(_pss(member) for member in _family(pid)))


def _family(pid: int) -> list[int]:
    members = [pid]
    for member in members:
        try:
            for task in Path(f"/proc/{member}/task").iterdir():
                members += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue  # it has ended meanwhile
    return members


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        return 0
    return 0
