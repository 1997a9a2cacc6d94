from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npmguard.integrity.bundle import InclusionProof
from npmguard.integrity.refusal import Forged
from npmguard.integrity.rekor import verify_inclusion


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def tree(leaves: list[bytes]) -> bytes:
    """The tree head of RFC 6962, section 2.1, as it is defined there."""
    if len(leaves) == 1:
        return leaf(leaves[0])
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree(leaves[:half]) + tree(leaves[half:])).digest()


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """The audit path of RFC 6962, section 2.1.1, as it is defined there."""
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return [*path(index, leaves[:half]), tree(leaves[half:])]
    return [*path(index - half, leaves[half:]), tree(leaves[:half])]


def proof(index: int, leaves: list[bytes]) -> InclusionProof:
    return InclusionProof(index, len(leaves), tree(leaves), tuple(path(index, leaves)), "")


LEAVES = [bytes((number,)) for number in range(40)]


def test_every_leaf_of_every_small_tree_is_included() -> None:
    for size in range(1, len(LEAVES) + 1):
        for index in range(size):
            verify_inclusion(LEAVES[index], proof(index, LEAVES[:size]))


def test_no_leaf_is_included_at_anothers_place() -> None:
    for size in range(2, 20):
        for index in range(size):
            for other in range(size):
                if other != index:
                    with pytest.raises(Forged):
                        verify_inclusion(LEAVES[other], proof(index, LEAVES[:size]))


@given(st.data())
def test_a_changed_proof_never_holds(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, len(LEAVES)))
    index = data.draw(st.integers(0, size - 1))
    good = proof(index, LEAVES[:size])
    hashes = list(good.hashes)
    place = data.draw(st.integers(0, len(hashes) - 1))
    how = data.draw(st.sampled_from(["flip", "drop", "repeat", "add", "root"]))
    root = good.root_hash
    if how == "flip":
        hashes[place] = bytes((hashes[place][0] ^ 1,)) + hashes[place][1:]
    elif how == "drop":
        del hashes[place]
    elif how == "repeat":
        hashes.insert(place, hashes[place])
    elif how == "add":
        hashes.append(bytes(32))
    else:
        root = bytes((root[0] ^ 1,)) + root[1:]
    with pytest.raises(Forged):
        verify_inclusion(LEAVES[index], InclusionProof(index, size, root, tuple(hashes), ""))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (5, 5), (7, 3)])
def test_a_place_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(Forged):
        verify_inclusion(b"", InclusionProof(index, size, leaf(b""), (), ""))
