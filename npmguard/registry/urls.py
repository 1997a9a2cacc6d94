"""URLs as the registry client may use them: checked, normalised, and without credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Self
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

_MAX_LENGTH = 8192
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?=.{1,254}$)(?:[a-z0-9_][a-z0-9_-]{0,62}\.)*[a-z0-9_][a-z0-9_-]{0,62}\.?", re.ASCII)
_NUMERIC_LABEL = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$", re.ASCII)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_KEPT_IN_PATH = "/%:@!$&'()*+,;=~-._"
_NAT64 = IPv6Network("64:ff9b::/96")
# Tables of the standard library grow with its versions, so that what must not be asked stands here too.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_DOCUMENTATION = IPv6Network("3fff::/20")
_NOT_OF_THE_INTERNET = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments; 192.0.0.192 is a metadata service
    IPv4Network("192.88.99.0/24"),
    IPv4Network("168.63.129.16/32"),  # a public address by number only: the host of virtual machines of Azure
)


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """An http or https URL, normalised as browsers and Node.js do: what is compared is what is fetched.

    ``host`` is in lower case and without brackets, ``port`` None where it is the scheme's own, ``path`` starts
    with ``/`` and holds no dot segments. There is no place for a user, a password or a fragment.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    query: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an absolute URL; a user and password in it are refused.

        Raises:
            ValueError: it is no such URL. The message says why and does not repeat the URL.
        """
        parts = _split(text)
        if parts.username is not None or parts.password is not None:
            raise ValueError("holds a user name or a password")
        return cls._of(parts)

    @classmethod
    def parse_with_userinfo(cls, text: str) -> tuple[Self, str | None]:
        """Read an absolute URL that may hold ``user:password@``, and give that (decoded) beside the URL."""
        parts = _split(text)
        if parts.username is None and parts.password is None:
            return cls._of(parts), None
        return cls._of(parts), f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"

    @classmethod
    def _of(cls, parts: SplitResult) -> Self:
        scheme = parts.scheme.lower()
        if scheme not in _DEFAULT_PORTS:
            raise ValueError("is not http or https")
        try:
            port = parts.port
        except ValueError:
            raise ValueError("has an unusable port") from None
        host = _host(parts.hostname or "")
        path = _without_dot_segments(quote(parts.path, safe=_KEPT_IN_PATH))
        query = quote(parts.query, safe=_KEPT_IN_PATH + "?")
        url = cls(scheme, host, None if port == _DEFAULT_PORTS[scheme] else port, path, query)
        _check_length(
            str(url)
        )  # a sign that has to be quoted becomes three, and what is made has to be read again
        return url

    def join(self, reference: str) -> HttpUrl:
        """The URL that *reference*, as a ``Location`` header has it, means here.

        Raises:
            ValueError: the result is no usable URL.
        """
        if _FORBIDDEN.search(reference) or len(reference) > _MAX_LENGTH:
            raise ValueError("holds white space, a control character or a backslash, or is too long")
        return HttpUrl.parse(urljoin(str(self), reference))

    def below(self, path: str, query: str = "") -> HttpUrl:
        """This URL, taken as a folder, with an already encoded relative *path* below it."""
        return HttpUrl(self.scheme, self.host, self.port, f"{self.path.rstrip('/')}/{path}", query)

    def covers(self, other: HttpUrl) -> bool:
        """Whether *other* is on this URL's host and port, at or below its path."""
        folder = self.path.rstrip("/")
        same_host = (self.host, self.port) == (other.host, other.port)
        return same_host and (other.path == folder or other.path.startswith(f"{folder}/"))

    @property
    def authority(self) -> str:
        """``host`` or ``host:port`` as it is written in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.authority}"

    @property
    def target(self) -> str:
        """Path and query: what the request line asks for."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def shown(self) -> str:
        """What a message may hold: without the query, in which signed URLs carry their secret."""
        return self.origin + self.path

    @property
    def nerf_dart(self) -> str:
        """The key that npm's configuration binds credentials of this registry to: ``//host/path/``."""
        return f"//{self.authority}{self.path[: self.path.rindex('/') + 1]}"

    def __str__(self) -> str:
        return self.origin + self.target


def is_internal(address: str) -> bool:
    """Whether an IP address (as text) is none of the public Internet, but loopback, private, link-local.

    Addresses of cloud metadata services belong here. IPv4 addresses wrapped in IPv6 ones are judged by what
    they wrap.
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        wrapped = _wrapped(ip)
        if wrapped is not None:
            return is_internal(str(wrapped))
        if ip not in _GLOBAL_UNICAST or ip in _DOCUMENTATION:
            return True
    elif any(ip in network for network in _NOT_OF_THE_INTERNET):
        return True
    return not ip.is_global or ip.is_multicast


def _wrapped(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    return IPv4Address(ip.packed[-4:]) if ip in _NAT64 else None


def _check_length(text: str) -> None:
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"is longer than {_MAX_LENGTH} characters")


def _split(text: str) -> SplitResult:
    text = text.strip(" \t\r\n")
    _check_length(text)
    if _FORBIDDEN.search(text):
        raise ValueError("holds white space, a control character or a backslash")
    try:
        return urlsplit(text)
    except ValueError:
        raise ValueError("has an unusable host") from None


def _host(host: str) -> str:
    """The host in its one spelling; numbers that only look like names are refused."""
    if not host:
        raise ValueError("names no host")
    if ":" in host:
        try:
            return str(IPv6Address(host))
        except ValueError:
            raise ValueError("has an unusable host") from None
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("has an unusable host") from None
    if _NUMERIC_LABEL.search(host):
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise ValueError("has an unusable host") from None
    if not _NAME.fullmatch(host):
        raise ValueError("has an unusable host")
    return host


def _without_dot_segments(path: str) -> str:
    """RFC 3986, section 5.2.4, with ``%2e`` read as the dot that servers take it for."""
    kept: list[str] = []
    segments = path.split("/")[1:] if path.startswith("/") else path.split("/")
    for index, segment in enumerate(segments):
        plain = segment.lower().replace("%2e", ".")
        last = index == len(segments) - 1
        if plain == "..":
            if kept:
                kept.pop()
        elif plain != ".":
            kept.append(segment)
            continue
        if last:
            kept.append("")
    return "/" + "/".join(kept)
