"""GuardDog's source analysis of the same packages: in one process for all, and as a process for each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.speed.measure import Command, run

VERSION = "3.2.0"
_IN_PROCESS = """
import json, resource, sys
from guarddog.analyzer.analyzer import Analyzer
from guarddog.ecosystems import ECOSYSTEM
analyzer = Analyzer(ECOSYSTEM.NPM)
def cpu():
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
costs = []
for folder in json.load(sys.stdin):
    before = cpu()
    analyzer.analyze_sourcecode(folder)
    costs.append(cpu() - before)
json.dump(costs, sys.stdout)
"""


def installed(folder: Path) -> Path:
    """The Python of a fresh environment that has GuardDog, from PyPI."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"guarddog=={VERSION}"], check=True)
    return python


def in_process(python: Path, packages: list[Path], work: Path) -> list[float]:
    """CPU seconds of analysing each tarball, extracted before."""
    folders = []
    for number, path in enumerate(packages):
        folder = work / f"extracted-{number}"
        folder.mkdir(parents=True)
        subprocess.run(["tar", "-xzf", path, "--strip-components=1", "-C", folder], check=True)
        folders.append(str(folder))
    answer = subprocess.run(
        [python, "-c", _IN_PROCESS], input=json.dumps(folders), capture_output=True, text=True, check=True
    )
    costs: list[float] = json.loads(answer.stdout.strip().splitlines()[-1])
    return costs


def as_process(python: Path, packages: list[Path], work: Path, env: dict[str, str]) -> list[float]:
    """CPU seconds of a process for each tarball."""
    command: Command = [python.with_name("guarddog"), "npm", "scan", "--output-format", "json", "--no-sandbox"]
    return [run([*command, path], work, env).cpu for path in packages]
