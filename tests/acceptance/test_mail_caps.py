"""Every cap on a hostile message: what is over it is left out, said, and ends with exit code 3 or a verdict."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import msgspec
import pytest
import zxingcpp
from PIL import Image

from npmguard.config import Config, Limits
from npmguard.mail.command import exit_code
from npmguard.mail.judge import judge_message
from npmguard.mail.options import MailOptions
from npmguard.model import MailVerdict

HEAD = "From: Ana <ana@shop.example>\nTo: m@dev.example\nSubject: Hello\n"
LINK = "<a href='https://npmjs.example/login'>Sign in to npm</a>"


def text(content: str, kind: str = "text/plain") -> bytes:
    return f"{HEAD}Content-Type: {kind}; charset=utf-8\n\n{content}\n".encode()


def parts(*content: str) -> bytes:
    joined = "".join(f"--b\n{one}\n" for one in content)
    return f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\n{joined}--b--\n".encode()


def nested(depth: int) -> bytes:
    raw = text("x").decode()
    for _ in range(depth):
        raw = f"{HEAD}Content-Type: message/rfc822\n\n{raw}"
    return raw.encode()


def multiparts(depth: int) -> bytes:
    lines = [HEAD]
    lines += [f"Content-Type: multipart/mixed; boundary=b{n:03}\n\n--b{n:03}\n" for n in range(depth)]
    return ("".join(lines) + "Content-Type: text/plain\n\nx\n").encode()


def image(width: int) -> str:
    out = io.BytesIO()
    Image.new("L", (width, width), 255).save(out, "PNG")
    return (
        "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(out.getvalue()).decode()
    )


CAPS: dict[str, tuple[bytes, dict[str, int], str]] = {
    "mail-bytes": (text("x" * 5000), {"mail_bytes": 1000}, "only the first 1000 bytes"),
    "mail-text-bytes": (text("x " * 5000), {"mail_text_bytes": 1000}, "only the first 1000 bytes of text"),
    "mail-parts": (parts(*["\nx"] * 12), {"mail_parts": 5}, "more than 5 parts"),
    "mail-attached-bytes": (nested(1), {"mail_attached_bytes": 20}, "was not read to its end"),
    "mail-depth": (multiparts(8), {"mail_depth": 4}, "more than 4 deep"),
    "mail-links": (
        text("".join(f"<a href='https://h{n}.example/'>x</a>" for n in range(30)), "text/html"),
        {"mail_links": 10},
        "only the first 10 of 30 links",
    ),
    "mail-image-pixels": (parts(image(200)), {"mail_image_pixels": 100}, "200 x 200 pixels was not searched"),
}


@pytest.mark.parametrize("cap", sorted(CAPS))
def test_what_is_over_a_configured_cap_is_left_out_and_said(cap: str) -> None:
    raw, limits, said = CAPS[cap]
    whole = judge_message(raw)
    assert whole.incomplete == ()
    report = judge_message(raw, MailOptions(limits=msgspec.structs.replace(Limits(), **limits)))
    assert any(said in problem for problem in report.incomplete), report.incomplete
    assert exit_code([report], Config().fail_on) == 3


def test_every_cap_on_mail_that_can_be_configured_has_a_message_that_breaks_it() -> None:
    named = {name for name in Limits.__struct_fields__ if name.startswith("mail_")}
    assert {cap.replace("-", "_") for cap in CAPS} == named


FIXED: dict[str, tuple[Callable[[], bytes], str]] = {
    "header block": (lambda: f"X: {'y' * 600_000}\n".encode() + text("x"), "header block is longer"),
    "header fields": (lambda: b"X: y\n" * 2500 + text("x"), "more than 2000 header fields"),
    "boundary lines": (
        lambda: parts(*["\nx"]).replace(b"--b--", b"--bb\n" * 25_000 + b"--b--"),
        "too many boundary lines",
    ),
    "messages inside one another": (lambda: nested(8), "more than 4 deep"),
    "messages side by side": (
        lambda: parts(*[f"Content-Type: message/rfc822\n\n{text('x').decode()}"] * 25),
        "only the first 20 of 25 attached messages",
    ),
    "elements": (lambda: text("<br>" * 110_000, "text/html"), "too many elements"),
    "elements inside one another": (lambda: text("<div>" * 600, "text/html"), "too many elements"),
    "attributes of one element": (
        lambda: text(f"<p {' '.join(f'a{n}=b' for n in range(400))}>x</p>{LINK}", "text/html"),
        "too many elements",
    ),
    "lines": (lambda: text("x\n" * 60_000), "only the first 50000 lines"),
    "images": (lambda: parts(*[image(20 + n) for n in range(30)]), "only the first 24 images"),
}


@pytest.mark.parametrize("cap", sorted(FIXED))
def test_what_is_over_a_built_in_cap_is_left_out_and_said(cap: str) -> None:
    make, said = FIXED[cap]
    report = judge_message(make())
    assert any(said in problem for problem in report.incomplete), report.incomplete


def test_what_was_read_before_a_cap_is_judged_all_the_same() -> None:
    raw = b"From: npm <support@npmjs.example>\n" + text(LINK + "<br>" * 110_000, "text/html")
    report = judge_message(raw)
    assert report.verdict is MailVerdict.PHISHING
    assert report.incomplete


def test_many_attributes_of_an_ordinary_page_are_no_cap() -> None:
    row = "<td width='600' style=\"a>b\" class=x data-a='1'>x</td>"
    assert judge_message(text(f"<table><tr>{row * 500}</tr></table>", "text/html")).incomplete == ()


def test_a_code_in_a_picture_within_the_caps_is_read() -> None:
    code = zxingcpp.create_barcode("https://npmjs.example/x", zxingcpp.BarcodeFormat.QRCode).to_image(scale=6)
    out = io.BytesIO()
    Image.fromarray(code).save(out, "PNG")
    picture = "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n"
    raw = b"From: npm <a@mail-relay.example>\n" + parts(
        "Content-Type: text/plain\n\nScan to verify your npm account",
        picture + base64.encodebytes(out.getvalue()).decode(),
    )
    assert judge_message(raw).verdict is MailVerdict.PHISHING
