"""Structural patterns of code that survive renaming and minifying.

======================= ==============================================================================
``wraps-original``      a member is given a function that calls what the member was before
``rewrites-recipient``  a function changes who receives what one of its parameters describes
``edit-distance``       an edit distance of two texts is computed
``most-similar-choice`` of several candidates, the one is kept that compares best
``computed-eval``       text is run as code that could not be worked out
``undecodable``         code in code, more than is read, or strings that take more work to decode than is done
``string-array-decoder`` a function reads a table of strings that another keeps and hides
``control-flow-flattening`` the order of statements is kept in a text, or calls go through objects of functions
``self-defending``      a trap for those who format or debug the code
``character-code-soup`` code that is spelled with a few punctuation marks
``packed-code``         code that a function unpacks where it is evaluated
``deletes-own-file``, ``copies-own-file``, ``replaces-own-manifest``, ``deletes-home``: see
                        :mod:`npmguard.javascript.deletions`
``endless-loop-at-load`` a loop that nothing ends runs when the file is loaded
``long-delay``          a timer is set for hours
``corrupts-builtin``    a method that every program uses is replaced by one that leaves things to chance
``invisible-payload``   so many characters without a glyph that they carry something
``code-out-of-sight``   code behind a run of blanks that is wider than a window
``plants-address-in-…`` a wallet address in the code is put into a page, onto the clipboard or in a text's place
``redirects-recipient`` a function changes who receives it to a wallet address in the code
``pays-own-address``    a wallet address in the code is a transaction's recipient or spender
``called-on-load``      a function is called by the file itself when it is loaded
``unlimited-amount``    the greatest number that a token's amount can be
======================= ==============================================================================

Each is neutral: libraries have them by trade, but for unseen payloads and code out of sight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from npmguard.javascript.amounts import UnlimitedAmounts
from npmguard.javascript.builtins import BuiltinReplacements
from npmguard.javascript.delays import LongDelays
from npmguard.javascript.deletions import HomeDeletions, ManifestSwaps, OwnFileCopies, OwnFileDeletions
from npmguard.javascript.edit_distance import EditDistances
from npmguard.javascript.endless import EndlessLoops
from npmguard.javascript.invisible import Unseen
from npmguard.javascript.load_calls import LoadCalls
from npmguard.javascript.most_similar import Choices
from npmguard.javascript.obfuscation import Flattened, Packed, SelfDefence, Soups, StringTables, Undecoded
from npmguard.javascript.payees import Payees
from npmguard.javascript.planting import PlantingInClipboard, PlantingInPage, PlantingInText
from npmguard.javascript.program import Program
from npmguard.javascript.recipients import OwnRecipients, Recipients
from npmguard.javascript.sight import OutOfSight
from npmguard.javascript.tree import Place
from npmguard.javascript.wrapping import Hook, Wrapping

WRAPS_ORIGINAL = "wraps-original"
COMPUTED_EVAL = "computed-eval"
UNDECODABLE = "undecodable"


class _Search(Protocol):
    """A search for one shape."""

    def __init__(self, program: Program) -> None: ...

    def find(self) -> Iterator[Place]: ...


_SEARCHES: dict[str, type[_Search]] = {
    "rewrites-recipient": Recipients,
    "edit-distance": EditDistances,
    "most-similar-choice": Choices,
    "deletes-own-file": OwnFileDeletions,
    "copies-own-file": OwnFileCopies,
    "replaces-own-manifest": ManifestSwaps,
    "deletes-home": HomeDeletions,
    "endless-loop-at-load": EndlessLoops,
    "long-delay": LongDelays,
    "corrupts-builtin": BuiltinReplacements,
    "invisible-payload": Unseen,
    "code-out-of-sight": OutOfSight,
    "string-array-decoder": StringTables,
    "control-flow-flattening": Flattened,
    "self-defending": SelfDefence,
    "character-code-soup": Soups,
    "packed-code": Packed,
    UNDECODABLE: Undecoded,
    "plants-address-in-page": PlantingInPage,
    "plants-address-in-clipboard": PlantingInClipboard,
    "plants-address-in-text": PlantingInText,
    "redirects-recipient": OwnRecipients,
    "pays-own-address": Payees,
    "called-on-load": LoadCalls,
    "unlimited-amount": UnlimitedAmounts,
}
SHAPES = frozenset({WRAPS_ORIGINAL, COMPUTED_EVAL, *_SEARCHES})
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
