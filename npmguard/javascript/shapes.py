"""Structural patterns of code that survive renaming and minifying.

======================= ==============================================================================
``wraps-original``      a member is given a function that calls what the member was before
``rewrites-recipient``  a function changes who receives what one of its parameters describes
``edit-distance``       an edit distance of two texts is computed
``most-similar-choice`` of several candidates, the one is kept that compares best
``computed-eval``       text is run as code that could not be worked out
``undecodable``         code in code, more than is read
======================= ==============================================================================

Each is neutral: libraries have them by trade.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from npmguard.javascript.edit_distance import EditDistances
from npmguard.javascript.most_similar import Choices
from npmguard.javascript.program import Program
from npmguard.javascript.recipients import Recipients
from npmguard.javascript.tree import Place
from npmguard.javascript.wrapping import Hook, Wrapping

WRAPS_ORIGINAL = "wraps-original"
COMPUTED_EVAL = "computed-eval"
UNDECODABLE = "undecodable"

_SEARCHES: dict[str, type[Recipients | EditDistances | Choices]] = {
    "rewrites-recipient": Recipients,
    "edit-distance": EditDistances,
    "most-similar-choice": Choices,
}
SHAPES = frozenset({WRAPS_ORIGINAL, COMPUTED_EVAL, UNDECODABLE, *_SEARCHES})
"""The names of all shapes that there are."""


def find_shapes(
    program: Program, wrapping: Wrapping | None, hooks: Sequence[Hook], wanted: frozenset[str] | None
) -> Iterator[tuple[str, Place]]:
    """The shapes of *program* whose names are wanted (None: all); *wrapping* judges *hooks* if it is there."""
    if wrapping is not None:
        for place in wrapping.find(hooks):
            yield WRAPS_ORIGINAL, place
    for name, search in _SEARCHES.items():
        if wanted is None or name in wanted:
            for place in search(program).find():
                yield name, place
