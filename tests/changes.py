"""A registry on loopback with its changes feed, which replays the shapes that real ones were seen to have.

::

    with ChangingRegistry() as registry:
        registry.release("left-pad", "1.0.0", tarball)   # published, and a row in the feed
        npmguard("monitor", "--once", "--registry", registry.url, "--changes-url", registry.changes_url, …)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers import RegistryServer, Reply, Request

FEED = "/registry/"


class ChangingRegistry(RegistryServer):
    """A registry whose feed has a row for each :meth:`release`; gaps, resets and the rest are asked for.

    With ``outage`` set, everything is answered so.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sequence = 0
        self.rows: list[dict[str, Any]] = []
        self.outage: Reply | None = None

    @property
    def changes_url(self) -> str:
        return f"{self.url.rstrip('/')}{FEED}_changes"

    def release(
        self, name: str, version: str, tarball: bytes, *, at: datetime | None = None, **told: Any
    ) -> None:
        """Publish a version, and have the feed name the package."""
        when = at or datetime.now(UTC)
        self.publish(name, version, tarball, published=stamp(when), **told)
        self.changed(name)

    def changed(self, name: str, *, gap: int = 1, deleted: bool = False) -> None:
        """A row for that name, *gap* sequences after the last; as in CouchDB, the one before it goes."""
        with self._lock:
            self.sequence += gap
            self.rows = [row for row in self.rows if row.get("id") != name]
            row = {"seq": self.sequence, "id": name, "changes": [{"rev": f"{self.sequence}-abc"}]}
            self.rows.append({**row, "deleted": True} if deleted else row)

    def repeated(self, name: str) -> None:
        """One more row for that name; earlier ones stay."""
        with self._lock:
            self.sequence += 1
            self.rows.append({"seq": self.sequence, "id": name, "changes": [{"rev": "1-abc"}]})

    def reset(self, *, first: int = 1) -> None:
        """Number all rows anew, as after a move to another database."""
        with self._lock:
            for number, row in enumerate(self.rows, first):
                row["seq"] = number
            self.sequence = first + len(self.rows) - 1

    def answer(self, request: Request) -> Reply:
        outage = self.outage
        if outage is not None:
            with self._lock:
                self.requests.append(request)
            return outage
        parts = urlsplit(request.path)
        if parts.path not in {FEED, f"{FEED}_changes"}:
            return super().answer(request)
        with self._lock:
            self.requests.append(request)
            if parts.path == FEED:
                return Reply.json({"db_name": "registry", "update_seq": self.sequence})
            query = {key: int(values[0]) for key, values in parse_qs(parts.query).items()}
            rows = [row for row in self.rows if row["seq"] > query["since"]][: query["limit"]]
            last = rows[-1]["seq"] if rows else max(query["since"], self.sequence)
            return Reply(json.dumps({"results": rows, "last_seq": last}).encode(), gzip=True)


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def manifest(name: str, version: str, **more: Any) -> bytes:
    return json.dumps({"name": name, "version": version, **more}).encode()


def harmless(name: str, version: str, **files: bytes) -> bytes:
    """A tarball that nothing is to be said about."""
    from tests.tarballs import tarball

    content: Mapping[str, bytes] = {
        "package.json": manifest(name, version),
        "index.js": f"module.exports = {name!r} + {version!r};\n".encode(),
        **files,
    }
    return tarball(content)
