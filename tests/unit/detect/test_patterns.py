from __future__ import annotations

from pathlib import Path

import pytest
import yara_x

from npmguard.detect.patterns import Patterns
from npmguard.detect.prefilter import conditions_of
from npmguard.detect.rule import load_ruleset

FIXTURES = Path(__file__).parents[3] / "fixtures" / "packages"
TEXTS = {
    "nothing": b"const a = 1;\n",
    "no text": b"",
    "blanks": b"a;" + b" " * 200 + b"b()\n",
    "tabs": b"a;" + b"\t" * 40 + b"b()\n",
    "wide blanks": b"a;" + "\u3000".encode() * 60 + b"b()\n",
    "blanks of both kinds": b"a;" + b" " * 40 + "\u00a0".encode() + b" " * 40 + b"b()\n",
    "bytes": b"[" + b"0x1f, 12," * 20 + b"]",
    "hours": b"setTimeout(f, 1000 * 60 * 60)",
    "variation selectors": "f``\ufe00\ufe01\U000e0101".encode(),
    "private use": "x\ue001".join("" for _ in range(3)).encode() + "\ue000".encode() * 20,
    "zero width": "a\u200bb\u200bc\u200bd\u200be".encode(),
    "soft hyphens": "a\u00ad\u00ad\u00adb".encode(),
    "prose": "Größe und Höhe, ein Maß, 例えば".encode(),
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
