"""Advisories count where they are of malware, for the versions that they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npmguard.intel.advisories import parse_range


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("=5.6.1", ["5.6.1"], ["5.6.0", "5.6.2"]),
        ("= 5.6.1", ["5.6.1"], ["5.6.0"]),
        ("5.6.1", ["5.6.1"], ["5.6.0"]),
        (">=1.0.0 <1.2.11", ["1.0.0", "1.2.10"], ["0.9.9", "1.2.11"]),
        (">= 1.0.0, < 1.2.11", ["1.0.0", "1.2.10"], ["0.9.9", "1.2.11"]),
        ("<=1.2.10", ["0.0.1", "1.2.10"], ["1.2.11"]),
        ("<2", ["1.9.9"], ["2.0.0"]),
        (">1.0.0", ["1.0.1"], ["1.0.0"]),
        ("=0.7.29 || =0.8.0 || =1.0.0", ["0.7.29", "0.8.0", "1.0.0"], ["0.7.28", "0.9.0"]),
        ("=3.0.0 || <1.0.0", ["3.0.0", "0.5.0"], ["1.0.0", "2.0.0"]),
        ("*", ["0.0.1", "9.0.0"], []),
        (">=0", ["0.0.1"], []),
        (">=0.0.0", ["0.0.1", "0.0.0-1"], []),
        ("", ["1.0.0"], []),
    ],
)
def test_the_versions_of_an_advisory(text: str, inside: list[str], outside: list[str]) -> None:
    bounds = parse_range(text)
    assert [it for it in inside if not bounds.covers(it)] == []
    assert [it for it in outside if bounds.covers(it)] == []


@pytest.mark.parametrize(
    "text", ["^1.0.0", "~1", "1.x - 2", ">=one", "=1.0.0 <2.0.0", "<>1", "é", "1" * 20_000]
)
def test_what_is_no_such_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|too long"):
        parse_range(text)


@given(st.text(alphabet="<>=| .,0123456789*abx-", max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_range(text).covers("1.2.3")
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - both ways are right
