"""The shape ``unlimited-amount``: the greatest number that a token's amount can be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from npmguard.javascript.program import Program
from npmguard.javascript.tree import Place

_NAMES = (
    *(b"MaxUint256", b"MAX_UINT256", b"maxUint256", b"MaxUint160", b"maxUint160", b"MAX_UINT160", b"MAX_UINT"),
    *(b"MaxAllowanceTransferAmount", b"MAX_INT", b"MAX_INT_256"),
)
_TWO = rb"(?:0x2n|2n|BigInt\(['\"]?2['\"]?\))"
_ONE = rb"(?:0x1n|1n|BigInt\(['\"]?1['\"]?\))"
_BITS = rb"(?:(?:160|256|0xa0|0x100)n|BigInt\(['\"]?(?:160|256)['\"]?\))"
_POWER = re.compile(rb"\(*(?:%s\s*\*\*\s*%s|%s\s*<<\s*%s)\)*\s*-\s*%s\Z" % (_TWO, _BITS, _ONE, _BITS, _ONE))
_IN_POWERS = (b"160n", b"256n", b"0xa0n", b"0x100n", b"BigInt(")  # one of them is in every such expression
_LONGEST = 80  # bytes of such an expression
_LITERAL = re.compile(
    rb"(?<![\w$])(?:115792089237316195423570985008687907853269984665640564039457584007913129639935"
    rb"|1461501637330902918203684832716283019655932542975|0[xX](?:[fF]{40}|[fF]{64}))n(?![\w$])"
)
_IN_LITERALS = (b"11579208923731619542", b"14615016373309029182", b"f" * 40)
_LIMIT = 64  # places of a file; one is enough


class UnlimitedAmounts:
    """Finds ``2n ** 256n - 1n`` and the like: 2^256-1 of ERC-20, 2^160-1 of Permit2."""

    def __init__(self, program: Program) -> None:
        """Prepare to search *program*."""
        self._program = program

    def find(self) -> Iterator[Place]:
        """Computed, as literals, and as the members by which libraries know them."""
        index = self._program.index
        found: list[Place] = []
        lowered = index.text.lower()
        powers = index.operations("-") if any(each in index.text for each in _IN_POWERS) else ()
        for node in self._program.in_time(powers):
            start, end = node.start_byte, node.end_byte
            if end - start <= _LONGEST and _POWER.match(index.text[start:end]):
                found.append((start, end, None))
        if any(each in lowered for each in _IN_LITERALS):
            found += [(match.start(), match.end(), None) for match in _LITERAL.finditer(index.text)]
        for name in _NAMES:
            found += [(node.start_byte, node.end_byte, None) for node in index.members.get(name, ())]
        yield from found[:_LIMIT]
