"""The pipe mode: a message goes through with one more header field, and its body byte for byte."""

from __future__ import annotations

import re

from npmguard.model import MailReport

NAME = "X-NpmGuard-Verdict"
_OURS = re.compile(rb"x-npmguard-[^:\s]*[ \t]*:", re.IGNORECASE)


def mark(raw: bytes, report: MailReport) -> bytes:
    """*raw* with the verdict as its first header field.

    A field of that name that came with the message is dropped: anybody may have written it. An mbox's ``From``
    line stays first, and the line ends are the message's own.
    """
    head, ending, body = _split(raw)
    lines = head.splitlines(keepends=True)
    first = lines[:1] if lines and lines[0].startswith((b"From ", b">From ")) else []
    kept: list[bytes] = []
    dropping = False
    for line in lines[len(first) :]:
        if line[:1] in {b" ", b"\t"}:
            if not dropping:
                kept.append(line)
            continue
        dropping = _OURS.match(line) is not None
        if not dropping:
            kept.append(line)
    field = f'{NAME}: {report.verdict}; reason="{_quoted(report.reason)}"'.encode("ascii", "replace") + ending
    return b"".join([*first, field, *kept, body])


def _split(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """The header fields with their line ends, the line end in use, and the rest from the empty line on."""
    newline = raw.find(b"\n")
    ending = b"\r\n" if newline > 0 and raw[newline - 1 : newline] == b"\r" else b"\n"
    match = re.search(rb"(?:^|(?<=\n))\r?\n", raw)
    if match is not None:
        return raw[: match.start()], ending, raw[match.start() :]
    head = raw if raw.endswith(b"\n") or not raw else raw + ending
    return head, ending, b""


def _quoted(reason: str) -> str:
    """*reason* as the inside of a quoted string that cannot end the field."""
    clean = "".join(char if " " <= char <= "~" else "?" for char in reason)
    return clean.replace("\\", "/").replace('"', "'")[:400]
