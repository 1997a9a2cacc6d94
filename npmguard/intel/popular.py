"""Which popular package a name imitates, if any.

``rules/names/popular.json`` holds the names that are downloaded most, with their source and date. The distance
is that of Damerau and Levenshtein in its restricted form (optimal string alignment), by :mod:`rapidfuzz`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Final, Literal

import msgspec

from npmguard.errors import RuleError
from npmguard.shipped import shipped_folder

_LONGEST = 214  # of npm's names
_TYPO_LENGTH = 5  # from here on, one edit away reads the same
_FAR_TYPO_LENGTH = 11  # from here on, two edits do
_KNOWN_TO_ALL = 3000  # a short name is near to many: only those that everybody knows are imitated
_SHORT = 7
_SHORTEST_WORD = 4  # of several, that may be mistyped
_SAME_TO_THE_EYE = str.maketrans({"0": "o", "1": "l", "3": "e", "5": "s", "$": "s", "|": "l", "!": "i"})
_SAME_TO_THE_EYE_TOGETHER = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_SEPARATORS = re.compile(r"[-_.@/]+")
_AFFIXES: Final = frozenset(
    {
        *("js", "node", "nodejs", "npm", "ts", "es", "esm", "cjs", "types", "lib", "core", "cli", "api", "sdk"),
        *(
            "official",
            "latest",
            "next",
            "new",
            "plain",
            "pure",
            "native",
            "easy",
            "simple",
            "fast",
            "pro",
            "plus",
        ),
        *("util", "utils", "helper", "tool", "tools", "pkg", "package", "module", "client", "web", "browser"),
    }
)


class Likeness(StrEnum):
    """How a name is like another."""

    SEPARATORS = "separators"  # the same letters, parted otherwise (a scope among them)
    HOMOGLYPHS = "homoglyphs"  # other characters that look the same
    TYPO = "typo"  # one or two letters
    WORDS = "words"  # the same words in another order
    AFFIX = "affix"  # with a word more or less that says nothing


@dataclass(frozen=True, slots=True)
class Imitation:
    """``name`` is the popular package that is imitated.

    ``strong``: a reader takes one for the other. Honest packages bear such names by accident too.
    """

    name: str
    likeness: Likeness

    @property
    def strong(self) -> bool:
        """Whether the names differ in nothing that a reader would notice."""
        return self.likeness is not Likeness.AFFIX


class _Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    package: str
    version: str
    list: str
    date: str
    license: str
    url: str
    meaning: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal["npmguard.popular-names/1"]
    source: _Source
    names: tuple[str, ...]


class PopularNames:
    """The names that are worth imitating, the best known first."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._ranks = {name: rank for rank, name in reversed(list(enumerate(names)))}

    def __contains__(self, name: str) -> bool:
        return name in self._ranks

    def imitated_by(self, name: str) -> Imitation | None:
        """The best known package that *name* could be taken for; None for names that are popular themselves.

        A scoped name imitates nothing in its own scope, where only its owners publish.
        """
        if name in self._ranks or len(name) > _LONGEST:
            return None
        for likeness, found in self._candidates(name.lower()):
            best = min(
                (it for it in found if not _same_scope(it, name) and it != name),
                key=self._ranks.__getitem__,
                default=None,
            )
            if best is not None:
                return Imitation(best, likeness)
        return None

    def _candidates(self, name: str) -> Iterator[tuple[Likeness, list[str]]]:
        """What is like *name*, the closest likeness first."""
        yield Likeness.SEPARATORS, self._by_letters.get(_letters(name), [])
        yield Likeness.HOMOGLYPHS, self._by_look.get(_look(name), [])
        yield Likeness.TYPO, self._within_a_typo(name)
        if not name.startswith("@"):
            words = _words(name)
            if len(words) > 1:
                yield Likeness.WORDS, self._by_words.get(tuple(sorted(words)), [])
            core = _core(words)
            joined = "".join(core)
            alike = self._by_letters.get(joined, []) if len(joined) >= _TYPO_LENGTH else []
            yield Likeness.AFFIX, [*self._by_core.get(core, []), *alike]

    def _within_a_typo(self, name: str) -> list[str]:
        from rapidfuzz import process  # noqa: PLC0415 - few packages are asked about
        from rapidfuzz.distance import OSA  # noqa: PLC0415

        if len(_letters(name)) < _TYPO_LENGTH:
            return []
        most = 2 if len(name) >= _FAR_TYPO_LENGTH else 1
        near = process.extract_iter(name, self.names, scorer=OSA.distance, score_cutoff=most)
        return [
            other
            for other, distance, rank in near
            if len(other) >= (_FAR_TYPO_LENGTH if distance > 1 else _TYPO_LENGTH)
            and (len(other) > _SHORT or rank < _KNOWN_TO_ALL)
            and _reads_alike(name, other)
        ]

    @cached_property
    def _by_letters(self) -> dict[str, list[str]]:
        return self._by(_letters)

    @cached_property
    def _by_look(self) -> dict[str, list[str]]:
        return self._by(_look)

    @cached_property
    def _by_words(self) -> dict[tuple[str, ...], list[str]]:
        found: dict[tuple[str, ...], list[str]] = {}
        for name in self.names:
            words = _words(name)
            if len(words) > 1 and not name.startswith("@"):
                found.setdefault(tuple(sorted(words)), []).append(name)
        return found

    @cached_property
    def _by_core(self) -> dict[tuple[str, ...], list[str]]:
        found: dict[tuple[str, ...], list[str]] = {}
        for name in self.names[:_KNOWN_TO_ALL]:
            if not name.startswith("@") and len(name) > 2:
                found.setdefault(_core(_words(name)), []).append(name)
        return found

    def _by(self, key: Callable[[str], str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault(key(name), []).append(name)
        return found


@cache
def load_popular(path: Path | None = None) -> PopularNames:
    """Read the names that ship with npmguard, or another file of their format.

    Raises:
        RuleError: it is missing or does not keep the format.
    """
    return PopularNames(_read(path).names)


def popular_source() -> tuple[str, str]:
    """The package and version, and the date, of the list that ships.

    Raises:
        RuleError: as :func:`load_popular`.
    """
    source = _read(None).source
    return f"{source.package}@{source.version}", source.date


def _read(path: Path | None) -> _File:
    path = path if path is not None else shipped_folder() / "names" / "popular.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise RuleError(f"{path}: cannot be read: {error.strerror}; install npmguard anew") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}: {error}") from error


# --- names ---


def _letters(name: str) -> str:
    return _SEPARATORS.sub("", name)


def _look(name: str) -> str:
    """What the name looks like at a glance."""
    seen = _letters(name).translate(_SAME_TO_THE_EYE)
    for written, read in _SAME_TO_THE_EYE_TOGETHER:
        seen = seen.replace(written, read)
    return seen


def _words(name: str) -> tuple[str, ...]:
    return tuple(word for word in _SEPARATORS.split(name) if word)


def _core(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without those that say nothing; all of them where nothing is left."""
    return tuple(word for word in words if word not in _AFFIXES) or words


def _same_scope(one: str, other: str) -> bool:
    return one.startswith("@") and one.partition("/")[0] == other.partition("/")[0]


def _reads_alike(one: str, other: str) -> bool:
    """Whether names that are near by their letters are so by their words.

    Two of a series (``es5-ext`` and ``es6-ext``) are not, nor two whose short words differ (``lodash.map`` and
    ``lodash.max``).
    """
    if re.sub(r"\d+", "", one) == re.sub(r"\d+", "", other):
        return False
    pairs = list(zip(_words(one), _words(other), strict=False))
    if len(_words(one)) != len(_words(other)):
        return True
    differing = [(a, b) for a, b in pairs if a != b]
    return all(min(len(a), len(b)) >= _SHORTEST_WORD or _is_plural(a, b) for a, b in differing)


def _is_plural(one: str, other: str) -> bool:
    return one == f"{other}s" or other == f"{one}s"
