"""Tarballs that attack their reader, each made when it is asked for; nothing in them does anything.

``SHAPES`` are small and odd, one a name. ``BOMBS`` are small on the wire and huge once read: each with the
words that the reader ends with.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable
from typing import Final

from tests.tarballs import (
    BLOCK,
    END,
    MANIFEST,
    base_256,
    checked,
    compress,
    entry,
    header,
    long_name,
    pax,
    pax_record,
)

FIRST: Final = entry("package/package.json", MANIFEST)
OTHER: Final = b'{"name":"other","version":"6.6.6"}'
LATE: Final = entry("package/late.js", b"late")
_GIGABYTE = 1024**3


def _archive(*entries: bytes) -> bytes:
    return compress(b"".join(entries) + END)


def _sparse(size: int) -> bytes:
    """GNU's old sparse format: one block of data, of a file that is said to have *size* bytes."""
    block = bytearray(header(b"package/sparse.js", BLOCK, kind=b"S", magic=b"ustar  \0"))
    block[386:410] = b"00000000000\0" + b"00000001000\0"  # the first segment: offset and length
    block[483:495] = base_256(size)
    return checked(block) + b"s" * BLOCK


def _sparse_in_pax(size: int) -> bytes:
    records = {
        b"GNU.sparse.major": b"1",
        b"GNU.sparse.minor": b"0",
        b"GNU.sparse.name": b"package/real.js",
        b"GNU.sparse.realsize": b"%d" % size,
    }
    return pax(records) + entry("package/GNUSparseFile.0/real.js", b"1\n0\n3\n".ljust(BLOCK, b"\0") + b"abc")


SHAPES: Final[dict[str, bytes]] = {
    "zero-length": b"",
    "gzip-of-nothing": compress(b""),
    "wrong-magic": b"PK\x03\x04" + bytes(600),
    "tar-in-gzip-twice": compress(_archive(FIRST)),
    "tar-in-gzip-thrice": compress(compress(_archive(FIRST))),
    "gzip-as-a-file": _archive(FIRST, entry("package/inner.tgz", _archive(LATE))),
    "members": compress(FIRST[:700]) + compress(FIRST[700:] + LATE) + compress(END),
    "empty-members": compress(FIRST) + compress(b"") * 50 + compress(LATE + END),
    "truncated-gzip": _archive(FIRST, LATE)[:-20],
    "truncated-header": compress(FIRST + LATE[:300]),
    "truncated-content": compress(FIRST + LATE[: BLOCK + 2]),
    "behind-the-gzip": _archive(FIRST) + b"\x1f\x8bjunk",
    "archive-behind-the-archive": _archive(FIRST) + bytes(30) + _archive(LATE),
    "sparse-of-ten-gigabytes": _archive(FIRST, _sparse(10 * _GIGABYTE), LATE),
    "pax-sparse-of-ten-gigabytes": _archive(FIRST, _sparse_in_pax(10 * _GIGABYTE), LATE),
    "said-to-have-ten-gigabytes": _archive(FIRST, entry("package/a.js", b"a", size=base_256(10 * _GIGABYTE))),
    "hard-link": _archive(FIRST, entry("package/l.js", kind=b"1", link=b"package/package.json"), LATE),
    "hard-link-over-the-manifest": _archive(
        FIRST, entry("package/package.json", kind=b"1", link=b"package/late.js"), LATE
    ),
    "symbolic-link": _archive(FIRST, entry("package/l", kind=b"2", link=b"/etc"), entry("package/l/p", b"1")),
    "link-out-by-a-long-name": _archive(FIRST, long_name(b"../" * 50 + b"x", b"K"), LATE),
    **{
        f"device-{kind.decode()}": _archive(FIRST, entry("package/d", kind=kind), LATE)
        for kind in (b"3", b"4", b"6")
    },
    "absolute": _archive(FIRST, entry("/package/a.js", b"1"), entry("//etc/passwd", b"2")),
    "drive": _archive(FIRST, entry("c:/package/a.js", b"1"), entry("package/c:\\..\\b.js", b"2")),
    "climbing": _archive(FIRST, entry("package/../../up.js", b"1"), entry("../package/b.js", b"2")),
    "climbing-onto-the-manifest": _archive(FIRST, entry("package/lib/../package.json", OTHER)),
    "manifest-by-a-dot": _archive(FIRST, entry("package/./package.json", OTHER)),
    "manifest-by-slashes": _archive(FIRST, entry("package//package.json", OTHER)),
    "manifest-of-another-folder": _archive(FIRST, entry("elsewhere/package.json", OTHER)),
    "manifest-twice": _archive(FIRST, entry("package/package.json", OTHER)),
    "manifest-below-itself": _archive(FIRST, entry("package/package.json/package.json", OTHER)),
    "manifest-as-a-folder": _archive(entry("package/package.json/", kind=b"5"), FIRST),
    "manifest-in-capitals": _archive(FIRST, entry("package/Package.json", OTHER)),
    "manifest-in-odd-letters": _archive(FIRST, entry("package/pac\u212aage.j\u017fon", OTHER)),
    "case": _archive(FIRST, entry("package/Lib/A.js", b"1"), entry("package/lib/a.js", b"2")),
    "normal-forms": _archive(FIRST, entry("package/\u00e9.js", b"1"), entry("package/e\u0301.js", b"2")),
    "twice": _archive(FIRST, entry("package/a.js", b"1"), entry("package/a.js", b"2")),
    "pax-path": _archive(FIRST, pax({b"path": b"package/real.js"}), entry("package/shown.js", b"1")),
    "pax-path-without-end": _archive(FIRST, pax({b"path": b"package/" + b"d/" * 900 + b"f"}), LATE),
    "pax-size-below": _archive(FIRST, pax({b"size": b"2"}), entry("package/a.js", b"abcdef"), LATE),
    "pax-size-above": _archive(FIRST, pax({b"size": b"1024"}), entry("package/a.js", b"abc"), LATE),
    "pax-size-negative": _archive(FIRST, pax({b"size": b"-512"}), entry("package/a.js", b"abc"), LATE),
    "pax-size-endless": _archive(FIRST, pax({b"size": b"9" * 40}), entry("package/a.js", b"abc"), LATE),
    "global-pax-path": _archive(FIRST, pax({b"path": b"package/one.js"}, b"g"), LATE, entry("package/b", b"2")),
    "pax-with-a-lying-length": _archive(
        FIRST, entry("PaxHeader/x", b"999 path=package/a.js\n20 path=package/b\n", kind=b"x"), LATE
    ),
    "long-name": _archive(FIRST, long_name(b"package/" + b"n" * 180 + b"\0"), entry("package/n", b"1")),
    "long-name-for-nobody": _archive(FIRST, long_name(b"package/ghost.js")),
    "long-name-of-a-long-name": _archive(FIRST, long_name(b"package/a"), long_name(b"package/b"), LATE),
    "size-negative": _archive(FIRST, entry("package/a.js", b"abc", size=b"\xff" * 12), LATE),
    "size-negative-octal": _archive(FIRST, entry("package/a.js", b"abc", size=b"-0000000001\0"), LATE),
    "size-base-256": _archive(FIRST, entry("package/a.js", b"abc", size=base_256(3)), LATE),
    "size-over-all-numbers": _archive(FIRST, entry("package/a.js", b"abc", size=base_256(2**80)), LATE),
    "size-with-blanks": _archive(FIRST, entry("package/a.js", b"abc", size=b"        3   "), LATE),
    "size-no-number": _archive(FIRST, entry("package/a.js", size=b"huge".ljust(12)), LATE),
    "name-with-nul": _archive(FIRST, long_name(b"package/a.js\0.txt"), entry("package/x", b"1")),
    "pax-name-with-nul": _archive(FIRST, pax({b"path": b"package/a.js\0.txt"}), entry("package/x", b"1")),
    "name-with-newline": _archive(FIRST, entry("package/a\n::error::b\r.js", b"1")),
    "name-with-escapes": _archive(FIRST, entry("package/\x1b[2J\x1b]8;;https://h.example\x07a.js", b"1")),
    "name-with-bidi": _archive(FIRST, entry("package/\u202egnp.js", b"1")),
    "name-without-utf-8": _archive(FIRST, entry(b"package/\xff\xfe.js", b"1")),
    "name-of-255": _archive(FIRST, long_name(b"package/" + b"n" * 255), entry("package/n", b"1")),
    "name-of-256": _archive(FIRST, long_name(b"package/" + b"n" * 256), entry("package/n", b"1")),
    "name-of-64-kilobytes": _archive(FIRST, long_name(b"package/" + b"n" * 65_536), entry("package/n", b"1")),
    "path-of-64-kilobytes": _archive(FIRST, pax({b"path": b"package/" + b"d/" * 32_768}), LATE),
}


def _packed(pieces: Iterable[bytes]) -> bytes:
    """One gzip member of *pieces*, never held together."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join([*map(packer.compress, pieces), packer.flush()])


def _zeros() -> bytes:
    head = header(b"package/zeros.bin", 0, size=base_256(3 * _GIGABYTE))
    return compress(FIRST + head) + gzip.compress(bytes(64 * 1024**2), 9, mtime=0) * 48


def _million_files() -> bytes:
    return _packed([FIRST, *map(_empty_file, range(210_000)), *[_empty_file(0) * 10_000] * 79, END])


def _empty_file(number: int) -> bytes:
    name = b"package/%07d" % number
    block = bytearray(_EMPTY)
    block[: len(name)] = name
    block[148:156] = b"%06o\0 " % (_EMPTY_SUM + sum(name[8:]))
    return bytes(block)


_EMPTY = header(b"package/", 0)
_EMPTY_SUM = sum(_EMPTY) - sum(_EMPTY[148:156]) + 8 * 0x20


def _nested_folders() -> bytes:
    return _packed(
        [
            FIRST,
            *(
                long_name(b"p/%d/" % number + b"d/" * 1000 + b"f") + entry("p/f", b"1")
                for number in range(20_000)
            ),
        ]
    )


def _long_names() -> bytes:
    tail = (b"/" + b"n" * 250) * 15
    return _packed(
        [FIRST, *(long_name(b"p/%d" % number + tail) + entry("p/n") for number in range(30_000)), END]
    )


def _links() -> bytes:
    link = long_name(b"package/" + b"l" * 4000) + entry("package/l", kind=b"2", link=b"x" * 90)
    return _packed([FIRST, *[link * 1000] * 100, END])


def _repeated() -> bytes:
    return _packed([FIRST, *[entry("package/a.js") * 10_000] * 50, END])


def _extension_headers() -> bytes:
    one = entry("PaxHeader/x", b"\n" * (1024**2 - 1), kind=b"x") + entry("package/a.js")
    return _packed([FIRST, *[one] * 100, END])


def _extension_records() -> bytes:
    records = b"".join(pax_record(b"path", b"package/%d" % number) for number in range(40_000))
    return _packed([FIRST, *[entry("PaxHeader/x", records[: 1024**2], kind=b"g") + entry("p/a.js")] * 100, END])


def _members() -> bytes:
    return compress(FIRST) + compress(b"") * 1_000_000


BOMBS: Final[dict[str, tuple[Callable[[], bytes], str]]] = {
    "zeros": (_zeros, "limits.unpacked-bytes"),
    "a-million-empty-files": (_million_files, "limits.file-count"),
    "nested-folders": (_nested_folders, "limits.path-bytes"),
    "long-names": (_long_names, "limits.path-bytes"),
    "links": (_links, "limits.path-bytes"),
    "one-file-over-and-over": (_repeated, "limits.path-bytes"),
    "extension-headers": (_extension_headers, "limits.path-bytes"),
    "extension-records": (_extension_records, "limits.path-bytes"),
    "a-million-members": (_members, "limits.file-count"),
}
