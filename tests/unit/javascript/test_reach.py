from __future__ import annotations

import pytest

from npmguard.model import FactKind, FileFacts
from tests.javascript_facts import read


def reached(result: FileFacts, start: int) -> set[int]:
    found, pending = {start}, [start]
    while pending:
        span = result.functions[pending.pop()]
        inside = [index for index, each in enumerate(result.functions) if each.parent == start]
        for index in [*span.reaches, *inside]:
            if index not in found:
                found.add(index)
                pending.append(index)
    return found


def hook_reaches(code: str, call: str) -> bool:
    """Whether the function that replaces fetch reaches the one that holds the call."""
    result = read(code)
    target = next(fact.target for fact in result.facts if fact.kind is FactKind.WRITE and fact.name == "fetch")
    assert target is not None
    holders = {fact.function for fact in result.facts if fact.kind is FactKind.CALL and fact.name == call}
    assert holders
    return bool(holders & reached(result, target))


@pytest.mark.parametrize(
    "code",
    [
        "window.fetch = () => swap(); function swap() { x.replace('a', 'b') }",
        "const swap = () => x.replace('a', 'b'); window.fetch = () => swap()",
        "let swap; swap = function () { x.replace('a', 'b') }; window.fetch = () => swap()",
        "window.fetch = () => r().then(swap); function swap() { x.replace('a', 'b') }",
        "window.fetch = () => a(); function a() { b() } function b() { x.replace('a', 'b') }",
        "const o = {swap() { x.replace('a', 'b') }}; window.fetch = () => o.swap()",
        "const o = {swap: () => x.replace('a', 'b')}; window.fetch = () => o.swap()",
        "const o = {}; o.swap = function () { x.replace('a', 'b') }; window.fetch = () => o.swap()",
        "class A { swap() { x.replace('a', 'b') } } window.fetch = () => new A().swap()",
        "class A { swap = () => x.replace('a', 'b') } window.fetch = () => new A().swap()",
        "class A { constructor() { x.replace('a', 'b') } } window.fetch = () => new A()",
        "function A() {} A.prototype.swap = () => x.replace('a', 'b'); window.fetch = () => new A().swap()",
        "window.fetch = () => { const inner = () => x.replace('a', 'b'); return inner() }",
        "window.fetch = () => list.map((y) => x.replace('a', 'b'))",
        "const swap = memo(() => x.replace('a', 'b')); window.fetch = () => swap()",
        "const a = () => x.replace('a', 'b'); const b = a; window.fetch = () => b()",
        "const table = {a: () => x.replace('a', 'b')}; window.fetch = () => table[key]()",
        "window.fetch = hook; function hook() { return swap() } var swap = function () { x.replace('a', 'b') }",
        (
            '!function(){function e(t){return x.replace("a","b")}var n=window.fetch;'
            "window.fetch=function(){return n.apply(this,arguments).then(e)}}();"
        ),
        '(()=>{var e=t=>x.replace("a","b"),o={r:e};window.fetch=async(...n)=>o.r(n)})();',
    ],
)
def test_a_hook_reaches_what_it_calls_or_hands_on(code: str) -> None:
    assert hook_reaches(code, "x.replace")


@pytest.mark.parametrize(
    "code",
    [
        "window.fetch = () => other(); function swap() { x.replace('a', 'b') }",
        "window.fetch = () => { function swap() {} swap() }; function swap() { x.replace('a', 'b') }",
        "window.fetch = (swap) => swap(); function swap() { x.replace('a', 'b') }",
        "window.fetch = () => 1; x.replace('a', 'b')",
    ],
)
def test_a_hook_does_not_reach_what_only_shares_the_file_or_name(code: str) -> None:
    assert not hook_reaches(code, "x.replace")


def test_a_method_name_that_many_functions_share_says_nothing() -> None:
    many = "".join(f"const o{i} = {{swap() {{ x{i}.replace('a', 'b') }}}};" for i in range(5))
    result = read(many + "function f(o) { o.swap() }")
    assert result.functions[-1].reaches == ()


def test_a_function_refers_to_the_tables_of_outer_names() -> None:
    code = "const table = ['a', 'b']; const more = [...table, 'c']; function f() { return more } const n = 1;"
    result = read(code)
    ranges = [code[start:end] for start, end in result.functions[1].refers]
    assert ranges == ["['a', 'b']", "[...table, 'c']"]


def test_the_whole_file_is_the_first_function_and_parents_come_before_what_is_inside() -> None:
    code = "function a() { return () => { class B { c() {} } } } const d = async () => 1"
    spans = read(code).functions
    assert (spans[0].start, spans[0].end, spans[0].parent) == (0, len(code), -1)
    assert [span.parent for span in spans] == [-1, 0, 1, 2, 3, 0]
    assert all(span.parent < index for index, span in enumerate(spans))


def test_long_chains_of_initialisers_are_followed_only_so_far() -> None:
    chain = "".join(f"const a{i + 1} = [a{i}];" for i in range(3000))
    assert read("const a0 = 1;" + chain + "function f() { return a3000 }").functions[1].refers
