"""Whatever became of the cache, the next scan says what a scan without one says."""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from npmguard.config import Cache, Config, Feed
from npmguard.lockfile.reader import read_lockfile
from npmguard.model import PackageReport, ScanReport, Verdict
from npmguard.registry.npmrc import NpmConfig
from npmguard.scanner import Scanner
from tests.command import command, environment, npmguard, write_lock
from tests.fixture_packages import load_case, pack
from tests.servers import RegistryServer, sri

BAD = "npmguard-fixture-array-corruption"
GOOD = "good"


@pytest.fixture(scope="module")
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture(scope="module")
def project(server: RegistryServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that locks a version that corrupts arrays, and one that does nothing."""
    plain = pack({"package.json": b'{"name":"good","version":"1.0.0"}', "index.js": b"module.exports = 1\n"})
    bad, before = (load_case("array-corruption", side) for side in ("after", "before"))
    server.publish(GOOD, "1.0.0", plain)
    server.publish(BAD, "1.2.0", before)
    server.publish(BAD, "1.2.1", bad, published="2020-02-01T00:00:00.000Z")
    folder = tmp_path_factory.mktemp("project")
    entries: list[dict[str, Any]] = [
        {"name": GOOD, "version": "1.0.0", "integrity": sri(plain)},
        {"name": BAD, "version": "1.2.1", "integrity": sri(bad)},
    ]
    return write_lock(folder, *entries).parent


def scan(server: RegistryServer, project: Path, cache: Path) -> ScanReport:
    feed = Feed(required=False, online=False)
    config = Config(jobs=1, feed=feed, cache=Cache(directory=str(cache)))
    with Scanner(config, NpmConfig(registry=server.url)) as scanner:
        return scanner.scan(read_lockfile(project / "package-lock.json", config.limits))


@pytest.fixture(scope="module")
def filled(server: RegistryServer, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache that a whole scan leaves."""
    cache = tmp_path_factory.mktemp("filled")
    scan(server, project, cache)
    assert {path.name for path in cache.glob("*.db")} >= {"results.db", "packuments.db", "evidence.db"}
    return cache


@pytest.fixture(scope="module")
def packages(server: RegistryServer, project: Path, filled: Path) -> tuple[PackageReport, ...]:
    """What a scan says."""
    found = scan(server, project, filled).packages
    assert {package.name: package.verdict for package in found} == {
        GOOD: Verdict.CLEAN,
        BAD: Verdict.MALICIOUS,
    }
    return found


@pytest.fixture
def cache(filled: Path, tmp_path: Path) -> Path:
    """That cache, to be damaged."""
    copy = tmp_path / "cache"
    subprocess.run(["cp", "-a", str(filled), str(copy)], check=True)
    return copy


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 9999)


def _nothing(path: Path) -> None:
    path.write_bytes(b"")


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = random.Random(1).randbytes(len(data) - 4096)
    path.write_bytes(data)


def _write_ahead(path: Path) -> None:
    path.with_name(f"{path.name}-wal").write_bytes(random.Random(2).randbytes(40_000))


def _newer(path: Path) -> None:
    _execute(path, "PRAGMA user_version = 99")


def _other_columns(path: Path) -> None:
    for table in _tables(path):
        _execute(path, f"ALTER TABLE {table} ADD COLUMN more TEXT")


def _no_tables(path: Path) -> None:
    for table in _tables(path):
        _execute(path, f"DROP TABLE {table}")


def _bits(path: Path) -> None:
    """One bit of each value."""
    pick = random.Random(3)
    with sqlite3.connect(path) as database:
        for table in _tables(path):
            for column in [row[1] for row in database.execute(f"PRAGMA table_info({table})")]:
                values = [row[0] for row in database.execute(f"SELECT {column} FROM {table}")]
                for value in {value for value in values if isinstance(value, bytes) and len(value) > 32}:
                    place = pick.randrange(len(value))
                    flipped = (
                        value[:place] + bytes([value[place] ^ 1 << pick.randrange(8)]) + value[place + 1 :]
                    )
                    database.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (flipped, value))
    database.close()


def _rows_of_another(path: Path) -> None:
    """Each row holds the value of some other row."""
    with sqlite3.connect(path) as database:
        for table in set(_tables(path)) & {"analyses", "packuments"}:
            column = {"analyses": "value", "packuments": "projection"}[table]
            largest = f"(SELECT {column} FROM {table} ORDER BY length({column}) LIMIT 1)"
            database.execute(f"UPDATE {table} SET {column} = {largest}")
    database.close()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _execute(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()


def _tables(path: Path) -> list[str]:
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    database.close()
    return [str(name) for (name,) in rows]


HEALED = (
    *(_garbage, _nothing, _half, _pages, _write_ahead, _newer, _other_columns, _no_tables),
    *(_bits, _rows_of_another),
)


def about_caches(notes: Iterable[str]) -> list[str]:
    return [note for note in notes if "cache" in note and not note.startswith("known malware: ")]


@pytest.mark.parametrize("damage", [*HEALED, _folder, _loop])
def test_a_damaged_cache_changes_no_verdict(
    damage: Callable[[Path], None],
    server: RegistryServer,
    project: Path,
    packages: tuple[PackageReport, ...],
    cache: Path,
) -> None:
    for path in sorted(cache.glob("*.db")):
        damage(path)
    report = scan(server, project, cache)
    assert report.packages == packages
    assert all(note.isprintable() for note in report.notes)
    again = scan(server, project, cache)
    assert again.packages == packages
    if damage in HEALED:
        assert about_caches(again.notes) == []


def _without_the_rights_of_root() -> None:
    """Take root's right to write where the mode forbids it, so that a test may run as root too."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_cache_that_may_not_be_written_costs_the_cache_only(
    mode: int, server: RegistryServer, project: Path, packages: tuple[PackageReport, ...], cache: Path
) -> None:
    settings = project.parent / f"{cache.parent.name}.toml"
    settings.write_text(f"[cache]\ndirectory = {json.dumps(str(cache))}\n")
    for path in cache.rglob("*"):
        path.chmod(mode & 0o444 | (mode & 0o111 if path.is_dir() else 0))
    cache.chmod(mode)
    done = subprocess.run(
        [*command(), "scan", str(project), "--format", "json", "--config", str(settings)],
        env=environment(project.parent / "home", server.url),
        capture_output=True,
        timeout=60,
        check=False,
        preexec_fn=_without_the_rights_of_root,
    )
    cache.chmod(0o755)
    assert b"Traceback" not in done.stderr
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert [it["verdict"] for it in report["packages"]] == [it.verdict.value for it in packages]
    assert about_caches(report["notes"])


def test_scans_at_once_share_one_cache(server: RegistryServer, project: Path, tmp_path: Path) -> None:
    env = environment(tmp_path / "home", server.url)
    scans = [
        subprocess.Popen(
            [*command(), "scan", str(project), "--format", "json"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    said = {(*scan.communicate(timeout=240), scan.returncode) for scan in scans}
    ((_, stderr, code),) = said
    assert (stderr, code) == (b"", 1)


def test_after_a_kill_at_any_moment_the_next_scan_is_right(
    server: RegistryServer, project: Path, packages: tuple[PackageReport, ...], tmp_path: Path
) -> None:
    env = environment(tmp_path / "home", server.url)
    pick = random.Random(4)
    for _ in range(3):
        with subprocess.Popen(
            [*command(), "scan", str(project)],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as killed:
            time.sleep(pick.uniform(0.2, 2.0))
            killed.send_signal(signal.SIGKILL)
    done = npmguard("scan", project, "--format", "json", env=env)
    assert done.code == 1
    assert [it["verdict"] for it in done.report["packages"]] == [it.verdict.value for it in packages]
    assert about_caches(done.report["notes"]) == []
    assert _processes_of(killed.pid) == []


def _processes_of(session: int) -> list[int]:
    """The processes of a session that still run, after a moment in which its workers learn of its end."""
    end = time.monotonic() + 10
    while (found := list(_in_session(session))) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def _in_session(session: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == session:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    yield int(entry.name)
        except OSError:
            continue  # it has ended meanwhile
