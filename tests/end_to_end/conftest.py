"""Registries for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.end_to_end.verdaccio import Verdaccio
from tests.fixture_packages import cases, load_case, repack

BEFORE_AGE = timedelta(days=30)
AFTER_AGE = timedelta(days=1)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Verdaccio]:
    """An empty registry of the test's own."""
    with Verdaccio(tmp_path / "registry") as server:
        yield server


@pytest.fixture(scope="session")
def registry_with_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdaccio]:
    """A registry that holds every plain fixture package; tests share it and do not change what it holds.

    The clean side is 30 days old, the compromised one a day, and ``latest`` is the compromised one.
    """
    with Verdaccio(tmp_path_factory.mktemp("registry-with-fixtures")) as server:
        publish_fixtures(server)
        yield server


def publish_fixtures(server: Verdaccio, transform: str = "plain") -> None:
    """Publish both sides of every case; the name of a form other than plain ends in ``-<transform>``."""
    now = datetime.now(UTC)
    for case in cases():
        name = case.package if transform == "plain" else f"{case.package}-{transform}"
        for side in case.sides:
            tarball = repack(load_case(case, side, transform), name=name)
            server.put(tarball, at=now - (AFTER_AGE if side == "after" else BEFORE_AGE))
