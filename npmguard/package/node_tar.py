r"""A tar reader that sees exactly the entries that npm's own reader (node-tar 7) sees.

Two readers of one archive can disagree: node-tar skips a block whose checksum is wrong and goes on behind it,
goes on behind a single zero block, reads a file's bytes as headers when its header carries a link name, cuts a
PAX value at a line break, and lets a PAX size stand over the header's. Python's tarfile does none of that. A
package made for the gap would show one content to the scanner and another to the machine that installs it, so
this module follows node-tar's ``parse.js``, ``header.js``, ``pax.js`` and ``read-entry.js`` rule by rule, the
odd ones above all. It reads forward only, in memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from zlib import adler32

from npmguard.errors import LimitExceeded, TarballError

if TYPE_CHECKING:
    from hashlib import _Hash

BLOCK: Final = 512
FILE_TYPES: Final = frozenset("07")  # regular and contiguous
LINK_TYPES: Final = frozenset("12")  # hard and symbolic
DIRECTORY_TYPES: Final = frozenset("5D")

_FILE_SYSTEM_FLAGS = frozenset(["", *"01234567D"])  # what a PAX header may speak of
_META_TYPES = frozenset("xXgLNK")
_KNOWN_TYPES = frozenset("01234567gxADIKLMNSVX")
_MAY_NAME_A_LINK = frozenset("12xg")
_MAX_META = 1024 * 1024  # node-tar ignores an extension header over this
_MAX_SAFE_INTEGER = 2**53 - 1
_ENDLESS = 2**62  # stands for JavaScript's Infinity: more than any archive holds
_USTAR = b"ustar\x0000"
_ZEROS = bytes(BLOCK)
_EMPTY_SUM = 8 * 0x20  # a block of zeros, its checksum field read as spaces

_PLAIN_OCTAL = re.compile(rb"([0-7]+)[ \0]*")
_OCTAL = re.compile(r"[+-]?[0-7]+")
_AFTER_NUL = re.compile("\0[^\n\r\u2028\u2029]*")  # JavaScript's /\0.*/
_AFTER_NUL_TO_END = re.compile("\0[^\n\r\u2028\u2029]*\\Z")  # and its /\0.*$/
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_JS_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
# a line that begins with a number, as parseInt reads one
_RECORD = re.compile(rf"(?:\A|\n)([{_JS_SPACE.replace(chr(10), '')}]*\+?0*([0-9]{{1,8}})(?![0-9])[^\n]*)")


@dataclass(slots=True)
class Entry:
    """One entry that is not an extension header: ``type`` is its type flag, ``""`` where node-tar knows none.

    ``path`` and ``link`` are as node-tar hands them on, before anything is stripped; ``size`` is in bytes.
    """

    path: str
    type: str
    size: int
    mode: int
    link: str


class NodeTar:
    """The entries of the tar in *chunks*, one by one; :meth:`body` reads the current one's bytes.

    ``skipped_blocks`` counts the blocks that node-tar warns of and skips, ``resumed`` the times that it went
    on behind a lone zero block, and ``trailing`` says whether bytes other than zeros follow the end of the
    archive; all three are final when iteration has ended.

    Raises:
        TarballError: while iterating or reading, when node-tar would refuse the archive: no valid entry at
            all, or one that is cut short.
        LimitExceeded: while iterating, over *max_headers* headers, or *max_meta* bytes of extension headers.
    """

    def __init__(self, chunks: Iterator[bytes], max_headers: int, max_meta: int) -> None:
        self.skipped_blocks = 0
        self.resumed = 0
        self.trailing = False
        self._chunks = chunks
        self._max_headers = max_headers
        self._meta_left = max_meta
        self._buffer = b""
        self._position = 0
        self._body = 0  # bytes of the current entry not yet read
        self._padding = 0  # bytes behind them up to the next block

    def __iter__(self) -> Iterator[Entry]:
        local = shared = _NO_FIELDS
        zero_block = any_valid = owed = False
        headers = 0
        while True:
            if self._body or self._padding:
                self._skip()
            block = self._block()
            if block is None:
                break
            headers += 1
            if headers > self._max_headers:
                raise LimitExceeded(
                    "the tarball has more entries than the cap limits.file-count allows;"
                    " raise it in npmguard.toml to have this package read"
                )
            header = _Header(block, local, shared)
            if header.null:
                if zero_block:
                    self._drain()
                    break
                zero_block = True
                continue
            if header.undecodable:
                self.skipped_blocks += 1
                continue
            self.resumed += zero_block
            zero_block = False
            if not header.valid:
                self.skipped_blocks += 1
                continue
            any_valid, owed = True, False
            if header.type in _META_TYPES:
                # the fields pending for the next file stand over the size that node-tar sees here, but not
                # over the one that it reads
                size = _first(shared.size, local.size, header.size)
                if size == 0:
                    owed = header.size > 0
                    continue
                self._open(header.size)
                if size <= _MAX_META:
                    self._meta_left -= self._body
                    if self._meta_left < 0:
                        raise LimitExceeded(
                            "the tarball's extension headers have more bytes together than the cap"
                            " limits.path-bytes; raise it in npmguard.toml to have this package read"
                        )
                    local, shared = _extended(header.type, self.body(), local, shared)
                continue
            self._open(header.size)
            path = header.path if local.path is None else local.path
            link = header.link if local.link is None else local.link
            yield Entry(
                path, header.type, self._body, header.mode, link if shared.link is None else shared.link
            )
            local = _NO_FIELDS
        if owed:
            raise TarballError("the tarball is cut short: its last extension header is not whole")
        if not any_valid:
            raise TarballError("the tarball holds no tar archive that npm could read")

    def body(self) -> bytes:
        """The bytes of the current entry, which can be read once; what is not read is skipped."""
        size, self._body = self._body, 0
        end = self._position + size
        if end <= len(self._buffer):
            content = self._buffer[self._position : end]
            self._position = end
            return content
        parts = [self._buffer[self._position :]]
        missing = size - len(parts[0])
        while missing:
            self._refill()
            part = self._buffer[:missing]
            self._position = len(part)
            missing -= len(part)
            parts.append(part)
        return b"".join(parts)

    def hash_body(self, hasher: _Hash) -> None:
        """Feed the bytes of the current entry to *hasher* without keeping them."""
        while self._body:
            if self._position == len(self._buffer):
                self._refill()
            end = min(len(self._buffer), self._position + self._body)
            hasher.update(memoryview(self._buffer)[self._position : end])
            self._body -= end - self._position
            self._position = end

    def _open(self, size: float) -> None:
        """Make the next *size* bytes the current body; a PAX size may be a fraction."""
        self._body = int(size)
        self._padding = int(-(-size // BLOCK)) * BLOCK - self._body

    def _skip(self) -> None:
        left = self._body + self._padding
        self._body = self._padding = 0
        while left > len(self._buffer) - self._position:
            left -= len(self._buffer) - self._position
            self._refill()
        self._position += left

    def _refill(self) -> None:
        """Replace the used-up buffer with the next chunk, inside an entry: there has to be one."""
        chunk = next(self._chunks, None)
        if chunk is None:
            raise TarballError("the tarball is cut short: its last entry is not whole")
        self._buffer = chunk
        self._position = 0

    def _block(self) -> bytes | None:
        """The next 512 bytes; None where there are fewer left, which node-tar takes for the end."""
        end = self._position + BLOCK
        while end > len(self._buffer):
            chunk = next(self._chunks, None)
            if chunk is None:
                return None
            self._buffer = self._buffer[self._position :] + chunk
            self._position = 0
            end = BLOCK
        block = self._buffer[self._position : end]
        self._position = end
        return block

    def _drain(self) -> None:
        """Read to the end behind two zero blocks: node-tar looks at nothing there, yet all has to unzip."""
        rest = self._buffer[self._position :]
        self._buffer, self._position = b"", 0
        self.trailing = rest.count(0) != len(rest)
        for chunk in self._chunks:
            self.trailing = self.trailing or chunk.count(0) != len(chunk)


@dataclass(frozen=True, slots=True)
class _Fields:
    """What extension headers say of the entries behind them; None where they are silent.

    ``overridden`` holds the numeric fields of a header that they stand over, whatever their value.
    """

    path: str | None = None
    link: str | None = None
    size: float | None = None
    overridden: frozenset[str] = frozenset()


_NO_FIELDS = _Fields()


class _Header:
    """One header block as node-tar's Header decodes it under the pending fields."""

    __slots__ = ("link", "mode", "null", "path", "size", "type", "undecodable", "valid")

    def __init__(self, block: bytes, local: _Fields, shared: _Fields) -> None:
        self.null = block == _ZEROS
        self.undecodable = self.valid = False
        if self.null:
            return
        flag = _string(block[156:157])
        dates = local.overridden | shared.overridden
        if flag not in _FILE_SYSTEM_FLAGS:
            local = shared = _NO_FIELDS
        if not block.isascii() and _has_bad_number(block, local.overridden | shared.overridden, dates):
            self.undecodable = True
            return
        checksum = _decode_number(block[148:156])
        total = _sum(block)
        if checksum is None and total == _EMPTY_SUM:
            self.null = True
            return
        path = _string(block[:100]) if local.path is None else local.path
        self.type = flag if flag in _KNOWN_TYPES else "" if flag else "0"
        if self.type == "0" and path.endswith("/"):
            self.type = "5"  # as archivers of old wrote a folder
        size = _first(local.size, shared.size, _decode_number(block[124:136]), 0)
        self.size = 0 if size < 0 or self.type == "5" else size
        self.mode = (_decode_number(block[100:108]) or 0) & 0o7777
        self.link = _string(block[157:257])
        if block[257:265] == _USTAR:
            long = block[475] != 0
            prefix = _string(block[345:500] if long else block[345:475])
            if long or prefix:
                path = f"{prefix}/{path}"
        self.path = path
        link_fits = self.type in _MAY_NAME_A_LINK if self.link else self.type not in LINK_TYPES
        self.valid = checksum == total and path != "" and link_fits


def _sum(block: bytes) -> int:
    """The sum of a block's bytes, its checksum field read as spaces.

    The low half of adler32 is one more than the sum modulo 65521. 256 bytes cannot reach that modulus, so
    this is the exact sum, at the speed of C.
    """
    total = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2
    return total - (adler32(block[148:156]) & 0xFFFF) + 1 + _EMPTY_SUM


def _has_bad_number(block: bytes, overridden: frozenset[str], dates: frozenset[str]) -> bool:
    """Whether a field makes node-tar's number decoder throw: base 256 of an unknown mark, or over 2**53."""
    fields = [(100, 8, ""), (108, 8, "uid"), (116, 8, "gid"), (124, 12, "size"), (136, 12, "mtime")]
    fields.append((148, 8, ""))
    if block[257:265] == _USTAR:
        fields += [(329, 8, ""), (337, 8, "")]
    bad = any(name not in overridden and _is_bad_number(block[at : at + size]) for at, size, name in fields)
    if not bad and block[257:265] == _USTAR and block[475] == 0:
        fields = [(476, 12, "atime"), (488, 12, "ctime")]
        bad = any(name not in dates and _is_bad_number(block[at : at + size]) for at, size, name in fields)
    return bad


def _is_bad_number(field: bytes) -> bool:
    if not field[0] & 0x80:
        return False
    return field[0] not in {0x80, 0xFF} or abs(_base_256(field)) > _MAX_SAFE_INTEGER


def _decode_number(field: bytes) -> int | None:
    """A numeric field: octal as JavaScript's parseInt reads it, or base 256; None for what is no number."""
    plain = _PLAIN_OCTAL.fullmatch(field)
    if plain:
        return int(plain[1], 8)
    if field[0] & 0x80:
        return _base_256(field)
    text = _AFTER_NUL_TO_END.sub("", field.decode("utf-8", "replace"), count=1)
    octal = _OCTAL.match(text.strip(_JS_SPACE))
    return int(octal[0], 8) if octal else None


def _base_256(field: bytes) -> int:
    """A number in base 256: mark 0x80 and its magnitude, or mark 0xff and two's complement."""
    if field[0] == 0xFF:
        return int.from_bytes(field, "big", signed=True)
    return int.from_bytes(field[1:], "big")


def _string(field: bytes) -> str:
    """A text field up to its NUL, with node-tar's slip: what follows a line break behind the NUL is kept."""
    text, nul, rest = field.partition(b"\0")
    if nul and (b"\n" in rest or b"\r" in rest or b"\xe2\x80" in rest):
        return _AFTER_NUL.sub("", field.decode("utf-8", "replace"), count=1)
    return text.decode("utf-8", "replace")


def _extended(kind: str, body: bytes, local: _Fields, shared: _Fields) -> tuple[_Fields, _Fields]:
    """The pending fields, local and global, after an extension header of that type."""
    text = body.decode("utf-8", "replace")
    if kind == "g":
        return local, _pax(text, shared)
    if kind in {"x", "X"}:
        return _pax(text, local), shared
    name = _AFTER_NUL.sub("", text, count=1)
    return (replace(local, link=name) if kind == "K" else replace(local, path=name)), shared


def _pax(text: str, earlier: _Fields) -> _Fields:
    """The records of a PAX header over those of an *earlier* one, parted line by line as node-tar does it."""
    path, link, size = earlier.path, earlier.link, earlier.size
    overridden = set(earlier.overridden)
    for line, digits in _RECORD.findall(text):
        length = int(digits)
        if length != len(line.encode()) + 1:
            continue
        key, _, value = line[len(str(length)) + 1 :].partition("=")
        value = _AFTER_NUL.sub("", value, count=1)
        if key == "path":
            path = value
        elif key == "linkpath":
            link = value
        elif key == "size":
            stated = _js_number(value)
            if stated >= 0:
                size = stated
                overridden.add("size")
        elif key in {"uid", "gid", "mtime", "atime", "ctime"}:
            overridden.add(key)
    return _Fields(path, link, size, frozenset(overridden))


def _js_number(text: str) -> float:
    """JavaScript's Number(text); NaN for what is no number, a number beyond all archives for Infinity."""
    text = text.strip(_JS_SPACE)
    if not text:
        return 0
    if _RADIX.fullmatch(text):
        return min(int(text, 0), _ENDLESS)
    if text in {"Infinity", "+Infinity"}:
        return _ENDLESS
    if not _DECIMAL.fullmatch(text):
        return math.nan
    number = float(max(min(float(text), _ENDLESS), -1))
    return int(number) if number.is_integer() else number


def _first(*values: float | None) -> float:
    """The first that is not None; the last one never is."""
    return next(value for value in values if value is not None)
