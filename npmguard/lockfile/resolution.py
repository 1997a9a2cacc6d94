"""Where a dependency's name leads from a place in the tree: npm's walk up the nested node_modules folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

_FOLDER = "node_modules/"


class Resolver:
    """Answers which location a name resolves to, as arborist's ``Node.resolve`` and Node.js itself do.

    Args:
        locations: every location of the lock; links count as their own location.
    """

    def __init__(self, locations: Iterable[str]) -> None:
        self._locations = locations
        self._last: tuple[str, tuple[str, ...]] = ("", ("",))

    def resolve(self, location: str, name: str) -> str | None:
        """The location that *name* means inside *location*, or None where the lock holds none."""
        homes = self._homes.get(name)
        if homes is None:
            return None
        if location != self._last[0]:  # all that one location asks for is asked in a row
            self._last = (location, tuple(_upwards(location)))
        for folder in self._last[1]:
            if folder in homes:
                return f"{folder}/{_FOLDER}{name}" if folder else f"{_FOLDER}{name}"
        return None

    @cached_property
    def _homes(self) -> dict[str, set[str]]:
        """For each name the folders whose node_modules hold a package installed under it."""
        homes: defaultdict[str, set[str]] = defaultdict(set)
        for location in self._locations:
            at = location.rfind(_FOLDER)
            if at == 0:
                homes[location[len(_FOLDER) :]].add("")
            elif at > 0 and location[at - 1] == "/":
                homes[location[at + len(_FOLDER) :]].add(location[: at - 1])
        return dict(homes)


def parent_of(location: str) -> str | None:
    """The folder whose node_modules holds *location*, or that is around it; None above the outermost.

    A folder outside the project (``../shared``) has no way up into the project.
    """
    cut = location.rfind(f"/{_FOLDER}")
    if cut >= 0:
        return location[:cut]
    if location.startswith(_FOLDER):
        return ""
    if not location or location.rpartition("/")[2] == "..":
        return None
    above = location.rpartition("/")[0]
    return above if above or not location.startswith("../") else None


def _upwards(location: str) -> Iterable[str]:
    at: str | None = location
    while at is not None:
        yield at
        at = parent_of(at)
