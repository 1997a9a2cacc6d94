"""Each reader holds against a fixed share of fuzz inputs, and fuzzing itself sees what it is there to see."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.campaign import try_harness
from tests.fuzz.engine import run
from tests.fuzz.harness import FIXTURES, Harness, hold, load, names, refused, seeds_of
from tests.fuzz.mutation import mutate


@pytest.mark.parametrize("name", names())
def test_a_reader_holds_against_its_share_of_inputs(tmp_path: Path, name: str) -> None:
    share = load(name).share
    tried = try_harness(name, tmp_path, inputs=share)
    assert tried.crashes == {}
    assert tried.inputs == share
    assert tried.outcomes > 5  # it is no reader that refuses everything in one way


def test_every_harness_has_seeds_and_no_seeds_are_left_over() -> None:
    assert [path.name for path in sorted(FIXTURES.iterdir()) if path.is_dir()] == names()
    assert all(seeds_of(name) for name in names())


def test_the_same_seed_gives_the_same_inputs() -> None:
    def inputs(seed: int) -> list[bytes]:
        seen: list[bytes] = []

        def read(data: bytes) -> str:
            seen.append(data)
            return str(len(data) % 7)

        run(Harness(read, "json", (b"word",)), [b'{"a": [1, 2]}'], inputs=200, seed=seed)
        return seen

    assert inputs(1) == inputs(1)
    assert inputs(1) != inputs(2)
    assert len(set(inputs(1))) > 100


@pytest.mark.parametrize("grammar", ["json", "code", "tar", "text"])
def test_any_input_has_a_mutant(grammar: str) -> None:
    random = Random(0)
    for data in (b"", b"\0", b"{", b"[[[[", b'{"a":{"b":[1,{}]}}', b"\x1f\x8b", bytes(1024), b"x" * 70_000):
        for _ in range(200):
            assert len(mutate(data, random, grammar, (b"w",), [data])) <= 64 * 1024


def test_what_a_reader_raises_is_a_crash_of_one_kind() -> None:
    def read(data: bytes) -> str:
        if len(data) > 3:
            raise KeyError(len(data) % 1)
        return "fine"

    result = run(Harness(read), [b"ab", b"abcdefgh"], inputs=300)
    assert len(result.crashes) == 1
    (kind,) = result.crashes
    assert kind.startswith("KeyError at ")
    assert "test_harnesses.py" in kind
    assert len(result.crashes[kind]) < 8  # the shortest input that shows it is kept


def test_a_wrong_answer_and_a_message_of_two_lines_are_crashes() -> None:
    def read(data: bytes) -> str:
        hold(b"!" not in data, "a wrong answer")
        return refused(ValueError("one\ntwo" if b"?" in data else "one"))

    result = run(Harness(read), [b"!", b"?", b"."], inputs=3)
    assert len(result.crashes) == 2


_HANG = """
import time, sys
from tests.fuzz import engine
from tests.fuzz.harness import Harness
engine.INPUT_SECONDS = 0.2
def read(data):
    while data == b"slow": pass
    if data == b"big": bytearray(10**12)
    return "x"
engine.cap_process()
print(*sorted(kind.split()[0] for kind in engine.run(Harness(read), [b"slow", b"big", b"x"], inputs=3).crashes))
"""


def test_an_input_that_hangs_or_grows_is_a_crash_and_the_next_is_tried() -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", _HANG], cwd=FIXTURES.parents[1], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["MemoryError", "TooSlowError"]
