"""Where evidence about releases comes from: a hurried client, what it answered before, the signing keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npmguard.registry.evidence import evidence_client
from npmguard.registry.evidence_cache import EvidenceCache
from npmguard.registry.keys import SigningKeys

if TYPE_CHECKING:
    from pathlib import Path

    from npmguard.config import Limits, Network
    from npmguard.registry.npmrc import NpmConfig


class EvidenceSource:
    """The connections and the cache of one run; may be used from many threads.

    Args:
        npm: npm's configuration.
        network: how patient to be at most; evidence is given up sooner than packages.
        limits: how big an answer may be.
        directory: the folder of the caches; None to keep nothing.
        offline: ask nobody.
    """

    def __init__(
        self, npm: NpmConfig, network: Network, limits: Limits, directory: Path | None, *, offline: bool = False
    ) -> None:
        self.client = evidence_client(npm, network, limits, offline=offline)
        self.cache = EvidenceCache(directory)
        self.keys = SigningKeys(self.client, self.cache)

    def close(self) -> None:
        """Write the cache and close the connections."""
        self.client.close()
        self.cache.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the run went on without, one line each."""
        return self.cache.notes
