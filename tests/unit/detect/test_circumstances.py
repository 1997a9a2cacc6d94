"""What is known of a finding's places, and what the package's history adds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from npmguard.config import Limits
from npmguard.detect.analyse import analyse_package
from npmguard.detect.circumstances import SETTLED_AFTER, in_history, with_lost_trust
from npmguard.detect.rule import load_ruleset
from npmguard.detect.rule_test import archive_of
from npmguard.model import Circumstance, Confidence, Context, Finding, Severity

RULESET = load_ruleset()
RULE = "address-swap-in-network-hook"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
CLIPPER = """\
const original = window.fetch;

window.fetch = async function (...args) {
  const text = await (await original.apply(this, args)).text();
  return new Response(text.replace(/\\b0x[a-fA-F0-9]{40}\\b/g, "0x1111111111111111111111111111111111111111"));
};
"""


def circumstances(files: Mapping[str, str], before: Mapping[str, str] | None = None) -> dict[Context, str]:
    old = archive_of(before) if before is not None else None
    analysis = analyse_package(archive_of(files), RULESET, Limits(), baseline=old)
    worst = next(it for it in analysis.findings if it.rule == RULE)
    return {it.context: it.detail for it in worst.circumstances}


def manifest(**keys: object) -> str:
    return json.dumps({"name": "example", "version": "1.0.0", **keys})


def test_a_file_that_nothing_reaches_and_hides_nothing_has_none() -> None:
    assert circumstances({"index.js": "", "lib/a.js": CLIPPER}) == {}


def test_what_is_loaded_says_by_which_way() -> None:
    found = circumstances({"index.js": "require('./lib/a')", "lib/a.js": CLIPPER})
    assert found == {Context.LOAD: "main > index.js > lib/a.js"}


def test_what_an_install_script_runs_says_by_which_script() -> None:
    scripts = {"postinstall": "node ./scripts/run", "test": "node lib/a.js"}
    files = {"package.json": manifest(scripts=scripts), "scripts/run.js": CLIPPER, "index.js": ""}
    assert circumstances(files) == {Context.INSTALL: "scripts.postinstall > scripts/run.js"}
    files = {"package.json": manifest(scripts={"test": "node a.js"}), "a.js": CLIPPER, "index.js": ""}
    assert circumstances(files) == {}


def test_what_is_new_is_told_and_what_is_not_is_not() -> None:
    files = {"index.js": "", "a.js": CLIPPER}
    assert circumstances(files, {"index.js": ""}) == {Context.NEW: ""}
    assert circumstances(files, files) == {}


@pytest.mark.parametrize(
    ("plain", "hidden"),
    [
        ("window.fetch =", "window['fe' + 'tch'] ="),
        ("window.fetch =", "window['\\x66etch'] ="),
        ('"0x1111111111111111111111111111111111111111"', "'0x11111111111111111111111' + '11111111111111111'"),
    ],
)
def test_a_word_that_the_file_does_not_spell_is_hidden(plain: str, hidden: str) -> None:
    source = CLIPPER.replace("window.fetch;", "self.get;").replace(plain, hidden)
    assert "stands nowhere in a.js" in circumstances({"index.js": "", "a.js": source})[Context.HIDDEN]


@pytest.mark.parametrize("name", ["'fetch'", "`fetch`"])
def test_what_stands_in_the_file_is_not_hidden_by_being_put_together(name: str) -> None:
    source = CLIPPER.replace("window.fetch =", f"const f = {name}; window[f] =")
    assert circumstances({"index.js": "", "a.js": source}) == {}


def test_the_parts_of_a_name_may_stand_apart() -> None:
    source = CLIPPER.replace("window.fetch", "XMLHttpRequest.prototype['send']")
    parts = source.replace("XMLHttpRequest", "window['XMLHttp' + 'Request']")
    pieces = source.replace("XMLHttpRequest", "window['XMLHttpReq' + 'uest']")
    assert circumstances({"index.js": "", "a.js": parts}) == {}
    assert Context.HIDDEN in circumstances({"index.js": "", "a.js": pieces})


def found(*, added: bool | None, severity: Severity = Severity.HIGH) -> Finding:
    return Finding("rule", severity, Confidence.HIGH, "message", added=added)


def contexts(finding: Finding, *, first: bool = False, age: timedelta | None = None) -> list[Context]:
    published = NOW - age if age is not None else None
    (told,) = in_history([finding], first=first, published=published, now=NOW)
    return [it.context for it in told.circumstances]


def test_only_what_a_baseline_proves_old_is_settled_and_only_in_an_old_release() -> None:
    assert contexts(found(added=False), age=SETTLED_AFTER) == [Context.SETTLED]
    assert contexts(found(added=False), age=SETTLED_AFTER - timedelta(days=1)) == []
    assert contexts(found(added=False)) == []
    assert contexts(found(added=True), age=10 * SETTLED_AFTER) == []
    assert contexts(found(added=None), age=10 * SETTLED_AFTER) == []
    assert contexts(found(added=False, severity=Severity.CRITICAL), age=10 * SETTLED_AFTER) == []


def test_all_of_a_first_release_is_new() -> None:
    assert contexts(found(added=None), first=True, age=10 * SETTLED_AFTER) == [Context.FIRST]
    assert contexts(found(added=None), first=False) == []


def test_lost_trust_marks_what_is_new_alone() -> None:
    new, old = found(added=True), found(added=False)
    assert with_lost_trust([new, old], ()) == [new, old]
    marked, same = with_lost_trust([new, old], ("provenance-lost", "publisher-never-seen"))
    assert marked.circumstances == (Circumstance(Context.TRUST_LOST, "provenance-lost, publisher-never-seen"),)
    assert same == old


def test_circumstances_stand_in_one_order_and_once() -> None:
    start = Finding(
        "rule",
        Severity.HIGH,
        Confidence.HIGH,
        "message",
        added=True,
        circumstances=(Circumstance(Context.NEW), Circumstance(Context.HIDDEN, "x")),
    )
    (once,) = with_lost_trust([start], ("a",))
    (twice,) = with_lost_trust([once], ("a",))
    assert once == twice
    order = [list(Context).index(it.context) for it in once.circumstances]
    assert order == sorted(order)
