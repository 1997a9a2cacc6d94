from __future__ import annotations

from base64 import b64encode

import pytest

from npmguard.config import Limits
from npmguard.javascript.facts import extract_facts
from npmguard.javascript.interest import Interest
from npmguard.model import Fact, FactKind, FileFacts
from tests.javascript_facts import read

PAYLOAD = "fetch('u')"
ENCODED = b64encode(PAYLOAD.encode()).decode()


def called(result: FileFacts, name: str) -> list[Fact]:
    return [fact for fact in result.facts if fact.kind is FactKind.CALL and fact.name == name]


def shapes(result: FileFacts) -> list[str]:
    return [fact.name for fact in result.facts if fact.kind is FactKind.SHAPE]


@pytest.mark.parametrize(
    "code",
    [
        f'eval("{PAYLOAD}")',
        f'(0, eval)("{PAYLOAD}")',
        f"globalThis['ev' + 'al'](atob('{ENCODED}'))",
        f"const run = eval; run(Buffer.from('{ENCODED}', 'base64').toString())",
        f'eval.call(null, "{PAYLOAD}")',
        f'Reflect.apply(eval, null, ["{PAYLOAD}"])',
        f'new Function("{PAYLOAD}")()',
        f'Function("a", "b", "{PAYLOAD}")',
        f'Reflect.construct(Function, ["{PAYLOAD}"])()',
        f'new (Function.constructor)("require", "{PAYLOAD}")(require)',
        f'[].constructor.constructor("{PAYLOAD}")()',
        f'[]["flat"]["constructor"]("{PAYLOAD}")()',
        f'(async () => {{}}).constructor("{PAYLOAD}")()',
        f'Object.getPrototypeOf(async function () {{}}).constructor("{PAYLOAD}")()',
        f'require("vm").runInThisContext("{PAYLOAD}")',
        f'import {{ Script }} from "node:vm"; new Script("{PAYLOAD}").runInThisContext()',
        f'module._compile("{PAYLOAD}", "x.js")',
        f'const M = require("module"); M.prototype._compile.call(module, "{PAYLOAD}", "x.js")',
        f'new (require("module"))()._compile("{PAYLOAD}", "")',
        f'setTimeout("{PAYLOAD}", 10)',
        f'window.setInterval("{PAYLOAD}", 10)',
        f'import("data:text/javascript,{PAYLOAD}")',
        f'import("data:text/javascript;charset=utf-8;base64,{ENCODED}")',
        f'import "data:text/javascript;base64,{ENCODED}"',
        f'new Worker(new URL("data:application/javascript;base64,{ENCODED}"))',
        f'new (require("worker_threads").Worker)("{PAYLOAD}", {{ eval: true }})',
        f'new Worker(URL.createObjectURL(new Blob(["{PAYLOAD}"], {{ type: "text/javascript" }})))',
        f'require("child_process").spawn(process.execPath, ["-e", "{PAYLOAD}"], {{ detached: true }})',
        "require('child_process').execSync('node -e \"fetch(`u`)\"')",
        f'import {{ exec }} from "child_process"; exec(`node --eval "{PAYLOAD}"`)',
        f'require("child_process").execFile("node", ["--no-warnings", "--eval={PAYLOAD}"])',
    ],
)
def test_text_that_is_evaluated_is_code(code: str) -> None:
    (fact,) = called(read(code), "fetch")
    assert fact.args == ("u",)
    assert fact.decoded


@pytest.mark.parametrize(
    "code",
    [
        "setTimeout(run, 10)",
        "setTimeout(() => run('fetch(1)'), 10)",
        "new Blob(['fetch(1)'], { type: 'text/plain' })",
        "page.$eval('fetch(1)')",
        "this.constructor('A sentence about fetch (and more)'.length)",
        "new Worker('fetch(1)')",
        "/-e/.exec('node -e fetch(1)')",
        "require('child_process').exec('echo \"fetch(1)\"')",
        "const example = 'eval(\"fetch(1)\")';",
    ],
)
def test_other_text_is_no_code(code: str) -> None:
    assert called(read(code), "fetch") == []
    assert shapes(read(code)) == []


def test_a_fact_of_a_layer_is_where_it_is_evaluated() -> None:
    code = "\n\n  x = eval(`\n\nfetch('u')`);"
    result = read(code)
    (fact,) = called(result, "fetch")
    assert (fact.line, fact.column) == (3, 7)
    assert code[fact.start : fact.end] == "eval(`\n\nfetch('u')`)"
    (layer,) = result.layers
    start, end = (place - layer.base for place in fact.place)
    assert layer.text[start:end] == b"fetch('u')"


def test_layers_are_read_in_layers() -> None:
    inner = PAYLOAD
    for _ in range(5):
        inner = f"eval(atob('{b64encode(inner.encode()).decode()}'))"
    (fact,) = called(read(inner), "fetch")
    assert (fact.start, fact.end) == (0, len(inner))


def test_the_functions_of_a_layer_stand_in_the_one_that_evaluates_it() -> None:
    code = "function outer() { eval('function inner() { fetch(1) } inner()') } outer()"
    result = read(code)
    (fact,) = called(result, "fetch")
    parents = [fact.function]
    while parents[-1]:
        parents.append(result.functions[parents[-1]].parent)
    assert len(parents) == 4  # inner, the layer, outer, the file
    outer, layer = parents[2], parents[1]
    assert layer in result.functions[outer].reaches
    assert fact.function in result.functions[layer].reaches


def test_a_layer_knows_the_names_around_it() -> None:
    code = """
    const cp = require('child_process');
    function send(body) { navigator.sendBeacon('u', body) }
    function run() { const where = 'x' + 'y'; eval('cp.exec(where); send(1)') }
    """
    result = read(code)
    (fact,) = called(result, "child_process.exec")
    assert fact.args == ("xy",)
    sender = called(result, "navigator.sendBeacon")[0].function
    assert sender in result.functions[fact.function].reaches


def test_a_layer_knows_what_its_parameters_are_given() -> None:
    code = "new Function('r', 'u', \"r('child_process').exec(u); v(u)\")(require, 'ls')"
    (fact,) = called(read(code), "child_process.exec")
    assert fact.args == ("ls",)


def test_a_parameter_that_is_given_nothing_known_is_no_global() -> None:
    assert called(read("module.exports = new Function('fetch', 'fetch(1)')"), "fetch") == []


def test_a_hook_in_a_layer_wraps_the_original_outside() -> None:
    code = "const o = window.fetch; eval('window.fetch = function (a) { return o(a) }')"
    assert "wraps-original" in shapes(read(code))


@pytest.mark.parametrize(
    "code",
    [
        "eval(x)",
        "new Function(x)()",
        "Function('a', 'return ' + x)",
        "setTimeout('a' + x)",
        "setTimeout(`run(${x})`)",
        "require('vm').runInNewContext(x, {})",
        "module._compile(x, 'a.js')",
        "import('data:text/javascript,' + x)",
        "import(`data:text/javascript;base64,${x}`)",
        "require('child_process').spawn('node', ['-e', x])",
        "require('child_process').exec(`node -e \"${x}\"`)",
    ],
)
def test_what_is_evaluated_unknown_is_said(code: str) -> None:
    assert shapes(read(code)) == ["computed-eval"]


@pytest.mark.parametrize(
    "code",
    [
        "Function('return this')()",
        "Function('r', 'regeneratorRuntime = r')(runtime)",
        "(0, eval)('this')",
        "new Function('return function* () {}')()",
    ],
)
def test_honest_constants_are_no_computed_code(code: str) -> None:
    assert shapes(read(code)) == []


def test_layers_end_at_their_depth() -> None:
    inner = PAYLOAD
    for _ in range(4):
        inner = f"eval(unescape('{''.join(f'%{ord(each):02x}' for each in inner)}'))"
    deep = extract_facts("a.js", inner.encode(), Limits(layer_depth=3))
    assert called(deep, "fetch") == []
    assert "undecodable" in shapes(deep)
    assert called(extract_facts("a.js", inner.encode(), Limits(layer_depth=4)), "fetch")


def test_layers_end_at_their_size() -> None:
    code = "\n".join(f"eval('f({index}); {'/* */' * 30}')" for index in range(20))
    result = extract_facts("a.js", code.encode(), Limits(layer_bytes=1000))
    assert "undecodable" in shapes(result)
    assert 0 < len(called(result, "f")) < 20


def test_the_same_facts_are_found_under_a_narrow_interest() -> None:
    code = f"const o = {{ k: eval }}; function f() {{ o.k(atob('{ENCODED}')) }}"
    everything = called(read(code), "fetch")
    narrow = read(code, interest=Interest(calls=frozenset({"fetch"})))
    assert called(narrow, "fetch") == everything != []
    assert narrow.functions == read(code).functions


def test_code_that_evaluates_itself_ends() -> None:
    result = read("const x = 'eval(x)'; eval(x)")
    assert "undecodable" in shapes(result)
