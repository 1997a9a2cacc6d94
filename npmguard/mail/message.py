"""A mail message read in bounded time: RFC 5322 headers, and RFC 2045 parts as byte ranges of the message.

The standard library's parser builds a tree of copies and takes seconds for 20 MB; a mail that is judged is
hostile, so this one keeps offsets, counts what it does, and says what it left out. Like mail clients it reads
what is not quite a message as best it can.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from npmguard.config import Limits

_HEADER_BLOCK = 512 * 1024
_HEADER_VALUE = 64 * 1024
_HEADER_COUNT = 2000
_ADDRESS_COUNT = 500
_DELIMITER_CANDIDATES = 20_000
_ENCODED_WORD = re.compile(r"=\?([!-<>@-~]{1,60})\?([bBqQ])\?([^? ]*(?: [^?]*)?)\?=")
_BETWEEN_WORDS = re.compile(r"(=\?[!-<>@-~]{1,60}\?[bBqQ]\?[^?]*\?=)[ \t\r\n]+(?==\?)")
_PARAMETER = re.compile(
    r""";[ \t\r\n]*([^\s=;"]{1,80}?)[ \t\r\n]*=[ \t\r\n]*("(?:[^"\\]|\\.)*"?|[^;\s]*)""", re.DOTALL
)
_NOT_BASE64 = bytes(
    byte for byte in range(256) if not (chr(byte).isalnum() and byte < 128) and byte not in b"+/="
)
_BASE64_RUN = re.compile(rb"[^=]+")
_CHARSETS = re.compile(
    r"utf[-_]?(7|8|8[-_]sig|16|16[-_][bl]e|32|32[-_][bl]e)|ascii|iso8859[-_]\d+|cp\d+|gb2312|gbk|gb18030|big5"
    r"|big5hkscs|shift_jis\w*|euc_\w+|iso2022_\w+|koi8[-_]\w|hz|johab|mac[-_]\w+|tis[-_]620|ptcp154|kz1048"
)
_UNREADABLE_TYPES = {
    "application/pkcs7-mime": "an S/MIME envelope",
    "application/x-pkcs7-mime": "an S/MIME envelope",
    "application/ms-tnef": "a TNEF container",
    "multipart/encrypted": "an encrypted body",
}


@dataclass(frozen=True, slots=True)
class Header:
    """One header field: ``name`` in lower case, ``raw`` unfolded, ``value`` with RFC 2047 words decoded."""

    name: str
    value: str
    raw: str


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox: the display name decoded, the address in lower case (both may be empty)."""

    display: str
    address: str

    @property
    def local(self) -> str:
        """What stands before the last @."""
        return self.address.rpartition("@")[0]

    @property
    def domain(self) -> str:
        """What stands after the last @."""
        return self.address.rpartition("@")[2] if "@" in self.address else ""


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf of the message: its type, and its bytes (``start`` to ``end`` of :attr:`Message.raw`)."""

    path: str
    content_type: str
    charset: str
    encoding: str
    filename: str
    disposition: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message as read. ``body`` is where the body starts; ``nested`` are attached messages, decoded.

    ``problems`` are what was left out, in plain words: with any, a judgement of it is incomplete.
    ``oddities`` are breaches of the format that honest mailers do not make.
    """

    raw: bytes = field(repr=False)
    headers: tuple[Header, ...]
    body: int
    parts: tuple[Part, ...]
    nested: tuple[bytes, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()

    def all(self, name: str) -> tuple[Header, ...]:
        """Every header of that name, in order from the top."""
        return tuple(header for header in self.headers if header.name == name)

    def first(self, name: str) -> str:
        """The topmost header of that name, decoded, or an empty string."""
        return next((header.value for header in self.headers if header.name == name), "")

    def addresses(self, name: str) -> tuple[Address, ...]:
        """All mailboxes of all headers of that name."""
        found = [address for header in self.all(name) for address in parse_addresses(header.raw)]
        return tuple(found[:_ADDRESS_COUNT])


def read_message(raw: bytes, limits: Limits) -> Message:
    """Read *raw*; never fails, whatever it holds. Over a cap of *limits*, the rest is left out and said."""
    return _Reader(raw, limits).read()


def decode_part(message: Message, part: Part, limit: int) -> tuple[bytes, bool]:
    """The part's bytes without transfer encoding, at most *limit*, and whether something was cut off."""
    return decode_transfer(message.raw, part.start, part.end, part.encoding, limit)


def decode_transfer(raw: bytes, start: int, end: int, encoding: str, limit: int) -> tuple[bytes, bool]:
    """``raw[start:end]`` without its *encoding* (base64, quoted-printable, or anything else: as it is)."""
    if encoding == "base64":
        stop = min(end, start + limit * 3 // 2 + 1024)
        decoded = _base64(raw[start:stop])
        return decoded[:limit], stop < end or len(decoded) > limit
    if encoding == "quoted-printable":
        stop = min(end, start + limit * 3)
        decoded = binascii.a2b_qp(raw[start:stop])
        return decoded[:limit], stop < end or len(decoded) > limit
    return raw[start : min(end, start + limit)], end - start > limit


def decode_charset(content: bytes, charset: str) -> str:
    """Text of *content*: by its charset if that is one of mail's, else UTF-8, else Latin-1. Never fails."""
    if charset:
        try:
            codec = codecs.lookup(charset).name
        except (LookupError, ValueError):
            codec = ""
        if _CHARSETS.fullmatch(codec) and codec not in {"ascii", "utf-8"}:
            return content.decode(codec, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" or charset.lower().replace("_", "-") in {"utf-8", "utf8"}:
            return content.decode("utf-8", "replace")
        return content.decode("cp1252", "replace")


def decode_words(raw: str) -> str:
    """Decode the RFC 2047 encoded words of a header value; one that cannot be decoded stays as it is."""
    if "=?" not in raw:
        return raw
    joined = _BETWEEN_WORDS.sub(r"\1", raw)
    pieces: list[str] = []
    pending = b""
    pending_charset = ""
    end = 0
    for match in _ENCODED_WORD.finditer(joined):
        between = joined[end : match.start()]
        charset = match[1].partition("*")[0].lower()
        content = _word_bytes(match[2], match[3])
        if between or charset != pending_charset:
            pieces.append(decode_charset(pending, pending_charset))
            pieces.append(between)
            pending = b""
        pending += content
        pending_charset = charset
        end = match.end()
    pieces.append(decode_charset(pending, pending_charset))
    pieces.append(joined[end:])
    return "".join(pieces)


def parse_addresses(raw: str) -> tuple[Address, ...]:
    """The mailboxes of an address header, read leniently and without recursion."""
    found: list[Address] = []
    for piece in _split_addresses(raw[:_HEADER_VALUE]):
        display, address = piece
        name = " ".join(decode_words(display).split())
        if name or address:
            found.append(Address(name, "".join(address.split()).lower()))
        if len(found) >= _ADDRESS_COUNT:
            break
    return tuple(found)


def _word_bytes(form: str, content: str) -> bytes:
    if form in "bB":
        return _base64(content.encode("ascii", "ignore"))
    return binascii.a2b_qp(content.encode("ascii", "ignore"), header=True)


def _base64(content: bytes) -> bytes:
    clean = content.translate(None, _NOT_BASE64)
    if b"=" not in clean.rstrip(b"="):
        return _base64_run(clean.rstrip(b"="))
    whole = bytearray()
    for run in _BASE64_RUN.finditer(clean):  # one at a time: there may be a million of them
        whole += _base64_run(run[0])
    return bytes(whole)


def _base64_run(clean: bytes) -> bytes:
    if len(clean) % 4 == 1:
        clean = clean[:-1]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def _split_addresses(raw: str) -> Iterator[tuple[str, str]]:
    """Yield (phrase, address) pairs; quotes, nested comments and groups are honoured, errors forgiven."""
    phrase: list[str] = []
    address: list[str] = []
    comment: list[str] = []
    quoted = angle = saw_angle = False
    depth = 0
    escaped = False
    for char in raw:
        if escaped:
            (comment if depth else address if angle else phrase).append(char)
            escaped = False
        elif char == "\\" and (quoted or depth):
            escaped = True
        elif depth:
            depth += (char == "(") - (char == ")")
            if depth:
                comment.append(char)
        elif quoted:
            if char == '"':
                quoted = False
            else:
                (address if angle else phrase).append(char)
        elif char == '"':
            quoted = True
        elif char == "(":
            depth = 1
        elif char == "<" and not angle:
            angle = saw_angle = True
            address.clear()
        elif char == ">" and angle:
            angle = False
        elif char in ",;" and not angle:
            yield _mailbox(phrase, address, comment, saw_angle=saw_angle)
            phrase, address, comment = [], [], []
            saw_angle = False
        elif char == ":" and not angle and "@" not in phrase:
            phrase.clear()  # the name of a group
        else:
            (address if angle else phrase).append(char)
    yield _mailbox(phrase, address, comment, saw_angle=saw_angle)


def _mailbox(phrase: list[str], address: list[str], comment: list[str], *, saw_angle: bool) -> tuple[str, str]:
    if saw_angle:
        return "".join(phrase).strip(), "".join(address).strip()
    text = "".join(phrase).strip()
    if "@" in text:
        words = text.split()
        bare = next((word for word in reversed(words) if "@" in word), "")
        rest = " ".join(word for word in words if word is not bare)
        return rest or "".join(comment).strip(), bare
    return text, ""


class _Reader:
    """Walks one message; all state of the walk stands here."""

    def __init__(self, raw: bytes, limits: Limits) -> None:
        self.limits = limits
        self.problems: list[str] = []
        self.oddities: list[str] = []
        self.parts: list[Part] = []
        self.nested: list[bytes] = []
        self.nested_bytes = 0
        if len(raw) > limits.mail_bytes:
            self.problem(f"only the first {limits.mail_bytes} bytes of {len(raw)} were read")
            raw = raw[: limits.mail_bytes]
        self.raw = raw

    def read(self) -> Message:
        start = len(self.raw) - len(self.raw.lstrip(b"\r\n")) if self.raw[:1] in {b"\r", b"\n"} else 0
        headers, body = self.headers(start, len(self.raw))
        self.part(headers, body, len(self.raw), "1", 0)
        return Message(
            raw=self.raw,
            headers=headers,
            body=body,
            parts=tuple(self.parts),
            nested=tuple(self.nested),
            problems=tuple(dict.fromkeys(self.problems)),
            oddities=tuple(dict.fromkeys(self.oddities)),
        )

    def problem(self, message: str) -> None:
        self.problems.append(message)

    def headers(self, start: int, end: int) -> tuple[tuple[Header, ...], int]:
        """The header block from *start*, and where the body begins."""
        stop = min(end, start + _HEADER_BLOCK)
        block_end, body = _blank_line(self.raw, start, stop)
        if block_end == stop < end:
            self.problem(f"the header block is longer than {_HEADER_BLOCK} bytes; the rest of it was not read")
        text = _header_text(self.raw[start:block_end])
        found: list[Header] = []
        name = ""
        lines: list[str] = []

        def finish() -> None:
            if name:
                raw = " ".join(line.strip() for line in lines)[:_HEADER_VALUE].strip()
                found.append(Header(name, decode_words(raw), raw))

        for number, line in enumerate(re.split(r"\r\n|\n|\r", text)):
            if line[:1] in {" ", "\t"}:
                lines.append(line)
                continue
            key, colon, value = line.partition(":")
            if not colon or not key.strip() or " " in key.strip():
                if line and not (number == 0 and line.startswith("From ")):
                    self.oddities.append("a line of the header block is no header field")
                continue
            finish()
            name, lines = key.strip().lower(), [value]
            if len(found) >= _HEADER_COUNT:
                self.problem(f"more than {_HEADER_COUNT} header fields; the rest was not read")
                name = ""
                break
        finish()
        return tuple(found), body

    def part(self, headers: tuple[Header, ...], start: int, end: int, path: str, depth: int) -> None:
        """Read the entity whose header block is *headers* and whose body is ``start:end``."""
        types = [header.raw for header in headers if header.name == "content-type"]
        if len(types) > 1:
            self.oddities.append("an entity has more than one Content-Type")
        content_type, parameters = _parse_type(types[0] if types else "text/plain")
        encodings = [header.raw for header in headers if header.name == "content-transfer-encoding"]
        encoding = (encodings[0].split(";")[0].split() or [""])[0].strip("\"'").lower() if encodings else ""
        dispositions = [header.raw for header in headers if header.name == "content-disposition"]
        disposition, more = _parse_type(dispositions[0]) if dispositions else ("", {})
        filename = decode_words(more.get("filename") or parameters.get("name", ""))[:255]
        if content_type in _UNREADABLE_TYPES and "signed-data" not in parameters.get("smime-type", ""):
            self.problem(f"part {path} is {_UNREADABLE_TYPES[content_type]}, which cannot be read")
        boundary = parameters.get("boundary", "")
        if (
            content_type.startswith("multipart/")
            and boundary
            and self.multipart(boundary, start, end, path, depth)
        ):
            return
        if content_type in {"message/rfc822", "message/global"} or filename.lower().endswith(".eml"):
            self.attach(start, end, encoding, path)
            return
        if content_type.startswith("multipart/"):
            self.oddities.append("a multipart entity has no boundary that occurs in it")
            content_type = "text/plain"
        if len(self.parts) >= self.limits.mail_parts:
            self.problem(f"more than {self.limits.mail_parts} parts; the rest was not read")
            return
        charset = parameters.get("charset", "")
        self.parts.append(
            Part(path, content_type, charset, encoding, filename, disposition, start, end),
        )

    def multipart(self, boundary: str, start: int, end: int, path: str, depth: int) -> bool:
        """Read the parts between the boundary's lines; False where there is no such line."""
        if depth >= self.limits.mail_depth:
            self.problem(f"parts lie more than {self.limits.mail_depth} deep; the deeper ones were not read")
            return True
        spans = self.spans(boundary.encode("utf-8", "surrogateescape"), start, end)
        if not spans:
            return False
        for number, (low, high) in enumerate(spans, 1):
            if len(self.parts) + len(self.nested) >= self.limits.mail_parts:
                self.problem(f"more than {self.limits.mail_parts} parts; the rest was not read")
                break
            headers, body = self.headers(low, high)
            self.part(headers, min(body, high), high, f"{path}.{number}", depth + 1)
        return True

    def spans(self, boundary: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Byte ranges between delimiter lines, the one before the first left out."""
        delimiter = b"--" + boundary
        spans: list[tuple[int, int]] = []
        opened = -1
        at = self.raw.find(delimiter, start, end)
        candidates = 0
        while at >= 0:
            candidates += 1
            if candidates > _DELIMITER_CANDIDATES:
                self.problem("too many boundary lines; the rest of the parts was not read")
                break
            after = at + len(delimiter)
            if at == start or self.raw[at - 1] in b"\r\n":
                closing = self.raw[after : after + 2] == b"--"
                line_end = _line_end(self.raw, after, end)
                if not self.raw[after + 2 * closing : line_end].strip() or closing:
                    if opened >= 0:
                        spans.append((opened, max(opened, at - 1 - (self.raw[at - 2 : at] == b"\r\n"))))
                    opened = -1 if closing else _next_line(self.raw, line_end, end)
                    if closing or len(spans) > self.limits.mail_parts:
                        break
                    after = max(after, line_end)
            at = self.raw.find(delimiter, after, end)
        if opened >= 0:
            spans.append((opened, end))
        return spans

    def attach(self, start: int, end: int, encoding: str, path: str) -> None:
        """Keep an attached message, decoded; all of them together at most as long as one message may be."""
        if len(self.parts) + len(self.nested) >= self.limits.mail_parts:
            self.problem(f"more than {self.limits.mail_parts} parts; the rest was not read")
            return
        content, cut = decode_transfer(
            self.raw, start, end, encoding, max(0, self.limits.mail_attached_bytes - self.nested_bytes)
        )
        if cut:
            self.problem(f"the message attached as part {path} was not read to its end")
        self.nested_bytes += len(content)
        self.nested.append(content)


def _header_text(block: bytes) -> str:
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError:
        return block.decode("latin-1")


def _blank_line(raw: bytes, start: int, stop: int) -> tuple[int, int]:
    """Where the header block ends and where the body begins: the first empty line from *start*."""
    if raw[start : start + 1] == b"\n":
        return start, start + 1
    if raw[start : start + 2] == b"\r\n":
        return start, start + 2
    if raw[start : start + 1] == b"\r":
        return start, start + 1
    best = (stop, stop)
    for mark in (b"\n\n", b"\n\r\n", b"\r\r"):
        at = raw.find(mark, start, min(stop, best[0] + 1))
        if at >= 0 and at < best[0]:
            best = (at, at + len(mark))
    return best


def _line_end(raw: bytes, at: int, end: int) -> int:
    """Where the line around *at* ends, its line break left out."""
    window = min(end, at + 1000)
    ends = [found for found in (raw.find(b"\n", at, window), raw.find(b"\r", at, window)) if found >= 0]
    return min(ends, default=window)


def _next_line(raw: bytes, at: int, end: int) -> int:
    if raw[at : at + 2] == b"\r\n":
        return min(at + 2, end)
    return min(at + 1, end)


def _parse_type(raw: str) -> tuple[str, dict[str, str]]:
    """A Content-Type or Content-Disposition: its value in lower case, and its parameters (RFC 2231 joined)."""
    value = raw[:8192]
    kind = value.partition(";")[0].strip().lower()
    plain: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, str, bool]]] = {}
    for match in _PARAMETER.finditer(value):
        name, text = match[1].lower(), match[2]
        if text.startswith('"'):
            text = re.sub(r"\\(.)", r"\1", text[1:-1] if text.endswith('"') and len(text) > 1 else text[1:])
        base, star, index = name.partition("*")
        if not star:
            plain.setdefault(name, text)
        else:
            extended = name.endswith("*")
            number = index.rstrip("*")
            pieces.setdefault(base, []).append(
                (int(number) if number.isdecimal() and len(number) < 5 else 0, text, extended)
            )
    for base, found in pieces.items():
        joined = "".join(text for _, text, _ in sorted(found, key=lambda piece: piece[0]))
        if any(extended for _, _, extended in found):
            charset, _, rest = joined.partition("'")
            _, quote, encoded = rest.partition("'")
            joined = _percent_decode(encoded if quote else joined, charset if quote else "")
        plain.setdefault(base, joined)
    return kind, plain


def _percent_decode(text: str, charset: str) -> str:
    raw = re.sub(
        rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode("utf-8", "replace")
    )
    return decode_charset(raw, charset)
