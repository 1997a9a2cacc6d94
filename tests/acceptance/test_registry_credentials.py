"""Whom npmguard tells a credential, whom it trusts, and where it lets itself be led."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from npmguard.config import Limits, Network
from npmguard.errors import NpmrcError, RegistryError, RegistryProtocolError, RegistryUnreachable
from npmguard.model import LockedPackage
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import NpmConfig, load_npm_config
from tests.servers import Certificate, RegistryServer, Reply, make_certificate

TOKEN = "t0p-secret"
QUICK = Network(connect_timeout=1.0, read_timeout=1.0, transfer_timeout=2.0, retries=0, give_up_after=3.0)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def other() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def client(npm: NpmConfig) -> RegistryClient:
    return RegistryClient(npm, QUICK, Limits(), None)


def with_token(server: RegistryServer, path: str = "", also: str | None = None) -> NpmConfig:
    """A registry below *path* with a token of its own; *also* is a second registry, without one."""
    scopes = {} if also is None else {"@also": also}
    key = f"//127.0.0.1:{server.port}/{path}:_authToken"
    return NpmConfig(registry=f"{server.url}{path}", scopes=scopes, secrets={key: TOKEN})


def fetch(npm: NpmConfig, url: str) -> bytes:
    with client(npm) as registry:
        return registry.tarball(LockedPackage("a", "1.0.0", "node_modules/a", 1, url), None)


def authorizations(server: RegistryServer) -> list[str | None]:
    return [request.headers.get("authorization") for request in server.requests]


# --- to whom ---------------------------------------------------------------------------------------------


def test_the_registry_gets_its_token_for_documents_and_tarballs(server: RegistryServer) -> None:
    server.publish("a", "1.0.0", b"bytes")
    with client(with_token(server)) as registry:
        release = registry.packument("a").releases["1.0.0"]
        registry.tarball(LockedPackage("a", "1.0.0", "node_modules/a", 1), release)
    assert authorizations(server) == [f"Bearer {TOKEN}"] * 2


def test_user_and_password_are_sent_as_npm_sends_them(server: RegistryServer) -> None:
    server.publish("a", "1.0.0")
    key = f"//127.0.0.1:{server.port}/"
    password = base64.b64encode(b"pass:word").decode()
    npm = NpmConfig(registry=server.url, secrets={f"{key}:username": "user", f"{key}:_password": password})
    with client(npm) as registry:
        registry.packument("a")
    assert authorizations(server) == ["Basic " + base64.b64encode(b"user:pass:word").decode()]


def test_user_and_password_in_the_registrys_url_are_moved_out_of_it(
    server: RegistryServer, tmp_path: Path
) -> None:
    server.publish("a", "1.0.0")
    url = server.url.replace("http://", "http://user:pass%3Aword@")
    npm = load_npm_config(
        tmp_path, {"npm_config_registry": url, "HOME": str(tmp_path), "PREFIX": str(tmp_path)}
    )
    with client(npm) as registry:
        assert registry.packument("a").registry == server.url
    assert authorizations(server) == ["Basic " + base64.b64encode(b"user:pass:word").decode()]


def test_another_host_does_not_get_the_token(server: RegistryServer, other: RegistryServer) -> None:
    other.route("/a.tgz", Reply(b"bytes"))
    assert fetch(with_token(server, also=other.url), f"{other.url}a.tgz") == b"bytes"
    assert authorizations(other) == [None]


def test_another_path_of_the_host_does_not_get_the_token(server: RegistryServer) -> None:
    for path in ("/npm/a.tgz", "/npm-evil/a.tgz", "/a.tgz"):
        server.route(path, Reply(b"bytes"))
        assert fetch(with_token(server, "npm/"), f"{server.url}{path[1:]}") == b"bytes"
    assert authorizations(server) == [f"Bearer {TOKEN}", None, None]


def test_dot_segments_do_not_carry_the_token_to_another_path(server: RegistryServer) -> None:
    server.route("/evil/a.tgz", Reply(b"bytes"))
    for detour in ("npm/../evil/a.tgz", "npm/%2e%2e/evil/a.tgz", "npm/x/%2E./../../evil/a.tgz"):
        assert fetch(with_token(server, "npm/"), f"{server.url}{detour}") == b"bytes"
    assert authorizations(server) == [None] * 3


def test_a_redirect_to_another_host_does_not_carry_the_token(
    server: RegistryServer, other: RegistryServer
) -> None:
    server.route("/a.tgz", Reply.redirect(f"{other.url}a.tgz"))
    other.route("/a.tgz", Reply(b"bytes"))
    assert fetch(with_token(server, also=other.url), f"{server.url}a.tgz") == b"bytes"
    assert authorizations(server) == [f"Bearer {TOKEN}"]
    assert authorizations(other) == [None]


def test_a_redirect_to_another_path_does_not_carry_the_token(server: RegistryServer) -> None:
    server.route("/npm/a.tgz", Reply.redirect("/open/a.tgz"))
    server.route("/open/a.tgz", Reply(b"bytes"))
    assert fetch(with_token(server, "npm/"), f"{server.url}npm/a.tgz") == b"bytes"
    assert authorizations(server) == [f"Bearer {TOKEN}", None]


def test_a_redirect_does_not_pick_up_the_token_of_where_it_leads(
    server: RegistryServer, other: RegistryServer
) -> None:
    """A hostile registry must not make npmguard act with another registry's rights."""
    other.route("/a.tgz", Reply.redirect(f"{server.url}a.tgz"))
    server.route("/a.tgz", Reply(b"bytes"))
    assert fetch(with_token(server, also=other.url), f"{other.url}a.tgz") == b"bytes"
    assert authorizations(server) == [None]


def test_a_redirect_below_the_same_path_keeps_the_token(server: RegistryServer) -> None:
    server.route("/npm/a.tgz", Reply.redirect("deep/a.tgz", status=307))
    server.route("/npm/deep/a.tgz", Reply(b"bytes"))
    assert fetch(with_token(server, "npm/"), f"{server.url}npm/a.tgz") == b"bytes"
    assert authorizations(server) == [f"Bearer {TOKEN}"] * 2


def test_plain_http_does_not_get_the_token_of_an_https_registry(server: RegistryServer) -> None:
    server.route("/a.tgz", Reply(b"bytes"))
    npm = NpmConfig(
        registry=f"https://127.0.0.1:{server.port}/",
        replace_registry_host="never",
        secrets={f"//127.0.0.1:{server.port}/:_authToken": TOKEN},
    )
    assert fetch(npm, f"{server.url}a.tgz") == b"bytes"
    assert authorizations(server) == [None]


def test_no_cookie_is_kept(server: RegistryServer) -> None:
    server.route("/a.tgz", Reply(b"bytes", headers={"Set-Cookie": "a=b; Path=/"}))
    with client(NpmConfig(registry=server.url)) as registry:
        for _ in range(2):
            registry.tarball(LockedPackage("a", "1.0.0", "node_modules/a", 1, f"{server.url}a.tgz"), None)
    assert ["cookie" in request.headers for request in server.requests] == [False, False]


# --- where to --------------------------------------------------------------------------------------------


INTERNAL = (
    *(
        "127.0.0.1",
        "127.8.8.8",
        "localhost",
        "localhost.",
        "a.localhost",
        "[::1]",
        "[::]",
        "0.0.0.0",
        "10.0.0.1",
    ),
    *("169.254.169.254", "[fd00:ec2::254]", "[fe80::1%25lo]", "168.63.129.16", "100.100.100.200"),
    *("[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::1]"),
    *("\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "127\u30020\u30020\u30021", "\u24dbocalhost"),
)
ILLEGIBLE = ("127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.0.0.1.", "0")


@pytest.mark.parametrize("host", INTERNAL)
def test_a_lockfile_does_not_lead_into_the_internal_network(server: RegistryServer, host: str) -> None:
    npm = NpmConfig(registry="https://registry.example/")
    with pytest.raises(RegistryProtocolError, match="inside a private network"):
        fetch(npm, f"http://{host}:{server.port}/latest/meta-data")
    assert server.requests == []


@pytest.mark.parametrize("host", ILLEGIBLE)
def test_a_number_that_systems_take_for_an_address_is_no_host(server: RegistryServer, host: str) -> None:
    with pytest.raises(RegistryProtocolError, match="unusable host"):
        fetch(NpmConfig(registry=server.url), f"http://{host}:{server.port}/latest/meta-data")
    server.route("/a.tgz", Reply.redirect(f"http://{host}:{server.port}/latest/meta-data"))
    with pytest.raises(RegistryProtocolError, match="unusable host"):
        fetch(NpmConfig(registry=server.url), f"{server.url}a.tgz")
    assert server.paths == ["/a.tgz"]


@pytest.mark.parametrize("host", [host for host in INTERNAL if host != "127.0.0.1"])
def test_a_redirect_does_not_lead_to_any_internal_address(server: RegistryServer, host: str) -> None:
    target = f"http://{host}:{server.port}/latest/meta-data".encode().decode("latin-1")
    server.route("/a.tgz", Reply.redirect(target))
    with pytest.raises(RegistryProtocolError, match=r"inside a private network|unusable host"):
        fetch(NpmConfig(registry=server.url), f"{server.url}a.tgz")
    assert server.paths == ["/a.tgz"]


def test_another_port_of_the_registrys_machine_is_another_service(
    server: RegistryServer, other: RegistryServer
) -> None:
    npm = NpmConfig(registry=server.url)
    with pytest.raises(RegistryProtocolError, match="inside a private network"):
        fetch(npm, f"{other.url}containers/json")
    server.route("/a.tgz", Reply.redirect(f"{other.url}containers/json"))
    with pytest.raises(RegistryProtocolError, match="inside a private network"):
        fetch(npm, f"{server.url}a.tgz")
    assert other.requests == []
    other.route("/a.tgz", Reply(b"bytes"))
    named = NpmConfig(registry=server.url, secrets={f"//127.0.0.1:{other.port}/:_authToken": TOKEN})
    assert fetch(named, f"{other.url}a.tgz") == b"bytes"


def test_a_redirect_does_not_lead_into_the_internal_network(
    server: RegistryServer, other: RegistryServer
) -> None:
    """The registry is configured as 127.0.0.1, so that localhost is a host nobody has named."""
    server.route("/a.tgz", Reply.redirect(other.url_at("localhost") + "latest/meta-data"))
    with pytest.raises(RegistryProtocolError, match="inside a private network"):
        fetch(NpmConfig(registry=server.url), f"{server.url}a.tgz")
    assert other.requests == []


def test_a_name_that_resolves_into_the_internal_network_is_no_way_in(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    real = socket.getaddrinfo

    def resolve(host: str, *args: object, **kwargs: object) -> object:
        return real("127.0.0.1" if host == "rebound.example" else host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    npm = NpmConfig(registry=server.url)
    with pytest.raises(RegistryProtocolError, match="inside a private network"):
        fetch(npm, f"http://rebound.example:{server.port}/a.tgz")
    assert server.requests == []


def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public when it is looked at and internal a moment later leads nowhere."""
    import socket

    real, asked = socket.getaddrinfo, []

    def rebind(host: str, *args: object, **kwargs: object) -> object:
        if host != "rebound.example":
            return real(host, *args, **kwargs)  # type: ignore[arg-type]
        if kwargs.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        asked.append(host)
        return real("192.88.99.1" if len(asked) == 1 else "127.0.0.1", *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    monkeypatch.setattr("npmguard.registry.transport.is_internal", lambda it: it == "127.0.0.1")
    opened: list[object] = []

    class Socket(socket.socket):
        def connect(self, address: object) -> None:
            opened.append(address)
            raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(socket, "socket", Socket)
    npm = NpmConfig(registry="https://registry.example/", fetch_retries=0)
    with pytest.raises(RegistryUnreachable):
        fetch(npm, f"http://rebound.example:{server.port}/a.tgz")
    assert opened == [("192.88.99.1", server.port)]
    assert asked == ["rebound.example"]


def test_a_registry_in_the_internal_network_is_asked_when_it_is_configured(server: RegistryServer) -> None:
    server.publish("a", "1.0.0", b"bytes")
    npm = NpmConfig(registry=server.url_at("localhost"))
    assert fetch(npm, f"{server.url_at('localhost')}a/-/a-1.0.0.tgz") == b"bytes"


def test_redirects_come_to_an_end(server: RegistryServer) -> None:
    server.route("/a.tgz", Reply.redirect("/a.tgz"))
    with pytest.raises(RegistryProtocolError, match="redirects more than 5 times"):
        fetch(NpmConfig(registry=server.url), f"{server.url}a.tgz")
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location", [None, "file:///etc/passwd", "http://", "http://user:pw@h.example/", "\\\\h\\x"]
)
def test_a_redirect_to_nowhere_is_refused(server: RegistryServer, location: str | None) -> None:
    reply = Reply(status=302) if location is None else Reply.redirect(location)
    server.route("/a.tgz", reply)
    with pytest.raises(RegistryProtocolError, match="redirects"):
        fetch(NpmConfig(registry=server.url), f"{server.url}a.tgz")


# --- TLS and proxies -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1", "registry.example")


def configured(folder: Path, text: str, **environ: str) -> NpmConfig:
    (folder / "package.json").write_text("{}")
    (folder / ".npmrc").write_text(text)
    return load_npm_config(
        folder, {"HOME": str(folder / "home"), "PREFIX": str(folder), "PATH": os.environ["PATH"], **environ}
    )


@pytest.mark.parametrize("how", ["cafile", "ca", "NODE_EXTRA_CA_CERTS", "strict-ssl"])
def test_tls_trusts_whom_npm_is_told_to_trust(how: str, certificate: Certificate, tmp_path: Path) -> None:
    pem = certificate.authority.read_text().strip()
    lines = {
        "cafile": f"cafile={certificate.authority}",
        "ca": 'ca="' + pem.replace("\n", "\\n") + '"',
        "NODE_EXTRA_CA_CERTS": "",
        "strict-ssl": "strict-ssl=false",
    }
    environ = {"NODE_EXTRA_CA_CERTS": str(certificate.authority)} if how == "NODE_EXTRA_CA_CERTS" else {}
    with RegistryServer(tls=certificate) as server:
        server.publish("a", "1.0.0")
        npm = configured(tmp_path, f"registry={server.url}\n{lines[how]}\n", **environ)
        assert any("strict-ssl is off" in note for note in npm.notes) is (how == "strict-ssl")
        with client(npm) as registry:
            assert list(registry.packument("a").releases) == ["1.0.0"]


def test_a_stranger_certificate_is_not_trusted(certificate: Certificate) -> None:
    with RegistryServer(tls=certificate) as server, client(NpmConfig(registry=server.url)) as registry:
        server.publish("a", "1.0.0")
        with pytest.raises(RegistryUnreachable, match=r"not trusted: .*; set cafile in \.npmrc"):
            registry.packument("a")


def test_a_certificate_for_another_host_is_not_trusted(certificate: Certificate) -> None:
    ca = (certificate.authority.read_text(),)
    with RegistryServer(tls=certificate) as server:
        npm = NpmConfig(registry=server.url_at("localhost"), ca=ca)
        with client(npm) as registry, pytest.raises(RegistryUnreachable, match="not trusted"):
            registry.packument("a")


def test_a_redirect_from_https_to_http_is_refused(server: RegistryServer, certificate: Certificate) -> None:
    with RegistryServer(tls=certificate) as secure:
        secure.route("/a.tgz", Reply.redirect(f"{server.url}a.tgz"))
        npm = NpmConfig(registry=secure.url, ca=(certificate.authority.read_text(),))
        with pytest.raises(RegistryProtocolError, match="from https to plain http"):
            fetch(npm, f"{secure.url}a.tgz")
    assert server.requests == []


def test_a_client_certificate_is_shown_to_its_own_registry_alone(certificate: Certificate) -> None:
    """The same certificate serves as the client's; the other registry would ask for one too."""
    demanding = replace(certificate, clients_too=True)
    with RegistryServer(tls=demanding) as own, RegistryServer(tls=demanding) as stranger:
        own.publish("a", "1.0.0", b"bytes")
        stranger.route("/a.tgz", Reply(b"bytes"))
        key = f"//127.0.0.1:{own.port}/"
        npm = NpmConfig(
            registry=own.url,
            scopes={"@stranger": stranger.url},
            ca=(certificate.authority.read_text(),),
            secrets={f"{key}:certfile": str(certificate.file), f"{key}:keyfile": str(certificate.key)},
        )
        assert fetch(npm, f"{own.url}a/-/a-1.0.0.tgz") == b"bytes"
        with pytest.raises(RegistryUnreachable):
            fetch(npm, f"{stranger.url}a.tgz")
        assert stranger.requests == []


def test_a_client_certificate_that_cannot_be_read_is_told(certificate: Certificate) -> None:
    secrets = {"//127.0.0.1:1/:certfile": "/nowhere.pem", "//127.0.0.1:1/:keyfile": str(certificate.key)}
    with pytest.raises(NpmrcError, match=r"the client certificate /nowhere\.pem"):
        fetch(NpmConfig(registry="https://127.0.0.1:1/", secrets=secrets), "https://127.0.0.1:1/a.tgz")


def test_a_cafile_without_certificates_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    npm = configured(tmp_path, "registry=https://127.0.0.1:1/\ncafile=ca.pem\n")
    with client(npm) as registry, pytest.raises(NpmrcError, match="ca or cafile"):
        registry.packument("a")


def test_http_goes_through_the_proxy(server: RegistryServer) -> None:
    """The name need not resolve here: the proxy is the one that looks it up."""
    proxy = server.url.replace("http://", "http://user:pw@").rstrip("/")
    npm = NpmConfig(registry="http://registry.example/", proxy=proxy)
    document = server.publish("a", "1.0.0")
    server.route("http://registry.example/a", Reply.json(document))
    with client(npm) as registry:
        assert list(registry.packument("a").releases) == ["1.0.0"]
    (request,) = server.requests
    assert request.headers["proxy-authorization"] == "Basic " + base64.b64encode(b"user:pw").decode()


def test_https_goes_through_a_tunnel_of_the_proxy(certificate: Certificate) -> None:
    with RegistryServer(tunnel=certificate) as proxy:
        proxy.publish("a", "1.0.0")
        npm = NpmConfig(
            registry="https://registry.example/",
            https_proxy=proxy.url.replace("http://", "http://user:pw@"),
            ca=(certificate.authority.read_text(),),
            secrets={"//registry.example/:_authToken": TOKEN},
        )
        with client(npm) as registry:
            assert list(registry.packument("a").releases) == ["1.0.0"]
        connect, get = proxy.requests
    assert (connect.method, connect.path) == ("CONNECT", "registry.example:443")
    assert "proxy-authorization" in connect.headers
    assert "authorization" not in connect.headers
    assert "proxy-authorization" not in get.headers
    assert get.headers["authorization"] == f"Bearer {TOKEN}"


def test_noproxy_goes_past_the_proxy(server: RegistryServer, other: RegistryServer) -> None:
    server.publish("a", "1.0.0")
    with client(NpmConfig(registry=server.url, proxy=other.url, noproxy="127.0.0.1")) as registry:
        registry.packument("a")
    assert other.requests == []


def test_the_environment_of_requests_is_not_asked(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """npm's configuration alone decides; a .netrc or another tool's proxy is none of it."""
    server.publish("a", "1.0.0")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with client(NpmConfig(registry=server.url)) as registry:
        registry.packument("a")
    assert authorizations(server) == [None]


def test_an_error_does_not_repeat_the_password_of_the_proxy(server: RegistryServer) -> None:
    npm = NpmConfig(registry="https://registry.example/", https_proxy="http://user:t0p-secret@127.0.0.1:1/")
    with client(npm) as registry, pytest.raises(RegistryError) as caught:
        registry.packument("a")
    assert "the proxy 127.0.0.1:1" in str(caught.value)
    assert TOKEN not in f"{caught.value} {npm!r}"
    assert server.requests == []
