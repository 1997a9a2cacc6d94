"""An alert as a message of Slack's Block Kit.

https://docs.slack.dev/reference/block-kit says what a block may hold; the caps below are its. Whatever comes
from a package stands in ``plain_text``, where no markup, mention or link is read, with the three characters
escaped that Slack gives a meaning to everywhere.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from npmguard.monitor.alert_text import alert_text

if TYPE_CHECKING:
    from npmguard.monitor.alert import Alert

_HEADER = 150
_SECTION = 3000
_FIELD = 2000
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def slack_body(alert: Alert) -> bytes:
    """The body of a request to an incoming webhook of Slack."""
    text = alert_text(alert)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(text.headline, _HEADER)},
        {"type": "section", "fields": [_plain(f"{label}: {value}", _FIELD) for label, value in text.facts]},
    ]
    for title, items in text.lists:
        lines = "\n".join([title, *(f"• {item}" for item in items)])
        blocks.append({"type": "section", "text": _plain(lines, _SECTION)})
    document = {
        "text": _escaped(text.headline, _SECTION),  # for notifications
        "mrkdwn": False,
        "link_names": False,
        "parse": "none",
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": blocks,
    }
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": _escaped(text, limit), "emoji": False}


def _escaped(text: str, limit: int) -> str:
    """*text* with Slack's entities, at most *limit* characters and never cut inside of one."""
    shown = text.translate(_ENTITIES)
    while len(shown) > limit:
        text = text[: len(text) - max(1, (len(shown) - limit) // 5)]
        shown = f"{text}…".translate(_ENTITIES)
    return shown
