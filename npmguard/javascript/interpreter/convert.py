"""Constants of :mod:`npmguard.javascript.values` as values of the interpreter, and back."""

from __future__ import annotations

from npmguard.javascript.interpreter.coerce import tidy
from npmguard.javascript.interpreter.machine import ITEM_UNITS, Machine
from npmguard.javascript.interpreter.model import JS, Arr, Obj, Octets, Pattern
from npmguard.javascript.values import UNKNOWN, Regex, Special, Value

_MAX_DEPTH = 20


def to_js(machine: Machine, value: Value) -> JS:
    """A constant as a value of its own, which the interpreted code may change."""
    if isinstance(value, tuple):
        machine.make(ITEM_UNITS * len(value))
        return Arr([to_js(machine, each) for each in value])
    if isinstance(value, bytes):
        machine.make(len(value))
        return Octets(bytearray(value), buffer=True)
    if isinstance(value, Regex):
        return Pattern(value.source, value.flags)
    if isinstance(value, (bool, str, Special)):
        return value
    return tidy(value)


def to_constant(value: JS, depth: int = 0) -> Value:
    """A value as a constant; UNKNOWN for objects and functions, also inside arrays."""
    if not isinstance(value, Obj):
        return value
    if isinstance(value, Arr) and depth < _MAX_DEPTH and not value.props:
        return tuple([to_constant(each, depth + 1) for each in value.items])
    if isinstance(value, Octets):
        return bytes(value.data)
    if isinstance(value, Pattern):
        return Regex(value.source, value.flags)
    return UNKNOWN
