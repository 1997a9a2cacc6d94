"""Facts of a file that is too large to be parsed as a whole, drawn from parts of it.

The parts overlap, so that a function that one of them cuts is whole in the next, and are cut between
statements where there is such a place. What stands further apart than a part is long is not seen together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from npmguard.config import Limits
from npmguard.javascript.facts import extract_facts
from npmguard.javascript.interest import Interest
from npmguard.javascript.own_files import PackageFiles
from npmguard.javascript.syntax import source_text
from npmguard.model import Fact, FileFacts, FunctionSpan, Layer

PART = 1024**2  # bytes of a part
OVERLAP = 64 * 1024  # bytes that it shares with the next

Part = tuple[int, bytes]
"""Where a part starts, and its bytes."""


def parts_of(text: bytes, size: int = PART, overlap: int = OVERLAP) -> Iterator[Part]:
    """Cut a text into parts of about *size* bytes; the last bytes of each are the first of the next."""
    start = 0
    while len(text) - start > size:
        end = _cut(text, start + size, overlap // 2)
        yield start, text[start:end]
        start = max(_cut(text, end - overlap // 2, overlap // 2), start + 1)
    yield start, text[start:]


def extract_from_parts(
    path: str,
    source: bytes,
    limits: Limits,
    interest: Interest | None,
    choose: Callable[[Sequence[Part]], Sequence[Part]],
    files: PackageFiles | None = None,
    *,
    size: int = PART,
) -> FileFacts:
    """Draw facts from those parts, of *size* bytes, of the source file at *path* that *choose* picks.

    At most ``source_bytes`` of *limits* are parsed. The file is ``unread``, and ``problem`` says how much of it
    was looked at.
    """
    text = source_text(source)
    size = max(min(size, limits.source_bytes), 1)
    parts = list(parts_of(text, size, min(OVERLAP, size // 4)))
    chosen = choose(parts)
    merged = _Merged(path, text)
    left = limits.source_bytes
    late = 0
    for start, part in chosen:
        if len(part) > left:
            late += 1
            continue
        left -= len(part)
        merged.add(start, part, extract_facts(path, part, limits, interest, files))
    said = f"{len(chosen) - late} of its {len(parts)} parts were read"
    if late:
        said += f", {late} more looked worth it"
    return merged.facts(f"larger than source-bytes ({len(source)} > {limits.source_bytes} bytes): {said}")


class _Merged:
    """The facts of parts, numbered as those of the file."""

    def __init__(self, path: str, text: bytes) -> None:
        self._path = path
        self._text = text
        self._facts: dict[tuple[object, ...], Fact] = {}
        self._functions = [FunctionSpan(0, len(text), -1)]
        self._layers: list[Layer] = []
        self._end = len(text) + 1
        self._lines = [0]
        position = text.find(b"\n")
        while position >= 0:
            self._lines.append(position + 1)
            position = text.find(b"\n", position + 1)

    def add(self, start: int, part: bytes, found: FileFacts) -> None:
        size, end, first = len(part), self._end, len(self._functions) - 1

        def moved(offset: int) -> int:
            return offset + start if offset <= size else offset - size + end

        def renumbered(function: int) -> int:
            return first + function if function else 0

        lines = bisect_left(self._lines, start + 1) - 1
        column = len(self._text[self._lines[lines] : start].decode("utf-8", "replace"))
        for fact in found.facts:
            new = replace(
                fact,
                line=fact.line + lines,
                column=fact.column + (column if fact.line == 1 else 0),
                start=moved(fact.start),
                end=moved(fact.end),
                function=renumbered(fact.function),
                target=None if fact.target is None else renumbered(fact.target),
                inside=None if fact.inside is None else (moved(fact.inside[0]), moved(fact.inside[1])),
            )
            key = (new.start, new.end, new.kind, new.name, new.value, new.args, fact.inside and fact.inside[0])
            self._facts.setdefault(key, new)
        for span in found.functions[1:]:
            self._functions.append(
                FunctionSpan(
                    moved(span.start),
                    moved(span.end),
                    renumbered(span.parent),
                    tuple(renumbered(each) for each in span.reaches),
                    tuple((moved(low), moved(high)) for low, high in span.refers),
                )
            )
        reached = tuple(renumbered(each) for each in found.functions[0].reaches)
        self._functions[0] = replace(self._functions[0], reaches=(*self._functions[0].reaches, *reached))
        self._layers.extend(Layer(moved(layer.base), layer.text) for layer in found.layers)
        if found.layers:
            last = found.layers[-1]
            self._end = moved(last.base + len(last.text)) + 2

    def facts(self, problem: str) -> FileFacts:
        facts = sorted(
            self._facts.values(), key=lambda fact: (fact.start, fact.place, fact.kind.value, fact.name)
        )
        return FileFacts(
            self._path,
            tuple(facts),
            tuple(self._functions),
            partial=True,
            problem=problem,
            unread=True,
            layers=tuple(self._layers),
        )


def _cut(text: bytes, end: int, reach: int) -> int:
    """A place to cut at: after the last line before *end*, or the last statement, or there."""
    for mark in (b"\n", b"};", b";", b"}", b","):
        at = text.rfind(mark, max(end - reach, 0), end)
        if at >= 0:
            return at + len(mark)
    return end
