from __future__ import annotations

import base64

import pytest

from npmguard.config import Limits
from npmguard.mail.message import (
    Address,
    decode_charset,
    decode_part,
    decode_words,
    parse_addresses,
    read_message,
)

LIMITS = Limits()


def text_of(raw: bytes) -> str:
    message = read_message(raw, LIMITS)
    return " ".join(
        decode_charset(decode_part(message, part, 10_000)[0], part.charset) for part in message.parts
    )


def test_folded_and_repeated_headers_are_kept_apart() -> None:
    message = read_message(b"Subject: one\n two\nFrom: a@b.example\nFrom: c@d.example\n\nbody", LIMITS)
    assert message.first("subject") == "one two"
    assert [address.address for address in message.addresses("from")] == ["a@b.example", "c@d.example"]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_is_read(ending: bytes) -> None:
    raw = b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\n\ntwo\n--x--\n".replace(  # noqa: E501 - as it stands in a message
        b"\n", ending
    )
    assert text_of(raw).split() == ["one", "two"]


def test_encoded_words_are_joined_before_their_bytes_are_decoded() -> None:
    split = "\u041d".encode()
    words = " ".join(f"=?utf-8?B?{base64.b64encode(bytes([byte])).decode()}?=" for byte in split)
    assert decode_words(words) == "\u041d"
    assert decode_words("=?utf-8?Q?np=6D?= =?us-ascii?Q?_x?= plain =?nonsense?B?bnBt?=") == "npm x plain npm"


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ('"npm, Inc" <a@b.example>', [Address("npm, Inc", "a@b.example")]),
        (
            "npm (the registry) <A@B.example>, c@d.example",
            [Address("npm", "a@b.example"), Address("", "c@d.example")],
        ),
        ('"npm <support@npmjs.com>" <x@evil.example>', [Address("npm <support@npmjs.com>", "x@evil.example")]),
        ("team: a@b.example, c@d.example;", [Address("", "a@b.example"), Address("", "c@d.example")]),
        ("a@b.example (npm)", [Address("npm", "a@b.example")]),
        ("", []),
    ],
)
def test_addresses_are_read_as_clients_show_them(raw: str, wanted: list[Address]) -> None:
    assert list(parse_addresses(raw)) == wanted


def test_ten_thousand_nested_comments_are_only_text() -> None:
    assert len(parse_addresses("(" * 10_000 + "x")) <= 1


def test_base64_with_padding_in_the_middle_is_read_to_its_end() -> None:
    body = base64.b64encode(b"one ") + b"\n" + base64.b64encode(b"two")
    assert text_of(b"Content-Transfer-Encoding: base64\n\n" + body) == "one two"


def test_quoted_printable_soft_breaks_join_words() -> None:
    assert text_of(b"Content-Transfer-Encoding: quoted-printable\n\nacc=\nount =6Eow") == "account now"


def test_a_charset_that_is_no_text_encoding_is_not_run() -> None:
    assert decode_charset(b"abc", "zlib") == "abc"
    assert decode_charset(b"abc", "idna") == "abc"
    assert decode_charset("é!".encode("cp1252"), "") == "é!"


def test_attached_messages_are_found_with_any_encoding() -> None:
    inner = b"Subject: inner\n\nhello"
    coded = base64.encodebytes(inner)
    raw = (
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\n\n"
        + inner
        + b"\n--x\nContent-Type: application/octet-stream; name=mail.eml\nContent-Transfer-Encoding: base64\n\n"
        + coded
        + b"--x--\n"
    )
    assert [part.strip() for part in read_message(raw, LIMITS).nested] == [inner, inner]


def test_what_is_left_out_is_said() -> None:
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=x%d\n\n--x%d\n" % (level, level) for level in range(40)
    )
    assert any("deep" in problem for problem in read_message(deep, LIMITS).problems)
    many = b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\na\n" * 2000
    assert any("more than 500 parts" in problem for problem in read_message(many, LIMITS).problems)
    assert any("bytes" in problem for problem in read_message(b"a" * 11, Limits(mail_bytes=10)).problems)
    assert any(
        "S/MIME" in problem
        for problem in read_message(b"Content-Type: application/pkcs7-mime\n\nx", LIMITS).problems
    )


def test_a_boundary_longer_than_the_message_or_missing_leaves_text() -> None:
    assert text_of(b"Content-Type: multipart/mixed; boundary=never\n\nhello") == "hello"
    assert text_of(b"Content-Type: multipart/mixed\n\nhello") == "hello"


def test_parameters_in_pieces_are_joined() -> None:
    raw = b"Content-Type: application/pdf; name*0*=utf-8''%e2%82%ac; name*1=.pdf\n\nx"
    assert read_message(raw, LIMITS).parts[0].filename == "\u20ac.pdf"
