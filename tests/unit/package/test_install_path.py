from __future__ import annotations

import pytest

from npmguard.package.install_path import collision_key, install_path


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("package/index.js", "index.js"),
        ("anything at all/lib/a.js", "lib/a.js"),
        ("package/./lib//a.js", "lib/a.js"),
        ("../a.js", "a.js"),
        ("package/lib/", "lib"),
        ("package/..hidden/a..b", "..hidden/a..b"),
    ],
)
def test_one_folder_is_stripped_and_the_rest_made_plain(path: str, where: str) -> None:
    answer = install_path(path)
    assert (answer.path, answer.oddity) == (where, None)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "plain",
            "package/",
            "package/.",
            "",
            "package/a/../b",
            "package/..",
            "package/a\\..\\b",
            "package/a\0b",
        ),
        *(f"package/{'d/' * 1024}x", "package/c:/../x"),
    ],
)
def test_what_npm_drops_is_nowhere_and_told(path: str) -> None:
    answer = install_path(path)
    assert answer.path is None
    assert answer.oddity


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("package//x", "x"),
        ("package////x", "x"),
        ("package/\\x", "x"),
        ("package/c:x", "x"),
        ("package/c:/d:/x", "x"),
        ("package///host/share/x", "host/share/x"),
        ("package//?/c:/x", "?/c:/x"),
    ],
)
def test_roots_of_every_system_are_stripped(path: str, where: str) -> None:
    answer = install_path(path)
    assert answer.path == where
    assert "absolute" in str(answer.oddity)


@pytest.mark.parametrize("name", ["a\\b", "ab:c", "a.", "a /b", "é" * 200])
def test_what_is_another_file_elsewhere_is_kept_and_told(name: str) -> None:
    answer = install_path(f"package/{name}")
    assert answer.path == name
    assert answer.oddity


@pytest.mark.parametrize(
    ("link", "dropped"),
    [("../x", True), ("lib/../../x", True), ("/../x", True), ("lib/../x", False), ("y", False)],
)
def test_a_file_that_is_said_to_link_out_is_dropped(link: str, *, dropped: bool) -> None:
    assert (install_path("package/a.js", link).path is None) is dropped


@pytest.mark.parametrize(
    ("one", "other"), [("A/b", "a/B"), ("é", "e\u0301"), ("a\\b", "a/b"), ("a. /b", "a/b"), ("\u017f", "s")]
)
def test_paths_that_collide_have_one_key(one: str, other: str) -> None:
    assert collision_key(one) == collision_key(other)


def test_other_paths_have_other_keys() -> None:
    assert len({collision_key(path) for path in ("a/b", "ab", "a-b", "a.b", ".a/b")}) == 5
