"""Lockfiles of npm, Yarn, pnpm, Bun, and SBOMs."""

from __future__ import annotations

import json

from npmguard.errors import LockfileError
from npmguard.lockfile.graph import DependencyGraph
from npmguard.lockfile.reader import parse_lockfile, reader_of
from npmguard.model import Lockfile
from tests.fuzz.harness import Harness, hold, refused

_NAMES = ("package-lock.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock")
_PATHS_OF = 20


def read(data: bytes) -> str:
    """Read as what it looks like; the counts add up, every entry is in the graph, and none gets lost."""
    manager = reader_of(data, "lock").manager
    outcomes = [_one(data, name) for name in ("lock", _NAMES[len(data) % len(_NAMES)])]
    return f"{manager} {outcomes[0]}"


def _one(data: bytes, name: str) -> str:
    try:
        lock = parse_lockfile(data, name)
    except LockfileError as error:
        return refused(error)
    hold(len(lock.packages) + len(lock.skipped) == lock.entries, "entries that are neither judged nor skipped")
    found = {it.location for it in lock.packages} | {it.location for it in lock.skipped}
    hold(found <= lock.nodes.keys(), "an entry that is not in the graph")
    hold(all(it.detail.isprintable() for it in lock.skipped), "a reason that does not print")
    if lock.manager == "npm":
        _hold_npm(data, lock, found)
    graph = DependencyGraph(lock)
    for location in list(lock.nodes)[:_PATHS_OF]:
        graph.paths_to(location)
        graph.requirers(location)
    return f"{len(lock.packages)} {sorted({str(it.reason) for it in lock.skipped})} {len(lock.missing)}"


def _hold_npm(data: bytes, lock: Lockfile, found: set[str]) -> None:
    """Whatever stands under ``packages`` is told of, as another reader of JSON sees it."""
    document = json.loads(data)
    packages = document.get("packages")
    if isinstance(packages, dict) and document.get("lockfileVersion") in (2, 3):
        lost = {key for key in packages if key} - found
        hold(not lost, f"entries that got lost in {lock.entries}")


HARNESS = Harness(
    read,
    "json",
    words=(
        *(
            b'"packages":',
            b'"dependencies":',
            b'"lockfileVersion":',
            b'"node_modules/a":',
            b'"resolved":',
            b'"link":true,',
        ),
        *(
            b'"integrity":',
            b'"version":',
            b'"inBundle":true,',
            b"resolution:",
            b"checksum:",
            b"__metadata:",
            b"  version ",
        ),
        *(
            b"resolved ",
            b"integrity ",
            b"importers:",
            b"snapshots:",
            b"packages:",
            b"&a",
            b"*a",
            b"!!python/x",
            b"|",
            b">-",
        ),
        *(
            b"npm:",
            b"workspace:",
            b"patch:",
            b"<<<<<<< ",
            b"=======",
            b">>>>>>> ",
            b"'",
            b'"',
            b": ",
            b"\n  ",
            b"//",
            b",]",
        ),
    ),
    share=700,
)
