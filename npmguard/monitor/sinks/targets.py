"""``--alerts KIND:TARGET`` as sinks.

A URL that is a secret by itself, as those of Slack and Teams are, is better not typed: ``slack:env:NAME`` takes
it from a variable of the environment, ``slack:file:PATH`` from a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from npmguard.errors import ConfigError, SinkError
from npmguard.monitor.alert import Alert
from npmguard.monitor.sinks.atom import AtomFeed
from npmguard.monitor.sinks.json_lines import JsonLines
from npmguard.monitor.sinks.mail import PORTS, Mail, MailServer, mail_address
from npmguard.monitor.sinks.osv import OsvRecords
from npmguard.monitor.sinks.slack import slack_body
from npmguard.monitor.sinks.teams import teams_body
from npmguard.monitor.sinks.webhook import Webhook, parse_secrets, shown_url

if TYPE_CHECKING:
    from npmguard.config import Alerts
    from npmguard.monitor.sinks.sink import Sink

KINDS: Final = (
    "jsonl:FILE",
    "webhook:URL",
    "slack:URL",
    "teams:URL",
    "mailto:ADDRESS",
    "atom:FILE",
    "osv:FOLDER",
)
_MOST_SECRET = 64 * 1024
_BODIES: Mapping[str, Callable[[Alert], bytes]] = {
    "webhook": Alert.encode,
    "slack": slack_body,
    "teams": teams_body,
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


def open_sinks(
    targets: Iterable[str],
    settings: Alerts,
    environ: Mapping[str, str] = os.environ,
    now: Callable[[], datetime] = _utc_now,
) -> tuple[Sink, ...]:
    """The sinks that *targets* name, in their order and each once.

    Args:
        targets: as ``--alerts`` has them.
        settings: the ``[alerts]`` section.
        environ: where secrets may be.
        now: the time by which deliveries are dated.

    Raises:
        ConfigError: a target is none of :data:`KINDS`, or something that it needs is missing. The message holds
            no secret.
    """
    found: dict[str, Sink] = {}
    for target in targets:
        sink = _open(target, settings, environ, now)
        found.setdefault(sink.name, sink)
    return tuple(found.values())


def take_secrets(
    targets: Iterable[str], settings: Alerts, environment: MutableMapping[str, str]
) -> dict[str, str]:
    """Take the variables that hold secrets of *targets* out of *environment*, so that no worker gets them."""
    names = {settings.webhook_secret_env, settings.smtp.password_env}
    for target in targets:
        _, _, rest = target.partition(":")
        how, _, name = rest.partition(":")
        if how == "env":
            names.add(name)
    return {name: environment.pop(name) for name in sorted(names) if name in environment}


def _open(target: str, settings: Alerts, environ: Mapping[str, str], now: Callable[[], datetime]) -> Sink:
    kind, _, rest = target.partition(":")
    if not rest:
        raise ConfigError(f"--alerts: {kind[:20]!r} is no receiver of alerts; write one of {', '.join(KINDS)}")
    if kind == "jsonl":
        return JsonLines(_file(kind, rest))
    if kind == "atom":
        return AtomFeed(_file(kind, rest), settings.atom_entries)
    if kind == "osv":
        folder = Path(rest).absolute()
        if not folder.is_dir():
            raise ConfigError(
                f"--alerts osv:{rest}: no such folder; make it, or name a checkout of the database"
            )
        return OsvRecords(folder, settings.finder)
    if kind == "mailto":
        return _mail(rest, settings, environ)
    if kind in _BODIES:
        return _webhook(kind, rest, settings, environ, now)
    raise ConfigError(f"--alerts: {kind[:20]!r} is no receiver of alerts; write one of {', '.join(KINDS)}")


def _file(kind: str, text: str) -> Path:
    path = Path(text).absolute()
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"--alerts {kind}:{text}: cannot be written; name a file in a folder that exists")
    return path


def _webhook(
    kind: str, rest: str, settings: Alerts, environ: Mapping[str, str], now: Callable[[], datetime]
) -> Webhook:
    how, _, place = rest.partition(":")
    if how in {"env", "file"} and place:
        label = f"{kind}:{rest}"
        url = _from_env(place, environ, label) if how == "env" else _from_file(place, label)
    else:
        url, label = rest, shown_url(kind, rest)
    _check_url(url, kind, f"--alerts {label}")
    return Webhook(
        label, url, _BODIES[kind], now, _webhook_secrets(settings, environ) if kind == "webhook" else ()
    )


def _check_url(url: str, kind: str, source: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
        parts = urlsplit("")
    if (
        parts.scheme not in {"http", "https"}
        or not host
        or not url.isascii()
        or not url.isprintable()
        or " " in url
    ):
        raise ConfigError(f"{source}: no http or https URL")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{source}: has a user name or password in its URL; sign deliveries in its place")
    if parts.scheme == "http" and kind != "webhook" and not _is_loopback(host):
        raise ConfigError(f"{source}: is not https, and its URL is a secret")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _webhook_secrets(settings: Alerts, environ: Mapping[str, str]) -> tuple[bytes, ...]:
    if settings.webhook_secret_file:
        source = f"alerts.webhook-secret-file {settings.webhook_secret_file}"
        return parse_secrets(_from_file(settings.webhook_secret_file, source), source)
    text = environ.get(settings.webhook_secret_env, "")
    return parse_secrets(text, settings.webhook_secret_env)


def _mail(rest: str, settings: Alerts, environ: Mapping[str, str]) -> Mail:
    recipient = mail_address(unquote(rest), "--alerts mailto")
    smtp = settings.smtp
    if not smtp.host or not smtp.sender:
        raise ConfigError("--alerts mailto: set host and sender under [alerts.smtp] in npmguard.toml")
    if smtp.user and smtp.security == "none":
        raise ConfigError(
            'alerts.smtp: a password is not sent in the clear; set security to "starttls" or "tls"'
        )
    if smtp.user:
        _password(settings, environ)
    server = MailServer(
        smtp.host,
        smtp.port or PORTS[smtp.security],
        smtp.security,
        smtp.user,
        partial(_password_again, settings, environ),
        smtp.ca_file or None,
    )
    return Mail(recipient, mail_address(smtp.sender, "alerts.smtp.sender"), server)


def _password_again(settings: Alerts, environ: Mapping[str, str]) -> str:
    try:
        return _password(settings, environ)
    except ConfigError as error:
        raise SinkError(str(error)) from error


def _password(settings: Alerts, environ: Mapping[str, str]) -> str:
    smtp = settings.smtp
    if smtp.password_file:
        return _from_file(smtp.password_file, "alerts.smtp.password-file")
    return _from_env(smtp.password_env, environ, "alerts.smtp")


def _from_env(name: str, environ: Mapping[str, str], source: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"{source}: the variable {name} of the environment is not set")
    return value


def _from_file(path: str, source: str) -> str:
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MOST_SECRET).decode("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{source}: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{source}: {path} is not UTF-8 text") from None
    if not text:
        raise ConfigError(f"{source}: {path} is empty")
    return text
