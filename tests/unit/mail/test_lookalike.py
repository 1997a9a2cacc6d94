from __future__ import annotations

import pytest

from npmguard.mail.lookalike import lookalikes, owned_by, registered_domain, split_host


@pytest.mark.parametrize(
    ("host", "brand", "kind"),
    [
        ("npmjs.help", "npm", "other-tld"),
        ("npmjs.cam", "npm", "other-tld"),
        ("npnjs.com", "npm", "typo"),
        ("nprnjs.com", "npm", "homoglyph"),
        ("www.npmjs.com.session.example", "npm", "embedded"),
        ("npmjs-com.example", "npm", "embedded"),
        ("github.com-login.example", "github", "embedded"),
        ("npm-support.example", "npm", "combination"),
        ("npmsupport.example", "npm", "combination"),
        ("secure-npmjs.com", "npm", "combination"),
        ("npmjs-help.github.io", "npm", "combination"),
        ("login-npmjs.evil.example", "npm", "combination"),
        ("githubb.com", "github", "typo"),
        ("rubygens.org", "rubygems", "typo"),
        ("packaglst.org", "packagist", "homoglyph"),
        ("xn--gthub-n4a.com", "github", "punycode"),
        ("g\u0131thub.com", "github", "punycode"),
        ("n\u0440mjs.com", "npm", "punycode"),
        ("rustfoundation.dev", "crates-io", "other-tld"),
    ],
)
def test_a_domain_made_to_be_taken_for_a_brands_is_a_strong_lookalike(host: str, brand: str, kind: str) -> None:
    found = {like.brand: like for like in lookalikes(host)}
    assert found[brand].kind == kind
    assert found[brand].strong


@pytest.mark.parametrize(
    "host",
    [
        "gitlab.company.example",
        "npm.company.example",
        "github-stats.example",
        "pypj.org",
        "docker.elastic.example",
        "npm.github.io",
    ],
)
def test_a_name_that_honest_sites_bear_too_is_weak(host: str) -> None:
    assert lookalikes(host)
    assert not any(like.strong for like in lookalikes(host))


@pytest.mark.parametrize(
    "host",
    [
        "www.npmjs.com",
        "registry.npmjs.org",
        "npm.pkg.github.com",
        "raw.githubusercontent.com",
        "octo.github.io",
        "npms.io",
        "npmtrends.com",
        "npmmirror.com",
        "pypi.python.org",
        "pypy.org",
        "dockers.com",
        "budget.com",
        "nodejs.org",
        "gitkraken.com",
        "tinypng.com",
        "localhost",
        "example",
        "[2001:db8::1]",
        "",
    ],
)
def test_innocent_hosts_are_no_lookalikes(host: str) -> None:
    assert lookalikes(host) == ()


def test_the_public_suffix_list_decides_what_was_registered() -> None:
    assert registered_domain("login.npmjs.help") == "npmjs.help"
    assert registered_domain("a.b.co.uk") == "b.co.uk"
    assert registered_domain("x.github.io") == "x.github.io"
    assert registered_domain("a.npmjs.example") == "npmjs.example"


def test_a_brands_subdomain_is_the_brands_and_a_users_page_is_not() -> None:
    assert owned_by("docs.github.com") == ("github",)
    assert owned_by("octo.github.io") == ()


@pytest.mark.parametrize(
    "host",
    [
        "xn--",
        "xn--\u00e9",
        "..",
        "a..b",
        "-.-",
        "xn--99999999999.com",
        "\u3002",
        "a" * 300 + ".com",
        "\ud800.com",
    ],
)
def test_no_host_is_too_odd_to_be_judged(host: str) -> None:
    assert isinstance(lookalikes(host), tuple)
    assert split_host(host).host is not None
