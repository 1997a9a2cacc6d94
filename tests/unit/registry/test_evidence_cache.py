from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from npmguard.registry.evidence_cache import FILE_NAME, EvidenceCache


def value(cache: EvidenceCache, key: str = "key") -> bytes | None:
    kept = cache.get("kind", key)
    return None if kept is None else kept.value


def test_what_is_put_is_there_in_the_next_run(tmp_path: Path) -> None:
    cache = EvidenceCache(tmp_path)
    cache.put("kind", "key", b"value")
    assert value(cache) == b"value"
    cache.close()
    again = EvidenceCache(tmp_path)
    assert value(again) == b"value"
    assert value(again, "other") is None
    assert again.get("other", "key") is None
    assert again.notes == ()
    again.close()


def test_without_a_folder_nothing_is_kept() -> None:
    cache = EvidenceCache(None)
    cache.put("kind", "key", b"value")
    assert value(cache) is None
    assert cache.notes == ()
    cache.close()


def change(path: Path, statement: str) -> None:
    database = sqlite3.connect(path / FILE_NAME)
    database.execute(statement)
    database.commit()
    database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE evidence SET value = x'00'",
        "UPDATE evidence SET value = 'text'",
        "UPDATE evidence SET stored = 'yesterday'",
        "UPDATE evidence SET checksum = x''",
    ],
)
def test_a_damaged_value_is_not_given_out(tmp_path: Path, statement: str) -> None:
    cache = EvidenceCache(tmp_path)
    cache.put("kind", "key", b"value")
    cache.close()
    change(tmp_path, statement)
    again = EvidenceCache(tmp_path)
    assert value(again) is None
    again.close()


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 99", "DROP TABLE evidence"])
def test_a_file_of_another_version_is_of_no_harm(tmp_path: Path, statement: str) -> None:
    cache = EvidenceCache(tmp_path)
    cache.put("kind", "key", b"value")
    cache.close()
    change(tmp_path, statement)
    again = EvidenceCache(tmp_path)
    assert value(again) is None
    again.close()


def test_what_is_no_database_is_started_afresh(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 100)
    cache = EvidenceCache(tmp_path)
    cache.put("kind", "key", b"value")
    assert value(cache) == b"value"
    assert cache.notes == ()
    cache.close()


def test_what_is_old_is_forgotten(tmp_path: Path) -> None:
    cache = EvidenceCache(tmp_path)
    cache.put("kind", "old", b"value")
    cache.close()
    change(tmp_path, "UPDATE evidence SET stored = stored - 100 * 86400.0")
    cache = EvidenceCache(tmp_path)
    cache.put("kind", "new", b"value")
    cache.close()
    cache = EvidenceCache(tmp_path)
    assert value(cache, "old") is None
    assert value(cache, "new") == b"value"
    cache.close()


def test_many_threads_share_it(tmp_path: Path) -> None:
    cache = EvidenceCache(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: cache.put("kind", str(number % 10), b"%d" % (number % 10)), range(200)))
    assert [value(cache, str(number)) for number in range(10)] == [b"%d" % number for number in range(10)]
    assert cache.notes == ()
    cache.close()
