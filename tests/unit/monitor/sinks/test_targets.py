"""What --alerts may say, and that no secret of it is ever shown."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from npmguard.config import Alerts, Smtp
from npmguard.errors import ConfigError, SinkError
from npmguard.monitor.sinks.targets import open_sinks
from tests.unit.monitor.released import alert
from tests.unit.monitor.sinks.test_webhook import SECRET

HOOK = "https://hooks.slack.example/services/T000/B000/the-secret-part"
SMTP = Alerts(smtp=Smtp(host="mail.example.org", sender="npmguard@example.org"))


def test_every_kind_has_a_sink(tmp_path: Path) -> None:
    targets = [
        f"jsonl:{tmp_path}/a.jsonl",
        "webhook:https://example.org/hook",
        f"slack:{HOOK}",
        "teams:https://teams.example/hook",
        "mailto:security@example.org",
        f"atom:{tmp_path}/a.atom",
        f"osv:{tmp_path}",
    ]
    sinks = open_sinks([*targets, targets[0]], SMTP, {})
    assert [sink.name.partition(":")[0] for sink in sinks] == [target.partition(":")[0] for target in targets]


def test_a_url_may_stand_in_the_environment_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(f"{HOOK}\n")
    (by_env,) = open_sinks(["slack:env:HOOK"], Alerts(), {"HOOK": HOOK})
    (by_file,) = open_sinks([f"slack:file:{tmp_path}/hook"], Alerts(), {})
    assert (by_env.name, by_file.name) == ("slack:env:HOOK", f"slack:file:{tmp_path}/hook")
    assert by_env.url == by_file.url == HOOK  # type: ignore[attr-defined] # a Webhook has one


def test_no_name_and_no_text_of_a_sink_shows_its_url_or_secret() -> None:
    settings = msgspec.structs.replace(SMTP, smtp=msgspec.structs.replace(SMTP.smtp, user="monitor"))
    environ = {"NPMGUARD_WEBHOOK_SECRET": SECRET, "NPMGUARD_SMTP_PASSWORD": "the-secret-part"}
    sinks = open_sinks([f"slack:{HOOK}", f"webhook:{HOOK}", "mailto:a@example.org"], settings, environ)
    for sink in sinks:
        for text in (sink.name, repr(sink), str(sink)):
            assert "secret-part" not in text
            assert "T000" not in text
            assert SECRET not in text
    assert sinks[0].name.startswith("slack:hooks.slack.example#")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("", "is no receiver of alerts"),
        ("jsonl", "is no receiver of alerts"),
        ("irc:somewhere", "is no receiver of alerts"),
        ("jsonl:/nowhere/at/all/a.jsonl", "cannot be written"),
        ("osv:/nowhere/at/all", "no such folder"),
        ("webhook:ftp://example.org/the-secret-part", "no http or https URL"),
        ("webhook:https://user:the-secret-part@example.org/", "user name or password"),
        ("webhook:https://exa mple.org/the-secret-part", "no http or https URL"),
        ("webhook:https://example.org:99999/the-secret-part", "no http or https URL"),
        ("webhook:https://[::1/the-secret-part", "no http or https URL"),
        ("slack:http://hooks.slack.example/the-secret-part", "is not https"),
        ("slack:env:NOT_SET", "NOT_SET of the environment is not set"),
        ("slack:file:/nowhere/at/all", "cannot be read"),
        ("mailto:nobody", "is no mail address"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line_without_its_secret(target: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_sinks([target], SMTP, {})
    assert message in str(caught.value)
    assert "the-secret-part" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mail_needs_a_server_and_its_password() -> None:
    with pytest.raises(ConfigError, match=r"set host and sender under \[alerts.smtp\]"):
        open_sinks(["mailto:a@example.org"], Alerts(), {})
    settings = Alerts(smtp=Smtp(host="mail.example.org", sender="a@example.org", user="monitor"))
    with pytest.raises(ConfigError, match="NPMGUARD_SMTP_PASSWORD of the environment is not set"):
        open_sinks(["mailto:a@example.org"], settings, {})
    clear = Alerts(smtp=Smtp(host="mail.example.org", sender="a@example.org", user="monitor", security="none"))
    with pytest.raises(ConfigError, match="not sent in the clear"):
        open_sinks(["mailto:a@example.org"], clear, {"NPMGUARD_SMTP_PASSWORD": "x"})


def test_a_password_file_that_went_away_is_a_failed_delivery(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("x")
    smtp = Smtp(host="localhost", port=1, sender="a@example.org", user="monitor", password_file=str(file))
    (sink,) = open_sinks(["mailto:a@example.org"], Alerts(smtp=smtp), {})
    file.unlink()
    with pytest.raises(SinkError):
        sink.deliver(alert())
