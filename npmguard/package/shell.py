r"""A reader of shell command lines that sees through quoting, so that ``c\u"r"l`` and ``curl`` are one word.

It reads what POSIX shells read and the little that cmd.exe adds, and runs nothing: words after quotes, escapes
and the variables that the line itself sets; pipes, groups, redirections, and the scripts inside command and
process substitutions. It never fails: what it cannot make sense of stays text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

MAX_DEPTH: Final = 12  # substitutions and groups inside one another; deeper ones stay text

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::?[-=](.*))?", re.DOTALL)
_ANSI_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|([0-7]{1,3})|(.))", re.DOTALL)
_ANSI_NAMED = {"n": "\n", "t": "\t", "r": "\r"}
_FILE_DESCRIPTOR = re.compile(r"&(?:[0-9]+|-)?")
_BLANK = re.compile(r"\s+")
_BLANKS = " \t\r"
_ENDS_WORD = frozenset(" \t\r\n;|&()<>")
_MAX_COMPUTED = 8  # scripts behind the variables of one word
_MAX_EXPANSION = 1024 * 1024  # characters of all values put in: "a=$b$b" doubles with each step


@dataclass(slots=True)
class Word:
    """One word after quoting: ``scripts`` are the substitutions in it, ``variables`` those of unknown value."""

    text: str = ""
    scripts: list[Script] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Command:
    """One command of a pipeline; a group in brackets has no words, and its script in ``group``."""

    words: list[Word] = field(default_factory=list)
    reads: list[Word] = field(default_factory=list)  # files and texts redirected into it
    writes: list[Word] = field(default_factory=list)
    group: Script | None = None


Pipeline = list[Command]
Script = list[Pipeline]


def parse_shell(text: str) -> Script:
    """The pipelines of a command line, in order, in time linear in its length."""
    return _Reader(text).script("", 0)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._variables: dict[str, str] = {}
        self._computed: dict[str, list[Script]] = {}
        self._expansion_left = _MAX_EXPANSION

    def script(self, end: str, depth: int) -> Script:
        """Pipelines up to the closing *end* (``)``, ````` ``, ``}`` or nothing), which is consumed."""
        script: Script = []
        pipeline: Pipeline = []
        command = Command()

        def close(*, pipe: bool) -> None:
            nonlocal command, pipeline
            if command.words or command.group is not None or command.reads or command.writes:
                pipeline.append(command)
                command = Command()
            if not pipe and pipeline:
                script.append(pipeline)
                pipeline = []

        while self._at < len(self._text):
            char = self._text[self._at]
            if char == end or (end == "}" and char == "}" and not command.words):
                self._at += 1
                break
            if char in _BLANKS:
                self._at += 1
            elif char == "#":
                self._skip_comment()
            elif char in ";\n&" or self._text.startswith("||", self._at):
                if char == "&" and self._text[self._at + 1 : self._at + 2] == ">":
                    self._at += 1
                    continue
                self._at += 2 if self._text[self._at : self._at + 2] in {"&&", "||", ";;"} else 1
                just_piped = bool(pipeline) and not (command.words or command.group is not None)
                close(pipe=char == "\n" and just_piped)
            elif char == "|":
                self._at += 2 if self._text.startswith("|&", self._at) else 1
                close(pipe=True)
            elif char in "({" and not command.words and depth < MAX_DEPTH and self._opens_group(char):
                self._at += 1
                command.group = self.script(")" if char == "(" else "}", depth + 1)
            elif char in "()":
                self._at += 1
                close(pipe=False)
            elif char in "<>" and not self._text.startswith(("<(", ">("), self._at):
                self._redirection(command, depth)
            else:
                self._words(command, depth, end)
        close(pipe=False)
        return script

    def _opens_group(self, char: str) -> bool:
        return char == "(" or self._text[self._at + 1 : self._at + 2] in {" ", "\t", "\n"}

    def _skip_comment(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end

    def _redirection(self, command: Command, depth: int) -> None:
        """``< file``, ``> file``, ``<<< text``, ``2>&1``."""
        writes = self._text[self._at] == ">"
        if command.words and command.words[-1].text.isdigit() and self._text[self._at - 1].isdigit():
            command.words.pop()
        while self._at < len(self._text) and self._text[self._at] in "<>|":
            self._at += 1
        descriptor = _FILE_DESCRIPTOR.match(self._text, self._at)
        if descriptor:
            self._at = descriptor.end()
            if descriptor[0] != "&":  # "&>" and ">&" before a name are for both outputs
                return
        while self._at < len(self._text) and self._text[self._at] in _BLANKS:
            self._at += 1
        target = Command()
        following = self._text[self._at : self._at + 1]
        if following and (following not in _ENDS_WORD or following in "<>"):
            self._words(target, depth, "")
        (command.writes if writes else command.reads).extend(target.words)

    def _words(self, command: Command, depth: int, end: str) -> None:
        """Read one word; the value of a bare variable may make it several, or an assignment none."""
        words = self._word(depth, end)
        assignment = _ASSIGNMENT.fullmatch(words[0].text) if words and not command.words else None
        if assignment and len(words) == 1:
            self._variables[assignment[1]] = assignment[2]
            if words[0].scripts:
                self._variables.pop(assignment[1])
                self._computed[assignment[1]] = words[0].scripts
                command.reads.append(words[0])  # what is run to set a variable is run
            return
        command.words += words

    def _word(self, depth: int, end: str) -> list[Word]:
        done: list[Word] = []
        word, parts, quoted = Word(), [], False
        text = self._text
        if text.startswith(("<(", ">("), self._at):
            self._at += 2
            word.scripts.append(self._nested(")", depth))
            parts.append("<()")
        while self._at < len(text):
            char = text[self._at]
            if char in _ENDS_WORD or (char == end == "`"):
                break
            if char in "\\^":
                self._at += 1
                if char == "^" and text[self._at : self._at + 1] in {"", " "}:
                    parts.append(char)  # no escape of cmd.exe but a character
                    continue
                if text[self._at : self._at + 1] != "\n":
                    parts.append(text[self._at : self._at + 1])
                self._at += 1
            elif char == "'":
                close = text.find("'", self._at + 1)
                if close < 0:  # cmd.exe knows no such quotes, and would run what follows
                    parts.append(char)
                    self._at += 1
                else:
                    parts.append(text[self._at + 1 : close])
                    self._at, quoted = close + 1, True
            elif char == '"':
                self._at, quoted = self._at + 1, True
                self._double_quoted(word, parts, depth)
            elif char == "$":
                first, *others = _BLANK.split(self._dollar(word, depth, quoted=False))
                parts.append(first)
                for piece in others:  # an unquoted value with blanks is several words
                    if word.scripts or "".join(parts):
                        word.text = "".join(parts)
                        done.append(word)
                    word, parts, quoted = Word(), [piece], False
            elif char == "`":
                self._at += 1
                word.scripts.append(self._nested("`", depth))
                parts.append("$()")
            else:
                parts.append(char)
                self._at += 1
        word.text = "".join(parts)
        if word.text or quoted or word.scripts:
            done.append(word)
        return done

    def _nested(self, end: str, depth: int) -> Script:
        if depth < MAX_DEPTH:
            return self.script(end, depth + 1)
        close = self._text.find(end, self._at)
        start, self._at = self._at, len(self._text) if close < 0 else close + 1
        return [[Command([Word(self._text[start : self._at])])]]

    def _double_quoted(self, word: Word, parts: list[str], depth: int) -> None:
        text = self._text
        while self._at < len(text):
            char = text[self._at]
            if char == '"':
                self._at += 1
                return
            if char == "\\":
                following = text[self._at + 1 : self._at + 2]
                if following != "\n":
                    parts.append(following if following in {'"', "\\", "$", "`"} else char + following)
                self._at += 2
            elif char == "$":
                parts.append(self._dollar(word, depth, quoted=True))
            elif char == "`":
                self._at += 1
                word.scripts.append(self._nested("`", depth))
                parts.append("$()")
            else:
                parts.append(char)
                self._at += 1

    def _dollar(self, word: Word, depth: int, *, quoted: bool) -> str:
        """The text that an expansion stands for; a blank for ``$IFS``."""
        text = self._text
        following = text[self._at + 1 : self._at + 2]
        if following == "(":
            self._at += 2
            word.scripts.append(self._nested(")", depth))
            return "$()"
        if following == "'" and not quoted:
            return self._ansi_quoted()
        if following == "{":
            close = text.find("}", self._at)
            close = len(text) if close < 0 else close
            braced = _BRACED.fullmatch(text, self._at + 2, close)
            inside = text[self._at + 2 : close]
            self._at = close + 1
            return self._value(word, braced[1], braced[2]) if braced else f"${{{inside}}}"
        name = _NAME.match(text, self._at + 1)
        if name is None:
            self._at += 1
            return "$"
        self._at = name.end()
        return self._value(word, name[0], None)

    def _value(self, word: Word, name: str, otherwise: str | None) -> str:
        if name == "IFS":
            return " "
        value = self._variables.get(name, otherwise)
        self._expansion_left -= len(value or "")
        if value is None or self._expansion_left < 0:
            word.variables.append(name)
            if len(word.scripts) < _MAX_COMPUTED:
                word.scripts += self._computed.get(name, ())
            return f"${name}"
        return value

    def _ansi_quoted(self) -> str:
        start = self._at + 2
        at = start
        while at < len(self._text) and self._text[at] != "'":
            at += 2 if self._text[at] == "\\" else 1
        self._at = at + 1
        return _ANSI_ESCAPE.sub(_ansi, self._text[start:at])


def _ansi(match: re.Match[str]) -> str:
    if match[1] or match[2]:
        return chr(int(match[1] or match[2], 16))
    return chr(int(match[3], 8)) if match[3] else _ANSI_NAMED.get(match[4], match[4])
