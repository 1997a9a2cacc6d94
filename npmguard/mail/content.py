"""What a message shows, what it hides, and every way out of it, gathered over all its parts."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from npmguard.config import Limits
from npmguard.mail.html import Page, RawLink, read_html
from npmguard.mail.links import bare_hosts, parse_url, text_urls
from npmguard.mail.message import Message, Part, decode_charset, decode_part
from npmguard.mail.qr import read_codes
from npmguard.mail.text import count_splitters, strip_invisible

_HTML_NAME = re.compile(r"\.(?:x?html?|shtml|svg|mht|mhtml)$", re.IGNORECASE)
_PROGRAM_NAME = re.compile(
    r"\.(?:exe|scr|com|bat|cmd|ps1|vbs|vbe|js|jse|mjs|wsf|hta|lnk|iso|img|vhd|msi|jar|apk|dmg|pkg|sh|command|chm|reg|url|docm|xlsm)$",
    re.IGNORECASE,
)
_ARCHIVE_NAME = re.compile(r"\.(?:zip|rar|7z|gz|tgz|tar|bz2|xz|zst|cab|ace|arj|lzh)$", re.IGNORECASE)
_ARCHIVE_TYPES = frozenset(
    f"application/{kind}"
    for kind in (
        "zip",
        "x-zip-compressed",
        "x-7z-compressed",
        "vnd.rar",
        "x-rar-compressed",
        "gzip",
        "x-gzip",
        "x-tar",
        "x-bzip2",
        "x-xz",
        "zstd",
        "vnd.ms-cab-compressed",
    )
)
_PGP = re.compile(r"^-----BEGIN PGP MESSAGE-----\s*$", re.MULTILINE)
_PDF_LINK = re.compile(rb"/URI\s{0,20}\(([^)\r\n]{4,2048})\)")
_IMAGE_BYTES = 8 * 1024 * 1024
_IMAGE_COUNT = 24
_LINES = 50_000
_PDF_BYTES = 4 * 1024 * 1024
_QUOTED = re.compile(r"^\s*(?:>|\|)")
_FORWARDED = re.compile(
    r"^\s*-{2,}\s*(?:forwarded message|original message|weitergeleitete nachricht|ursprüngliche nachricht|"
    r"message transféré|"
    r"mensaje reenviado|пересылаемое сообщение|転送メッセージ|转发邮件|轉寄郵件)|^begin forwarded message:",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Content:
    """The gathered content of one message (attached messages left out).

    ``lines`` are the visible lines that are neither quoted nor forwarded; ``quoted`` are the others.
    ``plain_links`` and ``html_links`` are told apart so that alternatives can be compared.
    """

    lines: tuple[str, ...] = field(repr=False)
    quoted: tuple[str, ...] = field(repr=False)
    hidden: str = field(repr=False)
    links: tuple[RawLink, ...]
    plain_links: tuple[RawLink, ...]
    html_links: tuple[RawLink, ...]
    images: tuple[str, ...]
    attachments: tuple[str, ...]
    programs: tuple[str, ...]
    archives: tuple[str, ...]
    pages: tuple[str, ...]  # attached HTML pages
    codes: tuple[str, ...]
    forms: int = 0
    passwords: int = 0
    scripts: int = 0
    split_words: int = 0
    problems: tuple[str, ...] = ()


def gather(message: Message, limits: Limits) -> Content:
    """Gather everything of *message* within *limits*; what was left out is in ``problems``."""
    work = _Gatherer(message, limits)
    for part in message.parts:
        work.part(part)
    return work.content()


class _Gatherer:
    def __init__(self, message: Message, limits: Limits) -> None:
        self.message = message
        self.limits = limits
        self.text_left = limits.mail_text_bytes
        self.pixels_left = limits.mail_image_pixels
        self.images_left = _IMAGE_COUNT
        self.lines: list[str] = []
        self.quoted: list[str] = []
        self.hidden: list[str] = []
        self.plain_links: list[RawLink] = []
        self.html_links: list[RawLink] = []
        self.other_links: list[RawLink] = []
        self.images: list[str] = []
        self.attachments: list[str] = []
        self.programs: list[str] = []
        self.archives: list[str] = []
        self.pages: list[str] = []
        self.codes: list[str] = []
        self.forms = self.passwords = self.scripts = self.split = 0
        self.problems: list[str] = []
        self.seen_images: set[bytes] = set()

    def content(self) -> Content:
        links = [*self.html_links, *self.plain_links, *self.other_links]
        if len(links) > self.limits.mail_links:
            self.problems.append(f"only the first {self.limits.mail_links} of {len(links)} links were judged")
        return Content(
            lines=tuple(self.lines),
            quoted=tuple(self.quoted),
            hidden=" ".join(self.hidden),
            links=tuple(dict.fromkeys(links))[: self.limits.mail_links],
            plain_links=tuple(self.plain_links[: self.limits.mail_links]),
            html_links=tuple(self.html_links[: self.limits.mail_links]),
            images=tuple(dict.fromkeys(self.images)),
            attachments=tuple(self.attachments),
            programs=tuple(self.programs),
            archives=tuple(self.archives),
            pages=tuple(self.pages),
            codes=tuple(dict.fromkeys(self.codes)),
            forms=self.forms,
            passwords=self.passwords,
            scripts=self.scripts,
            split_words=self.split,
            problems=tuple(dict.fromkeys(self.problems)),
        )

    def part(self, part: Part) -> None:
        name = strip_invisible(part.filename)
        attached = part.disposition == "attachment" or bool(name)
        if name:
            self.attachments.append(name)
        if _PROGRAM_NAME.search(name):
            self.programs.append(name)
        kind = part.content_type
        if _ARCHIVE_NAME.search(name) or kind in _ARCHIVE_TYPES:
            self.archives.append(name or f"part {part.path}")
            return
        if kind in {"text/html", "application/xhtml+xml", "image/svg+xml"} or _HTML_NAME.search(name):
            text = self.text(part)
            if text is not None:
                page = attached or kind == "image/svg+xml"
                if page:
                    self.pages.append(name or f"part {part.path}")
                self.html(text, f"attachment {name}" if page else "HTML", attached=page)
        elif kind.startswith("image/"):
            content, cut = decode_part(self.message, part, _IMAGE_BYTES)
            if cut:
                self.problems.append(
                    f"the image {name or part.path} is longer than {_IMAGE_BYTES} bytes and was not searched"
                )
            else:
                self.image(content)
        elif kind == "application/pdf" or name.lower().endswith(".pdf"):
            content, _ = decode_part(self.message, part, _PDF_BYTES)
            for match in _PDF_LINK.finditer(content):
                self.other_links.append(RawLink("pdf", match[1].decode("latin-1"), where=f"PDF {name}"))
        elif kind.startswith("text/") or kind in {"", "message/delivery-status"} or "/" not in kind:
            text = self.text(part)
            if text is not None and not (attached and _PROGRAM_NAME.search(name)):
                self.plain(text, f"attachment {name}" if attached else "text")
        elif not attached and self.looks_like_text(part):
            text = self.text(part)
            if text is not None:
                self.plain(text, "text")

    def looks_like_text(self, part: Part) -> bool:
        content, _ = decode_part(self.message, part, 512)
        return bool(content) and b"\x00" not in content and sum(byte < 9 for byte in content) == 0

    def text(self, part: Part) -> str | None:
        if self.text_left <= 0:
            self.problems.append(f"only the first {self.limits.mail_text_bytes} bytes of text were read")
            return None
        content, cut = decode_part(self.message, part, self.text_left)
        self.text_left -= len(content)
        if cut:
            self.problems.append(f"only the first {self.limits.mail_text_bytes} bytes of text were read")
        return decode_charset(content, part.charset)

    def plain(self, text: str, where: str) -> None:
        if text.lstrip()[:200].lower().startswith(("<!doctype html", "<html")):
            self.html(text, where, attached=False)
            return
        if _PGP.search(text):
            self.problems.append(f"the {where} holds a message encrypted with PGP, which cannot be read")
        self.add_lines(text)
        self.split += count_splitters(text)
        self.links_of_text(text, where, self.plain_links)

    def links_of_text(self, text: str, where: str, into: list[RawLink]) -> None:
        clean = strip_invisible(text)
        for url in text_urls(clean):
            if len(into) > self.limits.mail_links:
                return
            into.append(RawLink("text", url, url, where=where))
        for host, path in bare_hosts(clean):
            if len(into) > self.limits.mail_links:
                return
            # a client makes a link of a bare host only sometimes; with a path it is meant to be opened
            if path and parse_url(f"https://{host}{path}") is not None:
                into.append(RawLink("text", f"https://{host}{path}", f"{host}{path}", where=where))

    def html(self, text: str, where: str, *, attached: bool) -> None:
        page = read_html(text)
        self.add_page(page, where)
        if attached:
            self.scripts += page.scripts
        for source in page.data[:_IMAGE_COUNT]:
            self.data_url(source, where)

    def add_page(self, page: Page, where: str) -> None:
        if page.cut:
            self.problems.append("an HTML part has too many elements; the rest of it was not read")
        self.add_lines(page.visible)
        self.split += page.split + count_splitters(page.visible)
        if page.hidden:
            self.hidden.append(page.hidden)
        self.images += page.images
        self.forms += page.forms
        self.passwords += page.passwords
        for link in page.links:
            self.html_links.append(RawLink(link.kind, link.target, link.text, link.hidden, where))
        self.links_of_text(page.visible, where, self.other_links)

    def data_url(self, source: str, where: str) -> None:
        header, _, data = source.partition(",")
        raw = unquote_to_bytes(data[: self.limits.mail_text_bytes * 2])
        if ";base64" in header.lower():
            try:
                raw = binascii.a2b_base64(base64_clean(raw))
            except binascii.Error:
                return
        if "image/" in header.lower() and "svg" not in header.lower():
            self.image(raw)
        elif "html" in header.lower() or "svg" in header.lower():
            self.pages.append("data: link")
            self.add_page(read_html(decode_charset(raw[: max(0, self.text_left)], "")), where)
            self.text_left -= len(raw)

    def image(self, content: bytes) -> None:
        digest = content[:64] + len(content).to_bytes(8, "big") + content[-64:]
        if digest in self.seen_images:
            return
        self.seen_images.add(digest)
        if self.images_left <= 0:
            self.problems.append(f"only the first {_IMAGE_COUNT} images were searched for codes")
            return
        self.images_left -= 1
        codes, pixels, problem = read_codes(content, self.pixels_left)
        self.pixels_left -= pixels
        if problem:
            self.problems.append(problem)
        for code in codes:
            self.codes.append(code)
            target = code if parse_url(code) is not None else f"https://{code}"
            if "." in code and " " not in code and parse_url(target) is not None:
                self.other_links.append(RawLink("qr", target, where="QR code"))

    def add_lines(self, text: str) -> None:
        forwarded = False
        for line in re.split(r"[\r\n\x0b\x0c\x85\u2028\u2029]+", text):
            if len(self.lines) + len(self.quoted) >= _LINES:
                self.problems.append(f"only the first {_LINES} lines were read")
                return
            stripped = line.strip()
            if not stripped:
                continue
            forwarded = forwarded or _FORWARDED.match(stripped) is not None
            (self.quoted if forwarded or _QUOTED.match(stripped) else self.lines).append(stripped)


def base64_clean(raw: bytes) -> bytes:
    """*raw* with nothing but the letters of base64, padded."""
    clean = bytes(re.sub(rb"[^A-Za-z0-9+/]", b"", raw))
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return clean + b"=" * (-len(clean) % 4)
