"""The built-in methods of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cmp_to_key

from npmguard.javascript.interpreter import coerce
from npmguard.javascript.interpreter.coerce import integer, number, same, truth
from npmguard.javascript.interpreter.machine import ITEM_UNITS, Machine
from npmguard.javascript.interpreter.model import (
    JS,
    Arr,
    Failure,
    Func,
    GiveUp,
    Obj,
    Octets,
    Thrown,
)
from npmguard.javascript.interpreter.properties import MAX_INDEX, METHODS, STATICS, get
from npmguard.javascript.interpreter.strings import array_of
from npmguard.javascript.values import NULL, UNDEFINED

CALL = 12  # fuel of calling back, beside that of the function


def items_of(machine: Machine, value: JS) -> list[JS]:
    """The items of something that can be spread or iterated over."""
    if isinstance(value, Arr):
        return value.items
    if isinstance(value, str):
        return characters(value)
    if isinstance(value, Octets):
        machine.make(ITEM_UNITS * len(value.data))
        return list(value.data)
    if value is UNDEFINED or value is NULL or isinstance(value, (bool, int, float)):
        raise Thrown(Failure("TypeError"))
    raise GiveUp


def characters(text: str) -> list[JS]:
    """The characters of a string, surrogate pairs together."""
    if text.isascii():
        return list(text)
    found: list[JS] = []
    position = 0
    while position < len(text):
        size = (
            2
            if "\ud800" <= text[position] <= "\udbff"
            and "\udc00" <= text[position + 1 : position + 2] <= "\udfff"
            else 1
        )
        found.append(text[position : position + size])
        position += size
    return found


def listed(machine: Machine, value: JS) -> list[JS]:
    """The items of something like an array, as ``apply`` takes them."""
    if isinstance(value, (Arr, Octets)):
        return items_of(machine, value)
    if value is UNDEFINED or value is NULL:
        return []
    if isinstance(value, str):
        return list(value)
    if isinstance(value, Obj):
        size = get(machine, value, "length")
        if type(size) is int and 0 <= size <= MAX_INDEX:
            machine.make(ITEM_UNITS * size)
            return [get(machine, value, str(index)) for index in range(size)]
    raise GiveUp


def _this(this: JS) -> Arr:
    if not isinstance(this, Arr):
        raise GiveUp
    return this


def _full(this: JS) -> list[JS]:
    """The items of an array without holes, which most methods skip."""
    if isinstance(this, str):
        return list(this)
    if not isinstance(this, Arr) or this.holey:
        raise GiveUp
    return this.items


def _function(given: list[JS]) -> Func:
    if not given or not isinstance(given[0], Func):
        raise GiveUp
    return given[0]


def _each(machine: Machine, this: JS, given: list[JS]) -> Iterator[tuple[int, JS, JS]]:
    """Index, item and what the function says of it, while the array has items."""
    call, bound = _function(given).call, given[1] if len(given) > 1 else UNDEFINED
    items = _full(this)
    for index in range(len(items)):
        if index >= len(items):
            raise GiveUp
        machine.spend(CALL)
        item = items[index]
        yield index, item, call(bound, [item, index, this])


def _push(machine: Machine, this: JS, given: list[JS]) -> JS:
    items = _this(this).items
    machine.make(ITEM_UNITS * len(given))
    items.extend(given)
    return len(items)


def _pop(_machine: Machine, this: JS, _given: list[JS]) -> JS:
    items = _this(this).items
    return items.pop() if items else UNDEFINED


def _shift(machine: Machine, this: JS, _given: list[JS]) -> JS:
    items = _this(this).items
    machine.spend(1 + (len(items) >> 9))
    return items.pop(0) if items else UNDEFINED


def _unshift(machine: Machine, this: JS, given: list[JS]) -> JS:
    items = _this(this).items
    machine.make(ITEM_UNITS * len(given) + (len(items) >> 5))
    items[:0] = given
    return len(items)


def _slice(machine: Machine, this: JS, given: list[JS]) -> JS:
    items = _full(this) if isinstance(this, Arr) else listed(machine, this)
    start, end = _ends(machine, given, len(items))
    return array_of(machine, items[start:end])


def _ends(machine: Machine, given: list[JS], size: int) -> tuple[int, int]:
    ends = []
    for position, default in ((0, 0), (1, size)):
        value = given[position] if len(given) > position else UNDEFINED
        end = default if value is UNDEFINED else integer(machine, value)
        ends.append(int(max(size + end, 0) if end < 0 else min(end, size)))
    return ends[0], ends[1]


def _splice(machine: Machine, this: JS, given: list[JS]) -> JS:
    items = _full(_this(this))
    if not given:
        return array_of(machine, [])
    start, _ = _ends(machine, given[:1], len(items))
    count = (
        len(items) - start
        if len(given) < 2
        else int(min(max(integer(machine, given[1]), 0), len(items) - start))
    )
    machine.make(ITEM_UNITS * len(given) + (len(items) >> 5))
    removed = items[start : start + count]
    items[start : start + count] = given[2:]
    return array_of(machine, removed)


def _reverse(machine: Machine, this: JS, _given: list[JS]) -> JS:
    items = _full(_this(this))
    machine.spend(len(items) >> 4)
    items.reverse()
    return this


def _to_reversed(machine: Machine, this: JS, _given: list[JS]) -> JS:
    return array_of(machine, _full(this)[::-1])


def _join(machine: Machine, this: JS, given: list[JS]) -> JS:
    separator = "," if not given or given[0] is UNDEFINED else coerce.text(machine, given[0])
    return coerce.join(machine, this.items if isinstance(this, Arr) else listed(machine, this), separator)


def _concat(machine: Machine, this: JS, given: list[JS]) -> JS:
    joined = list(_full(_this(this)))
    for each in given:
        if isinstance(each, Arr):
            joined.extend(_full(each))
        else:
            joined.append(each)
        machine.spend(len(joined) >> 6)
    return array_of(machine, joined)


def _index_of(machine: Machine, this: JS, given: list[JS]) -> JS:
    items = _full(this)
    sought = given[0] if given else UNDEFINED
    start, _ = _ends(machine, given[1:2], len(items))
    machine.spend(len(items) >> 1)
    return next((index for index in range(start, len(items)) if same(items[index], sought)), -1)


def _last_index_of(machine: Machine, this: JS, given: list[JS]) -> JS:
    items = _full(this)
    if len(given) != 1:
        raise GiveUp
    machine.spend(len(items) >> 1)
    return next((index for index in range(len(items) - 1, -1, -1) if same(items[index], given[0])), -1)


def _includes(machine: Machine, this: JS, given: list[JS]) -> JS:
    sought = given[0] if given else UNDEFINED
    if sought != sought:  # noqa: PLR0124 - NaN, which is found here and not by indexOf
        raise GiveUp
    return _index_of(machine, this, given) != -1


def _map(machine: Machine, this: JS, given: list[JS]) -> JS:
    return array_of(machine, [found for _, _, found in _each(machine, this, given)])


def _filter(machine: Machine, this: JS, given: list[JS]) -> JS:
    return array_of(machine, [item for _, item, found in _each(machine, this, given) if truth(found)])


def _for_each(machine: Machine, this: JS, given: list[JS]) -> JS:
    for _ in _each(machine, this, given):
        pass
    return UNDEFINED


def _some(machine: Machine, this: JS, given: list[JS]) -> JS:
    return any(truth(found) for _, _, found in _each(machine, this, given))


def _every(machine: Machine, this: JS, given: list[JS]) -> JS:
    return all(truth(found) for _, _, found in _each(machine, this, given))


def _find(machine: Machine, this: JS, given: list[JS]) -> JS:
    return next((item for _, item, found in _each(machine, this, given) if truth(found)), UNDEFINED)


def _find_index(machine: Machine, this: JS, given: list[JS]) -> JS:
    return next((index for index, _, found in _each(machine, this, given) if truth(found)), -1)


def _reduce(machine: Machine, this: JS, given: list[JS], *, backwards: bool = False) -> JS:
    call, items = _function(given).call, _full(this)
    order = range(len(items) - 1, -1, -1) if backwards else range(len(items))
    if len(given) > 1:
        so_far = given[1]
    elif items:
        so_far, order = items[order[0]], order[1:]
    else:
        raise Thrown(Failure("TypeError"))
    for index in order:
        if index >= len(items):
            raise GiveUp
        machine.spend(CALL)
        so_far = call(UNDEFINED, [so_far, items[index], index, this])
    return so_far


def _reduce_right(machine: Machine, this: JS, given: list[JS]) -> JS:
    return _reduce(machine, this, given, backwards=True)


def _sort(machine: Machine, this: JS, given: list[JS]) -> JS:
    items = _full(_this(this))
    machine.spend(16 * len(items))
    if any(item is UNDEFINED for item in items):
        raise GiveUp
    if not given or given[0] is UNDEFINED:
        texts = {id(item): coerce.text(machine, item).encode("utf-16-be", "surrogatepass") for item in items}
        items.sort(key=lambda item: texts[id(item)])
        return this
    call = _function(given).call
    working = list(items)

    def compare(left: JS, right: JS) -> int:
        machine.spend(CALL)
        order = number(machine, call(UNDEFINED, [left, right]))
        return (order > 0) - (order < 0)

    working.sort(key=cmp_to_key(compare))
    items[:] = working
    return this


def _fill(machine: Machine, this: JS, given: list[JS]) -> JS:
    array = _this(this)
    if len(given) != 1:
        raise GiveUp
    machine.spend(len(array.items) >> 3)
    array.items[:] = given * len(array.items)
    array.holey = False
    return array


def _flat(machine: Machine, this: JS, given: list[JS]) -> JS:
    depth = integer(machine, given[0]) if given else 1
    if depth > 20:
        raise GiveUp
    items = list(_full(this))
    for _ in range(int(max(depth, 0))):
        flatter: list[JS] = []
        for item in items:
            if isinstance(item, Arr):
                flatter.extend(_full(item))
            else:
                flatter.append(item)
        machine.make(ITEM_UNITS * len(flatter))
        items = flatter
    return array_of(machine, items)


def _flat_map(machine: Machine, this: JS, given: list[JS]) -> JS:
    return _flat(machine, _map(machine, this, given), [])


def _at(machine: Machine, this: JS, given: list[JS]) -> JS:
    items = _this(this).items
    index = integer(machine, given[0] if given else UNDEFINED)
    index += len(items) if index < 0 else 0
    return items[int(index)] if 0 <= index < len(items) else UNDEFINED


def _to_string(machine: Machine, this: JS, _given: list[JS]) -> JS:
    return coerce.join(machine, _this(this).items, ",")


METHODS["Array"].update(
    {
        "push": _push,
        "pop": _pop,
        "shift": _shift,
        "unshift": _unshift,
        "slice": _slice,
        "splice": _splice,
        "reverse": _reverse,
        "toReversed": _to_reversed,
        "join": _join,
        "concat": _concat,
        "indexOf": _index_of,
        "lastIndexOf": _last_index_of,
        "includes": _includes,
        "map": _map,
        "filter": _filter,
        "forEach": _for_each,
        "some": _some,
        "every": _every,
        "find": _find,
        "findIndex": _find_index,
        "reduce": _reduce,
        "reduceRight": _reduce_right,
        "sort": _sort,
        "fill": _fill,
        "flat": _flat,
        "flatMap": _flat_map,
        "at": _at,
        "toString": _to_string,
    }
)


def _array(machine: Machine, _this: JS, given: list[JS]) -> JS:
    if len(given) == 1 and isinstance(given[0], (int, float)) and not isinstance(given[0], bool):
        size = given[0]
        if type(size) is not int or not 0 <= size <= MAX_INDEX:
            raise GiveUp
        made = array_of(machine, [UNDEFINED] * size)
        made.holey = size > 0
        return made
    return array_of(machine, list(given))


def _is_array(_machine: Machine, _this: JS, given: list[JS]) -> JS:
    coerce.type_of(given[0] if given else UNDEFINED)
    return bool(given) and isinstance(given[0], Arr)


def _of(machine: Machine, _this: JS, given: list[JS]) -> JS:
    return array_of(machine, list(given))


def _from(machine: Machine, _this: JS, given: list[JS]) -> JS:
    source = given[0] if given else UNDEFINED
    iterable = isinstance(source, (Arr, str, Octets))
    items = list(items_of(machine, source) if iterable else listed(machine, source))
    if len(given) > 1 and given[1] is not UNDEFINED:
        function = _function(given[1:])
        mapped: list[JS] = []
        for index, item in enumerate(items):
            machine.spend(CALL)
            mapped.append(function.call(UNDEFINED, [item, index]))
        items = mapped
    return array_of(machine, items)


STATICS["Array"] = {"isArray": _is_array, "of": _of, "from": _from}
ARRAY = _array
