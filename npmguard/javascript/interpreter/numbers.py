"""The built-in functions about numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from npmguard.javascript import numerals
from npmguard.javascript.interpreter import coerce
from npmguard.javascript.interpreter.coerce import SPACES, int32, number, tidy
from npmguard.javascript.interpreter.machine import Machine
from npmguard.javascript.interpreter.model import JS, GiveUp
from npmguard.javascript.interpreter.properties import GLOBALS, METHODS, STATICS
from npmguard.javascript.values import UNDEFINED

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_DECIMAL = re.compile(r"[+-]?(?:Infinity|[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)")


def parse_int(machine: Machine, _this: JS, given: list[JS]) -> JS:
    """``parseInt``."""
    first = given[0] if given else UNDEFINED
    text = (first if isinstance(first, str) else coerce.text(machine, first)).strip(SPACES)
    radix = int32(machine, given[1]) if len(given) > 1 else 0
    sign = -1 if text[:1] == "-" else 1
    body = text[1:] if text[:1] in {"-", "+"} else text
    if radix in {0, 16} and body[:2] in {"0x", "0X"}:
        body, radix = body[2:], 16
    radix = radix or 10
    if not 2 <= radix <= 36:
        return math.nan
    alphabet = _DIGITS[:radix] + _DIGITS[10:radix].upper()
    end = 0
    while end < len(body) and body[end] in alphabet:
        end += 1
        if end > 400:
            raise GiveUp
    if not end:
        return math.nan
    value = sign * int(body[:end], radix)
    return -0.0 if sign < 0 and not value else tidy(value)


def _parse_float(machine: Machine, _this: JS, given: list[JS]) -> JS:
    text = coerce.text(machine, given[0] if given else UNDEFINED).strip(SPACES)
    match = _DECIMAL.match(text[:400])
    if match is None:
        return math.nan
    return tidy(float(match[0].replace("Infinity", "inf")))


def _number(machine: Machine, _this: JS, given: list[JS]) -> JS:
    return number(machine, given[0]) if given else 0


def _is_nan(machine: Machine, _this: JS, given: list[JS]) -> JS:
    return math.isnan(number(machine, given[0] if given else UNDEFINED))


def _is_finite(machine: Machine, _this: JS, given: list[JS]) -> JS:
    return math.isfinite(number(machine, given[0] if given else UNDEFINED))


def _is_integer(_machine: Machine, _this: JS, given: list[JS]) -> JS:
    value = given[0] if given else UNDEFINED
    coerce.type_of(value)
    return type(value) is int or (type(value) is float and math.isfinite(value) and value == int(value))


def _to_string(machine: Machine, this: JS, given: list[JS]) -> JS:
    if isinstance(this, bool) or not isinstance(this, (int, float)):
        raise GiveUp
    radix = int32(machine, given[0]) if given and given[0] is not UNDEFINED else 10
    if radix == 10 or not math.isfinite(this):
        return numerals.number_text(this)
    if type(this) is float and this == 0:
        return "0"
    found = numerals.in_radix(this, radix) if type(this) is int else None
    if found is None:
        raise GiveUp
    return found


def _to_fixed(machine: Machine, this: JS, given: list[JS]) -> JS:
    digits = int32(machine, given[0]) if given else 0
    if type(this) is not int or not 0 <= digits <= 20:
        raise GiveUp
    return f"{this}.{'0' * digits}" if digits else str(this)


def _value_of(_machine: Machine, this: JS, _given: list[JS]) -> JS:
    if isinstance(this, (int, float)):
        return this
    raise GiveUp


def _boolean(_machine: Machine, _this: JS, given: list[JS]) -> JS:
    return bool(given) and coerce.truth(given[0])


def _boolean_text(machine: Machine, this: JS, _given: list[JS]) -> JS:
    if this is True or this is False:
        return coerce.text(machine, this)
    raise GiveUp


def _rounded(cut: Callable[[float], float]) -> Callable[[Machine, JS, list[JS]], JS]:
    def run(machine: Machine, _this: JS, given: list[JS]) -> JS:
        value = number(machine, given[0] if given else UNDEFINED)
        if type(value) is int or not math.isfinite(value):
            return value
        found = float(cut(value))
        return tidy(found or math.copysign(found, value))

    return run


def _analytic(compute: Callable[[float], float]) -> Callable[[Machine, JS, list[JS]], JS]:
    def run(machine: Machine, _this: JS, given: list[JS]) -> JS:
        try:
            return tidy(compute(number(machine, given[0] if given else UNDEFINED)))
        except (ValueError, OverflowError):
            raise GiveUp from None

    return run


def _extreme(choose: Callable[[list[float]], float], nothing: float) -> Callable[[Machine, JS, list[JS]], JS]:
    def run(machine: Machine, _this: JS, given: list[JS]) -> JS:
        machine.spend(len(given))
        found = [number(machine, each) for each in given]
        if any(each != each for each in found):  # noqa: PLR0124 - NaN
            return math.nan
        if any(type(each) is float and each == 0 for each in found):
            raise GiveUp
        return choose(found) if found else nothing

    return run


def _pow(machine: Machine, _this: JS, given: list[JS]) -> JS:
    two = [*given, UNDEFINED, UNDEFINED]
    return power(number(machine, two[0]), number(machine, two[1]))


def power(base: float, exponent: float) -> float:
    """``base ** exponent``; raises :class:`GiveUp` where the last bit is not the same everywhere."""
    if type(base) is int and type(exponent) is int and 0 <= exponent <= 1100:
        if base == 10 and exponent > 22:
            return float(f"1e{exponent}") if exponent < 309 else math.inf
        found = base**exponent if abs(base) <= 1 or exponent * base.bit_length() <= 53 else None
        if found is not None:
            return tidy(found)
        if abs(base) == 2 and exponent < 1024:
            return float(base**exponent)
    if base == 10 and type(exponent) is int and -22 <= exponent < 0:
        return float(f"1e{exponent}")
    if exponent == 0.5 and base >= 0:
        return tidy(math.sqrt(base))
    raise GiveUp


def _imul(machine: Machine, _this: JS, given: list[JS]) -> JS:
    two = [*given, UNDEFINED, UNDEFINED]
    return int32(machine, int32(machine, two[0]) * int32(machine, two[1]))


def _sign(value: float) -> float:
    return (value > 0) - (value < 0) if value else value


def _half_up(value: float) -> float:
    lower = math.floor(value)
    return lower + 1 if value - lower >= 0.5 else lower


GLOBALS.update(
    {
        "parseInt": parse_int,
        "parseFloat": _parse_float,
        "Number": _number,
        "Boolean": _boolean,
        "isNaN": _is_nan,
        "isFinite": _is_finite,
    }
)
STATICS["Number"] = {
    "parseInt": parse_int,
    "parseFloat": _parse_float,
    "isInteger": _is_integer,
    "MAX_SAFE_INTEGER": 2**53 - 1,
    "MIN_SAFE_INTEGER": 1 - 2**53,
    "MAX_VALUE": 1.7976931348623157e308,
    "MIN_VALUE": 5e-324,
    "EPSILON": 2**-52,
    "POSITIVE_INFINITY": math.inf,
    "NEGATIVE_INFINITY": -math.inf,
    "NaN": math.nan,
}
METHODS["Number"].update(
    {
        "toString": _to_string,
        "toLocaleString": lambda _machine, _this, _given: _give_up(),
        "toFixed": _to_fixed,
        "valueOf": _value_of,
    }
)
METHODS["Boolean"].update({"toString": _boolean_text, "valueOf": _value_of})
STATICS["Math"].update(
    {
        "floor": _rounded(math.floor),
        "ceil": _rounded(math.ceil),
        "round": _rounded(_half_up),
        "trunc": _rounded(math.trunc),
        "abs": _analytic(abs),
        "sqrt": _analytic(math.sqrt),
        "sign": _analytic(_sign),
        "log2": _analytic(lambda value: math.log2(value) if math.log2(value).is_integer() else _give_up()),
        "min": _extreme(min, math.inf),
        "max": _extreme(max, -math.inf),
        "pow": _pow,
        "imul": _imul,
        "PI": math.pi,
        "E": math.e,
        "LN2": math.log(2),
        "LN10": math.log(10),
        "SQRT2": math.sqrt(2),
    }
)


def _give_up() -> float:
    raise GiveUp
