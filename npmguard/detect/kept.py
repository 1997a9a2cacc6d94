"""What reading a package told, kept small, so that other rules can be asked without its bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from npmguard.model import Fact, FileFacts, FlowExports, FlowLink, Manifest

FORMAT: Final = "npmguard.facts/1"
NOT_KEPT: Final = b""
"""In the place of facts that are over the cap."""


class KeptFile(msgspec.Struct, frozen=True):
    """One file that was parsed.

    ``facts`` are those of :class:`~npmguard.model.FileFacts`, with the flows through several files among them.
    ``excerpts`` and ``decoded`` are what evidence shows of a place (start, end), ``hidden`` the words that the
    facts at these positions have and the source has not.
    """

    facts: FileFacts
    sha256: str
    excerpts: tuple[tuple[int, int, str], ...] = ()
    decoded: tuple[tuple[int, int, str | None], ...] = ()
    hidden: tuple[tuple[int, str], ...] = ()


class KeptCode(msgspec.Struct, frozen=True):
    """A package as its rules saw it.

    ``commands`` are what an installation runs besides package.json's scripts, as file and text; ``lines`` where
    scripts stand in package.json. ``installation`` and ``load`` are the ways to the files that run then,
    ``installed`` the files that rules with ``runs: install`` hold in. ``passed_over`` are the source files
    that no rule had parsed.
    """

    format: str
    files: tuple[KeptFile, ...]
    manifest: Manifest | None
    commands: tuple[tuple[str, str], ...]
    lines: dict[str, int]
    installation: dict[str, str]
    load: dict[str, str]
    installed: frozenset[str]
    passed_over: tuple[str, ...]


_DECODER = msgspec.msgpack.Decoder(KeptCode)


def pack(code: KeptCode, most: int) -> bytes:
    """The bytes to store; :data:`NOT_KEPT` where they are more than *most* before they are compressed."""
    try:
        content = msgspec.msgpack.encode(code)
    except UnicodeEncodeError:  # halves of characters, which JavaScript allows in strings
        files = tuple(msgspec.structs.replace(it, facts=_whole(it.facts)) for it in code.files)
        try:
            content = msgspec.msgpack.encode(msgspec.structs.replace(code, files=files))
        except UnicodeEncodeError:
            return NOT_KEPT
    return zlib.compress(content) if len(content) <= most else NOT_KEPT


def unpack(content: bytes, most: int) -> KeptCode | None:
    """What :func:`pack` stored; None where it is of another format, over the cap or damaged."""
    try:
        plain = zlib.decompressobj().decompress(content, most + 1)
        code = _DECODER.decode(plain) if len(plain) <= most else None
    except (zlib.error, msgspec.DecodeError):
        return None
    return code if code is not None and code.format == FORMAT else None


def places_of(facts: FileFacts) -> Iterable[tuple[int, int]]:
    """The places of a file that evidence may show."""
    sinks = (link.sink for link in facts.flows.links if link.sink is not None)
    return sorted({(fact.start, fact.end) for fact in (*facts.facts, *sinks)})


def hidden_words(file: KeptFile) -> Mapping[Fact, str]:
    """The hidden words of a file by the fact that has them."""
    facts = file.facts.facts
    return {facts[index]: word for index, word in file.hidden if 0 <= index < len(facts)}


def _whole(facts: FileFacts) -> FileFacts:
    links: Sequence[FlowLink] = [
        replace(
            link,
            detail=_text(link.detail),
            sink=_whole_fact(link.sink) if link.sink is not None else None,
        )
        for link in facts.flows.links
    ]
    return replace(
        facts,
        facts=tuple(map(_whole_fact, facts.facts)),
        flows=FlowExports(tuple(links), facts.flows.aliases),
    )


def _whole_fact(fact: Fact) -> Fact:
    name, args = _text(fact.name) or "", tuple(map(_text, fact.args))
    return replace(fact, name=name, value=_text(fact.value), args=args)


def _text(text: str | None) -> str | None:
    return text.encode("utf-8", "replace").decode() if text is not None else None
