"""Registries for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.published import publish_fixtures
from tests.end_to_end.verdaccio import Verdaccio


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
