from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npmguard.detect.unfold import Means, unfold

SECRET = "XMLHttpRequest"


@pytest.mark.parametrize(
    ("code", "means"),
    [
        ("window['XMLHttp' + \"Request\"]", Means.JOINTS),
        ("window['XMLHttp'\n  +\n  'Request']", Means.JOINTS),
        ("window['\\x58ML\\u0048ttp\\u{52}equest']", Means.ESCAPES),
        ("window['XMLHttp\\\nRequest']", Means.ESCAPES),
        ("window[['XMLHttp', 'Request'].join('')]", Means.ARRAYS),
        ("window[['Request', 'XMLHttp'].reverse().join('')]", Means.ARRAYS),
        (f"window[atob('{b64encode(SECRET.encode()).decode()}')]", Means.ENCODED),
        (f"window[Buffer.from('{b64encode(SECRET.encode()).decode().rstrip('=')}', 'base64')]", Means.ENCODED),
        (f"window[Buffer.from('{SECRET.encode().hex()}', 'hex')]", Means.ENCODED),
        (f"String.fromCharCode({', '.join(str(byte) for byte in SECRET.encode())})", Means.CODES),
        (f"new Uint8Array([{','.join(hex(byte) for byte in SECRET.encode())}])", Means.CODES),
        (f"'{SECRET[::-1]}'.split('').reverse().join('')", Means.REVERSED),
    ],
)
def test_what_code_builds_of_its_literals_is_seen(code: str, means: Means) -> None:
    assert SECRET.encode() not in code.encode()
    assert SECRET.encode() in unfold(code.encode(), [means])


def test_a_counted_repetition_is_put_together() -> None:
    assert b"[a-f0-9]{40}" in unfold(b"RegExp('0x[a-f0-9]{' + 40 + '}')", [Means.JOINTS])


def test_base64_of_joined_halves_is_decoded() -> None:
    encoded = b64encode(SECRET.encode()).decode()
    code = f"atob('{encoded[:8]}' + '{encoded[8:]}')"
    assert SECRET.encode() in unfold(code.encode(), list(Means))


@given(st.binary(max_size=400), st.lists(st.sampled_from(list(Means)), unique=True))
def test_any_bytes_are_unfolded(content: bytes, means: list[Means]) -> None:
    assert isinstance(unfold(content, means), bytes)


def test_the_result_is_bounded_by_the_content() -> None:
    content = b"['aaaaaaaa','bbbbbbbb']['x'].join('AAAAAAAAAAAAAAAA')[40,41,42,43,44]" * 20_000
    assert len(unfold(content, list(Means))) < 8 * len(content)


@pytest.mark.parametrize("first", b"\t\n\r !AZaz09{|}~")
def test_reads_base64_of_any_readable_beginning(first: int) -> None:
    for second in b"\t\n\r !AZaz09{|}~":
        plain = bytes([first, second, first, second]) + b"rest"
        for encoded in (b64encode(plain), b64encode(plain).rstrip(b"="), urlsafe_b64encode(plain)):
            assert plain in unfold(b"atob('" + encoded + b"')", {Means.ENCODED}), plain


def test_makes_nothing_of_a_source_that_has_nothing_for_its_means() -> None:
    assert unfold(b"const a = 'one'; use(a + b, `two`, [a, b])\n" * 50, set(Means) - {Means.REVERSED}) == b""
