"""The tables that migrations make are those that the program works with."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from npmguard.monitor.database import open_database
from npmguard.monitor.tables import metadata


def test_migrations_end_in_the_tables_that_the_program_uses(tmp_path: Path) -> None:
    engine = open_database(str(tmp_path / "state.db"))
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_second_opening_changes_nothing(tmp_path: Path) -> None:
    open_database(str(tmp_path / "state.db")).dispose()
    open_database(str(tmp_path / "state.db")).dispose()
