"""Deterministic mutations: havoc on bytes, and changes that know JSON, code and tar headers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random

from tests.tarballs import BLOCK, base_256, checked, entry, long_name, pax

LARGEST = 64 * 1024
USUAL = 16 * 1024  # most mutants are cut to this: short ones are quicker, and easier to understand
_WINDOW = 1024
_LONG = 0.02
_TOKEN = re.compile(rb"[A-Za-z_$][\w$]*|[0-9.]+|[ \t]+|\r?\n|[^\w\s]", re.DOTALL)
_PIECES = re.compile(rb"(?<=[;{}()\[\],\n])")
_BORDER = re.compile(rb"[;{}()\[\],\n=]")
_AROUND = (b"%b", b"(%b)", b"(()=>{%b})()", b"f(%b)", b"`${%b}`", b"[%b]", b"{%b}", b"eval(%b)")
_DEPTHS = (3, 40, 900, 3000)

HOSTILE_BYTES = (
    *(
        b"\0",
        b"\n",
        b"\r\n",
        b"\r",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
        b"\xc2\x85",
    ),
    *(
        b"\xe2\x80\xa8",
        b"\x1b[2J",
        b"\xe2\x80\xae",
        b"../",
        b"__proto__",
        b"constructor",
        b"-1",
        b"1e999",
        b"NaN",
    ),
    *(b"9007199254740993", b"99999999999999999999999", b"\\u0000", b"\\ud800", b"%00", b"${A}", b"{{", b"\\"),
)
HOSTILE_VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, 2**53 + 1, -(2**63), 2**64, 10**40, "", " ", "\0", "\n", "..", "/"),
    *(
        "../../x",
        "__proto__",
        "constructor",
        "\ud800",
        "\u202e",
        "é",
        "\U0001f600",
        "1.0.0",
        "*",
        "^1",
        "v1.0.0-",
    ),
    *(
        "https://h.invalid/a/-/a-1.0.0.tgz",
        "https://h.invalid",
        "git+ssh://h.invalid/x.git",
        "file:../x",
        "npm:b@1",
        "sha512-AAAA",
    ),
    *("https://[::1", "http://h.invalid:99999/", "x" * 5000, [], {}, [[]], {"": ""}, [None], {"a": None}),
    *(
        "2025-09-08T13:16:00Z",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:60+25:00",
        "workspace:*",
        "patch:a@1#x",
    ),
)

_ODD_NAMES = (
    *(b"package/package.json", b"PACKAGE/x.js", b"package/./a.js", b"package//a.js"),
    *(b"../a.js", b"/a.js", b"a", b"package/a/"),
)

Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]


def mutate(data: bytes, random: Random, grammar: str, words: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """One mutant of *data*; *others* are inputs to take pieces from."""
    limit = LARGEST if random.random() < _LONG else USUAL
    shaped = _SHAPED.get(grammar)
    if shaped is not None and random.random() < 0.7:
        data = shaped(data, random, others)
        if random.random() < 0.7:
            return data[:limit]
    for _ in range(1 << random.randrange(4)):
        data = random.choice(_HAVOC)(data, random, words or HOSTILE_BYTES)
    if random.random() < 0.05:
        data = _splice(data, random, others)
    return data[:limit]


def _flip(data: bytes, random: Random, _words: Sequence[bytes]) -> bytes:
    if not data:
        return b"\0"
    changed = bytearray(data)
    changed[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _overwrite(data: bytes, random: Random, _words: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.randbytes(random.randint(1, 4)) + data[at + random.randint(0, 4) :]


def _cut(data: bytes, random: Random, _words: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + data[at + random.randint(1, 1 + len(data) // random.choice((2, 8, 64))) :]


def _repeat(data: bytes, random: Random, _words: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(data))
    piece = data[at : at + random.randint(1, 32)]
    return data[:at] + piece * random.choice((1, 2, 3, 100)) + data[at:]


def _insert(data: bytes, random: Random, words: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice(random.choice((words, HOSTILE_BYTES))) + data[at:]


def _nest(data: bytes, random: Random, words: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(data))
    word = random.choice((b"[", b"{", b"(", b'{"a":', b"a.", b"!", b"`${", b"- ", b"<b>", random.choice(words)))
    return data[:at] + word * random.choice(_DEPTHS) + data[at:]


def _tokens(data: bytes, random: Random, words: Sequence[bytes]) -> bytes:
    """Drop, double, swap or replace words, signs and blanks."""
    at = random.randint(0, max(0, len(data) - _WINDOW))
    found = [match.span() for match in _TOKEN.finditer(data, at, at + _WINDOW)]
    if len(found) < 2:
        return _insert(data, random, words)
    (start, end), (other_start, other_end) = random.choice(found), random.choice(found)
    match random.randrange(4):
        case 0:
            return data[:start] + data[end:]
        case 1:
            return data[:end] + data[start:end] + data[end:]
        case 2:
            return data[:start] + random.choice(words) + data[end:]
        case _:
            return data[:start] + data[other_start:other_end] + data[end:]


def _lines(data: bytes, random: Random, _words: Sequence[bytes]) -> bytes:
    """Drop, double or move a line."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    line = lines.pop(random.randrange(len(lines)))
    for _ in range(random.randrange(3)):
        lines.insert(random.randint(0, len(lines)), line)
    return b"".join(lines)


_HAVOC: tuple[Mutation, ...] = (
    *(_flip, _overwrite, _cut, _repeat, _insert, _insert),
    *(_nest, _tokens, _tokens, _tokens, _tokens, _lines),
)


def _splice(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    other = random.choice(others) if others else b""
    return data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]


def _json(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """The same document with a few values of it changed for hostile ones, or for each other."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return _splice(data, random, others)
    for _ in range(random.randint(1, 3)):
        document = _changed(document, random)
    text = json.dumps(document, ensure_ascii=random.random() < 0.5, indent=random.choice((None, None, 2)))
    return text.encode("utf-8", "surrogatepass")


def _changed(document: object, random: Random) -> object:
    places: list[tuple[dict[str, object] | list[object], str | int]] = []
    waiting = [document]
    while waiting and len(places) < 3000:
        holder = waiting.pop()
        keys: list[str | int] = []
        if isinstance(holder, dict):
            keys = list(holder)
        elif isinstance(holder, list):
            keys = list(range(len(holder)))
        else:
            continue
        places += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys]  # type: ignore[index]  # keys are of the holder's kind
    if not places:
        return deepcopy(random.choice(HOSTILE_VALUES))
    holder, key = random.choice(places)
    value: object = deepcopy(random.choice(HOSTILE_VALUES))  # it may be changed in its new place
    match random.randrange(6):
        case 0:
            del holder[key]  # type: ignore[arg-type]
        case 1 if isinstance(holder, dict):
            name = value if isinstance(value, str) else str(random.choice(places)[1])
            holder[name] = holder.pop(str(key))
        case 2:
            other, at = random.choice(places)
            taken = other[at] if not isinstance(other, list) or int(at) < len(other) else None  # type: ignore[index]
            holder[key] = json.loads(json.dumps(taken))  # type: ignore[index]
        case 3:
            holder[key] = [holder[key]] * random.choice((1, 2, 30))  # type: ignore[index]
        case _:
            holder[key] = value  # type: ignore[index]
    return document


def _code(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """The same words with pieces between brackets or line ends taken from other code."""
    other = random.choice(others) if others else data
    at = random.randint(0, max(0, len(other) - _WINDOW))
    piece = random.choice(_PIECES.split(other[at : at + _WINDOW]))
    at = random.randint(0, max(0, len(data) - _WINDOW))
    own = [match.end() for match in _BORDER.finditer(data, at, at + _WINDOW)] or [0]
    start = random.choice(own)
    end = random.choice([place for place in own if place >= start][:4])
    return data[:start] + random.choice(_AROUND).replace(b"%b", piece) + data[end:]


def _tar(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """The same archive with header fields changed under a right checksum, or entries put in."""
    if data[:2] == b"\x1f\x8b":
        return _splice(data, random, others)
    block = BLOCK * random.randint(0, max(0, len(data) // BLOCK - 1))
    if random.random() < 0.4:
        return data[:block] + _odd_entry(random) + data[block:]
    header = bytearray(data[block : block + BLOCK].ljust(BLOCK, b"\0"))
    start, end = random.choice(
        ((0, 100), (100, 108), (124, 136), (148, 156), (156, 157), (157, 257), (257, 265), (345, 500))
    )
    field = {
        124: (
            b"00000000000\0",
            b"77777777777\0",
            b"-0000000001\0",
            base_256(2**40),
            b"\xff" * 12,
            b"1 \0 2",
            b"00000000777\0",
        ),
        156: (
            b"0",
            b"1",
            b"2",
            b"3",
            b"5",
            b"6",
            b"7",
            b"L",
            b"K",
            b"x",
            b"g",
            b"S",
            b"D",
            b"N",
            b"\0",
            b"V",
            b"\xff",
        ),
    }.get(start, (*HOSTILE_BYTES, b"package/package.json", b"a/b/", b"a" * 100))
    header[start:end] = random.choice(field)[: end - start].ljust(end - start, b"\0")
    changed = bytes(header) if start == 148 else checked(header)
    return data[:block] + changed + data[block + BLOCK :]


def _odd_entry(random: Random) -> bytes:
    name = random.choice((*_ODD_NAMES, *HOSTILE_BYTES))
    content = random.choice((b"", b"{}", b"x" * 513, random.randbytes(20)))
    kind = bytes([random.choice(b"0012345667SDNMV")])
    match random.randrange(5):
        case 0:
            key = random.choice(
                (b"path", b"size", b"linkpath", b"GNU.sparse.name", b"GNU.sparse.realsize", b"mtime", b"type")
            )
            return pax(
                {key: random.choice((name, b"0", b"600", b"-5", b"1e3", b"99999999999999"))},
                random.choice((b"x", b"g")),
            )
        case 1:
            return long_name(name * random.choice((1, 1, 50)), random.choice((b"L", b"K")))
        case 2:
            return bytes(BLOCK * random.randint(1, 3))
        case _:
            return entry(name, content, kind=kind, link=name)


_SHAPED: dict[str, Mutation] = {"json": _json, "code": _code, "tar": _tar}
