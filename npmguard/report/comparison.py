"""What one version changed against another, as text or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from npmguard.report.escape import terminal as escape
from npmguard.report.escape import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from npmguard.model import Comparison, ManifestDelta

SCHEMA = "npmguard.diff/1"
_MAX_LINES = 200


def render_json(comparison: Comparison) -> bytes:
    """The comparison as JSON, schema ``npmguard.diff/1``; the same comparison gives the same bytes."""
    diff = comparison.diff
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "name": comparison.name,
        "old": comparison.old_version,
        "new": comparison.new_version,
        "verdict": comparison.verdict.value,
        "files": {
            "added": list(diff.added) if diff else [],
            "removed": list(diff.removed) if diff else [],
            "changed": [
                {"path": change.path, "added_lines": len(change.added_lines)} for change in diff.changed
            ]
            if diff
            else [],
        },
        "behaviours": {"gained": list(comparison.gained), "lost": list(comparison.lost)},
        "manifest": [
            {"field": delta.field, "key": delta.key, "old": delta.old, "new": delta.new}
            for delta in (diff.manifest if diff else ())
        ],
        "findings": [
            {"rule": finding.rule, "severity": finding.severity.value, "message": finding.message}
            for finding in comparison.findings
        ],
        "unverified_reason": comparison.unverified,
    }
    return msgspec.json.format(to_json(document).encode("ascii"), indent=2) + b"\n"


def render_text(comparison: Comparison) -> bytes:
    """The comparison for people, one fact a line, hostile names escaped."""
    lines = [
        f"{escape(comparison.name)} {escape(comparison.old_version)} -> {escape(comparison.new_version)}",
        f"verdict\n  {comparison.verdict.value}",
    ]
    if comparison.unverified:
        lines.append(f"  not all could be compared: {escape(comparison.unverified)}")
    diff = comparison.diff
    if diff is not None:
        lines.append("files")
        files = [
            *(f"+ {escape(path)}" for path in diff.added),
            *(f"- {escape(path)}" for path in diff.removed),
            *(f"~ {escape(change.path)} ({len(change.added_lines)} new lines)" for change in diff.changed),
        ]
        lines += _section(files)
        lines.append("manifest")
        lines += _section(map(_delta, diff.manifest))
    lines.append("behaviours")
    lines += _section(
        [
            *(f"+ {escape(name)}" for name in comparison.gained),
            *(f"- {escape(name)}" for name in comparison.lost),
        ]
    )
    lines.append("findings")
    lines += _section(
        f"{finding.severity.value}: {escape(finding.message)} [{escape(finding.rule)}]"
        for finding in comparison.findings
    )
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def _delta(delta: ManifestDelta) -> str:
    sign = "+" if delta.old is None else "-" if delta.new is None else "~"
    change = " -> ".join(repr(value)[:120] for value in (delta.old, delta.new) if value is not None)
    return f"{sign} {escape(delta.field)}.{escape(delta.key)}: {escape(change)}"


def _section(items: Iterable[str]) -> Iterator[str]:
    listed = list(items)
    if not listed:
        yield "  none"
    for item in listed[:_MAX_LINES]:
        yield f"  {item}"
    if len(listed) > _MAX_LINES:
        yield f"  ... and {len(listed) - _MAX_LINES} more"
