"""What makes one finding weigh more or less than another of its rule."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from npmguard.detect.match import MANIFEST, FileSightings, Hit
from npmguard.detect.reach import Reach
from npmguard.model import Circumstance, Context, Fact, FactKind, FileFacts, Finding, PackageArchive, Severity
from npmguard.package.manifest import INSTALL_SCRIPTS

#: After how long a release that changed nothing of what was found is no news: others have read it by then.
SETTLED_AFTER: Final = timedelta(days=2 * 365)

#: Shapes of code whose only use is that nobody can read it, with the words for them.
HIDING_SHAPES: Final[Mapping[str, str]] = {
    "string-array-decoder": "its strings stand encoded in a table",
    "packed-code": "its code is packed into a string",
    "invisible-payload": "it holds a text of characters that cannot be seen",
    "code-out-of-sight": "its code stands far to the right of what an editor shows",
    "character-code-soup": "its code is spelled with a handful of punctuation marks",
    "self-defending": "it breaks when somebody makes it readable",
}

_ORDER = list(Context)
_WORD = re.compile(r"[A-Za-z0-9_$]{4,}")
_PARTS = re.compile(r"[_$]+|(?<=[a-z])(?=[A-Z])")
_SHOWN = 60


class Ways(Protocol):
    """The ways to the files that run by themselves, see :class:`npmguard.detect.reach.Reach`."""

    @property
    def installation(self) -> Mapping[str, str]:
        """Files that run at installation."""

    @property
    def load(self) -> Mapping[str, str]:
        """Files that run when the package is loaded."""


class Circumstances:
    """Says of the findings in one package what is known of their places.

    *ways* are known already where the archive's bytes are gone.
    """

    def __init__(
        self,
        archive: PackageArchive,
        at_installation: Mapping[str, str],
        read: Iterable[FileSightings] = (),
        installed: Iterable[str] = (),
        ways: Ways | None = None,
    ) -> None:
        self._archive = archive
        self._read = {each.path: each for each in read}
        imports = {path: it.imports() for path, it in self._read.items()}
        self._reach: Ways = ways or Reach(archive, at_installation, imports, installed)
        self._lowered: dict[str, bytes] = {}

    def of(self, hits: Sequence[Hit], *, added: bool | None) -> tuple[Circumstance, ...]:
        """The circumstances of a finding that was seen at *hits*."""
        found: list[Circumstance] = []
        if added:
            found.append(Circumstance(Context.NEW))
        at_installation = self._at_installation(hits)
        if at_installation is not None:
            found.append(Circumstance(Context.INSTALL, at_installation))
        on_load = next((way for hit in hits if (way := self._reach.load.get(hit.file)) is not None), None)
        if on_load is not None:
            found.append(Circumstance(Context.LOAD, on_load))
        hidden = next(self._hidings(hits), None)
        if hidden is not None:
            found.append(Circumstance(Context.HIDDEN, hidden))
        return tuple(found)

    def ways_at_installation(self, paths: Collection[str]) -> dict[str, str]:
        """The ways by which an installation runs those of *paths* that it runs."""
        ways = self._reach.installation
        return {path: ways[path] for path in sorted(paths) if path in ways}

    def ways_on_load(self, paths: Collection[str]) -> dict[str, str]:
        """The ways by which those of *paths* run that run when the package is loaded."""
        ways = self._reach.load
        return {path: ways[path] for path in sorted(paths) if path in ways}

    def hidden_in(self, facts: FileFacts) -> tuple[tuple[int, str], ...]:
        """The facts of a file, by position, with a word of theirs that its source does not spell."""
        words = ((index, self._hidden_word(facts.path, fact)) for index, fact in enumerate(facts.facts))
        return tuple((index, word) for index, word in words if word is not None)

    def _at_installation(self, hits: Sequence[Hit]) -> str | None:
        for hit in hits:
            if hit.fact is None and hit.file == MANIFEST:
                name = hit.text.partition(": ")[0]
                if name in INSTALL_SCRIPTS:
                    return f"scripts.{name}"
            elif (way := self._reach.installation.get(hit.file)) is not None:
                return way
        return None

    def _hidings(self, hits: Sequence[Hit]) -> Iterator[str]:
        for hit in hits:
            if hit.fact is not None:
                word = self._hidden_word(hit.file, hit.fact)
                if word is not None:
                    yield f"{word!r} stands nowhere in {hit.file}"
        for path in dict.fromkeys(hit.file for hit in hits):
            shapes = self._read[path].shapes if path in self._read else frozenset()
            for shape, meaning in HIDING_SHAPES.items():
                if shape in shapes:
                    yield f"{path}: {meaning}"

    def _hidden_word(self, path: str, fact: Fact) -> str | None:
        """A word of what the fact says that its file does not spell, wherever one looks.

        Folding puts together what stands in pieces (``root + '/.npmrc'``); that hides nothing. Half a word in
        a string and half in another does, as does any encoding.
        """
        if fact.kind in {FactKind.STRING, FactKind.REGEX, FactKind.SHAPE, *_NAMED_BY_RULES}:
            texts = [fact.value or ""] if fact.decoded else []
        else:
            texts = [fact.name, fact.value or ""] if fact.decoded else []
            texts += [it or "" for it in fact.args]
        content = self._lower(path)
        for text in texts:
            words: list[str] = _WORD.findall(text[:4096])
            for word in words:
                if not word.isdecimal() and not _spells(content, word):
                    return word if len(word) <= _SHOWN else word[:_SHOWN] + "..."
        return None

    def _lower(self, path: str) -> bytes:
        if path not in self._lowered:
            file = self._archive.files.get(path)
            self._lowered = {path: ((file.content if file else None) or b"").lower()}  # of one file at a time
        return self._lowered[path]


def _spells(content: bytes, word: str) -> bool:
    """Whether the word stands in *content*, whole or in the parts that names are made of (``npm_config_``)."""
    return word.lower().encode() in content or all(
        part.lower().encode() in content for part in _PARTS.split(word) if part
    )


_NAMED_BY_RULES = tuple(it for it in FactKind if it.value == "flow")  # names of sources and sinks


def in_history(
    findings: Iterable[Finding], *, first: bool, published: datetime | None, now: datetime
) -> tuple[Finding, ...]:
    """*findings* of code rules, with what the package's history adds to each.

    *first* says that the package had no release before this one, *published* when it came. Only a finding that
    was looked for in the baseline and is there, in a release of two years, is settled; without a baseline or a
    time, none is.
    """
    old = published is not None and now - published >= SETTLED_AFTER
    return tuple(_with_history(it, first=first, old=old) for it in findings)


def with_lost_trust(findings: Iterable[Finding], signals: Sequence[str]) -> list[Finding]:
    """*findings*, those that are new marked with the *signals* of lost trust that the release has, if any."""
    lost = Circumstance(Context.TRUST_LOST, ", ".join(signals))
    return [_with(it, lost) if signals and it.added else it for it in findings]


def _with_history(finding: Finding, *, first: bool, old: bool) -> Finding:
    if first and finding.added is None:
        return _with(finding, Circumstance(Context.FIRST))
    if old and finding.added is False and finding.severity is not Severity.CRITICAL:
        return _with(finding, Circumstance(Context.SETTLED))
    return finding


def _with(finding: Finding, circumstance: Circumstance) -> Finding:
    kept = [it for it in finding.circumstances if it.context is not circumstance.context]
    every = sorted([*kept, circumstance], key=lambda it: _ORDER.index(it.context))
    return replace(finding, circumstances=tuple(every))
