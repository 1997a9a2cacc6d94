"""What few files have, told by RE2, whose one pass leaves out all the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from npmguard.detect.address_patterns import MARKS, recognises_addresses
from npmguard.detect.hiding import NUMBERS, SHAPE_MARKS, UNSEEN
from npmguard.detect.screens import Screens, any_of
from npmguard.javascript.wallets import SOLANA, address_kind

if TYPE_CHECKING:
    from npmguard.detect.screens import Pattern

HAS_ADDRESS: Final = "has_address"
HAS_PATTERN: Final = "has_pattern"
"""Something is meant for addresses."""

PUSHED: Final = "pushed"
"""Something stands out of sight behind blanks."""

OUT_OF_SIGHT: Final = "code-out-of-sight"
SCREENS: Final = Screens((*NUMBERS, *SHAPE_MARKS[OUT_OF_SIGHT], *UNSEEN))
NAMES: Final = (HAS_ADDRESS, HAS_PATTERN, PUSHED, *SCREENS.names.values())
"""All that :func:`seldom_held` may tell of a file."""

_BLANKS = frozenset(SCREENS.names[mark] for mark in SHAPE_MARKS[OUT_OF_SIGHT])  # something may be pushed
_AROUND = b"\"'`,;|\\bfnrtv"
# Anything shaped like an address; its checksum decides. An escape before it is no part of it.
_ADDRESS_SHAPE = (
    rb"(?:\b|\\[bfnrtv])(0[xX][0-9a-fA-F]{40}|[13LMT][1-9A-HJ-NP-Za-km-z]{25,33}"
    rb"|(?i:bc1|ltc1)[a-zA-Z0-9]{11,87}|[qpQP][a-zA-Z0-9]{41}|[1-9A-HJ-NP-Za-km-z]{32,44})\b"
)
# What addresses_of finds something in has one of these. Names are as long, but 25 bytes of which the first is a
# version make 34 characters of base58, the first two in a range, and less only where it is zero; and a key has
# a digit and stands alone.
_58 = rb"[1-9A-HJ-NP-Za-km-z]"
_VERSIONED = rb"|".join(
    (
        rb"1" + _58 + rb"{25,33}",
        rb"(?:3[1-9A-HJ-NP-R]|L[K-NP-Za-i]|M[7-9A-HJ-NP-X]|T[9A-HJ-NP-Z])" + _58 + rb"{32}",
    )
)
_OTHERS = rb"0[xX][0-9a-fA-F]{40}|(?i:bc1|ltc1)[a-zA-Z0-9]{11,87}|[qpQP][a-zA-Z0-9]{41}"
_KEY = b"|".join(
    rb"[A-HJ-NP-Za-km-z]{%d}[1-9]" % before + _58 + rb"{%d,%d}" % (max(31 - before, 0), 43 - before)
    for before in range(44)
)
_SEPARATES = rb"[\"'`,;|\\\t-\r\x1c-\x20\x85\xa0]"  # the quotes of _AROUND, and what str.isspace() is true of
_ANY_ADDRESS = (
    rb"(?:\b|\\[bfnrtv])(?:" + _VERSIONED + rb"|" + _OTHERS + rb")\b",
    rb"(?:^|" + _SEPARATES + rb"|\\[bfnrtv])(?:" + _KEY + rb")(?:$|" + _SEPARATES + rb")",
)


def seldom_held(content: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """Which of :data:`NAMES` hold for *content*, and its wallet addresses, as :func:`addresses_of` has them."""
    if _any_of_all().search(content) is None:
        return frozenset(), frozenset()
    held: set[str] = set()
    if addresses := addresses_of(content):
        held.add(HAS_ADDRESS)
    if _any_but_addresses().search(content) is not None:  # names as long as addresses are in all large files
        held.update(SCREENS.holding(content))
        if recognises_addresses(content):
            held.add(HAS_PATTERN)
        if not held.isdisjoint(_BLANKS) and _has_pushed(content):
            held.add(PUSHED)
    return frozenset(held), addresses


def addresses_of(content: bytes) -> frozenset[str]:
    """The wallet addresses with right checksums that stand in *content* in the clear."""
    found = (match for match in _shapes().finditer(content) if _is_address(match))
    return frozenset(match.group(1).decode("ascii").lower() for match in found)


def _is_address(match: re.Match[bytes]) -> bool:
    kind = address_kind(match.group(1).decode("ascii"))
    return kind is not None and (kind != SOLANA or _stands_alone(match))


def _stands_alone(match: re.Match[bytes]) -> bool:
    """Whether nothing but quotes and separators is around it, as addresses_in asks of Solana addresses."""
    start, end = match.span(1)
    around = match.string[max(start - 1, 0) : start] + match.string[end : end + 1]
    return all(byte in _AROUND or chr(byte).isspace() for byte in around)


def _has_pushed(content: bytes) -> bool:
    from npmguard.javascript.sight import pushed  # noqa: PLC0415 - brings tree-sitter with it

    return next(pushed(content), None) is not None


@cache
def _any_of_all() -> Pattern:
    return any_of([*SCREENS.patterns(), *MARKS, *_ANY_ADDRESS])


@cache
def _any_but_addresses() -> Pattern:
    return any_of([*SCREENS.patterns(), *MARKS])


@cache
def _shapes() -> _Pattern:
    import re2  # noqa: PLC0415 - a warm scan reads no package

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    compiled: _Pattern = re2.compile(_ADDRESS_SHAPE, options)
    return compiled


class _Pattern(Protocol):
    def finditer(self, text: bytes) -> Iterator[re.Match[bytes]]: ...
