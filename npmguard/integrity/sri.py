"""Whether bytes are those that an integrity string names (Subresource Integrity, W3C; npm's ssri)."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Final

from npmguard.model import Dist, Hash, Integrity, IntegrityOutcome, IntegrityReport
from npmguard.timing import staged

#: The algorithms that npmguard computes, strongest first. Those of :data:`WEAK` can be collided.
ALGORITHMS: Final = ("sha512", "sha384", "sha256", "sha1", "md5")
WEAK: Final = frozenset({"sha1", "md5"})


@staged("hash")
def compute_hashes(data: bytes, algorithms: Iterable[str]) -> tuple[Hash, ...]:
    """The digests of *data*, one for each of the *algorithms*, in their order.

    Raises:
        ValueError: an algorithm is none of :data:`ALGORITHMS`.
    """
    return tuple(_compute(data, algorithm) for algorithm in algorithms)


def compare(stated: Integrity | None, computed: Sequence[Hash]) -> tuple[IntegrityOutcome, str | None]:
    """Hold the *computed* hashes of some bytes against the *stated* ones.

    The strongest algorithm that both know decides alone, and any of its stated hashes may match. The second
    value tells both hashes of a mismatch, or why nothing could be compared.
    """
    if stated is None:
        return IntegrityOutcome.MISSING, None
    if not computed:
        return IntegrityOutcome.NOT_CHECKED, None
    known = {item.algorithm: item for item in computed}
    algorithm = next(
        (name for name in ALGORITHMS if name in known and any(it.algorithm == name for it in stated.hashes)),
        None,
    )
    if algorithm is None:
        return IntegrityOutcome.UNVERIFIABLE, f"no hash of {stated} is of an algorithm that was computed"
    accepted = [item for item in stated.hashes if item.algorithm == algorithm]
    if known[algorithm] not in accepted:
        return (
            IntegrityOutcome.MISMATCH,
            f"stated {' or '.join(map(str, accepted))}, the bytes have {known[algorithm]}",
        )
    return IntegrityOutcome.WEAK if algorithm in WEAK else IntegrityOutcome.VALID, None


def judge_integrity(lock: Integrity | None, dist: Dist | None, computed: Sequence[Hash]) -> IntegrityReport:
    """Hold a tarball's *computed* hashes against the lockfile's statement and the registry's.

    *dist* is None where the registry could not be asked, *computed* empty where the bytes could not be had.
    Without bytes the two statements are still held against each other: a lock and a registry that name
    different bytes are a mismatch whichever of them is served.
    """
    told = stated_integrity(dist) if dist is not None else None
    lock_outcome, lock_detail = compare(lock, computed)
    registry_outcome, registry_detail = compare(told, computed)
    if dist is None:
        registry_outcome, registry_detail = IntegrityOutcome.NOT_CHECKED, None
    elif not computed and lock is not None and told is not None and _contradict(lock, told):
        registry_outcome = IntegrityOutcome.MISMATCH
        registry_detail = f"states {told}, the lockfile {lock}"
    details = [
        f"{side}: {detail}"
        for side, detail in (("lockfile", lock_detail), ("registry", registry_detail))
        if detail is not None
    ]
    return IntegrityReport(lock=lock_outcome, registry=registry_outcome, detail="; ".join(details) or None)


def stated_integrity(dist: Dist) -> Integrity | None:
    """What the registry states of a tarball's bytes: its integrity, or its SHA-1 where it has none."""
    if dist.integrity is not None or dist.shasum is None:
        return dist.integrity
    try:
        digest = bytes.fromhex(dist.shasum)
    except ValueError:
        return Integrity((), (f"shasum:{dist.shasum}",))
    return Integrity.parse(f"sha1-{b64encode(digest).decode('ascii')}")


def _compute(data: bytes, algorithm: str) -> Hash:
    if algorithm not in ALGORITHMS:
        raise ValueError(f"{algorithm} is not one of {', '.join(ALGORITHMS)}")
    return Hash(algorithm, hashlib.new(algorithm, data, usedforsecurity=algorithm not in WEAK).digest())


def _contradict(one: Integrity, other: Integrity) -> bool:
    """Whether two statements of one set of bytes cannot both be true."""
    for algorithm in ALGORITHMS:
        left = {item.digest for item in one.hashes if item.algorithm == algorithm}
        right = {item.digest for item in other.hashes if item.algorithm == algorithm}
        if left and right:
            return not left & right
    return False
