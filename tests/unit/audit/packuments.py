"""Packuments as a registry would send them, read by the registry's own reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from npmguard.audit.context import AuditContext
from npmguard.model import LockedPackage, Packument
from npmguard.package.baseline import choose_baseline
from npmguard.registry.packument import decode_packument, encode_packument

REGISTRY = "https://registry.example/"
START = datetime(2024, 1, 1, tzinfo=UTC)
BUILD_SERVICE = {"name": "GitHub Actions", "email": "b@h.example", "trustedPublisher": {"id": "github"}}


def at(days: float) -> datetime:
    """So many days after the first release."""
    return START + timedelta(days=days)


class History:
    """A package whose releases are added one by one."""

    def __init__(self, name: str = "a", **common: Any) -> None:
        self.name = name
        self._common = common
        self._versions: dict[str, Any] = {}
        self._times: dict[str, str] = {}
        self._tags: dict[str, str] = {}

    def add(self, version: str, days: float | None, **fields: Any) -> History:
        """A release, so many days after the start; *fields* go into its manifest as they are.

        But for ``by`` (the publisher), ``accounts`` (the maintainers) and ``provenance``.
        """
        manifest = {"name": self.name, "version": version, **self._common, **fields}
        manifest["dist"] = {"tarball": f"{REGISTRY}{self.name}/-/{version}.tgz", **manifest.get("dist", {})}
        if manifest.pop("provenance", False):
            manifest["dist"]["attestations"] = {"url": f"{REGISTRY}-/npm/v1/attestations/{self.name}@{version}"}
        publisher = manifest.pop("by", None)
        if publisher is not None:
            manifest["_npmUser"] = {"name": publisher} if isinstance(publisher, str) else publisher
        accounts = manifest.pop("accounts", None)
        if accounts is not None:
            manifest["maintainers"] = [{"name": it, "email": f"{it}@h.example"} for it in accounts]
        self._versions[version] = manifest
        if days is not None:
            self._times[version] = at(days).isoformat().replace("+00:00", "Z")
        return self

    def past(self, count: int = 6, every: float = 30, **fields: Any) -> History:
        """So many ordinary releases, 1.0.0, 1.0.1 and on, one every so many days."""
        for index in range(count):
            self.add(f"1.0.{index}", index * every, **fields)
        return self

    def gone(self, version: str, days: float) -> History:
        """A release that was taken down; the registry remembers its time."""
        self._times[version] = at(days).isoformat()
        return self

    def tag(self, **tags: str) -> History:
        self._tags.update(tags)
        return self

    def packument(self) -> Packument:
        document = {
            "name": self.name,
            "versions": self._versions,
            "time": {"created": START.isoformat(), **self._times},
            "dist-tags": self._tags,
        }
        raw = json.dumps(document).encode()
        return decode_packument(self.name, REGISTRY, encode_packument(self.name, REGISTRY, raw))

    def context(self, version: str) -> AuditContext:
        packument = self.packument()
        baseline = choose_baseline(packument, version)
        return AuditContext(
            locked=LockedPackage(name=self.name, version=version, location="", line=0),
            release=packument.releases[version],
            packument=packument,
            baseline=baseline,
            baseline_release=packument.releases[baseline.version] if baseline is not None else None,
        )


def registry(*histories: History) -> Mapping[str, Packument]:
    """What a registry holds beside the package in question."""
    return {it.name: it.packument() for it in histories}
