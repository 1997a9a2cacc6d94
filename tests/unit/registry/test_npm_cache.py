from __future__ import annotations

import os
from pathlib import Path

import pytest

from npmguard.model import Integrity
from npmguard.registry.npm_cache import read_npm_cache
from tests.servers import sri

LIMIT = 1000


def keep(cache: Path, content: bytes, algorithm: str = "sha512", *, stored: bytes | None = None) -> Path:
    """Put *content* where npm would; *stored* in its place."""
    integrity = Integrity.parse(sri(content, algorithm))
    assert integrity is not None
    digest = integrity.hashes[0].digest.hex()
    path = cache / "_cacache/content-v2" / algorithm / digest[:2] / digest[2:4] / digest[4:]
    path.parent.mkdir(parents=True)
    path.write_bytes(content if stored is None else stored)
    return path


def read(cache: Path, *statements: str) -> bytes | None:
    integrity = Integrity.parse(" ".join(statements))
    assert integrity is not None
    return read_npm_cache(cache, integrity, LIMIT)


@pytest.mark.parametrize("algorithm", ["sha512", "sha384", "sha256", "sha1"])
def test_content_is_found_by_its_hash(tmp_path: Path, algorithm: str) -> None:
    keep(tmp_path, b"bytes", algorithm)
    assert read(tmp_path, sri(b"bytes", algorithm)) == b"bytes"


def test_sha1_counts_only_where_nothing_stronger_is_stated(tmp_path: Path) -> None:
    keep(tmp_path, b"bytes", "sha1")
    assert read(tmp_path, sri(b"bytes", "sha1"), sri(b"other", "sha512")) is None


def test_content_that_does_not_match_is_none(tmp_path: Path) -> None:
    keep(tmp_path, b"bytes", stored=b"other")
    assert read(tmp_path, sri(b"bytes")) is None


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere", sri(b"bytes")) is None
    assert read(tmp_path, sri(b"bytes")) is None
    assert read(Path("\x00"), sri(b"bytes")) is None


def test_content_over_the_cap_is_none(tmp_path: Path) -> None:
    content = bytes(LIMIT + 1)
    keep(tmp_path, content)
    assert read(tmp_path, sri(content)) is None


def test_an_integrity_that_names_no_hash_is_none(tmp_path: Path) -> None:
    keep(tmp_path, b"bytes")
    assert read(tmp_path, "md7-AAAA") is None
    assert read(tmp_path, sri(b"bytes", "md5")) is None


def test_what_is_no_file_is_none(tmp_path: Path) -> None:
    path = keep(tmp_path, b"bytes")
    path.unlink()
    os.mkfifo(path)
    assert read(tmp_path, sri(b"bytes")) is None
    path.unlink()
    path.mkdir()
    assert read(tmp_path, sri(b"bytes")) is None
