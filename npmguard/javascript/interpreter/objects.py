"""The built-in functions about objects, functions, regular expressions and errors."""

from __future__ import annotations

import re

from npmguard.javascript.interpreter import coerce
from npmguard.javascript.interpreter.arrays import ARRAY, listed
from npmguard.javascript.interpreter.machine import ITEM_UNITS, OBJECT_UNITS, Machine
from npmguard.javascript.interpreter.model import (
    ERRORS,
    JS,
    Arr,
    Failure,
    Func,
    GiveUp,
    Native,
    NativeRun,
    Obj,
    Octets,
    Pattern,
)
from npmguard.javascript.interpreter.patterns import find
from npmguard.javascript.interpreter.properties import (
    GLOBALS,
    METHODS,
    STATICS,
    builtin,
    get,
    keys,
    kind_of,
    own,
    prototype,
    set_,
)
from npmguard.javascript.interpreter.strings import array_of, match_array
from npmguard.javascript.values import NULL, UNDEFINED

_RETURN = re.compile(r"\s*return\s*(.*?)[\s;]*", re.DOTALL)
_DOTTED = re.compile(r"[A-Za-z_$][\w$]*(?:\s*\.\s*[A-Za-z_$][\w$]*)*")
_PLAIN_TEXT = re.compile(r"\"([^\"\\\n]*)\"|'([^'\\\n]*)'")
_THE_GLOBAL = re.compile(
    r"\(?\s*(?:this|\(?\s*function\s*\(\s*\)\s*\{\s*\}\s*\.\s*constructor\s*"
    r"\(\s*[\"']return this[\"']\s*\)\s*\(\s*\)\s*\)?"
    r"|globalThis)\s*\)?"
)


def _argument(given: list[JS], position: int) -> JS:
    return given[position] if len(given) > position else UNDEFINED


def _text(machine: Machine, _this: JS, given: list[JS]) -> JS:
    return coerce.text(machine, given[0]) if given else ""


def _object(machine: Machine, _this: JS, given: list[JS]) -> JS:
    first = _argument(given, 0)
    if isinstance(first, Obj):
        return first
    if first is UNDEFINED or first is NULL:
        machine.make(OBJECT_UNITS)
        return Obj()
    raise GiveUp


def _keys(machine: Machine, _this: JS, given: list[JS]) -> JS:
    return array_of(machine, list(keys(_argument(given, 0))))


def _values(machine: Machine, _this: JS, given: list[JS]) -> JS:
    base = _argument(given, 0)
    return array_of(machine, [get(machine, base, name) for name in keys(base)])


def _entries(machine: Machine, _this: JS, given: list[JS]) -> JS:
    base = _argument(given, 0)
    return array_of(machine, [array_of(machine, [name, get(machine, base, name)]) for name in keys(base)])


def _from_entries(machine: Machine, _this: JS, given: list[JS]) -> JS:
    made = Obj()
    machine.make(OBJECT_UNITS)
    for pair in listed(machine, _argument(given, 0)):
        set_(machine, made, coerce.key(machine, get(machine, pair, "0")), get(machine, pair, "1"))
    return made


def _assign(machine: Machine, _this: JS, given: list[JS]) -> JS:
    target = _argument(given, 0)
    for source in given[1:]:
        if source is not UNDEFINED and source is not NULL:
            for name in keys(source):
                set_(machine, target, name, get(machine, source, name))
    return target


def _same(_machine: Machine, _this: JS, given: list[JS]) -> JS:
    return _argument(given, 0)


def _create(machine: Machine, _this: JS, given: list[JS]) -> JS:
    proto = _argument(given, 0)
    if len(given) > 1 or not (proto is NULL or type(proto) is Obj):
        raise GiveUp
    machine.make(OBJECT_UNITS)
    return Obj(proto if isinstance(proto, Obj) else None)


def _prototype_of(machine: Machine, _this: JS, given: list[JS]) -> JS:
    base = _argument(given, 0)
    if isinstance(base, (str, Arr, Octets, Pattern, Func)):
        return prototype(machine, _kind(base))
    raise GiveUp


def _kind(base: JS) -> str:
    if isinstance(base, str):
        return "String"
    if isinstance(base, Octets):
        return "Buffer" if base.buffer else "Uint8Array"
    if isinstance(base, Arr):
        return "Array"
    return "RegExp" if isinstance(base, Pattern) else "Function"


def _has_own(machine: Machine, this: JS, given: list[JS]) -> JS:
    if not isinstance(this, Obj):
        raise GiveUp
    return own(this, coerce.key(machine, _argument(given, 0)))


def _object_text(_machine: Machine, this: JS, _given: list[JS]) -> JS:
    if this is UNDEFINED:
        return "[object Undefined]"
    if this is NULL:
        return "[object Null]"
    if isinstance(this, Failure) or kind_of(this) in {"Buffer", "Uint8Array"}:
        raise GiveUp
    if isinstance(this, Obj) and kind_of(this) == "Object" and type(this) is not Obj:
        raise GiveUp
    return f"[object {kind_of(this)}]"


def _value_of(_machine: Machine, this: JS, _given: list[JS]) -> JS:
    if isinstance(this, Obj):
        return this
    raise GiveUp


def _function_of(this: JS) -> Func:
    if not isinstance(this, Func):
        raise GiveUp
    return this


def _call(_machine: Machine, this: JS, given: list[JS]) -> JS:
    return _function_of(this).call(_argument(given, 0), given[1:])


def _apply(machine: Machine, this: JS, given: list[JS]) -> JS:
    return _function_of(this).call(_argument(given, 0), list(listed(machine, _argument(given, 1))))


def _bind(machine: Machine, this: JS, given: list[JS]) -> JS:
    target, bound, first = _function_of(this), _argument(given, 0), given[1:]
    machine.make(OBJECT_UNITS + ITEM_UNITS * len(given))

    def run(_machine: Machine, _this: JS, more: list[JS]) -> JS:
        return target.call(bound, [*first, *more])

    return Native(machine, "bound", run)


def _source(machine: Machine, this: JS, _given: list[JS]) -> JS:
    text = _function_of(this).source()
    machine.text(len(text))
    return text


def _function(machine: Machine, _this: JS, given: list[JS]) -> JS:
    """``Function(text)``, of which only the ways to a global are followed."""
    match = _RETURN.fullmatch(coerce.text(machine, given[-1])) if given else None
    if match is None or len(given) > 1 or len(match[1]) > 200:
        raise GiveUp
    body = match[1]
    if _THE_GLOBAL.fullmatch(body):
        found: JS = machine.globe
    elif plain := _PLAIN_TEXT.fullmatch(body):
        found = plain[1] if plain[1] is not None else plain[2]
    elif _DOTTED.fullmatch(body):
        head, *rest = (part.strip() for part in body.split("."))
        found = builtin(machine, head)
        for name in rest:
            found = get(machine, found, name)
    else:
        raise GiveUp
    return Native(machine, "anonymous", lambda _machine, _self, _given: found)


def _pattern_of(this: JS) -> Pattern:
    if not isinstance(this, Pattern):
        raise GiveUp
    return this


def _exec(machine: Machine, this: JS, given: list[JS]) -> JS:
    pattern, text = _pattern_of(this), coerce.text(machine, _argument(given, 0))
    moves = "g" in pattern.flags
    match = find(machine, pattern, text, pattern.last if moves else 0)
    if moves:
        pattern.last = 0 if match is None else match.span()[1]
    return NULL if match is None else match_array(machine, match, text)


def _test(machine: Machine, this: JS, given: list[JS]) -> JS:
    return _exec(machine, this, given) is not NULL


def _pattern_text(machine: Machine, this: JS, _given: list[JS]) -> JS:
    return coerce.plain_text(machine, _pattern_of(this))


def _thrower(kind: str) -> NativeRun:
    def run(machine: Machine, _this: JS, given: list[JS]) -> JS:
        machine.make(OBJECT_UNITS)
        made = Failure(kind)
        made.props["message"] = "" if not given or given[0] is UNDEFINED else coerce.text(machine, given[0])
        return made

    return run


def _reflect_apply(machine: Machine, _this: JS, given: list[JS]) -> JS:
    return _function_of(_argument(given, 0)).call(
        _argument(given, 1), list(listed(machine, _argument(given, 2)))
    )


def _reflect_get(machine: Machine, _this: JS, given: list[JS]) -> JS:
    return get(machine, _argument(given, 0), coerce.key(machine, _argument(given, 1)))


GLOBALS.update(
    {
        "String": _text,
        "Object": _object,
        "Array": ARRAY,
        "Function": _function,
        **{kind: _thrower(kind) for kind in ERRORS},
    }
)
STATICS["Object"] = {
    "keys": _keys,
    "values": _values,
    "entries": _entries,
    "fromEntries": _from_entries,
    "assign": _assign,
    "freeze": _same,
    "seal": _same,
    "create": _create,
    "getPrototypeOf": _prototype_of,
}
STATICS["Reflect"].update({"apply": _reflect_apply, "get": _reflect_get})
METHODS["Object"].update({"hasOwnProperty": _has_own, "toString": _object_text, "valueOf": _value_of})
METHODS["Function"].update({"call": _call, "apply": _apply, "bind": _bind, "toString": _source})
METHODS["RegExp"].update({"exec": _exec, "test": _test, "toString": _pattern_text})
