"""Conditions of "all of" and "any of" over names, asked for together.

Nothing is negated, so what holds is found from the names that hold upwards: what none of them leads to is not
looked at. Of thousands of conditions, a small file has a few dozen looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

Condition = int
"""A condition of one circuit."""

TRUE: Final[Condition] = -1
FALSE: Final[Condition] = -2


class Circuit:
    """Conditions, each made once; :meth:`holding` says which of those with a label hold."""

    def __init__(self) -> None:
        self._known: dict[tuple[bool, frozenset[Condition]] | str, Condition] = {}
        self._least: list[int] = []  # how many of its parts a condition needs
        self._wholes: list[list[Condition]] = []  # the conditions that it is a part of
        self._labels: dict[Condition, list[str]] = {}
        self._always: list[str] = []

    def name(self, name: str) -> Condition:
        """The condition that *name* holds."""
        return self._new(name, 1, ())

    def all_of(self, conditions: Iterable[Condition]) -> Condition:
        """The condition that each of *conditions* holds; TRUE of none."""
        parts = {each for each in conditions if each != TRUE}
        if FALSE in parts:
            return FALSE
        if len(parts) < 2:
            return next(iter(parts), TRUE)
        return self._new((True, frozenset(parts)), len(parts), sorted(parts))

    def any_of(self, conditions: Iterable[Condition]) -> Condition:
        """The condition that one of *conditions* holds; FALSE of none."""
        parts = {each for each in conditions if each != FALSE}
        if TRUE in parts:
            return TRUE
        if len(parts) < 2:
            return next(iter(parts), FALSE)
        return self._new((False, frozenset(parts)), 1, sorted(parts))

    def label(self, label: str, condition: Condition) -> None:
        """Have *condition* told as *label*."""
        if condition == TRUE:
            self._always.append(label)
        elif condition != FALSE:
            self._labels.setdefault(condition, []).append(label)

    def holding(self, names: Collection[str]) -> list[str]:
        """The labels of the conditions that hold where *names* do, and no others."""
        known, wholes, least, labels = self._known, self._wholes, self._least, self._labels
        found = list(self._always)
        holds = [at for at in map(known.get, names) if at is not None]
        counts: dict[Condition, int] = {}
        for at in holds:  # grows while it is walked
            if at in labels:
                found += labels[at]
            for whole in wholes[at]:
                count = counts.get(whole, 0) + 1
                counts[whole] = count
                if count == least[whole]:
                    holds.append(whole)
        return found

    def _new(
        self, key: tuple[bool, frozenset[Condition]] | str, least: int, parts: Iterable[Condition]
    ) -> Condition:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = len(self._least)
            self._least.append(least)
            self._wholes.append([])
            for part in parts:
                self._wholes[part].append(known)
        return known
