from __future__ import annotations

import re
from datetime import date

import pytest

from npmguard.mail.data import load_campaigns
from npmguard.mail.judge import judge_message
from npmguard.mail.known import shipped_indicators
from npmguard.mail.options import MailOptions
from npmguard.model import Indicator, IndicatorKind, MailReport, MailVerdict


def judged(body: str, *indicators: Indicator, sender: str = "Ana <a@b.example>", more: str = "") -> MailReport:
    raw = f"From: {sender}\nTo: m@dev.example\nSubject: Hello\n{more}\n{body}\n".encode()
    return judge_message(raw, MailOptions(indicators=indicators))


def of(kind: IndicatorKind, value: str) -> Indicator:
    return Indicator(kind, value, "Acme feed")


@pytest.mark.parametrize("header", ["Reply-To", "Return-Path", "Sender"])
def test_a_known_mailbox_is_found_wherever_the_message_names_it(header: str) -> None:
    drop = of(IndicatorKind.EMAIL, "drop@mailbox.example")
    report = judged("Your npm token, please.", drop, more=f"{header}: <Drop@mailbox.example>\n")
    assert report.verdict is MailVerdict.PHISHING
    assert "drop@mailbox.example is known from a campaign (Acme feed)" in report.reason
    assert judged("Your npm token, please.", drop, more=f"{header}: <other@mailbox.example>\n").verdict is (
        MailVerdict.UNRELATED
    )


def test_a_tag_does_not_hide_a_known_mailbox_and_a_link_to_it_counts() -> None:
    drop = of(IndicatorKind.EMAIL, "drop@mailbox.example")
    assert judged("Hello", drop, sender="drop+77@mailbox.example").verdict is MailVerdict.SUSPICIOUS
    page = "Content-Type: text/html\n"
    assert judged("<a href='mailto:drop%40mailbox.example?subject=x'>npm</a>", drop, more=page).verdict is (
        MailVerdict.PHISHING
    )


def test_a_known_url_covers_what_lies_below_it_and_nothing_beside() -> None:
    known = of(IndicatorKind.URL, "https://files.example/npm")
    assert judged("npm: https://files.example/npm/login?x=1", known).verdict is MailVerdict.PHISHING
    assert judged("npm: https://files.example/npm-docs", known).verdict is MailVerdict.UNRELATED
    assert judged("npm: https://files.example/", known).verdict is MailVerdict.UNRELATED


def test_a_known_url_behind_a_redirector_is_found() -> None:
    known = of(IndicatorKind.URL, "https://files.example/npm")
    link = "https://www.google.com/url?q=https%3A%2F%2Ffiles.example%2Fnpm"
    assert judged(f"npm: {link}", known).verdict is MailVerdict.PHISHING


def test_a_known_address_of_a_host_is_found_in_links() -> None:
    known = of(IndicatorKind.IP, "203.0.113.9")
    assert judged("npm: http://203.0.113.9/x", known).verdict is MailVerdict.PHISHING


def test_what_is_known_is_suspicious_though_no_brand_is_named() -> None:
    report = judged("See https://drop.example/x", of(IndicatorKind.DOMAIN, "drop.example"))
    assert report.verdict is MailVerdict.SUSPICIOUS
    assert any(evidence.code == "known-campaign" for evidence in report.evidence)


def test_the_campaigns_that_ship_are_known_without_any_file() -> None:
    report = judged("Hello", sender="Rust <x@rustfoundation.dev>")
    assert report.verdict is not MailVerdict.UNRELATED
    values = {indicator.value for indicator in shipped_indicators()}
    assert {"npmjs.help", "npnjs.com", "pypj.org", "support@npmjs.help"} <= values


def test_every_campaign_names_its_report_and_its_day() -> None:
    campaigns = load_campaigns()
    assert len({campaign.id for campaign in campaigns}) == len(campaigns)
    for campaign in campaigns:
        assert campaign.id.startswith(f"{campaign.date:%Y-%m}-")
        assert campaign.domains or campaign.emails or campaign.urls
        assert all(re.fullmatch(r"https://\S+", source) for source in campaign.sources)
        assert date(2018, 1, 1) < campaign.date <= campaign.checked
    for indicator in shipped_indicators():
        assert indicator.source.startswith("https://")
        assert indicator.date
