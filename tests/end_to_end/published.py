"""Fixture packages put into a registry, with the ages that a choice of baseline depends on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.end_to_end.verdaccio import Verdaccio
from tests.fixture_packages import cases, load_case, repack

BEFORE_AGE = timedelta(days=30)
AFTER_AGE = timedelta(days=1)


def publish_fixtures(server: Verdaccio, transform: str = "plain") -> None:
    """Publish both sides of every case; the name of a form other than plain ends in ``-<transform>``."""
    now = datetime.now(UTC)
    for case in cases():
        name = case.package if transform == "plain" else f"{case.package}-{transform}"
        for side in case.sides:
            tarball = repack(load_case(case, side, transform), name=name)
            server.put(tarball, at=now - (AFTER_AGE if side == "after" else BEFORE_AGE))
