from __future__ import annotations

import pytest
import yara_x

from npmguard.detect.hiding import NUMBERS, SHAPE_MARKS, UNSEEN
from npmguard.detect.screens import Screens

TEXTS = {
    "nothing": b"const a = 1;\n",
    "blanks": b"a;" + b" " * 200 + b"b()\n",
    "tabs": b"a;" + b"\t" * 40 + b"b()\n",
    "wide blanks": b"a;" + "\u3000".encode() * 60 + b"b()\n",
    "blanks of both kinds": b"a;" + b" " * 40 + "\u00a0".encode() + b" " * 40 + b"b()\n",
    "bytes": b"[" + b"0x1f, 12," * 20 + b"]",
    "variation selectors": "f``\ufe00\ufe01\U000e0101".encode(),
    "private use": "x\ue001".join("" for _ in range(3)).encode() + "\ue000".encode() * 20,
    "zero width": "a\u200bb\u200bc\u200bd\u200be".encode(),
    "soft hyphens": "a\u00ad\u00ad\u00adb".encode(),
    "prose": "Größe und Höhe, ein Maß, 例えば".encode(),
}
PATTERNS = (*NUMBERS, *SHAPE_MARKS["code-out-of-sight"], *UNSEEN)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_tells_the_same_as_yara(text: bytes) -> None:
    screens = Screens(PATTERNS)
    rules = [
        f"rule {name} {{ strings: $a = {pattern} condition: $a }}" for pattern, name in screens.names.items()
    ]
    scanner = yara_x.Scanner(yara_x.compile("\n".join(rules)))

    assert screens.holding(text) == {rule.identifier for rule in scanner.scan(text).matching_rules}


def test_every_pattern_is_told_of_some_text() -> None:
    screens = Screens(PATTERNS)

    assert set().union(*(screens.holding(text) for text in TEXTS.values())) == set(screens.names.values())
