"""The Node.js programs that tests run, installed once from a lockfile into an ignored folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "tests" / "tools"
CACHE = ROOT / ".tools"


@cache
def program(name: str) -> str:
    """The path of ``node`` or ``npm``; an error that says what to install where there is none."""
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is not on PATH; these tests need Node.js >= 20 with npm")
    return found


@cache
def tools_folder() -> Path:
    """A folder with ``node_modules`` as ``tests/tools/package-lock.json`` names it; made on the first call.

    The folder's name is the lock's hash, so that a changed lock is installed anew, and several test processes
    may ask at once: one installs, the others wait.
    """
    lock = SCRIPTS / "package-lock.json"
    folder = CACHE / f"node-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    with locked(folder.name):
        if not folder.exists():
            making = folder.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            shutil.copy(SCRIPTS / "package.json", making)
            shutil.copy(lock, making)
            run([program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=making)
            making.rename(folder)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of that name among all processes that work in this checkout."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run_script(script: str, *arguments: str, text: str = "") -> str:
    """Run ``tests/tools/<script>`` beside the installed tools; *text* goes in, standard output comes back."""
    return run([program("node"), str(SCRIPTS / script), *arguments], cwd=tools_folder(), text=text)


def run(command: list[str], *, cwd: Path, text: str = "", env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return its standard output; an error holds all that it said."""
    done = subprocess.run(
        command,
        cwd=cwd,
        input=text,
        env=os.environ if env is None else env,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout
