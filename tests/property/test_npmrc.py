"""npm's own JavaScript is the judge of how an .npmrc is read; it runs in one Node.js process."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from npmguard.registry.ini import decode
from npmguard.registry.npmrc import NpmConfig, _Loader
from npmguard.registry.tarball_url import replace_host
from npmguard.registry.urls import HttpUrl

ORACLE = """
const [npm] = process.argv.slice(1)
const ini = require(npm + '/node_modules/ini')
const envReplace = require(npm + '/node_modules/@npmcli/config/lib/env-replace.js')
const nerfDart = require(npm + '/node_modules/@npmcli/config/lib/nerf-dart.js')
const { getAuth } = require(npm + '/node_modules/npm-registry-fetch')
const answers = {
  ini: text => ini.parse(text),
  env: ([text, env]) => envReplace(text, env),
  nerf: url => nerfDart(url),
  href: url => new URL(url).href,
  auth: ([url, options]) => {
    const { token, auth } = getAuth(url, options)
    return token ? `Bearer ${token}` : auth ? `Basic ${auth}` : null
  },
}
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  const [question, input] = JSON.parse(line)
  let output
  try { output = { answer: answers[question](input) } } catch (error) { output = { error: String(error) } }
  console.log(JSON.stringify(output))
})
"""


class Npm:
    """Puts questions to npm's own code."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, question: str, argument: object) -> Any:
        """npm's answer; ``...`` where it throws."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([question, argument]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline()).get("answer", ...)


@pytest.fixture(scope="module")
def npm() -> Iterator[Npm]:
    node, command = shutil.which("node"), shutil.which("npm")
    assert node is not None, "these tests need Node.js"
    assert command is not None, "these tests need npm"
    folder = Path(command).resolve().parent.parent
    arguments = [node, "-e", ORACLE, str(folder)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Npm(process)
        assert process.stdin is not None
        process.stdin.close()


deterministic = settings(
    derandomize=True,
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

TOKENS = r"""
= ; # \ " ' [ ] . / : @ $ - _ a b 0 1e3 key key[] [section] [a.b] [a] true false null registry= __proto__ "a;b"
'x_y' "\n" '"q"' //h.example/:_authToken= \; \# \.
"""
pieces = st.sampled_from([*TOKENS.split(), " ", "\t", "\n", "\r", "\u2028", "\ufeff", "\xa0", "\x1c", "\x85"])


@deterministic
@given(st.lists(pieces, max_size=24).map("".join))
def test_ini_is_read_as_npm_reads_it(npm: Npm, text: str) -> None:
    expected = npm.ask("ini", text)
    if expected is not ...:  # what stops npm may be read in any way
        assert decode(text).values == expected


@deterministic
@given(
    st.lists(st.sampled_from(["$", "{", "}", "?", "\\", "A", "UNSET", "${A}", "${B?}", "x"]), max_size=12).map(
        "".join
    )
)
def test_variables_are_put_in_as_npm_puts_them_in(npm: Npm, text: str) -> None:
    environ = {"A": "one", "EMPTY": ""}
    assert _Loader(Path("/"), environ)._expand(text) == npm.ask("env", [text, environ])


segments = st.lists(
    st.sampled_from(["npm", "a", "b", "npm-evil", ".", "..", "%2e%2e", "@s%2fp", ""]), max_size=4
)


@deterministic
@given(segments)
def test_urls_are_normalised_as_node_normalises_them(npm: Npm, path: list[str]) -> None:
    url = "https://Registry.example:443/" + "/".join(path)
    assert str(HttpUrl.parse(url)) == npm.ask("href", url)
    assert HttpUrl.parse(url).nerf_dart == npm.ask("nerf", url)


keys = st.builds(
    lambda host, path, slash, name: f"//{host}{path}{slash}:{name}",
    st.sampled_from(["one.example", "one.example:8443", "two.example"]),
    st.sampled_from(["", "/npm", "/npm/a", "/npm-evil", "/a"]),
    st.sampled_from(["", "/"]),
    st.sampled_from(["_authToken", "_auth", "username", "_password"]),
)


@deterministic
@given(
    st.dictionaries(keys, st.sampled_from(["", "c2VjcmV0", "dTpw"]), max_size=8),
    st.sampled_from(
        ["https://one.example", "https://one.example:8443", "https://two.example", "https://x.example"]
    ),
    segments,
)
def test_credentials_are_chosen_as_npm_chooses_them(
    npm: Npm, secrets: dict[str, str], origin: str, path: list[str]
) -> None:
    url = f"{origin}/{'/'.join(path)}"
    # a registry on a host of its own keeps npm from falling back on the registry's credentials
    expected = npm.ask("auth", [url, {"registry": "https://registry.example/", **secrets}])
    found = NpmConfig(registry="https://registry.example/", secrets=secrets).credentials_for(HttpUrl.parse(url))
    assert (found.authorization if found is not None else None) == expected


@given(segments, st.sampled_from(["never", "npmjs", "always", "old.example", "https://old.example/npm"]))
def test_a_replaced_host_is_always_the_configured_one(path: list[str], rule: str) -> None:
    config = NpmConfig(registry="http://mirror.example:4873/npm/", replace_registry_host=rule)
    url = HttpUrl.parse("https://old.example/" + "/".join(path))
    moved = replace_host(config, url)
    assert moved == url or HttpUrl.parse(config.registry).covers(moved)
