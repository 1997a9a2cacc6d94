"""The version to install instead of one that is not clean."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

import nodesemver

from npmguard.model import Fix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from npmguard.model import Packument

MAX_ASKED = 8
"""Candidates inside the dependents' ranges that are fetched and judged, at most."""

MAX_ASKED_OUTSIDE = 3
"""Candidates judged after those, to say which version would be clean if a range were changed."""

_MAX_VERSION = 256  # characters; npm's own limit (semver's MAX_LENGTH)
_MAX_SPEC = 256  # characters; the longest range in three real locks of 4,300 entries has 63
_MAX_VERSIONS = 20_000  # of one package; the largest on the public registry have a quarter of that
_MAX_COMPARISONS = 200_000  # of a version with one bound of a range
_TOLD = 3  # dependents named in one reason

_HUGE_NUMBER = re.compile(r"[0-9]{16}")  # npm refuses what is over Number.MAX_SAFE_INTEGER, of 16 digits
_TAG = re.compile(r"(?!\.)[A-Za-z0-9!~*'()_.-]+")  # what encodeURIComponent leaves alone (npm-package-arg)


def nearest_clean(
    name: str,
    version: str,
    requirers: Sequence[tuple[str, str]],
    packument: Packument,
    is_clean: Callable[[str], bool | None],
) -> Fix:
    """Find the clean version of *name* nearest to *version* that every dependent accepts.

    The closest lower version that was published before *version* comes first, then the closest higher one, then
    a lower one that was published later. *requirers* are pairs of who asks (as to be shown) and the spec as
    written, read by npm's loose rules. *is_clean* fetches and judges one version; None says that it could not.
    It is asked at most :data:`MAX_ASKED` + :data:`MAX_ASKED_OUTSIDE` times.

    A tag accepts what any version does, as npm takes a locked version to satisfy it
    (``@npmcli/arborist``, ``dep-valid.js``); a pre-release is proposed only where a range names one of the same
    version, or *version* is one. Never raises: without a clean version, the reason says what stands in the way.
    """
    return _Search(name, version, requirers, packument).run(is_clean)


class _Search:
    """The search for one package's remedy."""

    def __init__(
        self, name: str, version: str, requirers: Sequence[tuple[str, str]], packument: Packument
    ) -> None:
        self._name = name
        self._current = _parse(version)
        self._version = version
        self._packument = packument
        self._work = _Work()
        self._specs = {spec: _read_spec(spec, name, self._work) for _, spec in requirers}
        self._requirers = sorted(set(requirers))

    def run(self, is_clean: Callable[[str], bool | None]) -> Fix:
        if self._current is None:
            return Fix(None, f"{_short(self._version)} is no version that others can be compared with")
        unreadable = [(label, spec) for label, spec in self._requirers if self._specs[spec] is None]
        if unreadable:
            return Fix(
                None, f"{_asks(unreadable)}, which is no range of the registry's versions; change that first"
            )
        candidates = self._candidates(self._current)
        if not candidates:
            return Fix(None, f"no other version of {_short(self._name)} is published")
        asked: set[str] = set()
        unknown = 0
        for candidate in self._inside(candidates):
            if len(asked) == MAX_ASKED:
                break
            asked.add(candidate.text)
            clean = is_clean(candidate.text)
            if clean:
                return Fix(candidate.text, self._praise(candidate))
            unknown += clean is None
        return self._obstacle(candidates, asked, unknown, is_clean)

    def _candidates(self, current: _Version) -> list[_Version]:
        """Every other published version, nearest first."""
        texts = list(self._packument.releases)[-_MAX_VERSIONS:]
        parsed = [found for text in texts if text != self._version and (found := _parse(text)) is not None]
        lower = sorted((it for it in parsed if it.order < current.order), key=attrgetter("order"), reverse=True)
        higher = sorted((it for it in parsed if it.order >= current.order), key=attrgetter("order"))
        earlier = [it for it in lower if not self._published_later(it)]
        return [*earlier, *higher, *(it for it in lower if self._published_later(it))]

    def _published_later(self, candidate: _Version) -> bool:
        times = self._packument.times
        own, other = times.get(self._version), times.get(candidate.text)
        return own is not None and other is not None and other >= own

    def _inside(self, candidates: Sequence[_Version]) -> Iterator[_Version]:
        for candidate in candidates:
            if self._eligible(candidate) and all(self._accepts(spec, candidate) for spec in self._specs):
                yield candidate

    def _accepts(self, spec: str, candidate: _Version) -> bool:
        reader = self._specs[spec]
        return reader is not None and reader.accepts(candidate)

    def _eligible(self, candidate: _Version) -> bool:
        """Whether it is a release, or a pre-release that somebody has named a range for or has already."""
        if not candidate.prerelease:
            return True
        named = any(isinstance(reader, _Range) for reader in self._specs.values())
        current = self._current
        return named or (current is not None and current.prerelease and current.triple == candidate.triple)

    def _outside(self, candidates: Sequence[_Version]) -> Iterator[tuple[_Version, list[tuple[str, str]]]]:
        """The releases that some dependent does not accept, with those dependents."""
        for candidate in candidates:
            against = [pair for pair in self._requirers if not self._accepts(pair[1], candidate)]
            if against and not candidate.prerelease and not self._work.exhausted:
                yield candidate, against

    # --- reasons ---

    def _praise(self, candidate: _Version) -> str:
        inside = ", inside every dependent's range" if self._requirers else ""
        version = _short(self._version)
        if self._current is not None and candidate.order >= self._current.order:
            return f"the closest clean version after {version}{inside}; no earlier one qualifies"
        if self._published_later(candidate):
            return f"a clean version of a lower number, published after {version}{inside}"
        return f"the closest clean version published before {version}{inside}"

    def _obstacle(
        self,
        candidates: Sequence[_Version],
        asked: set[str],
        unknown: int,
        is_clean: Callable[[str], bool | None],
    ) -> Fix:
        parts = [self._why_none_inside(candidates, asked, unknown)]
        for candidate, against in islice(self._outside(candidates), MAX_ASKED_OUTSIDE):
            if is_clean(candidate.text):
                told = f"{candidate.text} is clean, but {_asks(against)}"
                parts.append(f"{told}: change that range, or override the version")
                return Fix(None, "; ".join(parts), outside=candidate.text)
        return Fix(None, "; ".join(parts))

    def _why_none_inside(self, candidates: Sequence[_Version], asked: set[str], unknown: int) -> str:
        if asked:
            known = "known to be clean" if unknown else "clean"
            where = " inside every dependent's range" if self._requirers else ""
            if len(asked) == 1:
                return f"the only other version{where} is not {known}"
            return f"none of the {len(asked)} closest versions{where} is {known}"
        narrow = [
            (label, spec)
            for label, spec in self._requirers
            if not any(self._accepts(spec, candidate) for candidate in candidates)
        ]
        if self._work.exhausted:
            return "there are too many versions and ranges to compare; look for a version by hand"
        if narrow:
            return f"{_asks(narrow)}: no other published version is in that range"
        if self._requirers:
            return f"no published version is in all ranges at once: {_asks(self._requirers)}"
        return f"no other release of {_short(self._name)} is published"


# --- versions and ranges, as npm reads them ---


@dataclass(frozen=True, slots=True)
class _Version:
    """A version as published, its place in the order of versions, and its parts."""

    text: str
    order: tuple[tuple[int, int, int], bool, tuple[tuple[int, int, str], ...]]
    prerelease: bool
    parsed: nodesemver.SemVer = field(repr=False, compare=False)

    @property
    def triple(self) -> tuple[int, int, int]:
        return self.order[0]


@dataclass(slots=True)
class _Work:
    """How many comparisons were made; when they are used up, nothing more is accepted."""

    done: int = 0

    @property
    def exhausted(self) -> bool:
        return self.done >= _MAX_COMPARISONS


class _Reader(Protocol):
    """What one spec accepts."""

    def accepts(self, candidate: _Version) -> bool:
        """Whether npm would let *candidate* stand for the spec."""


class _Anything:
    """A tag, or nothing at all."""

    def accepts(self, candidate: _Version) -> bool:  # noqa: ARG002 - any of them
        return True


@dataclass(frozen=True, slots=True)
class _Range:
    """A range of node-semver, with what it takes to test it."""

    parsed: nodesemver.Range
    bounds: int
    work: _Work

    def accepts(self, candidate: _Version) -> bool:
        self.work.done += self.bounds
        return not self.work.exhausted and bool(self.parsed.test(candidate.parsed))


def _parse(text: str) -> _Version | None:
    """Read a version by npm's loose rules; None for what npm refuses."""
    if len(text) > _MAX_VERSION or _HUGE_NUMBER.search(text):
        return None
    parsed = nodesemver.parse(text, True)
    if parsed is None:
        return None
    identifiers = tuple((0, it, "") if isinstance(it, int) else (1, 0, str(it)) for it in parsed.prerelease)
    triple = (int(parsed.major), int(parsed.minor), int(parsed.patch))
    return _Version(text, (triple, not identifiers, identifiers), bool(identifiers), parsed)


def _read_spec(spec: str, name: str, work: _Work) -> _Reader | None:
    """Read a dependency's spec as npm-package-arg does; None where it names no versions of *name*."""
    spec = spec.strip()
    if spec.startswith("npm:"):
        real, at, spec = spec[len("npm:") :].rpartition("@")
        if not at or not real:  # npm:name, without a range
            real, spec = real + at + spec, "*"
        if real != name or spec.startswith("npm:"):
            return None
    spec = " ".join(spec.split())  # node-semver's patterns are cubic in the length of white space
    if len(spec) > _MAX_SPEC or _HUGE_NUMBER.search(spec) or ":" in spec or "/" in spec:
        return None
    try:
        parsed = nodesemver.make_range(spec, True)
    except ValueError:
        return _Anything() if _TAG.fullmatch(spec) else None
    return _Range(parsed, max(1, sum(map(len, parsed.set))), work)


def _asks(pairs: Sequence[tuple[str, str]]) -> str:
    told = " and ".join(f"{_short(label)} asks for {_short(spec) or '*'}" for label, spec in pairs[:_TOLD])
    return told + (f" and {len(pairs) - _TOLD} more" if len(pairs) > _TOLD else "")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
