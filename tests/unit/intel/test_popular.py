"""Which names pass for popular ones, and which honest ones do not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from npmguard.errors import RuleError
from npmguard.intel.popular import Likeness, PopularNames, load_popular, popular_source
from tests.node_tools import ROOT

POPULAR = load_popular()
LOCKS = [
    ROOT / "fixtures" / "lockfiles" / name / "package-lock.json" for name in ("insomnia", "npm-cli", "pdf.js")
]


@pytest.mark.parametrize(
    ("name", "popular", "likeness"),
    [
        ("loadash", "lodash", Likeness.TYPO),
        ("lodahs", "lodash", Likeness.TYPO),
        ("axois", "axios", Likeness.TYPO),
        ("typescirpt", "typescript", Likeness.TYPO),
        ("electorn", "electron", Likeness.TYPO),
        ("supports-colors", "supports-color", Likeness.TYPO),
        ("date-fn", "date-fns", Likeness.TYPO),
        ("\u0441halk", "chalk", Likeness.TYPO),
        ("crossenv", "cross-env", Likeness.SEPARATORS),
        ("cross.env", "cross-env", Likeness.SEPARATORS),
        ("ether-s", "ethers", Likeness.SEPARATORS),
        ("types-node", "@types/node", Likeness.SEPARATORS),
        ("@types-node/node", None, None),
        ("@typs/node", "@types/node", Likeness.TYPO),
        ("1odash", "lodash", Likeness.HOMOGLYPHS),
        ("rnoment", "moment", Likeness.HOMOGLYPHS),
        ("parser-cookie", "cookie-parser", Likeness.WORDS),
        ("crossenv.js", "cross-env", Likeness.AFFIX),
        ("chalk-next", "chalk", Likeness.AFFIX),
        ("plain-crypto-js", "crypto-js", Likeness.AFFIX),
    ],
)
def test_a_name_that_passes_for_a_popular_one(
    name: str, popular: str | None, likeness: Likeness | None
) -> None:
    found = POPULAR.imitated_by(name)
    assert (found.name if found else None, found.likeness if found else None) == (popular, likeness)


@pytest.mark.parametrize(
    "name",
    [
        "preact",  # popular itself, and a letter away from react
        "lodash",
        "lodash.mapp",  # short words are near to many
        "es6-ext",  # one of a series
        "@acme/lodash",  # a scope of one's own
        "@babel/coree",  # only their owners publish in a scope
        "vuez",
        "my-own-library-of-things",
        "corn",
        "a" * 300,
        "",
        "@",
    ],
)
def test_a_name_that_passes_for_none(name: str) -> None:
    assert POPULAR.imitated_by(name) is None


def test_only_an_affix_is_a_weak_likeness() -> None:
    weak, strong = POPULAR.imitated_by("chalk-next"), POPULAR.imitated_by("crossenv")
    assert weak is not None
    assert strong is not None
    assert (weak.strong, strong.strong) == (False, True)


def test_of_several_the_best_known_is_meant() -> None:
    names = PopularNames(("chalks-b", "chalk-s-a", "other"))
    found = names.imitated_by("chalksa")
    assert found is not None
    assert found.name == "chalk-s-a"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda it: it.parent.name)
def test_hardly_a_name_of_a_real_lock_is_like_another(lock: Path) -> None:
    entries = json.loads(lock.read_bytes())["packages"]
    names = {entry.get("name", path.rpartition("node_modules/")[2]): entry for path, entry in entries.items()}
    alike = {
        name: entry
        for name, entry in names.items()
        if name and (found := POPULAR.imitated_by(name)) is not None and found.strong
    }
    assert len(alike) <= 3
    assert len(alike) * 200 <= len(names)
    assert not [name for name, entry in alike.items() if entry.get("hasInstallScript")]


def test_the_list_says_where_it_is_from() -> None:
    package, date = popular_source()
    assert re.fullmatch(r"npm-high-impact@\d+\.\d+\.\d+", package)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", date)
    assert len(POPULAR.names) > 10_000
    assert len(set(POPULAR.names)) == len(POPULAR.names)


@pytest.mark.parametrize("text", [None, "{}", '{"schema": "npmguard.popular-names/2", "names": []}', "\xff"])
def test_a_file_that_is_not_one_is_an_error_with_its_name(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "popular.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RuleError, match=r"popular\.json"):
        load_popular(path)
