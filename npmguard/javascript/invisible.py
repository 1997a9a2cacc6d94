"""Text that nobody sees: characters without a glyph, in numbers that only a hidden payload has.

What they stand for is worked out for the ways in use since 2018: a byte a variation selector (U+FE00 to U+FE0F
for 0 to 15, U+E0100 to U+E01EF for 16 to 255, or from 0), a letter a tag or a private-use character, half a
byte a selector, a bit or two a zero-width character.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from npmguard.javascript import values
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place

LEAST = 24  # such characters close together, in number enough for a piece of code
_LEAST_BITS = 48
_GAP = 4  # visible characters between two that belong together
_PRIVATE = "\ue000-\uf8ff\U000f0000-\U0010fffd"
_UNSEEN = re.compile(
    "[\u00ad\u034f\u115f\u1160\u180e\u200b-\u200f\u2060-\u2064\u3164\ufe00-\ufe0f\ufeff\uffa0"
    f"\U000e0001-\U000e007f\U000e0100-\U000e01ef{_PRIVATE}]+"
)
_MARKED = re.compile(
    rb"\xef\xb8[\x80-\x8f]|\xf3\xa0[\x80-\x87]|\xe2\x80[\x8b-\x8f]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf|\xe1\xa0\x8e"
    rb"|\xe3\x85\xa4|\xef\xbe\xa0|\xe1\x85[\x9f\xa0]|\xcd\x8f|\xc2\xad|\xee[\x80-\xbf]|\xef[\x80-\xa3]|\xf3[\xb0-\xbf]|\xf4"
)
_ESCAPED = (
    rb"\\u(?:\{0{0,2}[eE]0[01][0-9a-fA-F]{2}\}|\{?(?:[fF][eE]0[0-9a-fA-F]|20[06][0-9a-fA-F]|[fF][eE][fF][fF]|180[eE])\}?"
    rb"|[dD][bB]40\\u[dD][cCdD][0-9a-fA-F]{2})"
)
_ESCAPE_STARTS = re.compile(rb"\\u(?:\{0{0,2}[eE]0|\{?(?:[fF][eE]|20[06]|180[eE])|[dD][bB]40)")
_ESCAPES = re.compile(rb"(?:" + _ESCAPED + rb"){24,}")
_ESCAPE = re.compile(rb"\\u(?:\{([0-9a-fA-F]{1,8})\}|([0-9a-fA-F]{4})(?:(?<=[dD][bB]40)\\u([0-9a-fA-F]{4}))?)")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")
_CODE = re.compile(r"[A-Za-z_$][\w$]{1,40}+\s{0,8}+[.(=\[{;\"'`]")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}\s*\Z")
_LEAST_CODE = 12
_SAMPLE = 8192  # characters that are tried first
_LONGEST = 8 * 1024**2  # characters that are read at all
_READABLE = 0.97
_KEYCAPS = frozenset("0123456789#*")


@dataclass(frozen=True, slots=True)
class Concealed:
    """A byte range of a source in which unseen characters stand, and the code they hide where that is known."""

    start: int
    end: int
    code: str | None


class Unseen:
    """Searches one program for payloads of unseen characters."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program

    def find(self) -> Iterator[Place]:
        """Where they stand."""
        for each in concealed_in(self._program):
            yield each.start, each.end, None


def concealed_in(program: Program) -> Sequence[Concealed]:
    """The payloads of unseen characters in the source of a program; remembered, since two ask for them."""
    if program.concealed is None:
        program.concealed = tuple(find_concealed(program.text))
    return program.concealed


def find_concealed(text: bytes) -> Iterator[Concealed]:
    """The payloads of unseen characters in a source, as they are or as the escapes that minifiers write."""
    found = [*_as_they_are(text), *_as_escapes(text)]
    return iter(sorted(found, key=lambda each: (each.start, each.end)))


def _as_escapes(text: bytes) -> Iterator[Concealed]:
    if sum(1 for _ in islice(_ESCAPE_STARTS.finditer(text), LEAST)) < LEAST:
        return
    for match in _ESCAPES.finditer(text):
        symbols = "".join(_spelled(each) for each in _ESCAPE.finditer(match[0]))
        if _UNSEEN.fullmatch(symbols) and not _is_private(symbols) and _is_payload([symbols]):
            yield Concealed(match.start(), match.end(), decoded(symbols))


def _spelled(escape: re.Match[bytes]) -> str:
    """The character that an escape, or a pair of them, stands for."""
    first, second = int(escape[1] or escape[2], 16), escape[3]
    code = first if second is None else 0x10000 + ((first - 0xD800) << 10) + (int(second, 16) - 0xDC00)
    return chr(code) if code <= 0x10FFFF else ""


def _as_they_are(text: bytes) -> Iterator[Concealed]:
    if text.isascii() or _MARKED.search(text) is None:
        return
    source = text.decode("utf-8", "surrogateescape")
    offset = position = 0
    for start, end in _clusters(source):
        offset += len(source[position:start].encode("utf-8", "surrogateescape"))
        size = len(source[start:end].encode("utf-8", "surrogateescape"))
        symbols = "".join(_UNSEEN.findall(source[start:end]))
        code = decoded(symbols)
        if code is not None or not _is_private(symbols):  # fonts of icons are made of private characters
            yield Concealed(offset, offset + size, code)
        offset, position = offset + size, end


def decoded(symbols: str) -> str | None:
    """The code that a run of unseen characters stands for; None where it is none in a known way."""
    if len(symbols) > _SAMPLE and decoded(symbols[:_SAMPLE]) is None:
        return None
    for text in _readings([ord(each) for each in symbols[:_LONGEST]]):
        if readable_code(text):
            return text
        if _BASE64.fullmatch(text):
            plain = values.base64(text)
            inner = "" if plain is None else plain.decode("utf-8", "replace")
            if readable_code(inner):
                return inner
    return None


def readable_code(text: str) -> bool:
    """Whether a text is all printable and looks like code."""
    if len(text) < _LEAST_CODE or _CODE.search(text) is None:
        return False
    odd = len(re.findall(r"[^\t\n\r -~]", text))
    return odd <= (1 - _READABLE) * len(text)


def _clusters(source: str) -> Iterator[tuple[int, int]]:
    """Stretches with enough characters that have no business where they stand."""
    flags = {match.start() + 1 for match in _FLAG.finditer(source)} if "\U0001f3f4" in source else frozenset()
    runs: list[tuple[int, int]] = []
    odd: list[str] = []
    for match in _UNSEEN.finditer(source):
        start, end = match.span()
        if start in flags:
            continue
        strange = _strange(source, start, end)
        if not strange:
            continue
        if runs and start - runs[-1][1] > _GAP:
            if _is_payload(odd):
                yield runs[0][0], runs[-1][1]
            runs, odd = [], []
        runs.append((start, end))
        odd.append(strange)
    if _is_payload(odd):
        yield runs[0][0], runs[-1][1]


def _strange(source: str, start: int, end: int) -> str:
    """Those of a run of unseen characters that do not go with the characters around it."""
    run = source[start:end]
    before = source[start - 1] if start else ""
    after = source[end : end + 1]
    if len(run) <= 2 and (not before.isascii() or before in _KEYCAPS) and "\ufe00" <= run[0] <= "\ufe0f":
        return ""  # an emoji, a letter of another form
    if len(run) == 1:
        if not before.isascii() and (run[0] >= "\U000e0100" or not after.isascii()):
            return ""  # an ideograph's form; what joins letters
        if _is_private(run):
            return ""
    return run


def _is_payload(parts: Sequence[str]) -> bool:
    symbols = "".join(parts)
    if len(symbols) < LEAST:
        return False
    if all(first < second for first, second in pairwise(symbols)):
        return False  # a table of them, each once
    different = len(set(symbols))
    if "\ufe00" <= symbols[0] <= "\ufe0f" or symbols[0] >= "\U000e0001":
        return different > 1 or len(symbols) >= _LEAST_BITS
    return different > 1 and (different > 4 or len(symbols) >= _LEAST_BITS)


def _is_private(symbols: str) -> bool:
    return all("\ue000" <= each <= "\uf8ff" or each >= "\U000f0000" for each in symbols)


def _readings(codes: Sequence[int]) -> Iterator[str]:
    """What the characters may stand for, likeliest first."""
    selectors = [
        code - 0xFE00 if code < 0xE0100 else code - 0xE0100 + 16
        for code in codes
        if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    ]
    if selectors:
        yield bytes(selectors).decode("utf-8", "replace")
        yield "".join(chr(each - 16 if each >= 16 else each) for each in selectors)
        if max(selectors) < 16:
            pairs = zip(selectors[::2], selectors[1::2], strict=False)
            yield bytes(high << 4 | low for high, low in pairs).decode("utf-8", "replace")
    for base in (0xE0000, 0xE000, 0xF0000, 0x100000, min(codes) - 32, min(codes) - 9):
        letters = [code - base for code in codes]
        if min(letters) >= 0 and max(letters) < 256:
            yield bytes(letters).decode("utf-8", "replace")
    common = [code for code, _ in Counter(codes).most_common(4)]
    if len(set(codes)) <= 3:
        for zero, one in ((common[0], common[-1]), (common[0], common[1 % len(common)])):
            for first, second in ((zero, one), (one, zero)):
                bits = "".join("0" if code == first else "1" for code in codes if code in {first, second})
                yield from _from_bits(bits)
    elif len(set(codes)) == 4:
        digits = {code: f"{position:02b}" for position, code in enumerate(sorted(common))}
        yield from _from_bits("".join(digits[code] for code in codes))


def _from_bits(bits: str) -> Iterator[str]:
    for width in (8, 7, 16):
        groups = [bits[at : at + width] for at in range(0, len(bits) - width + 1, width)]
        yield "".join(chr(int(group, 2)) for group in groups)
        if width == 8:
            yield "".join(chr(int(group[::-1], 2)) for group in groups)
