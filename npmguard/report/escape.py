r"""The one place where hostile text is made safe to show.

Names, paths, code and registry messages come from people who attack whoever reads them: with terminal control
sequences, with direction overrides that reorder what is read, with characters that cannot be seen, with lines
that a CI runner takes for commands, and with secrets that a registry echoes. Each reporter passes every such
text through one of these functions and adds nothing of its own.

What must not be shown as it is becomes a visible escape as JavaScript spells it: ``\x1b``, ``\u202e``,
``\u{e0100}``.
"""

from __future__ import annotations

import json
import re
from typing import Any
from unicodedata import category, east_asian_width

DEFAULT_LIMIT = 1000  # cells; far over any sentence, far under what floods a log
_MAX_INPUT = 65_536  # characters looked at; what is cut off lies far beyond every limit

_CREDENTIALS = (
    # https://user:password@host and https://token@host, but not the user of git+ssh://git@host; with one slash
    # where somebody took it for a path
    (
        re.compile(r"(\b(?:[A-Za-z][A-Za-z0-9+.-]{0,20}://|https?:/))(?!git@)[^\s/@\"'<>]{1,512}@"),
        r"\1***@",
    ),
    # //host/:_authToken=… of an .npmrc, "_password": "…" of a configuration
    (
        re.compile(
            r"(?<![A-Za-z0-9])(_(?:authToken|auth|password)[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\s\"',;&]{4,}"
        ),
        r"\1***",
    ),
    # by their published prefixes; no "_" after npm_, as npm_config_… are names and not secrets
    (re.compile(r"\b(npm_|gh[opsur]_)[A-Za-z0-9]{20,}"), r"\1***"),
    (re.compile(r"\b(github_pat_|glpat-)[A-Za-z0-9_-]{20,}"), r"\1***"),
    (re.compile(r"\b(Bearer\s{1,4})(?=\S{0,64}[0-9]|\S{16})[A-Za-z0-9._~+/=-]{6,}"), r"\1***"),
    (
        re.compile(
            r"(?i)\b(authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:basic|bearer|token)\s{1,4})[^\s\"']+"
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)([?&](?:access_|auth_|private_)?token=)[^\s\"'&#]+"), r"\1***"),
)
# What each of these patterns needs: most texts hold none of it and are told by one search.
_CREDENTIAL_HINTS = (
    *(":/", "_auth", "_password", "npm_", "gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-"),
    *("bearer", "authorization", "token="),
)
_CREDENTIAL_HINT = re.compile("|".join(_CREDENTIAL_HINTS), re.IGNORECASE)
# GitHub obeys "::command::" at the start of a line and "##[command]" anywhere, Azure Pipelines "##vso[" and
# TeamCity "##teamcity[". A pair loses its first character wherever it stands, as a wrap may move it.
_CI_COMMAND = re.compile(r":(?=:)|#(?=#\w{0,20}\[)")
_JSON_CI_COMMAND = re.compile(r"#(?=#\w{0,20}\[)")
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])|\](?=\()")
# Printable to Python, invisible to people: fillers, the grapheme joiner, variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # a str of Python holds no pairs of them
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()#+!|>~:.-]")
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_MAX_MARKS = 2  # combining marks on one letter; more of them climb over the lines around


def terminal(text: str, limit: int = DEFAULT_LIMIT, *, ascii_only: bool = False) -> str:
    """*text* as one line that a terminal or a CI log shows and does not obey, at most *limit* cells wide.

    Credentials are masked. With *ascii_only* every other character is escaped too: for names, where a Cyrillic
    letter may stand for a Latin one, and for terminals that cannot show it.
    """
    kept = mask(text[:_MAX_INPUT])[: (limit + 1) * (1 + _MAX_MARKS)]  # that many fill the limit in any case
    visible = _CI_COMMAND.sub(_escape_match, _visible(kept, ascii_only=ascii_only))
    return _cut(visible, limit, ascii_only=ascii_only)


def excerpt(text: str, limit: int, *, ascii_only: bool = False) -> str:
    """A piece of source as :func:`terminal` makes it, each run of white space as one space.

    A run of hundreds of spaces, put there to push code out of sight, does not.
    """
    return terminal(" ".join(text.split()), limit, ascii_only=ascii_only)


def message(text: str, limit: int = DEFAULT_LIMIT, *, ascii_only: bool = False) -> str:
    """A plain-text message for a viewer that may render Markdown, embedded links or HTML.

    As :func:`terminal`, with the two characters escaped that begin a tag and a link's target. SARIF's own
    backslash escapes (2.1.0, section 3.11.6) are not used: not every viewer knows them.
    """
    return _MARKUP.sub(_escape_match, terminal(text, limit, ascii_only=ascii_only))


def markdown(text: str, limit: int = DEFAULT_LIMIT) -> str:
    """*text* for Markdown outside of code: nothing in it is markup, a mention, a reference, a link or an image.

    A backslash does not stop GitHub from making a mention of ``@name``, which it does after it has rendered;
    an empty comment does.
    """
    safe = _MARKDOWN.sub(r"\\\g<0>", message(text, limit)).replace("&", "&amp;").replace("<", "&lt;")
    return safe.replace("@", "@<!-- -->").replace("#", "#<!-- -->")


def markdown_code(text: str, limit: int = DEFAULT_LIMIT) -> str:
    """*text* as a code span of Markdown, in one line, also inside of a table."""
    shown = message(text, limit).replace("|", r"\u007c").replace("`", r"\x60")
    return f"`{shown}`" if shown.strip() else "` `"


def mask(text: str) -> str:
    """*text* with each credential replaced by ``***``: URL passwords, registry tokens, Authorization headers.

    The last line of defence: whoever makes a message leaves credentials out in the first place.
    """
    if _CREDENTIAL_HINT.search(text) is None:
        return text
    for pattern, replacement in _CREDENTIALS:
        text = pattern.sub(replacement, text)
    return text


def to_json(value: Any) -> str:
    r"""*value* as compact JSON in ASCII, with each string :func:`mask`-ed and otherwise as it is.

    What is not ASCII is written as ``\uXXXX``, so that the text is inert in a terminal, and so is the one
    character that would make a CI command of a string. A lone surrogate, which has no UTF-8, is spelled out.
    """
    text = _ENCODER.encode(value)
    lower = text.lower()
    if "\\u" in lower or any(hint in lower for hint in _CREDENTIAL_HINTS):  # of ASCII alone: else look closely
        text = _ENCODER.encode(_masked(value))
    return inert_json(text)


def inert_json(text: str) -> str:
    """JSON *text* with an escape in the place of each character that would begin a CI command."""
    return _JSON_CI_COMMAND.sub(r"\\u0023", text)


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub(_escape_match, mask(value))
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item) for item in value]
    return value


def _visible(text: str, *, ascii_only: bool) -> str:
    if text.isprintable() and (text.isascii() or not (ascii_only or _may_hide(text))):
        return text
    shown: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if category(char) in {"Mn", "Me"} else 0
        hidden = not char.isprintable() or marks > _MAX_MARKS or _INVISIBLE.match(char)
        shown.append(_escape(char) if hidden or (ascii_only and not char.isascii()) else char)
    return "".join(shown)


def _may_hide(text: str) -> bool:
    return _INVISIBLE.search(text) is not None or any(category(char) in {"Mn", "Me"} for char in text)


def _escape(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\u{{{code:x}}}"


def _escape_match(match: re.Match[str]) -> str:
    return _escape(match[0])


def _cut(text: str, limit: int, *, ascii_only: bool) -> str:
    if len(text) * 2 <= limit or (text.isascii() and len(text) <= limit):
        return text
    if sum(map(_cells, text)) <= limit:
        return text
    ellipsis = "..." if ascii_only else "…"
    room = limit - len(ellipsis)
    kept = 0
    for char in text:
        room -= _cells(char)
        if room < 0:
            break
        kept += 1
    return (text[:kept] + ellipsis)[: max(limit, 1)]


def _cells(char: str) -> int:
    if char.isascii():
        return 1
    if category(char) in {"Mn", "Me"}:
        return 0
    return 2 if east_asian_width(char) in "WF" else 1
