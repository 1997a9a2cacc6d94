"""Whatever a message holds, it is judged: no error, the same report for the same bytes, a body untouched."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npmguard.intel.indicators import format_indicators, parse_indicators
from npmguard.mail.data import load_hosts
from npmguard.mail.findings import found_indicators
from npmguard.mail.header import mark
from npmguard.mail.judge import judge_message
from npmguard.mail.links import destination, parse_url
from npmguard.mail.lookalike import lookalikes
from npmguard.mail.message import decode_words, parse_addresses
from npmguard.mail.options import MailOptions
from npmguard.model import MailVerdict
from npmguard.report import mail_json, mail_terminal

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures" / "mail").rglob("*.eml"))
SUITE = importlib.util.find_spec("test.test_email")
assert SUITE is not None
assert SUITE.origin is not None
PYTHONS = sorted(path for path in (Path(SUITE.origin).parent / "data").iterdir() if path.is_file())
OPTIONS = MailOptions(authserv_ids=frozenset({"mx.dev.example"}))

TOKENS = [
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"=?utf-8?b?",
    b"?=",
    b"--",
    b"boundary=",
    b"<div",
    b">",
    b'"',
    b"(",
    b"&#x200b;",
    b"xn--",
    b"\xff\xfe",
    b"charset=idna",
    b"charset=utf-16",
    b"base64",
    b"=",
    b"Content-Type: ",
    b"multipart/mixed",
    b"message/rfc822",
    b"http://",
    b"[::1",
    b"https://[",
    b"%",
    b"@",
    b"\xe3\x80\x82",
    b"..",
    b"data:text/html;base64,",
    b"image/png",
    b"<form action=",
    b"<style>",
    b"name*0*=",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    raw = bytearray(draw(st.sampled_from(PYTHONS + FIXTURES)).read_bytes())
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(raw)))
        match draw(st.sampled_from(["insert", "delete", "byte", "splice"])):
            case "insert":
                raw[at:at] = draw(st.sampled_from(TOKENS))
            case "delete":
                del raw[at : at + draw(st.integers(1, 60))]
            case "byte":
                raw[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case _:
                other = draw(st.sampled_from(FIXTURES)).read_bytes()
                start = draw(st.integers(0, len(other)))
                raw[at:at] = other[start : start + draw(st.integers(1, 300))]
    return bytes(raw)


@pytest.mark.parametrize("path", PYTHONS, ids=lambda path: path.name)
def test_pythons_own_messages_are_judged_and_none_is_phishing(path: Path) -> None:
    assert judge_message(path.read_bytes(), OPTIONS).verdict in {MailVerdict.UNRELATED, MailVerdict.GENUINE}


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_a_damaged_message_is_judged_reported_and_filtered(raw: bytes) -> None:
    report = judge_message(raw, OPTIONS)
    assert judge_message(raw, OPTIONS) == report
    mail_terminal.render_text([report], verbose=True, to_file=True).decode("utf-8")
    assert mail_json.render([report], "0").endswith(b"}\n")
    marked = mark(raw, report)
    body = raw.find(b"\n\n")
    if body >= 0 and b"\n\r\n" not in raw[:body]:
        assert marked.endswith(raw[body:])
    found = found_indicators([report])
    assert [(item.kind, item.value) for item in parse_indicators(format_indicators(found, "plain"))] == [
        (item.kind, item.value) for item in found
    ]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=4000))
def test_bytes_that_are_no_message_are_judged(raw: bytes) -> None:
    assert judge_message(raw, OPTIONS).verdict in set(MailVerdict)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_no_header_link_or_host_is_too_odd(text: str) -> None:
    parse_addresses(text)
    decode_words(text)
    parse_url(text)
    destination("https://" + text, load_hosts())
    lookalikes(text)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FIXTURES), st.sampled_from(["base64", "quoted-printable"]))
def test_a_verdict_does_not_hang_on_the_transfer_encoding(path: Path, encoding: str) -> None:
    import base64
    import quopri

    raw = path.read_bytes()
    head, _, body = raw.partition(b"\n\n")
    if b"Content-Transfer-Encoding: 8bit" not in head:
        return
    coded = base64.encodebytes(body) if encoding == "base64" else quopri.encodestring(body)
    changed = (
        head.replace(b"Content-Transfer-Encoding: 8bit", f"Content-Transfer-Encoding: {encoding}".encode())
        + b"\n\n"
        + coded
    )
    assert judge_message(changed).verdict is judge_message(raw).verdict
