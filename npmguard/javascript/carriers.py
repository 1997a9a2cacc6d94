"""Code that a file of another kind carries, found by trying how such files are known to carry it.

This is asked only of files that a program reads beside evaluating text that could not be worked out.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator
from functools import cache

from npmguard.javascript.invisible import readable_code
from npmguard.javascript.own_files import inflated

_MOST = 64  # pieces of one file that are looked at
_LARGEST = 4 * 1024**2  # bytes of one piece
_DEPTH = 3  # encodings in each other
_LEAST_TEXT = 40  # characters of a text in JSON that may be code
_ENCODED = re.compile(rb"[A-Za-z0-9+/_-]{64,}={0,2}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){16,}")
_FENCED = re.compile(rb"```[^\n]*\n(.*?)```|<!--(.*?)-->", re.DOTALL)
_ENDS = (  # of an image: where it starts, and what it ends with
    (b"\x89PNG", b"IEND\xaeB`\x82"),
    (b"\xff\xd8\xff", b"\xff\xd9"),
    (b"GIF8", b"\x00;"),
)
_WORDS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n(){};.,='\""
_SAMPLE = 512  # bytes of which a key is tried
_MOST_KEYS = 32


def carried_code(data: bytes, keys: Iterable[str] = ()) -> Iterator[str]:
    """The pieces of code that *data* may stand for, plain or encoded; *keys* are texts it may be XORed with."""
    secrets = [key.encode() for key in dict.fromkeys(keys) if key][:_MOST_KEYS]
    seen: set[bytes] = set()
    for count, piece in enumerate(_pieces(data)):
        if count >= _MOST:
            return
        for plain in _decodings(piece, secrets, _DEPTH):
            if plain not in seen:
                seen.add(plain)
                yield plain.decode("utf-8", "replace")


def _pieces(data: bytes) -> Iterator[bytes]:
    """The parts of a file that may carry something, itself first."""
    yield data
    for start, end in _ENDS:
        at = data.find(end) if data.startswith(start) else -1
        if at >= 0 and data[at + len(end) :].strip():
            yield data[at + len(end) :]
    if data[:1] in b"{[" and len(data) <= 2 * _LARGEST:
        try:
            yield from _texts(json.loads(data))
        except (ValueError, RecursionError):
            pass
        else:
            return
    for match in _FENCED.finditer(data):
        yield match[1] or match[2] or b""
    for match in _ENCODED.finditer(data):
        yield match.group()


def _texts(value: object) -> Iterator[bytes]:
    """The long texts in a JSON value."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            pending.extend(reversed(list(each.values())))
        elif isinstance(each, list) and len(each) >= _LEAST_TEXT and all(map(_is_byte, each)):
            yield bytes(each)
        elif isinstance(each, list):
            pending.extend(reversed(each))
        elif isinstance(each, str) and len(each) >= _LEAST_TEXT:
            yield each.encode("utf-8", "replace")


def _is_byte(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 256


def _decodings(piece: bytes, secrets: list[bytes], depth: int) -> Iterator[bytes]:
    """What a piece may stand for, if that is readable code."""
    whole, piece = piece[:_LARGEST], piece[:_LARGEST].strip()
    if readable_code(piece.decode("utf-8", "replace")):
        yield piece  # and yet it may be encoded: words of base64 look like names
    if depth <= 0 or not piece:
        return
    for plain in _decoded(piece):
        yield from _decodings(plain, secrets, depth - 1)
    for key in _keys_of(whole, secrets):
        yield _with_key(whole, key)


def _decoded(piece: bytes) -> Iterator[bytes]:
    if piece.startswith((b"\x1f\x8b", b"\x78")):
        plain = inflated(piece, 47, _LARGEST)
        if isinstance(plain, bytes):
            yield plain
    if not piece.isascii():
        return
    reverse = piece[::-1]
    if readable_code(reverse.decode()):
        yield reverse
    for digits in (piece, reverse):
        if _HEX.fullmatch(digits):
            yield bytes.fromhex(digits.decode())
        elif re.fullmatch(rb"[A-Za-z0-9+/_\s-]{24,}={0,2}", digits):
            body = re.sub(rb"\s", b"", digits).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
            try:
                yield b64decode(body + b"=" * (-len(body) % 4), validate=True)
            except Base64Error:
                continue


def _keys_of(piece: bytes, secrets: list[bytes]) -> Iterator[bytes]:
    """The key with which XOR makes the most readable code of a piece."""
    sample = piece[:_SAMPLE]
    tried = [(sample.translate(table), bytes([key])) for key, table in enumerate(_tables(), 1)]
    tried += [(_with_key(sample, key), key) for key in secrets]
    likely = [(len(plain.translate(None, _WORDS)), key) for plain, key in tried if _is_code(plain)]
    if likely:
        yield min(likely)[1]


def _with_key(data: bytes, key: bytes) -> bytes:
    stream = (key * (len(data) // len(key) + 1))[: len(data)]
    return (int.from_bytes(data) ^ int.from_bytes(stream)).to_bytes(len(data))


def _is_code(sample: bytes) -> bool:
    return sample.isascii() and readable_code(sample.decode())


@cache
def _tables() -> list[bytes]:
    return [bytes(byte ^ key for byte in range(256)) for key in range(1, 256)]
