"""Deliveries to a URL: signed, named, and never followed elsewhere."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from npmguard.errors import ConfigError, SinkError
from npmguard.monitor.alert import Alert, AlertKind
from npmguard.monitor.sinks.slack import slack_body
from npmguard.monitor.sinks.teams import teams_body
from npmguard.monitor.sinks.webhook import Webhook, parse_secrets
from tests.servers import RegistryServer, Reply
from tests.unit.monitor.released import HOSTILE, NOON, alert, hostile_alert

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes.").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret of 24 bytes").decode()


def hook(url: str, secrets: str = "", now: datetime = NOON) -> Webhook:
    return Webhook("webhook:here", url, Alert.encode, lambda: now, parse_secrets(secrets, "SECRET"))


def test_a_delivery_is_verified_by_the_standards_own_library() -> None:
    now = datetime.now(UTC)  # the library refuses what is older than five minutes
    with RegistryServer() as server:
        server.route("/hook", Reply(b"fine"))
        hook(f"{server.url}hook", f"{OTHER} {SECRET}", now).deliver(alert())
        (request,) = server.requests
    body = Verifier(SECRET).verify(request.body, dict(request.headers))
    assert body["id"] == request.headers["webhook-id"] == request.headers["idempotency-key"] == alert().id
    assert Verifier(OTHER).verify(request.body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(request.body.replace(b"malicious", b"clean"), dict(request.headers))


def test_a_repeat_is_the_same_delivery() -> None:
    with RegistryServer() as server:
        server.route("/hook", Reply(b"fine"))
        for _ in range(2):
            hook(f"{server.url}hook", SECRET).deliver(alert())
        first, second = server.requests
    assert first == second


def test_a_redirect_is_not_followed() -> None:
    with RegistryServer() as server:
        server.route("/hook", Reply.redirect("/elsewhere", 307))
        server.route("/elsewhere", Reply(b"fine"))
        with pytest.raises(SinkError, match="answered 307"):
            hook(f"{server.url}hook", SECRET).deliver(alert())
        assert server.paths == ["/hook"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Sun, 01 Mar 2026 12:05:00 GMT", 300.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_what_a_receiver_asks_to_wait_is_read(header: str, seconds: float | None) -> None:
    with RegistryServer() as server:
        server.route("/hook", Reply(status=429, headers={"Retry-After": header}))
        with pytest.raises(SinkError) as caught:
            hook(f"{server.url}hook").deliver(alert())
    assert caught.value.retry_after == seconds


def test_no_error_names_the_url() -> None:
    with RegistryServer() as server:
        url = server.url
    for bad in (f"{url}T0000/B0000/token-of-the-hook", "http://nowhere.invalid/token-of-the-hook"):
        with pytest.raises(SinkError) as caught:
            hook(bad).deliver(alert())
        assert "token" not in str(caught.value)
        assert "token" not in repr(hook(bad))
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("secret", ["plain words", "whsec_", "whsec_!!!!", "whsec_YWJj", f"{SECRET} short"])
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_secrets(secret, "NPMGUARD_WEBHOOK_SECRET")
    assert "NPMGUARD_WEBHOOK_SECRET" in str(caught.value)
    assert secret.rsplit(maxsplit=1)[-1].removeprefix("whsec_") not in str(caught.value) or secret == "whsec_"


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("make", [alert, hostile_alert])
def test_slack_gets_plain_text_within_its_limits(make: Any) -> None:
    message = json.loads(slack_body(make(kind=AlertKind.GROWN)))
    assert message["mrkdwn"] is False
    assert len(message["blocks"]) <= 50
    for block in message["blocks"]:
        assert block["type"] in {"header", "section"}
        for each in [block["text"]] if "text" in block else block["fields"]:
            assert each["type"] == "plain_text"
            assert each["emoji"] is False
            assert len(each["text"]) <= (150 if block["type"] == "header" else 3000)
    for text in texts(message):
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text)
        assert not re.search(r"https?://", text)
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_slack_does_not_cut_inside_of_an_entity() -> None:
    message = json.loads(slack_body(alert(message="<" * 300)))
    assert not re.search(r"&(?!amp;|lt;|gt;)", message["blocks"][0]["text"]["text"])


@pytest.mark.parametrize("make", [alert, hostile_alert])
def test_teams_gets_text_runs_alone(make: Any) -> None:
    message = json.loads(teams_body(make(kind=AlertKind.RAISED)))
    (attachment,) = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.2")
    for block in card["body"]:
        assert block["type"] == "RichTextBlock"
        assert {run["type"] for run in block["inlines"]} == {"TextRun"}
        for run in block["inlines"]:
            assert set(run) <= {"type", "text", "size", "weight", "color"}
            assert run["text"].isprintable()
            assert not re.search(r"https?://", run["text"])


def test_teams_stays_under_what_it_takes() -> None:
    big = alert(message=HOSTILE * 50)
    releases = tuple(big.affected[0] for _ in range(20))
    from msgspec.structs import replace

    assert len(teams_body(replace(big, affected=releases, releases=20))) <= 28 * 1024
