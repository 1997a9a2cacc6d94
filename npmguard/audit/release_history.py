"""A release among the others of its package, as the evidence of trust needs to see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from npmguard.errors import RegistryError
from npmguard.package.version import parse_version, precedence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semver import Version

    from npmguard.audit.context import AuditContext
    from npmguard.model import Packument, Release

SETTLED = timedelta(days=7)  # as for the choice of a baseline: an attacker's own releases are younger
_BULK = timedelta(days=1)
_ENOUGH = 5  # releases that a judgement of publish times needs
_ONE_IN = 50  # steps of a line that may go back in time: people do publish a forgotten version


@dataclass(frozen=True)
class ReleaseHistory:
    """One release with what came before it.

    ``baseline`` is the release that it is compared with, ``published`` when it came, as far as is known. What
    costs more than a look at these is worked out when it is asked for.
    """

    packument: Packument
    version: str
    release: Release
    baseline: Release | None

    @classmethod
    def of(cls, context: AuditContext) -> ReleaseHistory | None:
        """The history of the locked version; None where the registry does not hold it."""
        if context.packument is None or context.release is None:
            return None
        return cls(context.packument, context.locked.version, context.release, context.baseline_release)

    @property
    def name(self) -> str:
        """The package's name."""
        return self.packument.name

    @cached_property
    def published(self) -> datetime | None:
        """When the registry says that the release came."""
        return self.packument.times.get(self.version)

    @cached_property
    def parsed(self) -> Version | None:
        """The release's version; None where it is none."""
        return parse_version(self.version)

    @cached_property
    def earlier(self) -> tuple[str, ...]:
        """The versions that came before it, newest first; the lower ones where publish times do not tell."""
        times, published, own = self.packument.times, self.published, self.parsed
        if published is not None and self.tells_time:
            before = [(times[it], it) for it in self.packument.releases if it in times and it != self.version]
            return tuple(it for time, it in sorted(before, reverse=True) if time < published)
        if own is None:
            return ()
        order = precedence(self.version)
        keys = [(it, precedence(it)) for it in self.packument.releases]
        lower = [(other, it) for it, other in keys if other is not None and order is not None and other < order]
        return tuple(it for _, it in sorted(lower, reverse=True))

    @cached_property
    def settled(self) -> tuple[str, ...]:
        """Earlier versions that had been out for 7 days when it came, newest first.

        Those of its own line where there are any, all others else: a line that is looked after by hand, beside
        one that a build service publishes, has lost nothing.
        """
        times, published = self.packument.times, self.published
        found = self.earlier
        if published is not None and self.tells_time:
            found = tuple(it for it in found if published - times[it] >= SETTLED)
        return tuple(it for it in found if _line(it) == _line(self.version)) or found

    @cached_property
    def tells_time(self) -> bool:
        """Whether the registry's times are those of publishing, and not those at which a mirror copied.

        A mirror that copied a package's past has most of it on one day, or has later versions of a line before
        earlier ones. With too few releases to see that, the times are taken to tell nothing.
        """
        if self.published is None:
            return False
        times = self.packument.times
        dated = [(version, time) for it, time in times.items() if (version := _stable(it)) is not None]
        if len(dated) < _ENOUGH:
            return False
        return not self._copied_at_once(sorted(times.values())) and not _goes_back(dated)

    def _copied_at_once(self, times: list[datetime]) -> bool:
        """Whether more than half of what came over a day before it came within one day."""
        assert self.published is not None
        old = [it for it in times if it < self.published - _BULK]
        if len(old) < _ENOUGH - 1:
            return True
        half = len(old) // 2
        return any(old[index + half] - old[index] < _BULK for index in range(len(old) - half))

    def releases(self, versions: tuple[str, ...]) -> Iterator[Release]:
        """Those releases, without the ones whose entry cannot be read."""
        for version in versions:
            try:
                yield self.packument.releases[version]
            except RegistryError:  # a spoilt entry is evidence of nothing
                continue


def _stable(text: str) -> Version | None:
    version = parse_version(text)
    return None if version is None or version.prerelease else version


def _line(text: str) -> tuple[int, int] | None:
    version = parse_version(text)
    return None if version is None else (version.major, 0 if version.major else version.minor)


def _goes_back(dated: list[tuple[Version, datetime]]) -> bool:
    """Whether later patches of one minor version are said to be older than earlier ones, too often."""
    ordered = sorted((it.major, it.minor, it.patch, time) for it, time in dated)
    steps = [(one, other) for one, other in pairwise(ordered) if one[:2] == other[:2]]
    back = sum(one[3] > other[3] for one, other in steps)
    return back * _ONE_IN > len(steps)
