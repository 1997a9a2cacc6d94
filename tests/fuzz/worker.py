"""One harness in a process of its own: `python -m tests.fuzz.worker HARNESS …`, its result as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from hashlib import sha256
from pathlib import Path

from tests.fuzz import engine
from tests.fuzz.harness import Harness, load, seeds_of
from tests.fuzz.mutation import LARGEST, mutate

CURRENT = "current"


def main() -> None:
    """Run as the arguments say; crashing inputs go to the folder, what came of it to standard output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("harness")
    parser.add_argument("--engine", choices=("mutation", "atheris"), default="mutation")
    parser.add_argument("--inputs", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    if options.engine == "atheris":
        _atheris(options.harness, options.inputs, options.seconds, options.seed, options.folder)
        return
    harness = load(options.harness)
    seeds = seeds_of(options.harness)
    engine.cap_process()
    with (options.folder / CURRENT).open("wb", buffering=0) as current:
        descriptor = current.fileno()

        def begin(count: int, data: bytes) -> None:
            os.pwrite(descriptor, b"%-12d%-12d" % (count, len(data)) + data, 0)

        result = engine.run(
            harness, seeds, inputs=options.inputs, seconds=options.seconds, seed=options.seed, begin=begin
        )
    crashes = {}
    for kind, data in sorted(result.crashes.items()):
        file = options.folder / f"{options.harness}-{sha256(data).hexdigest()[:16]}"
        file.write_bytes(data)
        crashes[kind] = file.name
    told = {
        "inputs": result.inputs,
        "seconds": result.seconds,
        "outcomes": len(result.outcomes),
        "crashes": crashes,
    }
    sys.stdout.write(json.dumps(told))


def _atheris(name: str, inputs: int | None, seconds: float | None, seed: int, folder: Path) -> None:
    """Let coverage of npmguard's own code choose what is mutated further; ends the process."""
    from random import Random

    import atheris

    with atheris.instrument_imports(include=["npmguard"]):
        harness: Harness = load(name)
    seeds = seeds_of(name)
    corpus = folder / f"corpus-{name}"
    corpus.mkdir(exist_ok=True)
    for data in seeds:
        (corpus / sha256(data).hexdigest()[:16]).write_bytes(data)

    def one(data: bytes) -> None:
        harness.read(data)

    def mutant(data: bytes, size: int, chance: int) -> bytes:
        if chance % 3 == 0:
            return bytes(atheris.Mutate(data, size))
        return mutate(data, Random(chance), harness.grammar, harness.words, seeds)[:size]

    arguments = [
        sys.argv[0],
        f"-runs={-1 if inputs is None else inputs}",
        f"-max_total_time={int(seconds or 0)}",
        f"-seed={seed + 1}",
        f"-max_len={LARGEST}",
        f"-timeout={engine.HANG_SECONDS}",
        f"-rss_limit_mb={engine.MEMORY_BYTES // 1024**2}",
        f"-artifact_prefix={folder}/{name}-",
        "-print_final_stats=1",
        "-verbosity=0",
        str(corpus),
    ]
    atheris.Setup(arguments, one, custom_mutator=mutant)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
