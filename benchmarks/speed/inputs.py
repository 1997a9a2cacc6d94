"""Projects, locks and tarballs that speed is measured on."""

from __future__ import annotations

import json
import os
import sys
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

from npmguard.config import load_config
from npmguard.lockfile.reader import read_lockfile
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import load_npm_config

ROOT = Path(__file__).parents[2]
LOCKS = ("pdf.js", "npm-cli", "insomnia")
SCAN = (sys.executable, "-P", "-m", "npmguard")
NPM_CI = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--force")
_DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_OWN = ("name", "version", "bin", *_DEPENDENCIES)


def lock_of(name: str) -> Path:
    """The lock of a real project."""
    return ROOT / "fixtures" / "lockfiles" / name / "package-lock.json"


def project(lock: Path, folder: Path) -> Path:
    """A folder with that lock, and the package.json files that npm needs beside it, of all workspaces.

    What comes from no registry, as a git repository, is left out: npm ci would ask other hosts for it.
    """
    folder.mkdir(parents=True)
    document = json.loads(lock.read_text(encoding="utf-8"))
    packages = document["packages"]
    foreign = [it for it, entry in packages.items() if entry.get("resolved", "").startswith(("git", "file:"))]
    names = {location.rpartition("node_modules/")[2] for location in foreign}
    for location in foreign:
        del packages[location]
    for entry, kind in product(packages.values(), _DEPENDENCIES):
        if isinstance(entry.get(kind), dict):
            entry[kind] = {name: spec for name, spec in entry[kind].items() if name not in names}
    (folder / "package-lock.json").write_text(json.dumps(document, indent=2))
    for location, entry in packages.items():
        if "node_modules/" not in location:
            (folder / location).mkdir(parents=True, exist_ok=True)
            kept = entry if location == "" else {key: entry[key] for key in _OWN if key in entry}
            (folder / location / "package.json").write_text(json.dumps(kept))
    return folder


def environment(npm_cache: Path, own_cache: Path) -> dict[str, str]:
    """This environment with both caches elsewhere; what others know takes their time, not this machine's."""
    return {
        **os.environ,
        "npm_config_cache": str(npm_cache),
        "XDG_CACHE_HOME": str(own_cache),
        "NPMGUARD_FEED": "off",
    }


def tarballs(lock: Path) -> dict[str, bytes]:
    """Every tarball of a lock, by ``name@version``."""
    settings = load_config(ROOT)
    read = read_lockfile(lock, settings.limits)
    found = {}
    with RegistryClient(load_npm_config(ROOT, os.environ), settings.network, settings.limits, None) as client:
        for package in read.packages:
            label = f"{package.name}@{package.version}"
            if label not in found:
                found[label] = client.tarball(package, None)
    return found


def stride(labels: list[str], count: int) -> list[str]:
    """That many of the labels, evenly over their order."""
    ordered = sorted(labels)
    return [ordered[index * len(ordered) // count] for index in range(min(count, len(ordered)))]


def union() -> dict[str, dict[str, Any]]:
    """The entries of all real locks for packages of the registry, by ``name@version``, well mixed."""
    found: dict[str, dict[str, Any]] = {}
    for lock in map(lock_of, LOCKS):
        for location, entry in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
            if "node_modules/" in location and entry.get("integrity") and "resolved" in entry:
                name = entry.get("name") or location.rpartition("node_modules/")[2]
                found.setdefault(f"{name}@{entry['version']}", {**entry, "name": name})
    return {label: found[label] for label in sorted(found, key=lambda it: sha256(it.encode()).digest())}


def write_lock(folder: Path, entries: list[dict[str, Any]]) -> Path:
    """A project that locks those entries; further versions of a name stand below other packages."""
    hosts = sorted({entry["name"] for entry in entries})
    packages: dict[str, dict[str, Any]] = {"": {"name": "speed", "version": "1.0.0"}}
    for entry in entries:
        name = entry["name"]
        places = [f"node_modules/{name}"]
        places += [f"node_modules/{host}/node_modules/{name}" for host in hosts if host != name]
        place = next(place for place in places if place not in packages)
        packages[place] = {key: entry[key] for key in ("version", "resolved", "integrity")}
    document = {
        "name": "speed",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": packages,
    }
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps(packages[""]))
    (folder / "package-lock.json").write_text(json.dumps(document, indent=2))
    return folder
