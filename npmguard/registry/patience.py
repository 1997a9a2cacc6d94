"""How long a registry host is waited for: back-off, Retry-After, and when to stop asking altogether."""

from __future__ import annotations

import random
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Final

#: A registry that keeps answering 429 is waited for this long, in seconds, for one package.
THROTTLE_PATIENCE: Final = 120.0
_LONGEST_THROTTLE_PAUSE = 60.0
_LONGEST_FAILURE_PAUSE = 10.0
_FIRST_BACKOFF = 0.4
_FAILURES_TO_GIVE_UP = 3
_REST = 60.0


class Host:
    """What this run has learnt of one registry host; safe to use from many threads.

    A host that never answered is given up after ``give_up_after`` seconds, or earlier when three requests
    used up all their retries. One that answered before is given up when nothing has succeeded for
    ``give_up_after`` seconds, over at least three failures. A minute later it is tried again.
    """

    def __init__(self, give_up_after: float) -> None:
        self._give_up_after = give_up_after
        self._lock = threading.Lock()
        self._first_asked: float | None = None
        self._heard = False
        self._failing_since: float | None = None
        self._failures = 0
        self._exhausted = 0
        self._given_up: float | None = None
        self._paused_until = 0.0
        self.last_failure = "no answer"

    def ask(self) -> bool:
        """Whether it makes sense to send a request now."""
        now = time.monotonic()
        with self._lock:
            if self._given_up is not None:
                if now - self._given_up < _REST:
                    return False
                self._first_asked, self._failing_since, self._given_up = now, None, None
                self._failures = self._exhausted = _FAILURES_TO_GIVE_UP - 1
            if self._first_asked is None:
                self._first_asked = now
            if self._heard:
                hopeless = (
                    self._failing_since is not None
                    and self._failures >= _FAILURES_TO_GIVE_UP
                    and now - self._failing_since >= self._give_up_after
                )
            else:
                hopeless = (
                    self._exhausted >= _FAILURES_TO_GIVE_UP or now - self._first_asked >= self._give_up_after
                )
            if hopeless:
                self._given_up = now
            return not hopeless

    def patience(self) -> float | None:
        """Seconds that the first sign of life may still take; None once there was one."""
        with self._lock:
            if self._heard or self._first_asked is None:
                return None
            return max(0.1, self._first_asked + self._give_up_after - time.monotonic())

    def heard(self) -> None:
        """Note that it answered, whatever it said."""
        with self._lock:
            self._heard = True

    def succeeded(self) -> None:
        """Note that a request was answered in full."""
        with self._lock:
            self._heard = True
            self._failures = self._exhausted = 0
            self._failing_since = None

    def failed(self, started: float, reason: str) -> None:
        """Note that an attempt, *started* at that monotonic time, came to nothing."""
        with self._lock:
            self._failures += 1
            self.last_failure = reason
            if self._failing_since is None:
                self._failing_since = started

    def exhausted(self) -> None:
        """Note that a request has used up its retries."""
        with self._lock:
            self._exhausted += 1

    def pause(self, seconds: float) -> None:
        """Let no request go out for so long: the host has asked for it."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def pause_left(self) -> float:
        """Seconds to wait before the next request may go out."""
        with self._lock:
            return max(0.0, self._paused_until - time.monotonic())


class Pace:
    """Spaces requests evenly, so that no more than *rate* a second are sent; safe to use from many threads."""

    def __init__(self, rate: float) -> None:
        self._gap = 1.0 / rate if rate > 0 else 0.0
        self._lock = threading.Lock()
        self._next = 0.0

    def turn(self) -> float:
        """Take the next turn; seconds to wait for it."""
        if not self._gap:
            return 0.0
        now = time.monotonic()
        with self._lock:
            turn = max(now, self._next)
            self._next = turn + self._gap
        return turn - now


def backoff(attempt: int) -> float:
    """Seconds to wait after failed attempt number *attempt* (from 0): doubling, with jitter."""
    return _FIRST_BACKOFF * float(2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing


def failure_pause(attempt: int, retry_after: str | None) -> float:
    """Seconds to wait before the next attempt after a 5xx."""
    asked = parse_retry_after(retry_after)
    return backoff(attempt) if asked is None else min(asked, _LONGEST_FAILURE_PAUSE)


def throttle_pause(attempt: int, retry_after: str | None) -> float:
    """Seconds that a 429 asks to hold off; without Retry-After it backs off as after a failure."""
    asked = parse_retry_after(retry_after)
    pause = backoff(min(attempt, 6)) if asked is None else asked
    return min(pause, _LONGEST_THROTTLE_PAUSE)


def parse_retry_after(value: str | None) -> float | None:
    """Read a Retry-After header (RFC 9110, section 10.2.3): seconds, or a date; None where it says nothing."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        when = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, when - time.time())
