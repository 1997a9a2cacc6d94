"""The corpus of fixtures/mail: no genuine message is called phishing, and phishing is not missed."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

import pytest

from npmguard.mail.judge import judge_message
from npmguard.mail.options import MailOptions
from npmguard.model import AuthOutcome, MailVerdict

FOLDER = Path(__file__).parents[3] / "fixtures" / "mail"


def verdicts(name: str) -> dict[str, MailVerdict]:
    found = {
        path.stem: judge_message(path.read_bytes()).verdict for path in sorted((FOLDER / name).glob("*.eml"))
    }
    assert found
    return found


def test_the_corpus_is_as_large_and_as_varied_as_its_figures_claim() -> None:
    phishing = list((FOLDER / "phishing").glob("*.eml"))
    others = [*(FOLDER / "genuine").glob("*.eml"), *(FOLDER / "unrelated").glob("*.eml")]
    assert len(phishing) >= 60
    assert len(others) >= 120


def test_phishing_is_called_phishing() -> None:
    counts = Counter(verdicts("phishing").values())
    assert counts[MailVerdict.PHISHING] >= 0.95 * counts.total()
    assert counts[MailVerdict.PHISHING] + counts[MailVerdict.SUSPICIOUS] == counts.total()


@pytest.mark.parametrize(
    "name", ["genuine", "unrelated", *(f"held-out{n}-others" for n in ("", "-2", "-3", "-4", "-5", "-6"))]
)
def test_nothing_genuine_or_unrelated_is_called_phishing(name: str) -> None:
    assert [key for key, verdict in verdicts(name).items() if verdict is MailVerdict.PHISHING] == []


def test_genuine_mail_is_called_genuine() -> None:
    assert {key for key, verdict in verdicts("genuine").items() if verdict is not MailVerdict.GENUINE} == set()


def test_unrelated_mail_is_left_alone() -> None:
    assert {
        key for key, verdict in verdicts("unrelated").items() if verdict is not MailVerdict.UNRELATED
    } == set()


@pytest.mark.parametrize("name", ["held-out-phishing", "held-out-2-phishing"])
def test_phishing_of_the_first_held_out_sets_is_not_missed_again(name: str) -> None:
    missed = {
        key
        for key, verdict in verdicts(name).items()
        if verdict not in {MailVerdict.PHISHING, MailVerdict.SUSPICIOUS}
    }
    assert missed == set()


@pytest.mark.parametrize(
    ("name", "called", "missed"),
    [
        ("held-out-3-phishing", 19, 1),
        ("held-out-4-phishing", 15, 0),
        ("held-out-5-phishing", 30, 0),
        ("held-out-6-phishing", 12, 0),
    ],
)
def test_what_the_page_on_mail_says_of_the_held_out_sets_is_so(name: str, called: int, missed: int) -> None:
    counts = Counter(verdicts(name).values())
    assert counts[MailVerdict.PHISHING] >= called
    assert counts[MailVerdict.UNRELATED] + counts[MailVerdict.GENUINE] <= missed


def test_no_fixture_is_read_in_part_only() -> None:
    reports = [judge_message(path.read_bytes(), source=path.stem) for path in sorted(FOLDER.rglob("*.eml"))]
    assert [report.source for report in reports if report.incomplete] == []


def test_the_message_of_september_2025_is_phishing_with_all_authentication_passing() -> None:
    raw = (FOLDER / "phishing" / "npm-2025-09-08.eml").read_bytes()
    stamp = (
        b"Authentication-Results: mx.dev.example; spf=pass smtp.mailfrom=support@npmjs.help; "
        b"dkim=pass header.d=npmjs.help; dmarc=pass header.from=npmjs.help\n"
    )
    report = judge_message(stamp + raw, MailOptions(authserv_ids=frozenset({"mx.dev.example"})))
    checks = report.authentication
    assert {checks.spf.outcome, checks.dkim.outcome, checks.dmarc.outcome} == {AuthOutcome.PASS}
    assert report.verdict is MailVerdict.PHISHING
    assert any(like.domain == "npmjs.help" and like.strong for like in report.lookalikes)


def test_fixtures_are_what_their_sources_make() -> None:
    made = runpy.run_path(str(FOLDER / "make.py"))["made"]()
    stored = {path.relative_to(FOLDER): path.read_bytes() for path in FOLDER.rglob("*.eml")}
    assert set(made) == set(stored)
    # a QR code's mask is the encoder's choice, so those are held to their content by the corpus alone
    assert [path for path in made if made[path] != stored[path] and b"image/png" not in made[path]] == []
