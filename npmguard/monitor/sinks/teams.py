"""An alert as an Adaptive Card in the message that a workflow of Teams takes from a webhook.

Whatever comes from a package stands in text runs of a ``RichTextBlock`` (Adaptive Cards 1.2), which read no
Markdown and no ``{{DATE(…)}}``, as a ``TextBlock`` would.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from npmguard.monitor.alert_text import alert_text

if TYPE_CHECKING:
    from npmguard.monitor.alert import Alert

_MOST = 24 * 1024  # bytes; Teams refuses messages over 28 KB
_CARD: Final = "application/vnd.microsoft.card.adaptive"


def teams_body(alert: Alert) -> bytes:
    """The body of a request to such a webhook."""
    text = alert_text(alert)
    body = [_block([_run(text.headline, size="large", weight="bolder", color=_color(alert))])]
    body += [_block([_run(f"{label}: ", weight="bolder"), _run(value)]) for label, value in text.facts]
    for title, items in text.lists:
        body.append(_block([_run(title, weight="bolder")]))
        body += [_block([_run(f"• {item}")]) for item in items]
    while len(_message(body)) > _MOST:
        body.pop()
    return _message(body)


def _message(body: list[dict[str, Any]]) -> bytes:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "msteams": {"width": "Full"},
        "body": body,
    }
    document = {
        "type": "message",
        "attachments": [{"contentType": _CARD, "contentUrl": None, "content": card}],
    }
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _block(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": runs}


def _run(text: str, **style: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **style}


def _color(alert: Alert) -> str:
    return "attention" if alert.verdict == "malicious" else "warning"
