"""Every endpoint that a scan asks, broken in every way: it ends, and says of which evidence it knows nothing.

One package, one server for all endpoints, one of them broken at a time. What could not be asked is told against
the evidence that it belongs to. It makes no package malicious, and none clean that would need it.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from npmguard.config import Cache, Config, Feed, Limits, Network
from npmguard.errors import FeedError
from npmguard.intel.feed_update import update_feed
from npmguard.lockfile.reader import read_lockfile
from npmguard.model import PackageReport, ScanReport, Verdict
from npmguard.outcome import INCOMPLETE, OK, exit_code
from npmguard.registry.npmrc import NpmConfig
from npmguard.registry.web import HttpWeb
from npmguard.scanner import Scanner
from tests.command import write_lock
from tests.feeds import osv_record, zipped
from tests.fixture_packages import pack
from tests.servers import RegistryServer, Reply, sri

NAME, VERSION = "left-pad", "1.0.0"
MANIFEST = {"name": NAME, "version": VERSION, "main": "index.js"}
TARBALL = pack({"package.json": json.dumps(MANIFEST).encode(), "index.js": b"module.exports = 1\n"})
RECORD = osv_record("MAL-2026-7", NAME, "9.9.9")
LIMITS = Limits(packument_bytes=1_000_000, tarball_bytes=1_000_000, feed_bytes=1_000_000)
NETWORK = Network(connect_timeout=0.5, read_timeout=0.5, transfer_timeout=1.0, retries=1, give_up_after=1.0)

FEED_ZIP = "/all.zip"
PACKUMENT = f"/{NAME}"
TARBALL_PATH = f"/{NAME}/-/{NAME}-{VERSION}.tgz"
KEYS = "/-/npm/v1/keys"
ATTESTATIONS = f"/-/npm/v1/attestations/{NAME}@{VERSION}"
BULK = "/-/npm/v1/security/advisories/bulk"
QUERYBATCH = "/v1/querybatch"
VULNERABILITY = "/v1/vulns/MAL-2026-7"

HUGE = b'{"results": "' + b"x" * (70 * 1024**2)
FAULTS = {
    "404": Reply(status=404),
    "429 with Retry-After": Reply(status=429, headers={"Retry-After": "3600"}),
    "500": Reply(status=500),
    "503": Reply(status=503, headers={"Retry-After": "1"}),
    "slow drip": Reply(b"{" + b" " * 5000, drip=0.05),
    "hang": Reply(b"{}", hang=30),
    "truncated body": Reply(b'{"results": [{}], "keys": []}', send_only=9),
    "broken connection": Reply(b"{}", reset=True),
    "no JSON": Reply(b"<html>Bad gateway</html>"),
    "wrong JSON": Reply(b'[{"error": "maintenance"}]'),
    "deep JSON": Reply(b"[" * 100_000),
    "huge JSON": Reply(HUGE, chunked=True),
    "gzip bomb": Reply(gzip.compress(bytes(100 * 1024**2), 9), headers={"Content-Encoding": "gzip"}),
    "redirect to metadata": Reply.redirect("http://169.254.169.254/latest/meta-data/"),
    "redirect to another port": Reply.redirect("http://127.0.0.1:9/"),
    "huge by its own word": Reply(b"{}", content_length=10**12, send_only=1),
}
BYTES_OF_ANOTHER = {
    "no JSON",
    "wrong JSON",
    "deep JSON",
    "gzip bomb",
}  # as a tarball: other bytes, and no outage


@dataclass(frozen=True)
class Run:
    """The end of one scan."""

    report: ScanReport
    code: int

    @property
    def package(self) -> PackageReport:
        (package,) = self.report.packages
        return package


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def serve(server: RegistryServer) -> None:
    """Everything that a scan asks, in its real format."""
    origin = {"url": f"{server.url}{ATTESTATIONS[1:]}", "provenance": {"predicateType": "slsa"}}
    server.publish(NAME, VERSION, TARBALL, manifest={"main": "index.js"}, dist={"attestations": origin})
    server.route(KEYS, Reply.json({"keys": []}))
    server.route(ATTESTATIONS, Reply.json({"attestations": []}))
    server.route(BULK, Reply.json({}))
    found = {"vulns": [{"id": "MAL-2026-7", "modified": RECORD["modified"]}]}
    server.route(QUERYBATCH, Reply.json({"results": [found]}))
    server.route(VULNERABILITY, Reply.json(RECORD))


def scan(server: RegistryServer, folder: Path, results: Path | None = None) -> Run:
    """One scan with caches of its own, but for the analyses in *results*."""
    cache = folder / "cache"
    cache.mkdir(parents=True)
    if results is not None:
        shutil.copy(results, cache / results.name)
    feed = Feed(api=f"{server.url}v1/", patience=1.0)
    config = Config(jobs=1, network=NETWORK, limits=LIMITS, cache=Cache(directory=str(cache)), feed=feed)
    lock = write_lock(folder / "project", {"name": NAME, "version": VERSION, "integrity": sri(TARBALL)})
    npm = NpmConfig(registry=server.url, cache=folder / "npm-cache")
    with Scanner(config, npm) as scanner:
        report = scanner.scan(read_lockfile(lock, LIMITS))
    return Run(report, exit_code(report, config.fail_on))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results cache of a scan in which nothing was broken."""
    folder = tmp_path_factory.mktemp("whole")
    with RegistryServer() as server:
        serve(server)
        whole = scan(server, folder)
    assert (whole.package.verdict, whole.code) == (Verdict.CLEAN, OK)
    assert whole.report.incomplete == ()
    assert whole.package.integrity.signature == "unverifiable"  # a registry that signs nothing
    return folder / "cache" / "results.db"


@pytest.fixture
def broken(
    server: RegistryServer,
    tmp_path: Path,
    results: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """A scan in which the test's endpoint is broken in the test's way."""
    monkeypatch.setattr("npmguard.registry.client.THROTTLE_PATIENCE", 1.0)
    endpoint, fault = request.param
    serve(server)
    server.route(endpoint, FAULTS[fault])
    return scan(server, tmp_path, None if endpoint == TARBALL_PATH else results)


def each(endpoint: str, *, but: set[str] | None = None) -> pytest.MarkDecorator:
    """Every fault of one endpoint, as arguments of :func:`broken`."""
    faults = [fault for fault in FAULTS if fault not in (but or set())]
    return pytest.mark.parametrize("broken", [(endpoint, fault) for fault in faults], ids=faults, indirect=True)


def told(lines: tuple[str, ...], source: str) -> str:
    (line,) = [line for line in lines if line.startswith(f"known malware: {source}: ")]
    assert line.isprintable()
    return line


@each(QUERYBATCH)
def test_osv(broken: Run) -> None:
    assert "could not be asked" in told(broken.report.incomplete, "OSV")
    assert (broken.package.verdict, broken.code) == (Verdict.CLEAN, INCOMPLETE)


@each(VULNERABILITY)
def test_a_record_of_osv(broken: Run) -> None:
    assert "could not be asked" in told(broken.report.incomplete, "OSV")
    assert (broken.package.verdict, broken.code) == (Verdict.CLEAN, INCOMPLETE)


@each(BULK)
def test_advisories(broken: Run) -> None:
    assert "could not be asked" in told(broken.report.notes, "GitHub advisory")
    assert (broken.package.verdict, broken.code) == (Verdict.CLEAN, OK)


@each(KEYS, but={"404"})
def test_signing_keys(broken: Run) -> None:
    assert broken.package.integrity.signature == "not-asked"
    assert (broken.package.verdict, broken.code) == (Verdict.CLEAN, OK)


@each(ATTESTATIONS, but={"404"})
def test_attestations(broken: Run) -> None:
    assert broken.package.integrity.provenance == "not-asked"
    assert (broken.package.verdict, broken.code) == (Verdict.CLEAN, OK)


@pytest.mark.parametrize("broken", [(KEYS, "404"), (ATTESTATIONS, "404")], indirect=True)
def test_a_registry_that_holds_no_such_evidence_has_answered(broken: Run) -> None:
    integrity = broken.package.integrity
    assert "not-asked" not in {integrity.signature, integrity.provenance}
    assert (broken.package.verdict, broken.code) == (Verdict.CLEAN, OK)


@each(PACKUMENT)
def test_packuments(broken: Run) -> None:
    assert broken.package.unverified_reason
    assert (broken.package.verdict, broken.code) == (Verdict.UNVERIFIED, INCOMPLETE)


@each(TARBALL_PATH, but=BYTES_OF_ANOTHER)
def test_tarballs(broken: Run) -> None:
    assert broken.package.unverified_reason
    assert (broken.package.verdict, broken.code) == (Verdict.UNVERIFIED, INCOMPLETE)


@pytest.mark.parametrize("broken", [(TARBALL_PATH, fault) for fault in sorted(BYTES_OF_ANOTHER)], indirect=True)
def test_an_error_page_in_place_of_a_tarball_is_not_the_bytes_that_were_locked(broken: Run) -> None:
    assert [finding.rule for finding in broken.package.findings] == ["integrity-mismatch"]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_feed(server: RegistryServer, tmp_path: Path, fault: str) -> None:
    server.route("/good.zip", Reply(zipped(RECORD)))
    server.route(FEED_ZIP, FAULTS[fault])
    now = datetime(2026, 5, 2, tzinfo=UTC)
    with HttpWeb(NpmConfig(registry=server.url), NETWORK, [server.url]) as web:
        update_feed(tmp_path, f"{server.url}good.zip", web, LIMITS, now)
        before = (tmp_path / "malware.db").read_bytes()
        with pytest.raises(FeedError) as caught:
            update_feed(tmp_path, f"{server.url}all.zip", web, LIMITS, now)
    assert str(caught.value).isprintable()
    assert (tmp_path / "malware.db").read_bytes() == before


def test_everything_at_once(server: RegistryServer, tmp_path: Path) -> None:
    """Nobody answers anything: one scan, as many reasons as there are sources, and an end."""
    for endpoint in (PACKUMENT, TARBALL_PATH, KEYS, ATTESTATIONS, BULK, QUERYBATCH):
        server.route(endpoint, Reply(hang=30))
    run = scan(server, tmp_path)
    assert run.package.verdict is Verdict.UNVERIFIED
    assert run.code == INCOMPLETE
    assert "could not be asked" in told(run.report.incomplete, "OSV")
