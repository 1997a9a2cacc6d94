"""npm's walk up the tree."""

from __future__ import annotations

import pytest

from npmguard.lockfile.resolution import Resolver, parent_of

LOCATIONS = (
    "node_modules/a",
    "node_modules/a/node_modules/b",
    "node_modules/b",
    "node_modules/@s/c/node_modules/only-there",
    "packages/x",
    "packages/x/node_modules/b",
    "../shared/node_modules/d",
    "my_node_modules/e",
)


@pytest.mark.parametrize(
    ("location", "name", "found"),
    [
        ("", "b", "node_modules/b"),
        ("node_modules/a", "b", "node_modules/a/node_modules/b"),
        ("node_modules/a/node_modules/b", "a", "node_modules/a"),
        ("node_modules/a/node_modules/b", "b", "node_modules/a/node_modules/b"),
        ("node_modules/@s/c", "b", "node_modules/b"),
        ("packages/x", "b", "packages/x/node_modules/b"),
        ("packages/x/lib/deep", "b", "packages/x/node_modules/b"),
        ("packages/y", "b", "node_modules/b"),
        ("../shared", "d", "../shared/node_modules/d"),
        ("../shared/node_modules/d", "d", "../shared/node_modules/d"),
        ("../shared", "b", None),
        ("", "only-there", None),
        ("", "absent", None),
        ("", "e", None),
    ],
)
def test_the_nearest_node_modules_wins(location: str, name: str, found: str | None) -> None:
    assert Resolver(LOCATIONS).resolve(location, name) == found


def test_questions_from_different_places_do_not_mix() -> None:
    resolver = Resolver(LOCATIONS)
    answers = [resolver.resolve(location, "b") for location in ("", "node_modules/a", "", "packages/x")]
    assert answers == [
        "node_modules/b",
        "node_modules/a/node_modules/b",
        "node_modules/b",
        "packages/x/node_modules/b",
    ]


@pytest.mark.parametrize(
    ("location", "parent"),
    [
        ("node_modules/a", ""),
        ("node_modules/a/node_modules/@b/c", "node_modules/a"),
        ("packages/x/node_modules/a", "packages/x"),
        ("packages/x", "packages"),
        ("packages", ""),
        ("../x/y", "../x"),
        ("../x", ".."),
        ("..", None),
        ("", None),
    ],
)
def test_the_folder_around_a_location(location: str, parent: str | None) -> None:
    assert parent_of(location) == parent
