"""A judgement of an earlier scan is taken again only while all that it rests on is as it was.

The tarballs and the analyses are taken away after the first scan: what is judged anew ends unverified.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npmguard.config import Cache, Config, Cooldown, Feed
from npmguard.intel.malware import Bounds, KnownMalware, Record, Source, Statement
from npmguard.lockfile.reader import read_lockfile
from npmguard.model import ScanReport, Verdict
from npmguard.registry.npmrc import NpmConfig
from npmguard.scanner import Scanner
from tests.command import write_lock
from tests.fixture_packages import pack
from tests.servers import RegistryServer, Reply, sri

NAME = "good"
PLAIN = pack({"package.json": b'{"name":"good","version":"1.0.0"}', "index.js": b"module.exports = 1\n"})
KEYS_PATH = "/-/npm/v1/keys"
RULE = b"""\
id: own-rule
kind: signal
title: A call of a name that nothing has
description: For a test.
match: {call: nothingHasThisName}
examples:
  match: [{name: one, code: nothingHasThisName()}, {name: two, code: 'nothingHasThisName(1)'}]
  no_match: [{name: one, code: other()}, {name: two, code: '1'}]
"""


@dataclass
class Project:
    """A project with one dependency, its registry, and the cache of its scans."""

    server: RegistryServer
    folder: Path
    config: Config
    npm: NpmConfig
    document: dict[str, Any] = field(default_factory=dict)

    def lock(self, **changes: Any) -> None:
        entry = {"name": NAME, "version": "1.0.0", "integrity": sri(PLAIN), **changes}
        write_lock(self.folder / "project", {key: it for key, it in entry.items() if it is not None})

    def scan(self, **modes: Any) -> ScanReport:
        with Scanner(self.config, self.npm, **modes) as scanner:
            return scanner.scan(read_lockfile(self.folder / "project/package-lock.json", self.config.limits))

    def verdict(self, **modes: Any) -> Verdict:
        (package,) = self.scan(**modes).packages
        return package.verdict

    def judged(self) -> ScanReport:
        """A first scan, after which nothing but judgements and documents tell that the version is clean."""
        report = self.scan()
        assert [it.verdict for it in report.packages] == [Verdict.CLEAN]
        for path in self.cache.glob("results.db*"):
            path.unlink()
        self.server.route(f"/{NAME}/-/{NAME}-1.0.0.tgz", Reply(status=404))
        return report

    @property
    def cache(self) -> Path:
        return self.config.cache.path

    def execute(self, file: str, statement: str, *values: object) -> None:
        with sqlite3.connect(self.cache / file) as database:
            database.execute(statement, values)
        database.close()


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the analysis of the tarball, and no judgement: what reads a tarball takes long to start."""
    with RegistryServer() as server:
        folder = tmp_path_factory.mktemp("analysed")
        project_in(folder, server).scan()
    for path in (folder / "cache").glob("*.db*"):
        if not path.name.startswith("results.db"):
            path.unlink()
    return folder / "cache"


@pytest.fixture
def project(tmp_path: Path, analysed: Path) -> Iterator[Project]:
    with RegistryServer() as server:
        shutil.copytree(analysed, tmp_path / "cache")
        yield project_in(tmp_path, server)


def project_in(folder: Path, server: RegistryServer) -> Project:
    cache = Cache(directory=str(folder / "cache"))
    config = Config(jobs=1, feed=Feed(required=False, online=False), cache=cache)
    it = Project(server, folder, config, NpmConfig(registry=server.url))
    it.document = server.publish(NAME, "1.0.0", PLAIN)
    it.lock()
    return it


def test_what_nothing_has_changed_of_is_judged_once_and_told_alike(project: Project) -> None:
    first = project.judged()
    asked = len(project.server.paths)
    assert project.scan().packages == first.packages
    assert len(project.server.paths) == asked, "the second scan asks for nothing"


def test_where_an_entry_stands_in_the_lock_makes_no_difference(project: Project) -> None:
    project.judged()
    lock = project.folder / "project/package-lock.json"
    lock.write_text("\n\n" + lock.read_text())
    (package,) = project.scan().packages
    assert package.verdict is Verdict.CLEAN
    assert package.line > 3, "the line is that of the lock as it is now"


def test_a_scan_that_recalls_everything_does_not_load_what_judges(project: Project) -> None:
    project.judged()
    lock = str(project.folder / "project/package-lock.json")
    code = f"""
import sys
from pathlib import Path
from npmguard.config import Cache, Config, Feed
from npmguard.lockfile.reader import read_lockfile
from npmguard.registry.npmrc import NpmConfig
from npmguard.scanner import Scanner
cache = Cache(directory={str(project.cache)!r})
config = Config(jobs=1, feed=Feed(required=False, online=False), cache=cache)
with Scanner(config, NpmConfig(registry={project.server.url!r})) as scanner:
    report = scanner.scan(read_lockfile(Path({lock!r}), config.limits))
print(report.packages[0].verdict.value, *sorted(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    verdict, *modules = done.stdout.split()
    assert verdict == "clean"
    slow = {"npmguard.judge", "npmguard.pool", "networkx", "yara_x", "tree_sitter", "cryptography", "requests"}
    assert not slow & set(modules)


def test_a_document_that_the_registry_confirms_is_as_good_as_a_fresh_one(project: Project) -> None:
    project.server.route(f"/{NAME}", Reply.json(project.document, etag='"1"'))
    project.judged()
    project.execute("packuments.db", "UPDATE packuments SET fetched = 0, max_age = NULL")
    assert project.verdict() is Verdict.CLEAN
    assert [it.headers.get("if-none-match") for it in project.server.asked(f"/{NAME}")] == [None, '"1"']


def _other_bytes(project: Project) -> None:
    project.lock(integrity=sri(b"other bytes"))


def _no_bytes(project: Project) -> None:
    project.lock(integrity=None)


def _elsewhere(project: Project) -> None:
    project.lock(resolved=f"{project.server.url}{NAME}/-/{NAME}-1.0.0.tgz")


def _new_release(project: Project) -> None:
    project.server.publish(NAME, "1.0.1", b"x", published="2021-01-01T00:00:00.000Z")
    project.execute("packuments.db", "UPDATE packuments SET fetched = 0, max_age = NULL")


def _deprecated(project: Project) -> None:
    project.document["versions"]["1.0.0"]["deprecated"] = "compromised"
    project.server.route(f"/{NAME}", Reply.json(project.document))
    project.execute("packuments.db", "UPDATE packuments SET fetched = 0, max_age = NULL")


def _no_document(project: Project) -> None:
    project.execute("packuments.db", "DELETE FROM packuments")
    project.server.route(f"/{NAME}", Reply(status=404))


def _damaged_document(project: Project) -> None:
    project.execute("packuments.db", "UPDATE packuments SET digest = zeroblob(16)")
    project.server.route(f"/{NAME}", Reply(status=404))


def _other_registry(project: Project) -> None:
    project.npm = replace(project.npm, registry=project.server.url_at("localhost"))


def _other_settings(project: Project) -> None:
    project.config = msgspec.structs.replace(project.config, cooldown=Cooldown(min_age="2d"))


def _other_rules(project: Project) -> None:
    folder = project.folder / "rules"
    folder.mkdir()
    (folder / "own-rule.yml").write_bytes(RULE)
    project.config = msgspec.structs.replace(project.config, rules=(str(folder),))


def _other_keys(project: Project) -> None:
    project.execute("evidence.db", "DELETE FROM evidence WHERE kind = 'keys'")
    project.server.route(KEYS_PATH, Reply.json({"keys": []}))


def _keys_out_of_reach(project: Project) -> None:
    project.execute("evidence.db", "DELETE FROM evidence WHERE kind = 'keys'")
    project.server.route(KEYS_PATH, Reply(status=500))


def _flipped(project: Project) -> None:
    project.execute("evidence.db", "UPDATE evidence SET value = replace(value, X'A0', X'A1')")


def _of_another_key(project: Project) -> None:
    project.execute("evidence.db", "UPDATE evidence SET key = 'x' || key WHERE kind = 'judgement'")


def _writable_by_others(project: Project) -> None:
    (project.cache / "evidence.db").chmod(0o622)


def _in_a_folder_of_others(project: Project) -> None:
    project.cache.chmod(0o777)


def _no_cache(project: Project) -> None:
    off = msgspec.structs.replace(project.config.cache, enabled=False)
    project.config = msgspec.structs.replace(project.config, cache=off)


@pytest.mark.parametrize(
    "change",
    [
        *(_other_bytes, _no_bytes, _elsewhere, _new_release, _deprecated, _no_document, _damaged_document),
        *(_other_registry, _other_settings, _other_rules, _other_keys, _keys_out_of_reach, _flipped),
        *(_of_another_key, _writable_by_others, _in_a_folder_of_others, _no_cache),
    ],
)
def test_whatever_a_judgement_rests_on_makes_it_void_when_it_changes(
    project: Project, change: Callable[[Project], None]
) -> None:
    project.judged()
    assert project.verdict() is Verdict.CLEAN
    change(project)
    assert project.verdict() is not Verdict.CLEAN


@pytest.mark.parametrize("mode", ["offline", "facts", "unfiltered"])
def test_a_scan_of_another_kind_judges_for_itself(project: Project, mode: str) -> None:
    project.judged()
    modes = {"prefilter": False} if mode == "unfiltered" else {mode: True}
    assert project.verdict(**modes) is Verdict.UNVERIFIED


def test_another_version_of_npmguard_judges_anew_and_keeps_that_in_the_place_of_the_old(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.judged()
    monkeypatch.setattr("npmguard.recall.program_digest", lambda: b"another version")
    assert project.verdict() is Verdict.UNVERIFIED
    project.server.publish(NAME, "1.0.0", PLAIN)
    assert project.verdict() is Verdict.CLEAN
    assert _judgements(project) == 1


def _judgements(project: Project) -> int:
    with sqlite3.connect(project.cache / "evidence.db") as database:
        (count,) = database.execute("SELECT count(*) FROM evidence WHERE kind = 'judgement'").fetchone()
    database.close()
    return int(count)


def test_a_clock_that_was_set_back_recalls_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.judged()
    real = time.time

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Earlier:
            return cls.fromtimestamp(real(), tz) - timedelta(days=40_000)

    monkeypatch.setattr("npmguard.sources.datetime", Earlier)
    assert project.verdict() is Verdict.UNVERIFIED


def test_what_an_age_has_a_part_in_is_judged_at_every_scan(project: Project) -> None:
    young = (datetime.now(UTC) - timedelta(days=20)).isoformat()
    project.server.publish(NAME, "1.0.0", PLAIN, published=young)
    project.judged()
    assert project.verdict() is Verdict.UNVERIFIED


def test_what_is_called_malware_later_is_not_recalled(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.judged()
    record = Record("MAL-0000-1", Source.OSV, "2020-01-01", "bad", "https://osv.example/")
    known = KnownMalware({NAME: (Statement(record, Bounds(("1.0.0",))),)})
    monkeypatch.setattr("npmguard.intel.gather.gather", lambda *_, **__: known)
    assert project.verdict() is Verdict.MALICIOUS


def test_what_becomes_known_of_another_version_is_heeded(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.judged()
    record = Record("MAL-0000-1", Source.OSV, "2020-01-01", "bad", "https://osv.example/")
    known = KnownMalware({NAME: (Statement(record, Bounds(("0.9.0",))),)})
    monkeypatch.setattr("npmguard.intel.gather.gather", lambda *_, **__: known)
    assert project.verdict() is Verdict.UNVERIFIED, "it may have been the baseline"


def test_a_version_that_is_not_clean_is_never_recalled(project: Project) -> None:
    project.lock(integrity=sri(b"other bytes"))
    assert project.verdict() is not Verdict.CLEAN
    assert _judgements(project) == 0
