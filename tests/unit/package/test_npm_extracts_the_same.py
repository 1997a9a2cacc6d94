"""What npm itself extracts is what is judged: both readers over the same odd tarballs."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from npmguard.config import Limits
from npmguard.errors import PackageError
from npmguard.model import PackageArchive, PackageFile
from npmguard.package.tarball import read_archive
from tests.hell_tarballs import SHAPES
from tests.tarballs import (
    BLOCK,
    END,
    MANIFEST,
    OddArchives,
    base_256,
    compress,
    entry,
    long_name,
    pax,
    standard_tar,
    tarball,
)

TOOL = Path(__file__).parents[2] / "tools" / "extract.cjs"
LIMITS = Limits()

_FIRST = entry("package/package.json", MANIFEST)
_LATE = entry("package/late.js", b"late")

#: Each would be read otherwise by some reader of tarballs: Python's tarfile, GNU tar, or npm of other days.
NAMED = {
    "plain": tarball({"package.json": MANIFEST, "index.js": b"1"}),
    "other-top-folder": tarball({"package.json": MANIFEST, "index.js": b"1"}, top="types-of-it"),
    "uncompressed": _FIRST + END,
    "two-members": compress(_FIRST) + compress(_LATE + END),
    "zeros-behind": compress(_FIRST + END) + bytes(100),
    "gzip-in-gzip": compress(compress(_FIRST + END)),
    "garbage-in-gzip": compress(b"no archive at all" * 99),
    "empty-archive": compress(END),
    "cut-gzip": compress(_FIRST + END)[:-9],
    "wrong-crc": compress(_FIRST + END)[:-8] + bytes(8),
    "cut-tar": compress(_FIRST + entry("package/a.js", b"a" * 900)[:-600]),
    "no-end": compress(_FIRST + _LATE),
    "behind-the-end": compress(_FIRST + END + _LATE),
    "behind-one-zero-block": compress(_FIRST + bytes(BLOCK) + _LATE + END),
    "behind-garbage": compress(_FIRST + b"g" * BLOCK + _LATE + END),
    "twice": compress(_FIRST + entry("package/a.js", b"one") + entry("package/a.js", b"two") + END),
    "twice-spelled": compress(_FIRST + entry("package/a.js", b"one") + entry("x/./a.js", b"two") + END),
    "body-read-as-headers": compress(_FIRST + entry("package/a.txt", _LATE, link=b"x") + END),
    "hard-link-with-body": compress(_FIRST + entry("package/l", _LATE, kind=b"1", link=b"package.json") + END),
    "pax-path": compress(_FIRST + pax({b"path": b"package/real.js"}) + entry("package/shown.js", b"1") + END),
    "pax-path-with-break": compress(
        _FIRST + pax({b"path": b"package/a.js\n14 path=p/b.js"}) + entry("package/shown.js", b"1") + END
    ),
    "pax-size": compress(_FIRST + pax({b"size": b"512"}) + entry("package/a.js", b"x" * 1024) + _LATE + END),
    "pax-size-of-a-longer-name": compress(
        _FIRST + pax({b"size": b"2048"}) + long_name(b"package/n.js\0") + entry("package/a", b"y" * 2048) + END
    ),
    "pax-link-out": compress(
        _FIRST + pax({b"linkpath": b"../../x"}) + entry("package/a.js", b"dropped") + _LATE + END
    ),
    "global-pax-size": compress(
        _FIRST + pax({b"size": b"4"}, b"g") + _LATE + entry("package/b.js", b"four") + END
    ),
    "gnu-long-name": compress(_FIRST + long_name(b"package/" + b"n" * 200) + entry("package/n", b"1") + END),
    "ustar-prefix": compress(_FIRST + entry("a.js", b"1", prefix=b"package/deep") + END),
    "base-256-size": compress(_FIRST + entry("package/a.js", b"abc", size=base_256(3)) + END),
    "git-ignore": compress(_FIRST + entry("package/.gitignore", b"x") + END),
    "both-ignores": compress(
        _FIRST + entry("package/.npmignore", b"n") + entry("package/.gitignore", b"g") + END
    ),
    "file-above-file": compress(_FIRST + entry("package/a", b"1") + entry("package/a/b.js", b"2") + END),
    "file-over-folder": compress(_FIRST + entry("package/a/b.js", b"2") + entry("package/a", b"1") + END),
    "executable": compress(_FIRST + entry("package/run", b"#!", mode=0o755) + END),
    "of-tarfile": gzip.compress(standard_tar({"package/package.json": MANIFEST, f"package/{'é' * 70}": b"1"})),
    "nothing": b"",
    "two-bytes": b"ab",
}

#: What npm extracts a part of and npmguard does not: over a cap, so that nothing is said of the package.
REFUSED = {
    "name-of-64-kilobytes": "over limits.path-length; npm drops the entry that no file system holds",
    "path-of-64-kilobytes": "over limits.path-length; npm drops the entry that is nested too deeply",
}


def test_npm_and_npmguard_see_the_same_files(tmp_path: Path) -> None:
    odd = OddArchives(seed=20)
    tarballs = {**NAMED, **SHAPES, **{f"odd-{number:03}": odd.next() for number in range(200)}}
    for name, data in tarballs.items():
        (tmp_path / f"{name}.tgz").write_bytes(data)
    told = extract_with_npm(tmp_path)
    assert told.keys() == tarballs.keys()
    different = {
        name: f"npm: {told[name]}, npmguard: {seen}"
        for name, data in tarballs.items()
        if (seen := seen_by_npmguard(data)) != told[name] and name not in REFUSED
    }
    assert different == {}
    assert {name for name in tarballs if name in REFUSED and seen_by_npmguard(tarballs[name]) is None} == set(
        REFUSED
    )


def extract_with_npm(folder: Path) -> dict[str, object]:
    """Path -> size, SHA-256, executable; None where npm refuses the tarball."""
    npm = shutil.which("npm")
    assert npm is not None, "this test compares with npm, which has to be installed"
    root = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=True).stdout.strip()
    answer = subprocess.run(
        ["node", str(TOOL), f"{root}/npm", str(folder)], capture_output=True, text=True, check=True, timeout=120
    )
    results = [json.loads(line) for line in answer.stdout.splitlines()]
    return {result["name"].removesuffix(".tgz"): result.get("files") for result in results}


def seen_by_npmguard(data: bytes) -> object:
    try:
        archive = read_archive(data, LIMITS, lambda _path, _size: True)
    except PackageError:
        return None
    return {path: [file.size, file.sha256, file.executable] for path, file in extracted(archive).items()}


def extracted(archive: PackageArchive) -> dict[str, PackageFile]:
    """The files whose names a file system of this machine can hold; npmguard judges the others too."""
    return {
        path: file
        for path, file in archive.files.items()
        if all(len(part.encode()) <= 255 for part in path.split("/"))
    }


@pytest.mark.parametrize("name", sorted({**NAMED, **SHAPES}))
def test_hashing_and_keeping_change_nothing_else(name: str) -> None:
    data = {**NAMED, **SHAPES}[name]
    views = {view(data, keep=keep, hashes=hashes) for keep in (True, False) for hashes in (True, False)}
    assert len(views) == 1


def view(data: bytes, *, keep: bool, hashes: bool) -> str:
    try:
        archive = read_archive(data, LIMITS, lambda _path, _size: keep, hashes=hashes)
    except PackageError:
        return "refused"
    sizes = [(path, file.size, file.executable) for path, file in archive.files.items()]
    return repr((sizes, archive.notes, archive.entry_count, archive.unpacked_size, archive.manifest))
