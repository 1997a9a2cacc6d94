from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npmguard.package.version import clean_version, parse_version, precedence


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


_IDENTIFIERS = st.from_regex(r"[0-9]{1,3}|[a-zA-Z-][a-zA-Z0-9-]{0,3}", fullmatch=True)
_NUMBERS = st.integers(0, 3)


@given(
    st.lists(
        st.tuples(_NUMBERS, _NUMBERS, _NUMBERS, st.lists(_IDENTIFIERS, max_size=3)), min_size=2, max_size=2
    )
)
def test_precedence_sorts_as_semver_compares(numbers: list[tuple[int, int, int, list[str]]]) -> None:
    texts = [f"{a}.{b}.{c}" + (f"-{'.'.join(parts)}" if parts else "") for a, b, c, parts in numbers]
    one, other = map(parse_version, texts)
    key, other_key = map(precedence, texts)
    assert one is not None
    assert other is not None
    assert key is not None
    assert other_key is not None
    assert one.compare(other) == (key > other_key) - (key < other_key)


def test_what_is_no_version_has_no_precedence() -> None:
    assert precedence("latest") is None
