from __future__ import annotations

import pytest

from npmguard.integrity.repository import repository_key


@pytest.mark.parametrize(
    "address",
    [
        "example/left-pad",
        "github:example/left-pad",
        "https://github.com/example/left-pad",
        "https://github.com/example/left-pad/",
        "https://github.com/example/left-pad.git",
        "https://www.github.com/Example/Left-Pad",
        "http://github.com/example/left-pad",
        "git+https://github.com/example/left-pad.git",
        "git+https://github.com/example/left-pad@refs/tags/v1.0.0",
        "git+https://token@github.com/example/left-pad.git#main",
        "git+ssh://git@github.com/example/left-pad.git",
        "ssh://git@github.com:22/example/left-pad.git",
        "git://github.com/example/left-pad.git",
        "git@github.com:example/left-pad.git",
        "https://github.com/example/left-pad/tree/main/packages/left-pad",
        " https://github.com/example/left-pad#readme ",
    ],
)
def test_one_repository_has_one_key(address: str) -> None:
    assert repository_key(address) == "github.com/example/left-pad"


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("gitlab:group/project", "gitlab.com/group/project"),
        ("bitbucket:team/project", "bitbucket.org/team/project"),
        ("https://gitlab.com/group/sub/project.git", "gitlab.com/group/sub/project"),
        ("https://gitlab.com/group/sub/project/-/tree/main/x", "gitlab.com/group/sub/project"),
        ("https://git.example/a/b", "git.example/a/b"),
        ("https://github.com/example/left-pad.js", "github.com/example/left-pad.js"),
    ],
)
def test_other_hosts_keep_their_paths(address: str, key: str) -> None:
    assert repository_key(address) == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("example/left-pad", "example/left-pad2"),
        ("example/left-pad", "gitlab:example/left-pad"),
        ("https://github.com/example/left-pad", "https://github.com.evil.example/example/left-pad"),
        ("https://github.com/example/left-pad", "https://github.com@evil.example/example/left-pad"),
        ("https://github.com/example/left-pad", "https://evil.example/github.com/example/left-pad"),
        ("https://gitlab.com/group/a", "https://gitlab.com/group/a/b"),
    ],
)
def test_different_repositories_have_different_keys(one: str, other: str) -> None:
    assert repository_key(one) != repository_key(other)


@pytest.mark.parametrize(
    "address",
    [
        "",
        " ",
        "left-pad",
        "https://github.com",
        "https://github.com/example",
        "gist:123",
        "file:../x",
        "a/b" * 2000,
    ],
)
def test_what_names_no_repository_has_no_key(address: str) -> None:
    assert repository_key(address) is None
