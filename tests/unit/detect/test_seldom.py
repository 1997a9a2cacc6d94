from __future__ import annotations

import pytest
from hypothesis import example, given, settings
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
from tests.fixture_addresses import KINDS, base58, base58check, burn_address

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


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([0x00, 0x05, 0x30, 0x32, 0x41]), st.binary(min_size=20, max_size=20))
@example(0x00, bytes(20))
@example(0x05, bytes(20))
@example(0x05, b"\xff" * 20)
@example(0x30, bytes(20))
@example(0x30, b"\xff" * 20)
@example(0x32, bytes(20))
@example(0x32, b"\xff" * 20)
@example(0x41, bytes(20))
@example(0x41, b"\xff" * 20)
def test_finds_an_address_of_any_version_and_payload(version: int, payload: bytes) -> None:
    address = base58check(version, payload)

    assert seldom_held(f"const to = [{address}]".encode()) == (
        frozenset({HAS_ADDRESS}),
        frozenset({address.lower()}),
    )


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0, max_value=8), st.binary(min_size=32, max_size=32), st.sampled_from(EDGES))
def test_finds_every_key_that_the_pass_of_its_own_finds(zeros: int, key: bytes, edge: bytes) -> None:
    text = edge + base58(bytes(zeros) + key[zeros:]).encode() + edge

    assert seldom_held(text) == told_one_by_one(text)


@pytest.mark.parametrize("length", range(30, 46))
def test_takes_a_word_for_a_key_by_its_length_and_digit(length: int) -> None:
    for text in [b"a" * length, *(b"a" * at + b"7" + b"b" * (length - at - 1) for at in range(length))]:
        assert seldom_held(b"'" + text + b"'") == told_one_by_one(b"'" + text + b"'")


def test_everything_is_told_of_some_text() -> None:
    told = set().union(*(seldom_held(b"a;" + thing + b"\n")[0] for thing in THINGS))

    assert {HAS_ADDRESS, HAS_PATTERN, PUSHED, *SCREENS.names.values()} == told
