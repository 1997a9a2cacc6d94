from __future__ import annotations

import re

import pytest

from npmguard.detect.address_patterns import recognises_addresses
from npmguard.javascript.wallets import accepted_kinds, may_be_part

ETHEREUM = "0x[a-fA-F0-9]{40}"
BITCOIN = "(?:[13][a-km-zA-HJ-NP-Z1-9]{25,34}|bc1[a-z0-9]{39,59})"
TRON = r"\bT[1-9A-HJ-NP-Za-km-z]{33}\b"
SOLANA = "[1-9A-HJ-NP-Za-km-z]{43,44}"

FOR_ADDRESSES = {
    "literal": f"const pattern = /{ETHEREUM}/g;",
    "literal among others": f"a=b/2;c=/x/;s='/';t=s.replace(/{TRON}/g,u),v=w/3/4;y='/'",
    "anchored": f"const ok = (text) => /^{SOLANA}$/.test(text);",
    "string": f'new RegExp("{ETHEREUM}")',
    "string with doubled backslashes": 'new RegExp("\\\\bT[1-9A-HJ-NP-Za-km-z]{33}\\\\b")',
    "half of a string": 'const tail = "[a-fA-F0-9]{40}"; new RegExp("0x" + tail)',
    "a quarter of a string": 'const d = "[a-f0-9]{10}"; new RegExp("0x" + d + d + d + d)',
    "an open group": 'new RegExp("(0x[a-fA-F0-9]{40}" + ")")',
    "a closed group": 'new RegExp("(" + "0x[a-fA-F0-9]{40})")',
    "the rest of a group's beginning": 'new RegExp("(" + "?:0x[a-fA-F0-9]{40})")',
    "groups of both kinds": 'new RegExp("(" + "0x|1)([a-fA-F0-9]{40}" + ")")',
    "a bracket in a class": 'new RegExp("[()\\\\]?(0x[a-fA-F0-9]{40}" + ")")',
    "template": f"new RegExp(`{ETHEREUM}`)",
    "template on lines": f"const all = `\n{ETHEREUM}\n`; new RegExp(all.trim())",
    "a count that is joined to it": 'new RegExp("0x[a-f0-9]{" + length + "}")',
    "a count in a template": "new RegExp(`0x[0-9a-fA-F]{${40}}`)",
    "written out": "const p = /0x" + "[0-9a-f]" * 40 + "/",
    "a prefix": "const p = /bc1[^.]+/",
    "a class full of slashes": "const p = /(?:[/////////]|)0x[/////////a-f0-9]{40}(?:[/////////]|)/;",
    "a group that is repeated": "const p = /0x(?:[0-9a-f][0-9a-f]){20}/",
    "joined of literals": "const all = new RegExp(/0x/.source + /[0-9a-f]{40}/.source)",
    "all kinds": f"const p = [/{ETHEREUM}/, /{BITCOIN}/]",
    "after a keyword": f"function p(){{return/{ETHEREUM}/}}",
    "a string after a keyword": f'function p(){{return"{ETHEREUM}"}}',
    "a literal at the start of a line": f"run(); // look at it\n/{ETHEREUM}/.test(text) && go()",
    "a literal before a comment": f"if (/{ETHEREUM}//* */.test(text)) go()",
    "a literal after throw": f"function p(){{throw/{ETHEREUM}/}}",
    "a string after a condition": f"if (1) '{ETHEREUM}'.replace(/^/, use)",
    "a string that is spread": f"use(...'{ETHEREUM}')",
    "a source that is handed on": "const all = '0x' + text.replace(/[0-9a-f]{40}/.source, one); /x/.source",
    "behind a comment with quotes": f"// don't \"\nconst p = /{ETHEREUM}/ // isn't",
}

FOR_OTHERS = {
    "nothing": "const a = 1;",
    "colour": "const p = /^#[0-9a-f]{6}$/i;",
    "commit": "const p = /^[0-9a-f]{40}$/;",
    "UUID": "const p = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;",
    "ULID, beside a source": "const p = /^[0-9A-HJKMNP-TV-Z]{26}$/i; p.source",
    "any text": "const p = /.{6,}/; const q = /[^']{12}/; const r = /\\s{8}/;",
    "digits": "const p = `\\\\d{${precision}}`;",
    "tabs": "const p = new RegExp(`^[ \\\\t]{${indent}}`, 'gm');",
    "IPv6": "const p = /^(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$/i;",
    "code between quotes": """i(a===')'&&b('x'));let o=g(s),c=/^#[0-9a-f]{6}$/i;f(u===')'||c.test(o))""",
    "escapes": "const p = /\\u0BC1\\u0BC2/;",
}


@pytest.mark.parametrize("code", FOR_ADDRESSES.values(), ids=FOR_ADDRESSES)
def test_sees_a_pattern_for_addresses_however_it_is_spelled(code: str) -> None:
    assert recognises_addresses(code.encode())


@pytest.mark.parametrize("code", FOR_OTHERS.values(), ids=FOR_OTHERS)
def test_is_silent_on_patterns_for_something_else(code: str) -> None:
    assert not recognises_addresses(code.encode())


def test_code_whose_brackets_are_of_other_places_is_no_part_of_a_pattern() -> None:
    assert not may_be_part("));let o=g(s),c=/^#[0-9a-f]{6}$/;f(u===(")
    assert may_be_part("0x|1)([0-9a-f]{40}")


def test_is_no_narrower_than_what_rules_ask() -> None:
    patterns = [code for code in FOR_ADDRESSES.values() for code in re.findall(r"/([^/\n]+)/", code)]
    accepted = [pattern for pattern in patterns if accepted_kinds(pattern, "")]

    assert accepted
    assert all(recognises_addresses(f"x = y / 2; z = /{pattern}/g.exec(t)".encode()) for pattern in accepted)


def test_gives_up_on_a_line_in_which_nobody_knows_where_a_literal_begins() -> None:
    line = "a=/b/;" * 400 + "c=/[0-9a-f]{40}/;" + "d=/e/;" * 400

    assert recognises_addresses(line.encode())
