"""npm itself, run to resolve what it would install: in a folder of its own, with no script of any package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cached_property
from pathlib import Path

from npmguard.errors import NotInRegistry, NpmError, RegistryUnreachable

OLDEST = (7, 0, 0)  # the first that writes the lockfiles that hold a whole tree
_SECONDS = 600
_CODE = re.compile(r"npm (?:ERR!|error) code (\S+)")
_TOLD = re.compile(r"npm (?:ERR!|error) (?!code |A complete log|errno |syscall |path )(.{1,300})")
_UNREACHABLE = frozenset(
    {"ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH", "ENOTCACHED"}
)
_ABSENT = frozenset({"E404", "ETARGET", "ENOVERSIONS"})
#: What npm is told whenever it only resolves: nothing of a package runs, nobody is asked for more.
RESOLVE_ONLY = ("--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")


class Npm:
    """The npm on PATH."""

    def __init__(self) -> None:
        """Find npm.

        Raises:
            NpmError: there is none.
        """
        found = shutil.which("npm")
        if found is None:
            raise NpmError("npm is not on PATH; install Node.js with npm 7 or newer")
        self._program = found

    @cached_property
    def version(self) -> str:
        """Npm's version.

        Raises:
            NpmError: it is too old to resolve a whole tree.
        """
        done = self._run(Path(), "--version")
        version = done.stdout.strip()
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
        if done.returncode or numbers < OLDEST:
            raise NpmError(
                f"npm {version or 'of unknown version'} at {self._program} is too old to resolve a whole tree;"
                " npm install -g npm@latest gives one that can (7.0.0 or newer)"
            )
        return version

    def resolve(self, folder: Path, *arguments: str) -> None:
        """Run ``npm`` with *arguments* in *folder* so that it writes a lockfile and nothing else.

        Raises:
            NotInRegistry: a package, or a version of it, is not there.
            RegistryUnreachable: the registry does not answer.
            NpmError: npm is too old, or ends with any other error; its own first line is told.
        """
        self.version  # noqa: B018 - an old npm would fail in ways of its own
        done = self._run(folder, *arguments, *RESOLVE_ONLY)
        if done.returncode == 0:
            return
        code = _CODE.search(done.stderr)
        lines = [line.strip() for line in _TOLD.findall(done.stderr) if line.strip()]
        told = lines[0] if lines else f"it ended with {done.returncode}"
        name = code[1] if code else ""
        message = f"npm {' '.join(arguments[:2])}: {name}: {told}" if name else f"npm {arguments[0]}: {told}"
        if name in _ABSENT:
            raise NotInRegistry(message)
        if name in _UNREACHABLE:
            raise RegistryUnreachable(message)
        raise NpmError(message)

    def run(self, folder: Path, *arguments: str) -> int:
        """Run npm in *folder* as its user would, on this terminal; its exit code."""
        try:
            return subprocess.run(  # noqa: S603 - npm, as its user called it
                [self._program, *arguments], cwd=folder, check=False
            ).returncode
        except OSError as error:
            raise NpmError(f"npm cannot be run: {error.strerror}") from error

    def _run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        quiet = {
            "npm_config_loglevel": "error",
            "npm_config_logs_max": "0",
            "NO_COLOR": "1",
        }  # no log of arguments
        environment = {**os.environ, **quiet}
        try:
            return subprocess.run(  # noqa: S603 - npm, with arguments that it parses itself
                [self._program, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise NpmError(f"npm {arguments[0]} took over {_SECONDS} s") from error
        except OSError as error:
            raise NpmError(f"npm cannot be run: {error.strerror}") from error
