"""What a harness is, and where its seeds are."""

from __future__ import annotations

import atexit
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

FIXTURES = Path(__file__).parents[2] / "fixtures" / "fuzz"
READERS = Path(__file__).parent / "readers"
_PARTICULARS = re.compile(r"""'[^']*'|"[^"]*"|[0-9]+""")
_OUTCOME = 120


@dataclass(frozen=True, slots=True)
class Harness:
    """One reader under fuzz.

    ``read`` gives the input to the reader, lets the errors pass that its docstring names, holds the result
    against what callers count on, and returns a word for what came of it: inputs with a new one are kept and
    mutated further. ``grammar`` says which mutations fit (``json``, ``code``, ``tar``, or ``text``), ``words``
    are what its format is made of. ``share`` is how many inputs a test run tries.
    """

    read: Callable[[bytes], str]
    grammar: str = "text"
    words: tuple[bytes, ...] = ()
    share: int = 1000


class WrongAnswerError(AssertionError):
    """The reader gave an answer that the harness knows to be wrong."""


def names() -> list[str]:
    """Every harness there is."""
    return sorted(path.stem for path in READERS.glob("*.py") if path.stem != "__init__")


def load(name: str) -> Harness:
    """The harness of that name."""
    harness = import_module(f"tests.fuzz.readers.{name}").HARNESS
    assert isinstance(harness, Harness)
    return harness


def seeds_of(name: str) -> list[bytes]:
    """What mutation of that harness begins with: real inputs, and every input that once was a crash."""
    return [path.read_bytes() for path in sorted((FIXTURES / name).iterdir()) if path.is_file()]


def scratch_folder() -> Path:
    """A folder for readers of files, in memory where there is such a place; gone with the process."""
    folder = mkdtemp(prefix="npmguard-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    atexit.register(rmtree, folder, ignore_errors=True)
    return Path(folder)


def refused(error: Exception) -> str:
    """The outcome of an input that was refused as documented; the message has to be one line."""
    message = str(error)
    hold(bool(message) and "\n" not in message, f"a message of {len(message.splitlines())} lines: {message!r}")
    return f"{type(error).__name__}: {_PARTICULARS.sub('…', message)[:_OUTCOME]}"


def hold(condition: object, what: str) -> None:
    """End in a crash where *condition* does not hold."""
    if not condition:
        raise WrongAnswerError(what)
