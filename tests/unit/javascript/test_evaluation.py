from __future__ import annotations

from npmguard.model import FactKind
from tests.javascript_facts import facts, names, strings

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
