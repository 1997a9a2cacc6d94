"""What a ruleset asks of a package, so that another one can be held against it."""

from __future__ import annotations

import json
from hashlib import sha256

import msgspec

from npmguard.detect.clause import Clause, ClauseKind
from npmguard.detect.match import Matcher
from npmguard.detect.rule import Entry, Match, Rule, Ruleset, Runs, clauses_of

_NAMED = ("calls", "news", "writes", "reads", "shapes", "flows")
_DIGEST = 20


class Demand(msgspec.Struct, frozen=True):
    """The facts that a ruleset has drawn, and the conditions under which it has a file parsed.

    ``names`` holds a sorted list by kind, None for all of that kind. ``lengths`` are the least lengths of
    strings and of regular expressions. ``conditions`` are digests, one for each combination of a rule.
    ``rules`` are the ids of its rules.
    """

    names: dict[str, tuple[str, ...] | None]
    lengths: tuple[int, int]
    conditions: frozenset[str]
    rules: frozenset[str]

    def draws(self, other: Demand) -> bool:
        """Whether every fact that *other* asks for is drawn for this one too."""
        for kind, wanted in other.names.items():
            held = self.names.get(kind, ())
            if held is not None and (wanted is None or not set(wanted) <= set(held)):
                return False
        return all(mine <= its for mine, its in zip(self.lengths, other.lengths, strict=True))

    def parses(self, other: Demand) -> bool:
        """Whether every file that *other* has parsed is parsed for this one too, as far as can be told."""
        return other.conditions <= self.conditions


def demand_of(matcher: Matcher) -> Demand:
    """What the ruleset of *matcher* asks for."""
    interest, ruleset = matcher.interest, matcher.ruleset
    clauses = [each for signal in ruleset.signals.values() for each in clauses_of(signal.match)]
    tests = [each.value for each in clauses if each.kind is ClauseKind.STRING and each.value]
    names: dict[str, tuple[str, ...] | None] = {}
    for kind in _NAMED:
        wanted: frozenset[str] | None = getattr(interest, kind)
        names[kind] = None if wanted is None else tuple(sorted(wanted))
    names["equals"] = tuple(sorted(interest.string_values))
    names["contains"] = tuple(sorted({part for test in tests for part in test.contains}))
    asked = {
        "addresses": any(test.address for test in tests),
        "regexes": interest.regexes,
        "strings": interest.strings,
    }
    names["others"] = tuple(word for word, there in asked.items() if there)
    return Demand(
        names=names,
        lengths=(interest.string_length, interest.regex_length),
        # what an installation runs is always parsed
        conditions=frozenset(_condition(it, ruleset) for it in ruleset.rules if it.runs is not Runs.INSTALL),
        rules=frozenset(rule.id for rule in ruleset.rules),
    )


def _condition(rule: Rule, ruleset: Ruleset) -> str:
    plain = [rule.scope.value, _plain(rule.match, ruleset)]
    return sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:_DIGEST]


def _plain(entry: Entry, ruleset: Ruleset) -> object:
    """All that an entry asks for, signals written out; what must not be there selects no file."""
    if isinstance(entry, str):
        return _plain(ruleset.signals[entry].match, ruleset)
    if isinstance(entry, Match):
        return [[_plain(each, ruleset) for each in part] for part in (entry.all, entry.any)]
    return _clause(entry)


def _clause(clause: Clause) -> object:
    fields = (clause.kind, clause.names, clause.value, clause.written, clause.args, clause.least, clause.rare)
    return msgspec.to_builtins(fields, order="sorted")
