"""Verdicts by combination: what a message claims, where it comes from and leads, and what it wants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from npmguard.lookup.answers import DomainAge
from npmguard.mail.judge import judge_message
from npmguard.mail.options import MailOptions
from npmguard.model import Indicator, IndicatorKind, MailReport, MailVerdict, MailWeight

PHISHING, SUSPICIOUS = MailVerdict.PHISHING, MailVerdict.SUSPICIOUS
GENUINE, UNRELATED = MailVerdict.GENUINE, MailVerdict.UNRELATED


def judged(
    body: str,
    sender: str = "a@b.example",
    subject: str = "Hello",
    options: MailOptions | None = None,
    more: str = "",
) -> MailReport:
    kind = "text/html" if body.lstrip().startswith("<") else "text/plain"
    raw = f"From: {sender}\nTo: m@dev.example\nSubject: {subject}\n{more}Content-Type: {kind}; charset=utf-8\n\n{body}\n"  # noqa: E501 - as it stands in a message
    return judge_message(raw.encode(), options)


def codes(report: MailReport) -> set[str]:
    return {evidence.code for evidence in report.evidence}


def test_a_lookalike_sender_that_leads_away_is_phishing_whatever_it_says() -> None:
    assert judged("See https://npmjs.help/x", "npm <support@npmjs.help>").verdict is PHISHING


def test_a_lookalike_sender_that_leads_nowhere_is_suspicious() -> None:
    assert judged("Thank you.", "npm <support@npmjs.example>").verdict is SUSPICIOUS


def test_a_pass_for_a_lookalike_clears_nothing() -> None:
    stamp = "Authentication-Results: mx.dev.example; spf=pass smtp.mailfrom=npmjs.help; dkim=pass header.d=npmjs.help; dmarc=pass header.from=npmjs.help\n"  # noqa: E501 - as it stands in a message
    options = MailOptions(authserv_ids=frozenset({"mx.dev.example"}))
    report = judged("Update 2FA: https://npmjs.help/x", "npm <support@npmjs.help>", options=options, more=stamp)
    assert report.verdict is PHISHING
    passing = next(evidence for evidence in report.evidence if evidence.code == "authentication-passes")
    assert passing.weight is MailWeight.NEUTRAL
    assert "not who it belongs to" in passing.message


def test_urgent_words_from_the_real_sender_are_genuine() -> None:
    body = "URGENT: your tokens will be revoked within 24 hours. Sign in to rotate them: https://www.npmjs.com/settings"
    assert judged(body, "npm Security <security@npmjs.com>").verdict is GENUINE


def test_the_same_words_about_no_registry_are_unrelated() -> None:
    body = "URGENT: your account will be locked within 24 hours. Sign in: https://shop.example/login"
    assert judged(body, "Shop <info@shop.example>").verdict is UNRELATED


def test_a_real_sender_whose_authentication_fails_is_no_longer_genuine() -> None:
    stamp = "Authentication-Results: mx.dev.example; dmarc=fail header.from=npmjs.com\n"
    options = MailOptions(authserv_ids=frozenset({"mx.dev.example"}))
    assert judged("Hello.", "npm <support@npmjs.com>", options=options, more=stamp).verdict is SUSPICIOUS
    away = "Verify your account: https://evil.example/x"
    assert judged(away, "npm <support@npmjs.com>", options=options, more=stamp).verdict is PHISHING


def test_authentication_results_of_a_server_nobody_named_are_not_believed() -> None:
    stamp = "Authentication-Results: mx.evil.example; dmarc=fail header.from=npmjs.com\n"
    assert judged("Hello.", "npm <support@npmjs.com>", more=stamp).verdict is GENUINE


def test_the_topmost_stamp_decides_over_one_that_came_with_the_message() -> None:
    options = MailOptions(authserv_ids=frozenset({"mx.dev.example"}))
    more = (
        "Authentication-Results: mx.dev.example; dmarc=fail header.from=npmjs.com\n"
        "Received: from evil.example by mx.dev.example\n"
        "Authentication-Results: mx.dev.example; dmarc=pass header.from=npmjs.com\n"
    )
    raw = f"{more}From: npm <support@npmjs.com>\nSubject: x\n\nVerify your account: https://evil.example\n"
    assert judge_message(raw.encode(), options).verdict is PHISHING


def test_a_link_that_shows_one_place_and_goes_to_another_is_named() -> None:
    body = '<p>Your npm account will be locked. Verify your account.</p><a href="https://evil.example/n">https://www.npmjs.com/login</a>'
    report = judged(body, "Security <s@mailer.example>")
    assert report.verdict is PHISHING
    assert "link-text" in codes(report)


def test_a_newsletters_counted_links_mislead_nobody() -> None:
    body = '<h1>JS News</h1><a href="https://jsnews.example/l/1">github.com/debug-js/debug</a> npm tokens expire soon, rotate them.'  # noqa: E501 - as it stands in a message
    assert judged(body, "JS News <news@jsnews.example>").verdict is UNRELATED


def test_talk_about_phishing_is_not_phishing() -> None:
    body = "Attackers sent phishing mail from npmjs.help. Do not open https://npmjs.help/login. Rotate your npm tokens."  # noqa: E501 - as it stands in a message
    assert judged(body, "Research <r@lab.example>").verdict in {UNRELATED, SUSPICIOUS}


def test_words_about_phishing_do_not_clear_who_speaks_as_the_brand() -> None:
    body = "To protect you from phishing, verify your npm account at https://npmjs.help/login today."
    assert judged(body, "npm Support <s@mailer.example>").verdict is PHISHING


@pytest.mark.parametrize(
    "name",
    [
        "npm",
        "NPM Support",
        "npmSupport",
        "The npm Team",
        "npm, Inc.",
        "npm サポート",
        "\U0001d5fb\U0001d5fd\U0001d5fa",
        "n\u200bpm Support",
    ],
)
def test_a_display_name_that_is_the_brands_is_a_claim(name: str) -> None:
    report = judged(
        "Verify your account within 24 hours: https://evil.example/x", f'"{name}" <x@mailer.example>'
    )
    assert report.verdict is PHISHING
    assert report.claims[0].brand == "npm"


@pytest.mark.parametrize(
    "name", ["npm Weekly", "Docker Meetup Berlin", "GitHub Trending Digest", "Learn npm Fast"]
)
def test_a_display_name_that_only_holds_the_brand_is_no_claim_of_its_own(name: str) -> None:
    assert judged("Read it: https://mailer.example/x", f"{name} <x@mailer.example>").verdict is UNRELATED


def test_own_installations_of_a_code_host_are_left_alone() -> None:
    body = "Reset your password: https://gitlab.dev.example/users/password"
    assert judged(body, "GitLab <gitlab@dev.example>").verdict is UNRELATED
    options = MailOptions(own_domains=frozenset({"partner.example"}))
    urgent = "Reset your password within 2 hours: https://gitlab.partner.example/users/password"
    assert judged(urgent, "GitLab <gitlab@partner.example>", options=options).verdict is UNRELATED
    assert judged(urgent, "GitLab <gitlab@partner.example>").verdict is not UNRELATED


def test_a_known_campaigns_domain_is_named_with_who_knows_it() -> None:
    options = MailOptions(indicators=(Indicator(IndicatorKind.DOMAIN, "drop.example", "Acme feed"),))
    report = judged("npm: see https://login.drop.example/x", "a@b.example", options=options)
    assert report.verdict is PHISHING
    assert "Acme feed" in report.reason


def test_a_young_domain_is_strong_evidence_with_a_claim_and_nothing_without() -> None:
    now = datetime(2025, 9, 8, tzinfo=UTC)
    options = MailOptions(age=lambda domain: DomainAge(domain, now - timedelta(days=3)), now=now)
    report = judged(
        "Please see https://fresh.example/x today",
        "npm Weekly <n@fresh.example>",
        subject="npm news",
        options=options,
    )
    assert report.verdict in {PHISHING, SUSPICIOUS}
    assert any("registered 3 days before" in evidence.message for evidence in report.evidence)
    assert judged("See https://fresh.example/x", "Shop <n@fresh.example>", options=options).verdict is UNRELATED


def test_an_old_domain_changes_nothing() -> None:
    now = datetime(2025, 9, 8, tzinfo=UTC)
    options = MailOptions(age=lambda domain: DomainAge(domain, now - timedelta(days=3000)), now=now)
    assert (
        judged("Read: https://old.example/x", "npm Weekly <n@old.example>", options=options).verdict
        is UNRELATED
    )


def test_an_attached_message_is_judged_and_makes_the_verdict() -> None:
    inner = "From: npm <support@npmjs.help>\nSubject: x\n\nUpdate 2FA: https://npmjs.help/x"
    raw = f"From: a@dev.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee.\n--b\nContent-Type: message/rfc822\n\n{inner}\n--b--\n"  # noqa: E501 - as it stands in a message
    report = judge_message(raw.encode())
    assert report.verdict is PHISHING
    assert report.nested[0].verdict is PHISHING


def test_a_message_that_cannot_be_read_in_full_says_so() -> None:
    report = judge_message(b"From: a@b.example\nContent-Type: application/pkcs7-mime\n\nMIAG")
    assert report.incomplete


def test_users_of_a_code_host_may_write_about_signing_in() -> None:
    body = '<p>The account is locked within 24 hours. <a href="https://auth.corp.example/login">Sign in</a> and enable 2FA.</p><a href="https://github.com/c/a/issues/1">View it on GitHub</a>'  # noqa: E501 - as it stands in a message
    assert judged(body, "Frank <notifications@github.com>").verdict is GENUINE
    assert judged(body, "GitHub <noreply@github.com>").verdict is PHISHING


def test_the_same_bytes_get_the_same_report() -> None:
    raw = b"From: npm <a@npmjs.help>\nSubject: x\n\nVerify https://npmjs.help https://github.com.evil.example"
    assert judge_message(raw) == judge_message(raw)


def test_a_code_host_of_strangers_is_suspicious_and_its_notifications_are_left_alone() -> None:
    body = "You were added to the project tools. https://forge.partner.example/tools"
    assert judged(body, "GitLab <git@forge.partner.example>").verdict is SUSPICIOUS
    noted = "X-GitLab-Project-Path: tools\nReply-To: <reply@forge.partner.example>\n"
    assert judged(body, "GitLab <git@forge.partner.example>", more=noted).verdict is UNRELATED
    own = MailOptions(own_domains=frozenset({"partner.example"}))
    assert judged(body, "GitLab <git@forge.partner.example>", options=own).verdict is UNRELATED


def test_the_softwares_headers_excuse_no_request_for_a_secret_and_no_answers_elsewhere() -> None:
    body = "Sign in to confirm your account: https://forge.partner.example/in"
    noted = "X-GitLab-Project-Path: tools\n"
    assert judged(body, "GitLab <git@forge.partner.example>", more=noted).verdict is SUSPICIOUS
    away = noted + "Reply-To: <x@other.example>\n"
    assert judged(body, "GitLab <git@forge.partner.example>", more=away).verdict is PHISHING


def test_a_stranger_who_speaks_of_the_hosted_service_is_no_installation_of_it() -> None:
    body = "You receive this because of your account on GitLab.com. Open: https://forge.partner.example/tools"
    assert judged(body, "GitLab <git@forge.partner.example>").verdict is PHISHING


def test_a_quiet_message_in_a_registrys_name_from_elsewhere_is_phishing() -> None:
    assert judged("One item waits: https://relay.example/q", "npm <post@relay.example>").verdict is PHISHING


def test_a_claim_from_a_domain_that_resembles_the_brands_is_phishing_whatever_the_words() -> None:
    assert judged("Monthly notes: https://nugget.example/n", "NuGet <a@nugget.example>").verdict is PHISHING


def test_a_name_in_letters_of_another_script_is_phishing_and_full_width_is_not_one() -> None:
    assert judged("Look: https://cloud.example/x", "Вitbucket <a@cloud.example>").verdict is PHISHING  # noqa: RUF001 - the look-alike is the subject


def test_who_claims_to_be_staff_and_wants_a_code_is_phishing() -> None:
    body = "I am with the npm security team. Please reply with the six digits that your authenticator shows."
    assert judged(body, "Sam Lee <sam@post.example>").verdict is PHISHING
    assert judged("I work at npm, nice to meet you.", "Sam Lee <sam@post.example>").verdict is UNRELATED


def test_an_archive_is_said_where_a_brand_is_claimed_and_nowhere_else() -> None:
    body = (
        "--b\nContent-Type: text/plain\n\nSee the receipt.\n"
        '--b\nContent-Type: application/zip; name="receipt.zip"\n\nPK\n--b--'
    )
    kind = "Content-Type: multipart/mixed; boundary=b\n"

    def bring(sender: str) -> MailReport:
        return judge_message(f"From: {sender}\nSubject: x\n{kind}\n{body}\n".encode())

    claimed = bring("npm Billing <billing@relay.example>")
    assert claimed.verdict is SUSPICIOUS
    assert any("receipt.zip" in problem for problem in claimed.incomplete)
    assert bring("Shop <a@shop.example>").incomplete == ()


def test_text_in_pgp_is_not_read_and_said() -> None:
    report = judged("-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----", "Sam <sam@post.example>")
    assert any("PGP" in problem for problem in report.incomplete)
    signed = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nHello"
    assert judged(signed, "Sam <sam@post.example>").incomplete == ()


def test_an_age_that_nobody_tells_leaves_the_judgement_incomplete() -> None:
    options = MailOptions(age=lambda domain: DomainAge(domain, None, "rdap.example gives no answer"))
    report = judged("Sign in: https://relay.example/x", "npm <a@relay.example>", options=options)
    assert report.verdict is PHISHING
    assert any("relay.example" in problem and "no answer" in problem for problem in report.incomplete)
    assert judged("Hi: https://shop.example/x", "Shop <a@shop.example>", options=options).incomplete == ()


def test_a_tool_that_bears_the_brands_name_is_not_the_brand_in_disguise() -> None:
    body = "Run failed: https://build.shop.example/1"
    assert judged(body, "GitHub Actions <ci@build.shop.example>").verdict is UNRELATED


def test_an_organisations_own_registry_is_left_alone_while_it_wants_nothing() -> None:
    assert judged("Published: https://pkg.dev.example/1", "npm <registry@pkg.dev.example>").verdict is UNRELATED
