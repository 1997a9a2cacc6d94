from __future__ import annotations

import pytest

from npmguard.config import Limits
from npmguard.javascript.facts import extract_facts
from npmguard.javascript.interest import Interest
from npmguard.model import FactKind
from tests.javascript_facts import names, one

TABLE = "function t(){var a=['fetch','wait'];t=function(){return a};return t()}"
DECODER = "function d(i){return t()[i-4]}"


def shapes(code: str) -> list[str]:
    return names(code, FactKind.SHAPE)


def test_the_reader_of_a_hidden_table_of_strings_is_told() -> None:
    fact = one(TABLE + DECODER + "d(4)", FactKind.SHAPE, "string-array-decoder")
    assert (fact.start, fact.end) == (len(TABLE), len(TABLE + DECODER))


def test_a_helper_of_compilers_that_replaces_itself_is_no_table() -> None:
    code = "function c(e){return(c=function(e){return e?1:2})(e)}function f(){return c(1)}"
    assert "string-array-decoder" not in shapes(code)


@pytest.mark.parametrize(
    "code",
    [
        "const o='1|0'.split('|');let i=0;while(!![]){switch(o[i++]){case'0':a();continue;case'1':b();}break;}",
        "const o={a:function(f,x){return f(x)},b:function(f){return f()},c:(f,x,y)=>f(x,y)};o.a(g,1);",
    ],
)
def test_flattened_code_is_told(code: str) -> None:
    assert "control-flow-flattening" in shapes(code)


def test_an_interpreter_of_numbers_is_not_flattened() -> None:
    assert "control-flow-flattening" not in shapes("switch(code[at++]){case 0:a();break;case 1:b()}")


def test_traps_for_readers_are_told_decoded_or_not() -> None:
    trap = "(((.+)+)+)+$"
    assert "self-defending" in shapes(f"f.toString().search('{trap}')")
    table = TABLE.replace("wait", "(((.+)+)+)+")
    assert "self-defending" in shapes(table + DECODER + "f.toString().search(d(5)+'$')")


def test_code_in_a_few_characters_is_told() -> None:
    assert "character-code-soup" in shapes("(![]+[])[+[]]+" * 20 + "[]")
    assert "character-code-soup" not in shapes("const a=[[],[],[]];" * 20)


def test_packed_code_is_told_at_its_evaluation() -> None:
    code = "eval(function(p,c,k){while(c--)p=p.replace(c,k[c]);return p}('0(1)',2,'f|x'.split('|')))"
    assert one(code, FactKind.SHAPE, "packed-code").start == 0
    assert "packed-code" not in shapes("eval(compile(function(){return 1}))")


def test_what_takes_too_long_to_decode_is_told_and_the_file_is_not_called_read() -> None:
    code = TABLE + DECODER + "(function(f){var a=f();while(a[0]!=='no')a.push(a.shift())}(t));x(d(4))"
    interest = Interest(shapes=frozenset({"undecodable"}), strings=True)
    found = extract_facts("index.js", code.encode(), Limits(interpreted_steps=50_000), interest)
    assert {fact.name for fact in found.facts if fact.kind is FactKind.SHAPE} == {"undecodable"}
    assert found.unread
    assert "interpreted-steps" in (found.problem or "")
