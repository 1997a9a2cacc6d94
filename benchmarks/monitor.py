"""How fast a monitor gets on, what memory it takes, and how soon it tells; see docs/monitor.md.

::

    python -m benchmarks.monitor --tarballs FOLDER            # each .tgz as a version that is new
    python -m benchmarks.monitor --made 20000                 # so many small packages, made when asked for
    python -m benchmarks.monitor --delay 5                    # from publication to alert, polling every second
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from npmguard.config import Limits
from npmguard.package.tarball import read_archive
from tests.command import environment
from tests.fixture_packages import load_case, repack
from tests.monitor_runs import children
from tests.tarballs import tarball

_CODE = (
    b"'use strict';\nfunction part%d(values, limit) {\n  return values.filter((it) => it.size > limit)"
    b".map((it) => ({ name: it.name, size: it.size * %d }));\n}\nmodule.exports.part%d = part%d;\n"
)

Content = Callable[[str, str], bytes]


class Registry:
    """A registry on loopback whose packages have the *versions* given, and its feed; ``served`` in bytes."""

    def __init__(self, packages: list[tuple[str, tuple[str, ...]]], content: Content) -> None:
        self.versions = dict(packages)
        self.order = [name for name, _ in packages]
        self.content = lru_cache(64)(content)
        self.served = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str) -> bytes | None:
        parts = urlsplit(path)
        route = unquote(parts.path)
        if route == "/registry/":
            return json.dumps({"update_seq": len(self.order)}).encode()
        if route == "/registry/_changes":
            query = {key: int(value[0]) for key, value in parse_qs(parts.query).items()}
            since = query["since"]
            names = enumerate(self.order[since : since + query["limit"]], since + 1)
            rows = [{"seq": number, "id": name, "changes": [{"rev": "1-a"}]} for number, name in names]
            return json.dumps({"results": rows, "last_seq": rows[-1]["seq"] if rows else since}).encode()
        name, _, file = route[1:].partition("/-/")
        if name not in self.versions:
            return None
        return self.content(name, file) if file else self._document(name)

    def _document(self, name: str) -> bytes:
        newest = self.versions[name][-1]
        entries, times = {}, {}
        for version in self.versions[name]:
            content = self.content(name, version)
            dist = {
                "shasum": hashlib.sha1(content).hexdigest(),
                "integrity": f"sha512-{b64encode(hashlib.sha512(content).digest()).decode()}",
                "tarball": f"{self.url}{name}/-/{version}",
            }
            entries[version] = {"name": name, "version": version, "dist": dist}
            age = timedelta(days=0 if version == newest else 60)
            times[version] = (datetime.now(UTC) - age).isoformat()
        document = {"name": name, "dist-tags": {"latest": newest}, "versions": entries, "time": times}
        return json.dumps(document).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 256 * 1024  # head and body in one segment, else each answer waits for an acknowledgement

            def do_GET(self) -> None:
                body = registry._answer(self.path)
                registry.served += len(body or b"")
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
                """Say nothing."""

        return Handler


def made(name: str, version: str) -> bytes:
    """A small package that no other one has the bytes of: ten files of some lines each."""
    number = int(name.rpartition("-")[2])
    files = {f"lib/part{part}.js": _CODE % (part, number, part, part) * 8 for part in range(10)}
    manifest = json.dumps({"name": name, "version": version, "main": "lib/part0.js"}).encode()
    return tarball({"package.json": manifest, **files})


def of_folder(folder: Path) -> tuple[list[tuple[str, tuple[str, ...]]], Content]:
    """The tarballs of a folder under the names and versions that their manifests state."""
    files: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.glob("*.tgz")):
        manifest = read_archive(path.read_bytes(), Limits(), lambda *_: False).manifest
        if manifest is not None:
            files[manifest.name, manifest.version] = path
    packages: dict[str, list[str]] = {}
    for name, version in files:
        packages.setdefault(name, []).append(version)
    every = [(name, tuple(versions)) for name, versions in packages.items()]
    return every, lambda name, version: files[name, version].read_bytes()


@contextmanager
def monitor(registry: Registry, home: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A monitor over that registry, in the background."""
    command = [
        *(sys.executable, "-P", "-m", "npmguard", "monitor", "--registry", registry.url),
        *("--changes-url", f"{registry.url}registry/_changes", "--state", str(home / "state.db")),
        *("--alerts", f"jsonl:{home / 'alerts.jsonl'}", *options),
    ]
    env = environment(home, registry.url)
    with subprocess.Popen(command, env=env, cwd=home, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def usage_of(process: int) -> tuple[int, int, float]:
    """What a monitor has taken: its own memory, that of all its workers (MB), CPU seconds of all of them."""
    workers = children(process)
    seconds = sum(_cpu(it) for it in (process, *workers))
    return _resident(process), sum(_resident(it) for it in workers), seconds


def _resident(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024**2


def _cpu(process: int) -> float:
    """Its own, and that of its children that have ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def throughput(registry: Registry, home: Path, options: list[str]) -> None:
    """Judge all that the registry has, and say what it took."""
    versions = sum(len(it) for it in registry.versions.values())
    own, cpu, shown = time.process_time(), 0.0, 0.0
    started = time.monotonic()
    with monitor(registry, home, "--once", "--since", "0", *options) as process:
        while process.poll() is None:
            time.sleep(0.2)
            main, workers, used = usage_of(process.pid)
            cpu, seconds = max(cpu, used), time.monotonic() - started
            if seconds - shown > 20 and workers:
                shown = seconds
                print(f"{seconds:6.0f} s: monitor {main} MB, workers {workers} MB", flush=True)
        seconds = time.monotonic() - started
        assert process.stderr is not None
        print(process.stderr.read().strip())
    own = time.process_time() - own
    state = sum(path.stat().st_size for path in home.glob("state.db*"))
    print(
        f"{versions} versions in {seconds:.1f} s: {versions / seconds:.1f} a second; "
        f"CPU {cpu / versions * 1000:.0f} ms a version, and {own / versions * 1000:.0f} ms of the registry; "
        f"{registry.served / versions / 1024:.0f} KB transferred, {state / versions / 1024:.2f} KB stored each"
    )


def delay(rounds: int, home: Path, options: list[str]) -> None:
    """From the row in the feed to the line in the file of alerts."""
    sides = {"1.0.0": "before", "1.0.1": "after"}
    names = [f"taken-{number}" for number in range(rounds)]

    def content(name: str, version: str) -> bytes:
        return repack(load_case("esm-clipper", sides[version]), name=name, version=version)

    registry = Registry([], content)
    alerts = home / "alerts.jsonl"
    with monitor(registry, home, "--follow", "--since", "0", "--interval", "1", *options):
        time.sleep(5)
        for number, name in enumerate(names):
            registry.versions[name] = ("1.0.0", "1.0.1")
            started = time.monotonic()
            registry.order.append(name)
            while not alerts.exists() or name not in alerts.read_text():
                time.sleep(0.02)
            print(
                f"publication {number}: told after {time.monotonic() - started:.1f} s, looking every 1 s",
                flush=True,
            )
            time.sleep(2)
    registry.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tarballs", type=Path)
    parser.add_argument("--made", type=int)
    parser.add_argument("--delay", type=int)
    parser.add_argument("options", nargs="*", help="options of npmguard monitor, after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="npmguard-bench-") as folder:
        home = Path(folder)
        if arguments.delay:
            delay(arguments.delay, home, arguments.options)
            return
        if arguments.tarballs:
            packages, content = of_folder(arguments.tarballs)
        else:
            count = arguments.made or 1000
            packages, content = [(f"made-{number}", ("1.0.0",)) for number in range(count)], made
        registry = Registry(packages, content)
        throughput(registry, home, arguments.options)
        registry.close()


if __name__ == "__main__":
    main()
