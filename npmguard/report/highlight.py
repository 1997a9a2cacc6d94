"""A piece of JavaScript with its words coloured, as HTML that holds nothing of its own."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from npmguard.report import escape as safe

_LIMIT = 600  # cells
_TOKEN = re.compile(
    r"(?P<c>//.*$|/\*.*?(?:\*/|$))"
    r"|(?P<s>\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|`(?:[^`\\]|\\.)*`?)"
    r"|(?P<k>\b(?:async|await|break|case|catch|class|const|continue|default|delete|do|else|export|extends|finally|for"
    r"|from|function|if|import|in|instanceof|let|new|of|return|static|super|switch|this|throw|try|typeof|var|void|while"
    r"|yield|true|false|null|undefined)\b)"
    r"|(?P<n>\b(?:0[xX][0-9a-fA-F]+|[0-9][0-9.eE_]*)\b)"
    r"|(?P<f>[A-Za-z_$][\w$]*(?=\s*\())"
)


def highlight(source: str) -> Markup:
    """*source*, a line of code of at most a few hundred characters, with spans around what is not plain."""
    text = safe.excerpt(source, _LIMIT)
    parts: list[Markup] = []
    position = 0
    for match in _TOKEN.finditer(text):
        parts.append(escape(text[position : match.start()]))
        parts.append(Markup('<span class="tok-{}">{}</span>').format(match.lastgroup, match.group()))
        position = match.end()
    return Markup("").join([*parts, escape(text[position:])])
