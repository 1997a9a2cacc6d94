"""The attacks that every npmguard knows, from the data file that ships with it.

``rules/intel/campaigns.json`` names versions that public sources attest, so that the first scan of all, with no
network, knows what has made the news. It is no feed: what came after the release is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from npmguard.errors import RuleError
from npmguard.intel.malware import Bounds, Record, Source, Statement
from npmguard.intel.version_order import version_key
from npmguard.model import Hash, Integrity, Severity
from npmguard.shipped import shipped_folder

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"\A[\x20-\x7e]+\Z")]
_Url = Annotated[str, msgspec.Meta(max_length=300, pattern=r"\Ahttps://[\x21-\x7e]+\Z")]
_Id = Annotated[str, msgspec.Meta(max_length=60, pattern=r"\A[0-9]{4}-[0-9]{2}-[a-z0-9-]+\Z")]
_Name = Annotated[str, msgspec.Meta(max_length=214, pattern=r"\A(@[A-Za-z0-9~_.-]+/)?[A-Za-z0-9~_.-]+\Z")]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal["npmguard.campaigns/1"]
    campaigns: tuple[_Campaign, ...]


class _Campaign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attack: ``packages`` maps each name to its malicious versions, parted by single spaces.

    ``kind`` is ``sabotage`` where the package's own author broke it: bad, but no theft. ``integrity`` maps
    ``name@version`` to what the registry stated of the tarball. ``clean`` names versions before and after the
    attack, for a scan that cannot ask the registry what to install instead.
    """

    id: _Id
    date: date
    title: _Text
    sources: Annotated[tuple[_Url, ...], msgspec.Meta(min_length=1)]
    packages: Annotated[dict[_Name, _Text], msgspec.Meta(min_length=1)]
    kind: Literal["malware", "sabotage"] = "malware"
    integrity: dict[str, str] = {}
    clean: dict[_Name, _Text] = {}


@dataclass(frozen=True, slots=True)
class Campaigns:
    """What the data file says, by package name, the digests of malicious tarballs, and versions beside them."""

    statements: Mapping[str, tuple[Statement, ...]]
    hashes: Mapping[Hash, Record]
    clean: Mapping[str, tuple[str, ...]]


@cache
def load_campaigns(path: Path | None = None) -> Campaigns:
    """Read the data file that ships with npmguard, or another.

    Raises:
        RuleError: it is missing or does not keep the format; the message names the place.
    """
    path = path if path is not None else shipped_folder() / "intel" / "campaigns.json"
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise RuleError(f"{path}: cannot be read: {error.strerror}; install npmguard anew") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}: {error}") from error
    statements: dict[str, list[Statement]] = {}
    hashes: dict[Hash, Record] = {}
    clean: dict[str, tuple[str, ...]] = {}
    ids: set[str] = set()
    for campaign in file.campaigns:
        if campaign.id in ids or not campaign.id.startswith(f"{campaign.date:%Y-%m}-"):
            raise RuleError(f"{path}: {campaign.id}: an id stands once, and begins with its date's month")
        ids.add(campaign.id)
        record = _record(campaign)
        for name, versions in campaign.packages.items():
            bounds = Bounds(_versions(versions, f"{path}: {campaign.id}: {name}"))
            statements.setdefault(name, []).append(Statement(record, bounds))
        for name, versions in campaign.clean.items():
            place = f"{path}: {campaign.id}: clean {name}"
            clean[name] = _versions(versions, place)
            if not campaign.packages.keys() >= {name} or {*clean[name]} & {*campaign.packages[name].split(" ")}:
                raise RuleError(f"{place}: these stand beside malicious versions of a package of the campaign")
        hashes.update(dict.fromkeys(_hashes(campaign, f"{path}: {campaign.id}"), record))
    return Campaigns({name: tuple(found) for name, found in statements.items()}, hashes, clean)


def _record(campaign: _Campaign) -> Record:
    return Record(
        id=campaign.id,
        source=Source.CAMPAIGNS,
        date=campaign.date.isoformat(),
        summary=campaign.title,
        url=campaign.sources[0],
        severity=Severity.HIGH if campaign.kind == "sabotage" else Severity.CRITICAL,
    )


def _versions(text: str, place: str) -> tuple[str, ...]:
    versions = tuple(text.split(" "))
    if len(set(versions)) < len(versions) or any(version_key(it) is None for it in versions):
        raise RuleError(f"{place}: versions stand once, each a version, parted by single spaces")
    return tuple(sorted(versions))


def _hashes(campaign: _Campaign, place: str) -> list[Hash]:
    found: list[Hash] = []
    for label, text in campaign.integrity.items():
        name, _, version = label.rpartition("@")
        integrity = Integrity.parse(text)
        if version not in campaign.packages.get(name, "").split(" "):
            raise RuleError(f"{place}: integrity of {label}, which the campaign does not name")
        if integrity is None or integrity.unknown:
            raise RuleError(f"{place}: {label}: no integrity that can be computed")
        # md5 and sha1 can be forged to match an honest package
        found += [it for it in integrity.hashes if it.algorithm in {"sha512", "sha384", "sha256"}]
    return found
