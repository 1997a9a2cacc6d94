"""The verdict on one message: what it claims, against where it comes from, where it leads and what it wants.

No single observation makes a verdict but a known campaign's. A message is phishing when three things meet: it
speaks as a brand (or comes from, or leads to, a domain made to be taken for the brand's), what it leads to is
not the brand's, and it wants something of the reader. docs/mail.md holds the table.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from npmguard.config import Limits
from npmguard.mail.authentication import authenticate
from npmguard.mail.claims import Claims, claims_of
from npmguard.mail.content import gather
from npmguard.mail.data import Brand, load_brands
from npmguard.mail.describe import describe
from npmguard.mail.links import covers
from npmguard.mail.lookalike import Owner, lookalikes, owned_by, owner, registered_domain
from npmguard.mail.message import Address, Message, read_message
from npmguard.mail.options import MailOptions
from npmguard.mail.own_host import ceiling, names_hosted_service
from npmguard.mail.phrases import find_phrases
from npmguard.mail.targets import Target
from npmguard.mail.text import readable
from npmguard.mail.view import GRAVITY, Judgement, Leads, View, leads_of, senders_of
from npmguard.model import (
    AuthOutcome,
    MailAuthentication,
    MailClaim,
    MailEvidence,
    MailReport,
    MailVerdict,
    MailWeight,
)

_NESTED_DEPTH = 4
_NESTED_COUNT = 20
_YOUNG_DAYS = 60
_BUTTON_WORDS = frozenset(
    [
        "verify",
        "confirm",
        "login",
        "log-in",
        "signin",
        "sign-in",
        "sign",
        "secure",
        "unlock",
        "update",
        "restore",
        "reactivate",
        "authenticate",
        "validate",
        "renew",
        "rotate",
        "enroll",
        "bestätigen",
        "anmelden",
        "aktualisieren",
        "einloggen",
        "entsperren",
        "vérifier",
        "connexion",
        "confirmer",
        "connecter",
        "verificar",
        "confirmar",
        "iniciar",
        "подтвердить",
        "войти",
        "обновить",
        "確認する",
        "ログイン",
        "更新する",
        "验证",
        "登录",
        "確認",
        "登入",
        "更新",
    ]
)


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
    view = View.of(message, content, authentication, options)
    judgements = [_judge_brand(view, brand) for brand in load_brands()]
    nested, left_out = _nested(message, options, source, depth=depth)
    return _report(view, judgements, nested, source, left_out)


def _nested(
    message: Message, options: MailOptions, source: str, *, depth: int
) -> tuple[tuple[MailReport, ...], list[str]]:
    if not message.nested:
        return (), []
    if depth >= _NESTED_DEPTH:
        return (), [
            f"messages lie more than {_NESTED_DEPTH} deep inside one another; the deeper ones were not judged"
        ]
    left_out = []
    if len(message.nested) > _NESTED_COUNT:
        left_out.append(
            f"only the first {_NESTED_COUNT} of {len(message.nested)} attached messages were judged"
        )
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


def _judge_brand(view: View, brand: Brand) -> Judgement:
    judgement = Judgement(brand, claims_of(brand, view.senders, view.wording))
    leads = leads_of(view, brand)
    sender_own = bool(view.from_domains) and all(
        owner(domain, brand) is Owner.BRAND for domain in view.from_domains
    )
    judgement.lookalikes += judgement.claims.sender_lookalikes
    if judgement.claims.mentioned or judgement.claims.identity or leads.like_strong:
        judgement.lookalikes += [like for _, like in (*leads.like_strong, *leads.like_weak)]
    if sender_own:
        _from_the_brand(view, judgement, leads)
    else:
        _from_another(view, judgement, leads)
    if judgement.verdict is not MailVerdict.UNRELATED:
        describe(view, judgement, leads, sender_own=sender_own)
    return judgement


def _from_the_brand(view: View, judgement: Judgement, leads: Leads) -> None:
    """From names the brand's own domain: true, unless it is forged or the way out leads to somebody else."""
    title = judgement.brand.title
    judgement.claimed = True
    judgement.raise_to(
        MailVerdict.GENUINE, f"it comes from {title}'s domain and leads to no place made to look like {title}"
    )
    away = leads.elsewhere
    if view.forged:
        if leads.away and view.wants:
            judgement.raise_to(
                MailVerdict.PHISHING,
                f"it names {title}'s domain as sender, authentication fails, and it leads elsewhere",
            )
        judgement.raise_to(
            MailVerdict.SUSPICIOUS, f"it names {title}'s domain as sender and authentication fails"
        )
    report = bool(view.phrases["context"]) and not leads.misleading
    if leads.like_strong and view.wants and not report:
        judgement.raise_to(
            MailVerdict.PHISHING,
            f"it names {title}'s domain as sender and leads to the lookalike {leads.like_strong[0][1].domain}",
        )
    elif leads.like_strong:
        judgement.raise_to(
            MailVerdict.SUSPICIOUS,
            f"it holds a link to {leads.like_strong[0][1].domain}, which only looks like {title}'s",
        )
    # a code host sends what its users write, under their names: that is not the brand speaking
    speaks = (
        "display name" in judgement.claims.identity
        or judgement.claims.voice is not None
        or not view.senders[0].display
    )
    misleading = [link for link in leads.misleading if not link.goes.opaque]  # brands count clicks, too
    if misleading or (leads.misleading and (view.secret or view.pressure)):
        link = (misleading or leads.misleading)[0]
        where = f"the text of a link shows {link.shown} and the link goes to {link.host}"
        if speaks or view.secret or view.pressure:
            _unless_proven(view, judgement, where)
        judgement.raise_to(MailVerdict.SUSPICIOUS, where)
    reply = [
        domain
        for domain in view.reply_domains
        if not owned_by(domain) and not covers(set(view.options.own_domains), domain)
    ]
    liked = [
        like
        for domain in reply
        for like in lookalikes(domain)
        if like.brand == judgement.brand.id and like.strong
    ]
    if liked:
        judgement.lookalikes += liked
        judgement.raise_to(
            MailVerdict.PHISHING,
            f"answers would go to {liked[0].domain}, which only looks like {title}'s domain",
        )
    elif reply and view.hand_over:
        _unless_proven(view, judgement, f"it asks for a secret in a reply, which would go to {reply[0]}")
    if leads.form and view.wants:
        _unless_proven(view, judgement, "it holds a form that asks for a password or sends it elsewhere")
    asked = [target for target in away if _asks(target)]
    if asked and speaks and view.secret and (view.pressure or not leads.brand):
        _unless_proven(
            view,
            judgement,
            f"the link '{asked[0].link.text[:60]}' goes to {asked[0].host}",
        )
    if away and view.secret and view.pressure and not leads.brand:
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"it asks for credentials and leads only to {away[0].host}")
    if view.content.programs or (view.content.pages and view.content.passwords):
        judgement.raise_to(
            MailVerdict.SUSPICIOUS, f"it brings a program or a login page along, which {title} does not send"
        )


def _unless_proven(view: View, judgement: Judgement, reason: str) -> None:
    """Phishing if the sender may be forged; suspicious if authentication proves From (users' content)."""
    judgement.raise_to(MailVerdict.SUSPICIOUS if view.proven else MailVerdict.PHISHING, reason)


def _asks(target: Target) -> bool:
    """Whether the link's own text asks for credentials."""
    return bool(target.link.text) and bool(
        find_phrases(readable(target.link.text), kinds=("demand",)) or _is_button(target.link.text)
    )


def _is_button(text: str) -> bool:
    words = set(readable(text).split())
    return len(words) <= 6 and bool(words & _BUTTON_WORDS)


def _from_another(view: View, judgement: Judgement, leads: Leads) -> None:
    """From is not the brand's: the message may only speak about it, or pretend to be it."""
    claims, brand = judgement.claims, judgement.brand
    title = brand.title
    likes = claims.sender_lookalikes
    like_strong = next((like for like in likes if like.strong), None)
    identity = tuple(place for place in claims.identity if place != "sender domain")
    other_brand = bool(view.from_domains) and all(owned_by(domain) for domain in view.from_domains)
    weak = claims.weak if not other_brand else ()
    if brand.self_hosted and identity == ("local part",):  # gitlab@ is how the software sends everywhere
        identity, weak = (), (*weak, "local part")
    strong_claim = bool(identity) or claims.voice is not None
    most = ceiling(view, brand, claims, leads)
    if most is MailVerdict.UNRELATED:
        return
    judgement.claimed = strong_claim or like_strong is not None
    report = (
        bool(view.phrases["context"])
        and not identity
        and not likes
        and claims.voice is None
        and not leads.misleading
    )
    known = _known_here(view, claims, leads)
    if known and (strong_claim or weak or claims.mentioned or view.wants):
        place, who = known
        if not report:
            judgement.raise_to(MailVerdict.PHISHING, f"{place} is known from a campaign ({who})")
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"{place} is known from a campaign ({who})")
    if like_strong is not None and (leads.away or view.secret):
        judgement.raise_to(
            MailVerdict.PHISHING,
            f"it comes from {like_strong.domain}, which only looks like {title}'s domain, and leads elsewhere",
        )
    if (
        likes
        and like_strong is None
        and (strong_claim or weak or claims.mentioned)
        and view.wants
        and leads.away
    ):
        if identity or claims.voice or view.secret or not view.names_itself:
            own = all(
                registered_domain(target.host) == registered_domain(likes[0].host) for target in leads.elsewhere
            )
            if strong_claim or (weak and view.secret and (view.pressure or own)):
                judgement.raise_to(
                    MailVerdict.PHISHING,
                    f"it speaks as {title} from {likes[0].domain}, which resembles {title}'s domain",
                )
        if view.secret and view.pressure:
            judgement.raise_to(
                MailVerdict.SUSPICIOUS,
                f"it asks for credentials from {likes[0].domain}, which resembles {title}'s domain",
            )
    if leads.like_strong and not report:
        domain = leads.like_strong[0][1].domain
        shown = "name in the display name" in weak and not view.names_itself
        if strong_claim or shown or (weak and view.wants) or (claims.mentioned and view.secret):
            judgement.raise_to(
                MailVerdict.PHISHING, f"it leads to {domain}, which only looks like {title}'s domain"
            )
    if leads.like_strong:
        judgement.raise_to(
            MailVerdict.SUSPICIOUS,
            f"it holds a link to {leads.like_strong[0][1].domain}, which only looks like {title}'s domain",
        )
    if leads.like_weak and strong_claim and view.wants and not view.names_itself:
        judgement.raise_to(
            MailVerdict.PHISHING,
            f"it speaks as {title} and leads to {leads.like_weak[0][1].domain}, which resembles its",
        )
    internal = _internal(view, leads)
    if leads.like_weak and weak and view.secret and view.pressure and not report and not internal:
        verdict = MailVerdict.SUSPICIOUS if view.names_itself or view.personal else MailVerdict.PHISHING
        judgement.raise_to(
            verdict, f"it asks for {title} credentials and leads to {leads.like_weak[0][1].domain}"
        )
    if leads.misleading and not report:
        link = leads.misleading[0]
        where = f"the text of a link shows {link.shown} and the link goes to {link.host}"
        if (strong_claim and view.wants) or (weak and view.secret and not view.names_itself):
            judgement.raise_to(MailVerdict.PHISHING, where)
        elif weak and view.secret and view.pressure:
            judgement.raise_to(MailVerdict.SUSPICIOUS, where)
    if identity and leads.away and view.wants:
        if view.secret or view.pressure or not view.names_itself:
            judgement.raise_to(
                MailVerdict.PHISHING,
                f"its sender calls itself {title}, sends from {senders_of(view)} and leads elsewhere",
            )
        judgement.raise_to(
            MailVerdict.SUSPICIOUS, f"its sender calls itself {title} and sends from {senders_of(view)}"
        )
    if identity and leads.away and (view.wants or likes or not internal):
        if likes and not view.names_itself:
            judgement.raise_to(
                MailVerdict.PHISHING,
                f"its sender calls itself {title}, and {likes[0].domain} resembles {title}'s domain",
            )
        judgement.raise_to(
            MailVerdict.SUSPICIOUS,
            f"its sender calls itself {title}, sends from {senders_of(view)} and leads elsewhere",
        )
    if "address in the display name" in identity and leads.away:
        judgement.raise_to(MailVerdict.PHISHING, f"its sender shows an address of {title}'s and is another")
    if likes and "name in the display name" in weak and leads.away and not view.names_itself:
        verdict = MailVerdict.PHISHING if view.wants else MailVerdict.SUSPICIOUS
        judgement.raise_to(
            verdict, f"its sender names {title}, and {likes[0].domain} resembles {title}'s domain"
        )
    if claims.voice and leads.away and (view.secret or view.pressure):
        verdict = MailVerdict.SUSPICIOUS if (view.names_itself or other_brand) else MailVerdict.PHISHING
        judgement.raise_to(
            verdict, f"it is signed by {title}, comes from {senders_of(view)} and leads elsewhere"
        )
    if len(weak) >= 3 and leads.away and not (view.names_itself or view.personal or report or internal):
        verdict = MailVerdict.PHISHING if "account" in weak and view.wants else MailVerdict.SUSPICIOUS
        judgement.raise_to(
            verdict, f"it is made up as {title}, comes from {senders_of(view)} and leads elsewhere"
        )
    if weak and view.secret and leads.away and not view.names_itself and not report and not internal:
        several = len(weak) > 1 or view.content.passwords > 0
        if several or ("account" in weak and view.pressure):
            verdict = (
                MailVerdict.PHISHING
                if view.pressure and ("account" in weak or leads.form) and not leads.brand and not view.personal
                else MailVerdict.SUSPICIOUS
            )
            judgement.raise_to(
                verdict, f"it asks for {title} credentials, comes from {senders_of(view)} and leads elsewhere"
            )
    if claims.disguised and (leads.away or view.wants):
        judgement.claimed = True
        judgement.raise_to(
            MailVerdict.PHISHING if leads.away and view.wants else MailVerdict.SUSPICIOUS,
            f"it spells {title} in letters that only look like it",
        )
    if not other_brand:
        _by_structure(view, judgement, leads, identity, weak)
    _young(view, judgement, leads, strong_claim=strong_claim or bool(weak))
    if identity and judgement.verdict is MailVerdict.UNRELATED:
        _resent(view, judgement, leads)
    if like_strong is not None:
        judgement.raise_to(
            MailVerdict.SUSPICIOUS,
            f"it comes from {like_strong.domain}, which only looks like {title}'s domain",
        )
    if GRAVITY[judgement.verdict] > GRAVITY[most]:
        judgement.verdict = most
    if GRAVITY[judgement.verdict] >= GRAVITY[MailVerdict.SUSPICIOUS]:
        judgement.claimed = True


def _by_structure(
    view: View, judgement: Judgement, leads: Leads, identity: tuple[str, ...], weak: tuple[str, ...]
) -> None:
    """What it is made up as, against where it comes from and leads, whatever words it uses."""
    brand, claims = judgement.brand, judgement.claims
    title = brand.title
    calls_itself = "display name" in identity or claims.voice is not None
    resembling = next((like for like in claims.sender_lookalikes if like.kind != "subdomain"), None)
    if resembling and calls_itself and (leads.away or view.wants):
        judgement.raise_to(
            MailVerdict.PHISHING,
            f"it speaks as {title} from {resembling.domain}, which resembles {title}'s domain",
        )
    if claims.disguised and "display name" in identity and leads.away:
        judgement.raise_to(
            MailVerdict.PHISHING,
            f"its sender spells {title} in letters that only look like it, and leads elsewhere",
        )
    if claims.staff and (view.hand_over or (leads.away and view.secret)):
        judgement.claimed = True
        judgement.raise_to(
            MailVerdict.PHISHING,
            f"its writer claims to be with {title}, writes from {senders_of(view)} and wants a credential",
        )
    elif claims.staff and leads.away and view.wants:
        judgement.raise_to(
            MailVerdict.SUSPICIOUS, f"its writer claims to be with {title} and writes from {senders_of(view)}"
        )
    apart = not (view.names_itself or view.listed or _internal(view, leads))
    # nobody runs a registry of that name under another domain; a code host, companies do
    alone = not brand.self_hosted or names_hosted_service(view, brand)
    if "display name" in identity and leads.away and not leads.brand and apart and alone:
        judgement.raise_to(
            MailVerdict.PHISHING,
            f"its sender calls itself {title}, sends from {senders_of(view)} and leads only elsewhere",
        )
    if identity and view.content.archives:
        judgement.raise_to(
            MailVerdict.SUSPICIOUS,
            f"its sender calls itself {title}, sends from {senders_of(view)} and brings an archive along",
        )
    report = bool(view.phrases["context"])
    made_up = {"logo", "account", "name in the display name", "local part"} & set(weak)
    made_up_as = "logo" in made_up or ({"account", "name in the display name"} <= made_up and not view.personal)
    if made_up_as and len(weak) >= 2 and leads.away and apart and not report:
        judgement.raise_to(
            MailVerdict.SUSPICIOUS,
            f"it is made up as {title}, comes from {senders_of(view)} and leads elsewhere",
        )


def _internal(view: View, leads: Leads) -> bool:
    """Whether a message stays inside the reader's organisation: sender, addressee and every way out."""
    places = {registered_domain(domain) for domain in view.from_domains}
    if (
        len(places) != 1
        or leads.form
        or leads.page
        or any(covers(view.hosts.freemail, domain) for domain in view.from_domains)
    ):
        return False
    ours = {registered_domain(address.rpartition("@")[2]) for address in view.recipients} | set(
        view.options.own_domains
    )
    return places <= ours and {registered_domain(target.host) for target in leads.elsewhere} <= places


def _resent(view: View, judgement: Judgement, leads: Leads) -> None:
    """A brand's name on another's address, with nothing that leads away: a list, or bait without a hook."""
    title = judgement.brand.title
    signed = any(
        f"d={entry.domain}" in "".join(header.raw.split())
        for header in view.message.all("dkim-signature")
        for entry in judgement.brand.domains
    )
    if leads.brand and (signed or view.message.all("list-id") or view.message.all("x-original-from")):
        judgement.claimed = True
        judgement.raise_to(
            MailVerdict.GENUINE, f"it was sent on by {senders_of(view)} and leads only to {title}"
        )
    elif view.wants and (view.secret or view.pressure):
        judgement.raise_to(
            MailVerdict.SUSPICIOUS, f"its sender calls itself {title} and sends from {senders_of(view)}"
        )


def _young(view: View, judgement: Judgement, leads: Leads, *, strong_claim: bool) -> None:
    """Ask how old the domains are that the message comes from and leads to, where that can change anything."""
    if view.options.age is None or not strong_claim:
        return
    domains = [
        registered_domain(domain) for domain in view.from_domains if not covers(view.hosts.freemail, domain)
    ]
    domains += [
        registered_domain(target.host)
        for target in leads.elsewhere
        if not target.goes.opaque and not target.goes.urls[-1].numeric
    ]
    for domain in list(dict.fromkeys(domains))[:8]:
        age = view.options.age(domain)
        if age.registered is None:
            judgement.unanswered.append(f"RDAP does not say how old {domain} is: {age.problem or 'no answer'}")
            continue
        days = (_now(view) - age.registered).days
        if days < 0 or days > _YOUNG_DAYS:
            continue
        before = "today" if days == 0 else f"{days} day{'s' if days != 1 else ''} before"
        judgement.add("young-domain", MailWeight.STRONG, f"{domain} was registered {before}", "RDAP")
        if leads.away and view.wants and not (view.names_itself and not judgement.claims.identity):
            judgement.raise_to(
                MailVerdict.PHISHING,
                f"it speaks as {judgement.brand.title}, and {domain} was registered {before}",
            )
        judgement.raise_to(MailVerdict.SUSPICIOUS, f"{domain} was registered {before}")


def _now(view: View) -> datetime:
    return view.options.now or datetime.now(UTC)


def _known_here(view: View, claims: Claims, leads: Leads) -> tuple[str, str] | None:
    if not view.known or not (
        claims.mentioned or claims.identity or claims.sender_lookalikes or leads.like_strong or leads.like_weak
    ):
        return None
    host = min(view.known)
    return host, view.known[host]


def _concerns(judgement: Judgement) -> bool:
    """Whether a message has to do with a brand so far that what it brings along matters."""
    claims = judgement.claims
    return judgement.claimed or bool(claims.identity or claims.voice or claims.staff or claims.weak)


def _report(
    view: View, judgements: list[Judgement], nested: tuple[MailReport, ...], source: str, left_out: list[str]
) -> MailReport:
    ordered = sorted(
        judgements,
        key=lambda judgement: (
            -GRAVITY[judgement.verdict],
            not judgement.claims.identity,
            not judgement.claims.sender_lookalikes,
            judgement.brand.id,
        ),
    )
    first = ordered[0]
    verdict = first.verdict
    reason = first.reason or "it claims to come from no registry and no code host"
    evidence = list(first.evidence)
    for other in ordered[1:]:
        if GRAVITY[other.verdict] >= GRAVITY[MailVerdict.SUSPICIOUS]:
            evidence += other.evidence
    incomplete = [*view.message.problems, *view.content.problems, *left_out]
    for name in ("spf", "dkim", "dmarc", "arc"):
        check = getattr(view.authentication, name)
        if check.outcome is AuthOutcome.ERROR and check.source == "verified":
            incomplete.append(f"{name.upper()} could not be asked about: {check.detail}")
    for judgement in judgements:
        incomplete += judgement.unanswered
    if view.content.archives and any(_concerns(judgement) for judgement in judgements):
        shown = ", ".join(view.content.archives[:5])
        incomplete.append(f"archives were not opened, and what they hold was not judged: {shown}")
    if view.known and verdict is MailVerdict.UNRELATED:
        place = min(view.known)
        verdict, reason = MailVerdict.SUSPICIOUS, f"{place} is known from a campaign ({view.known[place]})"
        evidence += [
            MailEvidence(
                "known-campaign", MailWeight.STRONG, f"{host} is known from a campaign ({who})", "indicators"
            )
            for host, who in sorted(view.known.items())[:5]
        ]
    for inner in nested:
        incomplete += [f"attached message: {problem}" for problem in inner.incomplete]
    worst = max(nested, key=lambda inner: GRAVITY[inner.verdict], default=None)
    if worst is not None and GRAVITY[worst.verdict] >= 2 and GRAVITY[worst.verdict] > GRAVITY[verdict]:
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
        lookalikes=tuple(
            sorted(set(likes), key=lambda like: (like.domain, like.host, like.brand, like.reason))
        ),
        authentication=view.authentication,
        recipients=view.recipients,
        incomplete=tuple(dict.fromkeys(incomplete)),
        nested=nested,
    )
