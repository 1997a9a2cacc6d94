"""The parts of the measurement; each returns the rows of its table."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from isal import igzip

from benchmarks.speed import guarddog
from benchmarks.speed.inputs import (
    LOCKS,
    NPM_CI,
    SCAN,
    environment,
    lock_of,
    project,
    stride,
    tarballs,
    union,
    write_lock,
)
from benchmarks.speed.measure import Command, Row, run, spread
from npmguard.compiled import CompiledRules
from npmguard.config import Limits
from npmguard.detect.rule import load_ruleset
from npmguard.detect.ruleset import ruleset_digest
from npmguard.pool import AnalysisPool
from npmguard.worker import analyse_tarball

SIZES = (50, 250, 1000, 2500)
_DEAREST = 5


@dataclass(frozen=True)
class Options:
    """``work`` is an empty folder; ``packages`` how many tarballs GuardDog and the workers get."""

    work: Path
    locks: tuple[str, ...] = LOCKS
    sizes: tuple[int, ...] = SIZES
    packages: int = 200
    processes: int = 40
    guarddog_python: Path | None = None


def locks(options: Options) -> list[Row]:
    """Npm ci and three scans of each real lock, each from its own state of the caches."""
    rows: list[Row] = []
    for name in options.locks:
        work = options.work / name
        folder = project(lock_of(name), work / "project")
        scan = [*SCAN, "scan", "--format", "json", "--output", str(work / "out.json")]
        npm = run(NPM_CI, folder, environment(work / "npm", work / "none"))
        shutil.rmtree(folder / "node_modules", ignore_errors=True)  # installed packages are no part of it
        cold = run(scan, folder, environment(work / "npm-none", work / "own-cold"))
        after = run(scan, folder, environment(work / "npm", work / "own"))
        warm = run(scan, folder, environment(work / "npm", work / "own"))
        found = tarballs(lock_of(name))
        least = _floor_of(found)
        entries = len(json.loads((work / "out.json").read_text())["packages"])
        rows.append(
            {
                "lock": f"{name}, {entries} versions",
                "npm ci, cold": npm.text,
                "scan, cold": f"{cold.text}: {cold.wall / npm.wall:.2f} x npm ci",
                "scan after npm ci": f"{after.text}: {after.wall / npm.wall:.2f} x npm ci",
                "scan, warm": warm.text,
                "floor": f"CPU {least:.2f} s: cold is {cold.cpu / least:.1f} x",
            }
        )
        shutil.rmtree(work)
    return rows


def analysis(options: Options) -> list[Row]:
    """Every tarball of the pdf.js lock in one process, against what any reader has to do."""
    del options
    found = tarballs(lock_of(LOCKS[0]))
    least = _floor_of(found)
    costs = _own_costs(found)
    used = sum(costs.values())
    dearest = sorted(costs, key=lambda label: -costs[label])[:_DEAREST]
    return [
        {
            "tarballs": str(len(found)),
            "floor": f"CPU {least:.2f} s",
            "npmguard": f"CPU {used:.2f} s, {used / least:.2f} x floor",
            "a package": spread(list(costs.values())),
            "dearest": ", ".join(f"{label} {costs[label]:.2f} s" for label in dearest),
        }
    ]


def against_guarddog(options: Options) -> list[Row]:
    """CPU a package, in one process and as a process each, of the same packages."""
    work = options.work / "guarddog"
    work.mkdir()
    python = options.guarddog_python or guarddog.installed(work / "environment")
    found = tarballs(lock_of(LOCKS[0]))
    labels = stride(list(found), options.packages)
    paths = []
    for number, label in enumerate(labels):
        paths.append(work / f"{number}.tgz")
        paths[-1].write_bytes(found[label])
    own_costs = _own_costs({label: found[label] for label in labels})
    own = [own_costs[label] for label in labels]
    theirs = guarddog.in_process(python, paths, work)
    env = environment(work / "npm", work / "own")
    few = [paths[index * len(paths) // options.processes] for index in range(options.processes)]
    run([*SCAN, "inspect", paths[0], "--offline"], work, env)  # compiles the rules, once a version
    own_processes = [run([*SCAN, "inspect", path, "--offline"], work, env).cpu for path in few]
    their_processes = guarddog.as_process(python, few, work, env)
    return [
        _compared(f"in one process, {len(own)} packages", own, theirs),
        _compared(f"a process each, {len(few)} packages", own_processes, their_processes),
    ]


def scaling(options: Options) -> list[Row]:
    """Cold scans of locks of several lengths out of the three real locks together."""
    entries = list(union().values())
    rows: list[Row] = []
    for size in options.sizes:
        chosen = entries[: min(size, len(entries))]
        work = options.work / f"scaling-{size}"
        folder = write_lock(work / "project", chosen)
        env = environment(work / "npm", work / "own")
        output = work / "out.json"
        cold = run([*SCAN, "scan", "--format", "json", "--output", output], folder, env)
        unverified = json.loads(output.read_text())["summary"]["unverified"]
        count = len(chosen)
        rows.append(
            {
                "packages": str(count),
                "wall": f"{cold.wall:.1f} s, {cold.wall / count * 1000:.1f} ms a package",
                "CPU": f"{cold.cpu:.1f} s, {cold.cpu / count * 1000:.1f} ms a package",
                "peak memory": f"{cold.peak_mb:.0f} MB",
                "unverified": str(unverified),
            }
        )
        shutil.rmtree(work)
    return rows


def workers(options: Options) -> list[Row]:
    """The same tarballs with one worker process and with two, after all of them have started."""
    found = tarballs(lock_of(LOCKS[0]))
    chosen = [found[label] for label in stride(list(found), options.packages)]
    walls = {jobs: min(_by_workers(jobs, chosen) for _ in range(2)) for jobs in (1, 2)}
    return [
        {
            "tarballs": str(len(chosen)),
            "one worker": f"{walls[1]:.2f} s",
            "two workers": f"{walls[2]:.2f} s",
            "ratio": f"{walls[1] / walls[2]:.2f} x",
        }
    ]


def stages(options: Options) -> list[Row]:
    """What each stage of one cold scan of the pdf.js lock costs; the three dearest are marked."""
    work = options.work / "stages"
    folder = project(lock_of(LOCKS[0]), work / "project")
    output = work / "timings.json"
    command: Command = [
        *SCAN,
        "scan",
        "--format",
        "json",
        "--output",
        work / "out.json",
        "--timings-output",
        output,
    ]
    run(command, folder, environment(work / "npm", work / "own"))
    told = json.loads(output.read_text())
    costs = sorted(told["stages"].items(), key=lambda item: -item[1]["cpu"])
    total = sum(cost["cpu"] for _, cost in costs)
    rows: list[Row] = [
        {
            "stage": f"**{name}**" if place < 3 else name,
            "calls": str(cost["calls"]),
            "CPU": f"{cost['cpu']:.2f} s",
            "share": f"{cost['cpu'] / total:.0%}",
            "wall": f"{cost['wall']:.2f} s",
        }
        for place, (name, cost) in enumerate(costs)
    ]
    whole = told["process"]
    rows.append(
        {
            "stage": "the main process",
            "calls": "",
            "CPU": f"{whole['cpu']:.2f} s",
            "share": "",
            "wall": f"{whole['wall']:.2f} s",
        }
    )
    return rows


PARTS: dict[str, tuple[str, Callable[[Options], list[Row]]]] = {
    "locks": ("Scans against npm ci", locks),
    "analysis": ("Analysis against the floor", analysis),
    "guarddog": (f"Against GuardDog {guarddog.VERSION}, CPU", against_guarddog),
    "scaling": ("From 50 packages to 2,500, cold", scaling),
    "workers": ("Two workers against one", workers),
    "stages": ("What each stage costs, cold", stages),
}


def _floor_of(found: dict[str, bytes]) -> float:
    """CPU of what any reader has to do: hash, gunzip, walk."""
    before = time.process_time()
    for tarball in found.values():
        hashlib.sha512(tarball).digest()
        content: bytes = igzip.decompress(tarball)  # type: ignore[no-untyped-call]  # isal has no types here
        with tarfile.TarFile(fileobj=io.BytesIO(content)) as archive:
            for _ in archive:
                pass
    return time.process_time() - before


def _own_costs(found: dict[str, bytes]) -> dict[str, float]:
    """CPU of the whole analysis of each tarball in this process, in which one was analysed before."""
    ruleset, limits = load_ruleset(), Limits()
    analyse_tarball(next(iter(found.values())), ruleset, limits)
    costs = {}
    for label, tarball in found.items():
        before = time.process_time()
        analyse_tarball(tarball, ruleset, limits)
        costs[label] = time.process_time() - before
    return costs


def _by_workers(jobs: int, chosen: list[bytes]) -> float:
    compiled = CompiledRules(None, ruleset_digest())
    with (
        AnalysisPool(jobs, (), Limits(), compiled=compiled) as pool,
        ThreadPoolExecutor(jobs) as threads,
    ):
        for _ in range(2):  # until each has started
            list(threads.map(pool.analyse, [chosen[0]] * jobs))
        started = time.monotonic()
        list(threads.map(pool.analyse, chosen))
        return time.monotonic() - started


def _compared(what: str, own: list[float], theirs: list[float]) -> Row:
    ratios = sorted(their / max(mine, 1e-6) for mine, their in zip(own, theirs, strict=True))
    return {
        "how": what,
        "npmguard": spread(own),
        "GuardDog": spread(theirs),
        "ratio": f"{sum(theirs) / sum(own):.1f} x in all, median {ratios[len(ratios) // 2]:.1f} x;"
        f" npmguard is dearer in {sum(ratio < 1 for ratio in ratios)}",
    }
