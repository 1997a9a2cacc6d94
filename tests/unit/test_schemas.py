"""The schemas in docs/ are those of the types that read the files."""

from __future__ import annotations

from pathlib import Path

from npmguard.schemas import accepted_schema, settings_schema

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_schemas_are_current() -> None:
    assert (DOCS / "settings.schema.json").read_bytes() == settings_schema()
    assert (DOCS / "accepted.schema.json").read_bytes() == accepted_schema()
