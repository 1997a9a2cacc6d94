"""How far mail of a code host that somebody runs under their own domain can be accused.

GitLab, GitHub Enterprise and Bitbucket are run by companies and projects under their own names, so a message
that calls itself GitLab and leads to its sender's own domain may be in order. What tells it apart is structure:
the reader's own domain, the headers that the software writes, or the sender's host named as the place of the
account. Everything of that can be forged, so none of it excuses a request for secrets under pressure.
"""

from __future__ import annotations

import re

from npmguard.mail.claims import Claims
from npmguard.mail.data import Brand
from npmguard.mail.links import covers
from npmguard.mail.lookalike import registered_domain
from npmguard.mail.view import Leads, View
from npmguard.model import MailVerdict

# https://docs.gitlab.com/user/profile/notifications/ and
# https://docs.github.com/en/subscriptions-and-notifications/reference/email-notification-headers
_SOFTWARE = {"gitlab": "x-gitlab-", "github": "x-github-"}


def ceiling(view: View, brand: Brand, claims: Claims, leads: Leads) -> MailVerdict:
    """The gravest verdict that *view* deserves in the name of *brand*: PHISHING is no ceiling at all."""
    if (
        not brand.self_hosted
        or any(like.strong for like in claims.sender_lookalikes)
        or leads.like_strong
        or leads.misleading
        or claims.disguised
        or "address in the display name" in claims.identity
    ):
        return MailVerdict.PHISHING
    places = {registered_domain(domain) for domain in view.from_domains}
    ways = {registered_domain(target.host) for target in leads.elsewhere}
    if len(places) != 1 or not ways <= places:
        return MailVerdict.PHISHING
    place = next(iter(places))
    if covers(set(view.options.own_domains), place):
        return MailVerdict.UNRELATED
    if leads.form or leads.page:
        return MailVerdict.PHISHING
    addressed = {registered_domain(address.rpartition("@")[2]) for address in view.recipients}
    if place in addressed:  # whoever sends may write any recipient
        return MailVerdict.PHISHING if view.secret and view.pressure else MailVerdict.UNRELATED
    return _of_strangers(view, brand, claims, place)


def _of_strangers(view: View, brand: Brand, claims: Claims, place: str) -> MailVerdict:
    """The same where the reader is no member of the organisation that sends."""
    calls_itself = "display name" in claims.identity or claims.voice is not None
    if _written_by_the_software(view, brand, place):
        grave = view.secret or (calls_itself and view.lure)
        return MailVerdict.SUSPICIOUS if grave else MailVerdict.UNRELATED
    if names_hosted_service(view, brand):
        return MailVerdict.PHISHING
    if _names_own_host(view):
        return MailVerdict.SUSPICIOUS if view.wants or calls_itself else MailVerdict.UNRELATED
    kinds = {like.kind for like in claims.sender_lookalikes}
    speaks_of_it = "name in the display name" in claims.weak and "account" in claims.weak
    if not view.wants and (kinds == {"subdomain"} or not (calls_itself or speaks_of_it)):
        return MailVerdict.UNRELATED
    return MailVerdict.PHISHING


def names_hosted_service(view: View, brand: Brand) -> bool:
    """Whether the text names a domain of the brand's: "your account on GitLab.com"."""
    return any(_named(entry.domain, line) for entry in brand.domains[:1] for line in view.wording.lines)


def _names_own_host(view: View) -> bool:
    return any(_named(host, line) for host in view.from_domains for line in view.wording.lines)


def _named(host: str, line: str) -> bool:
    """Whether *line* holds *host* as a word and not as a part of an address or a link."""
    return host in line and re.search(rf"(?<![\w@/.\-]){re.escape(host)}(?![\w\-/]|\.\w)", line) is not None


def _written_by_the_software(view: View, brand: Brand, place: str) -> bool:
    prefix = _SOFTWARE.get(brand.id)
    if prefix is None or not any(header.name.startswith(prefix) for header in view.message.headers):
        return False
    answers = {
        registered_domain(address.domain) for address in view.message.addresses("reply-to") if address.domain
    }
    return answers <= {place}
