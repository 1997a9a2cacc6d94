from __future__ import annotations

import gzip
import json
from base64 import b64encode

import pytest

from npmguard.config import Limits
from npmguard.javascript.facts import extract_facts
from npmguard.model import Fact, FactKind

PAYLOAD = b"fetch('u', { method: 'POST' });"
BASE64 = b64encode(PAYLOAD)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) + b"\0\0\0\0IEND\xaeB`\x82"
KEY = b"k3y-of-it"


class Files:
    """The files of a package, all of them kept."""

    def __init__(self, **files: bytes) -> None:
        self._files = {name.replace("__", "/").replace("_", "."): data for name, data in files.items()}

    def content(self, path: str) -> bytes | None:
        return self._files.get(path)


def fetches(code: str, **files: bytes) -> list[Fact]:
    found = extract_facts("lib/index.js", code.encode(), Limits(), None, Files(**files)).facts
    return [fact for fact in found if fact.kind is FactKind.CALL and fact.name == "fetch" and fact.decoded]


HEAD = "const fs = require('fs'), path = require('path');\n"


@pytest.mark.parametrize(
    "code",
    [
        "eval(fs.readFileSync(path.join(__dirname, 'x.dat'), 'utf8'))",
        "eval(fs.readFileSync(__dirname + '/x.dat').toString())",
        "eval('' + fs.readFileSync(path.resolve(__dirname, '..', 'lib', 'x.dat')))",
        "const p = require.resolve('./x.dat'); new Function(fs.readFileSync(p, { encoding: 'utf-8' }))()",
        "const t = fs.readFileSync(path.join(path.dirname(__filename), 'x' + '.dat'), 'latin1'); (0, eval)(t)",
        "fs.readFile('lib/x.dat', 'utf8', (error, text) => { eval(text) })",
        "fs.promises.readFile(path.join(__dirname, 'x.dat'), 'utf8').then((text) => eval(text))",
        "async function f() { eval(await fs.promises.readFile('./lib/x.dat', 'utf8')) }",
        "fetch(new URL('./x.dat', import.meta.url)).then((r) => r.text()).then((t) => (0, eval)(t))",
        "require('vm').runInThisContext(fs.readFileSync(path.join(process.cwd(), 'lib/x.dat'), 'utf8'))",
        "module._compile(fs.readFileSync(path.join(__dirname, 'x.dat'), 'utf8'), 'x.js')",
        "require('./x.dat')",
        "require(path.join(__dirname, 'x.dat'))",
        "import './x.dat'",
        "import('./x.dat')",
        "require('child_process').fork(path.join(__dirname, 'x.dat'))",
        "require('child_process').spawn(process.execPath, [path.join(__dirname, 'x.dat')], { detached: true })",
        "require('child_process').exec('node lib/x.dat')",
        "new (require('worker_threads').Worker)(path.join(__dirname, 'x.dat'))",
    ],
)
def test_a_file_that_is_run_is_read_whatever_its_name(code: str) -> None:
    assert fetches(HEAD + code, lib__x_dat=PAYLOAD)


@pytest.mark.parametrize(
    "code",
    [
        "eval(Buffer.from(fs.readFileSync(__dirname + '/x.dat', 'utf8'), 'base64').toString())",
        "eval(atob(fs.readFileSync(__dirname + '/x.dat', 'utf8')))",
        "const t = fs.readFileSync(__dirname + '/x.dat', 'ascii'); eval(Buffer.from(t, 'base64').toString())",
        "unknown(); const t = decode(fs.readFileSync(__dirname + '/x.dat')); eval(t)",
    ],
)
def test_an_encoded_file_is_decoded(code: str) -> None:
    assert fetches(HEAD + code, lib__x_dat=BASE64)


def test_a_compressed_file_is_decoded() -> None:
    code = HEAD + "eval(require('zlib').gunzipSync(fs.readFileSync(__dirname + '/x.dat')).toString())"
    assert fetches(code, lib__x_dat=gzip.compress(PAYLOAD))


def test_what_follows_the_end_of_an_image_is_read() -> None:
    code = HEAD + "const b = fs.readFileSync('logo.png'); eval(b.toString('utf8', b.indexOf('IEND') + 8))"
    assert fetches(code, logo_png=PNG + PAYLOAD)
    code = HEAD + "const b = fs.readFileSync('logo.png'); eval(hidden(b))"
    assert fetches(code, logo_png=PNG + PAYLOAD)
    assert not fetches(code, logo_png=PNG)


@pytest.mark.parametrize(
    "code",
    [
        "eval(require('./data.json').a.b[1])",
        "const { a: { b } } = require('./data.json'); eval(b[1])",
        "import data from './data.json'; eval(data.a.b[1])",
        "const data = JSON.parse(fs.readFileSync(__dirname + '/data.json')); new Function(data.a.b[1])()",
        "const data = require('./data.json'); eval(pick(data)); fs.readFileSync(__dirname + '/data.json')",
    ],
)
def test_a_field_of_json_that_is_evaluated_is_code(code: str) -> None:
    data = json.dumps({"a": {"b": ["x", PAYLOAD.decode() + " " * 40]}}).encode()
    assert fetches(HEAD + code, lib__data_json=data)


BUNDLED = {
    "minified": """
        var c=(f,m)=>()=>(m||f((m={exports:{}}).exports,m),m.exports);
        var d=c((e,m)=>{m.exports={a:{b:['x',"fetch('u')"]}}});var {a:r}=d();eval(r.b[1])
    """,
    "as it is": """
        var __commonJS = (cb, mod) => function __require() { return mod.exports };
        var require_d = __commonJS({ 'd.json'(exports, module) { module.exports = { a: "fetch('u')" } } });
        eval(require_d().a)
    """,
}


@pytest.mark.parametrize("code", BUNDLED.values(), ids=BUNDLED)
def test_json_in_a_bundle_is_code_where_it_is_evaluated(code: str) -> None:
    assert fetches(code)


CARRIED = {
    "reversed": PAYLOAD[::-1],
    "hexadecimal": PAYLOAD.hex().encode(),
    "base64 twice": b64encode(BASE64),
    "compressed": gzip.compress(PAYLOAD),
    "base64 of compressed": b64encode(gzip.compress(PAYLOAD)),
    "one byte of XOR": bytes(each ^ 0x5A for each in PAYLOAD),
    "a key that the program has": bytes(each ^ KEY[at % len(KEY)] for at, each in enumerate(PAYLOAD)),
    "a source map": json.dumps(
        {"version": 3, "sourcesContent": [PAYLOAD.decode() + "// " + "-" * 20]}
    ).encode(),
    "numbers": json.dumps(list(PAYLOAD + b" " * 20)).encode(),
    "a code block of Markdown": b"# Title\n\nSome words (and more).\n\n```js\n" + PAYLOAD + b"\n```\n",
    "a comment of HTML": b"<p>Some words</p><!--" + b64encode(PAYLOAD * 2) + b"-->",
    "a long word in a text": b"Some words, then " + b64encode(PAYLOAD * 2) + b" and more words.",
}


@pytest.mark.parametrize("case", CARRIED)
def test_what_a_file_carries_is_found_beside_an_unknown_evaluation(case: str) -> None:
    code = HEAD + f"const key = '{KEY.decode()}'; eval(decode(fs.readFileSync('carrier.dat'), key))"
    assert fetches(code, carrier_dat=CARRIED[case])


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("const text = fs.readFileSync('x.dat', 'utf8'); send(text)", "x.dat"),
        ("const data = require('./x.json'); send(data.code)", "lib/x.json"),
        ("eval(fs.readFileSync('../outside.dat', 'utf8'))", "outside.dat"),
        ("require('./x.css')", "lib/x.css"),
    ],
)
def test_files_that_are_only_read_are_no_code(code: str, name: str) -> None:
    content = {
        "lib/x.json": json.dumps({"code": PAYLOAD.decode()}).encode(),
        "lib/x.css": b"a { color: red } b::after { content: 'fetch(1)' }",
    }.get(name, PAYLOAD)
    assert not fetches(HEAD + code, **{name.replace("/", "__").replace(".", "_"): content})


def test_prose_is_no_code() -> None:
    readme = b"# Title\n\nCall fetch(url) to get it; see fetch(other) for more.\n"
    code = HEAD + "const t = fs.readFileSync('README.md', 'utf8'); eval(compile(t))"
    assert not fetches(code, README_md=readme)
