"""Which of many byte patterns a file has, by one pass of Vectorscan.

A ruleset asks for some 2,700 patterns. Vectorscan makes automata of all of them together and reads a file once,
at a speed that hardly depends on how many there are or how common their bytes are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hyperscan

_SPELLED = re.compile(r"/(.*)/( nocase)?", re.DOTALL)


class Patterns:
    """Some patterns, spelled ``/…/`` or ``/…/ nocase`` in the syntax of PCRE, over bytes without look-around.

    ``names`` holds, by pattern, the name under which it is told that a file has it.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        """Take the patterns; they are compiled when the first file is looked at."""
        self.names = {pattern: f"pattern_{number}" for number, pattern in enumerate(dict.fromkeys(patterns))}

    def holding(self, content: bytes) -> set[str]:
        """The names of the patterns that *content* has."""
        found: list[int] = []
        self._database.scan(content, match_event_handler=lambda number, *_: found.append(number))
        return {f"pattern_{number}" for number in found}

    def compiled(self) -> bytes:
        """The compiled patterns, for :meth:`take` where the same ones are asked for on the same machine."""
        import hyperscan  # noqa: PLC0415 - a warm scan reads no package

        return hyperscan.dumpb(self._database)

    def take(self, compiled: bytes) -> bool:
        """Use what was compiled before; False, and nothing is changed, where Vectorscan refuses it.

        The bytes are believed, see :meth:`npmguard.detect.prefilter.Prefilter.take`. Those that were made for
        a processor with more abilities than this one has are refused.
        """
        import hyperscan  # noqa: PLC0415 - as above

        try:
            database = hyperscan.loadb(compiled, hyperscan.HS_MODE_BLOCK)
            database.scratch = hyperscan.Scratch(database)
        except hyperscan.error:
            return False
        self._database = database
        return True

    @cached_property
    def _database(self) -> hyperscan.Database:
        import hyperscan  # noqa: PLC0415 - as above

        told_once = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY
        expressions, flags = [], []
        for pattern in self.names:
            spelled = _SPELLED.fullmatch(pattern)
            if spelled is None:
                raise ValueError(f"{pattern!r} is not spelled as a pattern; write it between slashes")
            expressions.append(spelled[1].encode())
            flags.append(told_once | (hyperscan.HS_FLAG_CASELESS if spelled[2] else 0))
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(
            expressions=expressions, ids=range(len(expressions)), elements=len(expressions), flags=flags
        )
        database.scratch = hyperscan.Scratch(database)
        return database
