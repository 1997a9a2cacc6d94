from __future__ import annotations

from pathlib import Path

import pytest

from npmguard.detect.rule import load_ruleset
from npmguard.detect.ruleset import digest_of, rule_files, ruleset_digest
from npmguard.errors import RuleError, UsageError

SIGNAL = """\
id: talks
kind: signal
title: Talks
description: Says something.
match:
  any:
    - call: console.log
examples:
  match:
    - {name: a, code: console.log(1)}
    - {name: b, code: console.log(2)}
  no_match:
    - {name: c, code: "1"}
    - {name: d, code: "2"}
"""
RULE = """\
id: talks-a-lot
kind: rule
title: Talks a lot
severity: low
confidence: low
description: Says much.
false_positives: Everybody.
remediation: Nothing.
scope: file
match:
  all: [talks]
examples:
  match:
    - {name: a, code: console.log(1)}
    - {name: b, code: console.log(2)}
  no_match:
    - {name: c, code: "1"}
    - {name: d, code: "2"}
"""


def write(folder: Path, *texts: str) -> None:
    for text in texts:
        stem = text.partition("id: ")[2].partition("\n")[0]
        (folder / f"{stem}.yml").write_text(text, encoding="utf-8")


def refusal(folder: Path) -> str:
    with pytest.raises(RuleError) as caught:
        load_ruleset([str(folder)])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_rules_that_ship_with_npmguard_load() -> None:
    ruleset = load_ruleset()
    assert [rule.id for rule in ruleset.rules] == sorted(rule.id for rule in ruleset.rules)
    assert "address-swap-in-network-hook" in {rule.id for rule in ruleset.rules}


def test_further_rules_are_added_to_those_that_ship(tmp_path: Path) -> None:
    write(tmp_path, SIGNAL, RULE)
    names = {rule.id for rule in load_ruleset([str(tmp_path)]).rules}
    assert names == {rule.id for rule in load_ruleset().rules} | {"talks-a-lot"}


def test_the_digest_follows_the_content_and_not_the_place(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, SIGNAL, RULE)
    one, two, three = (str(tmp_path / name) for name in ("one", "two", "three"))
    changed = tmp_path / "three" / "talks-a-lot.yml"
    changed.write_text(RULE.replace("severity: low", "severity: high"), encoding="utf-8")
    assert load_ruleset([one]).digest == ruleset_digest([one]) == ruleset_digest([two])
    assert len({ruleset_digest(), ruleset_digest([one]), ruleset_digest([three])}) == 3
    assert digest_of(rule_files()) == ruleset_digest()


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("severity: low", "severity: grave", 4, "critical, high, medium or low"),
        ("severity: low", "severity: low\nseverety: low", 5, "unknown key 'severety'"),
        ("severity: low\n", "", 1, "'severity' is missing"),
        ("confidence: low", "confidence: certain", 5, "high, medium or low"),
        ("false_positives: Everybody.\n", "", 1, "'false_positives' is missing"),
        ("remediation: Nothing.\n", "", 1, "'remediation' is missing"),
        ("remediation: Nothing.", "remediation: ' '", 8, "empty"),
        ("title: Talks a lot", "title: yes", 3, "put quotes around yes"),
        ("scope: file", "scope: line", 9, "function, file or package"),
        ("kind: rule", "kind: guess", 2, "rule or signal"),
        ("kind: rule\n", "", 1, "'kind' is missing"),
        ("[talks]", "[talks, whispers]", 11, "no signal is named 'whispers'"),
        ("all: [talks]", "none: [talks]", 11, "write `all` or `any`"),
        ("all: [talks]", "all: []", 11, "empty"),
        ("all: [talks]", "all: [{call: fetch}]", 11, "a rule combines signals"),
        ("all: [talks]", "all: [talks, talks]\n  any: {talks: 1}", 12, "write a list here"),
        ("scope: file", "scope: function\nadded: maybe", 10, "true or false"),
        ("    - {name: b, code: console.log(2)}\n", "", 14, "give at least 2"),
        ('    - {name: d, code: "2"}\n', "", 17, "give at least 2"),
        ("name: b", "name: a", 15, "two examples are named 'a'"),
        ("{name: b, code: console.log(2)}", "{name: b}", 15, "either `code`, or `files`"),
        ("scope: file", "scope: file\nrequires: '>=99'", 10, "needs npmguard >=99"),
        ("scope: file", "scope: file\nrequires: new", 10, "not a version specifier"),
        ("scope: file", "scope: file\nadded: true", 14, "matches its `before`"),
        ("scope: file", "scope: file\nintroduced: true", 14, "introduced: true compares versions"),
        ("scope: file", "scope: file\nreferences: ['http://a.example']", 10, "https://"),
        ("title: Talks a lot", "title: &t Talks a lot\nreferences: [*t]", 3, "anchors and aliases"),
        ("description: Says much.", "description: &t Says much.\nreferences: [*t]", 6, "anchors and aliases"),
        ("title: Talks a lot", "title: !!python/name:os.system", 3, "tag"),
        ("confidence: low", "confidence: low\nseverity: low", 6, "stands here twice"),
        ("title: Talks a lot", "title: [Talks", 4, "not valid YAML"),
        ("title: Talks a lot", "title: Talks: a lot", 3, "not valid YAML"),
        ("scope: file", "scope: file\n? [a]\n: b", 10, "plain string"),
    ],
)
def test_a_rule_that_does_not_keep_the_format_is_refused_by_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert old in RULE
    write(tmp_path, SIGNAL)
    (tmp_path / "talks-a-lot.yml").write_text(RULE.replace(old, new, 1), encoding="utf-8")
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path / 'talks-a-lot.yml'}:{line}: ")
    assert said in message


@pytest.mark.parametrize(
    ("clause", "said"),
    [
        ("call: 'a b'", "not a dotted name"),
        ("call: '*'", "would match everything"),
        ("call: {names: fetch}", "unknown key 'names'"),
        ("call: {name: fetch, args: [{equals: a}]}", "'at' is missing"),
        ("call: {name: fetch, args: [{at: -1, equals: a}]}", "whole number"),
        ("call: {name: fetch, args: [{at: 0}]}", "say what the text has to be"),
        ("write: {name: fetch, value: number}", "function or wrapper"),
        ("string: {}", "say what the text has to be"),
        ("string: {matches: '(?=a)'}", "not an RE2 pattern"),
        ("string: {address: dogecoin}", "no kind of address"),
        ("string: {equals: a, distinct: 0}", "at least 1"),
        ("regex: {equals: a}", "unknown key 'equals'"),
        ("manifest: {matches: a}", "'scripts' is missing"),
        ("flow: file", "write a mapping with from, to"),
        ("flow: {from: file}", "'to' is missing"),
        ("flow: {from: [], to: network}", "empty"),
        ("flow: {from: [file, thin-air], to: network}", "'thin-air' is not known here; write environment, "),
        ("flow: {from: file, to: heaven}", "'heaven' is not known here; write network, dns, "),
        ("flow: {from: file, to: network, part: tail}", "write url, headers or body"),
        ("flow: {from: file, to: network, value: {}}", "say what the text has to be"),
        ("flow: {from: file, to: network, target: {accepts: tron}}", "unknown key 'accepts'"),
        ("flow: {from: file, to: network, kinds: 2}", "unknown key 'kinds'"),
        ("weather: rain", "is no clause"),
        ("{call: a, new: b}", "one clause"),
        ("7", "a signal's id, or a mapping"),
    ],
)
def test_a_clause_that_cannot_be_asked_is_refused(tmp_path: Path, clause: str, said: str) -> None:
    write(tmp_path, SIGNAL.replace("call: console.log", clause, 1))
    message = refusal(tmp_path)
    assert f"{tmp_path / 'talks.yml'}:7: " in message
    assert said in message


def test_the_id_is_the_stem(tmp_path: Path) -> None:
    (tmp_path / "chats.yml").write_text(SIGNAL, encoding="utf-8")
    assert "make both the same" in refusal(tmp_path)


def test_an_id_is_used_once(tmp_path: Path) -> None:
    write(tmp_path, SIGNAL)
    (tmp_path / "again").mkdir()
    write(tmp_path / "again", SIGNAL)
    assert "is defined in" in refusal(tmp_path)


def test_signals_that_use_each_other_are_refused(tmp_path: Path) -> None:
    first = (
        SIGNAL.replace("id: talks", "id: first")
        .replace("call: console.log", "second")
        .replace("- second", "- second")
    )
    second = SIGNAL.replace("id: talks", "id: second").replace("call: console.log", "first")
    write(tmp_path, first, second)
    assert "in a circle (first -> second -> first)" in refusal(tmp_path)


def test_a_manifest_signal_needs_the_whole_package(tmp_path: Path) -> None:
    write(tmp_path, SIGNAL.replace("call: console.log", "manifest: {scripts: install, matches: curl}"), RULE)
    assert "write scope: package" in refusal(tmp_path)


def test_scope_function_needs_an_anchor(tmp_path: Path) -> None:
    write(tmp_path, SIGNAL, RULE.replace("scope: file", "scope: function").replace("all:", "any:"))
    assert "starts from the first entry of `all`" in refusal(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"- a\n- b\n",
        b"a: 1\n---\nb: 2\n",
        b"a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
        b"[" * 5_000,
        b"{" * 5_000,
        b"a: " + b"[" * 60 + b"]" * 60,
        b"\x00",
        b"kind: [rule]",
        b"x" * 300_000,
    ],
)
def test_no_content_of_a_file_ends_in_anything_but_a_rule_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.yml").write_bytes(content)
    assert str(tmp_path / "odd.yml") in refusal(tmp_path)


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    assert "no rule files" in refusal(tmp_path)
    assert "no rule files" in refusal(tmp_path / "missing")
    with pytest.raises(UsageError):
        ruleset_digest([str(tmp_path)])
