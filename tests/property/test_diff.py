"""What a diff may never say: that new text is old, or that old text is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from npmguard.config import Limits
from npmguard.model import PackageArchive
from npmguard.package.diff import added_text, diff_archives, is_added
from npmguard.package.tarball import read_archive
from tests.tarballs import tarball

LINE = st.sampled_from(
    [b"", b"a", b"  a ", b"b();", b"}", b"x" * 1200, b"s;" * 700, b"t{}" * 500, b"u;v;" * 300]
)
TEXT = st.lists(LINE, max_size=12).map(b"\n".join)
SHORT = st.lists(LINE.filter(lambda line: len(line) < 100), max_size=12).map(b"\n".join)
FILES = st.dictionaries(
    st.sampled_from(["a.js", "b.js", "lib/a.js", "p.png", "q.png"]), st.sampled_from([b"", b"1", b"2", b"3\n4"])
)


@given(TEXT)
def test_a_text_adds_nothing_to_itself(text: bytes) -> None:
    added = added_text(text, text)
    assert not added.lines
    assert not added.spans


@given(TEXT, TEXT)
def test_a_line_that_the_old_text_never_held_is_added(old: bytes, new: bytes) -> None:
    added = added_text(old, new)
    for number, line in enumerate(new.split(b"\n"), 1):
        if line.strip() and line.strip() not in old:
            assert number in added.lines


@given(SHORT, SHORT)
def test_no_more_lines_are_old_than_the_old_text_holds(old: bytes, new: bytes) -> None:
    added = added_text(old, new)
    kept = (line for number, line in enumerate(new.split(b"\n"), 1) if number not in added.lines)
    assert not counted(kept) - counted(old.split(b"\n"))


def counted(lines: Iterable[bytes]) -> Counter[bytes]:
    return Counter(line.strip() for line in lines if line.strip())


@given(TEXT, TEXT)
def test_spans_are_sorted_apart_inside_and_on_added_lines(old: bytes, new: bytes) -> None:
    added = added_text(old, new)
    ends = [0, *(place for span in added.spans for place in span)]
    assert ends == sorted(ends)
    assert ends[-1] <= len(new)
    touched = {new.count(b"\n", 0, place) + 1 for start, end in added.spans for place in (start, end - 1)}
    assert touched <= added.lines
    for number, line in enumerate(new.split(b"\n"), 1):
        start = sum(len(earlier) + 1 for earlier in new.split(b"\n")[: number - 1])
        if line.strip():
            assert is_added(added.spans, start, start + len(line)) == (number in added.lines)


@given(FILES, FILES)
def test_every_file_is_in_exactly_one_place(old: dict[str, bytes], new: dict[str, bytes]) -> None:
    diff = diff_archives(archive(old), archive(new), "1", "2")
    changed = {change.path for change in diff.changed}
    assert set(diff.added) == new.keys() - old.keys()
    assert set(diff.removed) == old.keys() - new.keys()
    assert changed == {path for path in old.keys() & new.keys() if old[path] != new[path]}
    assert {path for path, _origin in diff.moved} == {
        path for path in (*diff.added, *changed) if new[path] and new[path] in old.values()
    }
    for path, origin in diff.moved:
        assert old[origin] == new[path]


def archive(files: dict[str, bytes]) -> PackageArchive:
    packed = tarball({"package.json": b"{}", **files})
    return read_archive(packed, Limits(), lambda path, _size: path.endswith(".js"))
