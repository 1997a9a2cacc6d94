"""Where a link really goes: URLs read as browsers read them, redirectors unwrapped without asking anybody."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from npmguard.mail.data import Hosts, Redirector

_UNWRAP_DEPTH = 5
_URL_LENGTH = 8192
_DOTS = re.compile("[\u3002\uff0e\uff61]")
_EAST_ASIAN = re.compile("[\u1100-\u11ff\u3000-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_TEXT_URL = re.compile(r"""(?:https?:)?[/\\]{2}[^\s<>"'`]{3,2048}|\bwww\.[^\s<>"'`]{4,2048}""", re.IGNORECASE)
_BARE = re.compile(
    r"(?<![@\w./\-])((?:xn--)?[a-z0-9][a-z0-9\-]{0,62}(?:\.[a-z0-9][a-z0-9\-]{0,62}){1,6})(/[^\s<>\"'`]{0,1024})?(?![\w@])",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]{1,20}):", re.IGNORECASE)
_HOST = re.compile(r"[^\s/?#@:\[\]]{1,255}")
_NUMERIC_HOST = re.compile(
    r"0x[0-9a-f]+|\d+|(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+)){1,3}|\[[0-9a-f:.]+\]", re.IGNORECASE
)
_PROOFPOINT_3 = re.compile(r"/v3/__(.+?)__;")
_ABSOLUTE = re.compile(r"(?:https?:)?[/\\]{2}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Url:
    """A URL of the web: ``host`` in lower case (as written), ``user`` before an @."""

    scheme: str
    host: str
    path: str
    query: str
    user: str = ""

    @property
    def numeric(self) -> bool:
        """Whether the host is an IP address, however it is spelled."""
        return _NUMERIC_HOST.fullmatch(self.host) is not None

    def parameters(self) -> Iterator[tuple[str, str]]:
        """Query parameters, names in lower case, values decoded."""
        for pair in re.split(r"[&;]", self.query)[:50]:
            name, _, value = pair.partition("=")
            yield unquote(name).lower(), unquote(value.replace("+", " "))


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a link ends as far as it can be read: every web URL on the way, the last one being the target.

    ``opaque`` says that the last one is a shortener or a click counter, whose target is not in the link.
    """

    urls: tuple[Url, ...]
    opaque: bool = False

    @property
    def host(self) -> str:
        """The host of the target."""
        return self.urls[-1].host


def parse_url(text: str) -> Url | None:
    """Read *text* as a browser reads a link; None where it is no link to the web.

    Browsers drop tabs and line breaks, take a backslash for a slash, forgive missing slashes, decode the host
    and read what stands before an @ as a user name.
    """
    text = re.sub(r"[\t\r\n]", "", text[:_URL_LENGTH]).strip("\x00\x01\x02\x03 \x1f").replace("\\", "/")
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else ""
    if match and scheme in {"http", "https", "ftp"}:
        rest = text[match.end() :].lstrip("/")
    elif text.startswith("//"):
        scheme, rest = "https", text.lstrip("/")
    elif re.match(r"www\.", text, re.IGNORECASE):
        scheme, rest = "https", text
    else:
        return None
    authority, slash, tail = _split_authority(rest)
    user, _, hostport = authority.rpartition("@")
    host = unquote(_DOTS.sub(".", hostport))
    host = host if host.startswith("[") else host.partition(":")[0]
    host = host.strip(".").lower()
    if not host or (not host.startswith("[") and not _HOST.fullmatch(host)):
        return None
    tail = tail.partition("#")[0] if slash != "#" else ""
    path, _, query = (slash + tail).partition("?")
    return Url(scheme, host, path, query, unquote(user))


def destination(text: str, hosts: Hosts) -> Destination | None:
    """Follow *text* through every redirector that spells its target; None where it is no link to the web."""
    url = parse_url(text)
    if url is None:
        return None
    urls = [url]
    while len(urls) <= _UNWRAP_DEPTH:
        inner = _unwrap(urls[-1], hosts)
        if inner is None or inner in urls:
            break
        urls.append(inner)
    return Destination(tuple(urls), covers(hosts.shorteners | hosts.trackers, urls[-1].host))


def text_urls(text: str) -> Iterator[str]:
    """Links that a mail client makes of plain text: with a scheme, or beginning with ``www.``."""
    for match in _TEXT_URL.finditer(text):
        found = _trim(match[0])
        before = text[max(0, match.start() - 1) : match.start()]
        if found.startswith(("//", "\\\\")) and (before.isalnum() or before == ":"):
            continue
        yield found


def bare_hosts(text: str) -> Iterator[tuple[str, str]]:
    """Host names that stand in a text without a scheme, in lower case, each with the path that follows."""
    for match in _BARE.finditer(text):
        yield match[1].lower(), _trim(match[2] or "")


def covers(names: frozenset[str] | set[str], host: str) -> bool:
    """Whether *host* is one of *names* or below one."""
    while host:
        if host in names:
            return True
        host = host.partition(".")[2]
    return False


def _split_authority(rest: str) -> tuple[str, str, str]:
    for at, char in enumerate(rest):
        if char in "/?#":
            return rest[:at], char, rest[at + 1 :]
    return rest, "", ""


def _trim(url: str) -> str:
    cut = _EAST_ASIAN.search(url)
    if cut and not (
        cut[0] in "\u3002\uff0e\uff61"
        and url[cut.end() : cut.end() + 1].isascii()
        and url[cut.end() : cut.end() + 1].isalnum()
    ):
        url = url[: cut.start()]
    url = url.rstrip(".,;:!?'\"*_>]}|\u00bb\u201d\u2019\u2026")
    while url.endswith(")") and url.count("(") < url.count(")"):
        url = url[:-1]
    return url.rstrip(".,;:!?")


def _unwrap(url: Url, hosts: Hosts) -> Url | None:
    for redirector in hosts.redirectors:
        if covers(frozenset((redirector.host,)), url.host) and url.path.startswith(redirector.path):
            target = _spelled(redirector, url)
            found = parse_url(target) if target else None
            if found is not None:
                return found
    for name, value in url.parameters():
        if name in hosts.redirect_parameters:
            for candidate in (value, unquote(value), _maybe_base64(value)):
                if _ABSOLUTE.match(candidate):
                    found = parse_url(candidate)
                    if found is not None and "." in found.host:
                        return found
    return None


def _spelled(redirector: Redirector, url: Url) -> str:
    """The target that a redirector's link spells, or an empty string."""
    if redirector.form == "dashes":
        label = url.host[: -len(redirector.host) - 1]
        return (
            f"https://{label.replace('--', chr(0)).replace('-', '.').replace(chr(0), '-')}{url.path}"
            if label
            else ""
        )
    if redirector.form == "path":
        rest = url.path[len(redirector.path) :]
        return f"https://{rest.removeprefix('s/')}"
    if redirector.form == "proofpoint-3":
        match = _PROOFPOINT_3.search(url.path + ("?" + url.query if url.query else ""))
        return match[1].replace("*", "") if match else ""
    values = dict(reversed(list(url.parameters())))
    value = next((values[name] for name in redirector.query if name in values), "")
    if redirector.form == "proofpoint-2":
        return unquote(value.replace("-", "%").replace("_", "/"))
    if redirector.form == "bing":
        return _maybe_base64(value.removeprefix("a1"))
    return value


def _maybe_base64(value: str) -> str:
    """*value* decoded if it is the base64 of a link."""
    if not re.match(r"a[HD]R0|Ly93|ht", value):
        return ""
    clean = re.sub(r"[^A-Za-z0-9+/]", "", value.replace("-", "+").replace("_", "/"))
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    try:
        return base64.b64decode(clean + "=" * (-len(clean) % 4)).decode("utf-8", "ignore")
    except binascii.Error:
        return ""
