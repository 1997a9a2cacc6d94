"""Opens the database of a monitor's state, its tables brought up to date.

SQLite is one file, written in transactions that take the write lock at their start; what PostgreSQL does with
row locks, it does by letting one writer in at a time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from npmguard.errors import StoreError, UsageError

#: The last of the steps in ``migrations/``.
REVISION: Final = "0002"
_BUSY_SECONDS: Final = 60.0
_UPGRADE_LOCK: Final = 0x6E706D67  # "npmg": one monitor at a time makes the tables
_SCRIPTS: Final = Path(__file__).parent / "migrations"
#: libpq's variables that hold or name a credential, with the parameter that says the same.
_SECRET_VARIABLES: Final = {"PGPASSWORD": "password", "PGPASSFILE": "passfile", "PGSERVICE": "service"}


def take_secrets(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Take libpq's credentials out of *environment*, so that no child process gets them; as parameters."""
    return {
        parameter: environment.pop(name) for name, parameter in _SECRET_VARIABLES.items() if name in environment
    }


def open_database(state: str, parameters: Mapping[str, str] | None = None) -> Engine:
    """The database that *state* names: a file for SQLite, or a URL (``postgresql://host/database``).

    *parameters* go to libpq beside the URL. Tables are made and altered as this version needs them.

    Raises:
        UsageError: no such kind of database, its driver is not installed, or it is of a newer npmguard.
        StoreError: it does not answer.
    """
    url = _url(state)
    try:
        engine = _postgresql(url, parameters or {}) if url.drivername.startswith("postgresql") else _sqlite(url)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise UsageError(
            f"--state {_shown(url)}: {_line(error)}; pip install 'npmguard[postgresql]'"
        ) from error
    try:
        _upgrade(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise StoreError(f"the state {_shown(url)} cannot be opened: {reason(error)}") from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def reason(error: SQLAlchemyError) -> str:
    """What a database said, in one line and without the statement, whose values are a package's words."""
    return _line(getattr(error, "orig", None) or error)


def _url(state: str) -> URL:
    if "://" not in state:
        return URL.create("sqlite", database=str(Path(state).absolute()))
    try:
        url = make_url(state)
    except (ArgumentError, ValueError) as error:
        raise UsageError("--state: no URL of a database, as postgresql://user@host/database is") from error
    name = url.drivername
    if name in {"postgresql", "postgres", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg")
    if name != "sqlite":
        raise UsageError(f"--state {_shown(url)}: give a file, sqlite:///FILE or postgresql://host/database")
    return url


def _shown(url: URL) -> str:
    return url.database or "" if url.drivername == "sqlite" else url.render_as_string(hide_password=True)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _sqlite(url: URL) -> Engine:
    path = Path(url.database or "")
    if not path.parent.is_dir():
        raise UsageError(f"--state {path}: there is no folder {path.parent}")
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001 - the event's own
        connection.isolation_level = None  # transactions begin where SQLAlchemy says so
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # what was told stays told, through a power cut too
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    return engine


def _postgresql(url: URL, parameters: Mapping[str, str]) -> Engine:
    return create_engine(
        url, pool_pre_ping=True, pool_size=4, connect_args={"connect_timeout": 10, **parameters}
    )


def _upgrade(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        found = None
        if inspect(connection).has_table("alembic_version"):
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found == REVISION:
            return
        from alembic import command  # noqa: PLC0415 - takes long to import, and is seldom needed
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(_SCRIPTS))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise UsageError(
                f"the state {_shown(engine.url)} was written by another version of npmguard: {_line(error)}"
            ) from error
