from __future__ import annotations

import pytest

from npmguard.registry.urls import HttpUrl, is_internal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HTTPS://Registry.NPMJS.org", "https://registry.npmjs.org/"),
        ("http://h.example:80/a", "http://h.example/a"),
        ("https://h.example:80/a", "https://h.example:80/a"),
        ("https://h.example/a/../b/./c/..", "https://h.example/b/"),
        ("https://h.example/a/%2E%2e/b", "https://h.example/b"),
        ("https://h.example/../../a", "https://h.example/a"),
        ("https://h.example/@s%2fn?x=1#fragment", "https://h.example/@s%2fn?x=1"),
        ("https://[2001:DB8::0:1]:8443/a", "https://[2001:db8::1]:8443/a"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        (" https://h.example/ ", "https://h.example/"),
    ],
)
def test_there_is_one_spelling(text: str, expected: str) -> None:
    assert str(HttpUrl.parse(text)) == expected
    assert str(HttpUrl.parse(expected)) == expected


@pytest.mark.parametrize("signs", ["{" * 3000, "ä" * 1500, "a" * 8200, "?" + "{" * 3000])
def test_what_would_be_too_long_once_quoted_is_refused(signs: str) -> None:
    with pytest.raises(ValueError, match="longer than 8192"):
        HttpUrl.parse(f"https://h.example/{signs}")


@pytest.mark.parametrize(
    "text",
    [
        "", "h.example", "//h.example/", "file:///etc/passwd", "javascript:alert(1)", "https://", "https:///a",
        "https://h.example:x/", "https://h.example:99999/", "https://h .example/", "https://h.example/a\nb",
        "https://h.example\\@evil.example/", "https://u:p@h.example/", "https://u@h.example/", "https://[::1/",
        "https://127.1/", "https://0x7f.1/", "https://2130706433/", "https://h..example/", "https://-h.example/",
        "https://h%2eexample/", "https://" + "a" * 9000,
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        HttpUrl.parse(text)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("folder", "url", "covered"),
    [
        ("https://h.example/npm/", "https://h.example/npm/a", True),
        ("https://h.example/npm", "https://h.example/npm", True),
        ("https://h.example/npm/", "https://h.example/npm-evil/a", False),
        ("https://h.example/npm/", "https://h.example/npm/../a", False),
        ("https://h.example/", "https://h.example:8443/", False),
        ("https://h.example/", "https://h.example.evil.example/", False),
        ("https://h.example/", "https://h.example/anything", True),
    ],
)
def test_a_folder_covers_what_is_below_it(folder: str, url: str, covered: bool) -> None:
    assert HttpUrl.parse(folder).covers(HttpUrl.parse(url)) is covered


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("b", "https://h.example/npm/b"),
        ("/b", "https://h.example/b"),
        ("//other.example/b", "https://other.example/b"),
        ("http://other.example/", "http://other.example/"),
        ("?x=1", "https://h.example/npm/a?x=1"),
    ],
)
def test_references_are_resolved(reference: str, expected: str) -> None:
    assert str(HttpUrl.parse("https://h.example/npm/a").join(reference)) == expected


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::",
        "2001:db8::1", "::127.0.0.1", "::ffff:0:7f00:1", "64:ff9b:1::7f00:1", "fec0::1", "3fff::1", "5f00::1",
        "fe80::5efe:7f00:1", "2002:a9fe:a9fe::1", "2001:0:7f00:1::80ff:fffe", "168.63.129.16", "192.0.0.192",
        "100.100.100.200", "198.18.0.1", "192.88.99.1", "240.0.0.1",
    ],
)  # fmt: skip
def test_internal_addresses_are_known(address: str) -> None:
    assert is_internal(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "104.16.0.35", "2606:4700::6810:23", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_not_internal(address: str) -> None:
    assert not is_internal(address)
