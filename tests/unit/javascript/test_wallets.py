from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npmguard.javascript import wallets
from npmguard.javascript.wallets import accepted_kinds, address_kind, addresses_in
from tests.fixture_addresses import burn_address

OURS = {
    "btc-legacy": wallets.BITCOIN_P2PKH,
    "btc-p2sh": wallets.BITCOIN_P2SH,
    "btc-bech32": wallets.BITCOIN_BECH32,
    "btc-taproot": wallets.BITCOIN_TAPROOT,
    "eth": wallets.ETHEREUM,
    "sol": wallets.SOLANA,
    "trx": wallets.TRON,
    "ltc-legacy": wallets.LITECOIN_LEGACY,
    "ltc-p2sh": wallets.LITECOIN_LEGACY,
    "ltc-bech32": wallets.LITECOIN_BECH32,
    "bch": wallets.BITCOIN_CASH,
}
CHECKED = sorted(set(OURS) - {"sol", "eth"})


@pytest.mark.parametrize("byte", [0x11, 0x5A, 0xE7])
@pytest.mark.parametrize("kind", sorted(OURS))
def test_an_address_of_an_independent_encoder_is_recognised(kind: str, byte: int) -> None:
    assert address_kind(burn_address(kind, byte)) == OURS[kind]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        # Documentation addresses of the formats themselves, and addresses that burn what is sent to them.
        ("1111111111111111111114oLvT2", wallets.BITCOIN_P2PKH),
        ("1BitcoinEaterAddressDontSendf59kuE", wallets.BITCOIN_P2PKH),
        ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", wallets.BITCOIN_BECH32),
        ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", wallets.BITCOIN_TAPROOT),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", wallets.ETHEREUM),
        ("0x000000000000000000000000000000000000dead", wallets.ETHEREUM),
        ("0X000000000000000000000000000000000000DEAD", wallets.ETHEREUM),
        ("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", wallets.BITCOIN_CASH),
        ("qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", wallets.BITCOIN_CASH),
        ("11111111111111111111111111111111", wallets.SOLANA),
    ],
)
def test_documented_addresses_are_recognised(address: str, kind: str) -> None:
    assert address_kind(address) == kind


@pytest.mark.parametrize("kind", CHECKED)
@given(data=st.data())
def test_one_wrong_character_breaks_the_checksum(kind: str, data: st.DataObject) -> None:
    address = burn_address(kind, 0x77)
    alphabet = wallets._BASE58 if address[0] in "13LMT" else wallets._BECH32
    start = address.find(":") + 5
    at = data.draw(st.integers(start, len(address) - 1))
    other = data.draw(st.sampled_from(sorted(set(alphabet) - {address[at]})))
    assert address_kind(address[:at] + other + address[at + 1 :]) not in set(OURS.values()) - {wallets.SOLANA}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",  # one letter in the wrong case
        "0x00000000000000000000000000000000000000",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "TSExpressionWithTypeArgumentsLists",
        "createAuthenticatedEncryptionStreamContextA",
        "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs",  # right checksum, a witness version nobody pays to
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",  # bech32m where version 0 wants bech32
    ],
)
def test_other_text_is_no_address(text: str) -> None:
    assert address_kind(text) is None


@given(st.text(max_size=100))
def test_any_text_gets_an_answer(text: str) -> None:
    assert address_kind(text) in {None, *wallets.KINDS}
    assert all(kind in wallets.KINDS for kind, _ in addresses_in(text))


def test_addresses_are_found_inside_a_list_and_inside_prose() -> None:
    tron, ether, solana = (burn_address(kind, 0x21) for kind in ("trx", "eth", "sol"))
    assert addresses_in(f"{tron},{ether}") == ((wallets.TRON, tron), (wallets.ETHEREUM, ether))
    assert addresses_in(f"pay {tron} now") == ((wallets.TRON, tron),)
    assert addresses_in(f"{solana} | {tron}") == ((wallets.SOLANA, solana), (wallets.TRON, tron))


def test_a_solana_address_in_other_text_is_too_weak_to_count() -> None:
    assert addresses_in(f"the key is {burn_address('sol', 0x21)} today") == ()


def test_addresses_are_counted_up_to_the_limit() -> None:
    table = ",".join(burn_address("trx", byte) for byte in range(1, 100))
    assert len(addresses_in(table, limit=10)) == 10


CLIPPER_PATTERNS = {
    r"\b1[a-km-zA-HJ-NP-Z1-9]{25,34}\b": {wallets.BITCOIN_P2PKH},
    r"\b(3[a-km-zA-HJ-NP-Z1-9]{25,34}|bc1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{11,71})\b": {
        wallets.BITCOIN_P2SH,
        wallets.BITCOIN_BECH32,
        wallets.BITCOIN_TAPROOT,
    },
    r"\b0x[a-fA-F0-9]{40}\b": {wallets.ETHEREUM},
    r"((?<!\w)[4-9A-HJ-NP-Za-km-z][1-9A-HJ-NP-Za-km-z]{32,44})": {wallets.SOLANA},
    r"((?<!\w)[T][1-9A-HJ-NP-Za-km-z]{33})": {wallets.TRON},
    r"((?<!\w)ltc1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{11,71})": {wallets.LITECOIN_BECH32},
    r"((?<!\w)[mlML][a-km-zA-HJ-NP-Z1-9]{25,34})": {wallets.LITECOIN_LEGACY},
    r"((?<!\w)bitcoincash:[qp][a-zA-Z0-9]{41})": {wallets.BITCOIN_CASH},
}


@pytest.mark.parametrize("pattern", sorted(CLIPPER_PATTERNS))
def test_the_patterns_of_a_known_clipper_are_recognised(pattern: str) -> None:
    assert accepted_kinds(pattern, "g") == CLIPPER_PATTERNS[pattern]


@pytest.mark.parametrize(
    ("pattern", "flags"),
    [
        (r"^0x[a-f0-9]{40}$", ""),
        (r"^(0x)?[0-9a-f]{40}$", "i"),
        (r"0x(?:[\da-f]{8}){5}", "i"),
        ("0x" + "[0-9a-fA-F]" * 40, ""),
        (r"0x[^\Wg-zG-Z_]{40}", "u"),
        (r"\u0030x[\x30-\x39a-fA-F]{40}", "u"),
        (r"""(["'])0x[a-f0-9]{40}\1""", ""),
        (r"(?<quote>[\"'])0x[a-f0-9]{40}\k<quote>", ""),
        (r"(?<=to\":\")0x[a-fA-F0-9]{40}(?=\")", "g"),
        (r"(?!0x0{40})0x[a-fA-F0-9]{40}", "gy"),
        (r"\"to\"\s*:\s*\"(0x[0-9a-fA-F]{40})\"", ""),
        (r"https?:\/\/\S+|[\w.]+@[\w.]+|0x[a-fA-F0-9]{40}", "g"),
        (r"0x[a-fA-F0-9]{40,}", ""),
        (r"0x[a-fA-F0-9]{39,41}", ""),
    ],
)
def test_spelling_does_not_hide_what_a_pattern_is_for(pattern: str, flags: str) -> None:
    assert accepted_kinds(pattern, flags) == {wallets.ETHEREUM}


@pytest.mark.parametrize(
    "pattern",
    [
        r".+",
        r".{20,60}",
        r"\S{26,}",
        r"\w+",
        r"\w{20,}",
        r"[0-9a-f]+",
        r"0x[0-9a-fA-F]+",
        r"^[0-9a-f]{40}$",
        r"^0x[0-9a-fA-F]{64}$",
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        r"[A-Za-z0-9+/]{32,}={0,2}",
        r"^[A-Za-z0-9_-]{20,64}$",
        r"\"(?:[^\"\\]|\\.){20,}\"",
        r"sk_live_[0-9a-zA-Z]{24,34}",
        r"(?:0[xX][\da-fA-F]+|\d{10,})",
        r"[",
        r"(?<name>x{40}",
        r"(a)\2{40}",
        "(" * 500 + r"\d{40}",
        r"x{40}" * 2_000,
    ],
)
def test_a_pattern_for_something_else_is_for_no_address(pattern: str) -> None:
    assert accepted_kinds(pattern, "") == frozenset()


@settings(deadline=None)  # the first pattern pays for all samples
@given(
    st.text(alphabet="0x[]a-fA-F9{40}()|\\?:<=!*+.^$bdwT1kn", max_size=60),
    st.sampled_from(["", "g", "iu", "v"]),
)
def test_any_pattern_gets_an_answer(pattern: str, flags: str) -> None:
    assert accepted_kinds(pattern + "{40}", flags) <= set(wallets.KINDS)
