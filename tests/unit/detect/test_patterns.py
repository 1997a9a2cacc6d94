from __future__ import annotations

from pathlib import Path

import pytest
import yara_x

from npmguard.detect.patterns import Patterns
from npmguard.detect.prefilter import conditions_of
from npmguard.detect.rule import load_ruleset
from tests.unit.detect.test_screens import TEXTS as UNUSUAL

FIXTURES = Path(__file__).parents[3] / "fixtures" / "packages"
TEXTS = {
    **UNUSUAL,
    "no text": b"",
    "hours": b"setTimeout(f, 1000 * 60 * 60)",
    "no UTF-8": bytes(range(256)),
    "NUL": b"\0eval(\0)\0fetch\0",
    "carriage returns": b"require('fs')\r\n.readFile(\r\nprocess.env\r\n)",
    "words at the ends": b"fetch",
    "words in quotes at the ends": b"'env'",
}
SHIPPED = conditions_of(load_ruleset()).patterns


@pytest.fixture(scope="module")
def yara() -> yara_x.Scanner:
    compiler = yara_x.Compiler()
    for pattern, name in SHIPPED.names.items():
        compiler.add_source(f"rule {name} {{ strings: $a = {pattern} condition: $a }}")
    return yara_x.Scanner(compiler.build())


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_shipped_pattern_means_what_it_means_to_yara(text: bytes, yara: yara_x.Scanner) -> None:
    assert SHIPPED.holding(text) == {rule.identifier for rule in yara.scan(text).matching_rules}


def test_so_it_does_in_code(yara: yara_x.Scanner) -> None:
    sources = sorted(FIXTURES.glob("*/*/*.js"))
    seen = set()
    for path in sources:
        code = path.read_bytes()
        found = SHIPPED.holding(code)
        assert found == {rule.identifier for rule in yara.scan(code).matching_rules}, path
        seen |= found
    assert len(seen) > len(SHIPPED.names) / 5


def test_a_pattern_is_told_by_its_own_name_with_or_without_case() -> None:
    patterns = Patterns(["/ab+c/", "/data:/ nocase", r"/[\"'`]x[\"'`]\s*\]/"])
    names = list(patterns.names.values())

    assert patterns.holding(b"DATA: abbbc") == {names[0], names[1]}
    assert patterns.holding(b"a['x' ]") == {names[2]}
    assert patterns.holding(b"ABC data") == set()


def test_what_was_compiled_is_used_and_what_is_damaged_is_not() -> None:
    patterns = ["/one/", "/two/"]
    compiled = Patterns(patterns).compiled()
    taking = Patterns(patterns)

    assert not taking.take(compiled[:-1])
    assert not taking.take(b"")
    assert not taking.take(b"another format")
    assert taking.take(compiled)
    assert taking.holding(b"two") == {"pattern_1"}


def test_what_is_not_between_slashes_is_no_pattern() -> None:
    with pytest.raises(ValueError, match="between slashes"):
        Patterns(["{ 66 65 }"]).holding(b"")
