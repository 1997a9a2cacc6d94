"""``--check-domains``: RDAP and the DNS on loopback, a scan as its user runs it."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dnslib import NS, QTYPE, RCODE, RR, DNSRecord

from tests.command import Result, environment, npmguard, write_lock
from tests.fixture_packages import pack
from tests.servers import RegistryServer, Reply, sri

OLD = "1999-01-01T00:00:00Z"


class Zone(socketserver.BaseRequestHandler):
    """A DNS server that holds `served.example` and nothing else."""

    def handle(self) -> None:
        data, socket = self.request
        query = DNSRecord.parse(data)
        reply = query.reply()
        if str(query.q.qname).rstrip(".") != "served.example":
            reply.header.rcode = RCODE.NXDOMAIN
        elif query.q.qtype == QTYPE.NS:
            reply.add_answer(RR("served.example", QTYPE.NS, rdata=NS("ns.served.example")))
        socket.sendto(reply.pack(), self.client_address)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        services = {"version": "1.0", "services": [[["example"], [f"{running.url}rdap/"]]]}
        running.route("/dns.json", Reply.json(services))
        yield running


@pytest.fixture
def dns() -> Iterator[str]:
    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Zone) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def registered(server: RegistryServer, domain: str, **dates: str) -> None:
    events = [{"eventAction": action, "eventDate": date} for action, date in dates.items()]
    server.route(f"/rdap/domain/{domain}", Reply.json({"objectClassName": "domain", "events": events}))


def scan(server: RegistryServer, folder: Path, dns: str, domain: str, *options: str) -> Result:
    """A scan of a package whose maintainer's address is at *domain*."""
    tarball = pack(
        {
            "package.json": b'{"name": "a", "version": "1.0.0", "main": "index.js"}',
            "index.js": b"module.exports = 1\n",
        }
    )
    people: dict[str, Any] = {"maintainers": [{"name": "ann", "email": f"ann@mail.{domain}"}]}
    server.publish("a", "1.0.0", tarball, manifest={"main": "index.js", **people})
    lock = write_lock(folder / "project", {"name": "a", "version": "1.0.0", "integrity": sri(tarball)})
    settings = f'[domains]\nrdap = "{server.url}dns.json"\ndns = "{dns}"\n'
    (lock.parent / "npmguard.toml").write_text(settings)
    env = environment(folder / "home", server.url)
    return npmguard("scan", lock, "--format", "json", *options, env=env)


def rules(done: Result) -> list[str]:
    assert done.package("a")["verdict"] == "clean"  # a note, and no more
    return [finding["rule"] for finding in done.package("a")["findings"]]


def test_nobody_is_asked_unless_the_user_says_so(server: RegistryServer, tmp_path: Path, dns: str) -> None:
    assert rules(scan(server, tmp_path, dns, "gone.example")) == []
    assert "/dns.json" not in server.paths


def test_a_domain_that_nobody_holds_is_a_note(server: RegistryServer, tmp_path: Path, dns: str) -> None:
    done = scan(server, tmp_path, dns, "gone.example", "--check-domains")
    assert rules(done) == ["maintainer-domain-expired"]
    assert len(server.asked("/rdap/domain/gone.example")) == 1


def test_a_registration_that_has_ended_is_a_note(server: RegistryServer, tmp_path: Path, dns: str) -> None:
    registered(server, "old.example", registration=OLD, expiration="2020-01-01T00:00:00Z")
    done = scan(server, tmp_path, dns, "old.example", "--check-domains")
    assert rules(done) == ["maintainer-domain-expired"]
    assert "its registration ended on 2020-01-01" in json.dumps(done.report)


def test_a_domain_that_changed_hands_is_a_note(server: RegistryServer, tmp_path: Path, dns: str) -> None:
    registered(server, "new.example", registration=(datetime.now(UTC) - timedelta(days=9)).isoformat())
    assert rules(scan(server, tmp_path, dns, "new.example", "--check-domains")) == ["maintainer-domain-new"]


def test_a_domain_in_order_is_nothing(server: RegistryServer, tmp_path: Path, dns: str) -> None:
    registered(server, "held.example", registration=OLD, expiration="2099-01-01T00:00:00Z")
    assert rules(scan(server, tmp_path, dns, "held.example", "--check-domains")) == []


@pytest.mark.parametrize(
    ("path", "reply", "domain"),
    [
        ("/dns.json", Reply(status=503), "gone.example"),
        ("/dns.json", Reply(b"<html>"), "gone.example"),
        ("/rdap/domain/held.example", Reply(status=500), "held.example"),
        ("/rdap/domain/held.example", Reply(b"[1]"), "held.example"),
        ("/rdap/domain/held.example", Reply(status=429), "held.example"),
        ("/rdap/domain/served.example", Reply(status=404), "served.example"),
    ],
)
def test_what_could_not_be_asked_is_told_and_no_signal(
    server: RegistryServer, tmp_path: Path, dns: str, path: str, reply: Reply, domain: str
) -> None:
    server.route(path, reply)
    done = scan(server, tmp_path, dns, domain, "--check-domains")
    assert (done.code, rules(done)) == (0, [])
    (note,) = [it for it in done.report["notes"] if it.startswith("maintainers' domains: ")]
    assert f"{domain} could not be asked about" in note


def test_offline_that_is_said(server: RegistryServer, tmp_path: Path, dns: str) -> None:
    scan(server, tmp_path, dns, "gone.example")
    done = scan(server, tmp_path, dns, "gone.example", "--check-domains", "--offline")
    assert "maintainers' domains: not asked: offline" in done.report["notes"]
    assert "/dns.json" not in server.paths
