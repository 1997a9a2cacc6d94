"""Rule files."""

from __future__ import annotations

import re
from pathlib import Path

from npmguard.detect.rule import read_rule
from npmguard.detect.yaml_items import read_yaml
from npmguard.errors import RuleError
from tests.fuzz.harness import Harness, refused

_ID = re.compile(rb"^id:\s*([\w-]{1,60})\s*$", re.MULTILINE)


def read(data: bytes) -> str:
    """A rule, a signal, or an error of one line."""
    found = _ID.search(data)
    stem = found[1].decode() if found is not None else "sample"
    path = Path("rules/family") / f"{stem}.yml"
    try:
        loaded = read_rule(path, read_yaml(str(path), data))
    except RuleError as error:
        return refused(error)
    return f"{type(loaded).__name__} {len(loaded.match.all)} {len(loaded.match.any)} {len(loaded.match.none)}"


HARNESS = Harness(
    read,
    words=(
        *(
            b"kind: rule",
            b"kind: signal",
            b"match:",
            b"all:",
            b"any:",
            b"none:",
            b"examples:",
            b"  - ",
            b"call:",
            b"write:",
        ),
        *(
            b"string:",
            b"regex:",
            b"module:",
            b"manifest:",
            b"flow:",
            b"{",
            b"}",
            b"[",
            b"]",
            b"&a",
            b"*a",
            b"!!python/x",
            b"|",
        ),
        *(
            b"(?P<x>",
            b"(a+)+$",
            b"[[:alpha:]]",
            b"\\p{L}",
            b"{1,9999}",
            b"requires: '>=0.1'",
            b"severity: high",
            b"- - - -",
        ),
    ),
    share=500,
)
