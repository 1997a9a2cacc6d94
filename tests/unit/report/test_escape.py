from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npmguard.report import escape
from tests.unit.report.strategies import hostile_text

UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
CI_COMMAND = re.compile(r"::|##\w*\[")


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]8;;https://evil.example\x07here", r"\x1b]8;;https://evil.example\x07here"),
        ("\x9b2J", r"\x9b2J"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("user\u202egnp.exe", r"user\u202egnp.exe"),
        ("zero\u200bwidth\u00ad", r"zero\u200bwidth\xad"),
        ("\u3164 = 1", r"\u3164 = 1"),
        ("\ue000", r"\ue000"),
        ("\ud83d", r"\ud83d"),
        ("\U000e0041", r"\u{e0041}"),
        ("tick\ufe0f", r"tick\ufe0f"),
        ("no\u00a0break\u2028", r"no\xa0break\u2028"),
        ("z\u0301\u0301\u0301\u0301", "z\u0301\u0301\\u0301\\u0301"),
        ("[bold red]as it is[/]", "[bold red]as it is[/]"),
        ("\u65e5\u672c\u8a9e caf\u00e9", "\u65e5\u672c\u8a9e caf\u00e9"),
    ],
)
def test_what_would_steer_or_deceive_a_terminal_is_spelled_out(hostile: str, shown: str) -> None:
    assert escape.terminal(hostile) == shown


def test_letters_of_other_scripts_are_told_apart_in_names() -> None:
    assert escape.terminal("ch\u0430lk", ascii_only=True) == r"ch\u0430lk"


@pytest.mark.parametrize(
    "command",
    [
        "::set-output name=token::x",
        "  ::stop-commands::x",
        ":::error::x",
        "x ##[add-mask]x",
        "##vso[task.setvariable variable=x]y",
        "##teamcity[buildStatus text='x']",
    ],
)
def test_no_ci_runner_finds_a_command(command: str) -> None:
    assert not CI_COMMAND.search(escape.terminal(command))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://bob:hunter2@registry.example/x", "https://***@registry.example/x"),
        ("https://s3cr3t@registry.example/x", "https://***@registry.example/x"),
        ("//registry.example/:_authToken=abc-123", "//registry.example/:_authToken=***"),
        ('"_password": "aHVudGVyMg=="', '"_password": "***"'),
        ("_auth = Ym9iOmh1bnRlcjI=", "_auth = ***"),
        ("npm_" + "aB3" * 12, "npm_***"),
        ("ghp_" + "aB3" * 12, "ghp_***"),
        ("Bearer eyJhbGciOi.J9.x-y_z", "Bearer ***"),
        ("authorization: Basic Ym9iOmh1bnRlcjI=", "authorization: Basic ***"),
        ("https://r.example/x?a=1&access_token=abc&b=2", "https://r.example/x?a=1&access_token=***&b=2"),
    ],
)
def test_credentials_are_masked_in_every_form(text: str, masked: str) -> None:
    assert escape.terminal(f"see {text} there") == f"see {masked} there"
    assert escape.message(f"see {text} there") == f"see {masked} there"
    assert json.loads(escape.to_json([f"see {text} there"])) == [f"see {masked} there"]


@pytest.mark.parametrize(
    "harmless",
    [
        "git+ssh://git@github.com/o/r.git#1f2e3d",
        "https://cdn.example/@scope/pkg@1.2.3/index.js",
        "npm_config_registry and npm_package_name",
        "npm-registry-fetch-of-a-long-name@1.0.0",
        "sends a Bearer token",
        "my_authority = 'someone'",
    ],
)
def test_what_only_looks_like_a_credential_stays(harmless: str) -> None:
    assert escape.mask(harmless) == harmless


def test_code_pushed_out_of_sight_by_spaces_is_seen() -> None:
    assert escape.excerpt("ok();" + " " * 100_000 + "\n\nsteal()", 40) == "ok(); steal()"


def test_markdown_links_and_html_are_broken_in_messages() -> None:
    shown = escape.message("[click](https://evil.example) <img src=x> </p> if (a < b) c[0]")
    assert shown == r"[click\x5d(https://evil.example) \x3cimg src=x> \x3c/p> if (a < b) c[0]"


@given(hostile_text, st.integers(min_value=1, max_value=200), st.booleans())
@settings(deadline=None)
def test_terminal_text_is_one_line_of_visible_characters_within_its_width(
    text: str, limit: int, ascii_only: bool
) -> None:
    shown = escape.terminal(text, limit, ascii_only=ascii_only)
    assert shown.isprintable()
    assert not UNSEEN.search(shown)
    assert not CI_COMMAND.search(shown)
    assert shown.isascii() or not ascii_only
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in shown)
    marks = sum(unicodedata.category(char) in {"Mn", "Me"} for char in shown)
    assert len(shown) + wide - marks <= limit


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters=":#/_"), max_size=80))
@settings(deadline=None)
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    assert escape.terminal(text) == escape.mask(text)


@given(hostile_text)
@settings(deadline=None)
def test_json_is_ascii_obeyed_by_nobody_and_reads_back_as_it_was(text: str) -> None:
    encoded = escape.to_json({"key": [text]})
    assert encoded.isascii()
    assert encoded.isprintable()
    assert not re.search(r"##\w*\[", encoded)
    decoded = json.loads(encoded)["key"][0]
    assert decoded == re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", escape.mask(text))


@pytest.mark.parametrize(
    "piece",
    ["a.", "://", "://a@", "_auth=", "Bearer ", "npm_", "?token=", "::", "##", "\u0301", "\x1b[", "](", "<a"],
)
def test_a_huge_text_costs_no_more_than_its_length(piece: str) -> None:
    shown = escape.terminal(piece * (5_000_000 // len(piece)), 80)
    assert len(shown) <= 80 * 2


def test_json_masks_what_only_a_comparison_without_case_finds() -> None:
    """The kelvin sign is k where case is left out of account."""
    text = "https://r.example/x?to\u212aen=abc"
    assert json.loads(escape.to_json([text])) == [escape.mask(text)] != [text]
