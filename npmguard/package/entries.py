"""Under which paths loaders and bundlers find the code of a package.

Sources: "Packages" in the documentation of Node.js (``main``, ``exports``, ``imports``), and the fields that
bundlers read before ``main`` (webpack's ``resolve.mainFields`` and ``aliasFields``, Rollup's and esbuild's main
fields).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

#: Fields that hold a path, or a mapping of paths, that stands for ``main`` with some loader or other.
FIELDS: Final = ("exports", "imports", "module", "jsnext:main", "browser", "react-native", "unpkg", "jsdelivr")

_MOST = 1000
_DEEPEST = 12


def entry_points(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths that a package.json hands out besides ``main``, sorted; of very many, the first ones."""
    found = (path for field in FIELDS for path in _paths(document.get(field), _DEEPEST))
    return tuple(sorted(set(islice(found, _MOST))))


def _paths(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from _paths(item, depth - 1)
    elif depth and isinstance(value, list):
        for item in value:
            yield from _paths(item, depth - 1)
