"""SPF, DKIM, DMARC, ARC and the age of domains, with real keys, against DNS and RDAP servers on loopback."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from dnslib import QTYPE, RCODE, RR, TXT, A, DNSRecord

from npmguard.config import Cache, Config
from npmguard.errors import UsageError
from npmguard.lookup.dns import DnsResolver, DnsUnreachable
from npmguard.lookup.rdap import RdapClient
from npmguard.mail.command import Judge
from npmguard.mail.judge import judge_message
from npmguard.mail.options import MailOptions
from npmguard.model import AuthOutcome, MailReport, MailVerdict

FOLDER = Path(__file__).parents[2] / "fixtures" / "mail"
SEPTEMBER = (FOLDER / "phishing" / "npm-2025-09-08.eml").read_bytes()
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
KEY_RECORD = f"v=DKIM1; k=rsa; p={PUBLIC}"
ED25519 = ed25519.Ed25519PrivateKey.generate()
ED25519_RECORD = f"v=DKIM1; k=ed25519; p={base64.b64encode(ED25519.public_key().public_bytes_raw()).decode()}"


class Answers(socketserver.BaseRequestHandler):
    """A DNS server of TXT and A records; names under `silent.example` get no answer."""

    def handle(self) -> None:
        data, socket = self.request
        query = DNSRecord.parse(data)
        name = str(query.q.qname).rstrip(".").lower()
        if name.endswith("silent.example"):
            return
        reply = query.reply()
        zone: Mapping[str, str] = self.server.zone  # type: ignore[attr-defined] # set by the fixture
        value = zone.get(name)
        if value is None:
            reply.header.rcode = RCODE.NXDOMAIN
        elif query.q.qtype == QTYPE.TXT and not value.startswith("A "):
            pieces = [value[at : at + 250] for at in range(0, len(value), 250)]
            reply.add_answer(RR(name, QTYPE.TXT, rdata=TXT(pieces)))
        elif query.q.qtype == QTYPE.A and value.startswith("A "):
            reply.add_answer(RR(name, QTYPE.A, rdata=A(value[2:])))
        socket.sendto(reply.pack(), self.client_address)


ZONE = {
    "npmjs.help": "v=spf1 ip4:192.0.2.25 -all",
    "s1._domainkey.npmjs.help": KEY_RECORD,
    "_dmarc.npmjs.help": "v=DMARC1; p=reject; adkim=s",
    "npmjs.com": "v=spf1 ip4:192.0.2.99 -all",
    "s1._domainkey.npmjs.com": KEY_RECORD,
    "e1._domainkey.npmjs.com": ED25519_RECORD,
    "_dmarc.npmjs.com": "v=DMARC1; p=reject",
    "s1._domainkey.relay.example": KEY_RECORD,
    "loop.example": "v=spf1 include:loop.example -all",
}


@pytest.fixture
def dns() -> Iterator[str]:
    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Answers) as server:
        server.zone = ZONE  # type: ignore[attr-defined] # read by the handler
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def signed(raw: bytes, domain: str, *, length: bool = False) -> bytes:
    header = dkim.sign(
        raw, b"s1", domain.encode(), PRIVATE, include_headers=[b"from", b"subject", b"to"], length=length
    )
    return bytes(header).replace(b"\r\n", b"\n") + raw


def online(
    dns: str, client_ip: str | None = None, mail_from: str | None = None, helo: str | None = None
) -> MailOptions:
    return MailOptions(resolver=DnsResolver(dns), client_ip=client_ip, mail_from=mail_from, helo=helo)


def outcomes(report: MailReport) -> tuple[AuthOutcome, AuthOutcome, AuthOutcome]:
    checks = report.authentication
    return checks.spf.outcome, checks.dkim.outcome, checks.dmarc.outcome


def test_the_message_of_september_2025_passes_everything_and_is_phishing(dns: str) -> None:
    raw = signed(SEPTEMBER, "npmjs.help")
    report = judge_message(
        raw, online(dns, client_ip="192.0.2.25", mail_from="support@npmjs.help", helo="mail.npmjs.help")
    )
    assert outcomes(report) == (AuthOutcome.PASS, AuthOutcome.PASS, AuthOutcome.PASS)
    assert report.authentication.dkim.aligned
    assert report.verdict is MailVerdict.PHISHING
    assert report.incomplete == ()


def test_offline_nothing_is_checked_and_it_is_phishing_all_the_same() -> None:
    report = judge_message(signed(SEPTEMBER, "npmjs.help"))
    assert set(outcomes(report)) == {AuthOutcome.NOT_CHECKED}
    assert report.verdict is MailVerdict.PHISHING


def test_a_changed_body_or_another_servers_address_fails(dns: str) -> None:
    raw = signed(SEPTEMBER, "npmjs.help").replace(b"qix-maintainer", b"other", 1)
    report = judge_message(raw, online(dns, client_ip="192.0.2.26", mail_from="support@npmjs.help"))
    assert outcomes(report) == (AuthOutcome.FAIL, AuthOutcome.FAIL, AuthOutcome.FAIL)


def test_a_forged_sender_of_the_real_domain_is_found_out(dns: str) -> None:
    raw = b"From: npm <support@npmjs.com>\nTo: m@dev.example\nSubject: x\n\nVerify your account: https://evil.example/x\n"
    report = judge_message(raw, online(dns, client_ip="192.0.2.1", mail_from="x@npmjs.com"))
    assert report.authentication.dmarc.outcome is AuthOutcome.FAIL
    assert report.verdict is MailVerdict.PHISHING
    harmless = b"From: npm <support@npmjs.com>\nTo: m@dev.example\nSubject: x\n\nHello.\n"
    assert (
        judge_message(harmless, online(dns, client_ip="192.0.2.1", mail_from="x@npmjs.com")).verdict
        is MailVerdict.SUSPICIOUS
    )
    assert judge_message(signed(harmless, "npmjs.com"), online(dns)).verdict is MailVerdict.GENUINE


def test_a_signature_of_another_domain_is_valid_and_not_aligned(dns: str) -> None:
    raw = signed(b"From: npm <support@npmjs.com>\nTo: m@dev.example\nSubject: x\n\nHello.\n", "relay.example")
    report = judge_message(raw, online(dns, client_ip="192.0.2.1", mail_from="x@npmjs.com"))
    assert report.authentication.dkim.outcome is AuthOutcome.PASS
    assert not report.authentication.dkim.aligned
    assert report.authentication.dmarc.outcome is AuthOutcome.FAIL


def test_a_signature_that_covers_a_part_of_the_body_is_no_pass(dns: str) -> None:
    raw = signed(
        b"From: npm <support@npmjs.com>\nTo: m@dev.example\nSubject: x\n\nHello.\n", "npmjs.com", length=True
    )
    report = judge_message(raw + b"Verify: https://evil.example\n", online(dns))
    assert report.authentication.dkim.outcome is AuthOutcome.NEUTRAL


def signed_by_ed25519(raw: bytes, domain: str) -> bytes:
    header = dkim.sign(
        raw,
        b"e1",
        domain.encode(),
        base64.b64encode(ED25519.private_bytes_raw()),
        include_headers=[b"from", b"subject"],
        signature_algorithm=b"ed25519-sha256",
    )
    return bytes(header).replace(b"\r\n", b"\n") + raw


def test_an_ed25519_signature_is_verified_and_a_changed_body_breaks_it(dns: str) -> None:
    raw = b"From: npm <support@npmjs.com>\nSubject: Published\n\nSee https://www.npmjs.com/package/x\n"
    whole = signed_by_ed25519(raw, "npmjs.com")
    check = judge_message(whole, online(dns)).authentication.dkim
    assert (check.outcome, check.domain, check.aligned) == (AuthOutcome.PASS, "npmjs.com", True)
    changed = whole.replace(b"package/x", b"package/y")
    assert judge_message(changed, online(dns)).authentication.dkim.outcome is AuthOutcome.FAIL


def test_an_arc_chain_is_verified(dns: str) -> None:
    raw = b"Authentication-Results: relay.example; spf=pass smtp.mailfrom=npmjs.com\n" + signed(
        b"From: npm <support@npmjs.com>\nTo: m@dev.example\nSubject: x\n\nHello.\n", "npmjs.com"
    )
    chain = dkim.arc_sign(
        raw, b"s1", b"relay.example", PRIVATE, b"relay.example", include_headers=[b"from", b"subject"]
    )
    sealed = b"".join(chain).replace(b"\r\n", b"\n") + raw
    assert judge_message(sealed, online(dns)).authentication.arc.outcome is AuthOutcome.PASS
    broken = sealed.replace(b"Hello.", b"Hallo.")
    assert judge_message(broken, online(dns)).authentication.arc.outcome is AuthOutcome.FAIL


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"v=1",
        b"v=1; a=rsa-sha256; d=npmjs.com; s=s1; h=from; bh=!!; b=!!",
        b"v=1; a=none; d=; s=; h=; bh=; b=",
        b"\xff\xff;=;=",
        b"v=1; a=rsa-sha256; d=npmjs.com; s=s1; h=from; l=x; bh=AAAA; b=AAAA",
    ],
)
def test_a_malformed_signature_fails_and_raises_nothing(dns: str, signature: bytes) -> None:
    raw = b"DKIM-Signature: " + signature + b"\nFrom: npm <support@npmjs.com>\nSubject: x\n\nHello.\n"
    assert judge_message(raw, online(dns)).authentication.dkim.outcome is AuthOutcome.FAIL


def test_spf_that_names_itself_ends_as_an_error_and_not_in_a_loop(dns: str) -> None:
    raw = b"From: a@loop.example\nSubject: x\n\nHello.\n"
    report = judge_message(raw, online(dns, client_ip="192.0.2.1", mail_from="a@loop.example"))
    assert report.authentication.spf.outcome is AuthOutcome.ERROR


def test_a_dns_server_that_does_not_answer_leaves_the_judgement_incomplete(dns: str) -> None:
    resolver = DnsResolver(dns)
    resolver._resolver.lifetime = 0.3
    with pytest.raises(DnsUnreachable):
        resolver.lookup("a.silent.example", "TXT")
    raw = signed(b"From: a@silent.example\nTo: m@dev.example\nSubject: x\n\nHello.\n", "silent.example")
    report = judge_message(raw, MailOptions(resolver=resolver))
    assert report.authentication.dkim.outcome is AuthOutcome.ERROR
    assert any("DKIM could not be asked" in problem for problem in report.incomplete)


def test_the_session_is_read_from_the_trusted_servers_received_header(dns: str) -> None:
    received = b"Received: from mail.npmjs.help (mail.npmjs.help [192.0.2.25]) by mx.dev.example (Postfix) with ESMTPS\n"  # noqa: E501 - as it stands in a message
    raw = b"Return-Path: <support@npmjs.help>\n" + received + SEPTEMBER
    trusted = replace(online(dns), authserv_ids=frozenset({"mx.dev.example"}))
    assert judge_message(raw, trusted).authentication.spf.outcome is AuthOutcome.PASS
    assert judge_message(raw, online(dns)).authentication.spf.outcome is AuthOutcome.NOT_CHECKED


def test_a_dns_server_that_is_no_address_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="--dns-server"):
        DnsResolver("not an address")


class Rdap(BaseHTTPRequestHandler):
    """IANA's bootstrap and one registry; `asked` counts requests by path."""

    asked: dict[str, int] = {}  # noqa: RUF012 - shared on purpose, cleared by the fixture
    registered = ""

    def do_GET(self) -> None:
        Rdap.asked[self.path] = Rdap.asked.get(self.path, 0) + 1
        base = f"http://127.0.0.1:{self.server.server_address[1]}"  # type: ignore[index] # an address of TCP
        status = 200
        body: dict[str, object] = {}
        if self.path == "/dns.json":
            body = {
                "version": "1.0",
                "services": [[["help", "example"], [f"{base}/rdap/"]], [["broken"], [f"{base}/broken/"]]],
            }
        elif self.path.startswith("/rdap/domain/") and "unknown" not in self.path:
            body = {
                "events": [
                    {"eventAction": "last changed", "eventDate": "2020-01-01T00:00:00Z"},
                    {"eventAction": "registration", "eventDate": Rdap.registered},
                ]
            }
        elif self.path.startswith("/rdap/"):
            status = 404
        else:
            status = 500
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture
def rdap() -> Iterator[str]:
    Rdap.asked.clear()
    Rdap.registered = (datetime.now(UTC) - timedelta(days=3, hours=1)).isoformat()
    with HTTPServer(("127.0.0.1", 0), Rdap) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/dns.json"
        server.shutdown()


def test_the_age_of_a_domain_is_asked_through_the_bootstrap_and_kept(rdap: str, tmp_path: Path) -> None:
    for _ in range(2):
        client = RdapClient(tmp_path, rdap)
        registered = client("npmjs.help").registered
        assert registered is not None
        assert (datetime.now(UTC) - registered).days == 3
        assert client.problems == ()
    assert Rdap.asked == {"/dns.json": 1, "/rdap/domain/npmjs.help": 1}


def test_a_domain_that_cannot_be_asked_about_has_no_age_and_a_reason(rdap: str) -> None:
    client = RdapClient(None, rdap)
    assert client("unknown.example").registered is None
    assert "no RDAP server" in client("x.invalid").problem
    assert "answers 500" in client("x.broken").problem
    assert client("not a name").problem
    assert RdapClient(None, "http://127.0.0.1:9/dns.json")("a.example").problem


def test_a_domain_registered_three_days_before_is_strong_evidence(rdap: str, dns: str, tmp_path: Path) -> None:
    settings = Config(cache=Cache(directory=str(tmp_path)))
    judge = Judge(settings, online=True, dns_server=dns, rdap_bootstrap=rdap)
    raw = b"From: npm Weekly <news@fresh.example>\nTo: m@dev.example\nSubject: npm: confirm your account\n\nVerify your account: https://fresh.example/x\n"  # noqa: E501 - as it stands in a message
    report = judge.one("-", raw)
    assert report.verdict is MailVerdict.PHISHING
    assert any("fresh.example was registered 3 days before" in evidence.message for evidence in report.evidence)
    assert (tmp_path / "rdap").is_dir()


def test_a_cache_that_cannot_be_written_is_done_without(rdap: str, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert RdapClient(blocked / "rdap", rdap)("npmjs.help").registered is not None
