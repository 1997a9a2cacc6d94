"""All built-in functions that the interpreter knows."""

from __future__ import annotations

from npmguard.javascript.interpreter import arrays, encodings, numbers, objects, strings
from npmguard.javascript.interpreter.properties import GLOBALS, SAME_GLOBAL, STATICS

_FILLED_BY = (arrays, encodings, numbers, objects, strings)

PURE_GLOBALS = frozenset(
    name.encode() for name in (*GLOBALS, *STATICS, "undefined", "NaN", "Infinity", "arguments")
)
"""The names that mean the same everywhere, of functions without side effects."""

KNOWN_GLOBALS = PURE_GLOBALS | {name.encode() for name in SAME_GLOBAL}
"""The names that code may use without being declared and still be worked out, if it turns out so."""
