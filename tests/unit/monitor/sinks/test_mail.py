"""Alerts by a real mail server: over TLS, with a password, in one thread an incident."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from npmguard.errors import ConfigError, SinkError
from npmguard.monitor.sinks.mail import Mail, MailServer, mail_address, mail_message
from tests.servers import make_certificate
from tests.unit.monitor.released import alert, hostile_alert

PASSWORD = "correct horse battery staple"


class Kept:
    """What the server was handed."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.refuse = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        del server, session, options
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        del server, session
        self.messages.append(envelope.content)
        return "250 OK"


def free_port() -> int:
    with socket.socket() as probe:  # aiosmtpd wants to know its port beforehand
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
    del server, session, envelope, mechanism
    return AuthResult(success=data.login == b"monitor" and data.password == PASSWORD.encode(), handled=False)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def mail(kept: Kept, tmp_path: Path) -> Iterator[Mail]:
    certificate = make_certificate(tmp_path, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.file, certificate.key)
    controller = Controller(
        kept,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    )
    controller.start()
    server = MailServer(
        "localhost", controller.port, "starttls", "monitor", lambda: PASSWORD, str(certificate.authority)
    )
    yield Mail("security@example.org", "npmguard@example.org", server)
    controller.stop()


def test_an_alert_arrives_over_tls_and_after_a_login(mail: Mail, kept: Kept) -> None:
    mail.deliver(alert())
    (content,) = kept.messages
    message = message_from_bytes(content, policy=default)
    assert message["To"] == "security@example.org"
    assert message["Message-ID"] == f"<{alert().id}@example.org>"
    assert message["References"] == "<incident.inc-0123456789abcdef@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_content()
    assert "palette-lite@5.6.1 (malicious): Wallet addresses" in text
    assert "host drop[.]evil[.]example, in 3 releases" in text
    assert "npmguard monitor incidents inc-0123456789abcdef" in text


def test_a_wrong_password_is_told_and_not_shown(mail: Mail) -> None:
    wrong = replace(mail, server=replace(mail.server, password=lambda: "not-it-at-all"))
    with pytest.raises(
        SinkError, match=r"mailto:security@example.org: localhost refuses the user and password \(535\)"
    ):
        wrong.deliver(alert())
    assert "not-it" not in repr(wrong)


def test_a_certificate_that_is_not_trusted_gets_no_password(mail: Mail, kept: Kept) -> None:
    with pytest.raises(SinkError, match="its certificate is not trusted"):
        replace(mail, server=replace(mail.server, authorities=None)).deliver(alert())
    assert kept.messages == []


def test_a_recipient_who_is_refused_is_told(mail: Mail, kept: Kept) -> None:
    kept.refuse = "550 no such user"
    with pytest.raises(SinkError, match=r"refuses the recipient \(550\)"):
        mail.deliver(alert())


def test_a_server_without_tls_gets_nothing(kept: Kept) -> None:
    controller = Controller(kept, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        port = controller.port
        plain = Mail("security@example.org", "npmguard@example.org", MailServer("localhost", port, "starttls"))
        with pytest.raises(SinkError, match="STARTTLS"):
            plain.deliver(alert())
        replace(plain, server=MailServer("localhost", port, "none")).deliver(alert())
    finally:
        controller.stop()
    assert len(kept.messages) == 1


def test_a_server_that_is_not_there_is_told() -> None:
    away = Mail("security@example.org", "npmguard@example.org", MailServer("localhost", 1, "none"))
    with pytest.raises(SinkError, match="localhost cannot be reached"):
        away.deliver(alert())


def test_hostile_texts_add_no_header_and_no_line() -> None:
    message = mail_message(hostile_alert(), "npmguard@example.org", "security@example.org")
    parsed = message_from_bytes(message.as_bytes(), policy=default)
    assert set(parsed) == {
        *("From", "To", "Subject", "Date", "Message-ID", "References", "Auto-Submitted", "X-Npmguard-Alert"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    }
    assert "\\r\\nBcc: all@evil.example" in parsed["Subject"]
    text = parsed.get_content()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not [line for line in text.splitlines() if line.startswith("Bcc")]
    assert "https://" not in text


def test_a_repeat_is_the_same_message() -> None:
    one, other = (mail_message(alert(), "a@example.org", "b@example.org").as_bytes() for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    "text",
    ["", "nobody", "@example.org", "a@b\r\nBcc: c@d", "A <a@example.org>", "a@b, c@d", "ä@example.org", "a@"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no mail address"):
        mail_address(text, "--alerts mailto")
