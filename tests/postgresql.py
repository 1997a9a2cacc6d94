"""A real PostgreSQL for one test run: a cluster of its own on a free port of loopback, thrown away later."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests.servers import free_port

_SETTINGS = {
    "fsync": "off",  # the machine does not crash, whatever the tests do to the server
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "32MB",
}


class PostgreSQL:
    """A server that lives as long as the ``with`` block; it may be stopped and started again meanwhile."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="npmguard-postgresql-"))
        self._port = free_port()
        self._databases = 0

    def __enter__(self) -> Self:
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self._folder, _user(), _user())
        try:
            self._run("initdb", "-D", self._data, "-U", "npmguard", "-A", "trust", "-E", "UTF8", "--no-sync")
            settings = {**_SETTINGS, "port": str(self._port), "unix_socket_directories": str(self._folder)}
            lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
            with (Path(self._data) / "postgresql.conf").open("a", encoding="utf-8") as file:
                file.writelines(lines)
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (Path(self._data) / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-t", "60", "start")

    def stop(self) -> None:
        """Stop it at once, as a crash would: what was under way is lost."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"monitor{self._databases}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self._url(name)

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _url(self, database: str) -> str:
        return f"postgresql://npmguard@127.0.0.1:{self._port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        with (self._folder / "messages").open("ab") as messages:
            done = subprocess.run(
                [_program(program), *arguments],
                cwd=self._folder,
                user=_user() if os.getuid() == 0 else None,
                stdout=subprocess.DEVNULL,  # pg_ctl's child keeps what it inherits: a pipe would never end
                stderr=messages,
                timeout=90,
                check=False,
            )
        if done.returncode != 0:
            texts = [(self._folder / name) for name in ("messages", "log")]
            told = "\n".join(path.read_text("utf-8", "replace") for path in texts if path.exists())
            raise RuntimeError(f"{program} ended with {done.returncode}:\n{told[-3000:]}")


def _program(name: str) -> str:
    """The newest one of this machine: Debian keeps them off the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda it: int(it.parent.name))
    found = shutil.which(name, path=os.pathsep.join([*map(str, reversed(folders)), os.environ["PATH"]]))
    if found is None:
        raise RuntimeError(
            f"{name} is missing; these tests need PostgreSQL's server, see tests/tools/system.sh"
        )
    return found


def _user() -> str:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL needs a user other than root to run as")
