from __future__ import annotations

import gzip
from hashlib import sha256

import msgspec
import pytest

from npmguard.config import Limits
from npmguard.errors import LimitExceeded, PackageError, TarballError
from npmguard.model import ArchiveProblem, PackageArchive
from npmguard.package.tarball import read_archive
from tests.tarballs import BLOCK, END, MANIFEST, compress, entry, long_name, pax, tarball

LIMITS = Limits()
_FIRST = entry("package/package.json", MANIFEST)


def read(data: bytes, *, limits: Limits = LIMITS, hashes: bool = True) -> PackageArchive:
    return read_archive(data, limits, lambda path, _size: path.endswith(".js"), hashes=hashes)


def problems(archive: PackageArchive) -> list[tuple[ArchiveProblem, str]]:
    return [(note.problem, note.path) for note in archive.notes]


def capped(**caps: int) -> Limits:
    return msgspec.structs.replace(LIMITS, **caps)


def test_content_is_held_of_what_is_asked_for_and_size_and_hash_of_all() -> None:
    archive = read(tarball({"package.json": MANIFEST, "a.js": b"code", "logo.png": b"picture"}))
    assert archive.files["a.js"].content == b"code"
    assert archive.files["logo.png"].content is None
    assert archive.files["logo.png"].size == 7
    assert archive.files["logo.png"].sha256 == sha256(b"picture").hexdigest()
    assert archive.files["a.js"].sha256 == sha256(b"code").hexdigest()
    assert (archive.entry_count, archive.unpacked_size, archive.notes) == (3, len(MANIFEST) + 11, ())


def test_without_hashing_nothing_is_hashed() -> None:
    archive = read(tarball({"package.json": MANIFEST, "a.js": b"code"}), hashes=False)
    assert {file.sha256 for file in archive.files.values()} == {""}


def test_case_27_the_top_folder_may_have_any_name() -> None:
    archive = read(tarball({"package.json": MANIFEST, "a.js": b"1"}, top="ice-1.0.0"))
    assert sorted(archive.files) == ["a.js", "package.json"]
    assert archive.manifest is not None
    assert archive.manifest.name == "sample"


def test_the_manifest_is_read_wherever_it_stands_and_whatever_is_kept() -> None:
    archive = read(compress(entry("package/a.js", b"1") + _FIRST + END))
    assert archive.manifest is not None
    assert archive.manifest_error is None


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "no package.json"),
        (b"{", "not JSON"),
        (b"[]", "no object"),
        (b'{"a":' * 5000, "nested too deeply"),
    ],
)
def test_a_missing_or_broken_manifest_is_an_error_of_the_archive_not_of_reading(
    content: bytes | None, error: str
) -> None:
    files = {"a.js": b"1"} if content is None else {"a.js": b"1", "package.json": content}
    archive = read(tarball(files))
    assert archive.manifest is None
    assert error in str(archive.manifest_error)
    assert archive.files["a.js"].content == b"1"


# --- what npm never packs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("hashes", [True, False])
def test_the_last_of_two_files_counts_and_other_bytes_are_told_from_the_same(*, hashes: bool) -> None:
    archive = read(
        compress(
            _FIRST
            + entry("package/a.js", b"first")
            + entry("package/a.js", b"other")
            + entry("package/b.png", b"same!")
            + entry("package/b.png", b"same!")
            + entry("package/c.png", b"first")
            + entry("package/c.png", b"other")
            + END
        ),
        hashes=hashes,
    )
    assert archive.files["a.js"].content == b"other"
    assert problems(archive) == [
        (ArchiveProblem.DUPLICATE, "package/a.js"),
        (ArchiveProblem.REPEATED, "package/b.png"),
        (ArchiveProblem.DUPLICATE, "package/c.png"),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Index.js", "index.js"),
        ("é.js", "e\u0301.js"),
        ("lib/a.js", "lib\\a.js"),
        ("a.js", "a.js. "),
        ("ß.js", "SS.js"),
    ],
)
def test_paths_that_are_one_file_on_some_systems_are_noted(one: str, other: str) -> None:
    archive = read(tarball({"package.json": MANIFEST, one: b"1", other: b"2"}))
    assert len(archive.files) == 3
    assert (ArchiveProblem.CASE_COLLISION, f"package/{other}") in problems(archive)


@pytest.mark.parametrize("kind", [b"1", b"2"])
def test_links_are_dropped_and_noted_with_their_target(kind: bytes) -> None:
    archive = read(compress(_FIRST + entry("package/l.js", kind=kind, link=b"../../etc/passwd") + END))
    assert "l.js" not in archive.files
    assert problems(archive) == [(ArchiveProblem.LINK, "package/l.js")]
    assert archive.notes[0].detail == "to ../../etc/passwd"


@pytest.mark.parametrize("kind", [b"3", b"4", b"6", b"S", b"Z"])
def test_devices_and_unknown_entries_are_dropped_and_noted(kind: bytes) -> None:
    archive = read(compress(_FIRST + entry("package/d", kind=kind) + END))
    assert "d" not in archive.files
    assert problems(archive) == [(ArchiveProblem.DEVICE, "package/d")]


def test_folders_are_no_files_and_no_oddity() -> None:
    archive = read(compress(entry("package/", kind=b"5") + _FIRST + entry("package/lib/") + END))
    assert sorted(archive.files) == ["package.json"]
    assert archive.notes == ()


@pytest.mark.parametrize("path", ["package/../../x.js", "package/a/../../../x.js", "package/..\\x.js"])
def test_a_path_that_climbs_out_is_dropped_and_noted(path: str) -> None:
    archive = read(compress(_FIRST + entry(path, b"1") + END))
    assert sorted(archive.files) == ["package.json"]
    assert problems(archive) == [(ArchiveProblem.UNSAFE_PATH, path)]


@pytest.mark.parametrize(
    ("path", "where"),
    [("//etc/x.js", "etc/x.js"), ("package/c:/x.js", "x.js"), ("package///srv/x.js", "srv/x.js")],
)
def test_an_absolute_path_is_stripped_and_noted(path: str, where: str) -> None:
    archive = read(compress(_FIRST + entry(path, b"1") + END))
    assert archive.files[where].content == b"1"
    assert problems(archive) == [(ArchiveProblem.UNSAFE_PATH, path)]


def test_entries_behind_a_lone_zero_block_are_read_and_noted() -> None:
    archive = read(compress(_FIRST + bytes(BLOCK) + entry("package/late.js", b"1") + END))
    assert archive.files["late.js"].content == b"1"
    assert problems(archive) == [(ArchiveProblem.BAD_HEADER, "")]


def test_headers_hidden_in_a_body_are_read_and_noted() -> None:
    hidden = entry("package/hidden.js", b"1")
    archive = read(compress(_FIRST + entry("package/readme.txt", hidden, link=b"x") + END))
    assert archive.files["hidden.js"].content == b"1"
    assert problems(archive) == [(ArchiveProblem.BAD_HEADER, "")]


@pytest.mark.parametrize(
    "data",
    [
        compress(_FIRST + END + entry("package/late.js", b"1")),
        compress(_FIRST + END) + b"garbage",
        compress(_FIRST + END) + bytes(8) + compress(entry("package/late.js", b"1")),
    ],
    ids=["behind-the-archive", "behind-the-gzip", "behind-zeros"],
)
def test_data_behind_the_end_is_noted(data: bytes) -> None:
    archive = read(data)
    assert sorted(archive.files) == ["package.json"]
    assert problems(archive) == [(ArchiveProblem.TRAILING_DATA, "")]


def test_zeros_behind_the_end_are_padding() -> None:
    assert read(compress(_FIRST + END + bytes(8192)) + bytes(512)).notes == ()


# --- damaged ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1f\x8b",
        b"no gzip, no tar",
        compress(b""),
        compress(END),
        compress(compress(_FIRST + END)),
        compress(_FIRST + END)[:-1],
        compress(_FIRST + END)[:40],
        compress(_FIRST + END)[:-8] + bytes(8),
        compress(entry("package/a.js", b"x" * 2000)[:-1]),
        b"\x28\xb5\x2f\xfd" + bytes(99),
    ],
)
def test_what_npm_cannot_extract_is_a_tarball_error(data: bytes) -> None:
    with pytest.raises(TarballError):
        read(data)


# --- caps -------------------------------------------------------------------------------------------------


def bomb() -> bytes:
    return compress(_FIRST + entry("package/zeros.bin", bytes(64 * 1024**2)) + END)


@pytest.mark.parametrize(
    ("data", "caps", "named"),
    [
        (bomb(), {"unpacked_bytes": 1024**2}, "limits.unpacked-bytes"),
        (bomb(), {"tarball_bytes": 1000}, "limits.tarball-bytes"),
        (tarball({f"{n}.png": b"" for n in range(20)}), {"file_count": 10}, "limits.file-count"),
        (compress(_FIRST + b"g" * BLOCK * 99 + END), {"file_count": 10}, "limits.file-count"),
        (compress(b"") * 99, {"file_count": 10}, "limits.file-count"),
        (
            compress(long_name(b"package/" + b"n/" * 999) + _FIRST + END),
            {"path_length": 99},
            "limits.path-length",
        ),
        (
            compress(pax({b"path": b"package/" + b"n/" * 999}) + _FIRST),
            {"path_length": 99},
            "limits.path-length",
        ),
        (
            compress(_FIRST + entry("package/" + "d/" * 40 + "f") + END),
            {"path_bytes": 2000},
            "limits.path-bytes",
        ),
        (compress(_FIRST + entry("package/a") * 99 + END), {"path_bytes": 9000}, "limits.path-bytes"),
        (
            compress(_FIRST + pax({b"comment": b"c" * 9000}) + entry("package/a") + END),
            {"path_bytes": 9000},
            "limits.path-bytes",
        ),
        (tarball({"a.js": b"x" * 600, "b.js": b"y" * 600}), {"kept_bytes": 1000}, "limits.kept-bytes"),
    ],
)
def test_over_a_cap_reading_ends_and_names_the_cap(data: bytes, caps: dict[str, int], named: str) -> None:
    with pytest.raises(LimitExceeded, match=named):
        read(data, limits=capped(**caps))


def test_what_is_not_kept_does_not_count_as_kept() -> None:
    archive = read(tarball({"package.json": MANIFEST, "big.bin": bytes(5000)}), limits=capped(kept_bytes=1000))
    assert archive.files["big.bin"].size == 5000


def test_only_the_last_of_two_files_counts_as_kept() -> None:
    twice = compress(_FIRST + entry("package/a.js", b"1" * 600) + entry("package/a.js", b"2" * 600) + END)
    with pytest.raises(LimitExceeded):  # both are held for a moment
        read(twice, limits=capped(kept_bytes=1000))
    assert read(twice, limits=capped(kept_bytes=1300)).files["a.js"].content == b"2" * 600


def test_a_file_that_is_said_to_be_endless_is_an_error_at_once() -> None:
    with pytest.raises(PackageError):
        read(compress(pax({b"size": b"Infinity"}) + entry("package/a.js", b"1") + END))


def test_a_big_file_over_many_chunks_is_whole() -> None:
    content = bytes(range(256)) * 20_000
    archive = read(tarball({"package.json": MANIFEST, "big.js": content, "big.png": content, "z.js": b"1"}))
    assert archive.files["big.js"].content == content
    assert archive.files["big.png"].sha256 == sha256(content).hexdigest()
    assert archive.files["z.js"].content == b"1"


def test_gzip_headers_with_a_name_and_a_comment_are_read() -> None:
    plain = gzip.compress(_FIRST + END)
    named = plain[:3] + bytes([plain[3] | 0x18]) + plain[4:10] + b"name\0comment\0" + plain[10:]
    assert sorted(read(named).files) == ["package.json"]
