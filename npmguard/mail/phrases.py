"""Phrase sets compiled for RE2: what a message says, found in linear time."""

from __future__ import annotations

from functools import cache

import re2

from npmguard.errors import RuleError
from npmguard.mail.data import Brand, PhraseKind, load_phrases
from npmguard.mail.text import readable

_LINE = 200  # a signature or an imprint is a short line


def find_phrases(text: str, *, kinds: tuple[PhraseKind, ...]) -> dict[str, str]:
    """Which sets of *kinds* occur in *text* (of :func:`npmguard.mail.text.readable`), each with its place.

    Only sets that need no brand; see :func:`speaks_as` for the others.
    """
    found: dict[str, str] = {}
    for identifier, pattern in _compiled(kinds):
        match = pattern.search(text)
        if match is not None:
            found[identifier] = match.group(0)[:120]
    return found


def speaks_as(lines: tuple[str, ...], brand: Brand) -> str | None:
    """The line in which a message signs as *brand*, or None; *lines* are readable."""
    pattern = _branded("voice", brand.names)
    return next((line for line in lines if len(line) <= _LINE and pattern.fullmatch(line) is not None), None)


def addresses_account(text: str, brand: Brand) -> str | None:
    """Where *text* speaks to the holder of an account with *brand*, or None."""
    match = _branded("account", brand.names).search(text)
    return match.group(0)[:120] if match is not None else None


def claims_staff(text: str, brand: Brand) -> str | None:
    """Where the writer of *text* says to be one of *brand*'s people, or None."""
    match = _branded("staff", brand.names).search(text)
    return match.group(0)[:120] if match is not None else None


def mentions(text: str, brand: Brand) -> bool:
    """Whether *text* names *brand* at all."""
    return _names(brand.names).search(text) is not None


def role_words() -> frozenset[str]:
    """Words that a display name may add to a brand and still be the brand's own."""
    return _roles()


def matches(identifier: str, language: str, text: str, brand: Brand) -> bool:
    """Whether one language's patterns of one set find *text*: what the examples in the data are held to."""
    entry = next(entry for entry in load_phrases() if entry.id == identifier)
    patterns = entry.languages[language].patterns
    line = readable(text)
    if entry.kind == "roles":
        return line in {readable(pattern) for pattern in patterns}
    compiled = _compile([_fill(pattern, brand.names) for pattern in patterns], identifier)
    found = compiled.fullmatch(line) if identifier == "voice" else compiled.search(line)
    return found is not None


@cache
def _roles() -> frozenset[str]:
    return frozenset(
        readable(word)
        for entry in load_phrases()
        if entry.kind == "roles"
        for language in entry.languages.values()
        for word in language.patterns
    )


@cache
def _compiled(kinds: tuple[PhraseKind, ...]) -> tuple[tuple[str, re2._Regexp], ...]:
    return tuple(
        (
            entry.id,
            _compile(
                [pattern for language in entry.languages.values() for pattern in language.patterns], entry.id
            ),
        )
        for entry in load_phrases()
        if entry.kind in kinds and entry.kind not in {"voice", "roles"}
    )


@cache
def _branded(identifier: str, names: tuple[str, ...]) -> re2._Regexp:
    entry = next(entry for entry in load_phrases() if entry.id == identifier)
    patterns = [_fill(pattern, names) for language in entry.languages.values() for pattern in language.patterns]
    return _compile(patterns, identifier)


@cache
def _names(names: tuple[str, ...]) -> re2._Regexp:
    return _compile([_fill("{brand}", names)], "names")


def _fill(pattern: str, names: tuple[str, ...]) -> str:
    spelled = "|".join(sorted(map(_quote, names), key=len, reverse=True))
    # RE2's \b knows ASCII words only, which is what brand names are
    return pattern.replace("{brand}", rf"\b(?:{spelled})\b")


def _quote(name: str) -> str:
    return str(re2.escape(name.casefold()))


def _compile(patterns: list[str], identifier: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 * 1024 * 1024
    try:
        return re2.compile("|".join(f"(?:{_letters(pattern)})" for pattern in patterns), options)
    except re2.error as error:
        raise RuleError(f"phrases/{identifier}.yaml: a pattern is not RE2's: {error}") from error


def _letters(pattern: str) -> str:
    r"""Let ``\w``, and ``\b`` where a pattern begins, mean letters of every script (RE2's know ASCII only)."""
    if pattern.startswith(r"\b(?:") and not pattern.startswith(r"\b(?:\S"):
        pattern = r"(?:^|[^\p{L}\p{N}_])" + pattern[2:]
    return pattern.replace(r"\w", r"[\p{L}\p{N}_]")
