r"""Which files of a package are worth parsing, decided over their raw bytes.

The conditions are made from the rules themselves, over some 2,700 patterns that one pass of Vectorscan finds.
Each clause asks for bytes without which it cannot hold, and a rule combines them as it combines its signals.
There are two sorts of clause:

* *names* (``write: fetch``, ``string: {equals: eth_sendTransaction}``): the words have to be there;
* *evidence*: a wallet address with a right checksum, found by one RE2 pass, or what every pattern for
  addresses has in it.

Code can hide either sort by building strings at run time. So a rule is possible in a file when one half is
there in the clear and the other is taken for granted, or when the text that the file could make of its own
literals (:mod:`npmguard.detect.unfold`) has what is asked; and a file that looks machine-obfuscated is
always parsed. Files use each other's addresses, so where one file of a package has any, every file that
builds strings is parsed. A rule for a whole package is possible when its files together have what it asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from npmguard.detect.circuit import FALSE, TRUE, Circuit, Condition
from npmguard.detect.clause import Clause, ClauseKind, TextTest
from npmguard.detect.cross_files import between
from npmguard.detect.hiding import EVALUATION, HIDING, SHAPE_MARKS
from npmguard.detect.patterns import Patterns
from npmguard.detect.rule import Entry, Match, Rule, Ruleset, Runs, Scope, clauses_of, uses
from npmguard.detect.seldom import HAS_ADDRESS, HAS_PATTERN, OUT_OF_SIGHT, PUSHED, SCREENS, seldom_held
from npmguard.detect.seldom import NAMES as SELDOM
from npmguard.detect.shape_marks import SHAPE_GROUPS
from npmguard.detect.unfold import Means, unfold
from npmguard.javascript.flow_marks import Mark, MarkKind, Marks, sink_marks, source_marks
from npmguard.javascript.flow_words import FLOW_TARGET, RARE_SOURCES, Source, flow_of

_SHORTEST_ATOM = 3
_SHORT_WORD = 4
_WORD = re.compile(r"\w")
_NO_ATOM = frozenset({"prototype", "?", "this", "[]", ""})

# The marks of machine-made obfuscation, whatever its names are: a table of strings behind a function which
# replaces itself, characters computed by arithmetic, packers, code in six characters, a decoder's alphabet,
# an order of statements kept as text, traps for those who format or debug it.
_NAME = r"[\w$]{1,40}"
_GAP = r"\s{0,9}"
_REPLACES_ITSELF = (
    rf"{_GAP}\(?{_GAP}{_NAME}{_GAP}={_GAP}function{_GAP}\({_GAP}\){_GAP}"
    rf"\{{{_GAP}return\s{{1,9}}{_NAME};?{_GAP}\}}"
    rf"{_GAP}(\){_GAP}\({_GAP}\)|[,;]{_GAP}(return\s{{1,9}})?{_NAME}{_GAP}\({_GAP}\))"
)
_OBFUSCATION = (
    r"/_0x[0-9a-f]{4,6}/",
    rf"/[;{{}}(]({_GAP}return)?{_REPLACES_ITSELF}/",
    rf"/from(CharCode|CodePoint)[\"'`]?{_GAP}\]?{_GAP}\(([^()\n;]|\([^()\n;]*\))*\^/",
    r"/charCodeAt\([^)\n]{0,30}\)\s*\^/",
    rf"/parseInt{_GAP}\([^\n;]{{1,60}},{_GAP}(16|0x10){_GAP}\){_GAP}\^/",
    rf"/\[[\w$ ]{{1,40}}\]{_GAP}\^=?{_GAP}[\w$.]{{1,40}}\[[^\]\n]{{1,20}}%/",
    rf"/\beval{_GAP}\({_GAP}\(?{_GAP}function\b/",
    r"/\(!{1,2}\[\]\+(\[\]|[\"'`]{2})\)|(\+!\+\[\]){3}|(\+!!\[\]){3}/",
    r"/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\+\//",
    r"/[\"'`][0-9]{1,2}\|[0-9]{1,2}\|[0-9]{1,2}[0-9|]{0,200}[\"'`]/",
    r"/\(\(\(\.\+\)\+\)\+\)\+\$/",
    r"/[\"'`]debu[\"'`]/",
    rf"/\[{_GAP}[\"'`]constructor[\"'`]{_GAP}\]{_GAP}\[{_GAP}[\"'`]constructor[\"'`]/",
)
# A table of strings that is turned until a sum over it is right, or a given number of times.
_PUSH = r"(push|\\x70\\x75\\x73\\x68|\\u0070\\u0075\\u0073\\u0068)"
_SHIFT = r"(shift|\\x73\\x68\\x69\\x66\\x74|\\u0073\\u0068\\u0069\\u0066\\u0074)"
_END = rf"[\"'`]?{_GAP}\]?{_GAP}"
_ROTATION = (rf"/[.`'\"]{_PUSH}{_END}\({_GAP}{_NAME}{_GAP}[.\[]{_GAP}[\"'`]?{_SHIFT}{_END}\({_GAP}\){_GAP}\)/",)
_TURNED = (r"/parseInt\(/", r"/while\s{0,9}\(\s{0,9}--/")
# What code builds strings with at run time.
_MEANS = {
    Means.ESCAPES: (r"/\\(x[2-7][0-9a-fA-F]|u00[2-7]|u\{0{0,4}[2-7])/", r"/\\\r?\n/"),
    Means.JOINTS: (r"/[\"'`]\s*\+\s*([0-9]{1,3}\s*\+\s*)?[\"'`]/",),
    Means.ARRAYS: (r"/\b(join|concat)\b/",),
    Means.CODES: (
        r"/[\[(]\s*([2-9][0-9]|1[0-2][0-9]|0x[2-7][0-9a-fA-F])\s*,\s*([2-9][0-9]|1[0-2][0-9]|0x[2-7])/",
    ),
    Means.ENCODED: (r"/atob|[\"'`](base64|base64url|hex)[\"'`]/",),
    Means.REVERSED: (r"/reverse[\"'`]?\s*\]?\s*\(\s*\)\s*(\.|\[)\s*[\"'`]?join/",),
}


class Prefilter:
    """The byte conditions of a ruleset; compiled when the first file is looked at."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset

    def compiled(self) -> bytes:
        """The compiled patterns, for :meth:`take` of a prefilter of the same ruleset in another process."""
        return self._conditions.patterns.compiled()

    def take(self, compiled: bytes) -> bool:
        """Use patterns that were compiled before; False, and nothing is changed, where they are refused.

        The bytes are believed: whoever hands them in knows that they are those of :meth:`compiled`, made of
        the same ruleset by the same Vectorscan.
        """
        return self._conditions.patterns.take(compiled)

    def select(self, files: Iterable[tuple[str, bytes]]) -> frozenset[str]:
        """The paths of those of one package's source *files* (path, content) in which a rule is possible."""
        selected: set[str] = set()
        building: set[str] = set()
        contents: dict[str, bytes] = {}
        ends: dict[str, set[str]] = {_FLOW_FROM: set(), _FLOW_TO: set()}
        paths: list[str] = []
        together: set[str] = set()
        addresses: set[str] = set()
        for path, content in files:
            fired, found = self._look(content)
            paths.append(path)
            contents[path] = content
            for end, held in ends.items():
                if end in fired:
                    held.add(path)
            together |= fired
            addresses |= found
            if _POSSIBLE in fired:
                selected.add(path)
            elif not fired.isdisjoint(Means):
                building.add(path)
        if addresses:
            selected |= building  # the file that uses them may hide what it does
        if len(selected) < len(paths) and self._possible_over(together, len(addresses)):
            return frozenset(paths)
        return frozenset(selected) | between(contents, ends[_FLOW_FROM], ends[_FLOW_TO])

    def _look(self, content: bytes) -> tuple[frozenset[str], frozenset[str]]:
        """The conditions that hold for one file as it stands or with what it could build, and its addresses."""
        fired, addresses = self._scan(content)
        means = frozenset(each for each in Means if each in fired)
        if _CERTAIN in fired:
            return fired, addresses
        fired, addresses, built = self._with_built(content, means, fired, addresses)
        if len(content) > _WINDOW and _POSSIBLE in fired and _CERTAIN not in fired:
            most = built.union(fired.intersection(SELDOM))
            near = any(self._possible_in(window, means, most) for window in _windows(content))
            fired = fired if near else fired - {_POSSIBLE}
        return fired, addresses

    def _with_built(
        self, content: bytes, means: frozenset[Means], fired: frozenset[str], addresses: frozenset[str]
    ) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """What holds for *content* with the texts that it could make of its literals, and for these alone."""
        if not means or (_POSSIBLE in fired and len(content) <= _WINDOW):
            return fired, addresses, frozenset()
        text = unfold(content, means)
        if not text:
            return fired, addresses, frozenset()
        text = b"\n" + text  # each thing that is built stands in a line of its own
        built, others = self._scan(text)
        known, fired = fired, fired | built
        if _WORDS in built and _CERTAIN not in built and not built <= known:
            # one half of a name may be built, the other be there; each alone has told what it has
            end = content[max(len(content.rstrip()) - _ACROSS, 0) :] + text
            held = self._conditions.patterns.holding(end)
            held.update(fired)
            more, across = self._told(held, end)
            return more, addresses | others | across, built
        return fired, addresses | others, built

    def _possible_in(self, window: bytes, means: frozenset[Means], most: frozenset[str]) -> bool:
        """Whether a rule is possible in a part of a large file, by what stands in that part.

        *most* is what few files have and this one has, and what the texts have that it could make: a part can
        have no more of either.
        """
        held = self._conditions.patterns.holding(window)
        if _POSSIBLE not in self._conditions.circuit.holding(held | most):
            return False
        fired, addresses = self._told(held, window)
        return _POSSIBLE in fired or _POSSIBLE in self._with_built(window, means, fired, addresses)[0]

    def _scan(self, content: bytes) -> tuple[frozenset[str], frozenset[str]]:
        return self._told(self._conditions.patterns.holding(content), content)

    def _told(self, held: set[str], content: bytes) -> tuple[frozenset[str], frozenset[str]]:
        """All that holds for *content*, which has the patterns *held*."""
        seldom, addresses = seldom_held(content)
        held.update(seldom)
        held.update(self._conditions.circuit.holding(held))
        return frozenset(held), addresses

    def _possible_over(self, together: set[str], addresses: int) -> bool:
        """Whether what is possible in any of the files of a package makes a rule for packages possible."""

        def known(name: str) -> bool:
            return _rule_name(name) in together and self._addresses_asked(name) <= addresses

        return any(
            _holds(rule.match, known)
            for rule in self._ruleset.rules
            if rule.scope is Scope.PACKAGE and self._asks_of_code(rule.match)
        )

    def _asks_of_code(self, match: Match) -> bool:
        """Whether a combination asks anything of files that are parsed, not of the manifest alone."""
        kinds = {clause.kind for clause in clauses_of(match)}
        return bool(kinds - {ClauseKind.MANIFEST}) or any(
            self._asks_of_code(self._ruleset.signals[name].match) for name in uses(match)
        )

    def _addresses_asked(self, signal: str) -> int:
        """How many different addresses a signal needs; 0 where it can hold without any."""
        match = self._ruleset.signals[signal].match
        asked = [
            clause.least.distinct
            for clause in clauses_of(match)
            if clause.value is not None and clause.value.address
        ]
        return min(asked, default=0) if len(asked) == len(match.entries) else 0

    @cached_property
    def _conditions(self) -> Conditions:
        return conditions_of(self._ruleset)


def _windows(content: bytes) -> Iterator[bytes]:
    """Overlapping parts of a large file."""
    for start in range(0, len(content), _STEP):
        yield content[start : start + _WINDOW]


class Conditions(NamedTuple):
    """What is asked of a file's bytes: ``possible``, one condition for each package signal, and others.

    The ``circuit`` names the ``patterns`` that it is about, and what else is told of a file.
    """

    circuit: Circuit
    patterns: Patterns


def conditions_of(ruleset: Ruleset) -> Conditions:
    """The conditions made from the rules."""
    circuit = Circuit()
    atoms = _Atoms(circuit)
    trees = _Trees(ruleset, atoms)
    conditions = [
        atoms.any_of(_OBFUSCATION),
        circuit.all_of([atoms.any_of(_ROTATION), atoms.any_of(_TURNED)]),
        circuit.all_of([atoms.any_of(EVALUATION), atoms.any_of(HIDING)]),
    ]
    certain = list(conditions)
    signals: set[str] = set()
    for rule in ruleset.rules:
        if rule.scope is Scope.PACKAGE:
            signals.update(uses(rule.match))
        elif rule.runs is not Runs.INSTALL:  # what runs at installation is little, and all of it is parsed
            conditions.append(trees.possible(rule))
            certain.append(trees.certain(rule))
    circuit.label(_POSSIBLE, circuit.any_of(conditions))
    circuit.label(_CERTAIN, circuit.any_of(certain))
    for name in sorted(signals):
        circuit.label(_rule_name(name), trees.signal(name, _LOOSE, assume=False))
    circuit.label(_WORDS, circuit.any_of(trees.words))
    for label, condition in trees.ends(ruleset):
        circuit.label(label, condition)
    for means, patterns in _MEANS.items():
        circuit.label(means, atoms.any_of(patterns))
    return Conditions(circuit, atoms.patterns())


_WORDS = "words"  # any word of any name that is asked for anywhere in a file
_POSSIBLE = "possible"
_CERTAIN = "certain"  # possible, wherever in the file the words for it stand
# A large file holds every everyday word somewhere. There, words count together that stand within a window; what
# is rare (addresses, their patterns, an obfuscator's marks, files of secrets) counts wherever it stands.
_WINDOW = 64 * 1024
_STEP = 48 * 1024
_ACROSS = 4 * 1024  # bytes of a file that a pattern may have before what is built
_FLOW_FROM, _FLOW_TO = "flow_from", "flow_to"  # one end of a flow that may go through several files
_SPELLED = frozenset({Source.FORM_INPUT, Source.FILE})  # what is told of them stands in the code
_ASSUMED, _LOOSE, _TIGHT = "assumed", "loose", "tight"


class _Trees:
    """Conditions over bytes in the shape of rules and signals.

    ``names`` says how the names of a clause are asked for: not at all, anywhere in the file, or where they are
    written or called. ``assume`` takes evidence for granted.
    """

    def __init__(self, ruleset: Ruleset, atoms: _Atoms) -> None:
        self.words: set[Condition] = set()
        self._rare_only = False
        self._signals = ruleset.signals
        self._atoms = atoms
        self._circuit = atoms.circuit

    def certain(self, rule: Rule) -> Condition:
        """As :meth:`possible`, by what is rare: evidence, or a flow from a source that few files have."""
        evidence = self.match(rule.match, _ASSUMED, assume=False)
        if evidence != TRUE:
            return self.possible(rule)
        if not self._flows(rule.match):
            return FALSE
        self._rare_only = True
        try:
            return self.match(rule.match, _LOOSE, assume=False)
        finally:
            self._rare_only = False

    def _flows(self, match: Match) -> bool:
        """Whether a combination asks where a value goes."""
        return any(clause.kind is ClauseKind.FLOW for clause in clauses_of(match)) or any(
            self._flows(self._signals[name].match) for name in uses(match)
        )

    def possible(self, rule: Rule) -> Condition:
        """One half in the clear is enough: evidence, or names that are written or called."""
        evidence = self.match(rule.match, _ASSUMED, assume=False)
        if evidence == TRUE:
            return self.match(rule.match, _LOOSE, assume=False)
        names = self.match(rule.match, _TIGHT, assume=True)
        return evidence if names == TRUE else self._circuit.any_of([evidence, names])

    def match(self, match: Match, names: str, *, assume: bool) -> Condition:
        needed = [self._entry(entry, names, assume=assume) for entry in match.all]
        if match.any:
            needed.append(
                self._circuit.any_of([self._entry(entry, names, assume=assume) for entry in match.any])
            )
        return self._circuit.all_of(needed)

    def signal(self, name: str, names: str, *, assume: bool) -> Condition:
        return self.match(self._signals[name].match, names, assume=assume)

    def _entry(self, entry: Entry, names: str, *, assume: bool) -> Condition:
        if isinstance(entry, str):
            return self.signal(entry, names, assume=assume)
        if isinstance(entry, Match):
            return self.match(entry, names, assume=assume)
        if entry.kind is ClauseKind.SHAPE and entry.names == (OUT_OF_SIGHT,):
            return self._circuit.name(PUSHED)
        if entry.kind is ClauseKind.SHAPE and all(name in SHAPE_MARKS for name in entry.names):
            return self._atoms.any_of(mark for name in entry.names for mark in SHAPE_MARKS[name])
        if entry.kind is ClauseKind.SHAPE and all(name in SHAPE_GROUPS for name in entry.names):
            if names == _ASSUMED:
                return TRUE  # words, and no evidence
            marks = [mark for name in entry.names for group in SHAPE_GROUPS[name] for mark in group]
            self.words.update(map(self._atoms.pattern, marks))
            shapes = [[self._atoms.any_of(group) for group in SHAPE_GROUPS[name]] for name in entry.names]
            return self._circuit.any_of([self._circuit.all_of(groups) for groups in shapes])
        if assume and (entry.rare or (entry.args and self._evidence(entry) != TRUE)):
            return FALSE  # known by its evidence alone: its name (replace), or the rest, is everyday words
        named = TRUE if names == _ASSUMED else self._names(entry, tight=names == _TIGHT)
        return named if assume else self._circuit.all_of([named, self._evidence(entry)])

    def _names(self, clause: Clause, *, tight: bool) -> Condition:
        if clause.kind is ClauseKind.STRING and clause.value is not None:
            wholes = [text for text in sorted(clause.value.equals) if len(text) >= _SHORTEST_ATOM]
            parts = [text for text in clause.value.contains if len(text) >= _SHORTEST_ATOM]
            self.words.update([*map(self._atoms.word, wholes), *map(self._atoms.text, parts)])
            return self._literals(clause.value, quoted=False)
        if clause.kind is ClauseKind.FLOW:
            return self._flow(clause, tight=tight)
        if clause.kind in (ClauseKind.SHAPE, ClauseKind.MANIFEST, ClauseKind.STRING, ClauseKind.REGEX):
            return TRUE
        arguments = [self._literals(test.text, quoted=True) for test in clause.args]
        return self._circuit.all_of(
            [self._circuit.any_of([self._name(clause, name, tight=tight) for name in clause.names]), *arguments]
        )

    def _flow(self, clause: Clause, *, tight: bool) -> Condition:
        """The marks of one of the sources, and of one of the sinks that it is asked to reach."""
        sinks: dict[Source, list[Condition]] = {}
        for source, sink in map(flow_of, clause.names):
            if self._rare_only and source not in RARE_SOURCES:
                continue
            sinks.setdefault(source, []).append(self._marks(sink_marks(sink), tight=tight))
        value = clause.value
        told = None if value is None else lambda text: value.test(text) is not None
        targets = [self._literals(each.text, quoted=False) for each in clause.args if each.at == FLOW_TARGET]
        if value is not None and _SPELLED.issuperset(sinks):
            targets.append(self._literals(value, quoted=False))
        ends = [
            self._circuit.all_of(
                [self._marks(source_marks(source, told), tight=tight), self._circuit.any_of(found)]
            )
            for source, found in sinks.items()
        ]
        return self._circuit.all_of([*targets, self._circuit.any_of(ends)])

    def ends(self, ruleset: Ruleset) -> list[tuple[str, Condition]]:
        """The marks of the sources that are rare, and of the sinks that rules ask whether they reach."""
        clauses = [each for signal in ruleset.signals.values() for each in clauses_of(signal.match)]
        flows = [flow_of(name) for each in clauses if each.kind is ClauseKind.FLOW for name in each.names]
        rare = [(source, sink) for source, sink in flows if source in RARE_SOURCES]
        sources = [
            self._marks(source_marks(source), tight=True) for source in sorted({each for each, _ in rare})
        ]
        sinks = [self._marks(sink_marks(sink), tight=True) for sink in sorted({each for _, each in rare})]
        return [(_FLOW_FROM, self._circuit.any_of(sources)), (_FLOW_TO, self._circuit.any_of(sinks))]

    def _marks(self, marks: Marks, *, tight: bool) -> Condition:
        groups = []
        for group in marks:
            patterns = [self._atoms.mark(each) for each in group]
            if not tight:
                self.words.update(patterns)
            groups.append(self._circuit.any_of(patterns))
        return self._circuit.all_of(groups)

    def _name(self, clause: Clause, name: str, *, tight: bool) -> Condition:
        parts = [part for part in re.split(r"[.*/]", name) if part not in _NO_ATOM]
        needed = [self._atoms.word(part) for part in parts if len(part) >= _SHORTEST_ATOM]
        if clause.kind is ClauseKind.WRITE and needed and name.rpartition(".")[2] == parts[-1]:
            needed[-1] = self._written(parts[-1], needed[-1])
        if not tight:
            self.words.update(needed)
        if tight and (patterns := _in_use(clause, name)):
            needed.append(self._atoms.any_of(patterns))
        return self._circuit.all_of(needed)

    def _written(self, name: str, word: Condition) -> Condition:
        """Where a member of that name may be written: by assignment, by its name in quotes, from an object."""
        spelled = _escaped(name)
        return self._circuit.any_of(
            [
                self._atoms.pattern(rf"/\b{spelled}[\"'`]?\s*\]?\s*(\|\||&&|\?\?|\+)?=[^=>]/"),
                self._atoms.literal(name),
                self._circuit.all_of([word, self._atoms.pattern(r"/\bassign\s*\(|definePropert/")]),
            ]
        )

    def _evidence(self, clause: Clause) -> Condition:
        tests = [test.text for test in clause.args]
        if clause.value is not None:
            tests.append(clause.value)
        needed = [self._circuit.name(HAS_ADDRESS)] if clause.kind is ClauseKind.SHAPE and clause.rare else []
        for test in tests:
            if test.address:
                needed.append(self._circuit.name(HAS_ADDRESS))
            if test.accepts:
                needed.append(self._circuit.name(HAS_PATTERN))
        return self._circuit.all_of(needed)

    def _literals(self, test: TextTest, *, quoted: bool) -> Condition:
        needed = []
        for alternatives, whole in ((sorted(test.equals), quoted), (test.contains, False)):
            if alternatives:
                usable = all(len(text) >= _SHORTEST_ATOM for text in alternatives)
                spelled = self._atoms.text if alternatives is test.contains else self._atoms.word
                texts = [self._atoms.literal(text) if whole else spelled(text) for text in alternatives]
                needed.append(self._circuit.any_of(texts) if usable else TRUE)
        return self._circuit.all_of(needed)


class _Atoms:
    """The byte patterns asked for, each once, so that it is known which of them a file has."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self._names: dict[str, str] = {}

    def text(self, text: str) -> Condition:
        """That text, anywhere."""
        return self.pattern(f"/{_escaped(text)}/")

    def word(self, text: str) -> Condition:
        """That identifier, not as a part of a longer one; data is full of any three letters in a row."""
        if len(text) < _SHORT_WORD:
            return self.pattern(rf"/[.\s\"'`]{_escaped(text)}/")
        before, after = (r"\b" if _WORD.match(edge) else "" for edge in (text[0], text[-1]))
        return self.pattern(f"/{before}{_escaped(text)}{after}/")

    def literal(self, text: str) -> Condition:
        """That text in quotes."""
        return self.pattern(f"/[\"'`]{_escaped(text)}[\"'`]/")

    def mark(self, mark: Mark) -> Condition:
        """What a source or sink of a flow has in the clear."""
        if mark.kind is MarkKind.PATTERN:
            return self.pattern(f"/{mark.text}/")
        if mark.kind is MarkKind.MODULE:
            name, end = rf"[\"'`](node:)?{_escaped(mark.text)}", rf"(\/[^\"'`\n]*)?[\"'`]{_GAP}"
            built = rf"/\n{name}[\"'`](\n|$)/"
            return self.any_of([rf"/\({_GAP}{name}{end}\)/", rf"/(from|import){_GAP}{name}[\"'`\/]/", built])
        return self.word(mark.text)

    def any_of(self, patterns: Iterable[str]) -> Condition:
        return self.circuit.any_of([self.pattern(pattern) for pattern in patterns])

    def pattern(self, pattern: str) -> Condition:
        """Any pattern."""
        if pattern in SCREENS.names:
            return self.circuit.name(SCREENS.names[pattern])
        return self.circuit.name(self._names.setdefault(pattern, f"pattern_{len(self._names)}"))

    def patterns(self) -> Patterns:
        """All that were asked for."""
        return Patterns(self._names)


_DOT = r"[\"'`]?\s*\]?\s*(\?\.|\.|\[)\s*[\"'`]?"
# What is assigned, and is not just a short text or nothing to the end of the statement, nor one of two short
# texts, which is no hook. What goes on after one (``null || hook``) may be.
_TEXT = r"[\"'`][^\"'`\n]{0,8}[\"'`]"
_GOES_ON = r"\s*[^;,)}\]\s]"
_LONG = r"[\"'`][^\"'`\n]{9}"
_OTHER = rf":\s*([^\"'`\s]|{_LONG}|{_TEXT}{_GOES_ON})"
_NO_CHOICE = rf"([^\"'`\s]|{_LONG}|{_TEXT}\s*([^:\s]|{_OTHER}))"
_GIVEN = (
    r"\s*([^=>\s\"'`\w$]|v[^o]|vo[^i]|voi[^d]|void\s*([^0\s]|0"
    + _GOES_ON
    + r")|n[^u]|nu[^l]|nul[^l]|null([\w$]|"
    + _GOES_ON
    + r")|[a-mo-uw-zA-Z0-9_$][\w$.]*(\s*[^\w$.?\s]|\s+[\w$]|\s*\?\s*"
    + _NO_CHOICE
    + r"|\s*$)|[\"'`][^\"'`\n]{9}|"
    + _TEXT
    + _GOES_ON
    + r")"
)
_DEFINE = r"(defineProperty|Reflect\s*\.\s*set)\s*\([^,()\n]*,\s*"


def _in_use(clause: Clause, name: str) -> list[str]:
    """The patterns of a name where it is written or called, as it is spelled in the clear."""
    segments = [part for part in name.split(".") if part not in ("*", "?", "this")]
    if clause.kind not in (ClauseKind.WRITE, ClauseKind.CALL, ClauseKind.NEW) or set(segments) <= {"[]"}:
        return []
    spelled = [r"[\w$]+" if "*" in part or part == "[]" else _literally(part) for part in segments]
    member = (r"[.\[;{}(,\n]\s*[\"'`]?" if len(segments) == 1 else "") + _DOT.join(spelled)
    if clause.kind is ClauseKind.WRITE:
        assigned = rf"/{member}[\"'`]?\s*\]?\s*={_GIVEN}/"
        defined = rf"/{_DEFINE}[\"'`]{spelled[-1]}[\"'`]\s*,/"
        return [assigned] if segments[-1] == "[]" else [assigned, defined]
    first = next((test.text.equals for test in clause.args if test.at == 0), frozenset())
    argument = rf"\s*[\"'`]({'|'.join(map(_escaped, sorted(first)))})[\"'`]" if first else ""
    return [rf"/{member}[\"'`]?\s*\]?\s*(\?\.\s*)?\({argument}/"]


def _literally(text: str) -> str:
    return re.escape(text).replace("/", r"\/")  # which would end the pattern


def _escaped(text: str) -> str:
    return "".join(rf"\x{byte:02x}" for byte in text.encode())


def _holds(match: Match, known: Callable[[str], bool]) -> bool:
    def holds(entry: Entry) -> bool:
        if isinstance(entry, str):
            return known(entry)
        return isinstance(entry, Match) and _holds(entry, known)

    return all(map(holds, match.all)) and (not match.any or any(map(holds, match.any)))


def _rule_name(signal: str) -> str:
    return "signal_" + re.sub(r"\W", "_", signal)
