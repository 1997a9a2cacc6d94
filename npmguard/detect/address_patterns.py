r"""Whether bytes of source may hold a regular expression that is meant for wallet addresses.

The prefilter's cheap shadow of :func:`npmguard.javascript.wallets.accepted_kinds`: what repeats something six
times or more is looked at in every literal or string that could be around it, for nobody knows at the level of
bytes where a literal begins. Strings may be put together, so each counts as a part of a longer pattern. What
cannot be told counts as meant for addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, Protocol

from npmguard.javascript.wallets import accepted_kinds, may_be_part, to_re2

_WINDOW = 2_048  # bytes on either side in which a literal's ends are looked for
_MOST_TEXTS = 256  # in one file that are looked at one by one
_SURE = (
    rb"(?i:\b(?:bc1|ltc1)[\[\](){}|\\.?*+qp]|bitcoincash)"  # a prefix that nothing else has
    rb"|\]\[(?:[^\]\n:; ]{1,80}\]\[){6}|\\[wd](?:\\{1,2}[wd]){7}"  # a repetition written out
    rb"""|(?:[0-9A-Za-su-z)]\]|[^\\]t\]|\\w)\{(?:["'`]\s*\+|\$\{)"""  # how often is joined to it at run time
)
_COUNTED = rb"[\])}wdSW.]\{(?:[6-9]|[0-9]{2})[0-9]*(?:,[0-9]*)?\}"
MARKS: Final = (_SURE, _COUNTED)
"""Patterns of single bytes in RE2's spelling, of which one is in all that :func:`recognises_addresses`."""

_ENDS = re.compile(rb"""(?<!\\)(?:\\\\)*([/"'`\n])""")
_BODY = re.compile(rb"(?:[^/\\\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n])*\])*+")
_FLAGS = re.compile(rb"[dgimsuvy]*")
_CLASS = re.compile(rb"\[\^?(?:[^\]\\\n]|\\.){0,200}\]$|\\.$|\.$")
# What stands before a slash that divides, and after one that ends a literal.
_BEFORE_LITERAL = ("return", "typeof", "throw", "delete", "default", "new", "extends", "case", "void", "yield")
_DIVIDES = re.compile(
    "".join(f"(?<!{word})" for word in (*_BEFORE_LITERAL, "await", "else", "of", "in", "do")).encode()
    + rb"(?<=[\w$\]\"'`])[ \t]*$"
)
_ENDED = re.compile(rb"[a-z]{0,8}\s*(?:$|[^\w$\"'`({]|in\b|instanceof\b)")
_RUN_ON = re.compile(rb"\.\s*(?:match|matchAll|replace|replaceAll|search|split)\s*\(\s*$")
_GIVEN_ALONE = re.compile(rb"[a-z]{0,8}\s*[,)]")
_RUNS = re.compile(rb"[a-z]{0,8}\s*\.\s*(?:test|exec)\s*\(")
_QUOTES = (b'"', b"'", b"`")
# What can stand before and after a string: no end of another one.
_BEFORE = re.compile(
    rb"(?:^|[^\w$\]\"'`]|\b(?:return|case|typeof|in|of|default|else|void|await|yield|throw|new|delete|do))\s*$"
)
_AFTER = re.compile(rb"\s*(?:$|[^\w$\"'`({\[]|\[|in\b|instanceof\b|\s)")


def recognises_addresses(content: bytes) -> bool:
    """Whether a pattern for addresses may stand in *content*, in the clear."""
    if _compiled(b"|".join(MARKS)).search(content) is None:
        return False
    if _compiled(_SURE).search(content) is not None:
        return True
    left = _MOST_TEXTS
    for mark in _compiled(_COUNTED).finditer(content):
        if _is_alphabet(content, *mark.span()):
            around = _Around(content, *mark.span())
            left -= around.texts
            if left < 0 or around.meant():
                return True
    return False


def _is_alphabet(content: bytes, start: int, end: int) -> bool:
    """Whether what is repeated may be a part of an address: of a group, nobody knows."""
    repeated = _CLASS.search(content, max(start - _WINDOW, 0), start + 1)
    return repeated is None or may_be_part((repeated.group() + content[start + 1 : end]).decode("latin-1"))


def _joins(source: str) -> bool:
    """Whether the source of a literal may be joined with others, as ``a.source + b.source`` is."""
    whole = source.startswith("^") and source.endswith("$")
    return not whole and to_re2(source) is not None and may_be_part(source)


def _end_of_body(content: bytes, begin: int) -> int:
    """Where a literal ends that begins there: at the first slash that is neither escaped nor in a class."""
    body = _BODY.match(content, begin)
    return -1 if body is None else body.end()


class _Around:
    """What may be the string or literal around a place."""

    def __init__(self, content: bytes, start: int, end: int) -> None:
        self._content = content
        first, last = max(start - _WINDOW, 0), min(end + _WINDOW, len(content))
        self._begins = [(match.end(1), match[1]) for match in _ENDS.finditer(content, first, start)]
        self._stops = [(match.start(1), match[1]) for match in _ENDS.finditer(content, end, last)]
        line, over = content.rfind(b"\n", first, start), content.find(b"\n", end, last)
        self._line, self._over = line + 1, over if over >= 0 else last
        opening = [at for at, each in self._begins if each == b"/" and at >= self._line]
        closing = [at for at, each in self._stops if each == b"/" and at <= self._over]
        self._opening = [at for at in opening if not _DIVIDES.search(content[max(at - 13, 0) : at - 1])]
        self._closing = {at for at in closing if _ENDED.match(content[at + 1 : at + 24])}
        self.texts = max(len(self._opening), 1)
        """How many literals there may be."""

    def meant(self) -> bool:
        """Whether one of the strings and literals may be meant for addresses; so it is where there is none."""
        inside = False
        for text in self._strings():
            inside = True
            if may_be_part(text):
                return True
        joined = b".source" in self._content
        for begin, stop, flags in self._literals():
            inside = True
            source = self._content[begin:stop].decode("latin-1")
            if accepted_kinds(source, flags):
                return True
            if joined and not self._is_used(begin, stop) and _joins(source):
                return True
        return not inside

    def _is_used(self, begin: int, stop: int) -> bool:
        """Whether a literal is run where it stands, so that nothing reads its source."""
        before, after = self._content[max(begin - 24, 0) : begin - 1], self._content[stop + 1 : stop + 24]
        if _RUNS.match(after) is not None:
            return True
        return _RUN_ON.search(before) is not None and _GIVEN_ALONE.match(after) is not None

    def _strings(self) -> Iterator[str]:
        """What stands between the nearest quotes, where those can begin and end a string."""
        for kind in _QUOTES:
            begin = next((at for at, each in reversed(self._begins) if each == kind), None)
            stop = next((at for at, each in self._stops if each == kind), None)
            if begin is None or stop is None:
                continue
            if not _AFTER.match(self._content[stop + 1 : stop + 12]):
                continue
            if kind == b"`":  # a template may be taken apart by its lines
                yield self._told(max(begin, self._line), min(stop, self._over)).strip()
            elif (
                begin < self._line
                or stop > self._over
                or not _BEFORE.search(self._content[max(begin - 12, 0) : begin - 1])
            ):
                continue
            yield self._told(begin, stop)

    def _told(self, begin: int, stop: int) -> str:
        """The text of a string there, with what is written as two backslashes as one."""
        return self._content[begin:stop].replace(b"\\\\", b"\\").decode("latin-1")

    def _literals(self) -> Iterator[tuple[int, int, str]]:
        """Where a literal may be between slashes, and the letters after."""
        for begin in self._opening:
            stop = _end_of_body(self._content, begin)
            if stop in self._closing:
                flags = _FLAGS.match(self._content, stop + 1)
                yield begin, stop, flags.group().decode() if flags else ""


class _Pattern(Protocol):
    def search(self, text: bytes) -> object: ...
    def finditer(self, text: bytes) -> Iterator[re.Match[bytes]]: ...


@cache
def _compiled(pattern: bytes) -> _Pattern:
    import re2  # noqa: PLC0415 - a warm scan reads no package

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    compiled: _Pattern = re2.compile(pattern, options)
    return compiled
