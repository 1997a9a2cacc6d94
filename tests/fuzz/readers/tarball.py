"""Tarballs of packages."""

from __future__ import annotations

from pathlib import PurePosixPath

import msgspec

from npmguard.config import Limits
from npmguard.errors import PackageError
from npmguard.model import PackageArchive
from npmguard.package.gyp import gyp_commands, implicit_install_script
from npmguard.package.manifest import manifest_differences
from npmguard.package.script import script_risks
from npmguard.package.tarball import read_archive
from tests.fuzz.harness import Harness, hold, refused
from tests.tarballs import compress, entry

_LIMITS = msgspec.structs.replace(Limits(), unpacked_bytes=4 * 1024**2, kept_bytes=2 * 1024**2, file_count=500)
_GZIP = b"\x1f\x8b"
_MARK = "mark-of-fuzzing.js"
_CODE = b"module.exports = 'the code that has to be seen'"
_FIRST = entry(f"package/{_MARK}", _CODE)


def read(data: bytes) -> str:
    """A tar, or the gzip of one; what stands before all that is odd in it is seen, or the odd is told."""
    if data.startswith(_GZIP):
        archive = _read(data)
        return archive if isinstance(archive, str) else _outcome(archive)
    archive = _read(compress(_FIRST + data))
    if isinstance(archive, str):
        return archive
    seen = archive.files.get(_MARK)
    hold((seen is not None and seen.content == _CODE) or archive.notes, "a file got lost without a word")
    return _outcome(archive)


def _read(data: bytes) -> PackageArchive | str:
    found = [_once(data, hashes=hashes) for hashes in (True, False)]
    one, other = found
    hold(isinstance(one, str) == isinstance(other, str), "read in one way and refused in the other")
    if isinstance(one, str) or isinstance(other, str):
        return str(one)
    hold(one.notes == other.notes and one.files.keys() == other.files.keys(), "other files without hashes")
    _check(one)
    return one


def _once(data: bytes, *, hashes: bool) -> PackageArchive | str:
    try:
        return read_archive(data, _LIMITS, lambda path, _size: path.endswith(".js"), hashes=hashes)
    except PackageError as error:
        return refused(error)


def _check(archive: PackageArchive) -> None:
    hold((archive.manifest is None) != (archive.manifest_error is None), "a manifest and an error, or neither")
    for path, file in archive.files.items():
        parts = PurePosixPath(path).parts
        hold(path == file.path == "/".join(parts) and ".." not in parts, "a path that leads out")
        hold(not path.startswith("/"), "an absolute path")
        hold(file.content is None or len(file.content) == file.size, "content of another length")
    repr((implicit_install_script(archive), gyp_commands(archive), archive.notes)).encode()
    if archive.manifest is not None:
        hold(manifest_differences(archive.manifest, archive.manifest) == (), "a manifest differs from itself")
        for script in archive.manifest.scripts.values():
            script_risks(script)


def _outcome(archive: PackageArchive) -> str:
    problems = sorted({f"{note.problem}:{note.detail[:30]}" for note in archive.notes})
    return f"{problems} {archive.manifest_error is None} {min(len(archive.files), 4)}"


HARNESS = Harness(
    read,
    "tar",
    words=(b"ustar\x0000", b"ustar  \0", b"package/", b"\x1f\x8b\x08\0", bytes(512), b"30 path="),
    share=1200,
)
