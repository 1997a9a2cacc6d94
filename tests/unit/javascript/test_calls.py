from __future__ import annotations

import pytest

from npmguard.model import FactKind
from tests.javascript_facts import names, one, read

FETCH_IS_CALLED = [
    "fetch('u')",
    "window.fetch('u')",
    "window['fetch']('u')",
    "window?.fetch?.('u')",
    "(0,window.fetch)('u')",
    "(0,fetch)('u')",
    "fetch.call(window,'u')",
    "fetch.apply(window,['u'])",
    "fetch.bind(window)('u')",
    "Reflect.apply(fetch,window,['u'])",
    "const f=fetch; f('u')",
    "const f=window.fetch; f('u')",
    "const f=fetch.bind(window); f('u')",
    "const {fetch:f}=window; f('u')",
    "const {fetch:f=null}=window; f('u')",
    "var f; f=window.fetch; f('u')",
    "(function(f){f('u')})(fetch)",
    "(({fetch:f})=>{f('u')})(window)",
    "(window.fetch||x)('u')",
    "const api={f:window.fetch}; api.f('u')",
    "const api={f:fetch}; (api).f('u')",
    "const api={}; api.f=window.fetch; api.f('u')",
    "Function.prototype.call.call(fetch,window,'u')",
    "Reflect.get(window,'fetch')('u')",
    "(await 0, fetch)('u')",
    "window[String.fromCharCode(102)+'etch']('u')",
    'fetch("u",)',
    "fetch(`u`)",
    "fetch('\\x75')",
    "const u='u'; fetch(u)",
]
A_PROCESS_IS_STARTED = [
    "require('child_process').exec('ls')",
    "const {exec:e}=require('child_process'); e('ls')",
    "const cp=require('child_process'); cp.exec('ls')",
    "const cp=require('node:child_process'); cp.exec('ls')",
    "import {exec as e} from 'child_process'; e('ls')",
    "import cp from 'node:child_process'; cp.exec('ls')",
    "import * as cp from 'child_process'; cp.exec('ls')",
    "require('ch'+'ild_process').exec('ls')",
    "require('child_process')['exec']('ls')",
    "module.require('child_process').exec('ls')",
    "process.mainModule.require('child_process').exec('ls')",
    "globalThis.require('child_process').exec('ls')",
    "(await import('child_process')).exec('ls')",
    "const cp=await import('node:child_process'); cp.exec('ls')",
    "const {exec}=await import('child_process'); exec('ls')",
    "import('child_process').then(m=>m.exec('ls'))",
    "import('child_process').then(({exec})=>exec('ls'))",
    "import {createRequire} from 'module'; const r=createRequire('/'); r('child_process').exec('ls')",
    "const r=require; r('child_process').exec('ls')",
    "var n=__toESM(require('child_process')); n.exec('ls')",
    "const n=_interopRequireDefault(require('child_process')); n.default.exec('ls')",
    "const n=__importStar(require(\"child_process\")); n.exec('ls')",
    "const t=e=>e&&e.__esModule?e:{default:e}; const n=t(require('child_process')); n.default.exec('ls')",
    "const p=require('util').promisify(require('child_process').exec); p('ls')",
    "const {promisify}=require('util'),{exec}=require('child_process'),p=promisify(exec); p('ls')",
    "(function(require){require('child_process').exec('ls')})(require)",
    "const m={cp:require('child_process')}; m.cp.exec('ls')",
    "let cp; try{cp=require('child_process')}catch{} cp.exec('ls')",
    "var cp = null; cp = require('child_process'); cp.exec('ls')",
    "eval('require')('child_process').exec('ls')",
    "Function('return process')().mainModule.require('child_process').exec('ls')",
]
FUNCTION_IS_CALLED = [
    '[]["constructor"]["constructor"]("x")()',
    "Function('x')",
    "(function () {}).constructor('x')",
    "(() => {}).constructor('x')",
    "const f = function () {}; f.constructor('x')",
    "this.constructor.constructor('x')",
    "''.constructor.constructor('x')",
    "Object.getPrototypeOf(async function () {}).constructor('x')",
    "Reflect.getPrototypeOf(function () {}).constructor('x')",
    "window['Fun' + 'ction']('x')",
]
FUNCTION_IS_CONSTRUCTED = [
    "new (Function.constructor)('x', code)",
    "new Function('x')",
    "new (function () {}.constructor)('x')",
    "new ([]['constructor']['constructor'])('x')",
    "const F = Function; new F('x')",
    "new window['Fun' + 'ction']('x')",
]
EVAL_IS_CALLED = [
    "globalThis['ev' + 'al']('x')",
    "(0, eval)('x')",
    "window.eval('x')",
    "const e = eval; e('x')",
    "eval?.('x')",
    "eval('x')",
    "!function(t){t('x')}(eval)",
]


@pytest.mark.parametrize("code", FETCH_IS_CALLED)
def test_every_spelling_of_calling_fetch_is_one_fact(code: str) -> None:
    assert one(code, FactKind.CALL, "fetch").args == ("u",)


@pytest.mark.parametrize("code", A_PROCESS_IS_STARTED)
def test_every_way_to_a_module_is_followed(code: str) -> None:
    assert one(code, FactKind.CALL, "child_process.exec").args == ("ls",)
    assert "child_process" in names(code, FactKind.MODULE)


@pytest.mark.parametrize("code", FUNCTION_IS_CALLED)
def test_every_spelling_of_calling_function_is_one_fact(code: str) -> None:
    assert one(code, FactKind.CALL, "Function").args == ("x",)


@pytest.mark.parametrize("code", FUNCTION_IS_CONSTRUCTED)
def test_every_spelling_of_constructing_function_is_one_fact(code: str) -> None:
    assert one(code, FactKind.NEW, "Function").args[0] == "x"


@pytest.mark.parametrize("code", EVAL_IS_CALLED)
def test_every_spelling_of_calling_eval_is_one_fact(code: str) -> None:
    assert one(code, FactKind.CALL, "eval").args == ("x",)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("async function f(page) { await page.$eval('a', b) }", "?.$eval"),
        ("function f(api, f, ...args) { return api[f](...args) }", "?.[]"),
        ("function f(x) { x.a().b().c() }", "?.c"),
        ("this.send('a')", "this.send"),
        ("class A extends B { m() { super.send('a') } }", "super.send"),
        ("JSON.parse(t)", "JSON.parse"),
        ("document.defaultView.open('a')", "open"),
        ("const x = new XMLHttpRequest(); x.open('GET', u)", "?.open"),
        ("const {parse} = JSON; parse(t)", "JSON.parse"),
        ("const f = {a: {b: navigator.sendBeacon}}; f.a.b('u')", "navigator.sendBeacon"),
        ("import d from 'm'; d.x('a')", "m.x"),
        ("import * as n from 'm'; n.x('a')", "m.x"),
        ("const {a: {b}} = require('m'); b('a')", "m.a.b"),
        ("const [a] = require('m'); a('a')", "m.0"),
    ],
)
def test_a_callee_is_named_by_its_root(code: str, name: str) -> None:
    assert name in names(code, FactKind.CALL)


@pytest.mark.parametrize(
    "code",
    [
        "function fetch() {} fetch('u')",
        "function f(fetch) { fetch('u') }",
        "var fetch = require('node-fetch'); fetch('u')",
        "import fetch from 'node-fetch'; fetch('u')",
        "const s = {fetch() {}}; s.fetch('u')",
        "try {} catch (fetch) { fetch('u') }",
        "class fetch {} fetch('u')",
        "{ let fetch = 1; fetch('u') }",
        "for (const fetch of list) fetch('u')",
        "const f = function fetch() { fetch('u') }",
        "/* fetch('u') */ 'fetch(1)'; `fetch(2)`; /fetch(3)/",
    ],
)
def test_what_only_shares_its_name_with_fetch_is_not_fetch(code: str) -> None:
    assert "fetch" not in names(code, FactKind.CALL)


def test_a_block_scoped_name_ends_with_its_block() -> None:
    assert "fetch" in names("{ let fetch = 1 } fetch('u')", FactKind.CALL)
    assert "fetch" not in names("{ var fetch = 1 } fetch('u')", FactKind.CALL)


@pytest.mark.parametrize(
    ("code", "args"),
    [
        ("f.x('a', 1, true, null, undefined, v, /r/g, `t`, [1], {})",
         ("a", "1", "true", "null", "undefined", None, "/r/g", "t", None, None)),
        ("f.x(...['a', 'b'], 'c')", ("a", "b", "c")),
        ("f.x(...rest, 'c')", (None,)),
        ("f.x()", ()),
        ("const a = 'b'; f.x(a + 'c')", ("bc",)),
    ],
)  # fmt: skip
def test_arguments_are_told_where_they_are_constant(code: str, args: tuple[str | None, ...]) -> None:
    assert one(code, FactKind.CALL, "f.x").args == args


def test_a_call_is_placed_at_the_last_segment_of_its_name() -> None:
    found = [each for each in read("\nq\n  .then(a)\n  .send('x')").facts if each.kind is FactKind.CALL]
    assert [(each.name, each.line, each.column, each.start) for each in found if each.name == "?.send"] == [
        ("?.send", 4, 4, 1)
    ]


def test_columns_count_characters() -> None:
    assert one("/* \u00e9\U0001f600 */ fetch('u')", FactKind.CALL, "fetch").column == 10


def test_a_call_tells_the_function_that_it_is_in() -> None:
    code = "function a() { fetch('u'); return () => send('v') } fetch('w')"
    facts = {fact.args[0]: fact.function for fact in read(code).facts if fact.kind is FactKind.CALL}
    assert facts == {"u": 1, "v": 2, "w": 0}


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("require('a'); require('./b'); require('node:fs')", ["a", "./b", "fs"]),
        ("import 'a'; import b from 'b'; export * from 'c'; export {d} from 'd'", ["a", "b", "c", "d"]),
        ("import('a'); import(`b`)", ["a", "b"]),
        ("require(name); import(name)", []),
        ("function f(require) { require('a') }", []),
        ("require('a' + 'b')", ["ab"]),
        ("require('ba'.split('').reverse().join(''))", ["ab"]),
    ],
)
def test_modules_are_named_however_they_are_loaded(code: str, modules: list[str]) -> None:
    assert names(code, FactKind.MODULE) == modules
