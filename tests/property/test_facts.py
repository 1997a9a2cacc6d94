"""Properties of facts that hold for every source."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from npmguard.javascript.interest import Interest
from npmguard.javascript.shapes import SHAPES
from npmguard.model import FactKind
from tests.javascript_facts import read

FIXTURES = Path(__file__).parents[2] / "fixtures" / "javascript"
REAL = {path.name: path.read_bytes() for path in sorted(FIXTURES.glob("*.js"))}

NAMES = ["fetch", "open", "replace", "[]"]
LOCALS = ["k", "w", "fetch"]
MODULES = ["fs", "child_process", "./x"]
BEGINNINGS = [
    "const {{{0}: {1}}} = window;",
    "const {1} = window.{0};",
    "const {1} = window['{0}'.slice(0, 2) + '{0}'.slice(2)];",
    "let {1}; {1} = self.{0};",
    "const {1} = {0}.bind(window);",
    "const {1} = {{{0}: window.{0}, k: {0}, s: '{0}'}};",
    "const {1} = {{}}; {1}.k = window.{0}; {1}['s'] = '{0}';",
    "const {1} = window;",
    "const {1} = {0}.prototype;",
    "const {1} = require('./x').{0};",
    "const {1} = require('fs');",
    "const {{{0}: {1}}} = await import('child_process');",
    "var {1} = {0} || window.{0}; {1} = {1} ? {1} : {0};",
    "let \\u0061 = window.{0}; const {1} = \\u0061;",
    "function {1}() {{ return window }}",
    "class {1} extends {0} {{ {0}() {{ super.{0}(); this.{0} = 1 }} }}",
    "const {1} = new Proxy({0}, {{apply(a, b, c) {{ return a(...c) }}}});",
    "",
]
SNIPPETS = [
    "{1}('u', {1});",
    "{1}.{0}('u');",
    "{1}.k('u'); ({1}).k('u'); {1}['k']('u');",
    "window[{1}.s]('v'); x(window[{1}.s]);",
    "{1}().{0}('u');",
    "{1}.{0} = function () {{ return {0} }};",
    "{1} = 1; {0} = 2; window.{0} = {1};",
    "new {0}('a'); new window.{0}; new {1}; new {1}.{0};",
    "{0}.call(this, 'a'); {1}.{0}.apply(this, ['a' + 'b']); Reflect.apply({1}, this, []);",
    "Object.defineProperty({1}, '{0}', {{value: () => {1}()}}); Object.assign({1}, {{{0}() {{}}}});",
    "f('{0}' + {1} + '{0}' + 'aaaaaaaaaaaaaaaaaaaaaaaaa'); `{0}${{{1}}}{0}`; /{0}/g; RegExp('{0}');",
    "const o = {1}.{0}; {1}.{0} = function () {{ return o.apply(this, arguments) }};",
    "for (const e of {1}) e.to = {0}; function g(e) {{ e.to = {0}; return {{...e, to: {1}}} }}",
    "window.\\u0066etch('u'); {1}.\\u{{6f}}pen; x({1}.{0}, {0}, {1}.k);",
    "(0, {1}.{0})(); [{1}.{0}] = [{0}]; ({{a: {1}.{0}}} = {{a: {0}}});",
    "(({{{0}: a}}) => a('u'))({1});",
    "const [a] = ['{0}']; {1}[a]('u'); x({1}[a]);",
    "const R = RegExp, S = String; R('aaaaa'); new R('b'); x(S.fromCharCode(97, 97, 97, 97, 97) + 'a');",
]


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Blocks in which a local name begins as something and is then used in a few ways."""
    blocks = []
    for _ in range(draw(st.integers(1, 3))):
        name, local = draw(st.sampled_from(NAMES[:3])), draw(st.sampled_from(LOCALS))
        parts = [
            draw(st.sampled_from(BEGINNINGS)),
            *draw(st.lists(st.sampled_from(SNIPPETS), min_size=1, max_size=4)),
        ]
        code = "\n".join(part.format(name, local) for part in parts)
        blocks.append(
            draw(st.sampled_from(["{{\n{}\n}}", "(async function () {{\n{}\n}})();", "{}"])).format(code)
        )
    return "\n".join(blocks)


def subsets(names: list[str]) -> st.SearchStrategy[frozenset[str] | None]:
    return st.one_of(st.none(), st.frozensets(st.sampled_from(names)))


interests = st.builds(
    Interest,
    calls=subsets(NAMES),
    news=subsets(NAMES),
    writes=subsets(NAMES),
    reads=subsets(NAMES),
    modules=subsets(MODULES),
    shapes=subsets(sorted(SHAPES)),
    strings=st.booleans(),
    string_length=st.integers(0, 30),
    string_values=st.frozensets(st.sampled_from(NAMES)),
    string_pattern=st.sampled_from([None, re.compile(rb"[a-z]{5}"), re.compile(rb"aaa")]),
    regexes=st.booleans(),
    regex_length=st.integers(0, 6),
)


def same_but_narrower(source: str | bytes, interest: Interest, path: str = "index.js") -> None:
    everything = read(source, path)
    wanted = read(source, path, interest)
    assert wanted.facts == tuple(fact for fact in everything.facts if interest.wants(fact))
    assert wanted.functions == everything.functions
    assert (wanted.partial, wanted.problem) == (everything.partial, everything.problem)


@given(programs(), interests)
@settings(max_examples=300, deadline=None)
def test_an_interest_only_leaves_out_what_it_does_not_want(code: str, interest: Interest) -> None:
    same_but_narrower(code, interest)


@given(st.sampled_from(sorted(REAL)), interests)
@settings(max_examples=25, deadline=None)
def test_an_interest_finds_the_same_in_real_files(name: str, interest: Interest) -> None:
    same_but_narrower(REAL[name], interest)


@given(programs())
@settings(max_examples=100, deadline=None)
def test_the_same_source_gives_the_same_facts(code: str) -> None:
    assert read(code) == read(code)


@given(programs())
@settings(max_examples=150, deadline=None)
def test_facts_lie_in_the_source_and_in_their_functions(code: str) -> None:
    source = code.encode()
    result = read(code)
    lines = source.split(b"\n")
    for fact in result.facts:
        assert 0 <= fact.start < fact.end <= len(source)
        assert 1 <= fact.line <= len(lines)
        assert 1 <= fact.column <= len(lines[fact.line - 1]) + 1
        span = result.functions[fact.function]
        assert span.start <= fact.start
        assert fact.end <= span.end
        assert fact.target is None or 0 < fact.target < len(result.functions)
    assert list(result.facts) == sorted(result.facts, key=lambda fact: (fact.start, -fact.end))
    for span in result.functions:
        assert all(0 < index < len(result.functions) for index in span.reaches)
        assert all(0 <= start < end <= len(source) for start, end in span.refers)


@given(programs())
@settings(max_examples=150, deadline=None)
def test_what_is_not_decoded_stands_in_the_source(code: str) -> None:
    source = code.encode()
    for fact in read(code).facts:
        spelled = source[fact.start : fact.end].decode()
        if fact.kind in {FactKind.STRING, FactKind.REGEX}:
            assert fact.decoded is ((fact.value or "") not in spelled)
        elif fact.kind in {FactKind.CALL, FactKind.WRITE, FactKind.NEW, FactKind.MODULE} and not fact.decoded:
            assert fact.name.rpartition(".")[2] in {"[]", *re.findall(r"[\w$./]+|\w+", spelled)} or (
                fact.name.rpartition(".")[2] in spelled
            )


@given(st.binary(max_size=400), st.sampled_from(["a.js", "a.ts", "a.tsx", "a.d.ts"]))
@example(b"`${", "a.js")
@example(b"x.y\n=\n", "a.ts")
@settings(max_examples=300, deadline=None)
def test_any_bytes_end_in_facts_or_a_problem(source: bytes, path: str) -> None:
    result = read(source, path)
    assert result.path == path
    assert result.functions


@given(programs(), st.data())
@settings(max_examples=300, deadline=None)
def test_any_damage_to_code_ends_in_facts_or_a_problem(code: str, data: st.DataObject) -> None:
    source = bytearray(code.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(source)))
        end = data.draw(st.integers(start, min(start + 20, len(source))))
        source[start:end] = data.draw(
            st.sampled_from([b"", b"(", b"}", b"`", b"=>", b"...", b"?.", b"\\", b"\0", b","])
        )
    for path in ("a.js", "a.ts"):
        assert read(bytes(source), path).functions
