"""Names, versions and locations that npm allows, and those that it does not."""

from __future__ import annotations

import pytest

from npmguard.lockfile.identity import installed_name, is_clean_location, is_package_name, is_version


@pytest.mark.parametrize(
    "name",
    ["ms", "@types/node", "JSONStream", "-", "@a/_b", "a.b", "lodash.merge", "x" * 214, "fs", "it's~(fine)!*"],
)
def test_a_package_name(name: str) -> None:
    assert is_package_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".bin",
        "_x",
        "@a",
        "@/a",
        "@a/",
        "@a/.b",
        "a/b",
        "@a/b/c",
        "a b",
        "a\n",
        "é",
        "a%2fb",
        "a\\b",
        "node_modules",
        "Favicon.ico",
        "__proto__",
        "x" * 215,
        "a@1",
        "a:b",
        "\x1b[31m",
    ],
)
def test_no_package_name(name: str) -> None:
    assert not is_package_name(name)


@pytest.mark.parametrize(
    "version", ["0.0.0", "1.2.3", "1.0.0-rc.1", "1.0.0-0.x-y+b.01", "1.2.3+exp.sha.5114f85"]
)
def test_a_version(version: str) -> None:
    assert is_version(version)


@pytest.mark.parametrize(
    "version",
    [
        "",
        "1",
        "1.0",
        "v1.0.0",
        "=1.0.0",
        "01.0.0",
        "1.0.0-01",
        "1.0.0-",
        "1.0.0\n",
        "1.0.0 ",
        "latest",
        "1.0.0beta",
        "\u0661.0.0",
        "1.0.0+",
        "1." + "0" * 300,
    ],
)
def test_no_version(version: str) -> None:
    assert not is_version(version)


@pytest.mark.parametrize(
    "location", ["node_modules/a", "packages/a b/é", "..", "../../x/node_modules/@a/b", "a" * 4096]
)
def test_a_clean_location(location: str) -> None:
    assert is_clean_location(location)


@pytest.mark.parametrize(
    "location",
    ["", ".", "./a", "a/", "a//b", "/a", "a/../b", "../a/..", "a\\b", "a\0", "a\x1b", "a\x9b", "a" * 4097],
)
def test_no_clean_location(location: str) -> None:
    assert not is_clean_location(location)


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("node_modules/a", "a"),
        ("node_modules/@a/b", "@a/b"),
        ("node_modules/a/node_modules/@b/c", "@b/c"),
        ("packages/x/node_modules/a", "a"),
        ("packages/a", None),
        ("node_modules", None),
        ("node_modules/a/lib", None),
        ("my_node_modules/a", None),
        ("", None),
    ],
)
def test_the_name_that_a_location_installs(location: str, name: str | None) -> None:
    assert installed_name(location) == name
