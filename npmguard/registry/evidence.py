"""What a registry answers beside packages: signing keys, attestations; or why there is no answer.

Such evidence is worth seconds and no more: an outage of its endpoint must neither hold up a scan nor count
against the host that the packages come from. So it is asked for by a client of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from npmguard.config import Limits, Network
from npmguard.registry.client import RegistryClient
from npmguard.registry.npmrc import NpmConfig

_SECONDS: Final = 8.0  # one answer
_GIVE_UP_AFTER: Final = 10.0


@dataclass(frozen=True, slots=True)
class Held:
    """The registry's document."""

    document: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotHeld:
    """The registry answers, and has no such document."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotAsked:
    """The registry could not be asked: an outage, no access, or npmguard is offline."""

    reason: str


Answer = Held | NotHeld | NotAsked


def evidence_client(
    npm: NpmConfig, network: Network, limits: Limits, *, offline: bool = False
) -> RegistryClient:
    """A client that gives up on a registry within seconds, whatever npm is told to do; it keeps no cache."""
    hurried = msgspec.structs.replace(
        network,
        connect_timeout=min(network.connect_timeout, _SECONDS / 2),
        read_timeout=min(network.read_timeout, _SECONDS),
        transfer_timeout=min(network.transfer_timeout, _SECONDS),
        retries=min(network.retries, 1),
        give_up_after=min(network.give_up_after, _GIVE_UP_AFTER),
    )
    if npm.fetch_retries is not None:
        npm = replace(npm, fetch_retries=min(npm.fetch_retries, 1))
    return RegistryClient(npm, hurried, limits, None, offline=offline)
