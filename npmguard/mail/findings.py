"""What a run found, as indicators that `scan --indicators` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from npmguard.intel.indicators import guess_kind, make_indicator
from npmguard.mail.data import load_hosts
from npmguard.mail.links import covers
from npmguard.mail.lookalike import owned_by, split_host
from npmguard.model import Indicator, IndicatorKind, Lookalike, MailReport, MailVerdict

_SOURCE = "npmguard mail"
_OF_THE_NAME = frozenset({"other-tld", "typo", "homoglyph", "punycode", "combination"})


def found_indicators(reports: Iterable[MailReport]) -> tuple[Indicator, ...]:
    """The strong lookalike domains of phishing messages, attached ones too; sorted, without repeats.

    Where the registered domain is innocent (a page under github.io, a subdomain of somebody's site), the host
    is the indicator.
    """
    found = {
        make_indicator(
            IndicatorKind.DOMAIN, _name(like), _SOURCE, description=f"passes for {like.imitates} ({like.kind})"
        )
        for report in _all(reports)
        if report.verdict is MailVerdict.PHISHING
        for like in report.lookalikes
        if like.strong and _usable(like)
    }
    return tuple(sorted(found))


def _all(reports: Iterable[MailReport]) -> Iterator[MailReport]:
    for report in reports:
        yield report
        yield from _all(report.nested)


def _name(like: Lookalike) -> str:
    of_the_name = (
        like.kind in _OF_THE_NAME and like.reason.startswith(like.domain) and not split_host(like.host).private
    )
    return like.domain if of_the_name else like.host


def _usable(like: Lookalike) -> bool:
    hosts = load_hosts()
    name = _name(like)
    return (
        guess_kind(name) is IndicatorKind.DOMAIN
        and not owned_by(name)
        and not covers(hosts.trackers | hosts.shorteners | hosts.neutral | hosts.freemail, name)
    )
