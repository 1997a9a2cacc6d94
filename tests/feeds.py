"""Feeds of malware in OSV's real format, made up, for tests."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any


def osv_record(id_: str, name: str, *versions: str, **fields: Any) -> dict[str, Any]:
    """A record as OSV publishes it; *fields* are added to it or replace its own."""
    return {
        "schema_version": "1.7.4",
        "id": id_,
        "modified": "2026-05-01T10:00:00Z",
        "published": "2026-04-30T10:00:00Z",
        "summary": f"Malicious code in {name} (npm)",
        "affected": [{"package": {"ecosystem": "npm", "name": name}, "versions": list(versions)}],
        **fields,
    }


def zipped(
    *records: Mapping[str, Any], members: Mapping[str, bytes] | None = None, stored: bool = False
) -> bytes:
    """The feed: a file for each record, and further *members*."""
    buffer = io.BytesIO()
    method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
        for name, content in (members or {}).items():
            archive.writestr(name, content)
    return buffer.getvalue()
