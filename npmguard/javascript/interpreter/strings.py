"""The built-in methods of strings."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable

from npmguard.javascript.interpreter import coerce
from npmguard.javascript.interpreter.coerce import SPACES, integer, number, tidy
from npmguard.javascript.interpreter.machine import ITEM_UNITS, OBJECT_UNITS, Machine
from npmguard.javascript.interpreter.model import JS, Arr, Func, GiveUp, Pattern
from npmguard.javascript.interpreter.patterns import Match, find
from npmguard.javascript.interpreter.properties import METHODS, STATICS
from npmguard.javascript.values import NULL, UNDEFINED, as_text, as_units, code_point

MAX_MATCHES = 100_000


def text_of(machine: Machine, this: JS) -> str:
    """The string that a method is called on."""
    return this if isinstance(this, str) else coerce.text(machine, this)


def array_of(machine: Machine, items: list[JS]) -> Arr:
    """A new array."""
    machine.make(OBJECT_UNITS + ITEM_UNITS * len(items))
    return Arr(items)


def _argument(given: list[JS], position: int) -> JS:
    return given[position] if len(given) > position else UNDEFINED


def _char_code_at(machine: Machine, this: JS, given: list[JS]) -> JS:
    text = this if isinstance(this, str) else text_of(machine, this)
    index = given[0] if given else 0
    if type(index) is not int:
        index = integer(machine, index)
    return ord(text[int(index)]) if 0 <= index < len(text) else math.nan


def _char_at(machine: Machine, this: JS, given: list[JS]) -> JS:
    text = text_of(machine, this)
    index = integer(machine, given[0]) if given else 0
    return text[int(index)] if 0 <= index < len(text) else ""


def _at(machine: Machine, this: JS, given: list[JS]) -> JS:
    text = text_of(machine, this)
    index = integer(machine, _argument(given, 0))
    index += len(text) if index < 0 else 0
    return text[int(index)] if 0 <= index < len(text) else UNDEFINED


def _code_point_at(machine: Machine, this: JS, given: list[JS]) -> JS:
    text = text_of(machine, this)
    index = integer(machine, _argument(given, 0))
    if not 0 <= index < len(text):
        return UNDEFINED
    first = ord(text[int(index)])
    if 0xD800 <= first < 0xDC00 and index + 1 < len(text):
        second = ord(text[int(index) + 1])
        if 0xDC00 <= second < 0xE000:
            return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
    return first


def _bounds(machine: Machine, given: list[JS], size: int) -> tuple[int, int]:
    """The two ends that ``slice`` takes, counted from the end where negative."""
    ends = []
    for position, default in ((0, 0), (1, size)):
        value = _argument(given, position)
        end = default if value is UNDEFINED else integer(machine, value)
        ends.append(int(max(size + end, 0) if end < 0 else min(end, size)))
    return ends[0], ends[1]


def _slice(machine: Machine, this: JS, given: list[JS]) -> JS:
    text = text_of(machine, this)
    start, end = _bounds(machine, given, len(text))
    machine.make(max(end - start, 0))
    return text[start:end]


def _substring(machine: Machine, this: JS, given: list[JS]) -> JS:
    text = text_of(machine, this)
    first = integer(machine, _argument(given, 0))
    second = _argument(given, 1)
    last = len(text) if second is UNDEFINED else integer(machine, second)
    start, end = sorted(int(min(max(each, 0), len(text))) for each in (first, last))
    machine.make(end - start)
    return text[start:end]


def _substr(machine: Machine, this: JS, given: list[JS]) -> JS:
    text = text_of(machine, this)
    first = integer(machine, _argument(given, 0))
    start = int(max(len(text) + first, 0) if first < 0 else min(first, len(text)))
    second = _argument(given, 1)
    length = len(text) if second is UNDEFINED else integer(machine, second)
    end = int(min(start + max(length, 0), len(text)))
    machine.make(end - start)
    return text[start:end]


def _index_of(machine: Machine, this: JS, given: list[JS]) -> JS:
    text, sought = text_of(machine, this), coerce.text(machine, _argument(given, 0))
    start = int(min(max(integer(machine, _argument(given, 1)), 0), len(text)))
    machine.spend(len(text) >> 6)
    return text.find(sought, start)


def _last_index_of(machine: Machine, this: JS, given: list[JS]) -> JS:
    text, sought = text_of(machine, this), coerce.text(machine, _argument(given, 0))
    if len(given) > 1:
        raise GiveUp
    machine.spend(len(text) >> 6)
    return text.rfind(sought)


def _includes(machine: Machine, this: JS, given: list[JS]) -> JS:
    if isinstance(_argument(given, 0), Pattern):
        raise GiveUp
    return _index_of(machine, this, given) != -1


def _starts_with(machine: Machine, this: JS, given: list[JS]) -> JS:
    text, sought = text_of(machine, this), coerce.text(machine, _argument(given, 0))
    return text.startswith(sought, int(min(max(integer(machine, _argument(given, 1)), 0), len(text))))


def _ends_with(machine: Machine, this: JS, given: list[JS]) -> JS:
    if len(given) > 1:
        raise GiveUp
    return text_of(machine, this).endswith(coerce.text(machine, _argument(given, 0)))


def _split(machine: Machine, this: JS, given: list[JS]) -> JS:
    text, separator = text_of(machine, this), _argument(given, 0)
    if len(given) > 1 and given[1] is not UNDEFINED:
        raise GiveUp
    machine.make(len(text))
    if separator is UNDEFINED:
        return array_of(machine, [text])
    if isinstance(separator, Pattern):
        return array_of(machine, _split_by(machine, text, separator))
    sought = coerce.text(machine, separator)
    if not sought:
        machine.make(ITEM_UNITS * len(text))
        return Arr(list(text))
    machine.make(ITEM_UNITS * text.count(sought))
    return array_of(machine, list(text.split(sought)))


def _split_by(machine: Machine, text: str, pattern: Pattern) -> list[JS]:
    if pattern.source in {"", "(?:)"}:
        machine.make(ITEM_UNITS * len(text))
        return list(text)
    parts: list[JS] = []
    begin = at = 0
    if not text:
        return [] if find(machine, pattern, text, 0) else [""]
    while at < len(text):
        match = find(machine, pattern, text, at)
        start, end = (len(text), 0) if match is None else match.span()
        if match is None or start >= len(text):
            break
        if end == begin:
            at = start + 1
            continue
        parts.append(text[begin:start])
        parts.extend(UNDEFINED if group is None else group for group in match.groups())
        begin = at = end
    parts.append(text[begin:])
    return parts


def _replace(machine: Machine, this: JS, given: list[JS], *, every: bool = False) -> JS:
    text, sought = text_of(machine, this), _argument(given, 0)
    new = _argument(given, 1)
    if not isinstance(new, Func):
        new = coerce.text(machine, new)
    pieces: list[str] = []
    end = 0
    if isinstance(sought, Pattern):
        for match in matches(machine, sought, text, every="g" in sought.flags):
            start, stop = match.span()
            pieces += (text[end:start], _replacement(machine, new, text, (start, stop), match.groups()))
            end = stop
    else:
        plain = coerce.text(machine, sought)
        start = text.find(plain)
        while start >= 0:
            stop = start + len(plain)
            pieces += (text[end:start], _replacement(machine, new, text, (start, stop), ()))
            end = stop
            if not every or len(pieces) > MAX_MATCHES:
                break
            machine.spend(4)
            start = text.find(plain, stop if plain else stop + 1)
            if start > len(text) or (not plain and stop + 1 > len(text)):
                break
    pieces.append(text[end:])
    machine.text(sum(map(len, pieces)))
    return "".join(pieces)


def _replace_all(machine: Machine, this: JS, given: list[JS]) -> JS:
    return _replace(machine, this, given, every=True)


def matches(machine: Machine, pattern: Pattern, text: str, *, every: bool) -> list[Match]:
    """The matches of a pattern: all of them, or the first one only."""
    found: list[Match] = []
    at = 0
    while at <= len(text):
        match = find(machine, pattern, text, at)
        if match is None:
            break
        found.append(match)
        if not every:
            break
        if len(found) > MAX_MATCHES:
            raise GiveUp
        start, end = match.span()
        at = end + 1 if end == start else end
    pattern.last = 0 if every else pattern.last
    return found


def _replacement(
    machine: Machine, new: JS, text: str, span: tuple[int, int], groups: tuple[str | None, ...]
) -> str:
    start, end = span
    if isinstance(new, Func):
        given: list[JS] = [text[start:end], *(UNDEFINED if group is None else group for group in groups)]
        return coerce.text(machine, new.call(UNDEFINED, [*given, start, text]))
    assert isinstance(new, str)
    if "$" not in new:
        return new
    out: list[str] = []
    position = 0
    while position < len(new):
        sign = new.find("$", position)
        if sign < 0:
            break
        out.append(new[position:sign])
        following = new[sign + 1 : sign + 2]
        position = sign + 2
        if following == "$":
            out.append("$")
        elif following == "&":
            out.append(text[start:end])
        elif following == "`":
            out.append(text[:start])
        elif following == "'":
            out.append(text[end:])
        elif following in set("0123456789") - {""}:
            digits = new[sign + 1 : sign + 3]
            if not (len(digits) == 2 and digits.isdigit() and 0 < int(digits) <= len(groups)):
                digits = following
            if 0 < int(digits) <= len(groups):
                out.append(groups[int(digits) - 1] or "")
                position = sign + 1 + len(digits)
            else:
                out.append("$" + following)
        elif following == "<":
            raise GiveUp
        else:
            out.append("$")
            position = sign + 1
    out.append(new[position:])
    machine.text(sum(map(len, out)))
    return "".join(out)


def _match(machine: Machine, this: JS, given: list[JS]) -> JS:
    text, pattern = text_of(machine, this), _argument(given, 0)
    if isinstance(pattern, str):
        pattern = Pattern(pattern, "")
    if not isinstance(pattern, Pattern):
        raise GiveUp
    found = matches(machine, pattern, text, every="g" in pattern.flags)
    if not found:
        return NULL
    if "g" in pattern.flags:
        return array_of(machine, [text[slice(*match.span())] for match in found])
    return match_array(machine, found[0], text)


def match_array(machine: Machine, match: Match, text: str) -> Arr:
    """What ``exec`` returns."""
    start, end = match.span()
    groups = [UNDEFINED if group is None else group for group in match.groups()]
    found = array_of(machine, [text[start:end], *groups])
    found.props["index"] = start
    found.props["input"] = text
    return found


def _search(machine: Machine, this: JS, given: list[JS]) -> JS:
    text, pattern = text_of(machine, this), _argument(given, 0)
    if not isinstance(pattern, Pattern):
        pattern = Pattern(coerce.text(machine, pattern), "")
    match = find(machine, pattern, text, 0)
    return -1 if match is None else match.span()[0]


def _concat(machine: Machine, this: JS, given: list[JS]) -> JS:
    parts = [text_of(machine, this), *(coerce.text(machine, each) for each in given)]
    machine.text(sum(map(len, parts)))
    return "".join(parts)


def _repeat(machine: Machine, this: JS, given: list[JS]) -> JS:
    text, times = text_of(machine, this), integer(machine, _argument(given, 0))
    if not 0 <= times < 2**32:
        raise GiveUp
    machine.text(len(text) * int(times))
    return text * int(times)


def _pad(machine: Machine, this: JS, given: list[JS], *, start: bool) -> JS:
    text, size = text_of(machine, this), integer(machine, _argument(given, 0))
    filler = coerce.text(machine, given[1]) if len(given) > 1 and given[1] is not UNDEFINED else " "
    if size <= len(text) or not filler:
        return text
    if size > machine.size:
        raise GiveUp
    machine.text(int(size))
    missing = int(size) - len(text)
    padding = (filler * (missing // len(filler) + 1))[:missing]
    return padding + text if start else text + padding


def _pad_start(machine: Machine, this: JS, given: list[JS]) -> JS:
    return _pad(machine, this, given, start=True)


def _pad_end(machine: Machine, this: JS, given: list[JS]) -> JS:
    return _pad(machine, this, given, start=False)


def _trimmed(cut: Callable[[str], str]) -> Callable[[Machine, JS, list[JS]], JS]:
    def run(machine: Machine, this: JS, _given: list[JS]) -> JS:
        text = text_of(machine, this)
        machine.make(len(text))
        return cut(text)

    return run


def _upper(text: str) -> str:
    return as_units(as_text(text).upper())


def _lower(text: str) -> str:
    if "\u03a3" in text or "\u0130" in text:
        raise GiveUp  # what they become depends on what is around them
    return as_units(as_text(text).lower())


def _normalize(machine: Machine, this: JS, given: list[JS]) -> JS:
    text = text_of(machine, this)
    machine.text(4 * len(text))
    form = coerce.text(machine, given[0]) if given else "NFC"
    if form not in {"NFC", "NFD", "NFKC", "NFKD"}:
        raise GiveUp
    return as_units(unicodedata.normalize(form, as_text(text)))  # type: ignore[arg-type]  # one of the four


def _value_of(machine: Machine, this: JS, _given: list[JS]) -> JS:
    return text_of(machine, this)


def _italics(machine: Machine, this: JS, _given: list[JS]) -> JS:
    return _concat(machine, "<i>", [text_of(machine, this), "</i>"])


def _fontcolor(machine: Machine, this: JS, given: list[JS]) -> JS:
    color = coerce.text(machine, _argument(given, 0)).replace('"', "&quot;")
    return _concat(machine, '<font color="', [color, '">', text_of(machine, this), "</font>"])


def _big(machine: Machine, this: JS, _given: list[JS]) -> JS:
    return _concat(machine, "<big>", [text_of(machine, this), "</big>"])


def _link(machine: Machine, this: JS, given: list[JS]) -> JS:
    target = coerce.text(machine, _argument(given, 0)).replace('"', "&quot;")
    return _concat(machine, '<a href="', [target, '">', text_of(machine, this), "</a>"])


METHODS["String"].update(
    {
        "charCodeAt": _char_code_at,
        "charAt": _char_at,
        "at": _at,
        "codePointAt": _code_point_at,
        "slice": _slice,
        "substring": _substring,
        "substr": _substr,
        "indexOf": _index_of,
        "lastIndexOf": _last_index_of,
        "includes": _includes,
        "startsWith": _starts_with,
        "endsWith": _ends_with,
        "split": _split,
        "replace": _replace,
        "replaceAll": _replace_all,
        "match": _match,
        "search": _search,
        "concat": _concat,
        "repeat": _repeat,
        "padStart": _pad_start,
        "padEnd": _pad_end,
        "trim": _trimmed(lambda text: text.strip(SPACES)),
        "trimStart": _trimmed(lambda text: text.lstrip(SPACES)),
        "trimLeft": _trimmed(lambda text: text.lstrip(SPACES)),
        "trimEnd": _trimmed(lambda text: text.rstrip(SPACES)),
        "trimRight": _trimmed(lambda text: text.rstrip(SPACES)),
        "toUpperCase": _trimmed(_upper),
        "toLocaleUpperCase": _trimmed(_upper),
        "toLowerCase": _trimmed(_lower),
        "toLocaleLowerCase": _trimmed(_lower),
        "normalize": _normalize,
        "toString": _value_of,
        "valueOf": _value_of,
        "italics": _italics,
        "fontcolor": _fontcolor,
        "big": _big,
        "link": _link,
    }
)


def _from_char_code(machine: Machine, _this: JS, given: list[JS]) -> JS:
    if len(given) == 1 and type(given[0]) is int:
        machine.units -= 1
        return chr(given[0] & 0xFFFF)
    machine.make(len(given))
    return "".join([chr(coerce.int32(machine, each) & 0xFFFF) for each in given])


def _from_code_point(machine: Machine, _this: JS, given: list[JS]) -> JS:
    machine.make(len(given))
    parts = []
    for each in given:
        code = number(machine, each)
        if tidy(code) != code or not isinstance(tidy(code), int) or not 0 <= code < 0x110000:
            raise GiveUp
        parts.append(code_point(int(code)))
    return "".join(parts)


def _raw(machine: Machine, _this: JS, given: list[JS]) -> JS:
    del machine, given
    raise GiveUp


STATICS["String"] = {"fromCharCode": _from_char_code, "fromCodePoint": _from_code_point, "raw": _raw}
