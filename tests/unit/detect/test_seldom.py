from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npmguard.detect.address_patterns import recognises_addresses
from npmguard.detect.hiding import SHAPE_MARKS
from npmguard.detect.seldom import (
    HAS_ADDRESS,
    HAS_PATTERN,
    OUT_OF_SIGHT,
    PUSHED,
    SCREENS,
    addresses_of,
    seldom_held,
)
from npmguard.javascript.sight import pushed
from tests.fixture_addresses import KINDS, burn_address

BLANKS = {SCREENS.names[mark] for mark in SHAPE_MARKS[OUT_OF_SIGHT]}
ADDRESSES = {kind: burn_address(kind, 0x2A).encode() for kind in KINDS}
# What stands around a thing: nothing, what separates, escapes, blanks of each sort, letters, bytes above ASCII.
EDGES = [
    b"",
    b"'",
    b'"',
    b"`",
    b",",
    b";",
    b"|",
    b"\\",
    b"\\n",
    b"\\t",
    b"\\b",
    b"\\f",
    b"\\r",
    b"\\v",
    b"(",
    b"/",
]
EDGES += [
    b" ",
    b"\t",
    b"\n",
    b"\r\n",
    b"\x0b",
    b"\x0c",
    b"\x1c",
    b"\x1f",
    b"\x85",
    b"\xa0",
    b"\xff",
    b"_",
    b"x",
    b".",
]
THINGS = [
    *ADDRESSES.values(),
    *(each.upper() for each in ADDRESSES.values()),
    *(b"/[0-9a-f]{40}/", b"/bc1[^.]+/", b"'bitcoincash'", b"[0-9a-f]{' + n", b"/[/]{40}/"),
    *(b"0x1f, 12, " * 12, b"1," * 16, b"f(g, 1000 * 60 * 60)", b", 86400000)", b" " * 130 + b"hidden()"),
    *(
        b"\t" * 40 + b"hidden()",
        "\u3000".encode() * 70 + b"hidden()",
        b" " * 40 + b"\xc2\xa0" + b" " * 50 + b"hidden()",
    ),
    *(
        "\u200b\u200c".encode(),
        "\u00ad\u00ad".encode(),
        "\U000e0101".encode() * 9,
        "\ue001".encode() * 12,
        "a\u200bb\u200bc\u200bd\u200b".encode(),
    ),
    *(
        b"DebugNameThatIsAsLongAsAnAddressIs",
        b"MostVisitedOrTheLikeName",
        b"\xef\xb8\x80" * 3,
        b"var a = 1;\r\n",
    ),
]


def told_one_by_one(content: bytes) -> tuple[frozenset[str], frozenset[str]]:
    addresses = addresses_of(content)
    held = set(SCREENS.holding(content))
    if addresses:
        held.add(HAS_ADDRESS)
    if recognises_addresses(content):
        held.add(HAS_PATTERN)
    if not held.isdisjoint(BLANKS) and next(pushed(content), None) is not None:
        held.add(PUSHED)
    return frozenset(held), addresses


@pytest.mark.parametrize("kind", KINDS)
def test_finds_an_address_whatever_is_around_it(kind: str) -> None:
    for before in EDGES:
        for after in EDGES:
            text = before + ADDRESSES[kind] + after
            assert seldom_held(text) == told_one_by_one(text), text


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(THINGS), st.sampled_from(EDGES), st.binary(max_size=4)), max_size=9))
def test_leaves_out_nothing_that_a_pass_of_its_own_would_find(parts: list[bytes]) -> None:
    text = b"".join(parts)

    assert seldom_held(text) == told_one_by_one(text)


def test_everything_is_told_of_some_text() -> None:
    told = set().union(*(seldom_held(b"a;" + thing + b"\n")[0] for thing in THINGS))

    assert {HAS_ADDRESS, HAS_PATTERN, PUSHED, *SCREENS.names.values()} == told
