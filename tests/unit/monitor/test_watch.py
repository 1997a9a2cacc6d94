"""What a monitor is restricted to."""

from __future__ import annotations

from pathlib import Path

import pytest

from npmguard.config import Limits
from npmguard.errors import UsageError
from npmguard.monitor.watch import watched_names
from tests.command import write_lock


def test_names_come_from_lists_locks_and_folders(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("# ours\nexpress\n\n@scope/name@1.2.3  # pinned\n", encoding="utf-8")
    lock = write_lock(
        tmp_path / "app",
        {"name": "debug", "version": "4.4.1", "resolved": "https://registry.npmjs.org/debug/-/debug-4.4.1.tgz"},
    )
    assert watched_names([names], Limits()) == {"express", "@scope/name"}
    assert watched_names([names, lock], Limits()) == {"express", "@scope/name", "debug"}
    assert watched_names([lock.parent], Limits()) == {"debug"}


@pytest.mark.parametrize("content", ["", "# nothing\n", "../etc\n"])
def test_a_list_without_names_is_refused(tmp_path: Path, content: str) -> None:
    names = tmp_path / "names.txt"
    names.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"names\.txt"):
        watched_names([names], Limits())


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    for name in ("names.txt", "package-lock.json", "nothing"):
        with pytest.raises(UsageError):
            watched_names([tmp_path / name], Limits())
