from __future__ import annotations

import json
import math
from random import Random
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from npmguard.config import Limits
from npmguard.javascript.callsites import arguments
from npmguard.javascript.facts import extract_facts
from npmguard.javascript.numerals import number_text
from npmguard.javascript.program import Program
from npmguard.javascript.syntax import captures, parse
from npmguard.javascript.values import NULL, UNDEFINED, UNKNOWN, Value
from tests.node_tools import ROOT, program, run

LIMITS = Limits()
PROGRAMS = 300  # that one run of Node.js answers

UNTOLD = ["object"]  # objects in arrays, of which constants do not tell what they are

NODE = """
const vm = require('node:vm')
const show = value => {
  if (Array.isArray(value)) return ['array', ...Array.from(value, show)]
  if (typeof value === 'number') return ['number', Object.is(value, -0) ? '-0' : String(value)]
  if (typeof value === 'string') return ['string', escape(value)]
  if (value === null) return ['null']
  if (typeof value === 'object' || typeof value === 'function') return ['object']
  return [typeof value, String(value)]
}
let text = ''
process.stdin.on('data', part => { text += part }).on('end', () => {
  const answers = JSON.parse(text).map(code => {
    let script
    try { script = new vm.Script(code) } catch { return ['not JavaScript'] }
    try { return show(script.runInNewContext({}, { timeout: 2000 })) } catch { return ['throws'] }
  })
  process.stdout.write(JSON.stringify(answers))
})
"""


def in_node(programs: list[str]) -> list[Any]:
    answers: list[Any] = json.loads(run([program("node"), "-e", NODE], cwd=ROOT, text=json.dumps(programs)))
    return answers


def interpreted(code: str) -> Value:
    """What the last call in the code returns."""
    parsed = parse("index.js", code.encode(), LIMITS)
    assert parsed.tree is not None
    found = Program(parsed, parsed.tree.root_node, captures(parsed), LIMITS)
    call, callee, _kind = max(found.index.calls, key=lambda each: each[0].start_byte)
    function = found.constants.function_of(callee)
    assert function is not None
    root = found.constants.evaluation.root(function)
    if root is None:
        return UNKNOWN
    return found.constants.evaluation.call(root, found.constants.argument_values(arguments(call)))


def shown(value: Value) -> Any:
    if isinstance(value, bool):
        return ["boolean", str(value).lower()]
    if isinstance(value, str):
        units = value.encode("utf-16-be", "surrogatepass")
        return [
            "string",
            "".join(_escaped(high, low) for high, low in zip(units[::2], units[1::2], strict=True)),
        ]
    if isinstance(value, (int, float)):
        if value == 0 and math.copysign(1, value) < 0:
            return ["number", "-0"]
        return ["number", number_text(value)]
    if isinstance(value, tuple):
        return ["array", *map(shown, value)]
    if value is UNDEFINED:
        return ["undefined", "undefined"]
    return ["null"] if value is NULL else UNTOLD


def _escaped(high: int, low: int) -> str:
    if high:
        return f"%u{high:02X}{low:02X}"
    return chr(low) if chr(low).isascii() and (chr(low).isalnum() or chr(low) in "@*_+-./") else f"%{low:02X}"


NAMES = ("a", "b", "c")
LITERALS = (
    *("0.5", "1e21", "0x1f", "-0", "NaN", "2**31", "4294967295", "7", "300", "-9", "0", "1"),
    *("''", "'7up'", "'abc'", "'-12'", "'0x1F'", "' 42 '", "'\\u00e9\\ud83d\\ude00'", "'a,b,c'", "'%41%zz'"),
    *(
        "true",
        "false",
        "null",
        "undefined",
        "[]",
        "[1,2,3]",
        "['x','y']",
        "{}",
        "[[1],[2,3]]",
        "[undefined,null]",
    ),
)
BINARY = (
    *("+", "+", "-", "*", "/", "%", "^", "&", "|", "<<", ">>", ">>>", "===", "!==", "==", "!="),
    *("<", ">", "<=", ">=", "&&", "||", "??"),
)
METHODS = (
    *("toString()", "charCodeAt(1)", "charAt(0)", "slice(1)", "slice(-2)", "split('')", "split(',')", "length"),
    *("substr(-2,1)", "substring(2,0)", "replace('a','$&z')", "replace(/[a-c]/g,'<$&>')", "indexOf('a')"),
    *("replace(/(.)(.)/,'$2$1')", "toUpperCase()", "concat('q')", "join('-')", "reverse()", "map(x=>x+1)"),
    *("filter(x=>x)", "push(5)", "pop()", "shift()", "unshift(0,1)", "splice(0,1)", "reduce((s,x)=>s+x,'')"),
    *(
        "includes(2)",
        "repeat(2)",
        "padStart(5,'*')",
        "trim()",
        "toString(16)",
        "match(/[0-9]+/)",
        "search(/b/)",
    ),
    *("split(/[,b]/)", "sort()", "concat([9],8)", "every(x=>x)", "at(-1)", "hasOwnProperty('a')", "fill(1)"),
    *("lastIndexOf('c')", "constructor.name", "codePointAt(1)", "replace(/b/,x=>x+x)", "flat()", "valueOf()"),
)
CALLS = (
    *("parseInt(%s)", "parseInt(%s,16)", "Number(%s)", "String(%s)", "Boolean(%s)", "!%s", "-%s", "+%s", "~%s"),
    *("typeof %s", "void %s", "isNaN(%s)", "Math.floor(%s)", "Math.round(%s)", "Math.abs(%s)", "[%s].length"),
    *(
        "String.fromCharCode(%s)",
        "Array.isArray(%s)",
        "unescape(%s)",
        "escape(%s)",
        "[...(%s+'')]",
        "`<${%s}>`",
    ),
    *("(%s)[0]", "(%s,1)", "[].concat(%s)", "JSON.stringify([%s])", "(x=>x)(%s)", "((x,...r)=>[r,x])(1,%s)"),
    *("encodeURIComponent(%s)", "({k:%s}).k", "[,%s][1]", "Math.max(1,%s)", "parseFloat(%s)", "({a:%s})?.a"),
    "((o)=>{let s='';for(const k in o)s+=k;return s})({z:%s,1:2,y:3})",
)
STATEMENTS = (
    "{n}={e};",
    "{n}={e};",
    "out.push({e});",
    "if(out.length>3)return {e};",
    "if({e}){{{s}}}else{{{s}}}",
    "for(let i=0;i<3;i++){{{s}if(i==1)continue;c+=i}}",
    "n=3;while(n-->0){{{s}if(n==1)break}}",
    "for(const v of [{e},'w',3]){{a=v;{s}}}",
    "switch({e}){{case 1:{s}break;case 'x':{s}default:b=0}}",
    "try{{{s}if(a)throw b;null.x}}catch(e){{{s}c=typeof e}}finally{{b+=1}}",
    "{{const f=(a,b=2)=>{{{s}return {e}}};let k=[];k.push(f(c));out.push(k[0])}}",
    "{{const fs=[];for(let j=0;j<3;j++){{fs.push(()=>j*2)}}out.push(fs[1]());{s}}}",
    "outer:for(const x of 'xyz')for(let y=0;y<3;y++){{if(y>1)continue outer;if(x=='z')break outer;c+=y;{s}}}",
    "[a,{n}]=[{n},{e}];",
    "{{function g(x){{return x?g(x-1)+'.':{e}}}out.push(g(3))}}",
)


def expression(random: Random, depth: int) -> str:
    """A random expression over the variables of a program."""
    kind = random.randrange(8) if depth else 0
    if kind < 2:
        return random.choice((*NAMES, *LITERALS))
    inner = [expression(random, depth - 1) for _ in range(3)]
    if kind == 2:
        return f"({inner[0]}).{random.choice(METHODS)}"
    if kind == 3:
        return random.choice(CALLS).replace("%s", f"({inner[0]})")
    if kind == 4:
        return f"({inner[0]}?{inner[1]}:{inner[2]})"
    if kind == 5:
        return f"({random.choice(NAMES)}{random.choice(('=', '+=', '-=', '^='))}{inner[0]})"
    if kind == 6:
        return random.choice(("{0}++", "--{0}", "{0}[0]", "{0}.length")).format(random.choice(NAMES))
    return f"(({inner[0]}){random.choice(BINARY)}({inner[1]}))"


def statement(random: Random, depth: int) -> str:
    """A random statement, with others in it."""
    template = random.choice(STATEMENTS if depth else STATEMENTS[:4])
    inner = "".join(statement(random, depth - 1) for _ in range(random.randrange(1, 3))) if depth else ""
    return template.format(n=random.choice(NAMES), e=expression(random, 2), s=inner)


def a_program(random: Random) -> str:
    """A call of a function that computes something."""
    body = "".join(statement(random, 2) for _ in range(random.randrange(1, 4)))
    return f"function p(a,b){{let out=[],c=0,n=0;{body}return [{expression(random, 2)},a,b,c,out]}}p('fetch',7)"


@settings(max_examples=4, deadline=None, phases=[Phase.generate])
@given(st.integers(0, 2**64))
def test_what_is_interpreted_is_what_node_computes(seed: int) -> None:
    random = Random(seed)
    programs = [a_program(random) for _ in range(PROGRAMS)]
    known = 0
    for code, answer in zip(programs, in_node(programs), strict=True):
        value = interpreted(code)
        if value is not UNKNOWN and answer != ["not JavaScript"]:
            known += 1
            assert agrees(shown(value), answer), f"{code}: {shown(value)}, and in Node.js {answer}"
    assert known > PROGRAMS // 4


def agrees(ours: Any, answer: Any) -> bool:
    """Whether two values are the same, as far as ours is told."""
    if ours in (UNTOLD, answer):
        return True
    if ours[0] != "array" or answer[0] != "array" or len(ours) != len(answer):
        return False
    return all(map(agrees, ours[1:], answer[1:]))


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300), st.text("[]()!+{}'\"=>;,.afunctionreturn01 ", max_size=300).map(str.encode)
    )
)
def test_any_bytes_called_as_code_end_in_facts(source: bytes) -> None:
    wrapped = b"function d(x){" + source + b"}y(d('a'));(function(){" + source + b"})();z(" + source + b")"
    extract_facts("index.js", wrapped, Limits(interpreted_steps=200_000))
