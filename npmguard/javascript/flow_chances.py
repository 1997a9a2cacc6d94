"""Which sources of flows a program can have at all, judged by the words in it before any value is followed.

A source is known by names. A name stands in the text in the clear, or spelled with escapes, or is a constant
that the program works out; a source none of whose names is there in any of these forms is not there. The words
of comments count too: this tells what is impossible, not what is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from npmguard.javascript import flow_words as words
from npmguard.javascript.bindings import FUNCTIONS
from npmguard.javascript.callsites import arguments
from npmguard.javascript.flow_names import (
    COMMANDS,
    DECODING_STREAMS,
    GLOBAL_CALLS,
    GLOBAL_CLIENTS,
    GLOBAL_READERS,
    GLOBAL_WRITERS,
    RESPONSE_MEMBERS,
)
from npmguard.javascript.flow_words import Sink, Source, flow_of
from npmguard.javascript.interest import Interest
from npmguard.javascript.relevance import Relevance
from npmguard.javascript.values import unescape_literal

if TYPE_CHECKING:
    from npmguard.javascript.program import Program

_Needed = tuple[frozenset[bytes], ...]
"""Sets of words, all of which must be there."""

_NO_WORD = bytes(byte if byte < 0x80 and (chr(byte).isalnum() or byte in b"_$") else 32 for byte in range(256))
_WORD = re.compile(r"[\w$]+", re.ASCII)
_NAMING = frozenset(
    {
        *("get", "eval", "Function", "constructor", "require", "import", "_load", "from", "Buffer"),
        *("call", "apply", "bind", "on", "once", "addListener", "prependListener"),
        *("addEventListener", "subscribe", "forAwait"),
    }
)
"""Functions whose first arguments may be names, or events."""

_INTEREST = Interest(calls=_NAMING)
_NAMING_WORDS = frozenset(name.encode() for name in _NAMING)

_PLAIN = FUNCTIONS | {"string", "number", "object", "array", "regex", "true", "false", "null", "this"}


def _all_words(*names: str) -> frozenset[bytes]:
    return frozenset(part.encode() for name in names for part in _WORD.findall(name))


def _either(names: Iterable[str], *more: str) -> _Needed:
    """One of some dotted names, and of *more* all words."""
    return tuple(_all_words(name, *more) for name in sorted(names))


def _both(modules: Iterable[str], functions: Iterable[str]) -> _Needed:
    called = sorted(functions)
    return tuple(_all_words(module, function) for module in sorted(modules) for function in called)


_ENVIRONMENT = _either(words.ENVIRONMENTS)
_READS = (
    *_both(words.FILE_MODULES, words.READERS | {"open", "openSync", "copyFile", "copyFileSync"}),
    *_either(GLOBAL_READERS),
)
_COMMAND = (
    *_both(words.COMMAND_MODULES, COMMANDS),
    *_either({"execa", "cross-spawn"}),
    *_either({"Bun.spawn", "Bun.spawnSync", "Deno.run", "Deno.Command"}),
)
_WRITES = (*_both(words.FILE_MODULES, words.FILE_WRITERS), *_either(GLOBAL_WRITERS))
_CLIPBOARD = b"clipboard"  # in whatever word
_NEEDED: dict[Source, _Needed] = {
    Source.ENVIRONMENT: _ENVIRONMENT,
    Source.ENVIRONMENT_SECRET: _ENVIRONMENT,
    Source.NPM_TOKEN: (*_ENVIRONMENT, _all_words(words.TOKEN_FIELD)),
    Source.HOST_INFO: (*_ENVIRONMENT, *_either(words.HOST_CALLS), *_COMMAND),
    Source.CREDENTIAL_FILE: _READS,
    Source.BROWSER_PROFILE: _READS,
    Source.WALLET_STORE: _READS,
    Source.FILE: _READS,
    Source.DIRECTORY: _both(words.FILE_MODULES, words.LISTERS),
    Source.SECRET_KEY: _either(words.SECRET_MEMBERS | words.KEY_TAKERS | words.KEY_MAKERS),
    Source.CLIPBOARD: _COMMAND,
    Source.FORM_INPUT: _either(
        words.ELEMENT_FINDERS | words.KEY_EVENTS | {f"on{name}" for name in words.KEY_EVENTS} | {"FormData"}
    ),
    Source.COOKIES: _either(words.COOKIE_READS),
    Source.COMMAND_OUTPUT: _COMMAND,
    Source.NETWORK: _either(words.NETWORK_MODULES | GLOBAL_CALLS | GLOBAL_CLIENTS | RESPONSE_MEMBERS),
    Source.DECODED: (
        *_either(words.DECODERS | DECODING_STREAMS | {"String.fromCharCode", "String.fromCodePoint"}),
        *_either(words.BYTE_ENCODINGS, "Buffer"),
    ),
    Source.EMBEDDED: (frozenset(),),
}


class Chances:
    """What the flows of one program can begin with, and whether it can write files."""

    def __init__(self, program: Program) -> None:
        """Look at *program*, all constant strings of which have been worked out where they are spelled."""
        text = program.text
        known, extra = set(text.translate(_NO_WORD).split()), b""
        if b"\\" in text:
            extra = unescape_literal(text).encode("utf-8", "replace")
        _work_out_names(program)
        built = program.constants.built_texts()
        extra = b"\n".join([extra, *(each.encode("utf-8", "replace") for each in built)])
        known.update(extra.translate(_NO_WORD).split())
        found = {source for source, needed in _NEEDED.items() if _are_there(needed, known)}
        if _CLIPBOARD in text or _CLIPBOARD in extra:
            found.add(Source.CLIPBOARD)
        if program.index.operations("^"):
            found.add(Source.DECODED)
        self.sources = frozenset(Source if program.late else found)
        self._writes = _are_there(_WRITES, known)

    def of(self, wanted: Iterable[str]) -> frozenset[str]:
        """Those of some names of flows that are possible where only this program has to do with them."""
        flows = {name: flow_of(name) for name in wanted}
        return frozenset(
            name
            for name, (source, sink) in flows.items()
            if source in self.sources and (sink is not Sink.RUN_FILE or self._writes)
        )


def _are_there(needed: _Needed, known: set[bytes]) -> bool:
    return any(each <= known for each in needed)


def _work_out_names(program: Program) -> None:
    """Work out what names may be computed from where that has not been asked for yet."""
    index, constants = program.index, program.constants
    for node in program.in_time(index.of("subscript")):
        constants.property_name(node)
    for node in program.in_time(index.of("function")):
        name = node.child_by_field_name("name") if node.type == "method_definition" else None
        if name is not None and name.type == "computed_property_name":
            constants.key(name)
    for key, _value, _kind, plain in program.in_time(index.pairs):
        if plain is None:
            constants.key(key)
    for binding in program.in_time(program.scopes.bindings):
        for definition in binding.definitions:
            for step in definition.path:
                if step is not None and not isinstance(step, (str, int)):
                    constants.step(step)
    relevance = Relevance(program, _INTEREST)
    calls = [call for call, _callee, _kind in relevance.likely_calls(_NAMING_WORDS)]
    for call in program.in_time([*calls, *index.of("new")]):
        for argument in arguments(call)[:2]:
            if argument.type not in _PLAIN:
                constants.text(argument)
