"""Rules and signals as data, read from their files by a loader that refuses what it does not know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from npmguard import __version__
from npmguard.detect.clause import Clause, ClauseKind, read_clause
from npmguard.detect.ruleset import SUFFIX, digest_of, rule_files
from npmguard.detect.yaml_items import Item, read_yaml
from npmguard.errors import RuleError
from npmguard.model import Confidence, Severity

EXAMPLES_A_SIDE = 2
"""How many examples of each side a rule or signal has at least."""


class Scope(StrEnum):
    """How near to each other the signals of a rule have to be."""

    FUNCTION = "function"  # in what the function of the first signal of `all` can reach
    FILE = "file"
    PACKAGE = "package"


class Runs(StrEnum):
    """When the code has to run for a rule to hold."""

    ANY = "any"  # whenever that is
    INSTALL = "install"  # in a file that npm runs when it installs the package


@dataclass(frozen=True, slots=True)
class Match:
    """A combination: every entry of ``all``, one of ``any`` (where there are some), none of ``none``.

    An entry is a signal's id, a clause or another combination.
    """

    all: tuple[Entry, ...] = ()
    any: tuple[Entry, ...] = ()
    none: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries in order."""
        return (*self.all, *self.any, *self.none)


Entry = str | Clause | Match


@dataclass(frozen=True, slots=True)
class Example:
    """A piece of a package: the files by path, and those of the version before it where it has one."""

    name: str
    files: Mapping[str, str] = field(repr=False)
    before: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Signal:
    """A neutral pattern over facts or the manifest; never reported alone."""

    id: str
    path: str
    title: str
    description: str
    match: Match
    matching: tuple[Example, ...] = field(repr=False)
    not_matching: tuple[Example, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """A combination of signals that yields a finding."""

    id: str
    path: str
    family: str
    title: str
    severity: Severity
    confidence: Confidence
    description: str
    false_positives: str
    remediation: str
    scope: Scope
    added: bool
    introduced: bool
    match: Match
    references: tuple[str, ...]
    matching: tuple[Example, ...] = field(repr=False)
    not_matching: tuple[Example, ...] = field(repr=False)
    runs: Runs = Runs.ANY


@dataclass(frozen=True, slots=True, eq=False)
class Ruleset:
    """All rules and signals in force, sorted by id; ``digest`` is what two rulesets are compared by."""

    rules: tuple[Rule, ...]
    signals: Mapping[str, Signal]
    digest: str


def load_ruleset(extra_folders: Iterable[str] = ()) -> Ruleset:
    """Load the rules that come with npmguard, and those of *extra_folders*.

    Raises:
        RuleError: a file does not keep the format, two files have the same id, a signal is not defined or
            uses itself; names file and line, and says what to write.
    """
    files = rule_files(extra_folders)
    rules: dict[str, Rule] = {}
    signals: dict[str, Signal] = {}
    items: dict[str, Item] = {}
    for path, content in files:
        item = read_yaml(str(path), content)
        loaded = read_rule(path, item)
        if loaded.id in items:
            item.fail(f"{loaded.id!r} is defined in {items[loaded.id].file} too; rename one of them")
        items[loaded.id] = item
        if isinstance(loaded, Rule):
            rules[loaded.id] = loaded
        else:
            signals[loaded.id] = loaded
    _check_references(rules, signals, items)
    return Ruleset(
        rules=tuple(rules[key] for key in sorted(rules)),
        signals=MappingProxyType({key: signals[key] for key in sorted(signals)}),
        digest=digest_of(files),
    )


def uses(match: Match) -> tuple[str, ...]:
    """The ids of the signals that a combination names, in order, without those that they name in turn."""
    found: list[str] = []
    for entry in match.entries:
        if isinstance(entry, str):
            found.append(entry)
        elif isinstance(entry, Match):
            found.extend(uses(entry))
    return tuple(dict.fromkeys(found))


def clauses_of(match: Match) -> tuple[Clause, ...]:
    """The clauses that stand in a combination itself."""
    found: list[Clause] = []
    for entry in match.entries:
        if isinstance(entry, Clause):
            found.append(entry)
        elif isinstance(entry, Match):
            found.extend(clauses_of(entry))
    return tuple(found)


# --- reading ---------------------------------------------------------------------------------------------

_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_KINDS = ("rule", "signal")
_RULE_KEYS = (
    *("id", "kind", "title", "severity", "confidence", "description", "false_positives", "remediation"),
    *("scope", "match", "examples"),
)
_RULE_OPTIONAL = ("requires", "added", "introduced", "references", "runs")
_SIGNAL_KEYS = ("id", "kind", "title", "description", "match", "examples")
_MATCH_KEYS = ("all", "any", "none")


def read_rule(path: Path, item: Item) -> Rule | Signal:
    """Read one file's document.

    Raises:
        RuleError: as :func:`load_ruleset`, as far as one file can tell.
    """
    kind = item.value.get("kind") if isinstance(item.value, Mapping) else None
    if kind is None:
        item.fail("'kind' is missing; add kind: rule or kind: signal")
    if kind.one_of(_KINDS) == "signal":
        fields = item.fields(_SIGNAL_KEYS, ("requires",))
        _check_head(path, fields)
        matching, not_matching = _examples(fields["examples"])
        return Signal(
            id=fields["id"].text(),
            path=str(path),
            title=fields["title"].text(),
            description=fields["description"].text(),
            match=_match(fields["match"], clauses=True),
            matching=matching,
            not_matching=not_matching,
        )
    fields = item.fields(_RULE_KEYS, _RULE_OPTIONAL)
    _check_head(path, fields)
    matching, not_matching = _examples(fields["examples"])
    scope = Scope(fields["scope"].one_of(Scope))
    match = _match(fields["match"], clauses=False)
    if scope is Scope.FUNCTION and not (match.all and isinstance(match.all[0], str)):
        fields["match"].fail("scope: function starts from the first entry of `all`; put a signal's id there")
    runs = Runs(fields["runs"].one_of(Runs)) if "runs" in fields else Runs.ANY
    if runs is Runs.INSTALL and scope is Scope.PACKAGE:
        fields["runs"].fail("runs: install is about single files; write scope: file or scope: function")
    added = fields["added"].flag() if "added" in fields else False
    introduced = fields["introduced"].flag() if "introduced" in fields else False
    for key, compares in (("added", added), ("introduced", introduced)):
        if compares and not any(example.before is not None for example in matching):
            fields["examples"].fail(f"{key}: true compares versions; give an example that matches its `before`")
    return Rule(
        id=fields["id"].text(),
        path=str(path),
        family=path.parent.name,
        title=fields["title"].text(),
        severity=Severity(fields["severity"].one_of(Severity)),
        confidence=Confidence(fields["confidence"].one_of(Confidence)),
        description=fields["description"].text(),
        false_positives=fields["false_positives"].text(),
        remediation=fields["remediation"].text(),
        scope=scope,
        added=added,
        introduced=introduced,
        match=match,
        references=_references(fields.get("references")),
        matching=matching,
        not_matching=not_matching,
        runs=runs,
    )


def _check_head(path: Path, fields: Mapping[str, Item]) -> None:
    stem = path.name.removesuffix(SUFFIX)
    if not _ID.fullmatch(fields["id"].text()):
        fields["id"].fail(
            "an id has small letters, digits and hyphens; write one like address-swap-in-clipboard"
        )
    if fields["id"].text() != stem:
        fields["id"].fail(f"the id is {fields['id'].text()!r} and the file is {path.name}; make both the same")
    requires = fields.get("requires")
    if requires is None:
        return
    try:
        wanted = SpecifierSet(requires.text())
    except InvalidSpecifier:
        requires.fail(f'{requires.text()!r} is not a version specifier; write one like ">=0.1"')
    if not wanted.contains(Version(__version__), prereleases=True):
        requires.fail(f"needs npmguard {wanted}, and this is {__version__}; install a version that fits")


def _references(item: Item | None) -> tuple[str, ...]:
    if item is None:
        return ()
    for entry in item.items():
        if not entry.text().startswith("https://"):
            entry.fail("a reference is an https:// address")
    return item.texts()


def _match(item: Item, *, clauses: bool) -> Match:
    fields = item.fields((), _MATCH_KEYS)
    if not ("all" in fields or "any" in fields):
        item.fail("write `all` or `any` here; `none` alone would match almost everything")
    lists = {key: tuple(_entry(entry, clauses=clauses) for entry in fields[key].items()) for key in fields}
    return Match(**lists)


def _entry(item: Item, *, clauses: bool) -> Entry:
    if item.is_text():
        return item.text()
    if not isinstance(item.value, Mapping):
        item.fail("an entry is a signal's id, or a mapping")
    if item.value and all(key in _MATCH_KEYS for key in item.value):
        return _match(item, clauses=clauses)
    if not clauses:
        item.fail("a rule combines signals: write a signal's id, or a mapping with all, any and none")
    if len(item.value) != 1:
        item.fail("an entry has one clause; make each clause an entry of its own")
    ((key, value),) = item.value.items()
    try:
        kind = ClauseKind(key)
    except ValueError:
        item.fail(f"{key!r} is no clause; write one of {', '.join(ClauseKind)}, or all, any, none")
    return read_clause(kind, value)


def _examples(item: Item) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    fields = item.fields(("match", "no_match"))
    for key, entry in fields.items():
        if len(entry.items()) < EXAMPLES_A_SIDE:
            entry.fail(f"{key} has {len(entry.items())} example; give at least {EXAMPLES_A_SIDE}")
    names: set[str] = set()
    sides: dict[str, tuple[Example, ...]] = {}
    for key, entry in fields.items():
        sides[key] = tuple(map(_example, entry.items()))
        for example, place in zip(sides[key], entry.items(), strict=True):
            if example.name in names:
                place.fail(f"two examples are named {example.name!r}; give each its own name")
            names.add(example.name)
    return sides["match"], sides["no_match"]


def _example(item: Item) -> Example:
    fields = item.fields(("name",), ("code", "files", "before"))
    if ("code" in fields) == ("files" in fields):
        item.fail("give the example either `code`, or `files` by path")
    files = {"index.js": fields["code"].text()} if "code" in fields else _files(fields["files"])
    before = fields.get("before")
    if before is None:
        return Example(fields["name"].text(), files)
    old = {"index.js": before.text()} if before.is_text() else _files(before)
    return Example(fields["name"].text(), files, old)


def _files(item: Item) -> dict[str, str]:
    if not isinstance(item.value, Mapping) or not item.value:
        item.fail("write a mapping from path to text")
    return {path: text.text() for path, text in item.value.items()}


# --- checks over all files -------------------------------------------------------------------------------


def _check_references(
    rules: Mapping[str, Rule], signals: Mapping[str, Signal], items: Mapping[str, Item]
) -> None:
    matches = {signal.id: signal.match for signal in signals.values()}
    matches |= {rule.id: rule.match for rule in rules.values()}
    for key, match in matches.items():
        for name in uses(match):
            if name not in signals:
                raise RuleError(
                    f"{items[key].file}:{_line_of(items[key], name)}: no signal is named {name!r};"
                    f" define it in a file {name}{SUFFIX}, or mend the spelling"
                )
    for signal in signals.values():
        _check_cycle(signal.id, (), signals, items)
    for rule in rules.values():
        if rule.scope is not Scope.PACKAGE:
            for name in uses(rule.match):
                if _asks_manifest(signals[name], signals):
                    raise RuleError(
                        f"{rule.path}:{_line_of(items[rule.id], name)}: {name!r} looks at package.json,"
                        " which is in no file or function; write scope: package"
                    )


def _check_cycle(
    name: str, above: tuple[str, ...], signals: Mapping[str, Signal], items: Mapping[str, Item]
) -> None:
    if name in above:
        circle = " -> ".join((*above[above.index(name) :], name))
        raise RuleError(
            f"{signals[name].path}:{_line_of(items[name], 'match')}: signals use each other in a circle"
            f" ({circle}); take one of them out"
        )
    for used in uses(signals[name].match):
        _check_cycle(used, (*above, name), signals, items)


def _asks_manifest(signal: Signal, signals: Mapping[str, Signal]) -> bool:
    return any(clause.kind is ClauseKind.MANIFEST for clause in clauses_of(signal.match)) or any(
        _asks_manifest(signals[name], signals) for name in uses(signal.match)
    )


def _line_of(item: Item, text: str) -> int:
    """The line of the first key or string *text* inside *item*, or the item's own."""
    if isinstance(item.value, str):
        return item.line if item.value == text else 0
    children = item.value.items() if isinstance(item.value, Mapping) else (("", child) for child in item.value)
    for key, child in children:
        line = child.line if key == text else _line_of(child, text)
        if line:
            return line
    return 0
