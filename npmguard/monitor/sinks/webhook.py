"""Alerts posted to a URL: as they are, as a Slack message, or as a Teams card.

Deliveries are signed as https://www.standardwebhooks.com asks: the receiver verifies ``webhook-signature``,
refuses an old ``webhook-timestamp``, and knows a repeat by its ``webhook-id``, which is the alert's id.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from npmguard import __version__
from npmguard.errors import ConfigError, SinkError
from npmguard.monitor.sinks.sink import for_people
from npmguard.report.escape import message

if TYPE_CHECKING:
    from datetime import datetime

    from npmguard.monitor.alert import Alert

_PREFIX: Final = "whsec_"
_LEAST_SECRET = 16  # bytes
_MOST_READ = 64 * 1024  # of an answer, which says nothing that matters


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that alerts are posted to.

    ``label`` is the name of the sink, which holds nothing of the URL that could be a secret. ``body`` makes the
    request's body of an alert. With ``secrets``, each delivery is signed with every one of them, so that a
    secret can be replaced without a delivery that cannot be verified. ``now`` gives the time of the signature.
    """

    label: str
    url: str = field(repr=False)
    body: Callable[[Alert], bytes]
    now: Callable[[], datetime]
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    timeout: float = 10.0  # seconds, to connect and between two pieces of the answer

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    def takes(self, alert: Alert) -> bool:
        """Those for people."""
        return for_people(alert)

    def deliver(self, alert: Alert) -> None:
        """Post *alert*; any answer from 200 to 299 means that it was taken.

        Redirects are not followed: a signed body belongs to whom it was made for.

        Raises:
            SinkError: there was another answer or none; with the time that ``Retry-After`` asks for.
        """
        import requests  # noqa: PLC0415 - most commands post nothing
        from requests.utils import get_environ_proxies  # noqa: PLC0415

        body = self.body(alert)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"npmguard/{__version__}",
            "Idempotency-Key": alert.id,
            **signature_headers(alert.id, body, self.secrets, int(self.now().timestamp())),
        }
        try:
            with requests.Session() as session:
                session.trust_env = False  # no credentials of a .netrc
                with session.post(
                    self.url,
                    data=body,
                    headers=headers,
                    timeout=self.timeout,
                    allow_redirects=False,
                    stream=True,
                    proxies=get_environ_proxies(self.url),
                    verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True,
                ) as response:
                    status = response.status_code
                    retry_after = response.headers.get("Retry-After")
                    response.raw.read(_MOST_READ)
        except (requests.RequestException, OSError) as error:
            raise SinkError(f"{self.label}: {_reason(error)}") from None  # the error itself names the URL
        if not 200 <= status < 300:
            raise SinkError(f"{self.label}: answered {status}", _seconds(retry_after, self.now()))


def signature_headers(identity: str, body: bytes, secrets: tuple[bytes, ...], timestamp: int) -> dict[str, str]:
    """The headers that name, date and sign a delivery; without a secret there is no signature.

    *timestamp* is in seconds since 1970. Signed is ``id.timestamp.body`` with HMAC-SHA256.
    """
    headers = {"webhook-id": identity, "webhook-timestamp": str(timestamp)}
    if secrets:
        signed = f"{identity}.{timestamp}.".encode() + body
        made = [base64.b64encode(hmac.digest(secret, signed, "sha256")).decode("ascii") for secret in secrets]
        headers["webhook-signature"] = " ".join(f"v1,{each}" for each in made)
    return headers


def parse_secrets(text: str, source: str) -> tuple[bytes, ...]:
    """The secrets in *text*, parted by white space; each ``whsec_`` with Base64, as Standard Webhooks has them.

    Raises:
        ConfigError: one is not that, or too short; the message names *source* and nothing of the secret.
    """
    found = []
    for token in text.split():
        try:
            secret = base64.b64decode(token.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if not token.startswith(_PREFIX) or len(secret) < _LEAST_SECRET:
            raise ConfigError(
                f"{source}: a webhook secret is {_PREFIX} with the Base64 of at least {_LEAST_SECRET} bytes:"
                ' make one with python -c "import base64,secrets;'
                " print('whsec_'+base64.b64encode(secrets.token_bytes(32)).decode())\""
            )
        found.append(secret)
    return tuple(found)


def shown_url(kind: str, url: str) -> str:
    """A name for *url* that gives away nothing: its host, and a digest to tell two of one host apart."""
    digest = sha256(url.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return f"{kind}:{message(host, 253)}#{digest}"


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """Read Retry-After (RFC 9110, section 10.2.3): seconds, or a date."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        when = parsedate_to_datetime(text)
        return max(0.0, when.timestamp() - now.timestamp())
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    """What went wrong, without the URL, which libraries put into their messages."""
    import requests  # noqa: PLC0415

    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted, or TLS failed"
    if isinstance(error, requests.Timeout):
        return "did not answer in time"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot be reached"
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached, or broke the connection"
    return f"could not be asked ({type(error).__name__})"
