from __future__ import annotations

import pytest

from npmguard.model import FactKind
from tests.javascript_facts import names, one, read

FETCH_IS_REPLACED = [
    "window.fetch = function(){}",
    "window['fetch'] = function(){}",
    "window['fe'+'tch'] = function(){}",
    "self.fetch=function(){}",
    'globalThis["\\x66etch"]=()=>{}',
    'globalThis["\\u0066etch"]=()=>{}',
    'globalThis["\\u{66}etch"]=()=>{}',
    "window.\\u0066etch=()=>{}",
    "top.fetch=()=>{}",
    "frames.fetch=()=>{}",
    "window.top.fetch=()=>{}",
    "globalThis.window.fetch=()=>{}",
    "window[`fetch`]=()=>{}",
    "window[`fe${'tch'}`]=()=>{}",
    "window[['fe','tch'].join('')]=()=>{}",
    "window['hctef'.split('').reverse().join('')]=()=>{}",
    "window[String.fromCharCode(102,101,116,99,104)]=()=>{}",
    "window[String['fromCharCode'](102,101,116,99,104)]=()=>{}",
    "window[String.fromCharCode(...[102,101,116,99,104])]=()=>{}",
    "window[String.fromCharCode.apply(null,[102,101,116,99,104])]=()=>{}",
    "window[atob('ZmV0Y2g=')]=()=>{}",
    "window[window.atob('ZmV0Y2g=')]=()=>{}",
    "window[Buffer.from('ZmV0Y2g=','base64').toString()]=()=>{}",
    "window[Buffer.from('6665746368','hex').toString('utf8')]=()=>{}",
    "window[Buffer.from([102,101,116,99,104]).toString()]=()=>{}",
    "window[decodeURIComponent('%66etch')]=()=>{}",
    "window[unescape('%66etch')]=()=>{}",
    "window['xxfetch'.slice(2)]=()=>{}",
    "window['fetchxx'.substring(0,5)]=()=>{}",
    "window['xfetchx'.substr(1,5)]=()=>{}",
    "window['FETCH'.toLowerCase()]=()=>{}",
    "window['fXtch'.replace('X','e')]=()=>{}",
    "window['f-e-t-c-h'.replaceAll('-','')]=()=>{}",
    "window['f-e-t-c-h'.replace(/-/g,'')]=()=>{}",
    "window['f-e-t-c-h'.split('-').join('')]=()=>{}",
    "window[' fetch '.trim()]=()=>{}",
    "window['fet'.concat('ch')]=()=>{}",
    "window['fetch'.charAt(0)+'etch']=()=>{}",
    "window['f'+'e'+'t'+'c'+'h']=()=>{}",
    "window[('fe')+('tch')]=()=>{}",
    "window[(0,'fetch')]=()=>{}",
    "const a='fe',b='tch'; window[a+b]=()=>{}",
    "const k={a:'fetch'}; window[k.a]=()=>{}",
    "const k={a:'fetch'}; window[k['a']]=()=>{}",
    "const k={}; k.a='fetch'; window[k.a]=()=>{}",
    "var _0x=['a','fetch']; window[_0x[1]]=()=>{}",
    "var _0x=['a','fetch']; window[_0x[0x1]]=()=>{}",
    "const [x,y]=['fe','tch']; window[x+y]=()=>{}",
    "const {a}={a:'fetch'}; window[a]=()=>{}",
    "window[true?'fetch':'x']=()=>{}",
    "window[!0?'fetch':'x']=()=>{}",
    "const w=window; w.fetch=()=>{}",
    "const w=window; w['fetch']=()=>{}",
    "let w; w=window; w.fetch=()=>{}",
    "var g=typeof globalThis!=='undefined'?globalThis:self; g.fetch=()=>{}",
    "var g=typeof globalThis!=='undefined'?globalThis:typeof window!=='undefined'?window:this; g.fetch=()=>{}",
    "var g=window||self; g.fetch=()=>{}",
    "Function('return this')().fetch=()=>{}",
    "new Function('return this')().fetch=()=>{}",
    "Function('return'+' this')().fetch=()=>{}",
    "(function(){return this})().fetch=()=>{}",
    "(0,eval)('this').fetch=()=>{}",
    "(function(root){root.fetch=()=>{}})(this)",
    "(function(root){root.fetch=()=>{}})(window)",
    "(function(root){root.fetch=()=>{}})(typeof self!=='undefined'?self:this)",
    "(function(root){root.fetch=()=>{}}).call(null,window)",
    "!function(e){e.fetch=()=>{}}(window)",
    "(e=>{e.fetch=()=>{}})(window)",
    (
        "(function(){var g=function(){if(typeof self!=='undefined'){return self} if(window)return window};"
        "g().fetch=()=>{}})()"
    ),
    "const g=()=>globalThis; g().fetch=()=>{}",
    "function hook(w){w.fetch=()=>{}} hook(window)",
    "function hook(w=window){w.fetch=()=>{}}",
    "function hook(w){w=w||window; w.fetch=()=>{}}",
    "Object.defineProperty(window,'fetch',{value:function(){}})",
    "Object.defineProperty(window,'fetch',{get(){return function(){}}})",
    "Object.defineProperty(window,'fetch',{get:()=>f2}); function f2(){}",
    "Object['defineProperty'](window,'fe'+'tch',{value:()=>{}})",
    "Reflect.defineProperty(window,'fetch',{value:()=>{}})",
    "Object.defineProperties(window,{fetch:{value:()=>{}}})",
    "Object.assign(window,{fetch(){}})",
    "Object.assign(window,{fetch:()=>{}})",
    "Object.assign(window,{['fe'+'tch']:()=>{}})",
    "Reflect.set(window,'fetch',()=>{})",
    "Reflect['set'](window,'fetch',()=>{})",
    "window.__defineGetter__('fetch',()=>function(){})",
    "fetch=function(){}",
    "window.fetch=h; function h(){}",
    "const h=()=>{}; window.fetch=h",
    "window.fetch=new Proxy(window.fetch,{apply(t,a,b){return Reflect.apply(t,a,b)}})",
    "const H={apply:function(t,a,b){return t(...b)}}; window.fetch=new Proxy(fetch,H)",
    "window.fetch=function(){}.bind(window)",
    "window.fetch=(o=>function(){return o()})(window.fetch)",
    "window.fetch=a=b=function(){}",
    "window.fetch=x?function(){}:null",
    "window.fetch=wrap(function(){}); function wrap(f){return f}",
    "[window.fetch]=[()=>{}]",
    "({a:window.fetch}={a:()=>{}})",
    "window.fetch ||= ()=>{}",
    "document.defaultView.fetch=()=>{}",
    "window?.self.fetch;window.fetch=()=>{}",
    "const o={m(){}}; window.fetch=o.m",
    "class A{m(){}} window.fetch=A.prototype.m",
    "const {window:w}=globalThis; w.fetch=()=>{}",
    "const {['window']:w}=globalThis; w.fetch=()=>{}",
    "const {['win'+'dow']:w}=globalThis; w.fetch=()=>{}",
    'window["f\\\netch"]=()=>{}',
    "window['\\146etch']=()=>{}",
    "window[(function(){return 'fetch'})()]=()=>{}",
    'var e=window,t="fetch";e[t]=()=>{}',
    'window[[..."hctef"].reverse().join("")]=()=>{}',
    'window["fetch".at(0)+"etch"]=()=>{}',
    'window[parseInt("1")?"fetch":""]=()=>{}',
    'window["x".repeat(0)+"fetch"]=()=>{}',
    'window["etch".padStart(5,"f")]=()=>{}',
    "window[new TextDecoder().decode(new Uint8Array([102,101,116,99,104]))]=()=>{}",
    "window[Array.from('hctef').reverse().join('')]=()=>{}",
]
OPEN_IS_REPLACED = [
    "XMLHttpRequest.prototype.open=function(){}",
    "const p=XMLHttpRequest.prototype; p.open=function(){}",
    "const {prototype:p}=XMLHttpRequest; p.open=function(){}",
    "window.XMLHttpRequest['prototype']['open']=function(){}",
    "const X=XMLHttpRequest; X.prototype.open=function(){}",
    "(function(e){e.open=function(){}})(XMLHttpRequest.prototype)",
    "Object.assign(XMLHttpRequest.prototype,{open(){}})",
    "new XMLHttpRequest().__proto__.open=function(){}",
    "Object.getPrototypeOf(new XMLHttpRequest()).open=function(){}",
    "new XMLHttpRequest().constructor.prototype.open=function(){}",
]
MINIFIED = [
    '!function(){var n=window,e="fetch",r=n[e];n[e]=function(){return r.apply(this,arguments)}}();',
    "(()=>{const{fetch:o}=globalThis;globalThis.fetch=async(...t)=>{const e=await o(...t);return e}})();",
    'const t=window["fe"+"tch"];Object.defineProperty(window,"fetch",{value:(...n)=>t(...n),writable:!0});',
    '(t=>{let{fetch:e}=t;t.fetch=(...r)=>e(...r)})("undefined"!=typeof globalThis?globalThis:self);',
    (
        'var _0x1=["fetch","apply"];(function(a){var b=a[_0x1[0]];'
        "a[_0x1[0]]=function(){return b[_0x1[1]](a,arguments)}})(window);"
    ),
]
NOT_FETCH = [
    "const w = window; function f(w) { w.fetch = 1 }",
    "let w = window; w = other; w.fetch = 1",
    "const kept = {fetch: window.fetch}; kept.fetch = 1",
    "var a = ['x', 'fetch']; a.push(a.shift()); window[a[1]] = 1",
    "var a = ['x', 'fetch']; (function (q) { q.push(q.shift()) })(a); window[a[1]] = 1",
    "let a = 'fetch'; a = 'x'; window[a] = 1",
    "function f(fetch) { fetch = 1 }",
    "class A { fetch() {} }",
    "const a = {fetch() {}}",
    "// window.fetch = function () {}",
    "'window.fetch = function () {}'",
    "this.fetch = function () {}",
]


@pytest.mark.parametrize("code", FETCH_IS_REPLACED)
def test_every_spelling_of_replacing_fetch_is_one_fact(code: str) -> None:
    fact = one(code, FactKind.WRITE, "fetch")
    assert fact.value == "<function>"
    assert fact.target is not None
    assert 0 < fact.target < len(read(code).functions)


@pytest.mark.parametrize("code", MINIFIED)
def test_minifying_hides_no_replacement_of_fetch(code: str) -> None:
    assert one(code, FactKind.WRITE, "fetch").target is not None


@pytest.mark.parametrize("code", OPEN_IS_REPLACED)
def test_every_spelling_of_replacing_a_method_of_a_prototype_is_one_fact(code: str) -> None:
    assert one(code, FactKind.WRITE, "XMLHttpRequest.prototype.open").value == "<function>"


@pytest.mark.parametrize("code", NOT_FETCH)
def test_what_is_not_the_global_fetch_is_not_told_to_be(code: str) -> None:
    assert "fetch" not in names(code, FactKind.WRITE)


@pytest.mark.parametrize(
    ("code", "name", "value"),
    [
        ("x.y = 'a' + 'b'", "x.y", "ab"),
        ("function f(x) { x.y = 1.5 }", "?.y", "1.5"),
        ("function f(x) { x.y.z = true }", "?.y.z", "true"),
        ("function f(x, k) { x[k] = null }", "?.[]", "null"),
        ("this.y = other", "this.y", None),
        ("exports.y = void 0", "exports.y", "undefined"),
        ("top.location = 'u'", "location", "u"),
        ("counter = 2", "counter", "2"),
        ("x.y += 'a'", "x.y", None),
        ("for (x.y of list) {}", "x.y", None),
        ("[x.y = 3] = list", "x.y", None),
        ("const fs = require('fs'); fs.readFile = 4", "fs.readFile", "4"),
    ],
)
def test_a_write_tells_its_target_and_the_constant(code: str, name: str, value: str | None) -> None:
    assert one(code, FactKind.WRITE, name).value == value


def test_the_function_of_a_getter_is_the_one_that_it_returns() -> None:
    code = "function hook() { return 1 }\nObject.defineProperty(window, 'fetch', {get: () => hook})"
    target = one(code, FactKind.WRITE, "fetch").target
    assert target is not None
    span = read(code).functions[target]
    assert code[span.start : span.end] == "function hook() { return 1 }"


def test_the_function_of_a_proxy_is_its_trap() -> None:
    code = "window.fetch = new Proxy(window.fetch, {get() {}, apply(target, self, args) { return 1 }})"
    target = one(code, FactKind.WRITE, "fetch").target
    assert target is not None
    span = read(code).functions[target]
    assert code[span.start : span.end].startswith("apply(target")


def test_a_name_is_decoded_only_if_it_is_not_spelled() -> None:
    assert not one("window.fetch = f", FactKind.WRITE, "fetch").decoded
    assert not one("window['fetch'] = f", FactKind.WRITE, "fetch").decoded
    assert one("window['fe' + 'tch'] = f", FactKind.WRITE, "fetch").decoded
    assert one("const k = 'fetch'; window[k] = f", FactKind.WRITE, "fetch").decoded
