"""Settings: what is documented is what there is, and a slip is one clear line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from npmguard.accepted import read_acceptances
from npmguard.config import Config, load_config
from npmguard.errors import ConfigError

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    assert load_config(tmp_path) == Config()


def test_the_documented_file_is_the_defaults(tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    text = "\n".join(line for line in block[1].splitlines() if not line.startswith("directory"))
    (tmp_path / "npmguard.toml").write_text(text, encoding="utf-8")
    assert load_config(tmp_path) == Config()


def test_every_key_is_documented() -> None:
    block = re.search(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    documented = tomllib.loads(block[1])
    assert {key: set(value) if isinstance(value, dict) else None for key, value in documented.items()} == {
        key: set(value) if isinstance(value, dict) else None
        for key, value in msgspec.to_builtins(Config()).items()
    }


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("colour = true", "colour"),
        ("[limits]\nfile-counts = 1", "file-counts"),
        ('fail-on = "sometimes"', "fail-on"),
        ("jobs = 'many'", "jobs"),
        ("jobs = = 1", "line 1"),
    ],
)
def test_a_slip_names_the_file_and_the_place(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "npmguard.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_explicit_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path, tmp_path / "absent.toml")


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "{a=" * 5000])
def test_settings_nested_without_end_are_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "npmguard.toml").write_text(text)
    for read in (lambda: load_config(tmp_path), lambda: read_acceptances(tmp_path / "npmguard.toml")):
        with pytest.raises(ConfigError, match=r"^[^\n]*nested too deep[^\n]*$"):
            read()


def test_a_manifest_nested_without_end_holds_no_settings(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"npmguard": ' + "[" * 100_000)
    assert load_config(tmp_path) == Config()
