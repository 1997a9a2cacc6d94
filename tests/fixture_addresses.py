"""Wallet addresses with right checksums whose keys nobody can hold, for fixtures and tests.

An address is encoded from a payload that is one byte repeated: no key is known for such a hash or point, and
none was ever looked for. The encoders are written from the formats' own texts and share no code with npmguard:

* base58check: https://en.bitcoin.it/wiki/Base58Check_encoding
* bech32, bech32m: BIP-173, BIP-350
* EIP-55 over Keccak-256: https://eips.ethereum.org/EIPS/eip-55, https://keccak.team/keccak_specs_summary.html
* cashaddr: https://github.com/bitcoincashorg/bitcoincash.org/blob/master/spec/cashaddr.md
* Solana: base58 of 32 bytes, without a checksum
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def burn_address(kind: str, byte: int) -> str:
    """The address of *kind* (a key of ``KINDS``) whose payload is *byte* repeated."""
    return KINDS[kind](byte)


def base58(data: bytes) -> str:
    """Base58 with Bitcoin's alphabet; each leading zero byte is a ``1``."""
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def base58check(version: int, payload: bytes) -> str:
    """Base58check of one *version* byte and *payload*."""
    body = bytes([version]) + payload
    return base58(body + hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4])


def segwit(prefix: str, version: int, program: bytes) -> str:
    """A segregated-witness address: bech32 for witness version 0, bech32m above."""
    words = [version, *_five_bits(program)]
    expanded = [*(ord(char) >> 5 for char in prefix), 0, *(ord(char) & 31 for char in prefix)]
    constant = 1 if version == 0 else 0x2BC830A3
    check = _bech32_polymod([*expanded, *words, *[0] * 6]) ^ constant
    words += [(check >> 5 * (5 - place)) & 31 for place in range(6)]
    return f"{prefix}1" + "".join(BECH32[word] for word in words)


def cashaddr(version: int, payload: bytes) -> str:
    """A Bitcoin Cash address with its ``bitcoincash:`` prefix."""
    prefix = "bitcoincash"
    words = _five_bits(bytes([version]) + payload)
    check = _cashaddr_polymod([*(ord(char) & 31 for char in prefix), 0, *words, *[0] * 8])
    words += [(check >> 5 * (7 - place)) & 31 for place in range(8)]
    return f"{prefix}:" + "".join(BECH32[word] for word in words)


def eip55(account: bytes) -> str:
    """A 20-byte Ethereum account with its mixed-case checksum."""
    digits = account.hex()
    check = keccak256(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit for digit, nibble in zip(digits, check, strict=False)
    )


def keccak256(data: bytes) -> bytes:
    """Keccak-256 with the padding of the first submission (0x01), as Ethereum uses it; not SHA3-256."""
    rate = 136
    padded = bytearray(data + b"\x01" + b"\0" * (-(len(data) + 1) % rate))
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), rate):
        for lane in range(rate // 8):
            lanes[lane] ^= int.from_bytes(padded[start + 8 * lane : start + 8 * lane + 8], "little")
        lanes = _keccak_f(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


KINDS: Mapping[str, Callable[[int], str]] = {
    "btc-legacy": lambda byte: base58check(0x00, bytes([byte]) * 20),
    "btc-p2sh": lambda byte: base58check(0x05, bytes([byte]) * 20),
    "btc-bech32": lambda byte: segwit("bc", 0, bytes([byte]) * 20),
    "btc-taproot": lambda byte: segwit("bc", 1, bytes([byte]) * 32),
    "eth": lambda byte: eip55(bytes([byte]) * 20),
    "sol": lambda byte: base58(bytes([byte]) * 32),
    "trx": lambda byte: base58check(0x41, bytes([byte]) * 20),
    "ltc-legacy": lambda byte: base58check(0x30, bytes([byte]) * 20),
    "ltc-p2sh": lambda byte: base58check(0x32, bytes([byte]) * 20),
    "ltc-bech32": lambda byte: segwit("ltc", 0, bytes([byte]) * 20),
    "bch": lambda byte: cashaddr(0, bytes([byte]) * 20),
}
"""Every kind of address that the fixtures hold."""


def _five_bits(data: bytes) -> list[int]:
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return [int(bits[place : place + 5], 2) for place in range(0, len(bits), 5)]


def _bech32_polymod(words: Iterable[int]) -> int:
    generators = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
    check = 1
    for word in words:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ word
        for bit, generator in enumerate(generators):
            check ^= generator if top >> bit & 1 else 0
    return check


def _cashaddr_polymod(words: Iterable[int]) -> int:
    generators = (0x98F2BC8E61, 0x79B76D99E2, 0xF33E5FB3C4, 0xAE2EABE2A8, 0x1E4F43E470)
    check = 1
    for word in words:
        top = check >> 35
        check = (check & 0x07FFFFFFFF) << 5 ^ word
        for bit, generator in enumerate(generators):
            check ^= generator if top >> bit & 1 else 0
    return check ^ 1


def _keccak_f(lanes: list[int]) -> list[int]:
    mask = (1 << 64) - 1

    def rotate(lane: int, by: int) -> int:
        return ((lane << by) | (lane >> (64 - by))) & mask if by else lane

    register = 1
    for _ in range(24):
        parity = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        mix = [parity[(x + 4) % 5] ^ rotate(parity[(x + 1) % 5], 1) for x in range(5)]
        lanes = [lane ^ mix[place % 5] for place, lane in enumerate(lanes)]
        moved = list(lanes)
        x, y, current = 1, 0, lanes[1]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            place = x + 5 * y
            current, moved[place] = lanes[place], rotate(current, (step + 1) * (step + 2) // 2 % 64)
        lanes = [
            moved[place]
            ^ (~moved[place - place % 5 + (place + 1) % 5] & moved[place - place % 5 + (place + 2) % 5])
            for place in range(25)
        ]
        for bit in range(7):
            register = (register << 1 ^ (register >> 7) * 0x71) & 0xFF
            if register & 2:
                lanes[0] ^= 1 << ((1 << bit) - 1)
    return lanes
