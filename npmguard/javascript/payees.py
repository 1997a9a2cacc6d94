"""The shape ``pays-own-address``: an address of the code's own is who is paid, or may spend.

It is given as the recipient or spender of a transaction, is in its call data, or is an argument of a method
that transfers, approves or hands over authority.
"""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from npmguard.javascript.callsites import arguments
from npmguard.javascript.index import MEMBERS
from npmguard.javascript.own_addresses import own_addresses
from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place

_KEYS = frozenset(
    b"to toPubkey toAddress recipient receiver destination beneficiary spender operator delegate newAuthority "
    b"data input offerer zone conduit payTo".split()
)
_METHODS = frozenset(
    b"approve setApprovalForAll increaseAllowance increaseApproval permit transfer transferFrom "
    b"safeTransferFrom sendTrx sendToken sendBitcoin sendTransaction createTransferInstruction "
    b"createTransferCheckedInstruction createApproveInstruction createSetAuthorityInstruction "
    b"createCloseAccountInstruction addOutput writeContract encodeFunctionData encodeFunctionCall "
    b"encodeABI".split()
)
_MAX_PLACES = 4_000  # of a file that are looked at


class Payees:
    """Finds where an address of the code's own is paid or may spend."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program
        self._index = program.index
        self._own = own_addresses(program)

    def find(self) -> Iterator[Place]:
        """The properties, assignments and calls that name it."""
        for node, value in self._program.in_time(self._places()[:_MAX_PLACES]):
            if self._own.may_be(value):
                yield (node.start_byte, node.end_byte, None)

    def _places(self) -> list[tuple[Node, Node]]:
        text = self._index.text
        found = []
        for key, value, _kind, name in self._index.pairs:
            known = name
            if known is None:
                known = (self._program.constants.key(key) or "").encode("utf-8", "replace")
            if known in _KEYS:
                found.append((key, value))
        found += [
            (node, node)
            for node in self._index.of("shorthand")
            if text[node.start_byte : node.end_byte] in _KEYS
        ]
        for node, left, kind, right, _compound in self._index.assignments:
            if kind in MEMBERS and right is not None and self._own.called(left) in _KEYS:
                found.append((node, right))
        calls = [call for call, callee, kind in self._index.calls if self._own.called(callee) in _METHODS]
        calls += [call for call, _callee, _kind in self._index.calls_of(sorted(_METHODS))]
        found += [(call, given) for call in calls for given in arguments(call)]
        return found
