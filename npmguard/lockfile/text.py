"""The text of a lockfile, out of bytes that anybody may have written."""

from __future__ import annotations

import codecs
import re

from npmguard.errors import LockfileSyntaxError

_OTHER_ENCODINGS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7})(?: |$)|^={7}$", re.MULTILINE)


def decode_text(data: bytes, path: str, mend: str) -> str:
    """*data* as text; a UTF-8 byte order mark is dropped, as package managers drop it.

    *path* is how messages name the file, *mend* what they say to do.

    Raises:
        LockfileSyntaxError: not UTF-8, or nothing but white space.
    """
    body = data.removeprefix(codecs.BOM_UTF8)
    if body.startswith(_OTHER_ENCODINGS) or b"\0" in body[:4]:
        raise LockfileSyntaxError(f"{path}: UTF-16 or UTF-32 text; npm writes UTF-8, save it as UTF-8")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        column = error.start - body.rfind(b"\n", 0, error.start)
        raise LockfileSyntaxError(
            f"{path}:{line}:{column}: not UTF-8 text: byte 0x{body[error.start]:02x}; {mend}"
        ) from None
    if not text.strip():
        raise LockfileSyntaxError(f"{path}: the file is empty; {mend}")
    return text


def refuse_conflict(text: str, path: str, mend: str) -> None:
    """Refuse a file with lines that git writes where a merge could not decide.

    Package managers choose a side, or mix both, so that no reader can say what they install.

    Raises:
        LockfileSyntaxError: there is such a line; the message names it.
    """
    found = _CONFLICT.search(text.replace("\r\n", "\n"))
    if found is not None:
        line = text.replace("\r\n", "\n").count("\n", 0, found.start()) + 1
        raise LockfileSyntaxError(
            f"{path}:{line}:1: merge conflict markers; resolve the conflict first, or {mend}"
        )
