"""The links of a message, each with where it goes and whose that place is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from npmguard.mail.content import Content
from npmguard.mail.data import Brand, Hosts
from npmguard.mail.html import RawLink
from npmguard.mail.links import Destination, bare_hosts, covers, destination, parse_url, text_urls
from npmguard.mail.lookalike import Owner, lookalikes, owned_by, owner, registered_domain, split_host
from npmguard.mail.text import strip_invisible
from npmguard.model import Lookalike


class Place(StrEnum):
    """Whose the target of a link is, seen from the brand that the message claims."""

    BRAND = "brand"
    OTHER_BRAND = "other-brand"
    OWN = "own"  # the reader's
    NEUTRAL = "neutral"
    OPAQUE = "opaque"  # a shortener or click counter
    LOOKALIKE = "lookalike"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Target:
    """One link: ``shown`` is the host that its text pretends, where the text is an address."""

    link: RawLink
    goes: Destination
    shown: str | None

    @property
    def host(self) -> str:
        """The host where it ends."""
        return self.goes.host


def targets_of(content: Content, hosts: Hosts) -> tuple[Target, ...]:
    """Every link to the web of *content*, without repeats."""
    found: list[Target] = []
    seen: set[tuple[str, str, str]] = set()
    for link in content.links:
        goes = destination(link.target, hosts)
        if (
            goes is None
            and link.kind in {"form", "refresh", "frame", "script"}
            and not link.target.startswith(("mailto:", "data:"))
        ):
            continue
        if goes is None:
            continue
        key = (link.kind, link.target, link.text)
        if key not in seen:
            seen.add(key)
            found.append(Target(link, goes, _shown_host(link)))
    return tuple(found)


def place_of(target: Target, brand: Brand, hosts: Hosts, own_domains: frozenset[str]) -> Place:
    """Whose *target* is."""
    host = target.host
    if likes_of(target, brand):
        return Place.LOOKALIKE
    if covers(set(own_domains), host):
        return Place.OWN
    if owner(host, brand) is Owner.BRAND:
        return Place.BRAND
    if owned_by(host):
        return Place.OTHER_BRAND
    if target.goes.opaque:
        return Place.OPAQUE
    if covers(hosts.neutral, host):
        return Place.NEUTRAL
    return Place.ELSEWHERE


def likes_of(target: Target, brand: Brand) -> tuple[Lookalike, ...]:
    """Lookalikes of *brand* on the way; a brand's name before an @ or in the path counts too."""
    found: list[Lookalike] = []
    for url in target.goes.urls:
        found += [like for like in lookalikes(url.host) if like.brand == brand.id]
        if url.user and owner(url.host, brand) is not Owner.BRAND and not owned_by(url.host):
            user = url.user.partition(":")[0]
            if owner(user, brand) is Owner.BRAND or any(like.brand == brand.id for like in lookalikes(user)):
                parts = split_host(url.host)
                reason = f"{user} stands before an @ and only {url.host} is the host"
                found.append(Lookalike(parts.host, parts.registered, brand.id, "embedded", user, True, reason))
        if owner(url.host, brand) is Owner.OTHER and not owned_by(url.host) and _in_path(url.path, brand):
            parts = split_host(url.host)
            reason = f"{brand.domains[0].domain} stands in the path and {url.host} is the host"
            found.append(
                Lookalike(
                    parts.host, parts.registered, brand.id, "embedded", brand.domains[0].domain, False, reason
                )
            )
    return tuple(dict.fromkeys(found))


def misleads(target: Target, brand: Brand) -> bool:
    """Whether the link's text is an address of *brand* and the link goes elsewhere."""
    if target.shown is None or owner(target.shown, brand) is not Owner.BRAND:
        return False
    return not owned_by(target.host) and registered_domain(target.shown) != registered_domain(target.host)


def _in_path(path: str, brand: Brand) -> bool:
    pieces = path.lower().split("/")[:6]
    names = {entry.domain for entry in brand.domains}
    return any(piece.removeprefix("www.") in names for piece in pieces)


def _shown_host(link: RawLink) -> str | None:
    """The host that a link's text names, where the text is nothing but an address."""
    if link.kind != "anchor" or not link.text:
        return None
    text = strip_invisible(link.text).strip(" .:<>()[]\u2192\u00bb\u203a").lower()
    if not text or len(text) > 300 or " " in text:
        # "Sign in at https://www.npmjs.com/login" names a host as well
        found = next(text_urls(text), None) if text else None
        url = parse_url(found) if found else None
        return url.host if url else None
    url = parse_url(text if "//" in text or text.startswith("www.") else f"https://{text}")
    if url is None:
        return None
    return url.host if next(iter(bare_hosts(url.host)), None) else None
