from __future__ import annotations

from base64 import b64encode

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from npmguard.config import Limits
from npmguard.detect.analyse import analyse_package
from npmguard.detect.rule import load_ruleset
from npmguard.detect.rule_test import archive_of
from npmguard.detect.verdict import verdict_of
from npmguard.model import Verdict
from tests.fixture_addresses import burn_address

RULESET = load_ruleset()
PATTERNS = {
    "btc-legacy": r"/\b1[a-km-zA-HJ-NP-Z1-9]{25,34}\b/g",
    "btc-p2sh": r"/(?<!\w)3[1-9A-HJ-NP-Za-km-z]{33}/g",
    "btc-bech32": r"/bc1[ac-hj-np-z02-9]{11,71}/gi",
    "btc-taproot": r"/\bbc1p[a-z0-9]{58}\b/g",
    "eth": r"/\b0x[a-fA-F0-9]{40}\b/g",
    "sol": r"/\b[1-9A-HJ-NP-Za-km-z]{32,44}\b/g",
    "trx": r"/T[1-9A-HJ-NP-Za-km-z]{33}/g",
    "ltc-legacy": r"/\b[LM][a-km-zA-HJ-NP-Z1-9]{25,34}\b/g",
    "ltc-bech32": r"/ltc1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{11,71}/g",
    "bch": r"/(?:bitcoincash:)?[qp][a-z0-9]{41}/g",
}
NAMES = st.text(alphabet="abcdxyz_$", max_size=3).map("q{}".format)  # no word of the language starts with q


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """A JavaScript expression whose value is *text*."""
    at = draw(st.integers(1, len(text) - 1))
    return draw(
        st.sampled_from(
            [
                f'"{text}"',
                f"'{text[:at]}' + '{text[at:]}'",
                f"['{text[:at]}', '{text[at:]}'].join('')",
                f"atob('{b64encode(text.encode()).decode()}')",
                f"Buffer.from('{text.encode().hex()}', 'hex').toString()",
                f"'\\x{ord(text[0]):02x}{text[1:]}'",
                f"String.fromCharCode({','.join(str(ord(char)) for char in text)})",
                f"'{text[::-1]}'.split('').reverse().join('')",
            ]
        )
    )


@st.composite
def hooks(draw: st.DrawFn, target: str) -> str:
    """Code that puts *target* in the way of network traffic."""
    root = draw(st.sampled_from(["window", "globalThis", "self"]))
    fetch, request = draw(spelled("fetch")), draw(spelled("XMLHttpRequest"))
    wrapped = (
        f"async function (...a) {{ return new Response({target}(await (await o.apply(this, a)).text())); }}"
    )
    sent = f"function (b) {{ return o.call(this, {target}(b)); }}"
    return draw(
        st.sampled_from(
            [
                f"const o = {root}[{fetch}]; {root}[{fetch}] = {wrapped};",
                f"const o = {root}.fetch; Object.defineProperty({root}, {fetch}, {{ value: {wrapped} }});",
                f"const w = {root}, o = w.fetch; w.fetch = {wrapped};",
                f"const o = {root}.fetch; {root}.fetch = new Proxy(o, {{ apply: {wrapped} }});",
                f"const x = {root}[{request}].prototype, o = x.send; x.send = {sent};",
            ]
        )
    )


@given(data=st.data(), kind=st.sampled_from(sorted(PATTERNS)), swap=NAMES, table=NAMES, text=NAMES)
@settings(max_examples=60, deadline=None)
def test_a_clipper_is_found_however_it_is_spelled(
    data: st.DataObject, kind: str, swap: str, table: str, text: str
) -> None:
    assume(len({swap, table, text}) == 3)
    address = data.draw(spelled(burn_address(kind, data.draw(st.integers(1, 255)))))
    code = (
        f"const {table} = [{address}];\n"
        f"function {swap}({text}) {{ return {text}.replace({PATTERNS[kind]}, () => {table}[0]); }}\n"
        f"{data.draw(hooks(swap))}\n"
    )
    archive = archive_of({"index.js": code})
    filtered = analyse_package(archive, RULESET, Limits())
    everything = analyse_package(archive, RULESET, Limits(), prefilter=False)
    assert verdict_of(filtered.findings) is Verdict.MALICIOUS
    assert filtered.findings == everything.findings


@given(data=st.data(), kind=st.sampled_from(sorted(PATTERNS)))
@settings(max_examples=30, deadline=None)
def test_a_hook_and_a_wallet_check_that_do_not_meet_are_clean(data: st.DataObject, kind: str) -> None:
    address = burn_address(kind, data.draw(st.integers(1, 255)))
    code = (
        "function seen(body) { return String(body).trim(); }\n"
        f"{data.draw(hooks('seen'))}\n"
        f"export const check = (text) => {PATTERNS[kind]}.test(text);\n"
        f"export const donate = '{address}';\n"
        "export const shorten = (text) => text.replace(/^(.{6}).*(.{4})$/, '$1...$2');\n"
    )
    archive = archive_of({"index.js": code})
    assert analyse_package(archive, RULESET, Limits()).findings == ()
    assert analyse_package(archive, RULESET, Limits(), prefilter=False).findings == ()
