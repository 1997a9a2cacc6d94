"""Reading and writing the properties of values, built-in ones included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from npmguard.javascript.interpreter.machine import ITEM_UNITS, Machine
from npmguard.javascript.interpreter.model import (
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
    Prototype,
    TheGlobal,
    Thrown,
)
from npmguard.javascript.values import NULL, UNDEFINED, UNKNOWN

Table = dict[str, NativeRun]

MAX_INDEX: Final = 1 << 22  # of an array

METHODS: dict[str, Table] = {
    kind: {}
    for kind in ("String", "Number", "Boolean", "Array", "Buffer", "Uint8Array", "RegExp", "Function", "Object")
}
"""The methods of each kind of value."""

STATICS: dict[str, dict[str, NativeRun | str | float]] = {"Math": {}, "JSON": {}, "Reflect": {}}
"""What is found in each built-in function or namespace."""

GLOBALS: Table = {}
"""The global functions."""

SAME_GLOBAL: Final = frozenset({"globalThis", "window", "self", "global", "top", "frames", "parent"})

_STRING = METHODS["String"]
_ARRAY = METHODS["Array"]
_NAMESPACES = frozenset({"Math", "JSON", "Reflect"})
_NAMES = """
    BYTES_PER_ELEMENT __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ __proto__
    anchor apply arguments at big bind blink bold buffer byteLength byteOffset call caller cause charAt
    charCodeAt codePointAt compare compile concat constructor copyWithin dotAll endsWith entries equals
    every exec fill filter find findIndex findLast findLastIndex fixed flags flat flatMap fontcolor
    fontsize forEach global group groupBy groupByToMap hasIndices hasOwnProperty ignoreCase includes
    indexOf inspect isPrototypeOf isWellFormed italics join keys lastIndex lastIndexOf length link
    localeCompare map match matchAll multiline name normalize offset padEnd padStart parent pop
    propertyIsEnumerable prototype push readInt8 readUInt8 reduce reduceRight repeat replace replaceAll
    reverse search set shift slice small some sort source splice split stack startsWith sticky strike
    sub subarray substr substring sup swap16 swap32 swap64 test then toExponential toFixed toJSON
    toLocaleLowerCase toLocaleString toLocaleUpperCase toLowerCase toPrecision toReversed toSorted
    toSpliced toString toUpperCase toWellFormed trim trimEnd trimLeft trimRight trimStart unicode
    unicodeSets unshift valueOf values with write
"""
_STANDARD = frozenset(_NAMES.split())
"""Names under which values have something, known here or not."""


def native(machine: Machine, owner: str, name: str, run: NativeRun) -> Native:
    """The one function object of a built-in."""
    known = machine.natives.get((owner, name))
    if known is None:
        known = machine.natives[owner, name] = Native(machine, name, run)
    return known


def builtin(machine: Machine, name: str) -> JS:
    """What a global name means; UNKNOWN where that is not known."""
    run = GLOBALS.get(name)
    if run is not None:
        return native(machine, "", name, run)
    if name in _NAMESPACES:
        known = machine.namespaces.get(name)
        if known is None:
            known = machine.namespaces[name] = Obj()
            for each, value in STATICS[name].items():
                known.props[each] = native(machine, name, each, value) if callable(value) else value
        return known
    return machine.globe if name in SAME_GLOBAL else UNKNOWN


def prototype(machine: Machine, kind: str) -> Prototype:
    """The prototype of a built-in kind."""
    known = machine.prototypes.get(kind)
    if known is None:
        known = machine.prototypes[kind] = Prototype(kind)
    return known


def kind_of(value: JS) -> str:
    """The built-in kind whose methods a value has."""
    if isinstance(value, str):
        return "String"
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, (int, float)):
        return "Number"
    if isinstance(value, Arr):
        return "Array"
    if isinstance(value, Func):
        return "Function"
    if isinstance(value, Octets):
        return "Buffer" if value.buffer else "Uint8Array"
    return "RegExp" if isinstance(value, Pattern) else "Object"


def get(machine: Machine, base: JS, name: str) -> JS:
    """``base[name]``."""
    if isinstance(base, Obj):
        if isinstance(base, Arr):
            if name == "length":
                return len(base.items)
            index = index_of(name)
            if index is not None:
                return base.items[index] if index < len(base.items) else UNDEFINED
        holder: Obj | None = base
        while holder is not None:
            if name in holder.props:
                return holder.props[name]
            if isinstance(holder, (Prototype, TheGlobal)):
                break
            holder = holder.proto
        return _own(machine, base, name)
    if isinstance(base, str):
        if name == "length":
            return len(base)
        index = index_of(name)
        if index is not None:
            return base[index] if index < len(base) else UNDEFINED
        return _inherited(machine, "String", name)
    if base is UNDEFINED or base is NULL:
        raise Thrown(Failure("TypeError"))
    if base is UNKNOWN:
        raise GiveUp
    return _inherited(machine, kind_of(base), name)


def set_(machine: Machine, base: JS, name: str, value: JS) -> None:
    """``base[name] = value``."""
    if not isinstance(base, Obj):
        if base is UNKNOWN:
            raise GiveUp
        if base is UNDEFINED or base is NULL:
            raise Thrown(Failure("TypeError"))
        return
    if isinstance(base, Arr):
        index = index_of(name)
        if index is not None:
            set_item(machine, base, index, value)
            return
        if name == "length":
            _resize(machine, base, value)
            return
    elif isinstance(base, Octets):
        index = index_of(name)
        if index is not None:
            if type(value) is not int:
                raise GiveUp
            if index < len(base.data):
                base.data[index] = value & 0xFF
            return
    elif isinstance(base, Pattern) and name == "lastIndex":
        if type(value) is not int:
            raise GiveUp
        base.last = value
        return
    if name == "__proto__" or isinstance(base, (Native, Prototype, TheGlobal)):
        raise GiveUp
    if name not in base.props:
        machine.make(ITEM_UNITS + len(name))
    base.props[name] = value


def set_item(machine: Machine, base: Arr, index: int, value: JS) -> None:
    """``base[index] = value``."""
    items = base.items
    size = len(items)
    if index < size:
        items[index] = value
        return
    if index > MAX_INDEX:
        raise GiveUp
    machine.make(ITEM_UNITS * (index - size + 1))
    if index > size:
        items.extend([UNDEFINED] * (index - size))
        base.holey = True
    items.append(value)


def has(machine: Machine, base: Obj, name: str) -> bool:
    """``name in base``, own and inherited."""
    holder: Obj | None = base
    while holder is not None:
        if own(holder, name):
            return True
        holder = holder.proto
    return get(machine, base, name) is not UNDEFINED


def own(base: Obj, name: str) -> bool:
    """Whether an object has a property of its own of that name."""
    if isinstance(base, (TheGlobal, Prototype, Native)):
        raise GiveUp
    if isinstance(base, (Arr, Octets)):
        if isinstance(base, Arr) and base.holey:
            raise GiveUp
        index = index_of(name)
        if index is not None:
            return index < len(base.items if isinstance(base, Arr) else base.data)
        if name == "length":
            return True
    if isinstance(base, (Pattern, Func, Failure)) and name not in base.props:
        raise GiveUp
    return name in base.props


def keys(base: JS) -> list[str]:
    """The names of the own enumerable properties, in their order."""
    if isinstance(base, str):
        return [str(index) for index in range(len(base))]
    if base is UNKNOWN or isinstance(base, (TheGlobal, Prototype, Native)):
        raise GiveUp
    if not isinstance(base, Obj):
        return []
    numbered = sorted((index, name) for name in base.props if (index := index_of(name)) is not None)
    names = [name for _, name in numbered]
    names.extend(name for name in base.props if index_of(name) is None)
    if isinstance(base, Arr):
        if base.holey:
            raise GiveUp
        return [*(str(index) for index in range(len(base.items))), *names]
    if isinstance(base, Octets):
        return [*(str(index) for index in range(len(base.data))), *names]
    return names


def delete(base: JS, name: str) -> bool:
    """``delete base[name]``."""
    if not isinstance(base, Obj) or isinstance(base, (TheGlobal, Prototype, Native, Octets)):
        raise GiveUp
    if isinstance(base, Arr) and (index_of(name) is not None or name == "length"):
        raise GiveUp
    base.props.pop(name, None)
    return True


def index_of(name: str) -> int | None:
    """The index that a property's name spells."""
    if name.isdigit() and name.isascii() and (name[0] != "0" or name == "0") and len(name) < 10:
        return int(name)
    return None


def _resize(machine: Machine, base: Arr, value: JS) -> None:
    if type(value) is not int or not 0 <= value <= MAX_INDEX:
        raise GiveUp
    size = len(base.items)
    if value < size:
        del base.items[value:]
    elif value > size:
        machine.make(ITEM_UNITS * (value - size))
        base.items.extend([UNDEFINED] * (value - size))
        base.holey = True


def _own(machine: Machine, base: Obj, name: str) -> JS:
    """A built-in property of an object that its kind gives it."""
    if isinstance(base, Func):
        return _of_function(machine, base, name)
    if isinstance(base, Octets):
        if name in {"length", "byteLength"}:
            return len(base.data)
        index = index_of(name)
        if index is not None:
            return base.data[index] if index < len(base.data) else UNDEFINED
    elif isinstance(base, Pattern):
        if name in _OF_PATTERNS:
            return _OF_PATTERNS[name](base)
    elif isinstance(base, Failure):
        if name == "name":
            return base.kind
        if name in {"message", "stack"}:
            return UNKNOWN
        if name == "constructor":
            return builtin(machine, base.kind)
    elif isinstance(base, Prototype):
        return _inherited(machine, base.kind, name)
    elif isinstance(base, TheGlobal):
        return builtin(machine, name)
    return _inherited(machine, kind_of(base), name)


def _of_function(machine: Machine, base: Func, name: str) -> JS:
    if isinstance(base, Native):
        found = STATICS.get(base.name, {}).get(name)
        if callable(found):
            return native(machine, base.name, name, found)
        if found is not None:
            return found
        if name == "prototype" and base.name in METHODS:
            return prototype(machine, base.name)
        if name == "name":
            return base.name
    elif name == "prototype":
        made = Obj()
        made.props["constructor"] = base
        base.props["prototype"] = made
        return made
    if name in {"name", "length", "caller", "arguments"}:
        return UNKNOWN
    return _inherited(machine, "Function", name)


def _inherited(machine: Machine, kind: str, name: str) -> JS:
    run = METHODS[kind].get(name)
    if run is not None:
        return native(machine, kind, name, run)
    if name == "constructor":
        return builtin(machine, kind)
    run = METHODS["Object"].get(name)
    if run is not None:
        return native(machine, "Object", name, run)
    if name == "length" and kind in {"Number", "Boolean", "Object", "RegExp"}:
        return UNDEFINED
    return UNKNOWN if name in _STANDARD else UNDEFINED


_OF_PATTERNS: dict[str, Callable[[Pattern], JS]] = {
    "source": lambda base: base.source,
    "flags": lambda base: base.flags,
    "lastIndex": lambda base: base.last,
    "global": lambda base: "g" in base.flags,
    "ignoreCase": lambda base: "i" in base.flags,
    "multiline": lambda base: "m" in base.flags,
    "sticky": lambda base: "y" in base.flags,
}
