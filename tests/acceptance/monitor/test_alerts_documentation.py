"""What docs/alerts.md shows is what npmguard sends, and its snippet verifies it."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from npmguard.monitor.alert import Alert, AlertKind, Trait
from npmguard.monitor.alert_text import alert_text
from npmguard.monitor.sinks.osv import OsvRecords
from npmguard.monitor.sinks.slack import slack_body
from npmguard.monitor.sinks.targets import KINDS
from npmguard.monitor.sinks.teams import teams_body
from npmguard.monitor.sinks.webhook import parse_secrets, signature_headers
from tests.unit.monitor.released import alert

DOCS = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def example(name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```(?:json)?\n(.*?)```", DOCS, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("name", "made"), [("webhook", Alert.encode), ("slack", slack_body), ("teams", teams_body)]
)
def test_each_example_is_what_is_sent(name: str, made: Any) -> None:
    assert json.loads(example(name)) == json.loads(made(alert()))


def test_the_example_of_a_mail_is_what_is_sent() -> None:
    assert example("mail") == alert_text(alert()).plain()


def test_the_example_of_a_record_is_what_is_written(tmp_path: Path) -> None:
    traits = (Trait("domain", "drop.evil.example"), Trait("ip", "192.0.2.7"))
    OsvRecords(tmp_path).deliver(alert("c" * 32, AlertKind.RELEASE, traits=traits))
    (path,) = tmp_path.rglob("*.json")
    assert json.loads(example("osv")) == json.loads(path.read_bytes())


def test_the_snippet_verifies_a_delivery_and_nothing_else() -> None:
    found = re.search(r"<!-- verified by a test -->\n```python\n(.*?)```", DOCS, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    verified = names["verified"]
    now = datetime.now(UTC)
    body, secrets = alert().encode(), parse_secrets(SECRET, "SECRET")
    headers = signature_headers(alert().id, body, secrets, int(now.timestamp()))
    assert verified(SECRET, headers, body)
    assert not verified(SECRET, headers, body + b" ")
    assert not verified("whsec_" + base64.b64encode(b"f" * 32).decode(), headers, body)
    assert not verified(SECRET, {**headers, "webhook-id": "other"}, body)
    old = signature_headers(alert().id, body, secrets, int((now - timedelta(hours=1)).timestamp()))
    assert not verified(SECRET, old, body)
    unsigned = signature_headers(alert().id, body, (), int(now.timestamp()))
    assert not verified(SECRET, unsigned, body)


def test_every_kind_of_receiver_is_documented() -> None:
    for kind in KINDS:
        assert f"`{kind}`" in DOCS
