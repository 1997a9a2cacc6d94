"""What of a message is known from campaigns: mailboxes, URLs, domains and addresses of hosts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from ipaddress import ip_address

from npmguard.intel.indicators import make_indicator
from npmguard.mail.data import load_campaigns
from npmguard.mail.links import Url
from npmguard.mail.lookalike import split_host
from npmguard.model import Indicator, IndicatorKind


@cache
def shipped_indicators() -> tuple[Indicator, ...]:
    """The indicators of the campaigns that ship with npmguard; the source is the campaign's first report."""
    found = []
    for campaign in load_campaigns():
        for kind, values in (
            (IndicatorKind.DOMAIN, campaign.domains),
            (IndicatorKind.EMAIL, campaign.emails),
            (IndicatorKind.URL, campaign.urls),
        ):
            found += [
                make_indicator(kind, value, campaign.sources[0], campaign.date.isoformat(), campaign.title)
                for value in values
            ]
    return tuple(sorted(found))


def known_places(
    indicators: Iterable[Indicator], mailboxes: Iterable[str], hosts: Iterable[str], urls: Iterable[Url]
) -> dict[str, str]:
    """Every mailbox, host and URL that an indicator names -> who says so; the user's before the shipped ones.

    A domain covers its subdomains and the mailboxes below it (their domains are among *hosts*); a URL covers
    what lies below its path.
    """
    table: dict[tuple[IndicatorKind, str], str] = {}
    paths: dict[str, list[tuple[str, str, str]]] = {}  # host -> (path, query, who)
    for indicator in (*indicators, *shipped_indicators()):
        who = indicator.source or "indicator file"
        if indicator.kind is IndicatorKind.URL:
            host, path, query = _split(indicator.value)
            paths.setdefault(host, []).append((path, query, who))
        else:
            table.setdefault((indicator.kind, indicator.value), who)
    found: dict[str, str] = {}
    for mailbox in dict.fromkeys(mailboxes):
        told = table.get((IndicatorKind.EMAIL, _plain(mailbox))) or table.get((IndicatorKind.EMAIL, mailbox))
        if told:
            found[mailbox] = told
    for host in dict.fromkeys(hosts):
        told = _known_host(host, table)
        if told:
            found[host] = told
    for url in dict.fromkeys(urls):
        ascii_host = split_host(url.host).host if url.host else ""
        for path, query, who in paths.get(ascii_host, ()):
            if _below(url.path, path) and (not query or query == url.query):
                found.setdefault(f"{url.scheme}://{url.host}{url.path}", who)
    return found


def _known_host(host: str, table: dict[tuple[IndicatorKind, str], str]) -> str | None:
    if not host:
        return None
    try:
        return table.get((IndicatorKind.IP, str(ip_address(host.strip("[]")))))
    except ValueError:
        ascii_host = split_host(host).host
    labels = ascii_host.split(".")[-10:]
    for at in range(len(labels) - 1):
        told = table.get((IndicatorKind.DOMAIN, ".".join(labels[at:])))
        if told:
            return told
    return None


def _split(url: str) -> tuple[str, str, str]:
    rest = url.partition("://")[2].partition("#")[0]
    rest, _, query = rest.partition("?")
    host, slash, path = rest.partition("/")
    name = host.rpartition("@")[2]
    return (name if name.startswith("[") else name.partition(":")[0]).lower(), (slash + path) or "/", query


def _below(path: str, known: str) -> bool:
    path = path or "/"
    return path == known or path.startswith(known.rstrip("/") + "/")


def _plain(mailbox: str) -> str:
    """*mailbox* without a ``+tag``."""
    local, _, domain = mailbox.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"
