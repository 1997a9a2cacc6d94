"""Where a dependency's name leads from a place in the tree: npm's walk up the nested node_modules folders."""

from __future__ import annotations

from collections.abc import Container

_FOLDER = "node_modules/"


class Resolver:
    """Answers which location a name resolves to, as arborist's ``Node.resolve`` and Node.js itself do.

    Args:
        locations: every location of the lock; links count as their own location.
    """

    def __init__(self, locations: Container[str]) -> None:
        self._locations = locations
        self._places: dict[str, tuple[str, ...]] = {}

    def resolve(self, location: str, name: str) -> str | None:
        """The location that *name* means inside *location*, or None where the lock holds none."""
        for place in self._search(location):
            candidate = place + name
            if candidate in self._locations:
                return candidate
        return None

    def _search(self, location: str) -> tuple[str, ...]:
        """The node_modules folders to look in, nearest first, each with its ``/``."""
        known = self._places.get(location)
        if known is None:
            folders = []
            at: str | None = location
            while at is not None:
                folders.append(f"{at}/{_FOLDER}" if at else _FOLDER)
                at = parent_of(at)
            known = self._places[location] = tuple(folders)
        return known


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
