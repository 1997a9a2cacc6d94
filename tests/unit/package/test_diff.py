from __future__ import annotations

import pytest

from npmguard.config import Limits
from npmguard.model import FileChange, Manifest, ManifestDelta, PackageArchive
from npmguard.package.diff import added_text, diff_archives, diff_manifests, is_added
from npmguard.package.tarball import read_archive
from tests.tarballs import MANIFEST, tarball


def archive(files: dict[str, bytes], *, hashes: bool = True) -> PackageArchive:
    packed = tarball({"package.json": MANIFEST, **files})
    return read_archive(packed, Limits(), lambda path, _size: path.endswith(".js"), hashes=hashes)


def test_files_are_told_apart_by_their_bytes() -> None:
    diff = diff_archives(
        archive({"same.js": b"1", "gone.js": b"2", "edited.js": b"a\nb", "logo.png": b"old", "pic.png": b"p"}),
        archive(
            {"same.js": b"1", "new.js": b"3", "edited.js": b"a\nnew\nb", "logo.png": b"new", "pic.png": b"p"}
        ),
        "1.0.0",
        "1.0.1",
    )
    assert (diff.old_version, diff.new_version) == ("1.0.0", "1.0.1")
    assert (diff.added, diff.removed) == (("new.js",), ("gone.js",))
    assert diff.changed == (
        FileChange("edited.js", frozenset({2}), ((2, 5),)),
        FileChange("logo.png", frozenset()),
    )
    assert diff.moved == ()


def test_bytes_that_were_there_under_another_name_are_moved_not_new() -> None:
    diff = diff_archives(
        archive({"lib/a.js": b"code", "b.js": b"other", "x.png": b"pix"}),
        archive({"dist/a.js": b"code", "b.js": b"code", "y.png": b"pix", "empty.js": b""}),
        "1",
        "2",
    )
    assert diff.added == ("dist/a.js", "empty.js", "y.png")
    assert diff.moved == (("b.js", "lib/a.js"), ("dist/a.js", "lib/a.js"), ("y.png", "x.png"))
    assert diff.changed == (FileChange("b.js", frozenset()),)


def test_without_hashes_what_cannot_be_compared_counts_as_changed() -> None:
    files = {"a.js": b"1", "logo.png": b"pix"}
    diff = diff_archives(archive(files, hashes=False), archive(files, hashes=False), "1", "2")
    assert [change.path for change in diff.changed] == ["logo.png"]
    assert diff.moved == ()


def test_a_file_whose_old_content_was_not_kept_is_new_as_a_whole() -> None:
    packed = tarball({"package.json": MANIFEST, "a.js": b"one\ntwo"})
    old = read_archive(packed, Limits(), lambda _path, _size: False)
    diff = diff_archives(old, archive({"a.js": b"one\nzwei"}), "1", "2")
    assert diff.changed == (FileChange("a.js", frozenset({1, 2}), ((0, 8),)),)


def test_manifest_changes_come_with_the_files() -> None:
    new = read_archive(
        tarball({"package.json": b'{"name":"sample","version":"1.0.1","dependencies":{"x":"1"}}'}),
        Limits(),
        lambda _path, _size: True,
    )
    assert diff_archives(archive({}), new, "1", "2").manifest == (
        ManifestDelta("dependencies", "x", None, "1"),
    )


def test_every_field_that_decides_something_is_compared() -> None:
    old = Manifest("a", "1.0.0", scripts={"test": "x"}, bin={"a": "a.js"}, gypfile=True, bundled=("b",))
    new = Manifest(
        "a",
        "1.0.1",
        scripts={"test": "y", "postinstall": "node z"},
        dependencies={"d": "1"},
        optional_dependencies={"o": "1"},
        peer_dependencies={"p": "1"},
        bin={"a": "b.js"},
        main="m.js",
        repository="r",
    )
    assert diff_manifests(old, new) == (
        ManifestDelta("scripts", "postinstall", None, "node z"),
        ManifestDelta("scripts", "test", "x", "y"),
        ManifestDelta("dependencies", "d", None, "1"),
        ManifestDelta("optionalDependencies", "o", None, "1"),
        ManifestDelta("peerDependencies", "p", None, "1"),
        ManifestDelta("bundleDependencies", "b", "*", None),
        ManifestDelta("bin", "a", "a.js", "b.js"),
        ManifestDelta("gypfile", "", "true", None),
        ManifestDelta("main", "", None, "m.js"),
        ManifestDelta("repository", "", None, "r"),
    )


# --- lines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "lines", "parts"),
    [
        (b"a\nb\nc", b"a\nb\nc", set(), []),
        (b"a\nb\nc", b"a\nx\nb\nc", {2}, [b"x"]),
        (b"a\nb\nc", b"a\nX\nc", {2}, [b"X"]),
        (b"a\nb", b"a\nb\nc\n", {3}, [b"c"]),
        (b"", b"a\nb", {1, 2}, [b"a\nb"]),
        (b"a\nb\nc", b"c\na\nb", set(), []),  # moved
        (b"a\nb", b"  a\r\n\tb\r\n", set(), []),  # indented, other line ends
        (b"f()\nx\ny", b"f()\nx\nf()\ny", {3}, [b"f()"]),  # repeated
        (b"a\nb\nc\nd", b"a\nd", set(), []),
        (b"a\nz", b"a\nx\n\ny\nz", {2, 4}, [b"x", b"y"]),
    ],
)
def test_added_lines(old: bytes, new: bytes, lines: set[int], parts: list[bytes]) -> None:
    added = added_text(old, new)
    assert added.lines == lines
    assert [new[start:end] for start, end in added.spans] == parts


def test_in_a_minified_line_only_the_new_statements_are_new() -> None:
    old = b"".join(b"var a%d=f(%d);" % (number, number) for number in range(500))
    new = old.replace(b"var a250=f(250);", b"var a250=f(250);window.fetch=hook;")
    added = added_text(old, new)
    assert added.lines == {1}
    assert [new[start:end] for start, end in added.spans] == [b"window.fetch=hook;"]


def test_spans_count_from_the_start_of_the_file() -> None:
    old = b"// head\n" + b"x;" * 1000 + b"\n// tail"
    new = b"// head\n// more\n" + b"x;" * 1000 + b"\n// tail"
    assert added_text(old, new).spans == ((8, 15),)


@pytest.mark.parametrize(
    ("start", "end", "touched"),
    [
        *((0, 5, False), (0, 6, True), (7, 7, True), (9, 12, True)),
        *((10, 20, False), (10, 21, True), (29, 99, True), (30, 31, False)),
    ],
)
def test_a_place_is_added_where_it_touches_an_added_span(start: int, end: int, *, touched: bool) -> None:
    assert is_added(((5, 10), (20, 30)), start, end) is touched
