"""The campaign: every harness in a process of its own, and a table of what came of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.campaign import Tried, try_harness
from tests.fuzz.harness import names


def main() -> int:
    """Run the harnesses named, or all; 1 where an input was a crash."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("harnesses", nargs="*", metavar="HARNESS", help=", ".join(names()))
    parser.add_argument("--engine", choices=("mutation", "atheris"), default="mutation")
    parser.add_argument("--inputs", type=int, help="as many for each harness")
    parser.add_argument("--seconds", type=float, help="as long for each harness; 600 unless --inputs is given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crashes", type=Path, default=Path("build/fuzz"), help="folder for crashing inputs")
    options = parser.parse_args()
    if unknown := sorted(set(options.harnesses) - set(names())):
        parser.error(f"no harness {', '.join(unknown)}; there are {', '.join(names())}")
    seconds = 600.0 if options.seconds is None and options.inputs is None else options.seconds
    tried: list[Tried] = []
    print(f"{'harness':12} {'inputs':>10} {'seconds':>8} {'outcomes':>8} {'crashes':>7}", flush=True)
    for name in options.harnesses or names():
        one = try_harness(
            name,
            options.crashes,
            inputs=options.inputs,
            seconds=seconds,
            seed=options.seed,
            engine=options.engine,
        )
        tried.append(one)
        print(
            f"{name:12} {one.inputs:10,} {one.seconds:8.1f} {one.outcomes:8,} {len(one.crashes):7}", flush=True
        )
    crashes = {kind: f"{one.name}/{file}" for one in tried for kind, file in one.crashes.items()}
    print(f"{'all':12} {sum(one.inputs for one in tried):10,} {sum(one.seconds for one in tried):8.1f}", end="")
    print(f" {sum(one.outcomes for one in tried):8,} {len(crashes):7}")
    for kind, file in sorted(crashes.items()):
        print(f"{options.crashes / file}: {kind}")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
