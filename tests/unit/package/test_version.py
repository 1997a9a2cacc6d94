from __future__ import annotations

import pytest

from npmguard.package.version import clean_version, parse_version


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("1.2.3", "1.2.3"),
        ("v1.2.3", "1.2.3"),
        ("=v1.2.3", "1.2.3"),
        (" 1.2.3 ", "1.2.3"),
        ("01.02.03", "1.2.3"),
        ("1.2.3beta", "1.2.3-beta"),
        ("1.2.3-beta.01", "1.2.3-beta.1"),
        ("1.2.3-rc.1+build", "1.2.3-rc.1"),
        ("1.2.3+5", "1.2.3"),
        ("1.2.3-", "1.2.3--"),
        ("1.2", "1.2"),
        ("latest", "latest"),
        ("", ""),
        ("1.2.3.4", "1.2.3.4"),
    ],
)
def test_versions_are_cleaned_as_npm_cleans_them(text: str, clean: str) -> None:
    assert clean_version(text) == clean


@pytest.mark.parametrize("text", ["1.2", "x", "1.2.3-!", "9" * 20 + ".0.0", "1.0.0-" + "a" * 300, "\u0661.2.3"])
def test_what_npm_does_not_read_is_no_version(text: str) -> None:
    assert parse_version(text) is None
