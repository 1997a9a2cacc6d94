"""Tarballs made in memory, honest ones and odd ones; nothing in them does anything."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Mapping

BLOCK = 512
END = bytes(2 * BLOCK)
MANIFEST = b'{"name":"sample","version":"1.0.0"}'


def tarball(files: Mapping[str, bytes], *, top: str = "package", level: int = 1) -> bytes:
    """A .tgz of *files* below one folder, as npm packs it."""
    return gzip.compress(
        b"".join(entry(f"{top}/{path}", content) for path, content in files.items()) + END, level, mtime=0
    )


def package(**files: bytes) -> bytes:
    """A .tgz with a package.json; keywords are file names with ``__`` for the dot."""
    return tarball({"package.json": MANIFEST, **{name.replace("__", "."): it for name, it in files.items()}})


def compress(archive: bytes) -> bytes:
    """*archive* as one gzip member without a time in it."""
    return gzip.compress(archive, 1, mtime=0)


def standard_tar(files: Mapping[str, bytes], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar as Python's tarfile writes it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tar_format) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def entry(
    path: str | bytes,
    content: bytes = b"",
    *,
    kind: bytes = b"0",
    link: bytes = b"",
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
    mode: int = 0o644,
    size: bytes | None = None,
) -> bytes:
    """One entry: header, content, padding; *size* is the raw size field where it is not the content's."""
    path = path.encode() if isinstance(path, str) else path
    return header(
        path, len(content), kind=kind, link=link, prefix=prefix, magic=magic, mode=mode, size=size
    ) + (padded(content))


def header(
    path: bytes,
    length: int,
    *,
    kind: bytes = b"0",
    link: bytes = b"",
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
    mode: int = 0o644,
    size: bytes | None = None,
) -> bytes:
    """One header block with a right checksum."""
    block = bytearray(BLOCK)
    block[0:100] = path[:100].ljust(100, b"\0")
    block[100:108] = b"%07o\0" % mode
    block[108:116] = block[116:124] = b"0000000\0"
    block[124:136] = b"%011o\0" % length if size is None else size[:12].ljust(12, b"\0")
    block[136:148] = b"00000000000\0"
    block[156:157] = kind
    block[157:257] = link[:100].ljust(100, b"\0")
    block[257:265] = magic
    block[345:500] = prefix[:155].ljust(155, b"\0")
    return checked(block)


def checked(block: bytearray | bytes) -> bytes:
    """The block with its checksum made right."""
    block = bytearray(block)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


def pax(records: Mapping[bytes, bytes], kind: bytes = b"x") -> bytes:
    """A PAX extended header, ``kind`` g for a global one."""
    return entry("PaxHeader/x", b"".join(pax_record(key, value) for key, value in records.items()), kind=kind)


def pax_record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return b"%d" % length + body


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    """A GNU header with the next entry's long path (L) or long link target (K)."""
    return entry("././@LongLink", name, kind=kind)


def base_256(number: int) -> bytes:
    return b"\x80" + number.to_bytes(11, "big")


_PATHS = (
    *(
        "package/package.json",
        "package/index.js",
        "package/lib/a.js",
        "package/lib",
        "package//b.js",
        "/abs/x.js",
    ),
    *(
        "package/../up.js",
        "package/./d.js",
        "other/index.js",
        "package/.gitignore",
        "package/.npmignore",
        "plain",
    ),
    *("package/lib/.gitignore", "package/", "package/c:\\x", "package/c:/y", "package/\\z", "package/a\\..\\b"),
    *(
        "package/..",
        "package/lib/",
        "package/é.js",
        "package/e\u0301.js",
        "package/INDEX.js",
        "./package/rel.js",
    ),
    *(f"package/{'d/' * 60}x", f"package/{'d/' * 1024}x", f"package/{'n' * 120}/{'m' * 120}/f.js"),
    *("package/lib/a.js/below", "package/..x/y", "package/a..", "package/ sp /x.", "package//?/c:/t.js"),
    *("package///s.js", "package/x\ny", "package/#", "//srv/share/k.js", "package/__proto__/p.js"),
)
_KINDS = (b"\0", *(bytes([code]) for code in b"7123456DSVZAMIN\xff"))


class OddArchives:
    """Archives at the edges of the tar format, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def next(self) -> bytes:
        """One more; gzipped nine times of ten."""
        pick = self._random
        parts = [entry("package/package.json", b"{}")] if pick.random() < 0.8 else []
        parts += [self._entry() for _ in range(pick.randint(1, 7))]
        archive = b"".join(parts)
        ending = pick.random()
        if ending < 0.7:
            archive += END
        elif ending < 0.8:
            archive += bytes(BLOCK)
        elif ending < 0.85:
            archive = archive[: -pick.randint(1, 600)]
        if pick.random() < 0.2:
            archive += self._entry()
        return compress(archive) if pick.random() < 0.9 else archive

    def _entry(self) -> bytes:
        pick = self._random
        content, path = self._content(), pick.choice(_PATHS).encode()
        shape = pick.random()
        named = path if len(path) <= 100 else path[:100]
        long = long_name(path + b"\0") if len(path) > 100 else b""
        if shape < 0.45:
            return long + entry(named, content)
        if shape < 0.5:
            return long + entry(named, content, kind=pick.choice(_KINDS))
        if shape < 0.55:
            return long + entry(
                named, content, kind=pick.choice([b"0", b"1", b"2", b"5", b"7"]), link=b"target"
            )
        if shape < 0.75:
            return self._with_pax(named, content)
        if shape < 0.8:
            return self._meta() + entry(named, content)
        if shape < 0.84:
            return entry(named, content, size=pick.choice(self._sizes(len(content))))
        if shape < 0.88:
            return bytes(BLOCK)
        if shape < 0.91:
            return pick.choice([b"g" * BLOCK, bytes(148) + b"abc" + bytes(361), b"\x80" + bytes(511)])
        return self._damaged(named, content)

    def _content(self) -> bytes:
        length = self._random.choice([0, 1, 5, 511, 512, 513, 1024, 2000])
        return bytes(self._random.choice(b"abcdef\n") for _ in range(length))

    def _sizes(self, length: int) -> list[bytes]:
        octal = b"%o" % length
        return [
            *(base_256(length), base_256(2**60), b"\xff" * 12, b"\x81" + bytes(11), b"\x80" + bytes(11)),
            *(octal + b"     ", b"  " + octal + b" \0", b"+" + octal, b"", b"9" * 12),
        ]

    def _with_pax(self, path: bytes, content: bytes) -> bytes:
        pick = self._random
        records = b""
        for _ in range(pick.randint(1, 3)):
            key = pick.choice(
                [b"path", b"path", b"size", b"size", b"linkpath", b"uid", b"mtime", b"foo", b"atime"]
            )
            value = pick.choice([b"1", b"x", b"99999999999999999999"])
            if key == b"path":
                value = pick.choice(_PATHS).encode()
            elif key == b"size":
                sizes = [
                    b"0",
                    b"5",
                    b"512",
                    b"0x10",
                    b"1e2",
                    b" 7 ",
                    b"-3",
                    b"abc",
                    b"1.5",
                    b"",
                    b"Infinity",
                    b"600",
                ]
                value = pick.choice([*sizes, b"%d" % len(content)])
            elif key == b"linkpath":
                value = pick.choice([b"../x", b"../../x", b"a/b", b"", b"/../x", b"c:/../../.."])
            if pick.random() < 0.15:
                value += pick.choice([b"\n", b"\0z", b"\0z\nq", b"\xff"])
            record = pax_record(key, value)
            records += pick.choice([b"0", b"+", b" ", b"9"]) + record if pick.random() < 0.1 else record
        kind = pick.choice([b"x", b"x", b"x", b"g", b"X"])
        pax_header = entry("PaxHeader/x", records, kind=kind, link=b"l" if pick.random() < 0.05 else b"")
        if pick.random() < 0.2:
            return pax_header
        meta = self._meta() if pick.random() < 0.3 else b""
        return pax_header + meta + entry(path, content, prefix=pick.choice([b"", b"", b"pre"]))

    def _meta(self) -> bytes:
        pick = self._random
        name = pick.choice(_PATHS).encode() + pick.choice([b"\0", b"", b"\0junk", b"\0j\nk"])
        return long_name(name, pick.choice([b"L", b"K", b"N", b"L"]))

    def _damaged(self, path: bytes, content: bytes) -> bytes:
        pick = self._random
        prefix = pick.choice([b"pre/fix", b"p" * 140, b"", b"x" * 155])
        magic = pick.choice([b"ustar\x0000", b"ustar  \0", bytes(8)])
        block = bytearray(
            header(path, len(content), prefix=prefix, magic=magic, mode=pick.choice([0o755, 0o644, 0]))
        )
        if pick.random() < 0.5:
            block[pick.choice([100, 108, 116, 136, 329, 337, 476, 488])] = pick.choice([0x80, 0xFF, 0x81, 0xC0])
        else:
            block[pick.choice([0, 50, 99, 120, 130, 150, 156, 160, 260, 264, 300, 350, 475, 480])] = (
                pick.choice([0, 0x0A, 0x41, 0x80, 0xE9])
            )
        return (checked(block) if pick.random() < 0.85 else bytes(block)) + padded(content)
