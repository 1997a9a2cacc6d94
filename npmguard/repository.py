"""A project's git repository, read through git without running anything that the repository names."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from npmguard.errors import RepositoryError

_SECONDS = 120
_MOMENT = 3  # seconds
_BATCH = 64  # contents read at once
_BATCH_FIELDS = 3  # id, type, size
# What a repository's own configuration could have git run, and what would stop to ask.
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never")


@dataclass(frozen=True, slots=True)
class FileChange:
    """One commit that changed one file.

    ``date`` is the committer's, ISO 8601 with its offset. ``old`` and ``new`` are the ids of the contents, None
    where the file was not there. A merge counts as a change against each of its parents.
    """

    commit: str
    date: str
    path: str
    old: str | None
    new: str | None


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

    def branches(self) -> tuple[str, ...]:
        """The full names of all branches, local and remote-tracking, and of a detached head; sorted."""
        done = self._checked("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes")
        names = [name for name in done.decode("utf-8", "replace").split() if not name.endswith("/HEAD")]
        return tuple(sorted(names)) or ("HEAD",)

    def changes(self, paths: Iterable[str], *starts: str, since: str | None = None) -> tuple[FileChange, ...]:
        """The commits that changed one of *paths* (git's pathspecs, from the root), newest first.

        From all branches and tags, or along the first parents of *starts*: what each of these brought to the
        branch itself.

        Raises:
            RepositoryError: git does not understand *since*, or fails.
        """
        walk = ["--first-parent", *starts] if starts else ["--all", "HEAD"]
        options = ["-m", "--raw", "--no-abbrev", "--no-renames", "-z", "--format=%x01%H%x02%cI%x02"]
        limit = [f"--since={self._date(since)}"] if since is not None else []
        output = self._checked("log", *options, *limit, "--date-order", *walk, "--", *paths)
        return tuple(_parse_log(output.decode("utf-8", "surrogateescape")))

    def _date(self, text: str) -> str:
        """*text*, if git knows a date in it: it takes whatever it does not know for this very moment."""
        told = self._checked("rev-parse", f"--since={text}").strip().rpartition(b"=")[2]
        if not told.isdigit() or (abs(int(told) - time.time()) < _MOMENT and text.strip().lower() != "now"):
            raise RepositoryError(f"--since {text}: not a date; write 2025-09-01, or '3 months ago'")
        return text

    def contents(self, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The contents with these ids, one after the other.

        Raises:
            RepositoryError: git cannot give one of them.
        """
        wanted = list(dict.fromkeys(ids))
        for first in range(0, len(wanted), _BATCH):
            batch = wanted[first : first + _BATCH]
            output = self._checked("cat-file", "--batch", given="\n".join(batch).encode() + b"\n")
            position = 0
            for name in batch:
                end = output.find(b"\n", position)
                head = output[position:end].split()
                if len(head) != _BATCH_FIELDS or head[1] != b"blob":
                    raise RepositoryError(f"{self.root}: git cannot give the content {name}; run git fsck")
                size = int(head[2])
                yield name, output[end + 1 : end + 1 + size]
                position = end + size + 2

    def oldest(self) -> str:
        """The date of the oldest commit that this clone holds."""
        output = self._checked(
            "log", "--all", "HEAD", "--reverse", "--date-order", "--format=%cI", "--max-parents=0"
        )
        return output.decode("ascii").split("\n", 1)[0]

    def _checked(self, *arguments: str, given: bytes | None = None) -> bytes:
        done = self._run(*arguments, given=given)
        if done.returncode:
            raise RepositoryError(f"{self.root}: git {arguments[0]} failed: {_told(done)}")
        return done.stdout

    def _run(self, *arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        command = [self._git, *_SAFE, *arguments]
        try:
            return subprocess.run(  # noqa: S603 - no word of it is a program or an option of a stranger's
                command,
                cwd=self._folder,
                env=environment,
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                capture_output=True,
                check=False,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise RepositoryError(f"{self._folder}: git {arguments[0]} took over {_SECONDS} s") from error
        except OSError as error:
            raise RepositoryError(f"{self._folder}: git cannot be run: {error.strerror}") from error


def _parse_log(text: str) -> Iterator[FileChange]:
    """What ``git log --raw -z`` says of each commit, after a head of our own: modes, ids and status, path."""
    for record in text.split("\x01")[1:]:
        commit, date, rest = record.split("\x02", 2)
        fields = [field.lstrip("\n") for field in rest.split("\0")]
        for raw, path in pairwise(fields):
            if raw.startswith(":"):
                _, _, old, new, _ = raw.split(" ")
                yield FileChange(commit, date, path, _id(old), _id(new))


def _id(name: str) -> str | None:
    return None if set(name) == {"0"} else name


def _told(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"it ended with {done.returncode}"
