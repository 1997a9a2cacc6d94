"""The part of a file that runs on behalf of one observation: what scope ``function`` means."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from npmguard.model import Fact, FileFacts

_FUNCTIONS = 150  # the nearest ones: in a bundle, names tie most functions to most others in the end
_REGISTRY_FUNCTIONS = 64  # an initialiser around the start itself with more is a bundle's module registry


@dataclass(frozen=True, slots=True)
class Region:
    """Some functions of a file, with what is inside them, and the byte ranges of initialisers they refer to."""

    functions: frozenset[int]
    ranges: tuple[tuple[int, int], ...]


class Reachability:
    """Regions of one file; ``spans`` is :attr:`FileFacts.functions`."""

    def __init__(self, facts: FileFacts) -> None:
        self._spans = facts.functions
        self._children: dict[int, list[int]] = {}
        for index, span in enumerate(self._spans):
            if index:
                self._children.setdefault(span.parent, []).append(index)
        self._by_start = sorted(range(1, len(self._spans)), key=lambda index: self._spans[index].start)
        self._starts = [self._spans[index].start for index in self._by_start]
        self._known: dict[tuple[int, ...], Region] = {}

    def starts(self, fact: Fact) -> tuple[int, ...]:
        """The functions that an observation hands control to.

        That is the function that is written, else the functions that stand inside the observed expression
        (a handler, the traps of a proxy), else the function around it.
        """
        if fact.target is not None:
            return (fact.target,)
        inside = self._inside(*fact.place)
        outermost = tuple(index for index in inside if self._spans[index].parent not in inside)
        return outermost or (fact.function,)

    def region(self, starts: tuple[int, ...]) -> Region:
        """What *starts* reach: functions inside them, called or named by them, and what those refer to.

        Breadth first and bounded by number, so that the nearest functions are in it. An initialiser is
        followed into the functions that it holds, unless it is the table of all modules of a bundle.
        """
        known = self._known.get(starts)
        if known is None:
            known = self._known[starts] = self._grow(starts)
        return known

    def _grow(self, starts: tuple[int, ...]) -> Region:
        queue = list(starts)
        functions = set(starts)
        ranges: dict[tuple[int, int], None] = {}
        position = 0
        while position < len(queue) and len(functions) < _FUNCTIONS:
            index = queue[position]
            position += 1
            span = self._spans[index]
            following = [*self._children.get(index, ()), *span.reaches]
            for area in span.refers:
                if area not in ranges:
                    inside = self._inside(*area)
                    if len(inside) > _REGISTRY_FUNCTIONS and any(
                        area[0] <= self._spans[start].start < area[1] for start in starts
                    ):
                        continue
                    ranges[area] = None
                    following.extend(inside)
            for each in following:
                if each not in functions:
                    functions.add(each)
                    queue.append(each)
        return Region(frozenset(functions), tuple(ranges))

    def _inside(self, start: int, end: int) -> list[int]:
        """Functions within the byte range, in source order."""
        low, high = bisect_left(self._starts, start), bisect_right(self._starts, end)
        return [index for index in self._by_start[low:high] if self._spans[index].end <= end]
