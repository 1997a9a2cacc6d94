"""Which brand a message claims to come from, and in which places it does."""

from __future__ import annotations

import re
from dataclasses import dataclass

from npmguard.mail.data import Brand
from npmguard.mail.lookalike import Owner, lookalikes, owner
from npmguard.mail.message import Address
from npmguard.mail.phrases import addresses_account, claims_staff, mentions, role_words, speaks_as
from npmguard.mail.text import latin, look, readable, strip_invisible
from npmguard.model import Lookalike

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")
_VIA = re.compile(r"[\s'\"]+(?:via|über|par|через)\s.*$", re.IGNORECASE)  # as mailing lists write themselves in
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_SPELLING = re.compile(r"[^\s<>()\[\],;:\"]+")
_LOGO_WORDS = frozenset(
    {
        "logo",
        "icon",
        "image",
        "wordmark",
        "mark",
        "brand",
        "header",
        "banner",
        "mascot",
        "ロゴ",
        "徽标",
        "logotipo",
    }
)
_TOOL_WORDS = frozenset(
    {
        "robot",
        "bot",
        "actions",
        "ci",
        "weekly",
        "digest",
        "meetup",
        "newsletter",
        "news",
        "daily",
        "user",
        "group",
    }
)


@dataclass(frozen=True, slots=True)
class Claims:
    """What one message says of itself with regard to one brand.

    ``identity`` are the places of the sender that claim it (``display name``, ``local part``,
    ``sender domain``, ``address in the display name``). ``voice`` is the line that signs as the brand. ``weak``
    are places that others use as well (``logo``, ``subject``, ``account``). ``disguised`` is a spelling of the
    brand in letters of other scripts or with invisible ones. ``staff`` is where the writer says to be one of
    the brand's people.
    """

    identity: tuple[str, ...]
    voice: str | None
    weak: tuple[str, ...]
    mentioned: bool
    disguised: str | None
    sender_lookalikes: tuple[Lookalike, ...]
    staff: str | None = None

    @property
    def places(self) -> tuple[str, ...]:
        """Every place of a claim, sorted."""
        return tuple(sorted({*self.identity, *self.weak, *(("signature",) if self.voice else ())}))


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one message, readable: ``lines`` and ``quoted`` by line, ``text`` all of them."""

    subject: str
    lines: tuple[str, ...]
    quoted: tuple[str, ...]
    text: str
    images: tuple[str, ...]
    raw_subject: str


def claims_of(brand: Brand, senders: tuple[Address, ...], wording: Wording) -> Claims:
    """Gather the claims to *brand*; *senders* are the mailboxes of From and Sender."""
    identity: list[str] = []
    disguised: str | None = None
    likes: list[Lookalike] = []
    weak: list[str] = []
    for sender in senders:
        shape = _display(sender.display, brand)
        if shape in {"exact", "disguised"}:
            identity.append("display name")
        if shape == "disguised":
            disguised = sender.display
        if shape == "partial":
            weak.append("name in the display name")
        if _address_in(sender.display, brand) and owner(sender.domain, brand) is not Owner.BRAND:
            identity.append("address in the display name")
        if _made_of_brand(sender.local, brand):
            identity.append("local part")
        found = [like for like in lookalikes(sender.domain) if like.brand == brand.id]
        likes += found
        if any(like.strong for like in found):
            identity.append("sender domain")
        if owner(sender.domain, brand) is Owner.BRAND:
            identity.append("sender domain")
    if mentions(wording.subject, brand):
        weak.append("subject")
    if any(_is_logo(alt, brand) for alt in wording.images):
        weak.append("logo")
    if addresses_account(wording.text, brand) is not None:
        weak.append("account")
    if speaks_as(wording.quoted, brand) is not None:
        weak.append("quoted signature")
    return Claims(
        identity=tuple(sorted(set(identity))),
        voice=speaks_as(wording.lines, brand),
        weak=tuple(dict.fromkeys(weak)),
        mentioned=bool(weak) or mentions(wording.text, brand),
        disguised=disguised or _disguised(wording.raw_subject, brand),
        sender_lookalikes=tuple(likes),
        staff=claims_staff(wording.text, brand),
    )


def _display(display: str, brand: Brand) -> str:
    """How a display name holds the brand's: ``exact``, ``disguised``, ``partial``, or ``""`` for not at all.

    Exact is the brand with nothing but role words, disguised is that in letters that only look like it.
    """
    plain = _VIA.sub("", strip_invisible(display))
    spaced = _CAMEL.sub(" ", plain)
    for text in dict.fromkeys((spaced, plain)):
        shown = latin(text)
        rest = _without_names(shown, brand)
        if rest is None:
            continue
        words = _WORD.findall(readable(text) if text.isascii() else rest)
        left = [word for word in _WORD.findall(rest) if not _is_role(word)]
        if left and not text.isascii():
            # the other words may be in another script: judge them as written
            left = [
                word
                for word in _WORD.findall(_without_names(readable(text), brand) or rest)
                if not _is_role(word)
            ]
        if not left and not (set(words) & _TOOL_WORDS):
            honest = _without_names(display.casefold(), brand) is not None
            honest = honest or _without_names(_CAMEL.sub(" ", display).casefold(), brand) is not None
            return "exact" if honest else "disguised"
    shown_words: list[str] = [word for word in _WORD.findall(plain) if not word.isdecimal()]
    looks = {look(label) for label in brand.labels.distinctive if len(label) > 4}
    others = [word for word in shown_words if look(word) not in looks]
    honest_word = any(
        look(word) in looks and _without_names(word.casefold(), brand) is not None for word in shown_words
    )
    if (
        len(others) < len(shown_words)
        and not honest_word
        and all(readable(word) in role_words() for word in others)
    ):
        return "disguised"
    if len(shown_words) == 1 and _made_of_brand(shown_words[0].lower(), brand):
        return "exact"
    return "partial" if _without_names(latin(spaced), brand) is not None else ""


def _is_role(word: str) -> bool:
    """Whether a word is a role word, or several in a script that writes no spaces."""
    roles = role_words()
    if word in roles or word.removesuffix("s") in roles or word.isdecimal():
        return True
    if word.isascii() or len(word) > 30:
        return False
    reached = {0}
    for end in range(1, len(word) + 1):
        if any(start in reached and word[start:end] in roles for start in range(end)):
            reached.add(end)
    return len(word) in reached


def _without_names(text: str, brand: Brand) -> str | None:
    """*text* without the brand's names, or None where there is none of them."""
    found = False
    for name in sorted(brand.names, key=len, reverse=True):
        pattern = rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])"
        text, count = re.subn(pattern, " ", text)
        found = found or count > 0
    return text if found else None


def _made_of_brand(text: str, brand: Brand) -> bool:
    """Whether a local part or a single word is the brand and role words: ``npm-support``, ``npmsupport``."""
    roles = role_words()
    labels = {*brand.labels.distinctive, *brand.labels.plain}
    tokens = _WORD.findall(text.casefold())
    if any(look(token) in {look(label) for label in labels} for token in tokens):
        rest = [token for token in tokens if look(token) not in {look(label) for label in labels}]
        return all(token in roles or token.isdecimal() for token in rest)
    for label in labels:
        if len(tokens) == 1 and label in tokens[0]:
            before, _, after = tokens[0].partition(label)
            if all(not piece or piece in roles for piece in (before, after)):
                return True
    return False


def _address_in(display: str, brand: Brand) -> bool:
    shown = latin(display)
    return any(
        owner(found, brand) is Owner.BRAND for found in _DOMAIN.findall(shown) if "." in found and "@" in shown
    )


def _is_logo(alt: str, brand: Brand) -> bool:
    rest = _without_names(latin(alt), brand)
    return rest is not None and all(word in _LOGO_WORDS or word in role_words() for word in _WORD.findall(rest))


def _disguised(text: str, brand: Brand) -> str | None:
    """The first word of *text* that looks like a distinctive name of the brand and is spelled otherwise."""
    if text.isascii():
        return None
    names = {latin(label) for label in (*brand.labels.distinctive, *brand.labels.plain)}
    for match in _SPELLING.finditer(text):
        bare = match[0].strip(".!?'-")
        if not bare.isascii() and latin(bare) in names and re.search(r"[^\W\d_]", bare):
            return bare
    return None
