"""One harness's share of a campaign: its process, begun again where an input ended it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tests.fuzz.worker import CURRENT

ROOT = Path(__file__).parents[2]
_HEAD = 24  # two numbers of 12 characters: how many inputs came before, and how long this one is
_RUNS = re.compile(rb"number_of_executed_units: *([0-9]+)")
_ARTIFACT = re.compile(rb"Test unit written to (\S+)")


@dataclass(slots=True)
class Tried:
    """What came of one harness; ``crashes`` name a file in its folder by what failed."""

    name: str
    inputs: int = 0
    seconds: float = 0.0
    outcomes: int = 0
    crashes: dict[str, str] = field(default_factory=dict)


def try_harness(
    name: str,
    crashes: Path,
    *,
    inputs: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    engine: str = "mutation",
) -> Tried:
    """Run the harness *name* until as many *inputs* or *seconds* are over; crashes go below *crashes*."""
    folder = crashes.resolve() / name
    folder.mkdir(parents=True, exist_ok=True)
    tried, started = Tried(name), time.monotonic()
    for attempt in range(100):
        left_inputs = None if inputs is None else inputs - tried.inputs
        left_seconds = None if seconds is None else seconds - (time.monotonic() - started)
        if (left_inputs is not None and left_inputs <= 0) or (left_seconds is not None and left_seconds < 1):
            break
        command = [sys.executable, "-m", "tests.fuzz.worker", name, "--folder", str(folder), "--engine", engine]
        command += [] if left_inputs is None else ["--inputs", str(left_inputs)]
        command += [] if left_seconds is None else ["--seconds", str(left_seconds)]
        done = subprocess.run(
            [*command, "--seed", str(seed + attempt)], cwd=ROOT, capture_output=True, check=False, timeout=None
        )
        _take(tried, done, folder, engine)
        if done.returncode == 0:
            break
    tried.seconds = time.monotonic() - started
    return tried


def _take(tried: Tried, done: subprocess.CompletedProcess[bytes], folder: Path, engine: str) -> None:
    if engine == "atheris":
        tried.inputs += int(runs[-1]) if (runs := _RUNS.findall(done.stderr)) else 0
        if done.returncode != 0:
            what = (
                done.stderr.strip().splitlines()[-1].decode("utf-8", "replace") if done.stderr.strip() else "?"
            )
            error = re.search(rb"(?m)^(\w*(?:Error|Exception|Exit|Limit\w*)\b.*)$", done.stderr)
            kind = error[1].decode("utf-8", "replace")[:160] if error else what[:160]
            artifact = _ARTIFACT.search(done.stderr)
            tried.crashes[kind] = Path(artifact[1].decode()).name if artifact else "none"
        return
    if done.returncode == 0:
        told = json.loads(done.stdout)
        tried.inputs += told["inputs"]
        tried.outcomes += told["outcomes"]
        tried.crashes |= told["crashes"]
        return
    current = folder / CURRENT
    state = current.read_bytes() if current.exists() else b""
    if done.returncode > 0 or len(state) < _HEAD:
        raise RuntimeError(f"the harness {tried.name} does not run: {done.stderr.decode('utf-8', 'replace')}")
    tried.inputs += int(state[:12]) + 1
    data = state[_HEAD : _HEAD + int(state[12:_HEAD])]
    file = folder / f"{tried.name}-{sha256(data).hexdigest()[:16]}"
    file.write_bytes(data)
    tried.crashes[f"ended by {signal.Signals(-done.returncode).name}: {file.name}"] = file.name
