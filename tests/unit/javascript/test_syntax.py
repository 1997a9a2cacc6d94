from __future__ import annotations

import pytest

from npmguard.config import Limits
from npmguard.javascript.facts import extract_facts
from npmguard.javascript.syntax import source_text
from npmguard.model import FactKind
from tests.javascript_facts import names, read, strings


@pytest.mark.parametrize(
    "path", ["a.js", "a.cjs", "a.mjs", "a.jsx", "a.ts", "a.mts", "a.cts", "a.tsx", "bin/a", "A.JS"]
)
def test_a_file_of_every_name_is_read(path: str) -> None:
    assert names("fetch('u')", FactKind.CALL, path) == ["fetch"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("a.js", "x = <A b={fetch('u')}/>"),
        ("a.tsx", "x = <A<string> b={fetch('u')}/>"),
        ("a.ts", "x = <any>fetch('u')"),
        ("a.ts", "(window as any)!.fetch<string>('u')"),
        ("a.ts", "(window satisfies Window).fetch('u')"),
        ("a.ts", "namespace N { export const a = fetch('u') }"),
        ("a.ts", "class A { constructor(private a = fetch('u')) {} }"),
        ("a.ts", "enum E { A = fetch('u') }"),
        ("a.ts", "abstract class A { abstract b(): void; c() { fetch('u') } }"),
        ("a.ts", "@d() class A { @e(fetch('u')) b: string }"),
    ],
)
def test_code_beside_types_is_read(path: str, code: str) -> None:
    assert names(code, FactKind.CALL, path).count("fetch") == 1


@pytest.mark.parametrize(
    "code",
    [
        "type A = 'a' | `b${string}`; interface B { c: 'd' }",
        "declare const a: 'a'; declare module 'm' { export function f(a: 'b'): void }",
        "let a: 'a' = b as 'c'; function f(a: typeof import('d')): 'e'",
        "import type {A} from 'a'; export type {B} from 'b'",
        "f<'a'>(b)",
    ],
)
def test_types_are_no_code(code: str) -> None:
    found = read(code, "a.ts").facts
    assert not [fact for fact in found if fact.kind in {FactKind.STRING, FactKind.MODULE}]


def test_a_declaration_file_has_no_code() -> None:
    code = """
    /** Reads: `fs.readFile('/etc/passwd', callback)` */
    import { A } from 'a';
    export declare function readFile(path: string, options: 'utf8'): Promise<string>;
    export class B { c: string; d(e: 'f'): void }
    """
    assert read(code, "index.d.ts").facts == ()
    assert read("export type A = [,,", "index.d.ts").partial is False


def test_code_in_a_declaration_file_is_read_after_all() -> None:
    assert "child_process.exec" in names("require('child_process').exec('ls')", FactKind.CALL, "a.d.ts")
    assert "fetch" in names("const f = () => fetch('u')", FactKind.CALL, "a.d.mts")


@pytest.mark.parametrize(
    "source",
    [
        b"#!/usr/bin/env node\nfetch('u')",
        b"\xef\xbb\xbffetch('u')",
        b"\xef\xbb\xbf#!/usr/bin/env node\nfetch('u')",
        "\ufefffetch('u')".encode("utf-16-le"),
        "\ufefffetch('u')".encode("utf-16-be"),
        b"<!-- html comment\nfetch('u')\n--> html comment",
        b"x = '\xff\xfe'; fetch('u')",
        b"x = '\0'; fetch('u')",
        b"\r\nfetch('u')\r\n",
        "x = '\u2028';\u2028fetch('u')".encode(),
        b"\xe2\x80\xa9fetch('u')",
        b"with (a) { fetch('u') }",
        b"return fetch('u')",
        b"await fetch('u')",
        b"a: for (;;) { fetch('u'); break a }",
        b"if (a) function b() { fetch('u') }",
    ],
)
def test_odd_but_valid_sources_are_read(source: bytes) -> None:
    result = read(source)
    assert [fact.name for fact in result.facts if fact.kind is FactKind.CALL] == ["fetch"]
    assert result.problem is None


def test_offsets_refer_to_the_text_of_a_source() -> None:
    source = "\ufeffx = '\u00e9'; fetch('u')".encode("utf-16")
    fact = next(fact for fact in read(source).facts if fact.kind is FactKind.CALL)
    assert source_text(source)[fact.start : fact.end] == b"fetch('u')"


def test_what_can_be_read_beside_a_syntax_error_is_read() -> None:
    result = read("fetch('u');\nlet = = 1 {;\nsend('v')\n")
    assert result.partial
    assert {"fetch", "send"} <= {fact.name for fact in result.facts if fact.kind is FactKind.CALL}


@pytest.mark.parametrize("source", [b"", b"\n", b"\0", b"\xff", b"\xff\xfe", b"#!", b"<!--"])
def test_almost_nothing_is_read_as_nothing(source: bytes) -> None:
    result = read(source)
    assert result.facts == ()
    assert len(result.functions) == 1


def test_a_source_over_the_cap_is_not_read_and_said_so() -> None:
    result = extract_facts("a.js", b"fetch('u')", Limits(source_bytes=4))
    assert result.facts == ()
    assert "source-bytes" in (result.problem or "")


DEEP = 100_000
HOSTILE = {
    "parentheses": "(" * DEEP + "1" + ")" * DEEP,
    "open parentheses": "(" * DEEP,
    "arrays": "[" * DEEP + "]" * DEEP,
    "objects": "({a:" * DEEP + "1" + "})" * DEEP,
    "open blocks": "{a:" * DEEP,
    "blocks": "{" * DEEP + "}" * DEEP,
    "calls": "f(" * DEEP + "1" + ")" * DEEP,
    "members": "a" + ".send" * DEEP,
    "chained calls": "a" + ".send()" * DEEP,
    "sums": "'a'" + "+'b'" * DEEP,
    "assignments": "a.send=" * DEEP + "1",
    "functions": "function f(){fetch();" * DEEP + "}" * DEEP,
    "arrows": "a=>" * DEEP + "1",
    "conditions": "a?b:" * DEEP + "1",
    "negations": "!" * DEEP + "1",
    "else ifs": "if(a){}else " * DEEP + "{}",
    "templates": "`${" * DEEP + "1" + "}`" * DEEP,
    "elements": "<a>" * DEEP + "</a>" * DEEP,
    "constructions": "new " * DEEP + "a",
    "holes": "[" + "," * (10 * DEEP) + "]",
    "brackets at random": "}{)(][" * (DEEP // 5),
    "quotes": '"' * DEEP,
}
WIDE = {
    "sum of names": "x=a" + "+b" * 40_000,
    "alternatives": "x.y=a" + "||b" * 40_000,
    "aliases": "const a0=window;" + "".join(f"const a{i + 1}=a{i};" for i in range(3000)) + "a3000.fetch=f",
    "replacements": "x" + ".replace('a','b')" * 10_000,
    "calls in blocks": "{fetch();" * 10_000 + "}" * 10_000,
    "doublings": "const a0='aaaaaaaa';" + "".join(f"const a{i + 1}=a{i}+a{i};" for i in range(60)) + "f(a60)",
    "hooks": "".join(f"const o{i}=x.y;x.y=function(){{o{i}()}};" for i in range(2000)),
    "copies in copies": "function f(e){return " + "{...e,to:" * 3000 + "g" + "}" * 3000 + "}",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_nesting_ends_in_facts_or_in_a_word_about_it(case: str) -> None:
    result = read(HOSTILE[case])
    assert result.problem or result.partial or result.facts


@pytest.mark.parametrize("case", WIDE)
def test_long_chains_end_in_facts(case: str) -> None:
    assert read(WIDE[case]).facts


def test_a_long_chain_of_aliases_hides_nothing() -> None:
    assert "fetch" in names(WIDE["aliases"], FactKind.WRITE)


def test_a_large_string_is_read() -> None:
    assert strings("x = '" + "a" * 3_000_000 + "'") == ["a" * 3_000_000]
