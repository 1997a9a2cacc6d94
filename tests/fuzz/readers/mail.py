"""Mail messages, from the bytes to the verdict."""

from __future__ import annotations

import msgspec

from npmguard.config import Limits
from npmguard.mail.judge import judge_message
from npmguard.mail.options import MailOptions
from npmguard.report import mail_json
from tests.fuzz.harness import Harness

_LIMITS = msgspec.structs.replace(Limits(), mail_bytes=256 * 1024, mail_text_bytes=128 * 1024, mail_links=100)
_OPTIONS = MailOptions(authserv_ids=frozenset({"mx.dev.example"}), limits=_LIMITS)


def read(data: bytes) -> str:
    """A report that can be written, whatever the message holds."""
    report = judge_message(data, _OPTIONS)
    mail_json.render([report], "0")
    return f"{report.verdict} {sorted({it.code for it in report.evidence})} {len(report.incomplete)}"


HARNESS = Harness(
    read,
    words=(
        *(
            b"\n",
            b"\r\n",
            b"\r",
            b"=?utf-8?b?",
            b"?=",
            b"--",
            b"boundary=",
            b"<a href=",
            b"<div",
            b">",
            b'"',
            b"(",
            b"&#x200b;",
        ),
        *(
            b"xn--",
            b"charset=idna",
            b"charset=utf-16",
            b"base64",
            b"=",
            b"Content-Type: ",
            b"multipart/mixed",
            b"message/rfc822",
        ),
        *(
            b"http://",
            b"[::1",
            b"https://[",
            b"%",
            b"@",
            b"From: ",
            b"Received: ",
            b"DKIM-Signature: ",
            b"npmjs.com",
            b"npm <",
        ),
        *(
            b"Authentication-Results: ",
            b"dmarc=pass",
            b"\xe3\x80\x82",
            b"..",
            b"<base href=",
            b"<style>",
            b"data:image/png;base64,",
        ),
    ),
    share=120,
)
