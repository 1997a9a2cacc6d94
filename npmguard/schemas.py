"""JSON Schemas of the files that a project writes, for editors: made from the types that read them."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from npmguard.accepted import AcceptedFile
from npmguard.config import Config

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def settings_schema() -> bytes:
    """The schema of ``npmguard.toml``, and of ``"npmguard"`` in package.json."""
    return _render("npmguard.toml", Config)


def accepted_schema() -> bytes:
    """The schema of the file of accepted findings."""
    return _render("npmguard-accepted.toml", AcceptedFile)


def _render(title: str, kind: type[msgspec.Struct]) -> bytes:
    schema: dict[str, Any] = msgspec.json.schema(kind)
    document = {"$schema": _DIALECT, "title": title, **schema}
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode("ascii")
