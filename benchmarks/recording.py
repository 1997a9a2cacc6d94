"""The picture of a scan on the front page, made from a real run.

    python benchmarks/recording.py docs/images/scan.svg

A registry on loopback serves an inert fixture; npmguard scans a lock that brings it in by another package, on a
terminal of its own, and what that terminal shows is drawn as SVG.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402 - a checkout is not installed
from rich.terminal_theme import MONOKAI  # noqa: E402
from rich.text import Text  # noqa: E402

from tests.command import environment  # noqa: E402
from tests.fixture_packages import load_case, manifest_of, pack  # noqa: E402
from tests.servers import RegistryServer, sri  # noqa: E402

COLUMNS = 104


def main(target: Path) -> int:
    """Scan, and draw."""
    with tempfile.TemporaryDirectory() as name, RegistryServer() as server:
        folder = Path(name)
        env = environment(folder / "home", server.url, COLUMNS=str(COLUMNS), TERM="xterm-256color", LINES="60")
        _project(folder, server)
        command = [sys.executable, "-m", "npmguard", "scan"]
        raw = _on_a_terminal(command, folder / "project", {**env, "PYTHONPATH": str(ROOT)})
    shown = "\n".join(line for line in raw.replace("\r\n", "\n").split("\n") if "\x1b[2K" not in line)
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text("$ npmguard scan", "bold"))
    console.print(Text.from_ansi(shown), end="")
    svg = console.export_svg(title="npmguard", theme=MONOKAI, unique_id="scan")
    target.write_text(svg, encoding="utf-8")
    return 0


def _project(folder: Path, server: RegistryServer) -> None:
    clipper = load_case("fetch-response-clipper", "after")
    old = load_case("fetch-response-clipper", "before")
    manifest = manifest_of(clipper)
    name = manifest["name"]
    kit_name, wanted = "npmguard-fixture-app-kit", {name: "^1.2.0"}
    kit = {"name": kit_name, "version": "2.0.0", "dependencies": wanted}
    tarball = pack({"package.json": json.dumps(kit).encode(), "index.js": b"module.exports = 1\n"})
    server.publish(name, "1.2.0", old, manifest=manifest_of(old))
    server.publish(name, "1.2.1", clipper, manifest=manifest)
    server.publish(kit_name, "2.0.0", tarball, manifest=kit)
    packages = {
        "": {"name": "shop", "version": "1.0.0", "dependencies": {kit_name: "^2.0.0"}},
        f"node_modules/{kit_name}": {
            "version": "2.0.0",
            "integrity": sri(tarball),
            "dependencies": wanted,
        },
        f"node_modules/{name}": {"version": "1.2.1", "integrity": sri(clipper)},
    }
    project = folder / "project"
    project.mkdir()
    lock = {"name": "shop", "version": "1.0.0", "lockfileVersion": 3, "packages": packages}
    (project / "package-lock.json").write_text(json.dumps(lock, indent=2))


def _on_a_terminal(command: list[str], folder: Path, env: dict[str, str]) -> str:
    reader, writer = pty.openpty()
    with subprocess.Popen(command, cwd=folder, env=env, stdout=writer, stderr=subprocess.DEVNULL) as process:
        os.close(writer)
        output = b""
        while True:
            try:
                part = os.read(reader, 65536)
            except OSError:  # the terminal is closed with the process
                break
            if not part:
                break
            output += part
        process.wait()
    os.close(reader)
    return output.decode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
