"""The evidence behind a verdict, in plain words."""

from __future__ import annotations

from npmguard.mail.data import load_phrases
from npmguard.mail.links import covers
from npmguard.mail.lookalike import owned_by, registered_domain
from npmguard.mail.targets import Target
from npmguard.mail.text import BIDI
from npmguard.mail.view import Judgement, Leads, View, senders_of
from npmguard.model import (
    AuthOutcome,
    MailWeight,
)


def describe(view: View, judgement: Judgement, leads: Leads, *, sender_own: bool) -> None:
    """Write down what was seen, the strong first."""
    title = judgement.brand.title
    add = judgement.add
    claims = judgement.claims
    for like in dict.fromkeys(claims.sender_lookalikes):
        add(
            "sender-lookalike",
            MailWeight.STRONG if like.strong else MailWeight.WEAK,
            f"the sender's domain passes for {like.imitates}: {like.reason}",
            "From",
        )
    if claims.identity and not sender_own:
        add(
            "claims-brand",
            MailWeight.STRONG,
            f"the sender calls itself {title} ({', '.join(claims.identity)})",
            "From",
            view.senders[0].display if view.senders else None,
        )
    if sender_own:
        add(
            "sender-own",
            MailWeight.CLEARS,
            f"the sender's address is {title}'s, which proves nothing by itself",
            "From",
        )
    if claims.voice:
        add("signed-as-brand", MailWeight.STRONG, f"it is signed by {title}", "text", claims.voice)
    if claims.disguised:
        add(
            "disguised-brand",
            MailWeight.STRONG,
            f"it spells {title} in letters that only look like it",
            "",
            claims.disguised,
        )
    seen: set[str] = set()
    for target, like in (*leads.like_strong, *leads.like_weak):
        if like.host not in seen and len(seen) < 10:
            seen.add(like.host)
            weight = MailWeight.STRONG if like.strong else MailWeight.WEAK
            add(
                "link-lookalike",
                weight,
                f"a link passes for {like.imitates}: {like.reason}",
                _where(target),
                target.link.target,
            )
    for target in leads.misleading[:5]:
        add(
            "link-text",
            MailWeight.STRONG,
            f"a link shows {target.shown} and goes to {target.host}",
            _where(target),
            target.link.target,
        )
    others = [target for target in leads.elsewhere if target.host not in seen]
    if others and not sender_own:
        hosts = ", ".join(list(dict.fromkeys(target.host for target in others))[:5])
        add(
            "leads-elsewhere",
            MailWeight.WEAK,
            f"links go to {hosts}, not to {title}",
            _where(others[0]),
            others[0].link.target,
        )
    if any(target.goes.opaque for target in leads.elsewhere):
        add(
            "hidden-target",
            MailWeight.WEAK,
            "a shortener or click counter hides where a link goes",
            "",
            next(t.link.target for t in leads.elsewhere if t.goes.opaque),
        )
    if leads.form:
        add(
            "form",
            MailWeight.STRONG,
            "it holds a form that asks for a password or sends what is typed elsewhere",
            "HTML",
        )
    if view.content.codes:
        add("qr-code", MailWeight.WEAK, "an image holds a code with a link", "image", view.content.codes[0])
    for kind, code in (("demand", "asks-secret"), ("pressure", "pressure"), ("lure", "lure")):
        for identifier, place in sorted(view.phrases[kind].items()):
            add(code, MailWeight.WEAK, f"it {_title(identifier)}", "text", place)
    _describe_tricks(view, judgement, leads, sender_own=sender_own)


def _describe_tricks(view: View, judgement: Judgement, leads: Leads, *, sender_own: bool) -> None:
    title = judgement.brand.title
    add = judgement.add
    mine = {registered_domain(domain) for domain in view.from_domains}
    for domain in view.reply_domains[:3]:
        if registered_domain(domain) not in mine and not owned_by(domain):
            add(
                "reply-to",
                MailWeight.WEAK,
                f"answers would go to {domain}, which is not the sender's",
                "Reply-To",
            )
    for address in view.message.addresses("return-path")[:1]:
        if address.domain and registered_domain(address.domain) not in mine:
            add(
                "return-path",
                MailWeight.NEUTRAL,
                f"bounces go to {address.domain}, which is not the sender's (mailers do that too)",
                "Return-Path",
            )
    if view.content.split_words:
        add("split-words", MailWeight.STRONG, "words are split by invisible characters or hidden text", "text")
    if view.mixed:
        add(
            "mixed-scripts",
            MailWeight.STRONG,
            "words mix letters of several scripts",
            "text",
            ", ".join(view.mixed[:5]),
        )
    if view.hidden_phrases or (view.content.hidden and len(view.content.hidden) > 400):
        add(
            "hidden-text",
            MailWeight.WEAK,
            "HTML hides text from the reader",
            "HTML",
            " ".join(view.content.hidden.split())[:160],
        )
    if len(view.message.all("from")) > 1 or len(view.message.addresses("from")) > 1:
        add("several-from", MailWeight.WEAK, "it names more than one sender", "From")
    if any(BIDI.search(sender.display) for sender in view.senders):
        add("bidi", MailWeight.STRONG, "the sender's name turns the direction of writing", "From")
    if view.content.programs:
        add(
            "program", MailWeight.STRONG, f"it brings a program along: {view.content.programs[0]}", "attachment"
        )
    if view.content.pages:
        add(
            "attached-page",
            MailWeight.WEAK,
            f"it brings an HTML page along: {view.content.pages[0]}",
            "attachment",
        )
    differing = _differing(view)
    if differing:
        add(
            "alternatives-differ",
            MailWeight.WEAK,
            f"the HTML leads to {differing}, the plain text does not",
            "HTML",
        )
    for host, who in sorted(view.known.items())[:5]:
        add("known-campaign", MailWeight.STRONG, f"{host} is known from a campaign ({who})", "indicators")
    if not sender_own and leads.brand:
        add(
            "also-real-links", MailWeight.NEUTRAL, f"other links are {title}'s own; that clears nothing", "text"
        )
    _describe_authentication(view, judgement)


def _describe_authentication(view: View, judgement: Judgement) -> None:
    auth = view.authentication
    passed = [name for name in ("spf", "dkim", "dmarc") if getattr(auth, name).outcome is AuthOutcome.PASS]
    failed = [
        name for name in ("spf", "dkim", "dmarc", "arc") if getattr(auth, name).outcome is AuthOutcome.FAIL
    ]
    if failed:
        judgement.add(
            "authentication-fails",
            MailWeight.STRONG,
            f"{', '.join(failed).upper()} fails for {senders_of(view)}",
            "authentication",
        )
    if passed:
        who = senders_of(view)
        message = f"{', '.join(passed).upper()} pass for {who}: that proves the domain, not who it belongs to"
        judgement.add("authentication-passes", MailWeight.NEUTRAL, message, "authentication")
    if not passed and not failed:
        judgement.add(
            "authentication-not-checked", MailWeight.NEUTRAL, "authentication was not checked", "authentication"
        )


def _differing(view: View) -> str:
    """A domain that only the HTML leads to, where the plain text leads somewhere as well."""
    plain = {registered_domain(target.host) for target in view.targets if target.link.where == "text"}
    html = [
        registered_domain(target.host)
        for target in view.targets
        if target.link.where == "HTML" and not target.goes.opaque
    ]
    only = [domain for domain in html if domain not in plain and not covers(view.hosts.neutral, domain)]
    return only[0] if plain and only else ""


def _where(target: Target) -> str:
    return target.link.where or target.link.kind


def _title(identifier: str) -> str:
    return next(entry.title for entry in load_phrases() if entry.id == identifier)
