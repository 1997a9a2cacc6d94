"""A package that moves house is told; another spelling of the same address is no move."""

from __future__ import annotations

from typing import Any

import pytest

from npmguard.audit.home import repository
from npmguard.audit.trust import audit
from tests.unit.audit.packuments import History


@pytest.mark.parametrize(
    "text",
    [
        "ann/a",
        "github:ann/a",
        "git://github.com/ann/a.git",
        "git+https://github.com/Ann/A.git",
        "https://www.github.com/ann/a/tree/main/packages/x",
        "git@github.com:ann/a.git",
        "git+ssh://git@github.com/ann/a.git#main",
        " https://user:secret@github.com/ann/a ",
    ],
)
def test_all_of_npm_s_spellings_are_one_repository(text: str) -> None:
    assert repository(text) == ("github.com", "ann", "a")


@pytest.mark.parametrize(
    "text", ["", "a", "https://", "https://[", "https://h.example/a", "x" * 5000, "git+:", "::"]
)
def test_what_names_no_repository_is_none(text: str) -> None:
    assert repository(text) is None


def rules(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    history = History().past(**before).add("1.0.6", 180, **now)
    return [it.rule for it in audit(history.context("1.0.6"), lambda _: None)]


def test_another_repository_is_a_note() -> None:
    assert rules({"repository": "ann/a"}, {"repository": "eve/b"}) == ["repository-changed"]


@pytest.mark.parametrize("now", ["git+https://github.com/ann/a.git", "ann/monorepo", "newowner/a", ""])
def test_a_renamed_or_handed_over_or_unnamed_repository_is_nothing(now: str) -> None:
    assert rules({"repository": "ann/a"}, {"repository": now} if now else {}) == []


def test_a_homepage_on_another_host_is_a_note_and_on_a_code_host_none() -> None:
    assert rules({"homepage": "https://a.example"}, {"homepage": "https://b.example/x"}) == ["homepage-changed"]
    assert rules({"homepage": "https://a.example"}, {"homepage": "https://github.com/ann/a#readme"}) == []
    assert rules({"homepage": "https://www.a.example/x"}, {"homepage": "http://a.example"}) == []
