from __future__ import annotations

import pytest

from npmguard.config import Limits
from npmguard.javascript.facts import extract_facts
from npmguard.model import Fact, FactKind
from tests.javascript_facts import facts, read, strings

SECRET = "bc1qsecret"
HIDDEN = [
    r"'\x62\x63\x31qsecret'",
    r"'\u0062c1qsecret'",
    r"'\u{62}c1qsecret'",
    r"'\142c1qsecret'",
    "'bc1q\\\nsecret'",
    "'bc1q' + 'secret'",
    "'b' + 'c' + 1 + 'qsecret'",
    "('bc1q').concat('sec', 'ret')",
    "`bc${1}q${'secret'}`",
    "['bc1q', 'secret'].join('')",
    "['bc1qsecret', 'x'][0] + ''",
    "'tercesq1cb'.split('').reverse().join('')",
    "[...'tercesq1cb'].reverse().join('')",
    "Array.from('tercesq1cb').reverse().join('')",
    "String.fromCharCode(98, 99, 49, 113, 115, 101, 99, 114, 101, 116)",
    "String.fromCodePoint(98, 99, 49, 113, 115, 101, 99, 114, 101, 116)",
    "String.fromCharCode(...[98, 99, 49, 113, 115, 101, 99, 114, 101, 116])",
    "String.fromCharCode.apply(null, [98, 99, 49, 113, 115, 101, 99, 114, 101, 116])",
    "atob('YmMxcXNlY3JldA==')",
    "window['at' + 'ob']('YmMxcXNlY3JldA==')",
    "Buffer.from('YmMxcXNlY3JldA==', 'base64').toString()",
    "Buffer.from('YmMxcXNlY3JldA', 'base64url').toString('utf8')",
    "Buffer.from('62633171736563726574', 'hex').toString('latin1')",
    "Buffer.from([98, 99, 49, 113, 115, 101, 99, 114, 101, 116]).toString()",
    "new TextDecoder().decode(Uint8Array.from([98, 99, 49, 113, 115, 101, 99, 114, 101, 116]))",
    "decodeURIComponent('%62%631qsecret')",
    "unescape('%62%u00631qsecret')",
    "'xxbc1qsecret'.slice(2)",
    "'bc1qsecretxx'.slice(0, -2)",
    "'xbc1qsecretx'.substring(11, 1)",
    "'xbc1qsecretx'.substr(1, 10)",
    "'BC1QSECRET'.toLowerCase()",
    "'  bc1qsecret '.trim()",
    "'bc1qs-cret'.replace('-', 'e')",
    "'b-c-1-q-s-e-c-r-e-t'.replaceAll('-', '')",
    "'b-c_1-q_s-e_c-r-e-t'.replace(/[-_]/g, '')",
    "'c1qsecret'.padStart(10, 'b')",
    "'bc1qse' + 'cret'.repeat(1)",
    "'b'.charAt(0) + 'xc'.at(-1) + '1qsecret'",
    "(0, 'bc1q') + void 0 + 'secret' && 'bc1q' + 'secret'",
    "(true ? 'bc1q' : other) + 'secret'",
    "(!1 ? other : 'bc1q') + (null ?? 'secret')",
]
THROUGH_NAMES = [
    "const a = 'bc1q', b = 'secret'; use(a + b)",
    "let a; a = 'bc1q'; use(a + 'secret')",
    "const {a} = {a: 'bc1q'}; use(a + 'secret')",
    "const [a, b] = ['bc1q', 'secret']; use(a + b)",
    "const k = {a: 'bc1q', b: {c: 'secret'}}; use(k.a + k.b.c)",
    "const k = {}; k.a = 'bc1q'; k['b'] = 'secret'; use(k.a + k.b)",
    "const t = ['secret', 'bc1q']; use(t[1] + t[0x0])",
    "(function (a) { use(a + 'secret') })('bc1q')",
    "function f(a) { use(a + 'secret') } f('bc1q')",
    "function f() { return 'bc1q' } use(f() + 'secret')",
    "const f = () => 'bc1q'; use(f() + 'secret')",
    "const d = atob; use(d('YmMxcXNlY3JldA=='))",
    "const S = String; use(S.fromCharCode(98, 99) + '1qsecret')",
    "const {fromCharCode: f} = String; use(f(98, 99) + '1qsecret')",
    'var t=["YmMxcXNlY3JldA"];(function(e){use(e(t[0]))})(atob)',
]


@pytest.mark.parametrize("code", HIDDEN)
def test_a_hidden_string_is_worked_out(code: str) -> None:
    found = [fact for fact in facts(f"use({code})", FactKind.STRING) if fact.value == SECRET]
    assert found
    assert found[0].decoded is (SECRET not in code)


@pytest.mark.parametrize("code", THROUGH_NAMES)
def test_a_string_is_worked_out_through_names(code: str) -> None:
    found = [fact for fact in facts(code, FactKind.STRING) if fact.value == SECRET]
    assert [fact.decoded for fact in found] == [True]


@pytest.mark.parametrize(
    "code",
    [
        "let a = 'bc1q'; a = other; use(a + 'secret')",
        "let a = 'bc1q'; a += 'x'; use(a + 'secret')",
        "function f(a) { use(a + 'secret') } f('bc1q'); f('x')",
        "const t = ['bc1q']; t.unshift('x'); use(t[0] + 'secret')",
        "const t = ['bc1q']; t[0] = 'x'; use(t[0] + 'secret')",
        "const t = ['bc1q']; t['push'](t['shift']()); use(t[0] + 'secret')",
        "const k = {a: 'bc1q'}; k.a = other; use(k.a + 'secret')",
        "const k = {a: 'bc1q'}; k[name] = other; use(k.a + 'secret')",
        "for (let a of ['bc1q', 'x']) use(a + 'secret')",
        "function f(a = 'bc1q') { use(a + 'secret') } f('x')",
        "const atob = other; use(atob('YmMxcXNlY3JldA=='))",
        "use(String.fromCharCode(...bytes))",
    ],
)
def test_what_may_be_something_else_is_not_worked_out(code: str) -> None:
    assert SECRET not in strings(code)
    assert not any(fact.decoded for fact in read(code).facts if fact.value == SECRET)


def test_literals_are_facts_as_they_are_spelled() -> None:
    code = "'use strict'; f('a', [`b`, {'c': \"d\"}]); import e from 'e'; `f${g}h`"
    found = facts(code, FactKind.STRING)
    assert [fact.value for fact in found] == ["use strict", "a", "b", "c", "d", "e", "f", "h"]
    assert not any(fact.decoded for fact in found)


def test_only_the_outermost_folded_expression_is_a_fact_beside_its_literals() -> None:
    assert strings("use(('a' + 'b') + ('c' + 'd'))") == ["abcd", "a", "b", "c", "d"]


def test_constant_neighbours_in_a_sum_that_is_not_constant_are_joined() -> None:
    assert "https://host.example/a" in strings("fetch('https://host' + '.example/' + 'a' + id)")
    assert "/a/b" in strings("fetch(base + '/a' + '/b')")
    assert "/a/b" in strings("fetch(base + '/a' + '/b' + id + '/c')")


def test_a_fact_spans_the_expression_that_is_worked_out() -> None:
    code = "x = y + ('a' + 'b') + 'c' + z"
    fact = next(fact for fact in facts(code, FactKind.STRING) if fact.value == "abc")
    assert code[fact.start : fact.end] == "('a' + 'b') + 'c'"


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("'\\ud83d\\ude00'", "\U0001f600"),
        ("'\U0001f600'.length + ''", "2"),
        ("'a\U0001f600b'.slice(1, 3)", "\U0001f600"),
        ("'\\ud83d'", "\ufffd"),
        ("'\\u{110000}'", "\ufffd"),
        ("'a\\0b'", "a\0b"),
        ("'\\'\\\"\\n'", "'\"\n"),
        ("1.5 + ''", "1.5"),
        ("1e21 + ''", "1e+21"),
        ("1e-7 + ''", "1e-7"),
        ("123456789012345680000 + ''", "123456789012345680000"),
        ("0.1 + 0.2 + ''", "0.30000000000000004"),
        ("(7 / 2 | 0) + ''", "3"),
        ("(-1 >>> 0) + ''", "4294967295"),
        ("(1 << 31) + ''", "-2147483648"),
        ("-7 % 3 + ''", "-1"),
        ("(35).toString(36) + ''", "z"),
        ("parseInt('ff', 16) + ''", "255"),
        ("[1, , 2] + ''", "1,,2"),
        ("[] + 1", "1"),
        ("'' + null + undefined + true", "nullundefinedtrue"),
    ],
)
def test_values_are_those_of_javascript(code: str, value: str) -> None:
    assert value in strings(f"use({code})")


def test_attributes_of_jsx_have_no_escapes_but_entities() -> None:
    assert strings(r'x = <a b="c\n" d="&lt;e&gt;">text</a>') == [r"c\n", "<e>"]


@pytest.mark.parametrize(
    ("code", "source", "flags"),
    [
        (r"/a\/b/gi", r"a\/b", "gi"),
        ("/[/]/", "[/]", ""),
        ("new RegExp('^0x' + '[a-f]', 'i')", "^0x[a-f]", "i"),
        ("RegExp('a')", "a", ""),
        ("window['Reg' + 'Exp']('a', 'g')", "a", "g"),
        ("const R = RegExp; new R('a')", "a", ""),
    ],
)
def test_regular_expressions_are_facts_however_they_are_made(code: str, source: str, flags: str) -> None:
    found = facts(code, FactKind.REGEX)
    assert [(fact.value, fact.args) for fact in found] == [(source, (flags,))]


@pytest.mark.parametrize(
    ("code", "limits"),
    [
        ("use('a'.repeat(1000))", Limits(string_bytes=100)),
        ("use('a'.padStart(1e9))", Limits()),
        ("use(" + "+".join(["'aaaaaaaaaa'"] * 20) + ")", Limits(string_bytes=100)),
        (";".join(f"use('a' + '{number}')" for number in range(50)), Limits(fold_steps=20)),
        ("use(" + "".join(f"'{number}'.repeat(99)+" for number in range(200)) + "x)", Limits(string_bytes=100)),
        ("use('a' + " + "(-" * 200 + "1" + ")" * 200 + ")", Limits()),
    ],
)
def test_running_out_of_a_limit_is_told(code: str, limits: Limits) -> None:
    assert extract_facts("index.js", code.encode(), limits).problem


def test_many_variation_selectors_in_one_literal_are_kept() -> None:
    payload = "".join(chr(0xFE00 + index % 16) for index in range(60))
    assert strings(f"eval(`{payload}`)") == [payload]


def test_code_behind_a_long_line_of_spaces_is_seen() -> None:
    found: list[Fact] = facts("a = 1;" + " " * 100_000 + "fetch('u')", FactKind.CALL)
    assert [(fact.name, fact.line, fact.column) for fact in found] == [("fetch", 1, 100_007)]
