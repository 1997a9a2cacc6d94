from __future__ import annotations

import json
from pathlib import Path

import pytest

from npmguard.errors import UsageError
from npmguard.mail.watch import format_watch_list, read_packuments, watch_list
from npmguard.model import Maintainer

MAINTAINERS = {
    "left": (Maintainer("octo", "octo@dev.example"),),
    "right": (Maintainer("hubert", "hubert@dev.example"), Maintainer("octo", "OCTO+npm@dev.example")),
    "other": (Maintainer("hubert", ""),),
}
LOCKED = [("left", "1.0.0"), ("right", "2.0.0"), ("right", "1.0.0"), ("other", "1.0.0"), ("unknown", "1.0.0")]


def test_the_addressees_packages_are_found_by_address() -> None:
    entries = watch_list(["Octo@dev.example"], [], LOCKED, MAINTAINERS)
    assert [(entry.name, entry.versions) for entry in entries] == [
        ("left", ("1.0.0",)),
        ("right", ("1.0.0", "2.0.0")),
    ]


def test_a_user_name_that_the_reader_gives_finds_them_too() -> None:
    assert [entry.name for entry in watch_list([], ["hubert"], LOCKED, MAINTAINERS)] == ["other", "right"]


def test_nobody_addressed_is_nothing_to_watch() -> None:
    assert watch_list(["x@dev.example", "no address"], [], LOCKED, MAINTAINERS) == ()
    assert watch_list(["@"], [], LOCKED, MAINTAINERS) == ()


def test_the_watch_list_is_one_name_a_line() -> None:
    entries = watch_list(["octo@dev.example"], [], LOCKED, MAINTAINERS)
    assert [line.split()[0] for line in format_watch_list(entries).splitlines()] == ["left", "right"]


def test_packuments_are_read_in_both_spellings_of_a_maintainer(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        json.dumps({"name": "a", "maintainers": ["octo <octo@dev.example>"], "versions": {}})
    )
    (tmp_path / "b.json").write_text(
        json.dumps({"name": "b", "maintainers": [{"name": "x", "email": "x@dev.example"}]})
    )
    found = read_packuments(tmp_path)
    assert found == {"a": (Maintainer("octo", "octo@dev.example"),), "b": (Maintainer("x", "x@dev.example"),)}


def test_a_folder_without_packuments_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no packument"):
        read_packuments(tmp_path)
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UsageError, match="no packument"):
        read_packuments(tmp_path)
