"""Malicious releases as OSV records, one file a package, as a database of malicious packages takes them in.

The format is that of https://ossf.github.io/osv-schema/; the folders, the file names and what is left out
(``id`` and ``summary``, which the database gives itself) are those that CONTRIBUTING.md and
internal/report/indicators.go of https://github.com/ossf/malicious-packages ask for.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from npmguard.errors import SinkError
from npmguard.model import Verdict
from npmguard.monitor.alert import AlertKind, alert_id
from npmguard.monitor.sinks.atom import replace_file
from npmguard.report.escape import markdown, mask

if TYPE_CHECKING:
    from npmguard.monitor.alert import Alert, AlertFinding

SCHEMA_VERSION: Final = "1.5.0"
_FOLDER = Path("osv", "malicious", "npm")
_IOCS = {"domain": "domains", "url": "urls", "ip": "ips"}
_MOST_BYTES = 4 * 1024**2
_PLAIN = re.compile(r"[A-Za-z0-9~_-][A-Za-z0-9._~-]{0,213}")


class _Package(msgspec.Struct):
    ecosystem: str
    name: str


class _AffectedPackage(msgspec.Struct):
    package: _Package
    versions: list[str] = []


class _Record(msgspec.Struct):
    affected: list[_AffectedPackage]
    details: str = ""
    database_specific: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class OsvRecords:
    """A folder to write records below, such as a checkout of that database; *finder* is who found them."""

    folder: Path
    finder: str = "npmguard"

    @property
    def name(self) -> str:
        """``osv:`` and the folder."""
        return f"osv:{self.folder}"

    def takes(self, alert: Alert) -> bool:
        """Malicious releases, one by one."""
        return alert.kind is AlertKind.RELEASE and alert.verdict == Verdict.MALICIOUS.value

    def deliver(self, alert: Alert) -> None:
        """Write the record of the package, or add the release to the one that is there.

        Raises:
            SinkError: it cannot be written, or the file there is none of these records.
        """
        release = alert.affected[0]
        path = self.folder / record_path(release.name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            old = _read(path, release.name)
            if old is not None and release.version in old.affected[0].versions:
                return
            content = json.dumps(self._record(alert, old), indent=2, ensure_ascii=True) + "\n"
            replace_file(path, content.encode("ascii"))
        except OSError as error:
            raise SinkError(f"{self.name}: cannot be written: {error.strerror}") from error

    def _record(self, alert: Alert, old: _Record | None) -> dict[str, Any]:
        release = alert.affected[0]
        versions = [*(old.affected[0].versions if old is not None else []), release.version]
        iocs: dict[str, list[str]] = {}
        known = old.database_specific.get("iocs", {}) if old is not None else {}
        for kind, field in _IOCS.items():
            found = {mask(trait.value) for trait in alert.traits if trait.kind == kind}
            before = known.get(field, []) if isinstance(known, dict) else []
            found |= {value for value in before if isinstance(value, str)}
            if found:
                iocs[field] = sorted(found)
        told = _details(release.version, release.findings)
        return {
            "schema_version": SCHEMA_VERSION,
            "modified": _utc(alert.time),
            "details": f"{old.details}\n\n{told}" if old is not None else told,
            "affected": [{"package": {"ecosystem": "npm", "name": release.name}, "versions": versions}],
            "credits": [{"name": self.finder, "type": "FINDER"}],
            "database_specific": {"iocs": iocs} if iocs else {},
        }


def record_path(name: str) -> Path:
    """Where the record of a package belongs, below the database's folder.

    A name that is no name of npm, and could lead elsewhere, has what is odd in it percent-encoded.
    """
    parts = name.split("/", 1) if name.startswith("@") else [name]
    return _FOLDER.joinpath(*map(_part, parts), f"MAL-0000-npmguard-{alert_id(name)[:12]}.json")


def _part(text: str) -> str:
    bare = text.removeprefix("@")
    if _PLAIN.fullmatch(bare):
        return text
    encoded = quote(bare.encode("utf-8", "backslashreplace")[:60], safe="").replace(".", "%2E")
    return f"{text[: len(text) - len(bare)]}{encoded}"


def _read(path: Path, name: str) -> _Record | None:
    if not path.exists():
        return None
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES)
    try:
        record = msgspec.json.decode(content, type=_Record)
    except msgspec.DecodeError as error:
        raise SinkError(f"osv: {path}: is no OSV record: {error}; move it away") from error
    if not record.affected or record.affected[0].package.name != name:
        raise SinkError(f"osv: {path}: is a record of another package; move it away")
    return record


def _utc(time: str) -> str:
    return datetime.fromisoformat(time).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _details(version: str, findings: tuple[AlertFinding, ...]) -> str:
    lines = [f"Version {markdown(version, 100)} was found to be malicious by automated analysis:", ""]
    for finding in findings:
        place = f" ({markdown(finding.file, 200)})" if finding.file is not None else ""
        lines.append(f"- {markdown(finding.message, 400)}{place}")
    return "\n".join(lines)
