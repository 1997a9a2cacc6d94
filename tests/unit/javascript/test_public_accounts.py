from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric import ec

from npmguard.javascript.public_accounts import PUBLIC_ACCOUNTS
from tests.fixture_addresses import keccak256

MNEMONIC = b"test test test test test test test test test test test junk"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1, SEC 2
HARDENED = 2**31
Key = tuple[int, bytes]


def test_the_accounts_are_those_of_the_public_mnemonic() -> None:
    seed = hashlib.pbkdf2_hmac("sha512", MNEMONIC, b"mnemonic", 2048)  # BIP 39
    key = split(hmac.new(b"Bitcoin seed", seed, "sha512").digest())
    for step in (44 + HARDENED, 60 + HARDENED, HARDENED, 0):  # BIP 44
        key = child(key, step)

    assert {address(child(key, number)[0]) for number in range(20)} == PUBLIC_ACCOUNTS


def child(key: Key, number: int) -> Key:
    """A key's child, as BIP 32 derives it."""
    secret, chain = key
    x, y = point(secret)
    public = bytes([2 + (y & 1)]) + x.to_bytes(32, "big")
    told = b"\0" + secret.to_bytes(32, "big") if number >= HARDENED else public
    added, inner = split(hmac.new(chain, told + number.to_bytes(4, "big"), "sha512").digest())
    return (added + secret) % ORDER, inner


def split(digest: bytes) -> Key:
    return int.from_bytes(digest[:32], "big"), digest[32:]


def point(secret: int) -> tuple[int, int]:
    numbers = ec.derive_private_key(secret, ec.SECP256K1()).public_key().public_numbers()
    return numbers.x, numbers.y


def address(secret: int) -> str:
    x, y = point(secret)
    return f"0x{keccak256(x.to_bytes(32, 'big') + y.to_bytes(32, 'big'))[-20:].hex()}"
