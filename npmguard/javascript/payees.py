"""The shape ``pays-own-address``: an address of the code's own is who is paid, or may spend.

It is given as the recipient or spender of a transaction, is in its call data, or is an argument of a method
that transfers, approves or hands over authority. A plain payment to an account whose key everybody has is none
to an address of the code's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from npmguard.javascript.callsites import arguments
from npmguard.javascript.own_addresses import own_addresses
from npmguard.javascript.program import Program
from npmguard.javascript.public_accounts import PUBLIC_ACCOUNTS
from npmguard.javascript.tree import Place

_PAID = frozenset(b"to recipient receiver destination beneficiary".split())
_KEYS = _PAID | frozenset(
    b"toPubkey toAddress spender operator delegate newAuthority data input offerer zone conduit payTo".split()
)
_PAYING = frozenset(b"sendTransaction transfer".split())
_METHODS = _PAYING | frozenset(
    b"approve setApprovalForAll increaseAllowance increaseApproval permit transferFrom "
    b"safeTransferFrom sendTrx sendToken sendBitcoin createTransferInstruction "
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
        for node, value, paid in self._program.in_time(self._places()[:_MAX_PLACES]):
            other = self._others(value) if paid else self._own.may_be(value)
            if other:
                yield (node.start_byte, node.end_byte, None)

    def _others(self, value: Node) -> bool:
        """Whether a value may be an address of the code, other than one whose key everybody has."""
        return any(address not in PUBLIC_ACCOUNTS for address in self._own.found(value))

    def _places(self) -> list[tuple[Node, Node, bool]]:
        """What names a recipient or spender, who that is, and whether that one is merely paid."""
        text = self._index.text
        found: list[tuple[Node, Node, bool]] = []
        for key, value, _kind, name in self._index.pairs:
            known = name
            if known is None:
                known = (self._program.constants.key(key) or "").encode("utf-8", "replace")
            if known in _KEYS:
                found.append((key, value, known in _PAID))
        found += [
            (node, node, text[node.start_byte : node.end_byte] in _PAID)
            for node in self._index.of("shorthand")
            if text[node.start_byte : node.end_byte] in _KEYS
        ]
        for node, left, _kind, right, _compound in self._index.assigned(_KEYS):
            if right is not None and self._own.called(left) in _KEYS:
                found.append((node, right, self._own.called(left) in _PAID))
        calls = [each for each in self._index.unnamed_calls if self._own.called(each[1]) in _METHODS]
        calls += self._index.calls_of(sorted(_METHODS))
        for call, callee, _kind in calls:
            paid = self._own.called(callee) in _PAYING
            found += [(call, given, paid) for given in arguments(call)]
        return found
