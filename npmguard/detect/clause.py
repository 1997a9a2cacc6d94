"""Clauses: what a signal asks of the facts of a file, or of the manifest's scripts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from npmguard.detect.yaml_items import Item
from npmguard.javascript.flow_words import FLOW_PART, FLOW_PARTS, FLOW_TARGET, Sink, Source, flow_name
from npmguard.javascript.wallets import CHECKSUMMED, KINDS, accepted_kinds, addresses_in
from npmguard.package.script import ScriptRisk, script_risks

_KIND_GROUPS = {"any": frozenset(KINDS), "checksummed": frozenset(CHECKSUMMED)}
_NAME = re.compile(r"[\w$*?@/:\-\[\]]+(?:\.[\w$*?@/:\-\[\]]+)*")
EVIDENT_SHAPES = frozenset(
    {
        *("plants-address-in-page", "plants-address-in-clipboard", "plants-address-in-text"),
        *("pays-own-address", "redirects-recipient"),
    }
)
"""The shapes that hold only where an address stands, or can be built, in the file."""

FUNCTION = "function"
WRAPPER = "wrapper"


class ClauseKind(StrEnum):
    """What a clause looks at: a kind of fact, or ``package.json``'s scripts."""

    CALL = "call"
    NEW = "new"
    WRITE = "write"
    READ = "read"
    STRING = "string"
    REGEX = "regex"
    MODULE = "module"
    SHAPE = "shape"
    FLOW = "flow"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class TextTest:
    """Conditions on one text; every one that is given must hold.

    ``equals`` and ``contains`` hold when one of their entries does. ``matches`` is an RE2 pattern that is
    searched. ``address`` holds when the text has a wallet address of one of these kinds in it, ``accepts``
    when the text is a regular expression meant for one of them, ``shell`` when the text is a shell command
    that does one of these things.
    """

    equals: frozenset[str] = frozenset()
    contains: tuple[str, ...] = ()
    matches: str | None = None
    address: frozenset[str] = frozenset()
    accepts: frozenset[str] = frozenset()
    shell: frozenset[ScriptRisk] = frozenset()

    def test(self, text: str) -> Seen | None:
        """What was seen in *text*, or None where a condition does not hold."""
        if self.equals and text not in self.equals:
            return None
        if self.contains and not any(part in text for part in self.contains):
            return None
        if self.matches is not None and compile_re2(self.matches).search(text) is None:
            return None
        if self.shell and self.shell.isdisjoint(_deeds(text)):
            return None
        values: tuple[str, ...] = (text,)
        kinds: tuple[str, ...] = ()
        if self.address:
            found = [entry for entry in addresses_in(text) if entry[0] in self.address]
            if not found:
                return None
            kinds = tuple(kind for kind, _ in found)
            values = tuple(address.lower() for _, address in found)
        if self.accepts:
            source, flags = split_regex(text)
            accepted = accepted_kinds(source, flags) & self.accepts
            if not accepted:
                return None
            kinds = tuple(sorted(accepted))
        return Seen(values, kinds)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a test found: distinct things to count, and the kinds of address among them."""

    values: tuple[str, ...]
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ArgumentTest:
    """A condition on one constant argument of a call; ``at`` is its index, None is any of them."""

    at: int | None
    text: TextTest


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The least numbers of facts, of different values, and of different kinds of address.

    The values are those that the clause tests, or the names where it tests none.
    """

    count: int = 1
    distinct: int = 1
    kinds: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Clause:
    """One typed question; it holds when enough facts pass.

    ``names`` are dotted names in which ``*`` stands for any text (a manifest's: names of scripts; a flow's:
    every ``source>sink`` asked for). ``value`` is asked of what is written, of the string, of the pattern's
    source, of the script or of the detail of the flow's source; ``written`` asks for
    a function to be written (:data:`FUNCTION`), or for one that calls what was there before
    (:data:`WRAPPER`). ``rare`` says that the rest of its rules is everyday words: the prefilter asks for it in
    every file. Two clauses are never equal, so that each keeps its own hits.
    """

    kind: ClauseKind
    names: tuple[str, ...] = ()
    value: TextTest | None = None
    written: str | None = None
    args: tuple[ArgumentTest, ...] = ()
    least: AtLeast = AtLeast()
    rare: bool = False


class Re2Pattern(Protocol):
    """A compiled RE2 pattern."""

    def search(self, text: str) -> object | None:
        """The first match in *text*, or None."""
        ...


@lru_cache(maxsize=512)
def compile_re2(pattern: str) -> Re2Pattern:
    """Compile a rule's own pattern; ``re2.error`` where it is not RE2 syntax."""
    import re2  # noqa: PLC0415 - a warm scan reads no package, so it needs no patterns

    options = re2.Options()
    options.log_errors = False
    compiled: Re2Pattern = re2.compile(pattern, options)
    return compiled


@lru_cache(maxsize=512)
def _deeds(command: str) -> frozenset[ScriptRisk]:
    return frozenset(each.risk for each in script_risks(command))


@lru_cache(maxsize=512)
def compile_names(names: tuple[str, ...]) -> re.Pattern[str]:
    """One expression for all *names*, to be matched in full; linear, for ``*`` is its only repetition."""
    return re.compile("|".join(".*".join(map(re.escape, name.split("*"))) for name in names), re.DOTALL)


def split_regex(text: str) -> tuple[str, str]:
    """Split ``/source/flags`` as facts spell a regular expression argument; anything else is no pattern."""
    source, slash, flags = text[1:].rpartition("/")
    return (source, flags) if text.startswith("/") and slash else ("", "")


# --- reading ---------------------------------------------------------------------------------------------

_TEXT_KEYS = ("equals", "contains", "matches", "address", "shell")
_ALL_KEYS = (*_TEXT_KEYS, "accepts")


def read_clause(kind: ClauseKind, item: Item) -> Clause:
    """Read one clause of a signal file.

    Raises:
        RuleError: names file, line and what to write.
    """
    match kind:
        case ClauseKind.STRING:
            fields = item.fields((), (*_TEXT_KEYS, "count", "distinct", "kinds", "rare"))
            return Clause(kind, value=_text_test(item, fields), least=_least(fields), rare=_is_rare(fields))
        case ClauseKind.REGEX:
            fields = item.fields((), ("accepts", "matches", "count", "distinct", "kinds", "rare"))
            return Clause(kind, value=_text_test(item, fields), least=_least(fields), rare=_is_rare(fields))
        case ClauseKind.MANIFEST:
            fields = item.fields(("scripts",), ("matches", "shell", "count"))
            asked = _text_test(item, fields, ("matches", "shell"))
            return Clause(kind, fields["scripts"].texts(), asked, least=_least(fields))
        case ClauseKind.WRITE:
            if not item.is_mapping():
                return Clause(kind, _names(item))
            fields = item.fields(("name",), ("value", "count", "distinct"))
            value = fields.get("value")
            written = value.one_of((FUNCTION, WRAPPER)) if value is not None and value.is_text() else None
            test = None if value is None or written else _text_test(value, value.fields((), _TEXT_KEYS))
            return Clause(kind, _names(fields["name"]), test, written, least=_least(fields))
        case ClauseKind.CALL | ClauseKind.NEW:
            if not item.is_mapping():
                return Clause(kind, _names(item))
            fields = item.fields(("name",), ("args", "count", "distinct"))
            args = tuple(map(_argument, fields["args"].items())) if "args" in fields else ()
            return Clause(kind, _names(fields["name"]), args=args, least=_least(fields))
        case ClauseKind.FLOW:
            return _flow(item)
        case _:
            if not item.is_mapping():
                return Clause(kind, _names(item), rare=set(item.texts()) <= EVIDENT_SHAPES)
            fields = item.fields(("name",), ("count", "distinct"))
            names = _names(fields["name"])
            return Clause(kind, names, least=_least(fields), rare=set(names) <= EVIDENT_SHAPES)


def _flow(item: Item) -> Clause:
    fields = item.fields(("from", "to"), ("value", "target", "part", "count", "distinct"))
    sources = [Source(each) for each in _words(fields["from"], Source)]
    sinks = [Sink(each) for each in _words(fields["to"], Sink)]
    value, target, part = fields.get("value"), fields.get("target"), fields.get("part")
    args = []
    if target is not None:
        args.append(ArgumentTest(FLOW_TARGET, _text_test(target, target.fields((), _TEXT_KEYS))))
    if part is not None:
        args.append(ArgumentTest(FLOW_PART, TextTest(equals=frozenset(_words(part, FLOW_PARTS)))))
    return Clause(
        ClauseKind.FLOW,
        tuple(flow_name(source, sink) for source in sources for sink in sinks),
        None if value is None else _text_test(value, value.fields((), _TEXT_KEYS)),
        args=tuple(args),
        least=_least(fields),
    )


def _words(item: Item, allowed: Iterable[str]) -> tuple[str, ...]:
    """One word out of *allowed*, or a list of them."""
    words = (item,) if item.is_text() else item.items()
    return tuple(dict.fromkeys(word.one_of(allowed) for word in words))


def _least(fields: Mapping[str, Item]) -> AtLeast:
    return AtLeast(
        count=fields["count"].number(1) if "count" in fields else 1,
        distinct=fields["distinct"].number(1) if "distinct" in fields else 1,
        kinds=fields["kinds"].number(1) if "kinds" in fields else 0,
    )


def _is_rare(fields: Mapping[str, Item]) -> bool:
    return "rare" in fields and fields["rare"].flag()


def _names(item: Item) -> tuple[str, ...]:
    names = item.texts()
    for name in names:
        if not _NAME.fullmatch(name):
            item.fail(
                f"{name!r} is not a dotted name like XMLHttpRequest.prototype.send or '*.ethereum.request'"
            )
        if not name.replace("*", "").strip("."):
            item.fail(f"{name!r} would match everything; name at least one part")
    return names


def _argument(item: Item) -> ArgumentTest:
    fields = item.fields(("at",), _ALL_KEYS)
    at = None if fields["at"].is_text() and fields["at"].one_of(("any",)) else fields["at"].number(0)
    return ArgumentTest(at, _text_test(item, fields))


def _text_test(
    item: Item, fields: Mapping[str, Item], keys: tuple[str, ...] = (*_TEXT_KEYS, "accepts")
) -> TextTest:
    given = [key for key in keys if key in fields]
    if not given:
        item.fail(f"say what the text has to be: one of {', '.join(keys)}")
    pattern = fields.get("matches")
    if pattern is not None:
        _check_pattern(pattern)
    return TextTest(
        equals=frozenset(fields["equals"].texts()) if "equals" in fields else frozenset(),
        contains=fields["contains"].texts() if "contains" in fields else (),
        matches=pattern.text() if pattern is not None else None,
        address=_kinds(fields.get("address")),
        accepts=_kinds(fields.get("accepts")),
        shell=_risks(fields.get("shell")),
    )


def _risks(item: Item | None) -> frozenset[ScriptRisk]:
    if item is None:
        return frozenset()
    entries = [item] if item.is_text() else item.items()
    return frozenset(ScriptRisk(entry.one_of(ScriptRisk)) for entry in entries)


def _check_pattern(item: Item) -> None:
    import re2  # noqa: PLC0415 - see compile_re2

    try:
        compile_re2(item.text())
    except re2.error as error:
        item.fail(f"not an RE2 pattern: {error}")


def _kinds(item: Item | None) -> frozenset[str]:
    if item is None:
        return frozenset()
    kinds: set[str] = set()
    for text in item.texts():
        if text in _KIND_GROUPS:
            kinds |= _KIND_GROUPS[text]
        elif text in KINDS:
            kinds.add(text)
        else:
            item.fail(f"{text!r} is no kind of address; write one of {', '.join((*_KIND_GROUPS, *KINDS))}")
    return frozenset(kinds)
