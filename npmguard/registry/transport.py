"""One HTTP request made safe: checked addresses, bounded time and size, credentials that do not stray.

Built on the connection pools of requests' ``HTTPAdapter``. ``requests.Session`` on top of it is not used: it
keeps cookies, merges the environment into each request and reads the bodies of redirects whole.
"""

from __future__ import annotations

import io
import mmap
import queue
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from http.client import HTTPResponse as PlainResponse
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import certifi
from isal import isal_zlib
from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, IncompleteRead

from npmguard import __version__
from npmguard.config import Network
from npmguard.errors import NpmrcError, RegistryProtocolError, RegistryUnreachable
from npmguard.registry.npmrc import Credentials, NpmConfig
from npmguard.registry.urls import HttpUrl, is_internal

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_MAX_ADDRESSES = 8
_CHUNK = 256 * 1024
_GZIP_STEP = 16 * 1024  # deflate makes at most 1,032 bytes of one, so that a step stays below 17 MB
_SPOOL = 1024**2
_HEAD = 8 * 1024**2
_DRAIN = 64 * 1024
_DRAIN_SECONDS = 2.0
_GZIP_MAGIC = b"\x1f\x8b"
_GzipError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # isal's stub takes it for an instance


class Allowance:
    """How much of this machine an exchange may still take up; may be changed while it runs.

    ``until`` is the monotonic time at which it is cut off, ``size`` the bytes that may yet come over the wire.
    """

    __slots__ = ("size", "until")

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds
        self.size = _HEAD

    def left(self) -> float:
        """Seconds that are left; negative when it is over."""
        return self.until - time.monotonic()

    def grant_body(self, limit: int) -> None:
        """Let a body of so many bytes through, and the framing that may come with it."""
        self.size = limit + limit // 4 + _HEAD


class Exchange:
    """One answer, its body not yet read. ``headers`` does not care for case."""

    def __init__(self, url: HttpUrl, raw: HTTPResponse, allowance: Allowance) -> None:
        self.url = url
        self.status = raw.status
        self.headers: Mapping[str, str] = raw.headers
        self._raw = raw
        self._allowance = allowance

    def document(self, limit: int, setting: str) -> bytes | mmap.mmap:
        """The whole body, decoded; a big one lies in a temporary file and not in memory.

        Args:
            limit: the most bytes that it may have.
            setting: where that limit is set, for the message.

        Raises:
            RegistryUnreachable: it was cut short, stalled, or took too long.
            RegistryProtocolError: it is over the cap, or encoded in a way that was not asked for.
        """
        parts: list[bytes] = []
        size = 0
        chunks = self._decoded(_Cap(limit, setting))
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > _SPOOL:
                return self._spooled(parts, chunks)
        return b"".join(parts)

    def tarball(self, limit: int, setting: str) -> bytes:
        """The whole body as a tarball; arguments and errors are those of :meth:`document`.

        ``Content-Encoding: gzip`` on a .tgz most often describes the file itself. It is undone only when
        what comes out is gzip again.
        """
        cap = _Cap(limit, setting)
        body = b"".join(self._chunks(cap))
        if self._encoding() not in {"gzip", "x-gzip"} or not body.startswith(_GZIP_MAGIC):
            return body
        try:
            if isal_zlib.decompressobj(31).decompress(body, 2) != _GZIP_MAGIC:
                return body
            return b"".join(self._capped(_gunzip(iter([body])), cap))
        except _GzipError:
            return body  # whoever unpacks it will say what is wrong with it

    def save(self, target: Path, limit: int, setting: str) -> None:
        """Write the whole body, decoded, to *target*; arguments and errors are those of :meth:`document`.

        Raises:
            OSError: *target* cannot be written.
        """
        with target.open("wb") as file:
            file.writelines(self._decoded(_Cap(limit, setting)))

    def drain(self) -> None:
        """Read a small body to its end, so that the connection can serve again; drop one that is in the way."""
        left = self._raw.length_remaining
        if left is None or left > _DRAIN:
            return
        self._allowance.until = min(self._allowance.until, time.monotonic() + _DRAIN_SECONDS)
        try:
            for _ in self._chunks(_Cap(_DRAIN, "")):
                pass
        except RegistryUnreachable:
            self._raw.close()  # what there was to know is known; only the connection is lost

    def close(self) -> None:
        """Give the connection back where the body was read to its end, else drop it."""
        if not self._raw.isclosed():
            self._raw.close()
        self._raw.release_conn()

    def _encoding(self) -> str:
        return self.headers.get("content-encoding", "identity").strip().lower()

    def _decoded(self, cap: _Cap) -> Iterator[bytes]:
        encoding = self._encoding()
        if encoding in {"", "identity"}:
            return self._chunks(cap)
        if encoding in {"gzip", "x-gzip"}:
            return self._capped(self._gunzipped(cap), cap)
        raise RegistryProtocolError(
            f"{self.url.shown} came with Content-Encoding {encoding[:40]!r}, not asked for"
        )

    def _gunzipped(self, cap: _Cap) -> Iterator[bytes]:
        try:
            yield from _gunzip(self._chunks(cap))
        except _GzipError:
            raise RegistryProtocolError(f"{self.url.shown} says that it is gzip and is not") from None
        except EOFError:
            raise RegistryUnreachable(f"{self.url.shown} was cut short inside its gzip encoding") from None

    def _capped(self, chunks: Iterator[bytes], cap: _Cap) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > cap.size:
                raise self._too_big(cap)
            yield chunk

    def _chunks(self, cap: _Cap) -> Iterator[bytes]:
        """The body as it came over the wire."""
        if (self._raw.length_remaining or 0) > cap.size:
            raise self._too_big(cap)
        self._allowance.grant_body(cap.size)
        size = 0
        while True:
            try:
                chunk = self._raw.read(_CHUNK, decode_content=False)
            except (HTTPError, HTTPException, OSError) as error:
                raise RegistryUnreachable(f"{self.url.shown} {_reason(error, self._allowance)}") from None
            if not chunk:
                return
            size += len(chunk)
            if size > cap.size:
                raise self._too_big(cap)
            yield chunk

    def _spooled(self, parts: list[bytes], chunks: Iterator[bytes]) -> mmap.mmap:
        try:
            with tempfile.TemporaryFile(prefix="npmguard-") as file:
                file.writelines(parts)
                parts.clear()
                file.writelines(chunks)
                file.flush()
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise RegistryUnreachable(
                f"{self.url.shown} does not fit into the temporary folder {tempfile.gettempdir()}:"
                f" {error.strerror}; make room, or set TMPDIR"
            ) from None

    def _too_big(self, cap: _Cap) -> RegistryProtocolError:
        return RegistryProtocolError(
            f"{self.url.shown} is bigger than {cap.size} bytes, the limit of {cap.setting}"
        )


class Transport:
    """Sends requests over pooled connections, as npm's configuration says; for many threads at once.

    *trusted* are further URLs whose hosts may be inside an internal network, as the user has named them.
    """

    def __init__(self, npm: NpmConfig, network: Network, connections: int, trusted: Iterable[str] = ()) -> None:
        self._npm = npm
        self._network = network
        self._connections = connections
        self._read_timeout = min(npm.fetch_timeout or network.read_timeout, network.transfer_timeout)
        self._lock = threading.Lock()
        self._adapters: dict[object, _Adapter] = {}
        named = [HttpUrl.parse(url) for url in (*npm.registries, *trusted)]
        self._trusted = frozenset(
            [url.authority for url in named] + [_authority_of_key(key) for key in npm.secrets]
        )

    @contextmanager
    def get(
        self,
        url: HttpUrl,
        headers: Mapping[str, str],
        credentials: Credentials | None,
        patience: float | None = None,
        seconds: float | None = None,
    ) -> Iterator[Exchange]:
        """Ask for *url*, following redirects; the exchange ends with the ``with`` block.

        Args:
            url: where to start.
            headers: without credentials.
            credentials: sent along as long as the URL stays on their host and below their path.
            patience: seconds within which the answer must begin, where that is less than usual.
            seconds: seconds within which it must be there, where that is less than usual.

        Raises:
            RegistryUnreachable: no answer, or none in time.
            RegistryProtocolError: a redirect leads astray: to nowhere, in a circle, from https to http, or to
                an address of an internal network that npm's configuration does not name.
        """
        whole = self._network.transfer_timeout
        allowance = Allowance(whole if seconds is None else min(whole, seconds))
        end = allowance.until
        if patience is not None:
            allowance.until = min(end, time.monotonic() + patience)
        exchange = self._follow(url, headers, credentials, allowance)
        allowance.until = end
        try:
            yield exchange
        finally:
            exchange.close()

    @contextmanager
    def post(
        self,
        url: HttpUrl,
        body: bytes,
        headers: Mapping[str, str],
        credentials: Credentials | None,
        patience: float,
    ) -> Iterator[Exchange]:
        """Send *body* to *url*, and nowhere else: a redirect is an answer like any other.

        The whole exchange is over within *patience* seconds. Arguments and errors are those of :meth:`get`.
        """
        allowance = Allowance(min(self._network.transfer_timeout, patience))
        exchange = Exchange(url, self._send(url, headers, credentials, allowance, body), allowance)
        try:
            yield exchange
        finally:
            exchange.close()

    def close(self) -> None:
        """Close all connections that no thread uses right now."""
        with self._lock:
            for adapter in self._adapters.values():
                adapter.close()

    def _follow(
        self, url: HttpUrl, headers: Mapping[str, str], credentials: Credentials | None, allowance: Allowance
    ) -> Exchange:
        start = url
        for _ in range(_MAX_REDIRECTS + 1):
            exchange = Exchange(url, self._send(url, headers, credentials, allowance), allowance)
            if exchange.status not in _REDIRECTS:
                return exchange
            exchange.close()
            try:
                target = url.join(exchange.headers["location"])
            except KeyError:
                raise RegistryProtocolError(f"{url.shown} redirects without saying where to") from None
            except ValueError as error:
                raise RegistryProtocolError(f"{url.shown} redirects to a URL that {error}") from None
            if url.scheme == "https" and target.scheme == "http":
                raise RegistryProtocolError(f"{url.shown} redirects from https to plain http: {target.origin}")
            if credentials is not None and not (
                target.origin == start.origin and _covers(credentials.key, target)
            ):
                credentials = None
            url = target
        raise RegistryProtocolError(f"{start.shown} redirects more than {_MAX_REDIRECTS} times")

    def _send(
        self,
        url: HttpUrl,
        headers: Mapping[str, str],
        credentials: Credentials | None,
        allowance: Allowance,
        body: bytes | None = None,
    ) -> HTTPResponse:
        trusted = self._trusts(url)
        if not trusted and _names_this_machine(url.host):
            raise _astray(url)
        request = _Request(url, headers, self._npm.proxy_for(url), body)
        if self._network.contact:
            request.headers["User-Agent"] += f" (+{self._network.contact})"
        if credentials is not None and credentials.authorization is not None:
            request.headers["Authorization"] = credentials.authorization
        certificate = credentials.client_certificate if credentials is not None else None
        connect_timeout = max(0.05, min(self._network.connect_timeout, allowance.left()))
        read_timeout = max(0.05, min(self._read_timeout, allowance.left()))
        _current.state = _State(allowance, url, trusted)
        try:
            response = self._adapter(certificate).send(
                request, stream=True, timeout=(connect_timeout, read_timeout)
            )
        except (RequestException, HTTPError, HTTPException, OSError) as error:
            raise RegistryUnreachable(f"{url.origin} {_reason(error, allowance)}") from None
        raw = response.raw
        assert isinstance(raw, HTTPResponse)
        return raw

    def _trusts(self, url: HttpUrl) -> bool:
        """Whether the user has named that host and port; a registry on a port of its own may have a front door.

        Other ports of a machine are other services, those of this machine above all.
        """
        if url.authority in self._trusted:
            return True
        named = any(_host_of(authority) == url.host for authority in self._trusted)
        return named and url.port is None and not _is_or_may_be_loopback(url.host)

    def _adapter(self, certificate: object) -> _Adapter:
        """One pool for each client certificate: a TLS context would show its certificate to every host."""
        with self._lock:
            adapter = self._adapters.get(certificate)
            if adapter is None:
                context = _tls_context(self._npm)
                if isinstance(certificate, tuple):
                    _load_client_certificate(context, *certificate)
                adapter = self._adapters[certificate] = _Adapter(context, self._connections)
            return adapter


# --- beneath requests ------------------------------------------------------------------------------------


class _Cap(NamedTuple):
    size: int
    setting: str


class _State(NamedTuple):
    """What the connection code has to know of the request that its thread is about to send."""

    allowance: Allowance
    url: HttpUrl
    trusted: bool


class _Current(threading.local):
    state: _State


_current = _Current()


class _Request(PreparedRequest):
    """A GET, or with a body a POST, that is ready as it is; ``prepare`` would change the URL once more."""

    def __init__(
        self, url: HttpUrl, headers: Mapping[str, str], proxy: str | None, body: bytes | None = None
    ) -> None:
        super().__init__()
        self.method = "GET" if body is None else "POST"
        self.body = body
        self.url = str(url)
        self.headers = CaseInsensitiveDict({"User-Agent": f"npmguard/{__version__}", **headers})
        if body is not None:
            self.headers["Content-Length"] = str(len(body))
        self.target = url
        self.proxy = proxy


class _Adapter(HTTPAdapter):
    """Pools whose connections are checked and timed, under one TLS context."""

    def __init__(self, context: ssl.SSLContext, connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=64, pool_maxsize=connections)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(
            proxy, ssl_context=self._context, proxy_ssl_context=self._context, **proxy_kwargs
        )
        manager.pool_classes_by_scheme = _POOLS
        return manager

    # the signatures below are those of requests, and so are the arguments that are of no use here

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: object,  # noqa: ARG002
        proxies: object = None,  # noqa: ARG002
        cert: object = None,  # noqa: ARG002
    ) -> Any:
        assert isinstance(request, _Request)
        url = request.target
        manager = self.proxy_manager_for(request.proxy) if request.proxy else self.poolmanager
        return manager.connection_from_host(url.host, port=url.port, scheme=url.scheme)

    def request_url(self, request: PreparedRequest, proxies: object) -> str:  # noqa: ARG002
        assert isinstance(request, _Request)
        forwarded = request.proxy is not None and request.target.scheme == "http"
        return str(request.target) if forwarded else request.target.target

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """Nothing to add: the TLS context has it all."""

    def build_response(self, req: PreparedRequest, resp: BaseHTTPResponse) -> Response:  # noqa: ARG002
        """Only the raw response is of use here; no cookies are kept."""
        response = Response()
        response.status_code = resp.status
        response.raw = resp
        return response


class _BoundedReader(io.RawIOBase):
    """Reads a socket, never past what is allowed.

    A drip of bytes would outlast the time-out of any single read, and http.client reads without end when a
    chunk says that its length is -1.
    """

    def __init__(self, inner: io.RawIOBase, connection: socket.socket, state: _State) -> None:
        super().__init__()
        self._inner = inner
        self._socket = connection
        self._idle = connection.gettimeout() or 60.0
        self._url = state.url
        self._allowance = state.allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left = self._allowance.left()
        if left <= 0:
            raise TimeoutError
        if left < self._idle:
            self._socket.settimeout(left)
        size = self._inner.readinto(buffer)
        self._allowance.size -= size or 0
        if self._allowance.size < 0:
            raise RegistryProtocolError(f"{self._url.shown} sends more than any answer may have")
        return size

    def close(self) -> None:
        try:
            self._inner.close()
        finally:
            super().close()


class _BoundedResponse(PlainResponse):
    """The standard library's response, reading through :class:`_BoundedReader` from the status line on."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        reader = _BoundedReader(self.fp.detach(), sock, _current.state)
        self.fp = io.BufferedReader(reader, 64 * 1024)


class _Connection(HTTPConnection):
    response_class = _BoundedResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _TlsConnection(HTTPSConnection):
    response_class = _BoundedResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection

    def _validate_conn(self, conn: Any) -> None:
        """Connect, without a warning for each request: npm's configuration says whether TLS is verified."""
        if conn.is_closed:
            conn.connect()


_POOLS = {"http": _Pool, "https": _TlsPool}


def _connect(connection: HTTPConnection) -> socket.socket:
    """Open the connection, unless the name leads into a network that nobody meant to be asked."""
    state = _current.state
    timeout = float(connection.timeout or 5.0)
    host, port = connection.host, connection.port
    end = time.monotonic() + timeout
    addresses = _resolve(host, port, timeout)
    if not state.trusted and connection.proxy is None and any(is_internal(str(it[4][0])) for it in addresses):
        raise _astray(state.url)
    failure: OSError = TimeoutError()
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        opened = socket.socket(family, kind, protocol)
        try:
            for option in connection.socket_options or ():
                opened.setsockopt(*option)
            opened.settimeout(max(0.05, (end - time.monotonic()) / (len(addresses) - index)))
            opened.connect(address)
        except OSError as error:
            opened.close()
            failure = error
            continue
        opened.settimeout(timeout)
        return opened
    what = "the proxy " if connection.proxy is not None else ""
    why = f"no connection within {timeout:.3g} s" if isinstance(failure, TimeoutError) else failure.strerror
    raise RegistryUnreachable(f"{what}{host}:{port} cannot be reached: {why}")


def _resolve(host: str, port: int, timeout: float) -> list[Any]:
    """Look the host up, for no longer than *timeout*: the system's resolver knows no time-out of ours."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    answer: queue.SimpleQueue[list[Any] | str] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.put(getattr(error, "strerror", None) or "not a usable name")

    threading.Thread(target=look_up, name="npmguard-resolve", daemon=True).start()
    try:
        found = answer.get(timeout=timeout)
    except queue.Empty:
        found = f"no answer within {timeout:.3g} s"
    if isinstance(found, str):
        raise RegistryUnreachable(f"the name {host} cannot be looked up: {found}")
    return found[:_MAX_ADDRESSES]


def _tls_context(npm: NpmConfig) -> ssl.SSLContext:
    """Whom npm's configuration trusts: its ``ca`` or ``cafile``, or else Mozilla's list and Node.js's extras.

    Raises:
        NpmrcError: the certificates cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not npm.strict_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        for certificates in npm.ca:
            context.load_verify_locations(cadata=certificates)
    except ssl.SSLError:
        raise NpmrcError("ca or cafile in npm's configuration holds no certificate that can be read") from None
    if npm.ca:
        return context
    context.load_verify_locations(cafile=certifi.where())
    if npm.extra_ca is not None:
        try:
            context.load_verify_locations(cafile=npm.extra_ca)
        except (ssl.SSLError, OSError):
            raise NpmrcError(
                f"NODE_EXTRA_CA_CERTS: {npm.extra_ca} holds no certificate that can be read"
            ) from None
    return context


def _load_client_certificate(context: ssl.SSLContext, certificate: object, key: object) -> None:
    try:
        context.load_cert_chain(str(certificate), str(key))
    except (ssl.SSLError, OSError):
        raise NpmrcError(
            f"the client certificate {certificate} with its key {key} cannot be read; mend certfile and keyfile"
        ) from None


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Undo gzip in steps that cannot blow up; EOFError where it ends too early."""
    decoder = isal_zlib.decompressobj(31)
    for chunk in chunks:
        for start in range(0, len(chunk), _GZIP_STEP):
            if decoder.eof:
                return
            piece = decoder.decompress(chunk[start : start + _GZIP_STEP])
            if piece:
                yield piece
    if not decoder.eof:
        raise EOFError


def _names_this_machine(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")
    return is_internal(host)


def _is_or_may_be_loopback(host: str) -> bool:
    """Whether *host* is this machine, or a link-local neighbour of it."""
    try:
        address = ip_address(host)
    except ValueError:
        return _names_this_machine(host)
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _astray(url: HttpUrl) -> RegistryProtocolError:
    return RegistryProtocolError(
        f"{url.origin} is inside a private network and no registry that npm is configured with; "
        "name it in .npmrc if it is meant"
    )


def _authority_of_key(key: str) -> str:
    """The host and port of ``//host:port/path/:_authToken``."""
    return key.removeprefix("//").partition("/")[0].lower()


def _host_of(authority: str) -> str:
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


def _covers(key: str, url: HttpUrl) -> bool:
    """Whether ``//host/path/`` or ``//host/path`` is the URL's host and path, or a folder above it."""
    own = f"//{url.authority}{url.path}"
    return own == key or own.startswith(key if key.endswith("/") else f"{key}/")


def _reason(error: BaseException, allowance: Allowance) -> str:
    """What went wrong, for people; never anything that the other side or a proxy URL could have put there."""
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"shows a certificate that is not trusted: {cause.verify_message}; "
                "set cafile in .npmrc to the certificate authority that signed it"
            )
    if allowance.left() <= 0:
        return "took too long"
    for cause in causes:
        if isinstance(cause, IncompleteRead):
            return f"was cut short after {cause.partial} bytes"
        if isinstance(cause, TimeoutError):
            return "stopped answering"
        if isinstance(cause, ssl.SSLError):
            return f"cannot be talked to over TLS: {cause.reason or 'the connection broke'}"
        if isinstance(cause, OSError) and cause.strerror:
            return f"broke the connection: {cause.strerror}"
    return "does not speak HTTP, or broke the connection"


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what it wraps, in the many ways in which urllib3 and requests wrap."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(found) < 32:
        item = waiting.pop(0)
        if isinstance(item, BaseException) and not any(item is other for other in found):
            found.append(item)
            waiting += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
    return found
