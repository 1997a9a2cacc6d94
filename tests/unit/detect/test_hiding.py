from __future__ import annotations

import pytest

from npmguard.detect.hiding import EVALUATION, HIDING, SHAPE_MARKS
from npmguard.detect.patterns import Patterns
from npmguard.javascript.shapes import SHAPES
from tests.unit.javascript.test_invisible import HIDDEN, OUT, selectors


def seen(patterns: tuple[str, ...], code: str) -> bool:
    return len(Patterns(patterns).holding(code.encode())) > 0


@pytest.mark.parametrize("case", HIDDEN)
def test_unseen_characters_have_their_mark(case: str) -> None:
    assert seen(SHAPE_MARKS["invisible-payload"], f"x('{HIDDEN[case]}')")


def test_single_selectors_between_letters_have_their_mark() -> None:
    spread = "".join(f"a{each}" for each in selectors(b"fetch('u', {method: 'POST'})"))
    assert seen(SHAPE_MARKS["invisible-payload"], spread)


@pytest.mark.parametrize("blanks", [OUT, "\t" * 40, "\u00a0" * 130, "\u3000 " * 70])
def test_code_out_of_sight_has_its_mark(blanks: str) -> None:
    assert seen(SHAPE_MARKS["code-out-of-sight"], f"a;{blanks}b()")


def test_marks_are_for_shapes_that_there_are() -> None:
    assert set(SHAPE_MARKS) <= SHAPES


@pytest.mark.parametrize(
    "code",
    [
        "eval(x)",
        "\neval(atob('eA=='))",
        "(0, eval)(x)",
        "const run = eval;",
        "globalThis['eval'](x)",
        "const f = new Function(code);",
        "Function(a, b)",
        "new Function(['a'].join(''))",
        "[].constructor.constructor(x)",
        "(async()=>{}).constructor('x')",
        "const vm = require('vm')",
        "import { Script } from 'node:vm'",
        "m._compile(x, name)",
        "m._compile(\n  x,\n  name\n)",
        "m['_compile'](x, name)",
        "m._compile(x.y /* text */, name)",
        "m._compile(decode(x), name)",
        "m._compile(`${x}`, name)",
        "m._compile(...args)",
        "m._compile?.(x, name)",
        "m._compile.call(m, x, name)",
        "(0, m._compile)(x, name)",
        "const compile = m._compile;",
        "const compile = m._compile",
        "const compile = m._compile\ncompile(x, name)",
        "import('data:text/javascript;base64,' + x)",
        "spawn(node, ['-e', x])",
        "exec('node -e ' + x)",
        "setTimeout(atob(x))",
        "new Worker(x, { eval: true })",
    ],
)
def test_what_evaluates_is_marked(code: str) -> None:
    assert seen(EVALUATION, code)


@pytest.mark.parametrize(
    "code",
    [
        "page.$eval('a')",
        "this._compile(schema)",
        "Validator.prototype._compile = function (schema, root) {}",
        "Function('return this')()",
        "class A { constructor(x) {} }",
        "'unsafe-eval'",
        "enumeration['Function'] = 16",
        "lodash.runInContext(x)",
        "setTimeout(run, 10)",
        "typeof x === 'function'",
    ],
)
def test_what_everybody_writes_is_not_marked(code: str) -> None:
    assert not seen(EVALUATION, code)


@pytest.mark.parametrize(
    "code",
    [
        "atob(x)",
        "Buffer.from(x, 'base64')",
        "[" + ",".join(str(each * 37 % 256) for each in range(20)) + "]",
        "String.fromCharCode(x ^ 1)",
        "zlib.inflateRawSync(x)",
        "'%66%65%74%63%68'",
        "x.split('').reverse().join('')",
        "fs.readFileSync(path)",
        "require('./data.json')",
        r"'\\x66\\x65'",
        r"""'"fe\"+\"tch"'""",
    ],
)
def test_what_hides_text_is_marked(code: str) -> None:
    assert seen(HIDING, code)
