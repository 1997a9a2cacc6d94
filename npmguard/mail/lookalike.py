"""Whether a host is a brand's, or only looks like it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from npmguard.mail.data import Brand, load_brands, load_hosts
from npmguard.mail.text import latin, look
from npmguard.model import Lookalike

if TYPE_CHECKING:
    from tldextract import TLDExtract

_TOKENS = re.compile(r"[^\W_]+")
_DISTANT = 8  # from this length on, a name two edits away still reads the same
_TYPO_LENGTH = 5
_FAMILIAR = frozenset({"com", "org", "net", "io"})  # top levels that nobody takes for a label of their own


class Owner(StrEnum):
    """Whose a host is, seen from one brand."""

    BRAND = "brand"
    CONTENT = "content"  # the brand's, serving what its users put there
    RELATED = "related"  # somebody else's who bears a similar name by right
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class HostName:
    """A host taken apart by the public-suffix list: ``labels`` stand left of the registered domain."""

    host: str
    labels: tuple[str, ...]
    name: str  # the registered label, decoded from punycode
    suffix: str
    registered: str  # name and suffix in ASCII
    punycode: bool
    private: bool  # the suffix is one that a company rents out (github.io)


@lru_cache(maxsize=8192)
def split_host(host: str) -> HostName:
    """Take *host* apart with the public-suffix list that tldextract ships; a name alone has no suffix."""
    ascii_host = to_ascii(host)
    found = _extractor()(ascii_host, include_psl_private_domains=True)
    domain, suffix, subdomain = found.domain, found.suffix, found.subdomain
    if not suffix and "." in ascii_host.strip("."):
        # the list's prevailing rule for unknown top levels is "*"; tldextract leaves it out
        rest, _, suffix = ascii_host.rpartition(".")
        subdomain, _, domain = rest.rpartition(".")
    name = to_unicode(domain)
    return HostName(
        host=ascii_host,
        labels=tuple(to_unicode(label) for label in subdomain.split(".") if label),
        name=name,
        suffix=suffix,
        registered=f"{domain}.{suffix}" if domain and suffix else ascii_host,
        punycode="xn--" in ascii_host or not host.isascii(),
        private=bool(found.is_private),
    )


def registered_domain(host: str) -> str:
    """The domain that somebody registered: ``login.npmjs.help`` is ``npmjs.help``."""
    return split_host(host).registered


def to_ascii(host: str) -> str:
    """*host* with every label in ASCII; a label that IDNA refuses stays as it looks in Punycode alone."""
    host = host.lower().strip(".")
    if host.isascii():
        return host
    labels = []
    for label in host.split("."):
        try:
            labels.append(label if label.isascii() else "xn--" + label[:63].encode("punycode").decode("ascii"))
        except UnicodeError:
            labels.append(latin(label).encode("ascii", "ignore").decode("ascii"))
    return ".".join(label for label in labels if label)


def to_unicode(label: str) -> str:
    """*label* decoded from Punycode where it is that."""
    if not label.startswith("xn--") or len(label) > 63:
        return label
    try:
        return label[4:].encode("ascii").decode("punycode").lower()
    except UnicodeError:
        return label


def owner(host: str, brand: Brand) -> Owner:
    """Whose *host* is, seen from *brand*."""
    return _owners(to_ascii(host)).get(brand.id, Owner.OTHER)


@lru_cache(maxsize=8192)
def _owners(host: str) -> dict[str, Owner]:
    """The brands that have to do with *host* or a name above it, content before mail before relatives."""
    table = _owner_table()
    found: dict[str, Owner] = {}
    while host:
        for brand, what in table.get(host, ()):
            if brand not in found or what is Owner.CONTENT:
                found[brand] = what
        host = host.partition(".")[2]
    return found


@lru_cache(maxsize=1)
def _owner_table() -> dict[str, tuple[tuple[str, Owner], ...]]:
    table: dict[str, tuple[tuple[str, Owner], ...]] = {}
    for brand in load_brands():
        rows = [(name, Owner.CONTENT) for name in brand.content]
        rows += [(entry.domain, Owner.BRAND) for entry in brand.domains]
        rows += [(entry.domain, Owner.RELATED) for entry in brand.related]
        for name, what in rows:
            table[name] = (*table.get(name, ()), (brand.id, what))
    return table


def owned_by(host: str) -> tuple[str, ...]:
    """The ids of the brands whose *host* is (not as a place for their users' content)."""
    return tuple(brand for brand, what in _owners(to_ascii(host)).items() if what is Owner.BRAND)


@lru_cache(maxsize=8192)
def lookalikes(host: str) -> tuple[Lookalike, ...]:
    """Every brand that *host* passes for without being its, the strong ones first."""
    if "." not in host or host.startswith("["):
        return ()
    parts = split_host(host)
    owners = _owners(parts.host)
    if owners and Owner.CONTENT not in owners.values():
        return ()
    found = [like for brand in load_brands() if (like := _judge(parts, brand)) is not None]
    return tuple(sorted(found, key=lambda like: (not like.strong, like.brand)))


@lru_cache(maxsize=1)
def _extractor() -> TLDExtract:
    from tldextract import TLDExtract  # noqa: PLC0415 - loads the public-suffix list

    return TLDExtract(
        suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True, include_psl_private_domains=True
    )


def _judge(parts: HostName, brand: Brand) -> Lookalike | None:
    """The strongest likeness of one host to one brand."""
    best: Lookalike | None = None
    for kind, imitates, strong, reason in _likenesses(parts, brand):
        if (
            best is None
            or (strong and not best.strong)
            or (strong == best.strong and best.kind == "typo" != kind)
        ):
            best = Lookalike(parts.host, parts.registered, brand.id, kind, imitates, strong, reason)
    return best


def _likenesses(parts: HostName, brand: Brand) -> list[tuple[str, str, bool, str]]:
    main = brand.domains[0].domain
    found: list[tuple[str, str, bool, str]] = []
    whole = ".".join((*parts.labels, parts.name, parts.suffix))
    for entry in brand.domains:
        embedded = _embedded(parts, entry.domain)
        if embedded:
            found.append(
                (
                    "embedded",
                    entry.domain,
                    True,
                    f"{parts.host} writes {entry.domain} into the name of {parts.registered}",
                )
            )
            break
    labels = [(label, True) for label in (*brand.labels.distinctive, *brand.also_imitated)]
    labels += [(label, False) for label in brand.labels.plain]
    exclusive = brand.labels.exclusive
    suffixes = {split_host(entry.domain).suffix for entry in brand.domains}
    for label, distinctive in labels:
        found += _registered_likeness(
            parts, label, main, suffixes, distinctive=distinctive, exclusive=label in exclusive
        )
        for part in parts.labels:
            if part == label or (look(part) == look(label) and distinctive):
                strong = distinctive and (not brand.self_hosted) and label not in {"pypi", "nuget", "rubygems"}
                strong = strong or (part != label and not part.isascii())
                found.append(("subdomain", main, strong, f"{part} is only a subdomain of {parts.registered}"))
            else:
                likeness = _combination(
                    part, label, main, whole, distinctive=distinctive, exclusive=label in exclusive
                )
                if likeness and likeness[2]:
                    found.append(likeness)
    return found


def _registered_likeness(
    parts: HostName, label: str, main: str, suffixes: set[str], *, distinctive: bool, exclusive: bool
) -> list[tuple[str, str, bool, str]]:
    from rapidfuzz.distance import OSA  # noqa: PLC0415 - only mail needs it

    name = parts.name
    if name == label:
        if parts.private:
            return [("subdomain", main, False, f"{parts.registered} is a page under {parts.suffix}")]
        return [
            (
                "other-tld",
                main,
                distinctive,
                f"{parts.registered} is {label} under another top-level domain than {main}",
            )
        ]
    seen, wanted = look(name), look(label)
    if seen == wanted:
        kind = "punycode" if parts.punycode else "homoglyph"
        shown = f" ({name})" if parts.punycode else ""
        strong = not name.isascii() or (
            distinctive and not parts.private and (len(label) >= _TYPO_LENGTH or parts.suffix in suffixes)
        )
        return [(kind, main, strong, f"{parts.registered}{shown} looks like {label} and is spelled otherwise")]
    distance = OSA.distance(seen, wanted, score_cutoff=2)
    combination = _combination(
        name, label, main, parts.registered, distinctive=distinctive, exclusive=exclusive
    )
    if combination and (distance > 1 or combination[2]):
        return [combination]
    if distinctive and not name.isascii() and distance <= (1 if len(label) <= _TYPO_LENGTH else 2):
        shown = f"{parts.registered} ({name})"
        return [("punycode", main, True, f"{shown} comes close to {label} with letters of another alphabet")]
    same_suffix = parts.suffix in suffixes
    if distance == 1 and len(label) >= _TYPO_LENGTH:
        strong = distinctive and (same_suffix or len(label) > _TYPO_LENGTH)
        return [("typo", main, strong, f"{parts.registered} is one letter away from {label}")]
    if distance == 1 and distinctive and same_suffix and len(name) >= len(label):
        return [("typo", main, False, f"{parts.registered} is one letter away from {label}")]
    if distance == 2 and distinctive and len(label) >= _DISTANT:
        return [("typo", main, False, f"{parts.registered} is two letters away from {label}")]
    return []


def _combination(
    name: str, label: str, main: str, whole: str, *, distinctive: bool, exclusive: bool
) -> tuple[str, str, bool, str] | None:
    """A label made of the brand and more: ``npm-security``, ``githublogin``."""
    from rapidfuzz.distance import OSA  # noqa: PLC0415 - only mail needs it

    lures = load_hosts().lure_words
    tokens = _TOKENS.findall(name)
    wanted = look(label)
    label_tokens = _TOKENS.findall(label)
    if len(tokens) > len(label_tokens):
        for at in range(len(tokens) - len(label_tokens) + 1):
            window = tokens[at : at + len(label_tokens)]
            seen = look("-".join(window))
            near = distinctive and len(label) > _TYPO_LENGTH and OSA.distance(seen, wanted, score_cutoff=1) == 1
            if seen != wanted and not near:
                continue
            others = tokens[:at] + tokens[at + len(label_tokens) :]
            # what is spelled otherwise than the brand hides, so it needs no word of a lure
            strong = (
                exclusive
                or all(_is_lure(other, lures) for other in others)
                or (distinctive and any(_is_lure(o, lures) for o in others))
            )
            strong = strong or (distinctive and window != label_tokens and not "".join(window).isascii())
            return "combination", main, strong, f"{whole} adds {', '.join(others)} to {label}"
    text = look(name)
    if len(tokens) == 1 and wanted in text and text != wanted:
        before, _, after = text.partition(wanted)
        looks = _lure_looks()
        if all(not rest or _made_of(rest, looks) for rest in (before, after)):
            return (
                "combination",
                main,
                True,
                f"{whole} adds {before}{' and ' if before and after else ''}{after} to {label}",
            )
        if distinctive and len(label) > _TYPO_LENGTH:
            return "combination", main, False, f"{whole} holds the name {label}"
    return None


def _is_lure(token: str, lures: frozenset[str]) -> bool:
    return token in lures or token.isdecimal() or _made_of(look(token), _lure_looks())


@lru_cache(maxsize=1)
def _lure_looks() -> frozenset[str]:
    return frozenset(look(word) for word in load_hosts().lure_words)


def _made_of(text: str, words: frozenset[str]) -> bool:
    """Whether *text* is nothing but some of *words*, one after the other."""
    if len(text) > 40:
        return False
    reached = {0}
    for end in range(1, len(text) + 1):
        if any(start in reached and text[start:end] in words for start in range(max(0, end - 14), end)):
            reached.add(end)
    return len(text) in reached


@lru_cache(maxsize=8192)
def _latin_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(latin(label) for label in labels)


def _embedded(parts: HostName, domain: str) -> bool:
    """Whether the host spells a brand's whole domain inside another's: ``npmjs.com.x.example``."""
    name, _, top = domain.rpartition(".")
    if len(domain) < 7 or top not in _FAMILIAR or "." in name:
        return False  # github.dev.company.example is a company's own github under its dev domain
    labels = _latin_labels((*parts.labels, parts.name))
    dashed, joined = f"{name}-{top}", name + top
    if any(dashed in label or (label == joined and len(joined) > 8) for label in labels):
        return True
    for first, second in pairwise(labels):
        # a registered "github.com-login" is two labels: "github" and "com-login"
        if (first == name or first.endswith("-" + name)) and (second == top or second.startswith(top + "-")):
            return True
    return False
