"""A changes feed of CouchDB's own protocol on loopback: PouchDB's server, with a document for each package."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests

from tests.node_tools import CACHE, SCRIPTS, locked, program, run

_FOLDER = SCRIPTS / "feed"


class ChangesFeed:
    """A database that lives as long as the ``with`` block, and ends when this process does."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._session = requests.Session()
        self._session.trust_env = False
        self._revisions: dict[str, str] = {}
        self.base = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [program("node"), str(_FOLDER / "serve.cjs")],
            cwd=_installed(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        self.base = f"http://127.0.0.1:{port}/registry/"
        self._ask("PUT", "")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()
        if self._process is not None:
            self._process.communicate(timeout=10)

    @property
    def url(self) -> str:
        return f"{self.base}_changes"

    def changed(self, name: str) -> None:
        """Write the package's document anew: the feed names it once more."""
        known = {"_rev": self._revisions[name]} if name in self._revisions else {}
        self._revisions[name] = self._ask("PUT", quote(name, safe=""), {"name": name, **known})["rev"]

    def deleted(self, name: str) -> None:
        self._ask("DELETE", f"{quote(name, safe='')}?rev={self._revisions.pop(name)}")

    def _ask(self, method: str, path: str, document: Any = None) -> Any:
        response = self._session.request(method, self.base + path, json=document, timeout=30)
        response.raise_for_status()
        return response.json()


def _installed() -> Path:
    """A folder with the server's ``node_modules``, installed once."""
    folder = CACHE / "feed"
    lock = (_FOLDER / "package-lock.json").read_bytes()
    with locked("feed"):
        held = folder / "package-lock.json"
        if not held.exists() or held.read_bytes() != lock:
            making = CACHE / "feed.making"
            shutil.rmtree(making, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)
            making.mkdir(parents=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_FOLDER / name, making)
            run([program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=making)
            making.rename(folder)
    return folder
