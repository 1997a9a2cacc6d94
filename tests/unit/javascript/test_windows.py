from __future__ import annotations

from collections.abc import Sequence

import pytest

from npmguard.config import Limits
from npmguard.javascript.windows import Part, extract_from_parts, parts_of
from npmguard.model import FactKind, FileFacts
from tests.javascript_facts import read

FILLER = "function filler{0}(a, b) {{ return a + b * {0}; }}\n"
CODE = "function payload() { const table = ['\u00e9']; x = 1; fetch('u' + 1, table) } payload();"


def file_of(*positions: int, lines: int = 200) -> str:
    """Lines of code with CODE in those positions."""
    text = [FILLER.format(line) for line in range(lines)]
    for position in positions:
        text[position] = CODE + "\n"
    return "".join(text)


def everything(parts: Sequence[Part]) -> Sequence[Part]:
    return parts


def extract(text: str, source_bytes: int = 2_000) -> FileFacts:
    limits = Limits(source_bytes=source_bytes)
    return extract_from_parts("a.js", text.encode(), limits, None, everything, size=2_000)


@pytest.mark.parametrize("separator", ["\n", ";", " "])
def test_parts_are_the_whole_text(separator: str) -> None:
    text = separator.join(f"f{index}(x)" for index in range(1000)).encode()
    covered = 0
    for start, part in parts_of(text, 1000, 100):
        assert start <= covered
        assert text[start : start + len(part)] == part
        assert len(part) <= 1000
        covered = start + len(part)
    assert covered == len(text)


def test_parts_end_at_the_end_of_a_line_where_there_is_one() -> None:
    for _start, part in list(parts_of(file_of().encode(), 1000, 200))[:-1]:
        assert part.endswith(b"\n")


def test_a_text_without_a_place_to_cut_is_cut() -> None:
    parts = list(parts_of(b"a" * 10_000, 1000, 100))
    assert parts[-1][0] + len(parts[-1][1]) == 10_000
    assert len(parts) < 15


@pytest.mark.parametrize("position", [0, 1, 57, 100, 199])
def test_facts_are_where_they_are_in_the_whole_file(position: int) -> None:
    text = file_of(position)
    whole = read(text)
    (expected,) = [fact for fact in whole.facts if fact.name == "fetch"]
    result = extract(text, 20_000)
    (fact,) = [fact for fact in result.facts if fact.name == "fetch"]
    assert (fact.line, fact.column, fact.start, fact.end) == (
        *(expected.line, expected.column),
        *(expected.start, expected.end),
    )
    span = result.functions[fact.function]
    assert text.encode()[span.start : span.end].startswith(b"function payload")
    (table,) = span.refers or [(0, 0)]
    assert table == (0, 0) or text.encode()[slice(*table)]


def test_columns_on_a_line_that_parts_share_are_those_of_the_line() -> None:
    text = ";".join(["x.y('\u00e9')"] * 400 + ["fetch('u')"] + ["x.y(1)"] * 400)
    (expected,) = [fact for fact in read(text).facts if fact.name == "fetch"]
    (fact,) = [fact for fact in extract(text, 50_000).facts if fact.name == "fetch"]
    assert (fact.line, fact.column, fact.start) == (1, expected.column, expected.start)


def test_what_stands_in_two_parts_is_told_once() -> None:
    text = file_of(*range(200))
    found = [fact for fact in extract(text, 200_000).facts if fact.name == "fetch"]
    assert len(found) == 200


def test_only_chosen_parts_are_parsed_and_no_more_than_the_cap() -> None:
    text = file_of(*range(0, 200, 10))

    def holding(parts: Sequence[Part]) -> list[Part]:
        return [part for part in parts if b"fetch" in part[1]]

    result = extract_from_parts("a.js", text.encode(), Limits(source_bytes=1_500), None, holding)
    found = [fact for fact in result.facts if fact.kind is FactKind.CALL and fact.name == "fetch"]
    assert 0 < len(found) < 20
    assert result.unread
    assert "source-bytes" in (result.problem or "")
    assert "more looked worth it" in (result.problem or "")


def test_layers_in_parts_keep_their_text() -> None:
    text = file_of(5, 150).replace(
        "fetch('u' + 1, table)", "eval('send(1); function inner() { fetch(2) } inner()')"
    )
    result = extract(text, 200_000)
    found = [fact for fact in result.facts if fact.name == "fetch"]
    assert len(found) == 2
    for fact in found:
        layer = next(each for each in reversed(result.layers) if each.base <= fact.place[0])
        start, end = (place - layer.base for place in fact.place)
        assert layer.text[start:end] == b"fetch(2)"
        span = result.functions[fact.function]
        assert span.start <= fact.place[0] < span.end
        assert layer.text[span.start - layer.base :].startswith(b"function inner")
