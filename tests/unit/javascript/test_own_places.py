from __future__ import annotations

import pytest

from npmguard.model import FactKind
from tests.javascript_facts import facts

FS = "const fs = require('fs'), path = require('path'), os = require('os');"
MODULE = (
    "import fs from 'node:fs'; import { unlink, rm } from 'fs/promises'; import { fileURLToPath } from 'url';"
)


def shapes(code: str) -> set[str]:
    return {fact.name for fact in facts(code, FactKind.SHAPE)}


@pytest.mark.parametrize(
    "code",
    [
        FS + "fs.unlinkSync(__filename)",
        FS + "fs.unlink(__filename, () => {})",
        FS + "fs['unl' + 'inkSync'](__filename)",
        FS + "const me = __filename; process.on('exit', () => fs.rmSync(me))",
        FS + "fs.rmSync(__dirname, { recursive: true })",
        FS + "fs.rmSync(path.dirname(__filename), { recursive: true, force: true })",
        FS + "fs.promises.rm(path.resolve(__dirname))",
        FS + "fs.unlinkSync(process.argv[1])",
        FS + "function gone(f) { fs.unlinkSync(f) } gone(__filename)",
        "const{unlinkSync:a}=require('fs');a(__filename)",
        "require('fs').unlinkSync(module.filename)",
        "require('rimraf')(__dirname, () => {})",
        MODULE + "fs.unlinkSync(fileURLToPath(import.meta.url))",
        MODULE + "await unlink(new URL(import.meta.url))",
        MODULE + "await rm(import.meta.filename)",
    ],
)
def test_a_file_that_deletes_itself(code: str) -> None:
    assert "deletes-own-file" in shapes(code)


@pytest.mark.parametrize(
    "code",
    [
        FS + "fs.unlinkSync(path.join(__dirname, 'dist'))",
        FS + "fs.rmSync(path.join(__dirname, '..', 'build'), { recursive: true })",
        FS + "fs.rmSync(`${__dirname}/out`, { recursive: true })",
        FS + "fs.rmdirSync(__dirname + '/tmp')",
        FS + "fs.readFileSync(__filename)",
        FS + "fs.unlinkSync(process.argv[2])",
        FS + "function gone(f) { fs.unlinkSync(f) } module.exports = gone; gone('a'); gone('b')",
    ],
)
def test_a_file_that_deletes_what_it_made(code: str) -> None:
    assert "deletes-own-file" not in shapes(code)


@pytest.mark.parametrize(
    "code",
    [
        FS + "fs.copyFileSync(__filename, target)",
        FS + "const own = fs.readFileSync(process.argv[1])",
        FS + "fs.createReadStream(__filename).pipe(out)",
        MODULE + "fs.cpSync(fileURLToPath(import.meta.url), to)",
    ],
)
def test_a_file_that_copies_itself(code: str) -> None:
    assert "copies-own-file" in shapes(code)


@pytest.mark.parametrize(
    "code",
    [
        FS + "fs.renameSync(path.join(__dirname, 'package.md'), path.join(__dirname, 'package.json'))",
        FS + "fs.copyFileSync(__dirname + '/a', __dirname + '/package.json')",
        FS + "const to = `${__dirname}/package.json`; fs.rename('x', to, () => {})",
    ],
)
def test_another_file_in_the_place_of_the_manifest(code: str) -> None:
    assert "replaces-own-manifest" in shapes(code)


@pytest.mark.parametrize(
    "code",
    [
        FS + "fs.renameSync('a', path.join(process.cwd(), 'package.json'))",
        FS + "fs.copyFileSync(path.join(__dirname, 'package.json'), 'dist/package.json')",
        FS + "fs.renameSync('a', path.join(__dirname, 'lib/package.json'))",
    ],
)
def test_manifests_of_others(code: str) -> None:
    assert "replaces-own-manifest" not in shapes(code)


@pytest.mark.parametrize(
    "code",
    [
        FS + "fs.rmSync(os.homedir(), { recursive: true, force: true })",
        FS + "fs.rmSync(process.env.HOME || process.env.USERPROFILE, { recursive: true })",
        FS + "const { HOME } = process.env; fs.rm(HOME, { recursive: true }, () => {})",
        FS + "fs.rmSync(path.join(os.homedir(), '*'), { recursive: true })",
        FS + "fs.rmSync('/', { recursive: true })",
        "require('rimraf').sync('/*')",
        "import{rm}from'fs/promises';import{homedir as h}from'os';await rm(h(),{recursive:!0})",
        FS + "function walk(d) { for (const n of fs.readdirSync(d)) { const p = path.join(d, n);"
        "fs.statSync(p).isDirectory() ? walk(p) : fs.unlinkSync(p) } } walk(os.homedir())",
    ],
)
def test_a_home_folder_that_is_deleted(code: str) -> None:
    assert "deletes-home" in shapes(code)


@pytest.mark.parametrize(
    "code",
    [
        FS + "fs.rmSync(path.join(os.homedir(), '.cache', 'tool'), { recursive: true })",
        FS + "fs.rmSync(os.homedir() + '/.tool', { recursive: true })",
        FS + "fs.rmSync(os.tmpdir(), { recursive: true })",
        FS + "fs.unlinkSync('/')",
        FS + "function walk(d) { fs.readdirSync(d).forEach(n => fs.unlinkSync(path.join(d, n))) }"
        "walk(path.join(os.homedir(), '.tool'))",
        FS + "function list(d) { return fs.readdirSync(d) } list(os.homedir()); fs.rmSync('x')",
    ],
)
def test_a_folder_in_the_home_folder_is_not_the_home_folder(code: str) -> None:
    assert "deletes-home" not in shapes(code)


@pytest.mark.parametrize(
    "code",
    [
        "while (true) console.log('x')",
        "for (;;) { console.log('x') }",
        "for(;;);",
        "let i = 0; while (1) { i++ }",
        "while(!![]){console.log(1)}",
        "do { print() } while (!0)",
        "for (let i = 666; i < Infinity; i++) { if (i % 333) { /* 1 */ } console.log('text') }",
        "for(let i=666;i<1/0;i++)console.log(i)",
        "(function () { while (true) { for (;;) { break } } })()",
        "!function(){for(;;)log()}();",
        "const f = () => { for (;;) log() }; f()",
        "function a() { b() } function b() { for (;;) { switch (x) { case 1: break } } } a()",
    ],
)
def test_an_endless_loop_at_load(code: str) -> None:
    assert "endless-loop-at-load" in shapes(code)


@pytest.mark.parametrize(
    "code",
    [
        "function serve() { while (true) handle() } module.exports = serve",
        "while (true) { if (done()) break }",
        "(async () => { for (;;) { await next() } })()",
        "const it = (function* () { while (true) yield 1 })()",
        "(function () { for (;;) { if (x) return } })()",
        "outer: for (;;) { for (;;) { break outer } }",
        "while (true) { if (x) process.exit(1) }",
        "for (;;) { if (bad) throw new Error() }",
        "for (let i = 0; i < n; i++) log(i)",
        "let more = true; while (more) { more = next() }",
    ],
)
def test_loops_that_end_or_do_not_run_at_load(code: str) -> None:
    assert "endless-loop-at-load" not in shapes(code)
