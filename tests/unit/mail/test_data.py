from __future__ import annotations

import pytest

from npmguard.mail.data import LANGUAGES, Brand, PhraseSet, load_brands, load_hosts, load_phrases
from npmguard.mail.lookalike import Owner, lookalikes, owner
from npmguard.mail.phrases import matches

BRANDS = {brand.id: brand for brand in load_brands()}


def test_every_brand_that_publishers_have_accounts_with_is_there() -> None:
    assert set(BRANDS) == {
        "npm",
        "github",
        "pypi",
        "crates-io",
        "rubygems",
        "packagist",
        "nuget",
        "docker-hub",
        "gitlab",
        "bitbucket",
    }


@pytest.mark.parametrize("brand", load_brands(), ids=lambda brand: brand.id)
def test_a_brands_own_domains_are_its_and_no_lookalikes(brand: Brand) -> None:
    assert any(entry.mail for entry in brand.domains)
    for entry in brand.domains:
        assert entry.source.startswith("https://")
        assert owner(f"www.{entry.domain}", brand) is Owner.BRAND
        assert lookalikes(entry.domain) == ()
    for related in brand.related:
        assert lookalikes(related.domain) == ()


EXAMPLES = [
    (phrases.id, language, text, side == "match")
    for phrases in load_phrases()
    for language in LANGUAGES
    for side in ("match", "no_match")
    for text in getattr(phrases.languages[language].examples, side)
]


@pytest.mark.parametrize(("identifier", "language", "text", "wanted"), EXAMPLES)
def test_phrases_find_their_examples_and_nothing_in_the_others(
    identifier: str, language: str, text: str, wanted: bool
) -> None:
    assert matches(identifier, language, text, BRANDS["npm"]) is wanted


@pytest.mark.parametrize("phrases", load_phrases(), ids=lambda phrases: phrases.id)
def test_every_phrase_set_speaks_seven_languages(phrases: PhraseSet) -> None:
    assert set(phrases.languages) == {"en", "ja", "zh", "es", "de", "fr", "ru"}


def test_a_neutral_or_tracking_host_is_no_brands() -> None:
    hosts = load_hosts()
    for host in hosts.neutral | hosts.trackers | hosts.shorteners:
        assert all(owner(host, brand) is not Owner.BRAND for brand in load_brands()), host
