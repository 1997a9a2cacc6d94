"""A monitor beside a real registry: packages published with npm's protocol, a feed with CouchDB's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.command import Result, npmguard
from tests.end_to_end.changes_feed import ChangesFeed
from tests.end_to_end.verdaccio import Verdaccio
from tests.fixture_packages import load_case, repack

NAME = "@scope/watched"


def publish(registry: Verdaccio, feed: ChangesFeed, side: str, version: str, age: timedelta) -> None:
    tarball = repack(load_case("esm-clipper", side), name=NAME, version=version)
    registry.put(tarball, at=datetime.now(UTC) - age)
    feed.changed(NAME)


def test_a_release_that_takes_a_package_over_is_told_once(registry: Verdaccio, tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.jsonl"
    with ChangesFeed() as feed:

        def once(*more: str) -> Result:
            return npmguard(
                *("monitor", "--once", "--registry", registry.url, "--changes-url", feed.url),
                *(
                    "--state",
                    str(tmp_path / "state.db"),
                    "--alerts",
                    f"jsonl:{alerts}",
                    "--workers",
                    "1",
                    *more,
                ),
                env=registry.environment() | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
                cwd=tmp_path,
            )

        publish(registry, feed, "before", "1.0.0", timedelta(days=30))
        first = once("--since", "now")
        assert (first.code, alerts.exists()) == (0, False), first.stderr
        publish(registry, feed, "after", "1.0.1", timedelta())
        second = once()
        assert (second.code, "1 done" in second.stderr) == (0, True), second.stderr
        registry.deprecate(NAME, "1.0.1", "taken over")
        feed.changed(NAME)
        assert once().code == 0
        feed.deleted(NAME)
        assert once().code == 0
    told = [json.loads(line) for line in alerts.read_text().splitlines()]
    assert sorted(alert["kind"] for alert in told) == ["opened", "release"]
    releases = [(alert["affected"][0]["name"], alert["affected"][0]["version"]) for alert in told]
    assert releases == [(NAME, "1.0.1")] * 2
