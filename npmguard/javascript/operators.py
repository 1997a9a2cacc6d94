"""What JavaScript's operators make of constants."""

from __future__ import annotations

from collections.abc import Sequence

from npmguard.javascript import numerals, values
from npmguard.javascript.values import NULL, UNDEFINED, UNKNOWN, Value

_EQUALITY = frozenset({"===", "==", "!==", "!="})
_ORDER = frozenset({"<", ">", "<=", ">="})


def decides(operator: str, left: Value) -> bool | None:
    """Whether ``&&``, ``||`` or ``??`` is its left side; None where that is not known."""
    if operator == "??":
        return None if left is UNKNOWN else left is not NULL and left is not UNDEFINED
    held = values.truth(left)
    return None if held is None else held is (operator == "||")


def binary(operator: str, left: Value, right: Value) -> Value:
    """The value of a binary operator other than ``+``, ``&&``, ``||`` and ``??``."""
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if operator in _EQUALITY:
        same = type(left) is type(right) or (isinstance(left, (int, float)) and isinstance(right, (int, float)))
        if not same and operator in {"==", "!="}:
            return UNKNOWN
        return (same and left == right) is (operator in {"===", "=="})
    a, b = values.to_number(left), values.to_number(right)
    if a is None or b is None:
        return UNKNOWN
    if operator in _ORDER:
        if isinstance(left, str) and isinstance(right, str):
            return UNKNOWN
        return {"<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}[operator]
    result = numerals.arithmetic(operator, a, b)
    return UNKNOWN if result is None else result


def total(operands: Sequence[Value], limit: int) -> Value:
    """The sum of a chain of ``+``: of numbers until the first text, and from there on the texts in a row."""
    so_far: Value = operands[0]
    for position, operand in enumerate(operands[1:], 1):
        if isinstance(so_far, (str, tuple, bytes)) or isinstance(operand, (str, tuple, bytes)):
            pieces = [values.to_string(each, limit) for each in (so_far, *operands[position:])]
            if None in pieces:
                return UNKNOWN
            values.check(sum(len(piece or "") for piece in pieces), limit)
            return "".join(piece or "" for piece in pieces)
        a, b = values.to_number(so_far), values.to_number(operand)
        if a is None or b is None:
            return UNKNOWN
        so_far = numerals.arithmetic("+", a, b) or 0
    return so_far


def unary(operator: str, value: Value) -> Value:
    """The value of a unary operator."""
    if operator == "void":
        return UNDEFINED
    if operator == "!":
        held = values.truth(value)
        return UNKNOWN if held is None else not held
    if operator == "typeof":
        return "string" if isinstance(value, str) else UNKNOWN
    if operator == "+" and value == ():
        return 0
    number = values.to_number(value)
    if number is None:
        return UNKNOWN
    if operator == "~":
        return numerals.arithmetic("^", number, -1) or 0
    return -number if operator == "-" else number
