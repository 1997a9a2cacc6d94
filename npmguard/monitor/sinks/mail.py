"""Alerts as mail, one message each, those of an incident in one thread."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal

from npmguard.errors import ConfigError, SinkError
from npmguard.monitor.alert_text import alert_text
from npmguard.monitor.sinks.sink import for_people

if TYPE_CHECKING:
    from npmguard.monitor.alert import Alert

Security = Literal["starttls", "tls", "none"]
PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Whom to hand mail to; ``security`` is how, and a server that cannot do so gets none.

    ``password`` gives the password, asked for at each delivery, so that it can be replaced meanwhile.
    ``authorities`` is a file of certificates to trust in the place of the system's.
    """

    host: str
    port: int
    security: Security
    user: str = ""
    password: Callable[[], str] = field(default=str, repr=False)
    authorities: str | None = None
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Mail:
    """Messages to *recipient* from *sender*, both plain addresses."""

    recipient: str
    sender: str
    server: MailServer

    @property
    def name(self) -> str:
        """``mailto:`` and the address."""
        return f"mailto:{self.recipient}"

    def takes(self, alert: Alert) -> bool:
        """Those for people."""
        return for_people(alert)

    def deliver(self, alert: Alert) -> None:
        """Send *alert*.

        A repeat has the same ``Message-ID``, by which mail systems know it.

        Raises:
            SinkError: the server did not take it.
        """
        message = mail_message(alert, self.sender, self.recipient)
        server = self.server
        try:
            with self._connect() as connection:
                if server.user:
                    connection.login(server.user, server.password())
                connection.send_message(message, self.sender, [self.recipient])
        except smtplib.SMTPAuthenticationError as error:
            raise SinkError(
                f"{self.name}: {server.host} refuses the user and password ({error.smtp_code})"
            ) from None
        except smtplib.SMTPResponseException as error:
            raise SinkError(f"{self.name}: {server.host} answered {error.smtp_code}") from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = ", ".join(sorted({str(code) for code, _ in error.recipients.values()}))
            raise SinkError(f"{self.name}: {server.host} refuses the recipient ({codes})") from None
        except smtplib.SMTPNotSupportedError as error:
            raise SinkError(f"{self.name}: {server.host}: {error}; see security in [alerts.smtp]") from None
        except ssl.SSLError:
            raise SinkError(
                f"{self.name}: {server.host}: its certificate is not trusted, or TLS failed"
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            raise SinkError(f"{self.name}: {server.host} cannot be reached ({type(error).__name__})") from None

    def _connect(self) -> smtplib.SMTP:
        server = self.server
        if server.security == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=self._context())
        connection = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
        if server.security == "starttls":
            try:
                connection.starttls(context=self._context())
            except (smtplib.SMTPException, OSError):
                connection.close()
                raise
        return connection

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.server.authorities)


def mail_message(alert: Alert, sender: str, recipient: str) -> EmailMessage:
    """*alert* as a message in plain text; the same alert gives the same bytes."""
    text = alert_text(alert)
    domain = sender.rpartition("@")[2]
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = text.headline
    message["Date"] = format_datetime(datetime.fromisoformat(alert.time))
    message["Message-ID"] = f"<{alert.id}@{domain}>"
    message["References"] = f"<incident.{alert.incident}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence notice in return
    message["X-Npmguard-Alert"] = alert.id
    message.set_content(text.plain(), charset="utf-8", cte="quoted-printable")
    return message


def mail_address(text: str, source: str) -> str:
    """A plain mail address.

    Raises:
        ConfigError: it is none; the message names *source*.
    """
    try:
        address = Address(addr_spec=text)
    except (HeaderParseError, ValueError, IndexError):
        address = Address()
    if not address.domain or address.addr_spec != text or not text.isascii() or not text.isprintable():
        raise ConfigError(f"{source}: {text!r} is no mail address; write one as name@example.org")
    return text
