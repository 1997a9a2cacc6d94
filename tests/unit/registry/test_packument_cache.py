from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from npmguard.registry.packument_cache import FILE_NAME, Entry, PackumentCache, digest_of

REGISTRY = "https://registry.example/"


def entry(content: bytes = b"projection", fetched: float | None = None, max_age: float | None = None) -> Entry:
    return Entry(content, time.time() if fetched is None else fetched, max_age)


def stored(folder: Path, name: str = "a") -> Entry | None:
    cache = PackumentCache(folder)
    found = cache.get(REGISTRY, name)
    cache.close()
    return found


def filled(folder: Path, *names: str) -> Entry:
    kept = Entry(b"x" * 5000, time.time(), 60.0, '"e"', "Wed, 01 Jan 2020 00:00:00 GMT")
    cache = PackumentCache(folder)
    for name in names or ("a",):
        cache.put(REGISTRY, name, kept)
    cache.close()
    assert cache.notes == ()
    return kept._replace(digest=digest_of(REGISTRY, (names or ("a",))[0], kept.projection))


def test_what_is_put_in_comes_out(tmp_path: Path) -> None:
    assert stored(tmp_path) is None
    kept = filled(tmp_path)
    assert stored(tmp_path) == kept
    assert stored(tmp_path, "b") is None


def test_what_waits_to_be_written_can_be_read(tmp_path: Path) -> None:
    cache = PackumentCache(tmp_path)
    kept = entry()
    digest = cache.put(REGISTRY, "a", kept)
    assert cache.get(REGISTRY, "a") == kept._replace(digest=digest)
    assert cache.head(REGISTRY, "a") == (kept.fetched, kept.max_age, digest)
    assert cache.get("https://other.example/", "a") is None
    cache.close()


def test_many_entries_reach_the_disk_before_the_end(tmp_path: Path) -> None:
    cache = PackumentCache(tmp_path)
    for index in range(600):
        cache.put(REGISTRY, f"package-{index}", entry())
    assert stored(tmp_path, "package-0") is not None
    cache.close()
    assert stored(tmp_path, "package-599") is not None


def test_freshness_is_the_registrys_to_say() -> None:
    now = time.time()
    assert entry(fetched=now - 50).is_fresh(60)
    assert not entry(fetched=now - 70).is_fresh(60)
    assert entry(fetched=now - 70, max_age=100.0).is_fresh(60)
    assert not entry(fetched=now - 50, max_age=0.0).is_fresh(60)
    assert not entry(fetched=now + 1000).is_fresh(60), "a clock that was set back must not keep it for ever"


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    filled(tmp_path / "new/cache")
    assert (tmp_path / "new/cache").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new/cache" / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_old_entries_are_forgotten(tmp_path: Path) -> None:
    cache = PackumentCache(tmp_path)
    cache.put(REGISTRY, "old", entry(fetched=time.time() - 31 * 86400))
    cache.put(REGISTRY, "new", entry())
    cache.close()
    assert stored(tmp_path, "old") is None
    assert stored(tmp_path, "new") is not None


# --- whatever is wrong with it ---------------------------------------------------------------------------


def damage(folder: Path, how: str) -> None:
    path = folder / FILE_NAME
    if how == "no database":
        path.write_bytes(b"this is no database" * 1000)
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "header destroyed":
        path.write_bytes(bytes(100) + path.read_bytes()[100:])
    elif how == "pages destroyed":
        path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
    else:
        with sqlite3.connect(path) as database:
            database.executescript(how)
        database.close()


@pytest.mark.parametrize(
    "how",
    [
        "no database",
        "cut short",
        "header destroyed",
        "pages destroyed",
        "PRAGMA user_version = 99",
        "PRAGMA application_id = 7",
        "DROP TABLE packuments",
        "ALTER TABLE packuments ADD COLUMN more TEXT",
    ],
)
def test_a_file_that_cannot_be_trusted_is_started_afresh(tmp_path: Path, how: str) -> None:
    filled(tmp_path, *(f"package-{index}" for index in range(100)))
    damage(tmp_path, how)
    cache = PackumentCache(tmp_path)
    assert cache.get(REGISTRY, "package-50") is None
    cache.put(REGISTRY, "a", entry())
    cache.close()
    (note,) = cache.notes
    assert "started afresh" in note
    assert stored(tmp_path) is not None


def test_a_file_in_use_by_others_is_not_pulled_from_under_them(tmp_path: Path) -> None:
    filled(tmp_path)
    other = PackumentCache(tmp_path)
    damage(tmp_path, "PRAGMA user_version = 99")
    cache = PackumentCache(tmp_path)
    assert cache.get(REGISTRY, "a") is None
    cache.put(REGISTRY, "a", entry())
    cache.close()
    (note,) = cache.notes
    assert "is not used" in note
    assert other.get(REGISTRY, "a") is not None
    other.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE packuments SET projection = 'text'",
        "UPDATE packuments SET projection = x'00'",
        "UPDATE packuments SET fetched = 'yesterday'",
        "UPDATE packuments SET etag = x'00'",
        "UPDATE packuments SET max_age = 'long'",
    ],
)
def test_an_entry_of_the_wrong_shape_is_as_good_as_none(tmp_path: Path, statement: str) -> None:
    filled(tmp_path)
    damage(tmp_path, statement)
    assert stored(tmp_path) is None


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / FILE_NAME
    with sqlite3.connect(path) as database:
        (blob,) = database.execute("SELECT projection FROM packuments").fetchone()
        for index in range(len(blob)):
            flipped = blob[:index] + bytes([blob[index] ^ 4]) + blob[index + 1 :]
            database.execute("UPDATE packuments SET projection = ?", (flipped,))
            database.commit()
            found = stored(tmp_path)
            assert found is None or found.projection == b"x" * 5000
    database.close()


@pytest.mark.parametrize("folder", ["/dev/null/cache", "/proc/cache"])
def test_a_folder_that_cannot_be_made_is_gone_without(folder: str) -> None:
    cache = PackumentCache(Path(folder))
    cache.put(REGISTRY, "a", entry())
    assert cache.get(REGISTRY, "a") is None
    cache.close()
    (note,) = cache.notes
    assert f"{folder}/{FILE_NAME} is not used" in note


FULL_DISK = """
import os, resource, signal, sys
from pathlib import Path
from npmguard.registry.packument_cache import Entry, PackumentCache
cache = PackumentCache(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for index in range(2000):
    cache.put("https://registry.example/", f"package-{index}", Entry(os.urandom(2000), 1e12))
cache.close()
print(cache.notes)
"""


def test_a_full_disk_is_gone_without_and_leaves_the_file_whole(tmp_path: Path) -> None:
    filled(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "is not used" in done.stdout
    assert done.stderr == ""
    assert stored(tmp_path) is not None


MANY = """
import sys, time
from pathlib import Path
from npmguard.registry.packument_cache import Entry, PackumentCache
cache = PackumentCache(Path(sys.argv[1]))
for index in range(300):
    cache.put("https://registry.example/", f"package-{index}", Entry(b"x" * 1000, time.time()))
    found = cache.get("https://registry.example/", f"package-{299 - index}")
    assert found is None or found.projection == b"x" * 1000
cache.close()
print(cache.notes)
"""


def test_twenty_processes_share_one_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MANY, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(20)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 20
    assert outputs == ["()\n"] * 20
    assert stored(tmp_path, "package-299") is not None


def test_a_process_that_is_killed_leaves_the_file_whole(tmp_path: Path) -> None:
    endless = MANY.replace("range(300)", "iter(int, 1)").replace("{index}", "{time.time()}")
    endless = endless.replace("{299 - index}", "{index}")
    with subprocess.Popen([sys.executable, "-c", endless, str(tmp_path)]) as process:
        end = time.monotonic() + 20
        while not (tmp_path / f"{FILE_NAME}-wal").exists() and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
    filled(tmp_path)
    assert stored(tmp_path) is not None
