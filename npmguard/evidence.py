"""Evidence about one release beyond its code: the registry's signature of it, and where it was built.

It joins what :mod:`npmguard.registry` fetches and :mod:`npmguard.integrity` verifies, and remembers what was
verified. What holds is a matter of mathematics, and is kept under all that it depends on: the bytes, the name
and version, the registry's keys, the trust root, and npmguard's own code. What does not hold, or could not be
asked, is asked anew in the next run.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from npmguard.errors import RegistryProtocolError, TrustRootError
from npmguard.integrity.provenance import ProvenanceOutcome, ProvenanceResult, verify_provenance
from npmguard.integrity.signature import (
    RegistryKey,
    SignatureOutcome,
    SignatureResult,
    parse_keys,
    verify_signatures,
)
from npmguard.integrity.sri import stated_integrity
from npmguard.integrity.trust_root import shipped_trust_root, shipped_trust_root_digest
from npmguard.registry.attestations import attestations
from npmguard.registry.evidence import Held, NotAsked, NotHeld
from npmguard.results import engine_digest

if TYPE_CHECKING:
    from npmguard.model import Release
    from npmguard.registry.evidence_source import EvidenceSource

_KIND: Final = "provenance"


class ReleaseEvidence:
    """Asks for signatures and provenance; for many threads. What was verified before counts offline too."""

    def __init__(self, source: EvidenceSource) -> None:
        self._client = source.client
        self._cache = source.cache
        self._keys = source.keys
        self._parsed: dict[bytes, tuple[RegistryKey, ...]] = {}

    def signature(self, name: str, version: str, release: Release, registry: str) -> SignatureResult:
        """Whether *registry*, the base URL that *release* was read from, has signed it."""
        keys = self._signing_keys(name, registry)
        if isinstance(keys, NotAsked):
            return SignatureResult(SignatureOutcome.NOT_ASKED, keys.reason)
        stated = stated_integrity(release.dist)
        return verify_signatures(
            name,
            version,
            str(stated) if stated is not None else "",
            release.dist.signatures,
            keys,
            release.published,
        )

    def provenance(
        self, name: str, version: str, release: Release, registry: str, sha512: bytes
    ) -> ProvenanceResult:
        """Where the tarball whose digest is *sha512* was built.

        The registry is asked only where the packument announces attestations, and only until they held once.
        """
        if release.dist.attestations is None:
            return ProvenanceResult(ProvenanceOutcome.MISSING, detail="the registry announces no attestations")
        keys = self._signing_keys(name, registry)
        known = () if isinstance(keys, NotAsked) else keys
        try:
            key = _cache_key(name, version, registry, sha512, known)
            kept = self._cache.get(_KIND, key)
            if kept is not None and (remembered := _decode(kept.value)) is not None:
                return remembered
            answer = attestations(self._client, name, version)
            if isinstance(answer, NotAsked):
                return ProvenanceResult(ProvenanceOutcome.NOT_ASKED, detail=answer.reason)
            if isinstance(answer, NotHeld):
                return ProvenanceResult(ProvenanceOutcome.UNVERIFIABLE, detail=answer.reason)
            result = verify_provenance(name, version, sha512, answer.document, known, shipped_trust_root())
        except TrustRootError as error:
            return ProvenanceResult(ProvenanceOutcome.UNVERIFIABLE, detail=str(error))
        if result.outcome is ProvenanceOutcome.VALID:
            self._cache.put(_KIND, key, msgspec.json.encode(result))
        return result

    def _signing_keys(self, name: str, registry: str) -> tuple[RegistryKey, ...] | NotAsked:
        answer = self._keys.of(registry, name)
        if isinstance(answer, NotAsked):
            return answer
        if not isinstance(answer, Held):
            return ()
        keys = self._parsed.get(answer.document)
        if keys is None:
            try:
                keys = parse_keys(answer.document)
            except RegistryProtocolError as error:
                return NotAsked(str(error))
            self._parsed[answer.document] = keys
        return keys


def _cache_key(name: str, version: str, registry: str, sha512: bytes, keys: tuple[RegistryKey, ...]) -> str:
    """All that a verified provenance depends on."""
    listed = [(key.keyid, key.der, str(key.expires), key.problem) for key in keys]
    scope = (name, version, registry, sha512, listed, shipped_trust_root_digest(), engine_digest())
    return sha256(msgspec.msgpack.encode(scope)).hexdigest()


def _decode(value: bytes) -> ProvenanceResult | None:
    """What was stored; None where it cannot be read any more, and is asked for anew."""
    try:
        return msgspec.json.decode(value, type=ProvenanceResult)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
