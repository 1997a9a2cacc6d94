"""Judged messages as JSON, schema ``npmguard.mail/1``: a projection written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npmguard.model import AuthCheck, Lookalike, MailAuthentication, MailEvidence, MailReport, MailVerdict
from npmguard.report import escape

SCHEMA = "npmguard.mail/1"


def render(reports: Sequence[MailReport], tool_version: str) -> bytes:
    """UTF-8 JSON, ending in a line break."""
    document = {
        "schema": SCHEMA,
        "tool": {"name": "npmguard", "version": tool_version},
        "summary": {
            "messages": len(reports),
            **{verdict.value: sum(report.verdict is verdict for report in reports) for verdict in MailVerdict},
            "incomplete": sum(bool(report.incomplete) for report in reports),
        },
        "messages": [_message(report) for report in reports],
    }
    return (escape.to_json(document) + "\n").encode("utf-8", "backslashreplace")


def _message(report: MailReport) -> dict[str, Any]:
    return {
        "source": report.source,
        "verdict": report.verdict.value,
        "reason": report.reason,
        "from": report.sender,
        "subject": report.subject,
        "claims": [
            {"brand": claim.brand, "title": claim.title, "places": list(claim.places)}
            for claim in report.claims
        ],
        "evidence": [_evidence(evidence) for evidence in report.evidence],
        "lookalikes": [_lookalike(like) for like in report.lookalikes],
        "authentication": _authentication(report.authentication),
        "incomplete": list(report.incomplete),
        "watch": [
            {
                "name": entry.name,
                "versions": list(entry.versions),
                "maintainer": entry.maintainer,
                "matched": entry.matched,
            }
            for entry in report.watch
        ],
        "attached": [_message(inner) for inner in report.nested],
    }


def _evidence(evidence: MailEvidence) -> dict[str, Any]:
    return {
        "code": evidence.code,
        "weight": evidence.weight.value,
        "message": evidence.message,
        "where": evidence.where,
        "excerpt": evidence.excerpt,
    }


def _lookalike(like: Lookalike) -> dict[str, Any]:
    return {
        "host": like.host,
        "domain": like.domain,
        "brand": like.brand,
        "imitates": like.imitates,
        "kind": like.kind,
        "strong": like.strong,
        "reason": like.reason,
    }


def _authentication(authentication: MailAuthentication) -> dict[str, Any]:
    return {name: _check(getattr(authentication, name)) for name in ("spf", "dkim", "dmarc", "arc")}


def _check(check: AuthCheck) -> dict[str, Any]:
    return {
        "outcome": check.outcome.value,
        "domain": check.domain,
        "aligned": check.aligned,
        "source": check.source,
        "detail": check.detail,
    }
