"""The bytes without which a value cannot come from a source, or go to a sink, where nothing is hidden."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from npmguard.javascript import flow_words as words
from npmguard.javascript.flow_words import PLACES, Sink, Source


class MarkKind(Enum):
    """How the text of a mark is meant."""

    WORD = "word"  # an identifier, or any text
    MODULE = "module"  # the name of a module that is loaded
    PATTERN = "pattern"  # a regular expression, without look-around


class Mark(NamedTuple):
    """Bytes that a source or sink has in the clear."""

    text: str
    kind: MarkKind = MarkKind.WORD


Marks = tuple[tuple[Mark, ...], ...]
"""Alternatives, of which each group must have one."""

Told = Callable[[str], bool]
"""Whether a source of which that is told is asked for."""


def source_marks(source: Source, told: Told | None = None) -> Marks:
    """What a file must hold in the clear, or hide, for a value to come from *source* in it."""
    if source is Source.DECODED and told is not None:
        return (tuple(mark for name, mark in _DECODERS.items() if told(name)),)
    return _SOURCE_MARKS[source]


def sink_marks(sink: Sink) -> Marks:
    """What a file must hold in the clear, or hide, for a value to go to *sink* in it."""
    return _SINK_MARKS[sink]


def _words(names: Iterable[str]) -> tuple[Mark, ...]:
    """The last segments of dotted names."""
    return tuple(Mark(name) for name in sorted({name.rpartition(".")[2] for name in names}))


def _texts(texts: Iterable[str]) -> tuple[Mark, ...]:
    return tuple(Mark(text) for text in sorted(set(texts)))


def _modules(names: Iterable[str]) -> tuple[Mark, ...]:
    return tuple(Mark(name, MarkKind.MODULE) for name in sorted(names))


def _patterns(*patterns: str) -> tuple[Mark, ...]:
    return tuple(Mark(pattern, MarkKind.PATTERN) for pattern in patterns)


def _built(*words: str) -> tuple[Mark, ...]:
    """Words that stand alone in a line, as those do that code builds at run time when they are unfolded."""
    return tuple(Mark(rf"\n[\"'`]?{word}[\"'`]?(\n|$)", MarkKind.PATTERN) for word in words)


_COMMON_SEGMENTS = frozenset(
    {
        *(
            "config",
            ".config",
            "config.json",
            "credentials",
            "Local Storage",
            "keystore",
            "Programs",
            "Run",
            "fish",
        ),
        *(
            "user",
            "system",
            "op",
            "gh",
            "discord",
            "atomic",
            "Network",
            "Cookies",
            "Firefox",
            "Profiles",
            "firefox",
        ),
        *("ethereum", "Ethereum", "Bitcoin", "wallets", "etc", "shadow", "solana", "secrets", "leveldb"),
    }
)


def _rarest(places: Iterable[str]) -> tuple[Mark, ...]:
    """The most telling segments of paths, since code may join the segments itself; no part of a longer word."""
    marks = set()
    for place in places:
        telling = [each for each in re.split(r"[/\\]", place) if each and each not in _COMMON_SEGMENTS]
        marks.add(max(telling or [place], key=len))
    return _patterns(*(rf"[^\w.?\])-]\.?{_literally(mark)}([^\w-]|$)" for mark in sorted(marks)))


def _literally(text: str) -> str:
    return re.sub(r"[^\w -]", lambda match: rf"\x{ord(match[0]):02x}", text)


def _decoder(name: str) -> Mark:
    """What a decoder has in the clear: its module, or its name."""
    module = name.partition(".")[0]
    if module in {"zlib", "pako", "js-base64", "crypto-js", "lz-string"}:
        return Mark(module, MarkKind.MODULE)
    return Mark(name.partition(".")[0] if module == "CryptoJS" else _last(name))


def _last(name: str) -> str:
    return name.rpartition(".")[2]


_MEMBER = r"([\"'`]\s*\]|\b)"  # the end of a name, also where it is a computed member
_ENCODING = rf"[\"'`]({'|'.join(sorted(words.BYTE_ENCODINGS))})[\"'`]"
_DECODERS: Mapping[str, Mark] = MappingProxyType(
    {name: _decoder(name) for name in sorted(words.DECODERS)}
    | {name: Mark(_ENCODING, MarkKind.PATTERN) for name in ("Buffer.from", "Buffer", "buffer.Buffer.from")}
    | {
        f"zlib.{name}": Mark("zlib", MarkKind.MODULE)
        for name in ("createGunzip", "createInflate", "createUnzip")
    }
    | {name: Mark(_last(name)) for name in ("String.fromCharCode", "String.fromCodePoint")}
    | {"^": Mark(r"[\])]\s*\^", MarkKind.PATTERN)}
)
_SECRETS = "|".join([*words.SECRET_WORDS, *(rf"{end}([^A-Za-z]|$)" for end in words.SECRET_ENDS)])
_ENVIRONMENT = _words(("env",))
_ENV = r"(process\s*(\?\.|\.|\[\s*[\"'`])|import\.meta\.|Bun\.)\s*env[\"'`]?\s*\]?\s*"
_AS_A_WHOLE = r"(\)|,|\}|;|\||&|\n|\[\s*[^\"'` ]|$)"
_WHOLE_ENVIRONMENT = _patterns(
    rf"([^=\s]|[^}}\s]\s*=)\s*{_ENV}{_AS_A_WHOLE}",  # no destructuring of single variables
    r"\benv\b[^{}\n]{0,80}\}\s*(=\s*[\w$.]*process\b|(=\s*require\s*\(|from)\s*[\"'`](node:)?process[\"'`])",
    r"[=(,]\s*process\s*[;,)\n]",
) + _built("env")
_RUNTIMES = _patterns(r"\b(Bun|Deno)\b")  # globals of their own, which do what modules do in Node
_COMMANDS = _modules(words.COMMAND_MODULES) + _RUNTIMES
_FILE_SYSTEM = _modules(words.FILE_MODULES) + _RUNTIMES
_WRITES = _words((*words.FILE_WRITERS, "Bun.write", "Deno.writeTextFile", "writeSync"))
_NETWORK = (
    _patterns(
        r"(^|[^-\w])fetch\s*([(),;=}\]\"'`?:]|\.\s*(call|apply|bind))",
        r"\bnew\s+([\w$]+\.)*Image\b",
        r"\$\.(ajax|get|post)\b",
        r"\bjQuery\s*\.\s*(ajax|get(JSON)?|post)\b",
    )
    + _words(words.NETWORK_GLOBALS - {"fetch", "Image"})
    + _words(("importScripts", "GM_xmlhttpRequest"))
    + _patterns(r"\bjQuery[\"'`]?\s*[^\w\s\"'`.-]", r"\bjQuery[\"'`]?[ \t]*(\r?\n|$)")
    + _patterns(r"\b(Bun|Deno)\s*\.\s*connect\b")
    + _modules(words.NETWORK_MODULES)
)
_COMPUTED = r"[^\"'\s)]"  # begins an argument that is no constant text
_LOADS = _patterns(rf"\brequire\s*\(\s*{_COMPUTED}", rf"\bimport\s*\(\s*{_COMPUTED}") + _words(("_load",))
_TIMER = r"set(Timeout|Interval|Immediate)"
_EVALUATES = (
    _patterns(
        r"\beval\b\s*[(),;=]",
        r"\bFunction\s*\(\s*([\"'`][^\"'`\n]*[\"'`]\s*,\s*)*[^\"'`\s)]",
        r"\bFunction\s*\.\s*(apply|call|bind|constructor)\b",
        r"[=(,:]\s*Function\s*[),;]",
        r"constructor[\"'`]?\s*\]?\s*(\.|\[)\s*[\"'`]?constructor",
        r"(\}|\))\s*\.\s*constructor\s*[(;,\n)]",
        rf"\b{_TIMER}\s*\(\s*([\"'`]|atob|unescape|Buffer|String|decodeURI)",
        rf"\bimport\s*\(\s*({_COMPUTED}|[\"'`]data:)",
        r"\beval[\"'`]?\s*:\s*(!0|true)",
    )
    + _built("eval", "Function")
    + _modules(("vm", "require-from-string", "isolated-vm", "vm2"))
    + _words(("_compile", "execScript", "executeJavaScript", "executeScript"))
    + _patterns(r"\bAsyncFunction\s*[\](=,)]")
)
_TELLING_COMMANDS = tuple(each for each in words.HOST_COMMANDS if each not in {"hostname", "uname", "wmic"})
_NAMES = "|".join(sorted(words.HOST_VARIABLES - {"USER"}))
_HOST = (
    _modules({"os", *(name.partition(".")[0] for name in words.HOST_CALLS)} - {"process"})
    + _patterns(r"\bprocess\s*\.\s*cwd\b", rf"\b({_NAMES})\b", rf"\benv{_MEMBER}\W{{1,4}}USER\b")
    + _built("cwd", "USER")
    + _patterns(r"[\"'`]hostname[\"'`]", r"[\"'`]uname\b", r"\bwmic\b")
    + _texts(_TELLING_COMMANDS)
)
_SOURCE_MARKS: Mapping[Source, Marks] = MappingProxyType(
    {
        Source.ENVIRONMENT: (_WHOLE_ENVIRONMENT,),
        Source.ENVIRONMENT_SECRET: (_ENVIRONMENT, _patterns(_SECRETS)),
        Source.CREDENTIAL_FILE: (_rarest(PLACES[Source.CREDENTIAL_FILE]),),
        Source.BROWSER_PROFILE: (_rarest(PLACES[Source.BROWSER_PROFILE]),),
        Source.WALLET_STORE: (_rarest(PLACES[Source.WALLET_STORE]),),
        Source.SECRET_KEY: (_words(words.SECRET_MEMBERS | words.KEY_TAKERS | words.KEY_MAKERS),),
        Source.CLIPBOARD: (
            _patterns(r"\breadText\b", r"clipboard[^\w\n]{1,4}read\b", r"clipboardData[^\w\n]{1,4}getData")
            + _built("readText", "clipboardData")
            + _modules(("clipboardy",))
            + _texts(words.CLIPBOARD_COMMANDS),
        ),
        Source.FORM_INPUT: (
            _words(
                (*words.ELEMENT_FINDERS, "FormData", "addEventListener", "onkeydown", "onkeypress", "oninput")
            ),
            _patterns(rf"\.value{_MEMBER}", r"[\"'`]value[\"'`]", r"\bFormData\b", r"\bkey(down|up|press)\b")
            + _patterns(r"\bonkey", r"[{,]\s*value\b")
            + _built("value"),
        ),
        Source.COOKIES: (
            _patterns(r"\bdocument\b[^\w\n]{1,8}cookie\b", r"\bcookie\s*\}")
            + _built("cookie")
            + _words(("localStorage", "sessionStorage", "cookieStore"))
            + _patterns(r"(chrome|browser)[^\w\n]{1,6}cookies\b"),
        ),
        Source.HOST_INFO: (_HOST,),
        Source.FILE: (_FILE_SYSTEM, _words(words.READERS)),
        Source.DIRECTORY: (
            _FILE_SYSTEM,
            _words(words.LISTERS - {"sync", "glob"}) + _modules(("glob", "fast-glob")),
        ),
        Source.NETWORK: (_NETWORK,),
        Source.DECODED: (tuple(dict.fromkeys(_DECODERS.values())),),
        Source.COMMAND_OUTPUT: (_COMMANDS,),
        Source.NPM_TOKEN: (_texts((*words.NPM_TOKENS, words.TOKEN_FIELD)),),
        Source.EMBEDDED: (),
    }
)
_SINK_MARKS: Mapping[Sink, Marks] = MappingProxyType(
    {
        Sink.NETWORK: (
            _NETWORK
            + _patterns(r"createElement\(\s*[\"'`](img|script|iframe|link)\b", r"\blocation(\.href)?\s*=[^=]"),
        ),
        Sink.DNS: (_modules(("dns", "dns/promises")),),
        Sink.EVALUATE: (_EVALUATES,),
        Sink.COMMAND: (_COMMANDS,),
        Sink.FILE: (_WRITES,),
        Sink.RUN_FILE: (_WRITES, _COMMANDS + _LOADS + _words(("require", "import"))),
        Sink.REQUIRE: (_LOADS,),
        Sink.CLIPBOARD: (_words(words.CLIPBOARD_WRITES),),
        Sink.PAGE: (
            _built(*sorted(words.PAGE_MEMBERS))
            + _patterns(rf"\b({'|'.join(sorted(words.PAGE_MEMBERS))})[\"'`]?\s*\]?\s*\+?=[^=]")
            + _words(words.PAGE_CALLS),
        ),
        Sink.WORKFLOW: (_texts(("workflows",)),),
        Sink.SHELL_PROFILE: (_rarest(words.PROFILE_PLACES),),
    }
)
