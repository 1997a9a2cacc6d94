"""``--timings``: what each stage of a run cost."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from npmguard import timing
from npmguard.commands.output import check_writable, emit

SCHEMA = "npmguard.timings/1"


def start_timings(show: bool, output: Path | None) -> Callable[[], None]:
    """Count from now on, if one of both is wanted; what is returned writes the result."""
    if not show and output is None:
        return lambda: None
    check_writable(output)
    counting = timing.start()
    started, used = time.perf_counter(), time.process_time()

    def finish() -> None:
        timing.stop()
        costs = counting.take()
        wall, cpu = time.perf_counter() - started, time.process_time() - used
        if show:
            sys.stderr.write(_table(costs, wall, cpu))
        if output is not None:
            emit(_json(costs, wall, cpu), output)

    return finish


def _table(costs: timing.Costs, wall: float, cpu: float) -> str:
    lines = [f"{'stage':<12} {'calls':>9} {'wall s':>9} {'CPU s':>9}"]
    for name, (count, seconds, used) in sorted(costs.items(), key=lambda it: (-it[1][2], it[0])):
        lines.append(f"{name:<12} {count:>9} {seconds:>9.3f} {used:>9.3f}")
    total = sum(used for _, _, used in costs.values())
    lines.append(f"{'all stages':<12} {'':>9} {'':>9} {total:>9.3f}")
    lines.append(f"{'this process':<12} {'':>9} {wall:>9.3f} {cpu:>9.3f}")
    return "\n".join(lines) + "\n"


def _json(costs: timing.Costs, wall: float, cpu: float) -> bytes:
    document = {
        "schema": SCHEMA,
        "stages": {
            name: {"calls": count, "wall": round(seconds, 6), "cpu": round(used, 6)}
            for name, (count, seconds, used) in costs.items()
        },
        "process": {"wall": round(wall, 6), "cpu": round(cpu, 6)},
    }
    return (json.dumps(document, indent=2) + "\n").encode("ascii")
