"""A real npm registry on loopback, for one test run: Verdaccio with a storage of its own and no uplinks."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests

from tests.fixture_packages import manifest_of, repack
from tests.node_tools import SCRIPTS, program, run, tools_folder

USER = "publisher"
PASSWORD = "a-password-for-loopback"
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Published:
    """A version that the registry holds: ``integrity`` is the sha512 of the tarball's bytes, as SRI."""

    name: str
    version: str
    integrity: str
    tarball: bytes


class Verdaccio:
    """A registry that lives as long as the ``with`` block; *folder* keeps its storage, log and npm's cache.

    With ``login_required`` nothing is told without a token: the registry answers 401. ``url`` ends with a
    slash. The server ends when this process does, however it ends: it watches a pipe that this process holds.
    """

    def __init__(self, folder: Path, *, login_required: bool = False) -> None:
        self.folder = folder
        self.login_required = login_required
        self.url = ""
        self.token = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        tools = tools_folder()
        config = self.folder / "config.json"
        listening = self.folder / "listening"
        config.write_text(json.dumps(self._config()), encoding="utf-8")
        listening.unlink(missing_ok=True)
        with (self.folder / "verdaccio.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program("node"), str(SCRIPTS / "serve.mjs"), str(config), str(listening)],
                cwd=tools,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_it_listens(listening)
            self._log_in()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- publish -------------------------------------------------------------------------------------------

    def publish(self, source: Path | bytes, *, version: str | None = None, tag: str = "latest") -> Published:
        """Publish a folder or a ``.tgz`` with ``npm publish``, under another *version* if one is given."""
        folder = self.folder / "publish"
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(source, bytes):
            folder.mkdir()
            target = folder / "package.tgz"
            target.write_bytes(source if version is None else repack(source, version=version))
            manifest = manifest_of(target.read_bytes())
        else:
            target = folder
            shutil.copytree(source, target)
            manifest = json.loads((target / "package.json").read_bytes())
            if version is not None:
                manifest["version"] = version
                (target / "package.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        self.npm("publish", str(target), "--tag", tag, "--ignore-scripts", cwd=self.folder)
        return self._published(manifest["name"], manifest["version"])

    def put(
        self,
        tarball: bytes,
        *,
        tag: str = "latest",
        at: datetime | None = None,
        dist: Mapping[str, Any] | None = None,
        manifest: Mapping[str, Any] | None = None,
    ) -> Published:
        """Publish a ``.tgz`` as libnpmpublish does, without a run of npm; *at* is the time that is recorded.

        *dist* and *manifest* set keys of what the registry tells, whether true or not (``fileCount``,
        ``integrity``; ``scripts``): a registry believes its publishers.
        """
        shipped = manifest_of(tarball)
        name, version = shipped["name"], shipped["version"]
        file = f"{name.rpartition('/')[2]}-{version}.tgz"
        told = {
            **shipped,
            "_id": f"{name}@{version}",
            "dist": {
                "integrity": integrity_of(tarball),
                "shasum": hashlib.sha1(tarball).hexdigest(),
                "tarball": f"{self.url}{name}/-/{file}",
                **(dist or {}),
            },
            **(manifest or {}),
        }
        document = {
            "_id": name,
            "name": name,
            "description": shipped.get("description", ""),
            "dist-tags": {tag: version},
            "versions": {version: told},
            "access": None,
            "_attachments": {
                file: {
                    "content_type": "application/octet-stream",
                    "data": base64.b64encode(tarball).decode("ascii"),
                    "length": len(tarball),
                }
            },
        }
        self._ask("PUT", quote(name, safe="@"), document)
        if at is not None:
            self.set_time(name, version, at)
        return Published(name, version, integrity_of(tarball), tarball)

    # --- change what is published --------------------------------------------------------------------------

    def set_time(self, name: str, version: str, at: datetime) -> None:
        """Record *at* (aware) as the time when a version was published."""
        document = self._stored(name)
        document["time"][version] = _stamp(at)
        times = [when for key, when in document["time"].items() if key not in {"created", "modified"}]
        document["time"] |= {"created": min(times), "modified": max(times)}
        self._store(name, document)

    def unpublish(self, name: str, version: str | None = None) -> None:
        """Take one version, or the whole package, back with ``npm unpublish``."""
        spec = name if version is None else f"{name}@{version}"
        self.npm("unpublish", spec, "--force", cwd=self.folder)

    def deprecate(self, name: str, version: str, message: str) -> None:
        """Deprecate a version with ``npm deprecate``."""
        self.npm("deprecate", f"{name}@{version}", message, cwd=self.folder)

    def replace_tarball(self, name: str, version: str, tarball: bytes) -> None:
        """Serve other bytes for a version and leave all that the registry tells of it as it is."""
        self._place(name, f"{name.rpartition('/')[2]}-{version}.tgz").write_bytes(tarball)

    # --- read and install ----------------------------------------------------------------------------------

    def packument(self, name: str) -> dict[str, Any]:
        """All that the registry tells of a package."""
        told: dict[str, Any] = self._ask("GET", quote(name, safe="@")).json()
        return told

    def tarball(self, name: str, version: str) -> bytes:
        """The bytes that the registry serves for a version."""
        return self._ask("GET", f"{name}/-/{name.rpartition('/')[2]}-{version}.tgz").content

    def npmrc(self, folder: Path, *, token: bool = True) -> Path:
        """Write a project's ``.npmrc`` that names this registry, with its token unless told otherwise."""
        path = folder / ".npmrc"
        lines = [f"registry={self.url}"]
        if token:
            lines.append(f"{self.url.removeprefix('http:')}:_authToken={self.token}")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def install(self, project: Path, *specs: str) -> Path:
        """Run ``npm install`` for a project folder, which is made where it is missing; return its lockfile."""
        project.mkdir(parents=True, exist_ok=True)
        manifest = project / "package.json"
        if not manifest.exists():
            manifest.write_text(
                '{"name": "npmguard-project", "version": "1.0.0", "private": true}\n', encoding="utf-8"
            )
        self.npmrc(project)
        self.npm("install", "--ignore-scripts", *specs, cwd=project)
        return project / "package-lock.json"

    def npm(self, *arguments: str, cwd: Path) -> str:
        """Run npm against this registry and return what it printed; no setting of the user's npm has a say."""
        return run([program("npm"), *arguments], cwd=cwd, env=self.environment())

    def environment(self) -> dict[str, str]:
        """The environment for programs that use this registry: npm's settings come from here alone."""
        home = self.folder / "npm"
        home.mkdir(exist_ok=True)
        self.npmrc(home)
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.lower().startswith("npm_config_") and not key.lower().endswith("_proxy")
        }
        return kept | {
            "npm_config_userconfig": str(home / ".npmrc"),
            "npm_config_globalconfig": str(home / "global-npmrc"),
            "npm_config_cache": str(home / "cache"),
            "npm_config_audit": "false",
            "npm_config_fund": "false",
            "npm_config_update_notifier": "false",
            "NPMGUARD_FEED": "off",
        }

    # --- the server ----------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        """The end of the server's log, for messages of failed tests."""
        path = self.folder / "verdaccio.log"
        return path.read_text(encoding="utf-8", errors="replace")[-4000:] if path.exists() else ""

    def stop(self) -> None:
        """End the server; a second call does nothing."""
        process, self._process = self._process, None
        self._session.close()
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _config(self) -> dict[str, Any]:
        readers = "$authenticated" if self.login_required else "$all"
        return {
            "self_path": str(self.folder),
            "configPath": str(self.folder / "config.json"),
            "storage": str(self.folder / "storage"),
            "web": {"enable": False},
            "auth": {"htpasswd": {"file": str(self.folder / "htpasswd"), "max_users": 100}},
            # Signed tokens: the default kind has the password hashed again for each request, 60 ms every time.
            "security": {"api": {"legacy": False, "jwt": {"sign": {"expiresIn": "1d"}}}},
            "uplinks": {},
            "packages": {
                "**": {"access": readers, "publish": "$authenticated", "unpublish": "$authenticated"},
            },
            "max_body_size": "100mb",
            "log": {"type": "stdout", "format": "json", "level": "http"},
        }

    def _wait_until_it_listens(self, listening: Path) -> None:
        process = self._process
        end = time.monotonic() + START_SECONDS
        while process is not None and not listening.exists():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"Verdaccio did not start:\n{self.log}")
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{listening.read_text('utf-8')}/"

    def _log_in(self) -> None:
        who = {
            "_id": f"org.couchdb.user:{USER}",
            "name": USER,
            "password": PASSWORD,
            "type": "user",
            "roles": [],
        }
        self.token = self._ask("PUT", f"-/user/org.couchdb.user:{USER}", who).json()["token"]

    def _ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> requests.Response:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        response = self._session.request(method, self.url + path, json=document, headers=headers, timeout=60)
        if not response.ok:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text}\n{self.log}")
        return response

    def _published(self, name: str, version: str) -> Published:
        tarball = self.tarball(name, version)
        return Published(name, version, integrity_of(tarball), tarball)

    def _place(self, name: str, file: str) -> Path:
        return self.folder / "storage" / name / file

    def _stored(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._place(name, "package.json").read_bytes())
        return document

    def _store(self, name: str, document: Mapping[str, Any]) -> None:
        path = self._place(name, "package.json")
        making = path.with_suffix(".making")
        making.write_text(json.dumps(document, indent=2), encoding="utf-8")
        making.rename(path)


def integrity_of(tarball: bytes) -> str:
    """The sha512 of the bytes as Subresource Integrity writes it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode("ascii")


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
