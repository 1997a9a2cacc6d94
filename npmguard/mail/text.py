"""Words as people see them: invisible characters dropped, look-alike letters (Unicode TR39) read as Latin."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

#: Characters that take no room: they split words for machines only.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef]"
)
#: The ones of these that no honest text has between two Latin letters (soft hyphens do stand there).
_SPLITTER = re.compile("(?<=[A-Za-z])[\u034f\u180e\u200b-\u200d\u2060-\u2064\u3164\ufeff\uffa0]+(?=[A-Za-z])")
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_WORD = re.compile(r"[^\W_]+")
_LATIN_LOOKS = str.maketrans(
    {"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "3": "e", "4": "a", "7": "t", "8": "b"}
)
# ruff: noqa: RUF001, RUF002 - the look-alikes are the subject
#: Letters that read as Latin ones inside a Latin word and that TR39, which compares shapes, leaves out.
_READ_AS = {
    "п": "n",
    "м": "m",
    "т": "t",
    "к": "k",
    "н": "n",
    "и": "u",
    "г": "r",
    "в": "b",
    "ц": "u",
    "ш": "w",
    "ω": "w",
    "η": "n",
    "μ": "u",
}
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


@cache
def _confusables() -> dict[int, str]:
    """Non-ASCII character -> the ASCII letters or digits that TR39 says it looks like."""
    from confusable_homoglyphs import confusables  # noqa: PLC0415 - heavy; only mail needs it

    table: dict[int, str] = {}
    data: dict[str, list[dict[str, str]]] = confusables.confusables_data
    for char, looks in data.items():
        if len(char) != 1 or ord(char) < 128:
            continue
        ascii_looks = [look["c"] for look in looks if look["c"].isascii() and look["c"].isalnum()]
        if ascii_looks:
            table[ord(char)] = min(ascii_looks, key=lambda look: (len(look), look))
    for char, read in _READ_AS.items():
        table.setdefault(ord(char), read)
    return table


def strip_invisible(text: str) -> str:
    """*text* without characters that take no room."""
    return text if text.isascii() else INVISIBLE.sub("", text)


def count_splitters(text: str) -> int:
    """How often an invisible character splits a Latin word."""
    return 0 if text.isascii() else sum(1 for _ in _SPLITTER.finditer(text))


def latin(text: str) -> str:
    """*text* in lower case, letters that look Latin read as that: ``nрm`` with a Cyrillic р is npm."""
    text = strip_invisible(text)
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKC", text).translate(_confusables())
    decomposed = unicodedata.normalize("NFD", plain)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return bare.casefold().translate(_confusables())


@lru_cache(maxsize=16384)
def look(label: str) -> str:
    """What a domain label looks like at a glance: equal for labels that are easily taken for each other."""
    text = latin(label).translate(_LATIN_LOOKS)
    for pair, single in _PAIRS:
        text = text.replace(pair, single)
    return text


def readable(text: str) -> str:
    """*text* for phrase matching: lower case, single spaces, mixed-script words read as Latin.

    A word is read as Latin only if it mixes Latin letters with letters that look Latin; Russian stays Russian.
    """
    text = strip_invisible(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = _WORD.sub(lambda match: _unmix(match[0]), text)
    return " ".join(text.casefold().split())


def mixed_words(text: str) -> tuple[str, ...]:
    """Words that mix Latin letters with look-alikes of other scripts, in order, without repeats."""
    if text.isascii():
        return ()
    found = (word for word in _WORD.findall(strip_invisible(text)) if _unmix(word) != word)
    return tuple(dict.fromkeys(found))


def _unmix(word: str) -> str:
    if word.isascii() or not any("a" <= char.lower() <= "z" for char in word):
        return word
    foreign = [char for char in word if ord(char) > 127 and char.isalpha()]
    table = _confusables()
    looks = [
        char
        for char in foreign
        if ord(char) in table and _script(char) in {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "LISU"}
    ]
    return word.translate({ord(char): table[ord(char)] for char in looks}) if looks else word


@cache
def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]
