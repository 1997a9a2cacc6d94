"""The interpreter of a file's own functions."""

from __future__ import annotations

import msgspec

from npmguard.javascript.callsites import arguments
from npmguard.javascript.program import Program
from npmguard.javascript.syntax import captures, parse
from npmguard.javascript.values import UNKNOWN
from tests.fuzz.harness import Harness
from tests.fuzz.readers import facts

_LIMITS = msgspec.structs.replace(facts.LIMITS, interpreted_steps=400_000, interpreted_units=1024**2)
_CALLS = 6


def read(data: bytes) -> str:
    """A value or none for each call of a function that the file has, in bounded steps."""
    parsed = parse("index.js", data, _LIMITS)
    if parsed.tree is None:
        return str(parsed.problem)
    program = Program(parsed, parsed.tree.root_node, captures(parsed), _LIMITS)
    kinds = set()
    for call, callee, _kind in program.index.calls[-_CALLS:]:
        function = program.constants.function_of(callee)
        root = None if function is None else program.constants.evaluation.root(function)
        if root is not None:
            given = program.constants.argument_values(arguments(call))
            value = program.constants.evaluation.call(root, given)
            kinds.add("unknown" if value is UNKNOWN else type(value).__name__)
    return f"{sorted(kinds)} {program.constants.evaluation.spent}"


HARNESS = Harness(
    read,
    "code",
    words=(
        *facts.WORDS,
        *(
            b"for(;;)",
            b"while(1)",
            b"do{",
            b"}while(1)",
            b"break",
            b"continue",
            b"switch(a){case 1:",
            b"try{",
            b"}catch(e){",
        ),
        *(
            b"finally{",
            b"throw 1",
            b"return ",
            b"var a=",
            b"let b=",
            b"a=>a",
            b"arguments",
            b"[1,2,3]",
            b"-0",
            b"NaN",
            b"2**31",
        ),
        *(
            b".length=",
            b".push(",
            b".shift(",
            b".sort(",
            b".reduce(",
            b".repeat(99999)",
            b".padEnd(1e9)",
            b"new Array(1e9)",
            b"++",
        ),
        *(
            b">>>",
            b"^=",
            b"in ",
            b"of ",
            b"typeof ",
            b"void 0",
            b"delete ",
            b"/(a+)+$/",
            b"[...a]",
            b"{...a}",
            b"parseInt(",
            b"label:",
        ),
    ),
    share=300,
)
