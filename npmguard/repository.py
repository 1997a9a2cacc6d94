"""A project's git repository, read through git without running anything that the repository names."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from npmguard.errors import RepositoryError

_SECONDS = 60
# What a repository's own configuration could have git run, and what would stop to ask.
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never")


class Repository:
    """The repository around one folder; every method is one call of git."""

    def __init__(self, folder: Path) -> None:
        """Find the repository around *folder*.

        Raises:
            RepositoryError: git is not installed, or the folder is in no repository.
        """
        git = shutil.which("git")
        if git is None:
            raise RepositoryError(
                "git is not on PATH; install it, or name an older lockfile instead of a revision"
            )
        self._git = git
        self._folder = folder
        done = self._run("rev-parse", "--show-toplevel")
        if done.returncode:
            raise RepositoryError(
                f"{folder}: not in a git repository; name an older lockfile instead of a revision"
            )
        self.root = Path(os.fsdecode(done.stdout.rstrip(b"\n")))

    def commit(self, revision: str) -> str:
        """The full id of the commit that *revision* names: a branch, tag, id, ``HEAD~3``.

        Raises:
            RepositoryError: there is no such commit; in a shallow clone, the message says so.
        """
        done = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if done.returncode:
            hint = (
                "; this clone is shallow, so fetch more of it (git fetch --unshallow)" if self.shallow else ""
            )
            raise RepositoryError(f"{revision}: no such revision in {self.root}{hint}")
        return done.stdout.decode("ascii").strip()

    @property
    def shallow(self) -> bool:
        """Whether the clone lacks older commits."""
        return self._run("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def read(self, commit: str, path: Path) -> bytes | None:
        """The content that *path*, a file in the repository, had in *commit*; None where it was not there.

        Raises:
            RepositoryError: the file is outside of the repository, or git cannot give it.
        """
        inside = self.inside(path)
        if self._run("cat-file", "-e", f"{commit}:{inside}").returncode:
            return None
        done = self._run("cat-file", "blob", f"{commit}:{inside}")
        if done.returncode:
            raise RepositoryError(f"{path}: git cannot show what it was in {commit[:12]}: {_told(done)}")
        return done.stdout

    def inside(self, path: Path) -> str:
        """A file's path as git spells it, relative to the repository's root.

        Raises:
            RepositoryError: the file is outside of the repository.
        """
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            raise RepositoryError(f"{path}: outside of the repository {self.root}") from None

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        command = [self._git, *_SAFE, *arguments]
        try:
            return subprocess.run(  # noqa: S603 - no word of it is a program or an option of a stranger's
                command, cwd=self._folder, env=environment, capture_output=True, check=False, timeout=_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise RepositoryError(f"{self._folder}: git {arguments[0]} took over {_SECONDS} s") from error
        except OSError as error:
            raise RepositoryError(f"{self._folder}: git cannot be run: {error.strerror}") from error


def _told(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"it ended with {done.returncode}"
