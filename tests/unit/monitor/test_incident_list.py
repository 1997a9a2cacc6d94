"""Incidents as their reader gets them: listed, shown, and held against a watch list."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, insert

from npmguard.commands.monitor_incidents import IncidentFormat, incidents
from npmguard.config import Limits
from npmguard.errors import UsageError
from npmguard.model import Verdict
from npmguard.monitor.alerts import Alerting, raise_alerts
from npmguard.monitor.database import open_database
from npmguard.monitor.incident_list import list_incidents, read_incident, with_dependents
from npmguard.monitor.records import Judged
from npmguard.monitor.tables import metadata, verdicts
from npmguard.report import incident as report
from npmguard.report import incident_html
from tests.unit.monitor.released import HOSTILE, judged

LOCK = {
    "name": "shop",
    "lockfileVersion": 3,
    "packages": {
        "": {"dependencies": {"boxes": "^1.0.0", "worm-3": "^1.0.0"}},
        "node_modules/boxes": {
            "version": "1.0.0",
            "dependencies": {"worm-1": "^1.0.0"},
            "resolved": "r",
            "integrity": "x",
        },
        "node_modules/worm-1": {
            "version": "1.0.0",
            "resolved": "https://registry.npmjs.org/worm-1/-/worm-1-1.0.0.tgz",
        },
        "node_modules/worm-3": {
            "version": "0.9.0",
            "resolved": "https://registry.npmjs.org/worm-3/-/worm-3-0.9.0.tgz",
        },
    },
}


def fill(transaction: Connection) -> None:
    """A worm in four packages, and something else that is suspicious."""
    found = [
        judged(f"worm-{n}", files={"bundle.js": "worm"}, names=("https://drop.evil.example/x",), after=n)
        for n in range(4)
    ]
    found.append(judged("other", verdict=Verdict.SUSPICIOUS, after=9))
    for verdict in found:
        keep(transaction, verdict)


def keep(transaction: Connection, verdict: Judged) -> None:
    row = {
        "name": verdict.name,
        "version": verdict.version,
        "ruleset": verdict.ruleset,
        "verdict": verdict.verdict,
        "judged": verdict.judged,
        "document": zlib.compress(verdict.document),
    }
    transaction.execute(insert(verdicts).values(row))
    raise_alerts(transaction, verdict, Alerting())


@pytest.fixture
def transaction() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        fill(connection)
        yield connection
    engine.dispose()


def test_the_list_begins_with_what_changed_last(transaction: Connection) -> None:
    found = list_incidents(transaction)
    assert [(each.verdict, each.releases) for each in found] == [
        (Verdict.SUSPICIOUS, 1),
        (Verdict.MALICIOUS, 4),
    ]
    assert [each.releases for each in list_incidents(transaction, verdict="malicious")] == [4]
    text = report.render_list_text(found).decode()
    assert "malicious  4 releases of 4 packages" in text
    assert len(json.loads(report.render_list_json(found))["incidents"]) == 2
    assert json.loads(report.render_list_json(())) == {"schema": "npmguard.incidents/1", "incidents": []}


def test_one_is_shown_with_what_its_releases_share(transaction: Connection) -> None:
    identity = list_incidents(transaction, verdict="malicious")[0].id
    found = read_incident(transaction, identity[:9])
    assert [release.name for release in found.releases] == ["worm-0", "worm-1", "worm-2", "worm-3"]
    assert {(trait.kind, trait.releases) for trait in found.traits} == {("file", 4), ("domain", 4), ("url", 4)}
    document = json.loads(report.render_json(found))
    assert (document["schema"], document["releases"], len(document["affected"])) == (
        "npmguard.incident/1",
        4,
        4,
    )
    assert document["dependents"] is None
    text = report.render_text(found).decode()
    assert "worm-3@1.0.0  malicious, published 2026-03-01 12:00:00 UTC, judged 2026-03-01 12:00:03 UTC" in text
    assert "domain drop.evil.example (4)" in text


def test_what_is_in_the_watch_list_is_told(transaction: Connection, tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").write_text(json.dumps(LOCK))
    (tmp_path / "names.txt").write_text("worm-2\nelsewhere\n")
    identity = list_incidents(transaction, verdict="malicious")[0].id
    found = with_dependents(read_incident(transaction, identity), [tmp_path, tmp_path / "names.txt"], Limits())
    assert found.dependents is not None
    first, second, third = found.dependents
    assert (first.name, first.version, first.affected, first.paths) == (
        "worm-1",
        "1.0.0",
        True,
        (("boxes@1.0.0", "worm-1@1.0.0"),),
    )
    assert (second.name, second.version, second.affected) == ("worm-3", "0.9.0", False)
    assert (third.name, third.version) == ("worm-2", "")
    text = report.render_text(found).decode()
    assert "pins worm-1@1.0.0, which is part of this incident" in text
    assert "boxes@1.0.0 > worm-1@1.0.0" in text


def test_an_incident_that_became_part_of_another_leads_there(transaction: Connection) -> None:
    keep(transaction, judged("a", files={"a.js": "a"}, after=20))
    absorbed = list_incidents(transaction)[0].id
    keep(transaction, judged("b", files={"a.js": "a", "bundle.js": "worm"}, after=21))
    found = read_incident(transaction, absorbed)
    assert found.summary.releases == 6
    assert found.merged == (absorbed,)


def test_what_is_no_incident_is_told(transaction: Connection) -> None:
    for identity, message in (
        ("nothing", "there is no incident nothing"),
        ("inc-", "several incidents begin with inc-"),
        ("%", "there is no incident %"),
    ):
        with pytest.raises(UsageError, match=message):
            read_incident(transaction, identity)


def test_hostile_texts_are_shown_and_not_obeyed(transaction: Connection) -> None:
    keep(transaction, judged(HOSTILE, HOSTILE, message=HOSTILE, names=(HOSTILE,), after=30))
    found = read_incident(transaction, list_incidents(transaction)[0].id)
    for content in (report.render_text(found), report.render_json(found), incident_html.render(found)):
        assert b"\x1b" not in content
        assert "\u202e".encode() not in content
    html = incident_html.render(found).decode()
    assert "</script>]]" not in html
    assert html.count("<script>") == html.count("</script>") == 1
    assert incident_html.render(found) == incident_html.render(found)


def test_the_command_writes_each_format(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    state = str(tmp_path / "state.db")
    engine = open_database(state)
    with engine.begin() as transaction:
        fill(transaction)
        identity = list_incidents(transaction, verdict="malicious")[0].id
    engine.dispose()
    assert incidents(state=state, format_=IncidentFormat.JSON) == 0
    assert len(json.loads(capfdbinary.readouterr().out)["incidents"]) == 2
    output = tmp_path / "incident.html"
    assert incidents(identity, state=state, format_=IncidentFormat.HTML, output=output) == 0
    assert output.read_bytes().startswith(b"<!doctype html>")
    with pytest.raises(UsageError, match="html and --watch are for one incident"):
        incidents(state=state, format_=IncidentFormat.HTML)
    with pytest.raises(UsageError, match="there is no such file"):
        incidents(state=str(tmp_path / "gone.db"))
    assert not (tmp_path / "gone.db").exists()
