from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from npmguard.registry.patience import Host, backoff, failure_pause, parse_retry_after, throttle_pause


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("12", 12.0),
        (" 3 ", 3.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_retry_after_in_seconds(value: str | None, expected: float | None) -> None:
    assert parse_retry_after(value) == expected


def test_retry_after_as_a_date() -> None:
    later = parse_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True))
    assert later is not None
    assert 90 < later <= 100
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert parse_retry_after("Wed, 99 Oct 99999999999 07:28:00 GMT") is None


def test_no_registry_can_ask_for_an_hour() -> None:
    assert throttle_pause(0, "3600") == 60.0
    assert failure_pause(0, "3600") == 10.0


def test_backing_off_doubles_and_jitters() -> None:
    for attempt in range(5):
        pauses = {backoff(attempt) for _ in range(50)}
        assert len(pauses) > 1
        assert all(0.2 * 2**attempt <= pause <= 0.4 * 2**attempt for pause in pauses)


def exhaust(host: Host, times: int, started: float | None = None) -> None:
    for _ in range(times):
        host.failed(time.monotonic() if started is None else started, "broken")
        host.exhausted()


def test_a_host_that_never_answered_is_given_up_after_three_requests() -> None:
    host = Host(give_up_after=1000.0)
    assert host.ask()
    exhaust(host, 2)
    assert host.ask()
    exhaust(host, 1)
    assert not host.ask()
    assert host.last_failure == "broken"


def test_a_host_that_answered_before_is_given_more_time() -> None:
    host = Host(give_up_after=1000.0)
    assert host.ask()
    host.succeeded()
    exhaust(host, 10)
    assert host.ask()
    assert host.patience() is None


def test_a_host_that_has_failed_for_too_long_is_given_up() -> None:
    host = Host(give_up_after=1000.0)
    assert host.ask()
    host.succeeded()
    exhaust(host, 3, started=time.monotonic() - 1001)
    assert not host.ask()


def test_one_success_makes_up_for_all_failures() -> None:
    host = Host(give_up_after=1000.0)
    assert host.ask()
    exhaust(host, 2, started=time.monotonic() - 2000)
    host.succeeded()
    exhaust(host, 2)
    assert host.ask()


def test_a_host_that_was_given_up_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    host = Host(give_up_after=20.0)
    assert host.ask()
    exhaust(host, 3)
    assert not host.ask()
    now[0] += 59
    assert not host.ask()
    now[0] += 2
    assert host.ask()
    exhaust(host, 1)
    assert not host.ask()


def test_patience_shrinks_until_the_first_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    host = Host(give_up_after=20.0)
    assert host.ask()
    now[0] += 15
    assert host.patience() == 5.0
    host.heard()
    assert host.patience() is None
    now[0] += 100
    assert host.ask()
