"""Pin the packages of names.txt at their latest versions, as a flat package-lock.json that npmguard scans.

    python benchmarks/accuracy/pin.py

The lock holds the named packages alone, not what they depend on. Run it again to measure on newer versions.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Ask npm for each package's latest version and integrity, and write the lock."""
    names = [line for line in (HERE / "names.txt").read_text("utf-8").splitlines() if line and line[0] != "#"]
    with ThreadPoolExecutor(8) as pool:
        pinned = dict(zip(names, pool.map(_latest, names), strict=True))
    missing = [name for name, entry in pinned.items() if entry is None]
    found = {name: entry for name, entry in sorted(pinned.items()) if entry is not None}
    root = {"name": "by-trade", "version": "1.0.0", "dependencies": {n: e["version"] for n, e in found.items()}}
    lock = {
        "name": "by-trade",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {"": root, **{f"node_modules/{name}": entry for name, entry in found.items()}},
    }
    (HERE / "package-lock.json").write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")
    print(f"{len(found)} packages pinned" + (f"; not found: {', '.join(missing)}" if missing else ""))
    return 0


def _latest(name: str) -> dict[str, str] | None:
    command = ["npm", "view", name, "version", "dist.integrity", "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        return None
    told = json.loads(answer.stdout)
    file = f"{name.rpartition('/')[2]}-{told['version']}.tgz"
    return {
        "version": told["version"],
        "resolved": f"https://registry.npmjs.org/{name}/-/{file}",
        "integrity": told["dist.integrity"],
    }


if __name__ == "__main__":
    sys.exit(main())
