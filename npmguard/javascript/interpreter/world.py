"""All built-in functions that the interpreter knows."""

from __future__ import annotations

from npmguard.javascript.interpreter import arrays, encodings, numbers, objects, strings
from npmguard.javascript.interpreter.properties import GLOBALS, SAME_GLOBAL, STATICS

_FILLED_BY = (arrays, encodings, numbers, objects, strings)

KNOWN_GLOBALS = frozenset(
    name.encode() for name in (*GLOBALS, *STATICS, *SAME_GLOBAL, "undefined", "NaN", "Infinity", "arguments")
)
"""The names that code may use without being declared and still be worked out."""
