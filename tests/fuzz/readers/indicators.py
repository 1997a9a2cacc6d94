"""Files of indicators: plain text, CSV, STIX and MISP."""

from __future__ import annotations

from typing import get_args

from npmguard.errors import IndicatorError
from npmguard.intel.indicators import Format, format_indicators, guess_kind, parse_indicators
from tests.fuzz.harness import Harness, hold, refused


def read(data: bytes) -> str:
    """Indicators that come back from every format they are written in, or an error of one line."""
    try:
        found = parse_indicators(data.decode("utf-8", "replace"))
    except IndicatorError as error:
        return refused(error)
    if not all(it.value.isascii() and it.value.isprintable() for it in found):
        return "odd values"  # which are written with escapes
    values = {(it.kind, it.value) for it in found}
    # plain text does not name kinds, and a # begins its comments
    told_apart = all(guess_kind(it.value) is it.kind and "#" not in it.value for it in found)
    for form in get_args(Format)[0 if told_apart else 1 :]:
        again = parse_indicators(format_indicators(found, form))
        hold({(it.kind, it.value) for it in again} == values, f"lost or gained in {form}")
    return f"{sorted({str(it.kind) for it in found})}"


HARNESS = Harness(
    read,
    "json",
    words=(
        b"hxxp://",
        b"[.]",
        b"a[.]example",
        b"198.51.100.7",
        b"::1",
        b"type,value\n",
        b'"type":"bundle"',
        b'"pattern":"[',
        b"pkg:npm/",
    ),
    share=1000,
)
