"""The verdict on one message: what it claims, against where it comes from, where it leads and what it wants.

No single observation makes a verdict but a known campaign's. A message is phishing when three things meet: it
speaks as a brand (or comes from, or leads to, a domain made to be taken for the brand's), what it leads to is
not the brand's, and it wants something of the reader. docs/mail.md holds the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import msgspec

from npmguard.config import Limits
from npmguard.mail.authentication import authenticate
from npmguard.mail.claims import Claims, Wording, claims_of
from npmguard.mail.content import Content, gather
from npmguard.mail.data import Brand, Hosts, load_brands, load_hosts, load_phrases
from npmguard.mail.links import covers
from npmguard.mail.lookalike import Owner, lookalikes, owned_by, owner, registered_domain, split_host
from npmguard.mail.message import Address, Message, read_message
from npmguard.mail.options import MailOptions
from npmguard.mail.phrases import find_phrases, role_words
from npmguard.mail.targets import Place, Target, likes_of, misleads, place_of, targets_of
from npmguard.mail.text import BIDI, latin, look, mixed_words, readable
from npmguard.model import (
    AuthOutcome,
    IndicatorKind,
    Lookalike,
    MailAuthentication,
    MailClaim,
    MailEvidence,
    MailReport,
    MailVerdict,
    MailWeight,
)

_WORDS_CAP = 400_000  # characters of visible text that are searched for phrases
_NESTED_DEPTH = 4
_NESTED_COUNT = 20
_YOUNG_DAYS = 60
_GRAVITY = {MailVerdict.PHISHING: 3, MailVerdict.SUSPICIOUS: 2, MailVerdict.GENUINE: 1, MailVerdict.UNRELATED: 0}


def judge_message(raw: bytes, options: MailOptions | None = None, source: str = "-") -> MailReport:
    """Judge one message; never fails, whatever *raw* holds.

    What could not be read or asked stands in the report's ``incomplete``.
    """
    options = options or MailOptions()
    return _judge(raw, options, source, depth=0)


def _judge(raw: bytes, options: MailOptions, source: str, *, depth: int) -> MailReport:
    message = read_message(raw, options.limits)
    content = gather(message, options.limits)
    authentication = authenticate(message, options) if depth == 0 else MailAuthentication()
    view = _View.of(message, content, authentication, options)
    judgements = [_judge_brand(view, brand) for brand in load_brands()]
    nested, left_out = _nested(message, options, source, depth=depth)
    return _report(view, judgements, nested, source, left_out)


def _nested(message: Message, options: MailOptions, source: str, *, depth: int) -> tuple[tuple[MailReport, ...], list[str]]:
    if not message.nested:
        return (), []
    if depth >= _NESTED_DEPTH:
        return (), [f"messages lie more than {_NESTED_DEPTH} deep inside one another; the deeper ones were not judged"]
    left_out = []
    if len(message.nested) > _NESTED_COUNT:
        left_out.append(f"only the first {_NESTED_COUNT} of {len(message.nested)} attached messages were judged")
    shared = replace(options, limits=_shared(options.limits, min(len(message.nested), _NESTED_COUNT)))
    reports = [
        _judge(inner, shared, f"{source}/attached {number}", depth=depth + 1)
        for number, inner in enumerate(message.nested[:_NESTED_COUNT], 1)
    ]
    return tuple(reports), left_out


def _shared(limits: Limits, count: int) -> Limits:
    """Caps for each of *count* attached messages: together half of what the message around them may cost."""
    return msgspec.structs.replace(
        limits,
        mail_text_bytes=max(2000, limits.mail_text_bytes // (2 * count)),
        mail_links=max(20, limits.mail_links // (2 * count)),
        mail_image_pixels=limits.mail_image_pixels // (2 * count),
        mail_parts=max(10, limits.mail_parts // (2 * count)),
    )


@dataclass(frozen=True, slots=True)
class _View:
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
    known: dict[str, str]  # registered or full domain of a campaign found here -> who knows it

    @classmethod
    def of(cls, message: Message, content: Content, authentication: MailAuthentication, options: MailOptions) -> _View:
        hosts = load_hosts()
        authors = message.addresses("from")
        senders = (*authors, *message.addresses("sender")) if authors else (*message.addresses("sender"), *message.addresses("return-path"))
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
        reply = tuple(dict.fromkeys(address.domain for address in message.addresses("reply-to") if address.domain))
        phrases = {
            "demand": find_phrases(text, kinds=("demand",)),
            "pressure": find_phrases(text, kinds=("pressure",)),
            "lure": find_phrases(text, kinds=("lure",)),
            "context": find_phrases(text, kinds=("context",)),
        }
        from_domains = tuple(dict.fromkeys(address.domain for address in (authors or senders) if address.domain))
        mails = [link.target for link in content.links if link.target.lower().startswith("mailto:")]
        reply += tuple(dict.fromkeys(mail.partition("?")[0].rpartition("@")[2].lower() for mail in mails[:20] if "@" in mail))
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
            known=_known_domains(options, (*from_domains, *reply, *(url.host for target in targets for url in target.goes.urls))),
        )

    @property
    def secret(self) -> bool:
        """A credential, a second factor, a token or a sign-in is asked for."""
        return bool(self.phrases["demand"])

    @property
    def pressure(self) -> bool:
        return bool(self.phrases["pressure"])

    @property
    def lure(self) -> bool:
        return bool(self.phrases["lure"])

    @property
    def wants(self) -> bool:
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


@dataclass(slots=True)
class _Judgement:
    """One brand's verdict, being made."""

    brand: Brand
    claims: Claims
    verdict: MailVerdict = MailVerdict.UNRELATED
    reason: str = ""
    evidence: list[MailEvidence] = field(default_factory=list)
    lookalikes: list[Lookalike] = field(default_factory=list)
    claimed: bool = False

    def raise_to(self, verdict: MailVerdict, reason: str) -> None:
        """Keep the graver of two verdicts, and the first reason for it."""
        if _GRAVITY[verdict] > _GRAVITY[self.verdict]:
            self.verdict = verdict
            self.reason = reason

    def add(self, code: str, weight: MailWeight, message: str, where: str = "", excerpt: str | None = None) -> None:
        self.evidence.append(MailEvidence(code, weight, message, where, excerpt[:160] if excerpt else None))


@dataclass(frozen=True, slots=True)
class _Leads:
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


def _leads(view: _View, brand: Brand) -> _Leads:
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
    return _Leads(
        like_strong=tuple(strong),
        like_weak=tuple(weak),
        misleading=tuple(target for target in view.targets if misleads(target, brand)),
        elsewhere=tuple(elsewhere),
        brand=tuple(ours),
        form=form,
        page=bool(view.content.pages) or bool(view.content.programs),
        hand_over=view.hand_over,
    )


def _judge_brand(view: _View, brand: Brand) -> _Judgement:
    judgement = _Judgement(brand, claims_of(brand, view.senders, view.wording))
    leads = _leads(view, brand)
    sender_own = bool(view.from_domains) and all(owner(domain, brand) is Owner.BRAND for domain in view.from_domains)
    judgement.lookalikes += judgement.claims.sender_lookalikes
    if judgement.claims.mentioned or judgement.claims.identity or leads.like_strong:
        judgement.lookalikes += [like for _, like in (*leads.like_strong, *leads.like_weak)]
    if sender_own:
        _from_the_brand(view, judgement, leads)
    else:
        _from_another(view, judgement, leads)
    if judgement.verdict is not MailVerdict.UNRELATED:
        _describe(view, judgement, leads, sender_own=sender_own)
    return judgement


def _from_the_brand(view: _View, judgement: _Judgement, leads: _Leads) -> None:
    """From names the brand's own domain: true, unless it is forged or the way out leads to somebody else."""
    title = judgement.brand.title
    judgement.claimed = True
    judgement.raise_to(MailVerdict.GENUINE, f"it comes from {title}'s domain and leads to no place made to look like {title}")
    away = leads.elsewhere
    if view.forged:
        if leads.away and view.wants:
            judgement.raise_to(MailVerdict.PHISHING, f"it names {title}'s domain as sender, authentication fails, and it leads elsewhere")
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"it names {title}'s domain as sender and authentication fails")
    report = bool(view.phrases["context"]) and not leads.misleading
    if leads.like_strong and view.wants and not report:
        judgement.raise_to(MailVerdict.PHISHING, f"it names {title}'s domain as sender and leads to {leads.like_strong[0][1].domain}, which only looks like it")
    elif leads.like_strong:
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"it holds a link to {leads.like_strong[0][1].domain}, which only looks like {title}'s")
    if leads.misleading and (view.secret or view.pressure):
        host = leads.misleading[0].host
        _unless_proven(view, judgement, f"the text of a link shows {leads.misleading[0].shown} and the link goes to {host}")
    reply = [domain for domain in view.reply_domains if not owned_by(domain) and not covers(set(view.options.own_domains), domain)]
    liked = [like for domain in reply for like in lookalikes(domain) if like.brand == judgement.brand.id and like.strong]
    if liked:
        judgement.lookalikes += liked
        judgement.raise_to(MailVerdict.PHISHING, f"answers would go to {liked[0].domain}, which only looks like {title}'s domain")
    elif reply and view.hand_over:
        _unless_proven(view, judgement, f"it asks for a secret in a reply, which would go to {reply[0]}")
    # a code host sends what its users write, under their names: that is not the brand speaking
    speaks = "display name" in judgement.claims.identity or judgement.claims.voice is not None or not view.senders[0].display
    if leads.form and view.wants:
        _unless_proven(view, judgement, "it holds a form that asks for a password or sends it elsewhere")
    asked = [target for target in away if _asks(target)]
    if asked and speaks and view.secret and (view.pressure or not leads.brand):
        _unless_proven(view, judgement, f"the link \N{LEFT DOUBLE QUOTATION MARK}{asked[0].link.text[:60]}\N{RIGHT DOUBLE QUOTATION MARK} goes to {asked[0].host}")
    if away and view.secret and view.pressure and not leads.brand:
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"it asks for credentials and leads only to {away[0].host}")
    if view.content.programs or (view.content.pages and view.content.passwords):
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"it brings a program or a login page along, which {title} does not send")


def _unless_proven(view: _View, judgement: _Judgement, reason: str) -> None:
    """Phishing if the sender may be forged; suspicious if authentication proves From (users' content, a stolen account)."""
    judgement.raise_to(MailVerdict.SUSPICIOUS if view.proven else MailVerdict.PHISHING, reason)


def _asks(target: Target) -> bool:
    """Whether the link's own text asks for credentials."""
    return bool(target.link.text) and bool(find_phrases(readable(target.link.text), kinds=("demand",)) or _is_button(target.link.text))


def _is_button(text: str) -> bool:
    words = set(readable(text).split())
    return len(words) <= 6 and bool(words & _BUTTON_WORDS)


_BUTTON_WORDS = frozenset(
    "verify confirm login log-in signin sign-in sign secure unlock update restore reactivate authenticate validate renew rotate enroll"
    " bestätigen anmelden aktualisieren einloggen entsperren vérifier connexion confirmer connecter verificar confirmar iniciar"
    " подтвердить войти обновить 確認する ログイン 更新する 验证 登录 確認 登入 更新".split()
)


def _from_another(view: _View, judgement: _Judgement, leads: _Leads) -> None:
    """From is not the brand's: the message may only speak about it, or pretend to be it."""
    claims, brand = judgement.claims, judgement.brand
    title = brand.title
    likes = claims.sender_lookalikes
    like_strong = next((like for like in likes if like.strong), None)
    identity = tuple(place for place in claims.identity if place != "sender domain")
    other_brand = bool(view.from_domains) and all(owned_by(domain) for domain in view.from_domains)
    weak = claims.weak if not other_brand else ()
    strong_claim = bool(identity) or claims.voice is not None
    if _own_installation(view, judgement, leads):
        return
    judgement.claimed = strong_claim or like_strong is not None
    report = bool(view.phrases["context"]) and not identity and not likes and claims.voice is None and not leads.misleading
    known = _known_here(view, claims, leads)
    if known and (strong_claim or weak or claims.mentioned or view.wants):
        place, who = known
        if not report:
            judgement.raise_to(MailVerdict.PHISHING, f"{place} is known from a campaign ({who})")
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"{place} is known from a campaign ({who})")
    if like_strong is not None and (leads.away or view.secret):
        judgement.raise_to(MailVerdict.PHISHING, f"it comes from {like_strong.domain}, which only looks like {title}'s domain, and leads elsewhere")
    if likes and like_strong is None and (strong_claim or weak or claims.mentioned) and view.wants and leads.away:
        if identity or claims.voice or view.secret or not view.names_itself:
            own = all(registered_domain(target.host) == registered_domain(likes[0].host) for target in leads.elsewhere)
            if strong_claim or (weak and view.secret and (view.pressure or own)):
                judgement.raise_to(MailVerdict.PHISHING, f"it speaks as {title} from {likes[0].domain}, which resembles {title}'s domain")
        if view.secret and view.pressure:
            judgement.raise_to(MailVerdict.SUSPICIOUS, f"it asks for credentials from {likes[0].domain}, which resembles {title}'s domain")
    if leads.like_strong and not report:
        domain = leads.like_strong[0][1].domain
        shown = "name in the display name" in weak and not view.names_itself
        if strong_claim or shown or (weak and view.wants) or (claims.mentioned and view.secret):
            judgement.raise_to(MailVerdict.PHISHING, f"it leads to {domain}, which only looks like {title}'s domain")
    if leads.like_strong:
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"it holds a link to {leads.like_strong[0][1].domain}, which only looks like {title}'s domain")
    if leads.like_weak and strong_claim and view.wants and not view.names_itself:
        judgement.raise_to(MailVerdict.PHISHING, f"it speaks as {title} and leads to {leads.like_weak[0][1].domain}, which resembles {title}'s domain")
    internal = _internal(view, leads)
    if leads.like_weak and weak and view.secret and view.pressure and not report and not internal:
        verdict = MailVerdict.SUSPICIOUS if view.names_itself or view.personal else MailVerdict.PHISHING
        judgement.raise_to(verdict, f"it asks for {title} credentials and leads to {leads.like_weak[0][1].domain}")
    if leads.misleading and not report:
        where = f"the text of a link shows {leads.misleading[0].shown} and the link goes to {leads.misleading[0].host}"
        if (strong_claim and view.wants) or (weak and view.secret and not view.names_itself):
            judgement.raise_to(MailVerdict.PHISHING, where)
        elif weak and view.secret and view.pressure:
            judgement.raise_to(MailVerdict.SUSPICIOUS, where)
    if identity and leads.away and view.wants:
        if view.secret or view.pressure or not view.names_itself:
            judgement.raise_to(MailVerdict.PHISHING, f"its sender calls itself {title}, sends from {_senders(view)} and leads elsewhere")
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"its sender calls itself {title} and sends from {_senders(view)}")
    if identity and leads.away:
        if likes and not view.names_itself:
            judgement.raise_to(MailVerdict.PHISHING, f"its sender calls itself {title}, and {likes[0].domain} resembles {title}'s domain")
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"its sender calls itself {title}, sends from {_senders(view)} and leads elsewhere")
    if claims.voice and leads.away and (view.secret or (view.pressure and view.lure)):
        verdict = MailVerdict.SUSPICIOUS if (view.names_itself or other_brand) else MailVerdict.PHISHING
        judgement.raise_to(verdict, f"it is signed by {title}, comes from {_senders(view)} and leads elsewhere")
    if weak and view.secret and leads.away and not view.names_itself and not report and not internal:
        if ("account" in weak and view.pressure) or len(set(weak)) >= 2 or view.content.passwords:
            verdict = MailVerdict.PHISHING if view.pressure and ("account" in weak or leads.form) and not leads.brand and not view.personal else MailVerdict.SUSPICIOUS
            judgement.raise_to(verdict, f"it asks for {title} credentials, comes from {_senders(view)} and leads elsewhere")
    if claims.disguised and (leads.away or view.wants):
        judgement.claimed = True
        judgement.raise_to(MailVerdict.PHISHING if leads.away and view.wants else MailVerdict.SUSPICIOUS, f"it spells {title} in letters that only look like it")
    _young(view, judgement, leads, strong_claim=strong_claim or bool(weak))
    if identity and judgement.verdict is MailVerdict.UNRELATED:
        _resent(view, judgement, leads)
    if like_strong is not None:
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"it comes from {like_strong.domain}, which only looks like {title}'s domain")
    if _GRAVITY[judgement.verdict] >= _GRAVITY[MailVerdict.SUSPICIOUS]:
        judgement.claimed = True


def _own_installation(view: _View, judgement: _Judgement, leads: _Leads) -> bool:
    """Whether this is mail of the reader's own installation of a self-hosted code host (gitlab.company.example)."""
    brand, claims = judgement.brand, judgement.claims
    if not brand.self_hosted or any(like.strong for like in claims.sender_lookalikes) or leads.like_strong or leads.misleading:
        return False
    places = {registered_domain(domain) for domain in view.from_domains}
    ways = {registered_domain(target.host) for target in leads.elsewhere}
    if len(places) != 1 or not ways <= places or claims.disguised or "address in the display name" in claims.identity:
        return False
    place = next(iter(places))
    if covers(set(view.options.own_domains), place):
        return True
    if leads.form or leads.page:
        return False
    if not view.wants and all(like.kind == "subdomain" for like in claims.sender_lookalikes):
        return True
    addressed = {registered_domain(address.rpartition("@")[2]) for address in view.recipients}
    # whoever sends may write any recipient, so that alone excuses no demand under pressure
    return place in addressed and not (view.secret and view.pressure)


def _internal(view: _View, leads: _Leads) -> bool:
    """Whether a message stays inside the reader's own organisation: sender, addressee and every way out of it."""
    places = {registered_domain(domain) for domain in view.from_domains}
    if len(places) != 1 or leads.form or leads.page or any(covers(view.hosts.freemail, domain) for domain in view.from_domains):
        return False
    ours = {registered_domain(address.rpartition("@")[2]) for address in view.recipients} | set(view.options.own_domains)
    return places <= ours and {registered_domain(target.host) for target in leads.elsewhere} <= places


def _resent(view: _View, judgement: _Judgement, leads: _Leads) -> None:
    """A brand's name on another's address, with nothing that leads away: a mailing list, or bait without a hook."""
    title = judgement.brand.title
    signed = any(
        f"d={entry.domain}" in "".join(header.raw.split()) for header in view.message.all("dkim-signature") for entry in judgement.brand.domains
    )
    if leads.brand and (signed or view.message.all("list-id") or view.message.all("x-original-from")):
        judgement.claimed = True
        judgement.raise_to(MailVerdict.GENUINE, f"it was sent on by {_senders(view)} and leads only to {title}")
    elif view.wants and (view.secret or view.pressure):
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"its sender calls itself {title} and sends from {_senders(view)}")


def _young(view: _View, judgement: _Judgement, leads: _Leads, *, strong_claim: bool) -> None:
    """Ask how old the domains are that the message comes from and leads to, where that can change anything."""
    if view.options.age is None or not strong_claim:
        return
    domains = [registered_domain(domain) for domain in view.from_domains if not covers(view.hosts.freemail, domain)]
    domains += [registered_domain(target.host) for target in leads.elsewhere if not target.goes.opaque and not target.goes.urls[-1].numeric]
    for domain in list(dict.fromkeys(domains))[:8]:
        age = view.options.age(domain)
        if age.registered is None:
            continue
        days = (_now(view) - age.registered).days
        if days < 0 or days > _YOUNG_DAYS:
            continue
        before = "today" if days == 0 else f"{days} day{'s' if days != 1 else ''} before"
        judgement.add("young-domain", MailWeight.STRONG, f"{domain} was registered {before}", "RDAP")
        if leads.away and view.wants and not (view.names_itself and not judgement.claims.identity):
            judgement.raise_to(MailVerdict.PHISHING, f"it speaks as {judgement.brand.title}, and {domain} was registered {before}")
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"{domain} was registered {before}")


def _now(view: _View) -> datetime:
    return view.options.now or datetime.now(UTC)


def _senders(view: _View) -> str:
    return ", ".join(view.from_domains[:3]) or "nowhere"


def _known_domains(options: MailOptions, hosts: tuple[str, ...]) -> dict[str, str]:
    known = {
        indicator.value: indicator.source or "indicator file"
        for indicator in options.indicators
        if indicator.kind is IndicatorKind.DOMAIN
    }
    found: dict[str, str] = {}
    for host in dict.fromkeys(hosts):
        ascii_host = split_host(host).host if host else ""
        for at in range(ascii_host.count(".")):
            name = ascii_host.split(".", at)[-1]
            if name in known:
                found[host] = known[name]
    return found


def _known_here(view: _View, claims: Claims, leads: _Leads) -> tuple[str, str] | None:
    if not view.known or not (claims.mentioned or claims.identity or claims.sender_lookalikes or leads.like_strong or leads.like_weak):
        return None
    host = min(view.known)
    return host, view.known[host]


def _describe(view: _View, judgement: _Judgement, leads: _Leads, *, sender_own: bool) -> None:
    """Write down what was seen, the strong first."""
    title = judgement.brand.title
    add = judgement.add
    claims = judgement.claims
    for like in dict.fromkeys(claims.sender_lookalikes):
        add("sender-lookalike", MailWeight.STRONG if like.strong else MailWeight.WEAK, f"the sender's domain passes for {like.imitates}: {like.reason}", "From")
    if claims.identity and not sender_own:
        add("claims-brand", MailWeight.STRONG, f"the sender calls itself {title} ({', '.join(claims.identity)})", "From", view.senders[0].display if view.senders else None)
    if sender_own:
        add("sender-own", MailWeight.CLEARS, f"the sender's address is {title}'s, which proves nothing by itself", "From")
    if claims.voice:
        add("signed-as-brand", MailWeight.STRONG, f"it is signed by {title}", "text", claims.voice)
    if claims.disguised:
        add("disguised-brand", MailWeight.STRONG, f"it spells {title} in letters that only look like it", "", claims.disguised)
    seen: set[str] = set()
    for target, like in (*leads.like_strong, *leads.like_weak):
        if like.host not in seen and len(seen) < 10:
            seen.add(like.host)
            weight = MailWeight.STRONG if like.strong else MailWeight.WEAK
            add("link-lookalike", weight, f"a link passes for {like.imitates}: {like.reason}", _where(target), target.link.target)
    for target in leads.misleading[:5]:
        add("link-text", MailWeight.STRONG, f"a link shows {target.shown} and goes to {target.host}", _where(target), target.link.target)
    others = [target for target in leads.elsewhere if target.host not in seen]
    if others and not sender_own:
        hosts = ", ".join(list(dict.fromkeys(target.host for target in others))[:5])
        add("leads-elsewhere", MailWeight.WEAK, f"links go to {hosts}, not to {title}", _where(others[0]), others[0].link.target)
    if any(target.goes.opaque for target in leads.elsewhere):
        add("hidden-target", MailWeight.WEAK, "a shortener or click counter hides where a link goes", "", next(t.link.target for t in leads.elsewhere if t.goes.opaque))
    if leads.form:
        add("form", MailWeight.STRONG, "it holds a form that asks for a password or sends what is typed elsewhere", "HTML")
    if view.content.codes:
        add("qr-code", MailWeight.WEAK, "an image holds a code with a link", "image", view.content.codes[0])
    for kind, code in (("demand", "asks-secret"), ("pressure", "pressure"), ("lure", "lure")):
        for identifier, place in sorted(view.phrases[kind].items()):
            add(code, MailWeight.WEAK, f"it {_title(identifier)}", "text", place)
    _describe_tricks(view, judgement, leads, sender_own=sender_own)


def _describe_tricks(view: _View, judgement: _Judgement, leads: _Leads, *, sender_own: bool) -> None:
    title = judgement.brand.title
    add = judgement.add
    mine = {registered_domain(domain) for domain in view.from_domains}
    for domain in view.reply_domains[:3]:
        if registered_domain(domain) not in mine and not owned_by(domain):
            add("reply-to", MailWeight.WEAK, f"answers would go to {domain}, which is not the sender's", "Reply-To")
    for address in view.message.addresses("return-path")[:1]:
        if address.domain and registered_domain(address.domain) not in mine:
            add("return-path", MailWeight.NEUTRAL, f"bounces go to {address.domain}, which is not the sender's (mailers do that too)", "Return-Path")
    if view.content.split_words:
        add("split-words", MailWeight.STRONG, "words are split by invisible characters or hidden text", "text")
    if view.mixed:
        add("mixed-scripts", MailWeight.STRONG, "words mix letters of several scripts", "text", ", ".join(view.mixed[:5]))
    if view.hidden_phrases or (view.content.hidden and len(view.content.hidden) > 400):
        add("hidden-text", MailWeight.WEAK, "HTML hides text from the reader", "HTML", " ".join(view.content.hidden.split())[:160])
    if len(view.message.all("from")) > 1 or len(view.message.addresses("from")) > 1:
        add("several-from", MailWeight.WEAK, "it names more than one sender", "From")
    if any(BIDI.search(sender.display) for sender in view.senders):
        add("bidi", MailWeight.STRONG, "the sender's name turns the direction of writing", "From")
    if view.content.programs:
        add("program", MailWeight.STRONG, f"it brings a program along: {view.content.programs[0]}", "attachment")
    if view.content.pages:
        add("attached-page", MailWeight.WEAK, f"it brings an HTML page along: {view.content.pages[0]}", "attachment")
    differing = _differing(view)
    if differing:
        add("alternatives-differ", MailWeight.WEAK, f"the HTML leads to {differing}, the plain text does not", "HTML")
    for host, who in sorted(view.known.items())[:5]:
        add("known-campaign", MailWeight.STRONG, f"{host} is known from a campaign ({who})", "indicators")
    if not sender_own and leads.brand:
        add("also-real-links", MailWeight.NEUTRAL, f"other links are {title}'s own; that clears nothing", "text")
    _describe_authentication(view, judgement)


def _describe_authentication(view: _View, judgement: _Judgement) -> None:
    auth = view.authentication
    passed = [name for name in ("spf", "dkim", "dmarc") if getattr(auth, name).outcome is AuthOutcome.PASS]
    failed = [name for name in ("spf", "dkim", "dmarc", "arc") if getattr(auth, name).outcome is AuthOutcome.FAIL]
    if failed:
        judgement.add("authentication-fails", MailWeight.STRONG, f"{', '.join(failed).upper()} fails for {_senders(view)}", "authentication")
    if passed:
        message = f"{', '.join(passed).upper()} pass for {_senders(view)}: that proves the domain, not who it belongs to"
        judgement.add("authentication-passes", MailWeight.NEUTRAL, message, "authentication")
    if not passed and not failed:
        judgement.add("authentication-not-checked", MailWeight.NEUTRAL, "authentication was not checked", "authentication")


def _differing(view: _View) -> str:
    """A domain that only the HTML leads to, where the plain text leads somewhere as well."""
    plain = {registered_domain(target.host) for target in view.targets if target.link.where == "text"}
    html = [registered_domain(target.host) for target in view.targets if target.link.where == "HTML" and not target.goes.opaque]
    only = [domain for domain in html if domain not in plain and not covers(view.hosts.neutral, domain)]
    return only[0] if plain and only else ""


def _where(target: Target) -> str:
    return target.link.where or target.link.kind


def _title(identifier: str) -> str:
    return next(entry.title for entry in load_phrases() if entry.id == identifier)


def _report(
    view: _View, judgements: list[_Judgement], nested: tuple[MailReport, ...], source: str, left_out: list[str]
) -> MailReport:
    ordered = sorted(judgements, key=lambda judgement: (-_GRAVITY[judgement.verdict], not judgement.claims.identity, not judgement.claims.sender_lookalikes, judgement.brand.id))
    first = ordered[0]
    verdict = first.verdict
    reason = first.reason or "it claims to come from no registry and no code host"
    evidence = list(first.evidence)
    for other in ordered[1:]:
        if _GRAVITY[other.verdict] >= _GRAVITY[MailVerdict.SUSPICIOUS]:
            evidence += other.evidence
    incomplete = [*view.message.problems, *view.content.problems, *left_out]
    for name in ("spf", "dkim", "dmarc", "arc"):
        check = getattr(view.authentication, name)
        if check.outcome is AuthOutcome.ERROR and check.source == "verified":
            incomplete.append(f"{name.upper()} could not be asked about: {check.detail}")
    for inner in nested:
        incomplete += [f"attached message: {problem}" for problem in inner.incomplete]
    worst = max(nested, key=lambda inner: _GRAVITY[inner.verdict], default=None)
    if worst is not None and _GRAVITY[worst.verdict] >= 2 and _GRAVITY[worst.verdict] > _GRAVITY[verdict]:
        verdict = worst.verdict
        reason = f"a message attached to it is {worst.verdict}: {worst.reason}"
    claims = tuple(
        MailClaim(judgement.brand.id, judgement.brand.title, judgement.claims.places or ("link",))
        for judgement in ordered
        if judgement.claimed or judgement.verdict is not MailVerdict.UNRELATED
    )
    likes = [like for judgement in ordered if judgement.claimed for like in judgement.lookalikes]
    author = view.senders[0] if view.senders else Address("", "")
    return MailReport(
        source=source,
        verdict=verdict,
        reason=reason,
        sender=f"{author.display} <{author.address}>" if author.display else author.address,
        subject=view.message.first("subject"),
        claims=claims,
        evidence=tuple(dict.fromkeys(evidence)),
        lookalikes=tuple(sorted(set(likes), key=lambda like: (like.domain, like.host, like.brand, like.reason))),
        authentication=view.authentication,
        recipients=view.recipients,
        incomplete=tuple(dict.fromkeys(incomplete)),
        nested=nested,
    )
