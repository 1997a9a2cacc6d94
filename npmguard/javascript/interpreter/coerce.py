"""How JavaScript turns values into others: numbers, texts, truth, and what is equal."""

from __future__ import annotations

import math
import re

from npmguard.javascript import numerals
from npmguard.javascript.interpreter import properties
from npmguard.javascript.interpreter.machine import Machine
from npmguard.javascript.interpreter.model import (
    JS,
    Arr,
    Failure,
    Func,
    GiveUp,
    Native,
    Obj,
    Octets,
    Pattern,
    Prototype,
    TheGlobal,
    Thrown,
)
from npmguard.javascript.values import NULL, UNDEFINED, UNKNOWN, as_units

EXACT = 2**53
SPACES = (
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)")
_RADIX = re.compile(r"0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+")
_LONGEST_NUMBER = 400  # characters of a text that is read as a number


def tidy(value: float) -> float:
    """A number in its one form: ``int`` where it is a whole one that is held exactly, but for minus zero."""
    if type(value) is int:
        return value if -EXACT <= value <= EXACT else _float(value)
    if -EXACT <= value <= EXACT and value == int(value) and (value or math.copysign(1, value) > 0):
        return int(value)
    return value


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def number(machine: Machine, value: JS) -> float:
    """``Number(value)``."""
    kind = type(value)
    if kind is int or kind is float:
        return value  # type: ignore[return-value]  # mypy does not narrow by identity of types
    if isinstance(value, str):
        return number_of_text(value)
    if value is True or value is False:
        return int(value)
    if value is UNDEFINED:
        return math.nan
    if value is NULL:
        return 0
    if isinstance(value, Obj):
        return number(machine, primitive(machine, value, text=False))
    raise GiveUp


def number_of_text(text: str) -> float:
    """The number that a text spells as a whole; NaN if none."""
    text = text.strip(SPACES)
    if not text:
        return 0
    if text.isascii() and text.isdigit() and len(text) < 16:
        return int(text)
    if len(text) > _LONGEST_NUMBER:
        raise GiveUp
    if _DECIMAL.fullmatch(text):
        return tidy(float(text))
    if _RADIX.fullmatch(text):
        return tidy(int(text, 0))
    bare = text.lstrip("+-")
    if bare == "Infinity" and len(text) - len(bare) < 2:
        return -math.inf if text[0] == "-" else math.inf
    return math.nan


def integer(machine: Machine, value: JS) -> float:
    """The number without its fraction; 0 for NaN, and infinities stay."""
    if type(value) is int:
        return value
    found = number(machine, value)
    if found != found:  # noqa: PLR0124 - NaN
        return 0
    return found if math.isinf(found) else int(found)


def int32(machine: Machine, value: JS) -> int:
    """The number as bit operations take it."""
    if type(value) is not int:
        found = number(machine, value)
        if not math.isfinite(found):
            return 0
        value = int(found)
    low = value & 0xFFFFFFFF
    return low - 0x100000000 if low >= 0x80000000 else low


def text(machine: Machine, value: JS) -> str:
    """``String(value)``."""
    if isinstance(value, str):
        return value
    kind = type(value)
    if kind is int:
        return str(value)
    if kind is float:
        return numerals.number_text(value)  # type: ignore[arg-type]  # mypy does not narrow by identity of types
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is UNDEFINED or value is NULL:
        return value.value
    if isinstance(value, Obj):
        return text(machine, primitive(machine, value, text=True))
    raise GiveUp


def key(machine: Machine, value: JS) -> str:
    """The name of the property that a computed key means."""
    return value if isinstance(value, str) else text(machine, value)


def truth(value: JS) -> bool:
    """Whether the value counts as true."""
    if value is True or value is False:
        return value
    if isinstance(value, str):
        return bool(value)
    kind = type(value)
    if kind is int:
        return value != 0
    if kind is float:
        return value != 0 and value == value  # noqa: PLR0124 - NaN
    if value is UNDEFINED or value is NULL:
        return False
    if value is UNKNOWN:
        raise GiveUp
    return True


def primitive(machine: Machine, value: Obj, *, text: bool) -> JS:
    """What an object becomes in an operator, by its own ``valueOf`` and ``toString`` where it has them."""
    for name in ("toString", "valueOf") if text else ("valueOf", "toString"):
        method = properties.get(machine, value, name)
        if isinstance(method, Native) and method.name == name:
            if text or name == "toString":
                return plain_text(machine, value)
        elif isinstance(method, Func):
            found = method.call(value, [])
            if not isinstance(found, Obj):
                return found
        elif method is UNKNOWN:
            raise GiveUp
    raise Thrown(Failure("TypeError"))


def plain_text(machine: Machine, value: Obj) -> str:
    """What the ``toString`` of an object's own kind returns."""
    if isinstance(value, Arr):
        return join(machine, value.items, ",")
    if isinstance(value, Octets):
        if value.buffer:
            return as_units(value.data.decode("utf-8", "replace"))
        return ",".join(map(str, value.data))
    if isinstance(value, Pattern):
        return f"/{value.source}/{value.flags}"
    if isinstance(value, Func):
        return value.source()
    if isinstance(value, Failure):
        name, message = properties.get(machine, value, "name"), properties.get(machine, value, "message")
        if isinstance(name, str) and isinstance(message, str):
            return f"{name}: {message}" if message else name
        raise GiveUp
    if isinstance(value, (TheGlobal, Prototype)):
        raise GiveUp
    return "[object Object]"


def join(machine: Machine, items: list[JS], separator: str) -> str:
    """``items.join(separator)``."""
    machine.spend(len(items))
    parts = ["" if item is UNDEFINED or item is NULL else text(machine, item) for item in list(items)]
    machine.text(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def same(left: JS, right: JS) -> bool:
    """``===``."""
    if left is UNKNOWN or right is UNKNOWN:
        raise GiveUp
    kind, other = type(left), type(right)
    if kind is other:
        return left is right if isinstance(left, Obj) else left == right
    if (kind is int or kind is float) and (other is int or other is float):
        return left == right
    return False


def alike(machine: Machine, left: JS, right: JS) -> bool:
    """``==``."""
    nothing, nothing_too = left is UNDEFINED or left is NULL, right is UNDEFINED or right is NULL
    if left is UNKNOWN or right is UNKNOWN:
        raise GiveUp
    if nothing or nothing_too:
        return nothing and nothing_too
    if isinstance(left, Obj) and isinstance(right, Obj):
        return left is right
    if isinstance(left, Obj):
        return alike(machine, primitive(machine, left, text=False), right)
    if isinstance(right, Obj):
        return alike(machine, left, primitive(machine, right, text=False))
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return number(machine, left) == number(machine, right)


def type_of(value: JS) -> str:
    """``typeof value``."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if value is UNDEFINED:
        return "undefined"
    if value is UNKNOWN:
        raise GiveUp
    return "function" if isinstance(value, Func) else "object"
