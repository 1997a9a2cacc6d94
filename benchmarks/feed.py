"""Time and memory of the index of known malware, over a generated feed in OSV's real format.

    python benchmarks/feed.py                  250,000 records, the insomnia lock's packages looked up
    python benchmarks/feed.py --records 20000

Each step runs in a process of its own, so that its peak of memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from npmguard.config import Config, Limits
from npmguard.intel.feed import FeedIndex
from npmguard.intel.feed_update import update_feed
from npmguard.intel.gather import gather

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "fixtures" / "lockfiles" / "insomnia" / "package-lock.json"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
URL = "https://feed.example/npm/all.zip"
WORDS = (
    "color",
    "event",
    "token",
    "node",
    "chain",
    "stream",
    "react",
    "ether",
    "wallet",
    "proxy",
    "lint",
    "babel",
)


class Copied(NamedTuple):
    """A download that takes no time: what is measured is npmguard's own work."""

    modified: bool = True
    etag: str | None = '"1"'
    last_modified: str | None = None


class Disk:
    """A web whose only page is a file of this machine."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive

    def download(self, url: str, target: Path, *, limit: int, headers: object) -> Copied:
        """The file, whoever asks for whatever."""
        del url, limit, headers
        os.link(self._archive, target)
        return Copied()


def record(number: int, chance: random.Random) -> tuple[str, bytes]:
    """One record as they are: most with a list, some for all versions, a few withdrawn."""
    id_ = f"MAL-{2022 + number % 5}-{number}"
    day = datetime(2022, 1, 1, tzinfo=UTC) + timedelta(minutes=number * 8)
    stamp = day.strftime("%Y-%m-%dT%H:%M:%SZ")
    name = f"{chance.choice(WORDS)}-{chance.choice(WORDS)}-{number:x}"
    versions = [
        f"{chance.randrange(9)}.{chance.randrange(30)}.{patch}" for patch in range(chance.randrange(1, 6))
    ]
    affected: dict[str, object] = {
        "package": {"ecosystem": "npm", "name": name},
        "versions": versions,
        "database_specific": {"cwes": [{"cweId": "CWE-506", "name": "Embedded Malicious Code"}]},
    }
    if number % 3 == 0:
        affected["ranges"] = [{"type": "SEMVER", "events": [{"introduced": "0"}]}]
        if number % 2:
            del affected["versions"]
    digest = f"{chance.getrandbits(256):064x}"
    document: dict[str, object] = {
        "modified": stamp,
        "published": stamp,
        "schema_version": "1.7.4",
        "id": id_,
        "aliases": [f"GHSA-{number % 10000:04d}-abcd-{number // 10000:04d}"],
        "summary": f"Malicious code in {name} (npm)",
        "details": f"\n---\n_-= Per source details. =-_\n\n## Source: ghsa-malware ({digest})\n"
        "Any computer that has this package installed or running should be considered fully compromised.\n",
        "affected": [affected],
        "references": [{"type": "ADVISORY", "url": f"https://advisories.example/{id_}"}],
        "credits": [{"name": "Example", "type": "FINDER", "contact": ["finder@example.invalid"]}],
        "database_specific": {
            "malicious-packages-origins": [
                {"source": "ghsa-malware", "sha256": digest, "import_time": stamp, "versions": versions}
            ]
        },
    }
    if number % 50 == 0:
        host = f"{chance.choice(WORDS)}-{number:x}.example"
        iocs = {"domains": [host], "ips": [f"203.0.113.{number % 250}"], "urls": [f"https://{host}/x"]}
        document["database_specific"] = {"iocs": iocs}
    if number % 100 == 0:
        document["withdrawn"] = stamp
    return f"{id_}.json", json.dumps(document).encode()


def generate(path: Path, count: int, changed: int = 0) -> None:
    """Write a feed; of the last *changed* records another edition than without."""
    chance = random.Random(1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(1, count + 1):
            name, document = record(number, chance)
            archive.writestr(name, document + b" " * (number > count - changed))


def build(folder: Path, archive: Path) -> dict[str, float]:
    started = time.perf_counter()
    result = update_feed(folder, URL, Disk(archive), Limits(), NOW)
    return {"seconds": time.perf_counter() - started, "parsed": result.parsed, "kept": result.kept}


def look_up(folder: Path) -> dict[str, float]:
    """All packages of the lock, as one scan asks: once with everything cold, then again."""
    entries = json.loads(LOCK.read_bytes())["packages"]
    pairs = [(key.rpartition("node_modules/")[2], it.get("version", "")) for key, it in entries.items() if key]
    chance = random.Random(1)
    names = [json.loads(record(number, chance)[1])["affected"][0]["package"]["name"] for number in range(1, 41)]
    pairs[-40:] = [(name, "1.1.1") for name in names]  # so that there is something to be found
    index = FeedIndex(folder)
    started = time.perf_counter()
    index.lookup(pairs)
    alone = time.perf_counter() - started
    started = time.perf_counter()
    known = gather(
        pairs,
        feed=Config().feed,
        index=index,
        web=None,
        registry_for=str,
        seconds=20,
        now=NOW + timedelta(hours=1),
    )
    found = sum(bool(known.judge(name, version).records) for name, version in pairs)
    whole = time.perf_counter() - started
    started = time.perf_counter()
    indicators = index.indicators()
    reading = time.perf_counter() - started
    return {
        "indicators": len(indicators),
        "indicators_ms": reading * 1000,
        "packages": len(pairs),
        "lookup_ms": alone * 1000,
        "judged_ms": whole * 1000,
        "found": found,
    }


def in_own_process(*arguments: str) -> dict[str, float]:
    answer = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(answer.stdout)
    return result


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=250_000)
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step, *paths = options.step
        result = build(Path(paths[0]), Path(paths[1])) if step == "build" else look_up(Path(paths[0]))
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return
    with tempfile.TemporaryDirectory(prefix="npmguard-bench-") as name:
        work = Path(name)
        generate(work / "all.zip", options.records)
        generate(work / "next.zip", options.records, changed=500)
        print(f"{datetime.now(tz=UTC):%Y-%m-%d}, Python {platform.python_version()}, {os.cpu_count()} cores")
        size = (work / "all.zip").stat().st_size / 1024**2
        print(f"{options.records:,} records, a feed of {size:.0f} MB")
        first = in_own_process("--step", "build", str(work / "index"), str(work / "all.zip"))
        print(f"first index        {first['seconds']:.1f} s, peak {first['peak_mb']:.0f} MB")
        print(f"size on disk       {(work / 'index' / 'malware.db').stat().st_size / 1024**2:.0f} MB")
        again = in_own_process("--step", "build", str(work / "index"), str(work / "next.zip"))
        print(f"500 changed        {again['seconds']:.1f} s, peak {again['peak_mb']:.0f} MB")
        scan = in_own_process("--step", "look-up", str(work / "index"))
        print(f"look-ups of a scan {scan['lookup_ms']:.1f} ms for {scan['packages']:.0f} packages")
        print(f"with judging       {scan['judged_ms']:.1f} ms, {scan['found']:.0f} found")
        print(f"names of attacks   {scan['indicators_ms']:.1f} ms for {scan['indicators']:.0f}")


if __name__ == "__main__":
    main()
