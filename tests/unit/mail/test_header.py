from __future__ import annotations

import pytest

from npmguard.mail.header import mark
from npmguard.model import MailReport, MailVerdict

REPORT = MailReport("-", MailVerdict.PHISHING, 'it says "x"\r\nBcc: a@b.example')


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_the_body_is_untouched_and_the_line_ends_are_the_messages_own(ending: bytes) -> None:
    body = b"\x00\xff \r\r\n\n--x\n From nobody\n"
    raw = b"Subject: x" + ending + b" folded" + ending + ending + body
    marked = mark(raw, REPORT)
    first, rest = marked.split(ending, 1)
    assert first.startswith(b"X-NpmGuard-Verdict: phishing; reason=")
    assert rest == raw
    assert marked.endswith(body)


def test_a_verdict_that_came_with_the_message_is_dropped() -> None:
    raw = b"From a@b Mon Sep  8\nX-NpmGuard-Verdict: genuine;\n folded\nx-npmguard-other : y\nSubject: x\n\nX-NpmGuard-Verdict: in the body\n"  # noqa: E501 - as it stands in a message
    marked = mark(raw, REPORT)
    assert marked.startswith(b"From a@b Mon Sep  8\nX-NpmGuard-Verdict: phishing")
    assert marked.count(b"X-NpmGuard-Verdict") == 2
    assert b"folded" not in marked
    assert marked.endswith(b"Subject: x\n\nX-NpmGuard-Verdict: in the body\n")


def test_a_reason_cannot_add_a_header() -> None:
    assert mark(b"Subject: x\n\n", REPORT).count(b"\n") == 3


@pytest.mark.parametrize("raw", [b"", b"Subject: x", b"\n", b"\nbody", b"no header at all"])
def test_a_message_without_a_body_or_a_header_keeps_its_bytes(raw: bytes) -> None:
    assert raw in mark(raw, REPORT)
