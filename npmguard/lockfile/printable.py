"""Hostile text made fit to stand inside a one-line message."""

from __future__ import annotations

_LIMIT = 200


def printable(text: str) -> str:
    """*text* with every character that a terminal could act on escaped, cut to 200 characters."""
    cut = text if len(text) <= _LIMIT else f"{text[:_LIMIT]}…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
