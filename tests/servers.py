"""Real HTTP servers on loopback that speak a registry's format, remember who asked, and misbehave on request.

::

    with RegistryServer() as server:
        server.publish("left-pad", "1.0.0", tarball)
        server.route("/broken", Reply(status=503), Reply(b"fine at the second try"))
        ...
        assert server.paths == ["/left-pad"]

A path is matched with its percent-escapes undone, so that ``/@scope%2fname`` is routed as ``/@scope/name``. A
server also stands in for a forward proxy: the absolute URLs that it is asked for are routed like paths.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import ipaddress
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Request:
    """What a client sent; header names are in lower case, ``path`` is as sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def route(self) -> str:
        return unquote(self.path)


@dataclass(frozen=True)
class Reply:
    """What a server answers, and how it goes wrong.

    ``content_length`` is told in place of the real one. ``send_only`` bytes of the body are sent before the
    connection closes. ``drip`` sends the body byte by byte with so many seconds between, ``drip_headers`` the
    headers. ``hang`` waits so many seconds before it answers, ``reset`` breaks the connection instead.
    ``authorization`` is what the request must carry, else it is answered 401. ``etag`` is compared with
    If-None-Match. ``gzip`` encodes the body for clients that accept it.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    gzip: bool = False
    chunked: bool = False
    authorization: str | None = None
    content_length: int | None = None
    send_only: int | None = None
    drip: float | None = None
    drip_headers: float | None = None
    hang: float | None = None
    reset: bool = False

    @classmethod
    def json(cls, document: object, **fields: Any) -> Self:
        headers = {"Content-Type": "application/json", **fields.pop("headers", {})}
        return cls(json.dumps(document).encode(), headers=headers, **fields)

    @classmethod
    def redirect(cls, location: str, status: int = 302) -> Self:
        return cls(status=status, headers={"Location": location})


Answer = Reply | Callable[[Request], Reply]


class RegistryServer:
    """A threaded server on a free port of 127.0.0.1; routes may be changed while it runs.

    Args:
        tls: a server certificate; the server speaks https then.
        tunnel: a server certificate for what comes through CONNECT; the server is an https proxy then.
    """

    def __init__(self, tls: Certificate | None = None, tunnel: Certificate | None = None) -> None:
        self.requests: list[Request] = []
        self._answers: dict[str, list[Answer]] = {}
        self._documents: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server(self, tunnel.context() if tunnel is not None else None)
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            # the handshake is the handler's business: a client that breaks it off must not stop the server
            self._server.socket = tls.context().wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The base URL, with ``/`` at its end."""
        return self.url_at("127.0.0.1")

    def url_at(self, host: str) -> str:
        """The base URL under another name of this machine, such as ``localhost``."""
        return f"{self._scheme}://{host}:{self.port}/"

    @property
    def paths(self) -> list[str]:
        """The paths asked for, in order, with escapes undone."""
        with self._lock:
            return [request.route for request in self.requests]

    def asked(self, path: str) -> list[Request]:
        """All requests for that path."""
        with self._lock:
            return [request for request in self.requests if request.route == path]

    def route(self, path: str, *answers: Answer) -> None:
        """Answer *path* with each of *answers* in turn, and with the last one ever after."""
        with self._lock:
            self._answers[path] = list(answers)

    def publish(
        self,
        name: str,
        version: str,
        tarball: bytes = b"",
        *,
        manifest: Mapping[str, Any] | None = None,
        dist: Mapping[str, Any] | None = None,
        published: str = "2020-01-01T00:00:00.000Z",
    ) -> dict[str, Any]:
        """Add a version: its tarball, and its entry in the package's document, which is returned whole."""
        base = name.rpartition("/")[2]
        path = f"/{name}/-/{base}-{version}.tgz"
        document = self._documents.setdefault(
            name, {"_id": name, "name": name, "dist-tags": {}, "versions": {}, "time": {"created": published}}
        )
        document["dist-tags"]["latest"] = version
        document["time"][version] = published
        document["versions"][version] = {
            "name": name,
            "version": version,
            **(manifest or {}),
            "dist": {
                "tarball": self.url.rstrip("/") + path,
                "shasum": hashlib.sha1(tarball).hexdigest(),
                "integrity": sri(tarball),
                **(dist or {}),
            },
        }
        self.route(path, Reply(tarball, headers={"Content-Type": "application/octet-stream"}))
        self.route(f"/{name}", Reply.json(document))
        return document

    def answer(self, request: Request) -> Reply:
        """What to answer; also what a route function may call to get on as if it was not there."""
        with self._lock:
            self.requests.append(request)
            answers = self._answers.get(request.route)
            if not answers:
                return Reply.json({"error": "Not found"}, status=404)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        reply = answer if isinstance(answer, Reply) else answer(request)
        if reply.authorization is not None and request.headers.get("authorization") != reply.authorization:
            return Reply.json({"error": "unauthorized"}, status=401)
        if reply.etag is not None and request.headers.get("if-none-match") == reply.etag:
            return replace(reply, status=304, body=b"")
        return reply

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the end of the server."""
        self._stopping.wait(seconds)


def sri(content: bytes, algorithm: str = "sha512") -> str:
    """The integrity string of some bytes."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, registry: RegistryServer, tunnel: ssl.SSLContext | None) -> None:
        self.registry = registry
        self.tunnel = tunnel
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        registry = self.server.registry
        headers = {name.lower(): value for name, value in self.headers.items()}
        sent_body = self.rfile.read(int(headers.get("content-length", "0")))
        reply = registry.answer(Request(self.command, self.path, headers, sent_body))
        if reply.hang is not None:
            registry.sleep(reply.hang)
        if reply.reset:
            self._reset()
            return
        body = reply.body
        sent = {"Date": self.date_time_string(), **reply.headers}
        if reply.gzip and "gzip" in headers.get("accept-encoding", ""):
            body = gzip.compress(body)
            sent["Content-Encoding"] = "gzip"
        if reply.etag is not None:
            sent["ETag"] = reply.etag
        if reply.chunked:
            sent["Transfer-Encoding"] = "chunked"
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in _parts(body)) + b"0\r\n\r\n"
        elif reply.status != 304:
            sent["Content-Length"] = str(len(body) if reply.content_length is None else reply.content_length)
        head = f"HTTP/1.1 {reply.status} Whatever\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in sent.items()) + "\r\n"
        self._send(head.encode("latin-1"), reply.drip_headers)
        self._send(body[: reply.send_only], reply.drip)
        if reply.send_only is not None or reply.content_length not in {None, len(body)}:
            self.close_connection = True

    do_POST = do_GET  # noqa: N815 - the name in the base class

    def do_CONNECT(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.registry._lock:
            self.server.registry.requests.append(Request("CONNECT", self.path, headers))
        assert self.server.tunnel is not None
        self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        self.connection = self.server.tunnel.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # a tunnel's connection is not the one that the server knows of

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Tests speak for themselves."""

    def _send(self, data: bytes, drip: float | None) -> None:
        if drip is None:
            self.wfile.write(data)
            return
        for index in range(len(data)):
            self.wfile.write(data[index : index + 1])
            self.server.registry.sleep(drip)

    def _reset(self) -> None:
        """Close with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def _parts(body: bytes, size: int = 1000) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


# --- certificates ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Certificate:
    """A server's certificate, in PEM files, and that of the authority that signed it."""

    file: Path
    key: Path
    authority: Path
    clients_too: bool = False  # the server asks clients for a certificate of the same authority

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        if self.clients_too:
            context.load_verify_locations(self.authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make_certificate(folder: Path, *hosts: str) -> Certificate:
    """A certificate for *hosts* (names or addresses), signed by an authority made for the occasion."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority for tests")])
    authority = _certificate(authority_name, authority_name, authority_key, authority_key, ())
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    certificate = _certificate(name, authority_name, key, authority_key, hosts)
    made = Certificate(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    made.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    hosts: tuple[str, ...],
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
    )
    if hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for another thread or process to get somewhere; fails when it does not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
