from __future__ import annotations

import pytest

from npmguard.mail.data import load_hosts
from npmguard.mail.links import bare_hosts, destination, parse_url, text_urls

HOSTS = load_hosts()


@pytest.mark.parametrize(
    ("link", "host"),
    [
        ("https://npmjs.com@evil.example/x", "evil.example"),
        ("https:\\\\evil.example\\a", "evil.example"),
        ("https:evil.example", "evil.example"),
        ("ht\ntps://ev\til.example/", "evil.example"),
        ("//evil.example/x", "evil.example"),
        ("https://EVIL.example:8443/x", "evil.example"),
        ("https://npmjs\u3002help/login", "npmjs.help"),
        ("https://%65vil.example/", "evil.example"),
        ("https://www.google.com/url?q=https%3A%2F%2Fnpmjs.help%2F&sa=D", "npmjs.help"),
        (
            "https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fnpmjs.help%2F&data=05",
            "npmjs.help",
        ),
        ("https://urldefense.com/v3/__https://npmjs.help/login__;!!abc", "npmjs.help"),
        ("https://urldefense.proofpoint.com/v2/url?u=https-3A__npmjs.help_login&d=x", "npmjs.help"),
        ("https://npmjs-help.translate.goog/login", "npmjs.help"),
        ("https://www.google.com/amp/s/npmjs.help/x", "npmjs.help"),
        ("https://click.example/c?url=aHR0cHM6Ly9ucG1qcy5oZWxwL2xvZ2lu", "npmjs.help"),
        ("https://a.example/?next=https%253A%252F%252Fnpmjs.help", "npmjs.help"),
        ("https://www.bing.com/ck/a?u=a1aHR0cHM6Ly9ucG1qcy5oZWxwL2xvZ2lu", "npmjs.help"),
    ],
)
def test_a_link_is_followed_to_where_a_browser_ends(link: str, host: str) -> None:
    found = destination(link, HOSTS)
    assert found is not None
    assert found.host == host


@pytest.mark.parametrize("link", ["https://bit.ly/x", "https://u1.ct.sendgrid.net/ls/click?upn=1"])
def test_a_shortener_or_counter_hides_its_target(link: str) -> None:
    found = destination(link, HOSTS)
    assert found is not None
    assert found.opaque


@pytest.mark.parametrize(
    "link", ["mailto:a@b.example", "javascript:alert(1)", "/login", "cid:x", "https://", "data:text/html,x", ""]
)
def test_what_is_no_link_to_the_web_is_none(link: str) -> None:
    assert destination(link, HOSTS) is None


def test_a_numeric_host_is_known_however_it_is_spelled() -> None:
    for link in ("http://3221226037/", "http://0xC0000235/", "http://192.0.2.53/", "http://[2001:db8::1]/"):
        url = parse_url(link)
        assert url is not None
        assert url.numeric


def test_links_are_found_in_text_without_the_punctuation_around_them() -> None:
    text = "詳細はhttps://npmjs.help/loginをご覧ください。(see https://x.example/a_(b)). <http://y.example>, www.z.example!"  # noqa: E501 - as it stands in a message
    assert list(text_urls(text)) == [
        "https://npmjs.help/login",
        "https://x.example/a_(b)",
        "http://y.example",
        "www.z.example",
    ]
    assert ("npmjs.help", "/login") in list(bare_hosts("log in at npmjs.help/login or write to a@b.example"))
