from __future__ import annotations

import pytest

from npmguard.model import FactKind
from tests.javascript_facts import names, one

ETHEREUM_IS_READ = [
    "window.ethereum",
    "ethereum",
    "const {ethereum}=window",
    "const e=window.ethereum",
    "if(window.ethereum){}",
    "f(ethereum)",
    "window['ether'+'eum']",
    "x={a:ethereum}",
    "x={ethereum}",
    "const {ethereum:e}=globalThis",
    "!function(e){var t=e.ethereum;t&&f(t)}(window);",
    "a = window.ethereum == null ? 1 : 2",
]


@pytest.mark.parametrize("code", ETHEREUM_IS_READ)
def test_every_spelling_of_reading_a_global_is_one_fact(code: str) -> None:
    one(code, FactKind.READ, "ethereum")


@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("window.ethereum.request({})", []),
        ("ethereum.request = f", ["f"]),
        ("window.ethereum = f", ["f"]),
        ("x(navigator.clipboard.readText)", ["navigator.clipboard.readText"]),
        ("const fs = require('fs'); x(fs.readFile)", ["fs.readFile"]),
        ("const {readFile} = require('fs')", ["fs.readFile"]),
        ("import {readFile as r} from 'node:fs'", ["fs.readFile"]),
        ("function f(a) { return a.b }", []),
        ("function f(a) { return a.ethereum }", []),
        ("process.env.TOKEN", ["process.env.TOKEN"]),
        ("const {env: {TOKEN}} = process", ["process.env.TOKEN"]),
        ("const {TOKEN} = process['en' + 'v']", ["process.env", "process.env.TOKEN"]),
        ("export {q as r} from 'w'", []),
        ("const a = 1; export {a as ethereum}", []),
        ("a.b ? .5 : a.c", ["a.b", "a.c"]),
        ("x = a.b <= a.c", ["a.b", "a.c"]),
    ],
)
def test_reads_are_whole_names_that_are_neither_called_nor_written(code: str, reads: list[str]) -> None:
    assert [name for name in names(code, FactKind.READ) if name not in {"require", "process"}] == reads
