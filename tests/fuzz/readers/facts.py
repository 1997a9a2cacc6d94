"""Facts of JavaScript and TypeScript sources."""

from __future__ import annotations

import msgspec

from npmguard.config import Limits
from npmguard.javascript.facts import extract_facts
from npmguard.javascript.syntax import source_text
from npmguard.model import FileFacts
from tests.fuzz.harness import Harness, hold

LIMITS = msgspec.structs.replace(
    Limits(), analysis_seconds=10.0, interpreted_steps=2_000_000, interpreted_units=4 * 1024**2
)
_PATHS = ("a.js", "a.ts", "a.tsx", "a.d.ts", "a.mjs", "a")


def read(data: bytes) -> str:
    """Facts that lie in the source and in their functions; nothing is raised for what the bytes are."""
    path = _PATHS[len(data) % len(_PATHS)]
    found = extract_facts(path, data, LIMITS)
    check(found, len(source_text(data)))
    kinds = sorted({f"{fact.kind}:{fact.name[:20]}" for fact in found.facts})[:6]
    return f"{found.problem} {found.unread} {bool(found.partial)} {len(found.layers)} {kinds}"


def check(found: FileFacts, length: int) -> None:
    """What every reader of facts counts on."""
    hold(found.functions, "no function, not even the whole file")
    for fact in found.facts:
        hold(0 <= fact.start <= fact.end <= length, f"a {fact.kind} outside of the source")
        hold(0 <= fact.function < len(found.functions), f"a {fact.kind} in no function")
        hold(fact.line >= 1 and fact.column >= 1, f"a {fact.kind} at no line or column")
    starts = [(fact.start, -fact.end) for fact in found.facts]
    hold(starts == sorted(starts), "facts out of order")


WORDS = (
    *(
        b"(",
        b")",
        b"{",
        b"}",
        b"[",
        b"]",
        b"`",
        b"${",
        b"=>",
        b"...",
        b"?.",
        b"\\",
        b"/",
        b"//",
        b"/*",
        b"'",
        b'"',
        b",",
        b";",
    ),
    *(
        b"=",
        b"async ",
        b"await ",
        b"function*",
        b"class ",
        b"extends ",
        b"yield ",
        b"super",
        b"this",
        b"new ",
        b"import(",
        b"#a",
    ),
    *(
        b"require('fs')",
        b"eval(",
        b"Function(",
        b"atob(",
        b"fetch(",
        b"window.",
        b"globalThis[",
        b".call(",
        b".apply(",
        b".bind(",
    ),
    *(
        b"Object.defineProperty(",
        b".replace(",
        b".split('')",
        b".join('')",
        b".map(",
        b"String.fromCharCode(",
        b"\\u{1f600}",
    ),
    *(
        b"\\x",
        b"\\u",
        b"0x",
        b"1n",
        b"0b",
        b"1e9",
        b"<T>",
        b": any",
        b" as ",
        b"@d ",
        b"<div>",
        b"</div>",
        b"#!node\n",
        b"<!--",
    ),
)

HARNESS = Harness(read, "code", words=WORDS, share=250)
