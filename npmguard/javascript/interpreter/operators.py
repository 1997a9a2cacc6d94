"""The binary operators of JavaScript on values of the interpreter."""

from __future__ import annotations

import math
from collections.abc import Callable

from npmguard.javascript.interpreter import coerce, numbers
from npmguard.javascript.interpreter.coerce import EXACT, int32, number, same, tidy
from npmguard.javascript.interpreter.machine import Machine
from npmguard.javascript.interpreter.model import JS, Failure, Func, GiveUp, Native, Obj, Thrown
from npmguard.javascript.interpreter.properties import get, has, kind_of
from npmguard.javascript.values import UNKNOWN

Operator = Callable[[Machine, JS, JS], JS]


def add(machine: Machine, left: JS, right: JS) -> JS:
    """``+``."""
    kind, other = type(left), type(right)
    if kind is int and other is int:
        total: int = left + right  # type: ignore[operator, assignment]  # both are numbers
        return total if -EXACT <= total <= EXACT else float(total)
    if kind is str and other is str:
        size = len(left) + len(right)  # type: ignore[arg-type]  # both are strings
        machine.units -= size
        machine.fuel -= size >> 4
        if machine.units < 0 or machine.fuel < 0 or size > machine.size:
            machine.text(machine.size + 1)
        return left + right  # type: ignore[operator]
    if isinstance(left, Obj):
        left = coerce.primitive(machine, left, text=False)
    if isinstance(right, Obj):
        right = coerce.primitive(machine, right, text=False)
    if isinstance(left, str) or isinstance(right, str):
        first, second = coerce.text(machine, left), coerce.text(machine, right)
        machine.text(len(first) + len(second))
        return first + second
    return tidy(number(machine, left) + number(machine, right))


def subtract(machine: Machine, left: JS, right: JS) -> JS:
    """``-``."""
    if type(left) is int and type(right) is int:
        result = left - right
        return result if -EXACT <= result <= EXACT else float(result)
    return tidy(number(machine, left) - number(machine, right))


def multiply(machine: Machine, left: JS, right: JS) -> JS:
    """``*``."""
    first, second = number(machine, left), number(machine, right)
    if type(first) is int and type(second) is int:
        if first and second:
            return tidy(first * second)
        return -0.0 if first < 0 or second < 0 else 0
    try:
        return tidy(float(first) * float(second))
    except OverflowError:
        raise GiveUp from None


def divide(machine: Machine, left: JS, right: JS) -> JS:
    """``/``."""
    first, second = number(machine, left), number(machine, right)
    if second:
        return tidy(float(first) / float(second))
    if not first or first != first:  # noqa: PLR0124 - NaN
        return math.nan
    return math.copysign(math.inf, first) * math.copysign(1, second)


def remainder(machine: Machine, left: JS, right: JS) -> JS:
    """``%``."""
    if type(left) is int and type(right) is int and left >= 0 and right > 0:
        return left % right
    first, second = number(machine, left), number(machine, right)
    if not second or math.isinf(first) or first != first or second != second:  # noqa: PLR0124 - NaN
        return math.nan
    return tidy(math.fmod(first, second))


def power(machine: Machine, left: JS, right: JS) -> JS:
    """``**``."""
    return numbers.power(number(machine, left), number(machine, right))


def xor(machine: Machine, left: JS, right: JS) -> JS:
    """``^``."""
    if type(left) is int and type(right) is int and 0 <= left < 0x80000000 and 0 <= right < 0x80000000:
        return left ^ right
    return int32(machine, left) ^ int32(machine, right)


def _and(machine: Machine, left: JS, right: JS) -> JS:
    return int32(machine, left) & int32(machine, right)


def _or(machine: Machine, left: JS, right: JS) -> JS:
    return int32(machine, left) | int32(machine, right)


def _left(machine: Machine, left: JS, right: JS) -> JS:
    return int32(machine, int32(machine, left) << (int32(machine, right) & 31))


def _right(machine: Machine, left: JS, right: JS) -> JS:
    return int32(machine, left) >> (int32(machine, right) & 31)


def _right_unsigned(machine: Machine, left: JS, right: JS) -> JS:
    return (int32(machine, left) & 0xFFFFFFFF) >> (int32(machine, right) & 31)


def _same(_machine: Machine, left: JS, right: JS) -> JS:
    return same(left, right)


def _not_same(_machine: Machine, left: JS, right: JS) -> JS:
    return not same(left, right)


def _alike(machine: Machine, left: JS, right: JS) -> JS:
    return coerce.alike(machine, left, right)


def _not_alike(machine: Machine, left: JS, right: JS) -> JS:
    return not coerce.alike(machine, left, right)


def _pair(machine: Machine, left: JS, right: JS) -> tuple[str, str] | tuple[float, float]:
    """Both sides as texts where both are, else as numbers."""
    if isinstance(left, Obj):
        left = coerce.primitive(machine, left, text=False)
    if isinstance(right, Obj):
        right = coerce.primitive(machine, right, text=False)
    if isinstance(left, str) and isinstance(right, str):
        machine.spend((len(left) + len(right)) >> 6)
        return left, right
    return number(machine, left), number(machine, right)


def less(machine: Machine, left: JS, right: JS) -> JS:
    """``<``."""
    if type(left) is int and type(right) is int:
        return left < right
    first, second = _pair(machine, left, right)
    return first < second  # type: ignore[operator]  # both are of the same kind


def _less_or_same(machine: Machine, left: JS, right: JS) -> JS:
    first, second = _pair(machine, left, right)
    return first <= second  # type: ignore[operator]


def _greater(machine: Machine, left: JS, right: JS) -> JS:
    return less(machine, right, left)


def _greater_or_same(machine: Machine, left: JS, right: JS) -> JS:
    return _less_or_same(machine, right, left)


def _in(machine: Machine, left: JS, right: JS) -> JS:
    if right is UNKNOWN:
        raise GiveUp
    if not isinstance(right, Obj):
        raise Thrown(Failure("TypeError"))
    return has(machine, right, coerce.key(machine, left))


def _instance_of(machine: Machine, left: JS, right: JS) -> JS:
    if left is UNKNOWN or not isinstance(right, Func):
        raise GiveUp
    if not isinstance(left, Obj):
        return False
    if isinstance(right, Native):
        if right.name == "Object":
            return True
        if isinstance(left, Failure):
            return right.name in {left.kind, "Error"}
        if kind_of(left) != "Object":
            return right.name == kind_of(left)
        raise GiveUp
    wanted = get(machine, right, "prototype")
    holder = left.proto
    while holder is not None:
        if holder is wanted:
            return True
        holder = holder.proto
    return False


OPERATORS: dict[str, Operator] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
    "**": power,
    "^": xor,
    "&": _and,
    "|": _or,
    "<<": _left,
    ">>": _right,
    ">>>": _right_unsigned,
    "===": _same,
    "!==": _not_same,
    "==": _alike,
    "!=": _not_alike,
    "<": less,
    "<=": _less_or_same,
    ">": _greater,
    ">=": _greater_or_same,
    "in": _in,
    "instanceof": _instance_of,
}
