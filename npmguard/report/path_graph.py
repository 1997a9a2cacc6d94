"""The ways from a project to a package, as a small drawing in SVG."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from npmguard.report.escape import message

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _PAD = 190, 28, 46, 12, 6
_LABEL = 26  # characters in a box
_MAX_DEPTH = 12  # boxes in a row; longer ways are cut in the middle


def path_graph(root: str, paths: Sequence[Sequence[str]]) -> Markup:
    """An ``<svg>`` of *paths*, each a way of labels from the project's dependency to the package.

    The ways form a tree from the left: what several of them begin with is drawn once, each ends in a row of its
    own. Every label is escaped.
    """
    ways = [_cut([root, *path]) for path in paths]
    places: dict[tuple[str, ...], tuple[int, int]] = {}  # beginning of a way -> column, row
    for row, way in enumerate(sorted(ways)):
        for column in range(len(way)):
            places.setdefault(tuple(way[: column + 1]), (column, row))
    ends = {tuple(way) for way in ways}
    parts = [_edge(places[begin[:-1]], place) for begin, place in places.items() if len(begin) > 1]
    parts += [_box(*place, begin[-1], end=begin in ends) for begin, place in places.items()]
    width = max(map(len, ways)) * (_WIDTH + _GAP_X) - _GAP_X + 2 * _PAD
    height = len(ways) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _PAD
    told = "; ".join(" > ".join(message(label, 100) for label in way) for way in ways)
    head = Markup('<svg role="img" width="{}" height="{}" viewBox="0 0 {} {}" aria-label="{}">').format(
        width, height, width, height, told
    )
    return head + Markup("").join(parts) + Markup("</svg>")


def _cut(way: list[str]) -> list[str]:
    half = _MAX_DEPTH // 2
    return (
        way
        if len(way) <= _MAX_DEPTH
        else [*way[:half], f"… {len(way) - _MAX_DEPTH + 1} more …", *way[-half + 1 :]]
    )


def _at(column: int, row: int) -> tuple[int, int]:
    return _PAD + column * (_WIDTH + _GAP_X), _PAD + row * (_HEIGHT + _GAP_Y)


def _box(column: int, row: int, label: str, *, end: bool) -> Markup:
    x, y = _at(column, row)
    full = message(label, 300)
    shown = full if len(full) <= _LABEL else full[: _LABEL - 1] + "…"
    return Markup(
        '<g class="{}"><title>{}</title><rect x="{}" y="{}" width="{}" height="{}" rx="5"/>'
        '<text x="{}" y="{}">{}</text></g>'
    ).format("end" if end else "step", full, x, y, _WIDTH, _HEIGHT, x + 9, y + 18, shown)


def _edge(start: tuple[int, int], end: tuple[int, int]) -> Markup:
    x1, y1 = _at(*start)
    x2, y2 = _at(*end)
    x1, y1, y2 = x1 + _WIDTH, y1 + _HEIGHT // 2, y2 + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return Markup('<path d="M{} {} C{} {} {} {} {} {}"/>').format(x1, y1, middle, y1, middle, y2, x2, y2)
