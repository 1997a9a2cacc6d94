"""Speed and memory of npmguard, as ratios of things measured in the same run.

    make bench                       the pdf.js lock, the insomnia lock's memory, 60 packages of GuardDog
    make bench ARGS='--guarddog 0'   without GuardDog (it gets an environment of its own from PyPI)

What is compared: a cold scan with `npm ci --ignore-scripts` from the same cold state; a scan after that with
it; a warm rescan in seconds; the CPU of analysing every tarball in one process with the floor, which is
sha512 + gunzip + walking the tar of the same files; the CPU a package with GuardDog's source analysis of the
same packages, extracted, in-process. Machine, date and versions are printed with the table.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import io
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from isal import igzip

from npmguard import __version__
from npmguard.config import Limits, load_config
from npmguard.detect.rule import load_ruleset
from npmguard.lockfile.reader import read_lockfile
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import load_npm_config
from npmguard.worker import analyse_tarball

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "fixtures" / "lockfiles"
GUARDDOG = "3.2.0"
GUARDDOG_SCRIPT = """
import json, resource, sys, time
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


@dataclass
class Run:
    """One command: seconds on the wall, of CPU (with its children), and the largest memory of them all."""

    wall: float
    cpu: float
    peak_mb: float
    code: int


def run(command: list[str], cwd: Path, env: dict[str, str]) -> Run:
    """Run a command and account for it and all of its descendants."""
    started = time.monotonic()
    before = os.times()
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=False
    )
    peak = [0]
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(time.monotonic() - started, cpu, peak[0] / 1024, code)


def _watch(pid: int, peak: list[int], done: threading.Event) -> None:
    """Sample the proportional set size (KiB) of a process with all of its descendants."""
    while not done.wait(0.1):
        peak[0] = max(peak[0], sum(_pss(member) for member in _family(pid)))


def _family(pid: int) -> list[int]:
    members = [pid]
    for member in members:
        try:
            tasks = list(Path(f"/proc/{member}/task").iterdir())
            for task in tasks:
                members += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return members


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        return 0
    return 0


def project(lock: Path, folder: Path) -> Path:
    """A folder with that lock and the package.json that npm needs beside it."""
    folder.mkdir(parents=True)
    document = json.loads(lock.read_text(encoding="utf-8"))
    shutil.copy(lock, folder / "package-lock.json")
    (folder / "package.json").write_text(json.dumps(document["packages"][""]))
    return folder


def environment(npm_cache: Path, own_cache: Path) -> dict[str, str]:
    """This environment with both caches elsewhere."""
    own = {"npm_config_cache": str(npm_cache), "XDG_CACHE_HOME": str(own_cache)}
    return {
        **os.environ,
        **own,
        "NPMGUARD_FEED": "off",
    }  # what others know takes their time, not this machine's


def scans(work: Path) -> dict[str, Run]:
    """Npm ci and the three scans of the pdf.js lock, each from its own state of the caches."""
    folder = project(LOCKS / "pdf.js" / "package-lock.json", work / "pdf.js")
    scan = [
        sys.executable,
        "-P",
        "-m",
        "npmguard",
        "scan",
        "--format",
        "json",
        "--output",
        str(work / "out.json"),
    ]
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    runs = {"npm ci, cold": run(npm, folder, environment(work / "npm", work / "own-none"))}
    runs["scan, cold"] = run(scan, folder, environment(work / "npm-none", work / "own-cold"))
    runs["scan, after npm ci"] = run(scan, folder, environment(work / "npm", work / "own"))
    runs["scan, warm"] = run(scan, folder, environment(work / "npm", work / "own"))
    big = project(LOCKS / "insomnia" / "package-lock.json", work / "insomnia")
    runs["scan of 1,829 entries, cold"] = run(scan, big, environment(work / "npm-none", work / "own-insomnia"))
    return runs


def tarballs() -> dict[str, bytes]:
    """Every tarball of the pdf.js lock, by ``name@version``."""
    settings = load_config(ROOT)
    lock = read_lockfile(LOCKS / "pdf.js" / "package-lock.json", settings.limits)
    found = {}
    with RegistryClient(load_npm_config(ROOT, os.environ), settings.network, settings.limits, None) as client:
        for package in lock.packages:
            label = f"{package.name}@{package.version}"
            if label not in found:
                found[label] = client.tarball(package, None)
    return found


def floor(tarball: bytes) -> None:
    """What any reader has to do: hash, gunzip, walk."""
    hashlib.sha512(tarball).digest()
    content: bytes = igzip.decompress(tarball)  # type: ignore[no-untyped-call]  # isal has no types here
    with tarfile.TarFile(fileobj=io.BytesIO(content)) as archive:
        for _ in archive:
            pass


def analysis(found: dict[str, bytes]) -> tuple[float, float, dict[str, float]]:
    """CPU of the floor and of the whole analysis over all tarballs in this process, and of each package."""
    before = time.process_time()
    for tarball in found.values():
        floor(tarball)
    floor_cpu = time.process_time() - before
    ruleset, limits = load_ruleset(), Limits()
    costs = {}
    for label, tarball in found.items():
        before = time.process_time()
        analyse_tarball(tarball, ruleset, limits)
        costs[label] = time.process_time() - before
    return floor_cpu, sum(costs.values()), costs


def guarddog(found: dict[str, bytes], labels: list[str], work: Path) -> list[float]:
    """CPU of GuardDog's source analysis, in-process, of each of those packages, extracted."""
    environment_folder = work / "guarddog"
    subprocess.run([sys.executable, "-m", "venv", environment_folder], check=True)
    python = environment_folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"guarddog=={GUARDDOG}"], check=True)
    folders = []
    for number, label in enumerate(labels):
        folder = work / "extracted" / str(number)
        folder.mkdir(parents=True)
        (folder.parent / f"{number}.tgz").write_bytes(found[label])
        subprocess.run(["tar", "-xzf", f"../{number}.tgz", "--strip-components=1"], cwd=folder, check=True)
        folders.append(str(folder))
    answer = subprocess.run(
        [python, "-c", GUARDDOG_SCRIPT], input=json.dumps(folders), capture_output=True, text=True, check=True
    )
    costs: list[float] = json.loads(answer.stdout.strip().splitlines()[-1])
    return costs


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guarddog", type=int, default=60, help="how many packages to give GuardDog")
    options = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory(prefix="npmguard-bench-") as name:
        work = Path(name)
        runs = scans(work)
        npm = runs["npm ci, cold"]
        for label, result in runs.items():
            ratio = (
                f"{result.wall / npm.wall:.2f} x npm ci"
                if label in {"scan, cold", "scan, after npm ci"}
                else ""
            )
            figures = (
                f"{result.wall:.2f} s, CPU {result.cpu:.2f} s, peak {result.peak_mb:.0f} MB, exit {result.code}"
            )
            rows.append((label, figures, ratio))
        found = tarballs()
        floor_cpu, own_cpu, costs = analysis(found)
        rows.append((f"floor of {len(found)} tarballs", f"CPU {floor_cpu:.2f} s", ""))
        rows.append(
            (f"analysis of {len(found)} tarballs", f"CPU {own_cpu:.2f} s", f"{own_cpu / floor_cpu:.2f} x floor")
        )
        if options.guarddog:
            labels = sorted(random.Random(0).sample(sorted(found), options.guarddog))
            theirs = sum(guarddog(found, labels, work))
            own = sum(costs[label] for label in labels)
            rows.append((f"GuardDog {GUARDDOG}, {len(labels)} packages", f"CPU {theirs:.2f} s", ""))
            rows.append(
                (f"npmguard, the same {len(labels)}", f"CPU {own:.3f} s", f"{theirs / own:.0f} times less")
            )
    print(f"npmguard {__version__}, {dt.datetime.now(tz=dt.UTC):%Y-%m-%d}, Python", end=" ")
    print(f"{platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    for label, figures, ratio in rows:
        print(f"{label:34} {figures:58} {ratio}")


if __name__ == "__main__":
    main()
