"""A registry that fails, stalls, throttles or is not there costs seconds, and ends in words."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from npmguard.config import Limits, Network
from npmguard.errors import RegistryError, RegistryProtocolError, RegistryUnreachable
from npmguard.model import LockedPackage
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import NpmConfig
from tests.servers import RegistryServer, Reply, Request, free_port, wait_until

QUICK = Network(connect_timeout=0.5, read_timeout=0.4, transfer_timeout=0.6, retries=1, give_up_after=2.0)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def client(url: str, network: Network = QUICK, fetch_retries: int | None = None) -> RegistryClient:
    return RegistryClient(NpmConfig(registry=url, fetch_retries=fetch_retries), network, Limits(), None)


def tarball(registry: RegistryClient, name: str = "a") -> bytes:
    return registry.tarball(LockedPackage(name, "1.0.0", f"node_modules/{name}", 1), None)


def ask_many(registry: RegistryClient, count: int) -> list[BaseException | None]:
    with ThreadPoolExecutor(16) as executor:
        futures = [executor.submit(registry.packument, f"package-{index}") for index in range(count)]
        return [future.exception() for future in futures]


# --- failures that pass ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503, 408])
def test_a_server_error_is_asked_again(server: RegistryServer, status: int) -> None:
    server.route("/a", Reply(status=status), Reply.json(server.publish("a", "1.0.0")))
    with client(server.url) as registry:
        assert list(registry.packument("a").releases) == ["1.0.0"]
    assert len(server.requests) == 2


def test_a_reset_connection_is_opened_again(server: RegistryServer) -> None:
    server.route("/a", Reply(reset=True), Reply.json(server.publish("a", "1.0.0")))
    with client(server.url) as registry:
        assert list(registry.packument("a").releases) == ["1.0.0"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_truncated_body_is_fetched_again(server: RegistryServer, chunked: bool) -> None:
    whole = Reply(bytes(5000), chunked=chunked)
    server.route("/a/-/a-1.0.0.tgz", Reply(bytes(5000), send_only=3000, chunked=chunked), whole)
    with client(server.url) as registry:
        assert tarball(registry) == bytes(5000)
    assert len(server.requests) == 2


def test_a_body_cut_inside_its_encoding_is_fetched_again(server: RegistryServer) -> None:
    import gzip

    document = Reply.json(server.publish("a", "1.0.0"))
    cut = Reply(gzip.compress(document.body)[:-20], headers={"Content-Encoding": "gzip"})
    server.route("/a", cut, document)
    with client(server.url) as registry:
        assert list(registry.packument("a").releases) == ["1.0.0"]


def test_a_stalled_body_is_fetched_again(server: RegistryServer) -> None:
    server.route("/a/-/a-1.0.0.tgz", Reply(b"bytes", hang=5.0), Reply(b"bytes"))
    with client(server.url) as registry:
        assert tarball(registry) == b"bytes"


# --- throttling ------------------------------------------------------------------------------------------


def test_a_throttled_install_of_many_packages_finishes(server: RegistryServer) -> None:
    """The registry lets eight requests through at a time, then says to come back later."""
    allowance = threading.Semaphore(8)

    def refill() -> None:
        while not done.wait(0.05):
            allowance.release(8)

    def throttled(request: Request) -> Reply:
        if allowance.acquire(blocking=False):
            return Reply.json({"name": request.path.removeprefix("/"), "versions": {}})
        return Reply(status=429, headers={"Retry-After": "0"})

    done = threading.Event()
    for index in range(200):
        server.route(f"/package-{index}", throttled)
    refiller = threading.Thread(target=refill)
    refiller.start()
    with client(server.url) as registry:
        outcomes = ask_many(registry, 200)
    done.set()
    refiller.join()
    assert outcomes == [None] * 200
    assert len(server.requests) > 200


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for(server: RegistryServer, as_date: bool) -> None:
    asked: list[float] = []

    def throttled(_: object) -> Reply:
        asked.append(time.monotonic())
        later = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if as_date else "1"
        return Reply(status=429, headers={"Retry-After": later}) if len(asked) == 1 else Reply(b"bytes")

    server.route("/a/-/a-1.0.0.tgz", throttled)
    with client(server.url) as registry:
        assert tarball(registry) == b"bytes"
    assert asked[1] - asked[0] >= 0.9


def test_closing_ends_the_waiting(server: RegistryServer) -> None:
    server.route("/a", Reply(status=429, headers={"Retry-After": "50"}))
    registry = client(server.url)
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(registry.packument, "a")
        wait_until(lambda: len(server.requests) == 1)
        registry.close()
        with pytest.raises(RegistryUnreachable, match="closing"):
            future.result(timeout=10)


# --- failures that stay ----------------------------------------------------------------------------------


def test_a_server_that_keeps_failing_is_asked_as_often_as_configured(server: RegistryServer) -> None:
    server.route("/a", Reply(status=503))
    with client(server.url) as registry, pytest.raises(RegistryUnreachable, match="answers 503, 2 times over"):
        registry.packument("a")
    assert len(server.requests) == 2


def test_npms_own_number_of_retries_goes_before(server: RegistryServer) -> None:
    server.route("/a", Reply(status=503))
    with client(server.url, fetch_retries=0) as registry, pytest.raises(RegistryUnreachable):
        registry.packument("a")
    assert len(server.requests) == 1


def test_a_body_that_is_always_truncated_is_told(server: RegistryServer) -> None:
    server.route("/a/-/a-1.0.0.tgz", Reply(bytes(5000), send_only=3000))
    with client(server.url) as registry, pytest.raises(RegistryUnreachable, match="cut short after 3000 bytes"):
        tarball(registry)


@pytest.mark.parametrize("stated", [10, 10_000])
def test_a_wrong_content_length_is_not_believed(server: RegistryServer, stated: int) -> None:
    document = Reply.json(server.publish("a", "1.0.0"))
    server.route("/a", Reply(document.body, content_length=stated))
    with client(server.url) as registry, pytest.raises((RegistryUnreachable, RegistryProtocolError)):
        registry.packument("a")


def test_a_drip_of_bytes_ends_with_the_transfer_timeout(server: RegistryServer) -> None:
    server.route("/a/-/a-1.0.0.tgz", Reply(bytes(5000), drip=0.1))
    with client(server.url) as registry, pytest.raises(RegistryUnreachable, match="took too long"):
        tarball(registry)


def test_a_drip_of_headers_ends_too(server: RegistryServer) -> None:
    server.route("/a/-/a-1.0.0.tgz", Reply(bytes(5000), drip_headers=0.1))
    with client(server.url) as registry, pytest.raises(RegistryUnreachable, match="took too long"):
        tarball(registry)


def test_an_error_page_that_drips_does_not_hold_anything_up(server: RegistryServer) -> None:
    server.route("/a", Reply(bytes(5000), status=404, drip=0.1))
    with client(server.url) as registry, pytest.raises(RegistryError, match="404"):
        registry.packument("a")


def test_what_does_not_speak_http_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def babble() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with client(url) as registry, pytest.raises(RegistryUnreachable, match="does not speak HTTP"):
            registry.packument("a")
        thread.join()


@pytest.mark.parametrize(
    "head",
    [
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
        b"\r\n",
        b"X: ",
    ],
)
def test_an_answer_without_end_is_cut_off(head: bytes) -> None:
    """http.client takes a chunk of length -1 to go on for ever, and would keep all of it in memory."""
    sent = 0

    def flood() -> None:
        nonlocal sent
        for _ in range(2):
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
                    while sent < 500_000_000:
                        sent += connection.send(bytes(100_000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=flood)
        thread.start()
        npm = NpmConfig(registry=f"http://127.0.0.1:{listener.getsockname()[1]}/")
        network = Network(transfer_timeout=30.0, retries=1)
        limits = Limits(packument_bytes=1_000_000)
        with RegistryClient(npm, network, limits, None) as registry, pytest.raises(RegistryError):
            registry.packument("a")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert sent < 60_000_000


def test_a_registry_that_throttles_for_ever_is_given_up(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("npmguard.registry.client.THROTTLE_PATIENCE", 1.5)
    server.route("/a", Reply(status=429, headers={"Retry-After": "1"}))
    with client(server.url) as registry, pytest.raises(RegistryUnreachable, match="429, too many requests"):
        registry.packument("a")
    assert len(server.requests) == 2


# --- a registry that is not there ------------------------------------------------------------------------


def test_many_packages_of_a_registry_that_refuses_connections() -> None:
    network = Network()  # as users have it: 20 seconds of patience
    with client(f"http://127.0.0.1:{free_port()}/", network) as registry:
        outcomes = ask_many(registry, 900)
    assert all(isinstance(outcome, RegistryUnreachable) for outcome in outcomes)
    assert "Connection refused" in str(outcomes[-1])
    assert "given up for now" in str(outcomes[-1])


def test_many_packages_of_a_registry_that_never_answers(server: RegistryServer) -> None:
    for index in range(100):
        server.route(f"/package-{index}", Reply(hang=60))
    with client(server.url, Network(read_timeout=20.0, give_up_after=2.0)) as registry:
        outcomes = ask_many(registry, 100)
    assert all(isinstance(outcome, RegistryUnreachable) for outcome in outcomes)
    assert len(server.requests) <= 32


def test_many_packages_of_a_registry_whose_headers_drip(server: RegistryServer) -> None:
    for index in range(100):
        server.route(f"/package-{index}", Reply(drip_headers=0.2))
    with client(server.url, Network(give_up_after=2.0)) as registry:
        outcomes = ask_many(registry, 100)
    assert all(isinstance(outcome, RegistryUnreachable) for outcome in outcomes)


def test_many_packages_of_a_registry_that_only_fails(server: RegistryServer) -> None:
    for index in range(200):
        server.route(f"/package-{index}", Reply(status=503, headers={"Retry-After": "1"}))
    with client(server.url, Network(give_up_after=2.0)) as registry:
        outcomes = ask_many(registry, 200)
    assert all(isinstance(outcome, RegistryUnreachable) for outcome in outcomes)
    assert len(server.requests) < 200


def test_many_packages_of_a_registry_without_a_name() -> None:
    with client("http://registry.invalid/", Network(connect_timeout=2.0)) as registry:
        outcomes = ask_many(registry, 100)
    assert all(isinstance(outcome, RegistryUnreachable) for outcome in outcomes)
    assert "registry.invalid cannot be looked up" in str(outcomes[0])


def test_a_resolver_that_hangs_does_not_hold_anything_up(monkeypatch: pytest.MonkeyPatch) -> None:
    real, stop = socket.getaddrinfo, threading.Event()

    def hang(host: str, port: int, *, type: int, flags: int = 0) -> object:  # noqa: A002 - as in the original
        if flags & socket.AI_NUMERICHOST:
            return real(host, port, type=type, flags=flags)
        stop.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with client("http://registry.example/") as registry, pytest.raises(RegistryUnreachable, match="looked up"):
        registry.packument("a")
    stop.set()


def test_a_registry_that_goes_down_in_the_middle_is_given_up(server: RegistryServer) -> None:
    server.publish("a", "1.0.0")
    for index in range(100):
        server.route(f"/package-{index}", Reply(hang=60))
    with client(server.url, Network(read_timeout=1.0, give_up_after=1.5)) as registry:
        registry.packument("a")
        outcomes = ask_many(registry, 100)
    assert all(isinstance(outcome, RegistryUnreachable) for outcome in outcomes)
    assert len(server.requests) < 100


def test_one_registry_that_is_down_does_not_take_another_with_it(server: RegistryServer) -> None:
    server.publish("a", "1.0.0")
    npm = NpmConfig(registry=server.url, scopes={"@down": f"http://127.0.0.1:{free_port()}/"})
    with RegistryClient(npm, QUICK, Limits(), None) as registry:
        for index in range(4):
            with pytest.raises(RegistryUnreachable):
                registry.packument(f"@down/{index}")
        assert list(registry.packument("a").releases) == ["1.0.0"]
