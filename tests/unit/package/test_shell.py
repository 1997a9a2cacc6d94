from __future__ import annotations

import pytest

from npmguard.package.shell import Script, parse_shell


def words(script: Script) -> list[list[list[str]]]:
    return [[[word.text for word in command.words] for command in pipeline] for pipeline in script]


@pytest.mark.parametrize(
    "text",
    [
        "curl -s x",
        "c\\url -\\s x",
        'c"u"rl \'-s\' "x"',
        "cu''rl -s\tx",
        "curl${IFS}-s$IFS'x'",
        "$'\\x63\\165rl' -s x",
        "a=cu; b=rl; $a$b -s x",
        "c='curl -s'; $c x",
        "${c:-curl} -s x",
        "cu^rl -s x",
        "cur\\\nl -s \\\n x",
    ],
)
def test_however_it_is_spelled_it_is_one_command(text: str) -> None:
    assert words(parse_shell(text))[-1] == [["curl", "-s", "x"]]


@pytest.mark.parametrize("separator", ["&&", "||", ";", "&", "\n", ";;"])
def test_separators_part_pipelines(separator: str) -> None:
    assert words(parse_shell(f"a b{separator}c")) == [[["a", "b"]], [["c"]]]


@pytest.mark.parametrize("pipe", ["|", "|&", " | \n"])
def test_pipes_join_commands(pipe: str) -> None:
    assert words(parse_shell(f"a{pipe}b")) == [[["a"], ["b"]]]


@pytest.mark.parametrize("text", ["echo 'a | b; c'", 'echo "a | b; c"', "echo a\\ \\|\\ b\\;\\ c"])
def test_quoted_operators_are_text(text: str) -> None:
    assert words(parse_shell(text)) == [[["echo", "a | b; c"]]]


def test_comments_are_no_commands() -> None:
    assert words(parse_shell("a # b | c\nd '#' e#f")) == [[["a"]], [["d", "#", "e#f"]]]


@pytest.mark.parametrize(
    "text", ["a $(b | c)", 'a "$(b | c)"', "a `b | c`", "a <(b | c)", "x=$(b | c)", "a $(b | c"]
)
def test_substitutions_hold_scripts(text: str) -> None:
    command = parse_shell(text)[0][0]
    (script,) = [script for word in (*command.words, *command.reads) for script in word.scripts]
    assert words(script) == [[["b"], ["c"]]]


@pytest.mark.parametrize("text", ["(a; b) | c", "{ a; b; } | c"])
def test_groups_are_one_command_of_a_pipeline(text: str) -> None:
    group, command = parse_shell(text)[0]
    assert group.group is not None
    assert words(group.group) == [[["a"]], [["b"]]]
    assert command.words[0].text == "c"


def test_redirections_are_apart_from_words() -> None:
    command = parse_shell("a 2>/dev/null <in >>out 2>&1 &>both >& all b")[0][0]
    assert [word.text for word in command.words] == ["a", "b"]
    assert [word.text for word in command.reads] == ["in"]
    assert [word.text for word in command.writes] == ["/dev/null", "out", "both", "all"]


def test_a_variable_set_by_a_command_carries_that_command() -> None:
    *_, (command,) = parse_shell("x=$(fetch it); eval $x")
    assert words(command.words[1].scripts[0]) == [[["fetch", "it"]]]
    assert command.words[1].variables == ["x"]


def test_a_lone_apostrophe_hides_nothing_from_cmd_exe() -> None:
    assert words(parse_shell("echo don't & b")) == [[["echo", "don't"]], [["b"]]]


def test_values_that_double_at_each_step_stay_bounded() -> None:
    script = parse_shell("a=xxxxxxxx;" + "a=$a$a;" * 60 + "b $a")
    assert len(script[-1][0].words[1].text) < 2**21
