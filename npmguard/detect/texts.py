"""Which clauses about texts may hold for one text."""

from __future__ import annotations

from collections.abc import Sequence

from npmguard.detect.clause import Clause

_SHORTEST_ADDRESS = 26


class Texts:
    """The clauses of one kind, parted by what a text has to be before one of them can be true.

    Most texts that are drawn are in a list: one look-up finds whose.
    """

    def __init__(self, clauses: Sequence[Clause]) -> None:
        self._exact: dict[str, list[Clause]] = {}
        self._worded: list[tuple[Clause, tuple[str, ...]]] = []
        self._addresses: list[Clause] = []
        self._open: list[Clause] = []
        for clause in clauses:
            test = clause.value
            if test is None:
                continue
            if test.equals:
                for text in test.equals:
                    self._exact.setdefault(text, []).append(clause)
            elif test.contains:
                self._worded.append((clause, test.contains))
            elif test.address:
                self._addresses.append(clause)
            else:
                self._open.append(clause)

    def asked_of(self, text: str) -> Sequence[Clause]:
        """The clauses that may hold for *text*; each of the others does not."""
        asked = [*self._open, *self._exact.get(text, ())]
        if len(text) >= _SHORTEST_ADDRESS:
            asked += self._addresses
        asked += (clause for clause, words in self._worded if any(word in text for word in words))
        return asked
