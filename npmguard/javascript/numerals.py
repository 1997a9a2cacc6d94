"""Numbers of JavaScript: literals, their text, and the arithmetic that hides indices and characters.

A number is an ``int`` where it is a whole one that JavaScript holds exactly, else a ``float``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_EXACT = 2**53


def number(literal: str) -> float:
    """The value of a numeric literal; NaN where it is not one."""
    digits = literal.replace("_", "").rstrip("n").lower()
    try:
        if digits[:2] in {"0x", "0o", "0b"}:
            return _tidy(int(digits, 0))
        if len(digits) > 1 and digits[0] == "0" and digits.isdigit() and set(digits) <= set("01234567"):
            return _tidy(int(digits, 8))
        return int(digits) if digits.isdigit() and len(digits) < 16 else float(digits)
    except ValueError:
        return math.nan
    except OverflowError:
        return math.inf


def number_text(value: float) -> str:
    """What ``String(value)`` is."""
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if not value:
        return "0"
    shortest = repr(value)
    if 1e-6 <= abs(value) < 1e21:
        plain = format(Decimal(shortest), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    mantissa, _, power = shortest.partition("e")
    return f"{mantissa.removesuffix('.0')}e{'+' if int(power) > 0 else ''}{int(power)}"


def in_radix(value: float, radix: float) -> str | None:
    """``value.toString(radix)`` of a whole number."""
    if not math.isfinite(value) or int(value) != value or not 2 <= radix <= 36:
        return None
    rest, digits = abs(int(value)), ""
    while rest and len(digits) < 1100:
        rest, digit = divmod(rest, int(radix))
        digits = _DIGITS[digit] + digits
    return ("-" if value < 0 else "") + (digits or "0")


def parse_int(text: str, radix: float) -> float:
    """``parseInt(text, radix)``."""
    body = text.strip().lower()
    sign = -1 if body.startswith("-") else 1
    body = body.lstrip("+-")
    base = int(radix) or 10 if math.isfinite(radix) else 10
    if body.startswith("0x") and radix in {0, 16}:
        body, base = body[2:], 16
    if not 2 <= base <= 36:
        return math.nan
    alphabet = _DIGITS[:base]
    digits = re.match(f"[{alphabet}]{{0,256}}", body)
    return _tidy(sign * int(digits[0], base)) if digits and digits[0] else math.nan


def arithmetic(operator: str, left: float, right: float) -> float | None:
    """The value of a numeric operator; None for one that is not followed, or a result beyond numbers."""
    operation = _ARITHMETIC.get(operator)
    if operation is None:
        return None
    try:
        return _tidy(operation(left, right))
    except (ArithmeticError, ValueError):
        return None


def _tidy(value: float) -> float:
    return float(value) if isinstance(value, int) and abs(value) > _EXACT else value


def _int32(value: float) -> int:
    if not math.isfinite(value):
        return 0
    low = int(value) & 0xFFFFFFFF
    return low - 0x100000000 if low >= 0x80000000 else low


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: (
        int(quotient) if (quotient := a / b).is_integer() and abs(quotient) < _EXACT else quotient
    ),
    "%": lambda a, b: int(math.fmod(a, b)) if type(a) is int and type(b) is int else math.fmod(a, b),
    "**": math.pow,
    "<<": lambda a, b: _int32(_int32(a) << (_int32(b) & 31)),
    ">>": lambda a, b: _int32(a) >> (_int32(b) & 31),
    ">>>": lambda a, b: (_int32(a) & 0xFFFFFFFF) >> (_int32(b) & 31),
    "|": lambda a, b: _int32(a) | _int32(b),
    "&": lambda a, b: _int32(a) & _int32(b),
    "^": lambda a, b: _int32(a) ^ _int32(b),
}
