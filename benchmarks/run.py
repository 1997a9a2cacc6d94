"""Speed and memory of npmguard, as ratios of things measured in the same run, as Markdown.

    make bench                                  all parts
    make bench ARGS='analysis stages'           some of them
    make bench ARGS='locks --locks insomnia'    one lock
    make bench ARGS='guarddog --packages 50'    fewer packages

Parts: locks (npm ci, cold, after npm ci, warm), analysis (every tarball in one process against hashing, gunzip
and walking the tar), guarddog (CPU a package; it gets an environment of its own from PyPI), scaling (50 to
2,500 packages), workers (two processes against one), stages (--timings of one cold scan).
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.speed.inputs import LOCKS  # noqa: E402 - a checkout is not installed
from benchmarks.speed.measure import markdown  # noqa: E402
from benchmarks.speed.parts import PARTS, SIZES, Options  # noqa: E402
from npmguard import __version__  # noqa: E402


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--locks", nargs="+", choices=LOCKS, default=LOCKS)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="packages of the scaling's locks")
    parser.add_argument("--packages", type=int, default=200, help="tarballs that GuardDog and the workers get")
    parser.add_argument("--processes", type=int, default=40, help="of these, those that get a process each")
    parser.add_argument("--guarddog-python", type=Path, help="the Python of an environment that has GuardDog")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    print(f"npmguard {__version__}, {dt.datetime.now(tz=dt.UTC):%Y-%m-%d}, Python", end=" ")
    print(f"{platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores", end=", ")
    print(f"load {os.getloadavg()[0]:.1f} at the start\n")
    for name in options.parts or PARTS:
        title, measure = PARTS[name]
        with tempfile.TemporaryDirectory(prefix="npmguard-bench-") as work:
            given = Options(
                Path(work),
                tuple(options.locks),
                tuple(options.sizes),
                options.packages,
                options.processes,
                options.guarddog_python,
            )
            print(markdown(title, measure(given)), flush=True)


if __name__ == "__main__":
    main()
