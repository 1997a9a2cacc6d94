"""RDAP servers that lead astray, flood or drip: a domain without an age, and nothing worse."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from npmguard.config import Network
from npmguard.lookup.rdap import RdapClient
from npmguard.registry.npmrc import NpmConfig
from npmguard.registry.web import HttpWeb
from tests.servers import RegistryServer, Reply

NETWORK = Network(connect_timeout=0.5, read_timeout=0.5, transfer_timeout=1.0, retries=0, give_up_after=1.0)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        served(running, f"{running.url}rdap/")
        yield running


@pytest.fixture
def other() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def served(server: RegistryServer, base: str) -> None:
    server.route("/dns.json", Reply.json({"version": "1.0", "services": [[["example"], [base]]]}))


def problem(server: RegistryServer) -> str:
    bootstrap = f"{server.url}dns.json"
    with HttpWeb(NpmConfig(), NETWORK, [bootstrap]) as web:
        answer = RdapClient(None, bootstrap, web=web)("a.example")
    assert answer.registered is None
    assert answer.problem.isprintable()
    return answer.problem


def test_a_list_that_names_an_internal_server_leads_nowhere(
    server: RegistryServer, other: RegistryServer
) -> None:
    served(server, f"{other.url}rdap/")
    assert "inside a private network" in problem(server)
    assert other.requests == []


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/", "http://[fd00:ec2::254]/", "self"])
def test_a_redirect_into_an_internal_network_is_not_followed(
    server: RegistryServer, other: RegistryServer, target: str
) -> None:
    target = other.url if target == "self" else target
    server.route("/rdap/domain/a.example", Reply.redirect(target))
    assert "inside a private network" in problem(server)
    assert other.requests == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(gzip.compress(bytes(64 * 1024**2), 9), headers={"Content-Encoding": "gzip"}),
        Reply(bytes(5 * 1024**2)),
        Reply(b"{}" * 99, drip=0.1),
        Reply(b"{}", drip_headers=0.1),
        Reply(hang=9),
        Reply(reset=True),
        Reply(b"{}", content_length=10**12, send_only=1),
        Reply(b"<html>"),
        Reply(b"[" * 100_000),
        Reply(b'{"events":[{"eventAction":"\xff","eventDate":"\xff"}]}'),
    ],
    ids=[
        *("gzip bomb", "flood", "drip", "drip of headers", "hang", "reset", "lie", "no JSON", "deep JSON"),
        "not UTF-8",
    ],
)
def test_an_answer_that_is_none_ends_in_words(server: RegistryServer, reply: Reply) -> None:
    server.route("/rdap/domain/a.example", reply)
    assert problem(server)


def test_passwords_that_other_programs_keep_are_sent_to_nobody(
    server: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login bob password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.route("/rdap/domain/a.example", Reply.json({"events": []}))
    problem(server)
    assert len(server.requests) == 2
    assert all("authorization" not in request.headers for request in server.requests)
