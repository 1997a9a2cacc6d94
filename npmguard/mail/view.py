"""One message with all that the verdict on it looks at: words, links, senders, authentication."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote

from npmguard.mail.claims import Claims, Wording
from npmguard.mail.content import Content
from npmguard.mail.data import Brand, Hosts, load_hosts
from npmguard.mail.known import known_places
from npmguard.mail.links import covers
from npmguard.mail.lookalike import lookalikes, split_host
from npmguard.mail.message import Address, Message
from npmguard.mail.options import MailOptions
from npmguard.mail.phrases import find_phrases, role_words
from npmguard.mail.targets import Place, Target, likes_of, misleads, place_of, targets_of
from npmguard.mail.text import latin, look, mixed_words, readable
from npmguard.model import (
    AuthOutcome,
    Lookalike,
    MailAuthentication,
    MailEvidence,
    MailVerdict,
    MailWeight,
)

_WORDS_CAP = 400_000  # characters of visible text that are searched for phrases
GRAVITY = {
    MailVerdict.PHISHING: 3,
    MailVerdict.SUSPICIOUS: 2,
    MailVerdict.GENUINE: 1,
    MailVerdict.UNRELATED: 0,
}


@dataclass(frozen=True, slots=True)
class View:
    """One message with all that does not depend on the brand."""

    message: Message
    content: Content
    authentication: MailAuthentication
    options: MailOptions
    hosts: Hosts
    senders: tuple[Address, ...]
    from_domains: tuple[str, ...]
    reply_domains: tuple[str, ...]
    recipients: tuple[str, ...]
    wording: Wording
    targets: tuple[Target, ...]
    phrases: dict[str, dict[str, str]]  # kind -> set id -> place
    hidden_phrases: dict[str, str]
    mixed: tuple[str, ...]
    known: dict[str, str]  # mailbox, host or URL of a campaign found here -> who knows it

    @classmethod
    def of(
        cls, message: Message, content: Content, authentication: MailAuthentication, options: MailOptions
    ) -> View:
        """Gather it from a message that is read."""
        hosts = load_hosts()
        authors = message.addresses("from")
        senders = (
            (*authors, *message.addresses("sender"))
            if authors
            else (*message.addresses("sender"), *message.addresses("return-path"))
        )
        subject = message.first("subject")
        visible = "\n".join((subject, *content.lines, *content.quoted, *content.images))[:_WORDS_CAP]
        text = readable(visible)
        wording = Wording(
            subject=readable(subject),
            lines=tuple(readable(line) for line in content.lines[:5000] if len(line) <= 400),
            quoted=tuple(readable(line.lstrip("> |")) for line in content.quoted[:5000] if len(line) <= 400),
            text=text,
            images=content.images,
            raw_subject=subject,
        )
        targets = targets_of(content, hosts)
        reply = tuple(
            dict.fromkeys(address.domain for address in message.addresses("reply-to") if address.domain)
        )
        phrases = {
            "demand": find_phrases(text, kinds=("demand",)),
            "pressure": find_phrases(text, kinds=("pressure",)),
            "lure": find_phrases(text, kinds=("lure",)),
            "context": find_phrases(text, kinds=("context",)),
        }
        from_domains = tuple(
            dict.fromkeys(address.domain for address in (authors or senders) if address.domain)
        )
        mails = [link.target for link in content.links if link.target.lower().startswith("mailto:")]
        reply += tuple(
            dict.fromkeys(
                mail.partition("?")[0].rpartition("@")[2].lower() for mail in mails[:20] if "@" in mail
            )
        )
        recipients = [
            address.address
            for name in ("to", "cc", "delivered-to", "x-original-to")
            for address in message.addresses(name)
            if "@" in address.address
        ]
        return cls(
            message=message,
            content=content,
            authentication=authentication,
            options=options,
            hosts=hosts,
            senders=senders,
            from_domains=from_domains,
            reply_domains=reply,
            recipients=tuple(dict.fromkeys(recipients))[:100],
            wording=wording,
            targets=targets,
            phrases=phrases,
            hidden_phrases=find_phrases(readable(content.hidden[:100_000]), kinds=("demand", "pressure")),
            mixed=mixed_words(visible[:100_000]),
            known=known_places(
                options.indicators,
                _mailboxes(message, mails),
                (
                    *from_domains,
                    *reply,
                    *(address.domain for address in message.addresses("return-path") if address.domain),
                    *(url.host for target in targets for url in target.goes.urls),
                ),
                (url for target in targets for url in target.goes.urls),
            ),
        )

    @property
    def secret(self) -> bool:
        """A credential, a second factor, a token or a sign-in is asked for."""
        return bool(self.phrases["demand"])

    @property
    def pressure(self) -> bool:
        """Haste, a deadline or a threat."""
        return bool(self.phrases["pressure"])

    @property
    def lure(self) -> bool:
        """A reason to look at once."""
        return bool(self.phrases["lure"])

    @property
    def wants(self) -> bool:
        """Anything is wanted of the reader."""
        return self.secret or self.pressure or self.lure

    @property
    def hand_over(self) -> bool:
        """A secret is asked for in a reply or over the telephone."""
        return "hand-over" in self.phrases["demand"]

    @property
    def names_itself(self) -> bool:
        """The sender's display name or the text's last lines carry the name of the sender's own domain."""
        shown = look("".join(char for sender in self.senders for char in sender.display if char.isalnum()))
        subject = look("".join(char for char in self.wording.raw_subject if char.isalnum()))
        for domain in self.from_domains:
            if covers(self.hosts.freemail, domain) or lookalikes(domain):
                continue
            name = look("".join(char for char in split_host(domain).name if char.isalnum()))
            if len(name) >= 3 and (name in shown or name in subject):
                return True
        return False

    @property
    def listed(self) -> bool:
        """A mailing list sends it on: it writes itself into the sender's name, or names who wrote."""
        via = any(" via " in f" {sender.display.lower()} " for sender in self.senders)
        return bool(self.message.all("x-original-from")) or (via and bool(self.message.all("list-id")))

    @property
    def personal(self) -> bool:
        """The sender's display name is a person's, as far as its address tells: ``Sam Ops <sam@…>``."""
        roles = role_words()
        return any(
            len(word) > 2 and word not in roles and word in latin(sender.local)
            for sender in self.senders
            for word in latin(sender.display).split()
        )

    @property
    def forged(self) -> bool:
        """Authentication says that From is not the sender's to use."""
        auth = self.authentication
        return auth.dmarc.outcome is AuthOutcome.FAIL or (
            auth.dmarc.outcome is not AuthOutcome.PASS
            and auth.spf.outcome is AuthOutcome.FAIL
            and auth.dkim.outcome in {AuthOutcome.FAIL, AuthOutcome.NONE}
        )

    @property
    def proven(self) -> bool:
        """Authentication says that From's domain did send it."""
        auth = self.authentication
        if auth.dmarc.outcome is AuthOutcome.FAIL:
            return False
        return auth.dmarc.outcome is AuthOutcome.PASS or any(
            check.outcome is AuthOutcome.PASS and check.aligned for check in (auth.dkim, auth.spf)
        )


def _mailboxes(message: Message, mails: list[str]) -> list[str]:
    """Every address that the message comes from or would be answered at."""
    found = [
        address.address
        for name in ("from", "sender", "reply-to", "return-path")
        for address in message.addresses(name)
    ]
    found += [unquote(mail[len("mailto:") :].partition("?")[0]).strip().lower() for mail in mails]
    return [address for address in found if "@" in address]


def senders_of(view: View) -> str:
    """The domains of From, for people."""
    return ", ".join(view.from_domains[:3]) or "nowhere"


@dataclass(frozen=True, slots=True)
class Leads:
    """Where the message leads, seen from one brand."""

    like_strong: tuple[tuple[Target, Lookalike], ...]
    like_weak: tuple[tuple[Target, Lookalike], ...]
    misleading: tuple[Target, ...]
    elsewhere: tuple[Target, ...]  # lookalikes and opaque ones too
    brand: tuple[Target, ...]
    form: bool
    page: bool
    hand_over: bool

    @property
    def away(self) -> bool:
        """Whether anything leads to somebody who is not the brand."""
        return bool(self.elsewhere) or self.form or self.page or self.hand_over


def leads_of(view: View, brand: Brand) -> Leads:
    """Where the message leads, seen from *brand*."""
    strong: list[tuple[Target, Lookalike]] = []
    weak: list[tuple[Target, Lookalike]] = []
    elsewhere: list[Target] = []
    ours: list[Target] = []
    for target in view.targets:
        place = place_of(target, brand, view.hosts, view.options.own_domains)
        if place in {Place.ELSEWHERE, Place.OPAQUE, Place.LOOKALIKE}:
            elsewhere.append(target)
        if place is Place.BRAND:
            ours.append(target)
        if place is Place.LOOKALIKE:
            for like in likes_of(target, brand):
                (strong if like.strong else weak).append((target, like))
    form = view.content.passwords > 0 or any(
        target.link.kind == "form" and target in elsewhere for target in view.targets
    )
    return Leads(
        like_strong=tuple(strong),
        like_weak=tuple(weak),
        misleading=tuple(target for target in view.targets if misleads(target, brand)),
        elsewhere=tuple(elsewhere),
        brand=tuple(ours),
        form=form,
        page=bool(view.content.pages) or bool(view.content.programs),
        hand_over=view.hand_over,
    )


@dataclass(slots=True)
class Judgement:
    """One brand's verdict, being made."""

    brand: Brand
    claims: Claims
    verdict: MailVerdict = MailVerdict.UNRELATED
    reason: str = ""
    evidence: list[MailEvidence] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    lookalikes: list[Lookalike] = field(default_factory=list)
    claimed: bool = False

    def raise_to(self, verdict: MailVerdict, reason: str) -> None:
        """Keep the graver of two verdicts, and the first reason for it."""
        if GRAVITY[verdict] > GRAVITY[self.verdict]:
            self.verdict = verdict
            self.reason = reason

    def add(
        self, code: str, weight: MailWeight, message: str, where: str = "", excerpt: str | None = None
    ) -> None:
        """Write down one piece of evidence."""
        self.evidence.append(MailEvidence(code, weight, message, where, excerpt[:160] if excerpt else None))
