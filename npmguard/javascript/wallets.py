"""Wallet addresses: which text is one, and which regular expression is meant for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple, Protocol

import base58

BITCOIN_P2PKH = "bitcoin-p2pkh"
BITCOIN_P2SH = "bitcoin-p2sh"
BITCOIN_BECH32 = "bitcoin-bech32"
BITCOIN_TAPROOT = "bitcoin-taproot"
ETHEREUM = "ethereum"
SOLANA = "solana"
TRON = "tron"
LITECOIN_LEGACY = "litecoin-legacy"
LITECOIN_BECH32 = "litecoin-bech32"
BITCOIN_CASH = "bitcoin-cash"

KINDS = (
    BITCOIN_P2PKH,
    BITCOIN_P2SH,
    BITCOIN_BECH32,
    BITCOIN_TAPROOT,
    ETHEREUM,
    SOLANA,
    TRON,
    LITECOIN_LEGACY,
    LITECOIN_BECH32,
    BITCOIN_CASH,
)
"""All kinds of address that are told apart, in the order in which they are tried."""

CHECKSUMMED = tuple(kind for kind in KINDS if kind != SOLANA)
"""The kinds whose text proves itself by a checksum; a Solana address is any 32 bytes in base58."""

_PATTERN_LENGTH = 4_096
_BACK_REFERENCES = 16
_NESTING = 100
_RE2_MEMORY = 8 * 1024**2

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_CONST = 1  # BIP 173
_BECH32M_CONST = 0x2BC830A3  # BIP 350
_VERSIONS = {
    0x00: BITCOIN_P2PKH,
    0x05: BITCOIN_P2SH,
    0x30: LITECOIN_LEGACY,
    0x32: LITECOIN_LEGACY,
    0x41: TRON,
}

# Every address has one of these shapes; what has none costs one regular expression and no checksum.
_BRACKETS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]", re.DOTALL)  # not those of classes or escaped
_HEX = re.compile(r"0[xX][0-9a-fA-F]{40}", re.ASCII)
_CHECKED58 = re.compile(rf"[13LMT][{_BASE58}]{{25,33}}", re.ASCII)
_SEGWIT = re.compile(r"(?:bc1|ltc1)[a-z0-9]{11,87}|(?:BC1|LTC1)[A-Z0-9]{11,87}", re.ASCII)
_CASH = re.compile(r"(?:bitcoincash:)?[qp][a-z0-9]{41}|(?:BITCOINCASH:)?[QP][A-Z0-9]{41}", re.ASCII)
_KEY58 = re.compile(rf"[{_BASE58}]{{32,44}}", re.ASCII)
_TOKEN = re.compile(r"\b(?:bitcoincash:)?[0-9A-Za-z]{25,90}\b", re.ASCII | re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s,;|]+", re.ASCII)

WORTH_TRYING = re.compile(
    r"""[\])}wdSW.]\{(?:[6-9]|\d\d)\d*(?:,\d*)?\}  # a class or group repeated at least six times
      | (?:bc1|ltc1)[\[\](){}|\\.?*+qp]   # a prefix that nothing else has
      | bitcoincash
      | (?:\[[^\]\n]{1,80}\]|\\[wd]){8}   # a repetition written out""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
"""A regular expression without any of these cannot be meant for addresses."""


# --- addresses -------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def address_kind(text: str) -> str | None:
    """Tell which kind of address *text* is as a whole, or None.

    A kind with a checksum is told only when the checksum holds: base58check, bech32 (BIP 173), bech32m
    (BIP 350), EIP-55 and cashaddr. An Ethereum address all in lower or all in upper case states no checksum
    and is taken as it is, and a Solana address is any 32 bytes in base58 with a digit in them: both are
    weaker evidence than the rest.
    """
    if not 26 <= len(text) <= 90:
        return None
    if _HEX.fullmatch(text):
        return ETHEREUM if _eip55_holds(text[2:]) else None
    if _SEGWIT.fullmatch(text):
        return _segwit_kind(text.lower())
    if _CASH.fullmatch(text) and _cashaddr_holds(text.lower()):
        return BITCOIN_CASH
    if _CHECKED58.fullmatch(text):
        raw = base58.b58decode(text)
        if len(raw) == 25 and base58.b58encode_check(raw[:-4]).decode("ascii") == text:
            return _VERSIONS.get(raw[0])
    if _KEY58.fullmatch(text) and any(map(str.isdigit, text)) and len(base58.b58decode(text)) == 32:
        return SOLANA
    return None


def addresses_in(text: str, limit: int = 64) -> tuple[tuple[str, str], ...]:
    """All addresses inside *text* as (kind, address), in order, at most *limit* of them.

    Solana addresses are too weak to be picked out of prose or data: they count only where *text* is nothing
    but addresses, apart from white space, commas, semicolons and bars.
    """
    if len(text) < 26:
        return ()
    whole = address_kind(text)
    if whole is not None:
        return ((whole, text),)
    found: list[tuple[str, str]] = []
    parts = [part for part in _SEPARATORS.split(text) if part] if len(text) <= 8_192 else []
    only_addresses = bool(parts) and all(address_kind(part) for part in parts)
    for match in _TOKEN.finditer(text):
        kind = address_kind(match.group())
        if kind is not None and (kind != SOLANA or only_addresses):
            found.append((kind, match.group()))
            if len(found) >= limit:
                break
    return tuple(found)


def _eip55_holds(digits: str) -> bool:
    lower = digits.lower()
    if digits in (lower, digits.upper()):
        return True
    return _eip55(lower) == digits


def _eip55(lower: str) -> str:
    """The mixed-case spelling of 40 lower-case hex digits, as EIP-55 defines it."""
    from Crypto.Hash import keccak  # noqa: PLC0415 - only packages that hold mixed-case addresses need it

    digest = keccak.new(digest_bits=256, data=lower.encode("ascii")).hexdigest()
    return "".join(
        char.upper() if int(nibble, 16) >= 8 else char for char, nibble in zip(lower, digest, strict=False)
    )


def _bech32_polymod(values: list[int]) -> int:
    """The checksum of BIP 173."""
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> bit & 1:
                check ^= generator
    return check


def _hrp_expand(hrp: str) -> list[int]:
    return [ord(char) >> 5 for char in hrp] + [0] + [ord(char) & 31 for char in hrp]


def _segwit_kind(text: str) -> str | None:
    """Decode a segregated-witness address as BIP 173 and BIP 350 say."""
    hrp, _, data = text.rpartition("1")
    values = [_BECH32.find(char) for char in data]
    if -1 in values or len(values) < 8:
        return None
    check = _bech32_polymod(_hrp_expand(hrp) + values)
    version, program = values[0], values[1:-6]
    size, padding = divmod(len(program) * 5, 8)
    if padding >= 5 or not 2 <= size <= 40 or version > 16:
        return None
    if version == 0:
        if check != _BECH32_CONST or size not in (20, 32):
            return None
        return BITCOIN_BECH32 if hrp == "bc" else LITECOIN_BECH32
    if check != _BECH32M_CONST or version != 1 or size != 32:
        return None  # later witness versions have no meaning yet, so nobody is paid there
    return BITCOIN_TAPROOT if hrp == "bc" else LITECOIN_BECH32


def _cashaddr_polymod(values: list[int]) -> int:
    """The checksum of Bitcoin Cash's address format (spec/cashaddr of the Bitcoin Cash node)."""
    check = 1
    for value in values:
        top = check >> 35
        check = (check & 0x07FFFFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x98F2BC8E61, 0x79B76D99E2, 0xF33E5FB3C4, 0xAE2EABE2A8, 0x1E4F43E470)):
            if top >> bit & 1:
                check ^= generator
    return check ^ 1


def _cashaddr_holds(text: str) -> bool:
    values = [_BECH32.find(char) for char in text.removeprefix("bitcoincash:")]
    return -1 not in values and _cashaddr_polymod(_cash_prefix() + values) == 0


def _cash_prefix() -> list[int]:
    return [ord(char) & 31 for char in "bitcoincash"] + [0]


# --- patterns --------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def accepted_kinds(pattern_source: str, flags: str) -> frozenset[str]:
    r"""The kinds of address that a JavaScript regular expression is meant for.

    The pattern is run (by RE2, in time linear in the text) against addresses made for the purpose and
    against near misses: too short, with another prefix, with a character that no address has. A kind is told
    when every address of one usual form is matched as a whole and no near miss is. So ``.+``, ``\w+`` and
    ``[0-9a-f]+`` are meant for nothing, and the spelling does not matter. Look-around is left out of the
    pattern, which makes it accept more; a back-reference is replaced by a copy of its group. What RE2 cannot
    express is meant for nothing.

    *pattern_source* is the text between the slashes, *flags* the letters after them.
    """
    if len(pattern_source) > _PATTERN_LENGTH or not WORTH_TRYING.search(pattern_source):
        return frozenset()
    compiled = _compile(pattern_source, flags)
    if compiled is None or not _may_cover(pattern_source, flags):
        return frozenset()
    return frozenset(kind for kind in KINDS if _meant_for(compiled, kind))


@lru_cache(maxsize=4096)
def may_be_part(pattern_source: str) -> bool:
    """Whether a pattern may be joined with others to one that is meant for addresses.

    So it is when six characters or more of an address match it, and when a character that no address has
    in its middle stops it. What RE2 cannot express may be, but for groups that begin or end in another part.
    """
    source = _balanced(pattern_source.removeprefix("^").removesuffix("$"))
    compiled = _compile(source, "i") if len(source) <= _PATTERN_LENGTH else None
    if compiled is None:
        return True
    return any(
        any(_longest(compiled, text) >= _PART for text in form.addresses)
        and not any(_crosses(compiled, text) for text in form.addresses)
        for forms in _forms().values()
        for form in forms
    )


def _balanced(source: str) -> str:
    """A part of a pattern, with the brackets that the other parts have for its groups."""
    opened = missing = 0
    for bracket in _BRACKETS.findall(source):
        if bracket == "(":
            opened += 1
        elif bracket == ")" and opened:
            opened -= 1
        elif bracket == ")":
            missing += 1
    return "(?:" * missing + source + ")" * opened


def _longest(pattern: _Pattern, text: str) -> int:
    return max((match.end() - match.start() for match in pattern.finditer(text)), default=0)


def _crosses(pattern: _Pattern, text: str) -> bool:
    """Whether a match goes on over a character that no address has."""
    middle = len(text) // 2
    return any(
        match.start() < middle < match.end() - 1
        for char in " .-"
        for match in pattern.finditer(text[:middle] + char + text[middle + 1 :])
    )


class _Match(Protocol):
    def start(self) -> int: ...
    def end(self) -> int: ...


class _Pattern(Protocol):
    def finditer(self, text: str) -> Iterator[_Match]: ...
    def fullmatch(self, text: str) -> _Match | None: ...


class _Form(NamedTuple):
    """A usual form of one kind: addresses that belong to it, and texts that only look so."""

    addresses: tuple[str, ...]
    near_misses: tuple[str, ...]


# Where an address stands in the text that a pattern is run on: alone, in prose, in JSON, in a URL.
_PART = 6  # characters that a part of a pattern is taken to be worth telling
_CONTEXTS = ("{}", " {} ", '"{}"', "'{}'", '"to":"{}"', '"to": "{}"', '"address":"{}"', "address={}&", ":{},")


_BEFORE = max(context.index("{") for context in _CONTEXTS)
_AFTER = max(len(context) - context.index("}") - 1 for context in _CONTEXTS)


def _meant_for(pattern: _Pattern, kind: str) -> bool:
    return any(
        all(_covers(pattern, text, context) for text in form.addresses)
        and not any(_covers(pattern, text, context) for text in form.near_misses)
        for form in _forms()[kind]
        for context in _CONTEXTS
    )


def _may_cover(pattern_source: str, flags: str) -> bool:
    """Whether the pattern could match the first sample of any form, but for what is around that."""
    whole = _compile(pattern_source, flags, (_BEFORE, _AFTER))
    return whole is None or any(whole.fullmatch(text) for text in _first_samples())


@cache
def _first_samples() -> tuple[str, ...]:
    return tuple(
        context.format(form.addresses[0])
        for forms in _forms().values()
        for form in forms
        for context in _CONTEXTS
    )


def _covers(pattern: _Pattern, text: str, context: str) -> bool:
    start = context.index("{")
    end = start + len(text)
    return any(
        match.start() <= start and match.end() >= end for match in pattern.finditer(context.format(text))
    )


@cache
def _forms() -> dict[str, tuple[_Form, ...]]:
    """Sample addresses whose payloads are plain byte patterns: nobody holds a key to them."""
    payloads = [bytes((start + step * i) % 256 for i in range(32)) for start, step in _PAYLOAD_STEPS]
    short = [payload[:20] for payload in payloads]

    def check58(version: int, length: int) -> _Form:
        texts = [base58.b58encode_check(bytes([version]) + payload).decode("ascii") for payload in short]
        return _form([text for text in texts if len(text) == length], cut=18, other="z")

    def segwit(hrp: str, version: int, raws: list[bytes]) -> list[_Form]:
        texts = [_encode_segwit(hrp, version, raw) for raw in raws]
        return [_form(texts, cut=None, other="xz"), _form([text.upper() for text in texts], None, "XZ")]

    hexes = [payload.hex() for payload in short]
    keys = [base58.b58encode(payload).decode("ascii") for payload in payloads]
    cash = [_encode_cashaddr(0, payload) for payload in short]
    cash_script = [_encode_cashaddr(8, payload) for payload in short]
    return {
        BITCOIN_P2PKH: (check58(0x00, 34), check58(0x00, 33)),
        BITCOIN_P2SH: (check58(0x05, 34),),
        BITCOIN_BECH32: (*segwit("bc", 0, short), *segwit("bc", 0, payloads)),
        BITCOIN_TAPROOT: tuple(segwit("bc", 1, payloads)),
        ETHEREUM: tuple(
            _form(["0x" + text for text in texts], cut=30, other="zy")
            for texts in (hexes, [_eip55(text) for text in hexes], [text.upper() for text in hexes])
        ),
        SOLANA: tuple(
            _form([text for text in keys if len(text) == length], cut=24, other=None, outside="0OIl")
            for length in (43, 44)
        ),
        TRON: (check58(0x41, 34),),
        LITECOIN_LEGACY: (check58(0x30, 34), check58(0x32, 34)),
        LITECOIN_BECH32: (*segwit("ltc", 0, short), *segwit("ltc", 1, payloads)),
        BITCOIN_CASH: tuple(
            _form(texts, cut=None if prefixed else 24, other="xz")
            for plain in (cash, cash_script)
            for prefixed, texts in ((True, ["bitcoincash:" + text for text in plain]), (False, plain))
        ),
    }


_PAYLOAD_STEPS = tuple((start, step) for step in (37, 113) for start in (41, 64, 87, 110, 133, 2, 3, 4))


def _form(texts: list[str], cut: int | None, other: str | None, outside: str = "") -> _Form:
    """Make the near misses of *texts*.

    *cut* is a length that is too short (None: the prefix alone tells the kind, so length does not matter),
    *other* replaces the prefix (None: the kind has no prefix), and each of *outside* is a letter that the
    kind's alphabet lacks though letters are in it.
    """
    texts = texts[:6]
    first = texts[0]
    middle = len(first) // 2
    misses = [first[:middle] + char + first[middle + 1 :] for char in (" ", ".", "-", *outside)]
    if cut is not None:
        misses.extend(text[:cut] for text in texts[:2])
    if other is not None:
        misses.extend(other + text[len(other) :] for text in texts[:2])
    return _Form(tuple(texts), tuple(misses))


def _to_base32(data: bytes) -> list[int]:
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return [int(bits[i : i + 5], 2) for i in range(0, len(bits), 5)]


def _encode_segwit(hrp: str, version: int, program: bytes) -> str:
    values = [version, *_to_base32(program)]
    constant = _BECH32M_CONST if version else _BECH32_CONST
    check = _bech32_polymod(_hrp_expand(hrp) + values + [0] * 6) ^ constant
    values += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return f"{hrp}1" + "".join(_BECH32[value] for value in values)


def _encode_cashaddr(version: int, payload: bytes) -> str:
    values = _to_base32(bytes([version]) + payload)
    check = _cashaddr_polymod(_cash_prefix() + values + [0] * 8)
    values += [check >> 5 * (7 - i) & 31 for i in range(8)]
    return "".join(_BECH32[value] for value in values)


# --- from JavaScript's syntax to RE2's ---------------------------------------------------------------------


def _compile(source: str, flags: str, around: tuple[int, int] = (0, 0)) -> _Pattern | None:
    """The pattern for RE2, with so many characters before and after it at most; None where RE2 has no such."""
    import re2  # noqa: PLC0415 - only files that hold such patterns need it

    translated = to_re2(source)
    if translated is None:
        return None
    letters = "".join(letter for letter in "ims" if letter in flags)
    if around != (0, 0):
        translated = f"(?s:.{{0,{around[0]}}})(?:{translated})(?s:.{{0,{around[1]}}})"
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _RE2_MEMORY
    options.never_capture = True  # telling a hundred groups of a match takes longer than finding it
    try:
        pattern: _Pattern = re2.compile((f"(?{letters})" if letters else "") + translated, options)
    except (re2.error, UnicodeEncodeError):
        return None
    return pattern


_GROUP_NAME = re.compile(r"\(\?<([A-Za-z_$][\w$]*)>")
_HEX_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\})")
_PROPERTY = re.compile(r"\\([pP])\{(?:(?:General_Category|gc|Script|sc|Script_Extensions|scx)=)?(\w+)\}")
_BACK_REFERENCE = re.compile(r"\\(?:([1-9]\d?)|k<([^>]+)>)")
_SAME_IN_RE2 = frozenset("dDwWsSbBfnrtv")


def to_re2(source: str) -> str | None:
    """Translate the source of a JavaScript regular expression to RE2's syntax, or None where it is broken.

    Look-around is dropped, and a back-reference becomes a copy of the group that it names.
    """
    try:
        return _Translation(source).run()
    except (IndexError, ValueError):
        return None


class _Translation:
    """One pass over a pattern's source; ``groups`` holds the translated text of each closed group."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.groups: list[str] = []
        self.names: dict[str, int] = {}
        self.copies = 0
        self.depth = 0

    def run(self) -> str:
        translated = self.alternatives()
        if self.at != len(self.source):
            raise ValueError("unbalanced )")
        return translated

    def alternatives(self) -> str:
        out: list[str] = []
        while self.at < len(self.source) and self.source[self.at] != ")":
            char = self.source[self.at]
            if char == "(":
                out.append(self.group())
            elif char == "[":
                out.append(self.character_class())
            elif char == "\\":
                out.append(self.escape())
            else:
                out.append(char)
                self.at += 1
        return "".join(out)

    def group(self) -> str:
        rest = self.source[self.at : self.at + 4]
        name = _GROUP_NAME.match(self.source, self.at)
        if rest.startswith(("(?=", "(?!")) or rest in ("(?<=", "(?<!"):
            self.at += 4 if rest[2] == "<" else 3
            self.body()
            self.skip_quantifier()
            return ""
        if name:
            self.at = name.end()
        elif rest.startswith("(?"):
            head = self.source.index(":", self.at) + 1
            opening = self.source[self.at : head]
            self.at = head
            return opening + self.body() + ")"
        else:
            self.at += 1
        index = len(self.groups)
        self.groups.append("")
        if name:
            self.names[name.group(1)] = index
        self.groups[index] = self.body()
        return f"({self.groups[index]})"

    def body(self) -> str:
        self.depth += 1
        if self.depth > _NESTING:
            raise ValueError("nested too deep")
        inside = self.alternatives()
        self.depth -= 1
        if self.source[self.at] != ")":
            raise ValueError("unbalanced (")
        self.at += 1
        return inside

    def skip_quantifier(self) -> None:
        match = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??").match(self.source, self.at)
        if match:
            self.at = match.end()

    def character_class(self) -> str:
        self.at += 1
        out = ["["]
        if self.source[self.at] == "^":
            out.append("^")
            self.at += 1
        if self.source[self.at] == "]":  # [] matches nothing, [^] anything
            self.at += 1
            return r"[\x00-\x{10FFFF}]" if len(out) == 2 else r"[^\x00-\x{10FFFF}]"
        while self.source[self.at] != "]":
            char = self.source[self.at]
            if char == "\\":
                out.append(r"\x08" if self.source[self.at + 1] == "b" else self.escape())
                if out[-1] == r"\x08":
                    self.at += 2
            else:
                out.append("\\[" if char == "[" else char)
                self.at += 1
        self.at += 1
        return "".join(out) + "]"

    def escape(self) -> str:
        number = _HEX_ESCAPE.match(self.source, self.at)
        if number:
            self.at = number.end()
            return f"\\x{{{number[1] or number[2] or number[3]}}}"
        category = _PROPERTY.match(self.source, self.at)
        if category:
            self.at = category.end()
            return f"\\{category[1]}{{{category[2]}}}"
        reference = _BACK_REFERENCE.match(self.source, self.at)
        if reference:
            self.at = reference.end()
            self.copies += 1
            index = int(reference[1]) - 1 if reference[1] else self.names.get(reference[2], -1)
            if self.copies > _BACK_REFERENCES or not 0 <= index < len(self.groups):
                raise ValueError("too many back-references, or one to no group")
            return f"(?:{self.groups[index]})"
        char = self.source[self.at + 1]
        if char == "c":
            self.at += 3
            return f"\\x{{{ord(self.source[self.at - 1]) & 31:x}}}"
        self.at += 2
        if char == "0":
            return r"\x{0}"
        return "\\" + char if char in _SAME_IN_RE2 else re.escape(char)
