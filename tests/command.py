"""npmguard as its user runs it: a process of its own, with no caches and no configuration but the test's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 120  # seconds; a test that needs a tighter bound names it


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it said."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report on standard output."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode("utf-8")

    def package(self, name: str) -> dict[str, Any]:
        """The one package of that name in the JSON report."""
        (found,) = [package for package in self.report["packages"] if package["name"] == name]
        result: dict[str, Any] = found
        return result


def command() -> list[str]:
    """How npmguard is started in tests; ``-P`` keeps the working directory out of the import path."""
    return [sys.executable, "-P", "-m", "npmguard"]


def environment(home: Path, registry: str | None = None, **more: str) -> dict[str, str]:
    """An environment whose npm and npmguard know only what is in *home*.

    Without a *registry*, npm's configuration of this machine stays in force, with caches of its own.
    """
    home.mkdir(exist_ok=True)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if registry is None or not name.lower().startswith("npm_config_")
    }
    own = {
        "XDG_CACHE_HOME": str(home / "cache"),
        "npm_config_cache": str(home / "npm-cache"),
        "NPMGUARD_FEED": "off",  # what the world knows is no business of a test that serves its own
    }
    if registry is not None:
        own |= {
            "HOME": str(home),
            "npm_config_registry": registry,
            "npm_config_userconfig": str(home / ".npmrc"),
            "npm_config_globalconfig": str(home / "global-npmrc"),
        }
    return {**inherited, **own, **more}


def npmguard(
    *arguments: str | Path, env: Mapping[str, str], cwd: Path | None = None, limit: float = LIMIT
) -> Result:
    """Run npmguard to its end; *limit* seconds are all that it may take."""
    done = subprocess.run(
        [*command(), *map(str, arguments)], env=env, cwd=cwd, capture_output=True, timeout=limit, check=False
    )
    stderr = done.stderr.decode("utf-8")
    assert "Traceback" not in stderr, stderr
    return Result(done.returncode, done.stdout, stderr)


def write_lock(folder: Path, *packages: Mapping[str, Any], version: int = 3) -> Path:
    """A package-lock.json in *folder* with those entries: ``name``, ``version``, what else a lock says."""
    folder.mkdir(exist_ok=True, parents=True)
    dependencies = {str(package["name"]): str(package["version"]) for package in packages}
    entries: dict[str, Any] = {"": {"name": "project", "version": "1.0.0", "dependencies": dependencies}}
    for package in packages:
        entries[f"node_modules/{package['name']}"] = {
            key: value for key, value in package.items() if key != "name"
        }
    path = folder / "package-lock.json"
    document = {"name": "project", "version": "1.0.0", "lockfileVersion": version, "packages": entries}
    path.write_text(json.dumps(document, indent=2))
    return path
