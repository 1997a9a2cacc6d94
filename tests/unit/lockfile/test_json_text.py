"""Broken and hostile JSON ends as one typed error that names the place."""

from __future__ import annotations

import codecs

import pytest

from npmguard.errors import LockfileSyntaxError
from npmguard.lockfile.json_text import JsonText, ObjectReader


@pytest.mark.parametrize(
    ("data", "place", "reason"),
    [
        (b'{\n  "a": 1,\n  "b" 2\n}', "lock:3:7", "expecting ':' delimiter"),
        (b'{"a": }', "lock:1:7", "expecting value"),
        (b'{"a": 1,}', "lock:1:", "trailing comma|property name"),
        (b'{"a": 1} x', "lock:1:10", "extra data"),
        (b'{"a": NaN}', "lock:1:7", "NaN is no JSON value"),
        (b'{"a": -Infinity}', "lock:1:7", "-Infinity is no JSON value"),
        (b'{"a": "\x00"}', "lock:1:8", "control character"),
        (b'{"a": "x\ny"}', "lock:1:9", "control character"),
        (b'{"a":\n"\xff"}', "lock:2:2", "not UTF-8 text: byte 0xff"),
        (b'{"a":\n "\\ud800"}', "lock:2:3", "stands alone"),
        (b'{"a": "\\udc00\\ud800"}', "lock:1:8", "stands alone"),
        (b"[]", "lock:1:1", "a list where a lockfile's object belongs"),
        (b"null", "lock:1:1", "null where"),
        (b'"x"', "lock:1:1", 'the string "x" where'),
        (b"\n 3", "lock:2:2", "a number where"),
        (b"[" * 100_000, "lock:1:1", "nested too deeply"),
        (b'{"a":' * 100_000, "lock:1:1", "nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_column(data: bytes, place: str, reason: str) -> None:
    with pytest.raises(LockfileSyntaxError, match=reason) as caught:
        JsonText(data, "lock")
    assert str(caught.value).startswith(place)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"  \n", codecs.BOM_UTF8])
def test_an_empty_file_is_said_to_be_empty(data: bytes) -> None:
    with pytest.raises(LockfileSyntaxError, match="the file is empty"):
        JsonText(data, "lock")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_utf_16_and_32_are_named(encoding: str) -> None:
    with pytest.raises(LockfileSyntaxError, match="UTF-16 or UTF-32"):
        JsonText('{"lockfileVersion": 3}'.encode(encoding), "lock")


def test_a_utf_8_byte_order_mark_is_dropped_as_npm_drops_it() -> None:
    assert JsonText(codecs.BOM_UTF8 + b'{"a": "b"}', "lock").top == {"a": "b"}


def test_merge_conflict_markers_are_refused_inside_valid_json_too() -> None:
    data = b'{"a":\n"<<<<<<<", "b":\n"=======", "c":\n">>>>>>>"}'
    with pytest.raises(LockfileSyntaxError, match=r"lock:2:2: merge conflict markers"):
        JsonText(data, "lock")


def test_a_surrogate_pair_and_an_escaped_backslash_are_text() -> None:
    assert JsonText(b'{"a": "\\ud83d\\ude00", "b": "\\\\ud800"}', "lock").top == {
        "a": "\U0001f600",
        "b": "\\ud800",
    }


def test_a_numeral_of_any_length_is_a_number() -> None:
    assert JsonText(b'{"a": ' + b"9" * 10_000 + b"}", "lock").top == {"a": float("inf")}


def test_the_last_of_two_values_counts_as_in_javascript() -> None:
    assert JsonText(b'{"a": 1, "a": 2}', "lock").top == {"a": 2.0}


def test_members_are_read_in_order_with_their_places_and_repeats() -> None:
    json_text = JsonText(b' {"a" : 1 ,\n\n "b":{"c" : [ ] } , "a":"}"\n}', "lock")
    reader = ObjectReader(json_text, json_text.start)
    found = []
    while (key := reader.key()) is not None:
        found.append((key, json_text.line(reader.key_offset), reader.at_object(), reader.value()))
    assert found == [("a", 1, False, 1.0), ("b", 3, True, {"c": []}), ("a", 3, False, "}")]
    assert reader.position == len(json_text.text)


def test_lines_can_be_asked_for_in_any_order() -> None:
    json_text = JsonText(b'{\n"a": 1,\n"b": 2}', "lock")
    assert [json_text.line(offset) for offset in (12, 2, 0, 12)] == [3, 2, 1, 3]
