"""Reads a changed name's document for the versions that are new."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from npmguard.errors import NotInRegistry, RegistryError
from npmguard.model import Packument
from npmguard.monitor.records import NameOrder, Reading
from npmguard.package.version import parse_version

_VERSION_LENGTH: Final = 256  # npm's own limit

if TYPE_CHECKING:
    from npmguard.registry.client import RegistryClient


def read_name(client: RegistryClient, order: NameOrder) -> Reading:
    """What the registry says of a name now: asked anew, with what is held of it as the condition."""
    try:
        packument = client.packument(order.name, revalidate=True)
    except NotInRegistry as error:
        return Reading(order, problem=str(error), absent=True)
    except RegistryError as error:
        return Reading(order, problem=str(error))
    return reading_of(packument, order)


def reading_of(packument: Packument, order: NameOrder) -> Reading:
    """The versions that were published after the order's horizon, the oldest first.

    None are told where the document has the same versions as when it was last read. A version without a time
    might be new, and so it is.
    """
    times: Mapping[str, datetime] = packument.times
    digest = _digest(packument)
    if digest == order.digest:
        return Reading(order, digest=digest)
    new = [(version, times.get(version)) for version in packument.releases if _is_one(version)]
    new = [(version, time) for version, time in new if time is None or time > order.horizon]
    new.sort(key=lambda it: (it[1] or order.horizon, it[0]))
    return Reading(order, tuple(new), digest)


def _digest(packument: Packument) -> str:
    lines = sorted(f"{version} {packument.times.get(version)}" for version in packument.releases)
    return sha256("\n".join(lines).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _is_one(version: str) -> bool:
    """Whether npm could install it by that name; a database need not take what else a document may hold."""
    return len(version) <= _VERSION_LENGTH and parse_version(version) is not None
