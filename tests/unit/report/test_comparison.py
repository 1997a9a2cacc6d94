from __future__ import annotations

import json

from npmguard.model import Comparison, FileChange, ManifestDelta, Verdict, VersionDiff
from npmguard.report import comparison

HOSTILE = "lib/\x1b[2J\u202e\udcff::error::x ##[add-mask]y.js"
SAMPLE = Comparison(
    name="palette-lite",
    old_version="5.6.0",
    new_version="5.6.1",
    diff=VersionDiff(
        old_version="5.6.0",
        new_version="5.6.1",
        added=(HOSTILE,),
        removed=("old.js",),
        changed=(FileChange("index.js", frozenset({3, 4})),),
        manifest=(ManifestDelta("scripts", "postinstall", None, "node x.js"),),
    ),
    gained=("hooks-network-primitive",),
    lost=(),
    findings=(),
    verdict=Verdict.SUSPICIOUS,
)


def test_a_hostile_file_name_is_inert_in_text() -> None:
    text = comparison.render_text(SAMPLE).decode()
    assert r"  + lib/\x1b[2J\u202e\udcff\x3a:error\x3a:x \x23#[add-mask]y.js" in text.splitlines()
    assert "  ~ index.js (2 new lines)" in text.splitlines()


def test_a_hostile_file_name_is_ascii_in_json_and_breaks_nothing() -> None:
    content = comparison.render_json(SAMPLE)
    assert content.isascii()
    assert b"##[" not in content
    document = json.loads(content)
    assert document["files"]["added"] == ["lib/\x1b[2J\u202e\\udcff::error::x ##[add-mask]y.js"]
    assert document["manifest"] == [{"field": "scripts", "key": "postinstall", "old": None, "new": "node x.js"}]
