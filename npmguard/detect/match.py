"""Facts against signals against rules: which combination holds, and where it was seen."""

from __future__ import annotations

import posixpath
import re
import sys
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from npmguard.detect.clause import FUNCTION, WRAPPER, Clause, ClauseKind, Seen, compile_names
from npmguard.detect.flows import join_flows
from npmguard.detect.region import Reachability, Region
from npmguard.detect.rule import Entry, Match, Rule, Ruleset, Runs, Scope, clauses_of
from npmguard.detect.texts import Texts
from npmguard.javascript.interest import BytesPattern, Interest
from npmguard.model import Fact, FactKind, FileFacts, Manifest

MANIFEST = "package.json"
_WRAPS_ORIGINAL = "wraps-original"  # spans the same bytes as the write it is about
_ACTS = frozenset({FactKind.CALL, FactKind.NEW, FactKind.WRITE, FactKind.FLOW})
_TEXTS = (FactKind.STRING, FactKind.REGEX)
_REMEMBERED_NAMES = 50_000
_PATTERN_MEMORY = 64 * 1024**2  # bytes that the automaton of all texts asked for may have
_ADDRESS_PATTERN = 8  # characters that a regular expression for addresses has at least: bc1[^.]+
_IMPORTED_FILES = 32  # that one region reaches
_SUFFIXES = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx")


@dataclass(frozen=True, slots=True)
class Hit:
    """One fact, or one script of the manifest, that passed one clause; ``text`` is the script."""

    file: str
    seen: Seen
    fact: Fact | None = None
    text: str = ""

    @property
    def start(self) -> int:
        """Byte offset in the file, or in the code that it evaluates."""
        return self.fact.place[0] if self.fact else 0


Hits = Mapping[Clause, Sequence[Hit]]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One signal of a rule that holds, with the places where it was seen, in order of file and place."""

    signal: str
    places: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One rule that holds: once a file, or once for the package. ``file`` is where its first signal is."""

    rule: Rule
    file: str
    sightings: tuple[Sighting, ...]


class Matcher:
    """A ruleset made ready for matching; what it remembers does not depend on the package."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self._by_kind: dict[str, list[Clause]] = {}
        for signal in ruleset.signals.values():
            for clause in clauses_of(signal.match):
                self._by_kind.setdefault(clause.kind, []).append(clause)
        self._named: dict[tuple[str, str], tuple[Clause, ...]] = {}
        self._texts = {kind: Texts(self._by_kind.get(kind, ())) for kind in _TEXTS}
        self._interest: Interest | None = None
        self._nothing = View(ruleset, {})  # what holds where nothing was seen is found out once

    @property
    def interest(self) -> Interest:
        """The facts that the clauses ask for; the others need not be drawn."""
        if self._interest is None:
            self._interest = interest_of([each for clauses in self._by_kind.values() for each in clauses])
        return self._interest

    def read(self, facts: FileFacts) -> FileSightings:
        """Ask every clause of every fact of one file."""
        hits: dict[Clause, list[Hit]] = {}
        wrappers = {
            fact.place for fact in facts.facts if fact.kind is FactKind.SHAPE and fact.name == _WRAPS_ORIGINAL
        }
        for fact in facts.facts:
            for clause in self._asked_of(fact):
                if clause.written == WRAPPER and fact.place not in wrappers:
                    continue
                seen = _see(clause, fact)
                if seen is not None:
                    hits.setdefault(clause, []).append(Hit(facts.path, seen, fact))
        return FileSightings(self.ruleset, facts, hits, self.view(hits))

    def view(self, hits: Hits) -> View:
        """The signals that *hits* make."""
        return View(self.ruleset, hits) if hits else self._nothing

    def join(self, files: Sequence[FileSightings]) -> list[FileSightings]:
        """The same files of one package, with the flows of values that go through several of them."""
        found = join_flows(
            {each.path: each.facts for each in files}, self.interest.flows or frozenset(), resolve_local
        )
        return [self._with(each, found[each.path]) if each.path in found else each for each in files]

    def _with(self, file: FileSightings, more: Sequence[Fact]) -> FileSightings:
        known = {(fact.name, fact.start, fact.end, fact.value) for fact in file.facts.facts}
        new = [fact for fact in more if (fact.name, fact.start, fact.end, fact.value) not in known]
        facts = sorted((*file.facts.facts, *new), key=lambda fact: (fact.start, -fact.end))
        return self.read(replace(file.facts, facts=tuple(facts)))

    def read_manifest(self, manifest: Manifest | None, others: Sequence[tuple[str, str]] = ()) -> Hits:
        """Ask the manifest clauses of the scripts of ``package.json``.

        *others* are what an installation runs besides them, as file and text: shell files, commands of .gyp
        files. To a clause their name is ``install > `` and the file.
        """
        hits: dict[Clause, list[Hit]] = {}
        scripts = sorted(manifest.scripts.items()) if manifest is not None else []
        asked = [(MANIFEST, name, text) for name, text in scripts]
        asked += [(path, f"install > {path}", text) for path, text in others]
        for clause in self._by_kind.get(ClauseKind.MANIFEST, ()):
            for path, name, text in asked:
                if compile_names(clause.names).fullmatch(name):
                    seen = clause.value.test(text) if clause.value else Seen((text,))
                    if seen is not None:
                        hits.setdefault(clause, []).append(Hit(path, seen, text=f"{name}: {text}"))
        return hits

    def candidates(
        self,
        files: Sequence[FileSightings],
        manifest: Hits,
        check: Callable[[], None] = lambda: None,
        *,
        at_install: Collection[str] = (),
    ) -> Iterator[Candidate]:
        """Every rule that holds in these files of one package, by rule, then file.

        *check* is called again and again; it raises to end the work. *at_install* are the paths of the files
        that npm runs when it installs the package, in which alone rules with ``runs: install`` hold.
        """
        ordered = sorted(files, key=lambda each: each.path)
        package = {each.path: each for each in ordered}
        whole = self.view(merge([*(each.hits for each in ordered), manifest]))
        for rule in self.ruleset.rules:
            check()
            if rule.scope is Scope.PACKAGE:
                sightings = whole.sightings(rule.match)
                if sightings:
                    yield Candidate(rule, sightings[0].places[0].file, sightings)
                continue
            for each in ordered:
                if rule.runs is Runs.INSTALL and each.path not in at_install:
                    continue
                sightings = each.sightings(rule, package, check)
                if sightings:
                    yield Candidate(rule, each.path, sightings)

    def _asked_of(self, fact: Fact) -> Sequence[Clause]:
        """The clauses whose kind and name fit; the same names come again and again."""
        if fact.kind in _TEXTS:
            return self._texts[fact.kind].asked_of(fact.value or "")
        key = (fact.kind.value, fact.name)
        clauses = self._named.get(key)
        if clauses is None:
            if len(self._named) > _REMEMBERED_NAMES:
                self._named.clear()
            clauses = self._named[key] = tuple(
                clause
                for clause in self._by_kind.get(fact.kind, ())
                if compile_names(clause.names).fullmatch(fact.name)
            )
        return clauses


def interest_of(clauses: Sequence[Clause]) -> Interest:
    """What *clauses* ask for, and the modules, by which regions go on in other files."""

    def last(kind: ClauseKind) -> frozenset[str] | None:
        names = [name.rpartition(".")[2] for each in clauses if each.kind is kind for name in each.names]
        return None if any("*" in name for name in names) else frozenset(names)

    tests = [each.value for each in clauses if each.kind is ClauseKind.STRING and each.value]
    parts = [re.escape(part).encode() for test in tests for part in test.contains]
    if any(test.address for test in tests):
        parts.append(rb"[0-9A-Za-z]{26}")
    open_ended = any(not (test.equals or test.contains or test.address) for test in tests)
    shapes = [name for each in clauses if each.kind is ClauseKind.SHAPE for name in each.names]
    if any(each.written == WRAPPER for each in clauses):
        shapes.append(_WRAPS_ORIGINAL)
    regexes = [each for each in clauses if each.kind is ClauseKind.REGEX]
    flows = [name for each in clauses if each.kind is ClauseKind.FLOW for name in each.names]
    return Interest(
        calls=last(ClauseKind.CALL),
        news=last(ClauseKind.NEW),
        writes=last(ClauseKind.WRITE),
        reads=last(ClauseKind.READ),
        modules=None,
        shapes=frozenset(shapes),
        flows=frozenset(flows),
        strings=bool(tests),
        string_length=0 if open_ended else sys.maxsize,
        string_values=frozenset(text for test in tests for text in test.equals),
        string_pattern=_any_of(parts) if parts else None,
        regexes=bool(regexes),
        regex_length=0 if any(each.value and each.value.matches for each in regexes) else _ADDRESS_PATTERN,
    )


def _any_of(parts: Sequence[bytes]) -> BytesPattern:
    """RE2, for there are hundreds of them and strings of many megabytes."""
    import re2  # noqa: PLC0415 - a warm scan reads no package

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _PATTERN_MEMORY
    compiled: BytesPattern = re2.compile(b"|".join(parts), options)
    return compiled


class View:
    """Hits looked at as a whole: which signals they make, and which combinations."""

    def __init__(self, ruleset: Ruleset, hits: Hits) -> None:
        self._signals = ruleset.signals
        self._hits = hits
        self._seen: dict[str, tuple[Hit, ...] | None] = {}
        self._fired: tuple[str, ...] | None = None

    def fired(self) -> tuple[str, ...]:
        """The ids of all signals that hold, sorted."""
        if self._fired is None:
            self._fired = tuple(name for name in self._signals if self.signal(name) is not None)
        return self._fired

    def signal(self, name: str) -> tuple[Hit, ...] | None:
        """Where the signal was seen, or None where it does not hold."""
        if name not in self._seen:
            found = self._combination(self._signals[name].match)
            self._seen[name] = None if found is None else _in_order(found)
        return self._seen[name]

    def sightings(self, match: Match) -> tuple[Sighting, ...] | None:
        """The signals that make *match* hold, or None where it does not."""
        found: list[Sighting] = []
        for entry in match.all:
            seen = self._entry_sightings(entry)
            if seen is None:
                return None
            found.extend(seen)
        alternatives = [seen for entry in match.any if (seen := self._entry_sightings(entry)) is not None]
        if match.any and not alternatives:
            return None
        for seen in alternatives:
            found.extend(seen)
        if any(self._entry_sightings(entry) is not None for entry in match.none):
            return None
        unique = {sighting.signal: sighting for sighting in reversed(found)}
        return tuple(reversed(unique.values()))

    def _entry_sightings(self, entry: Entry) -> tuple[Sighting, ...] | None:
        if isinstance(entry, Match):
            return self.sightings(entry)
        if isinstance(entry, Clause):
            return None  # the loader lets rules name signals only
        places = self.signal(entry)
        return None if places is None else (Sighting(entry, places),)

    def _combination(self, match: Match) -> list[Hit] | None:
        found: list[Hit] = []
        for entry in match.all:
            hits = self._entry(entry)
            if hits is None:
                return None
            found.extend(hits)
        alternatives = [hits for entry in match.any if (hits := self._entry(entry)) is not None]
        if match.any and not alternatives:
            return None
        for hits in alternatives:
            found.extend(hits)
        if any(self._entry(entry) is not None for entry in match.none):
            return None
        return found

    def _entry(self, entry: Entry) -> Sequence[Hit] | None:
        if isinstance(entry, str):
            return self.signal(entry)
        if isinstance(entry, Match):
            return self._combination(entry)
        hits = self._hits.get(entry, ())
        least = entry.least
        if not hits or len(hits) < least.count:
            return None
        if least.distinct > 1 and len({value for hit in hits for value in hit.seen.values}) < least.distinct:
            return None
        if least.kinds > 1 and len({kind for hit in hits for kind in hit.seen.kinds}) < least.kinds:
            return None
        return hits


class FileSightings:
    """What the clauses saw in one file."""

    def __init__(
        self, ruleset: Ruleset, facts: FileFacts, hits: Mapping[Clause, list[Hit]], whole: View
    ) -> None:
        self.path = facts.path
        self.hits: Hits = hits
        self.whole = whole
        self._ruleset = ruleset
        self.facts = facts
        self._places = {clause: _Places(each) for clause, each in hits.items()}
        self._local = [
            fact for fact in facts.facts if fact.kind is FactKind.MODULE and fact.name.startswith(".")
        ]
        self._reachability: Reachability | None = None

    def sightings(
        self, rule: Rule, package: Mapping[str, FileSightings], check: Callable[[], None]
    ) -> tuple[Sighting, ...] | None:
        """The signals of *rule* where its combination holds in its scope, else None.

        *package* holds all files of the package that were read, by path: what a region imports is in it.
        """
        if rule.scope is not Scope.FUNCTION:
            return self.whole.sightings(rule.match)
        anchor, *others = rule.match.all
        rest = Match(tuple(others), rule.match.any, rule.match.none)
        anchors = self.whole.signal(anchor) if isinstance(anchor, str) else None
        if not isinstance(anchor, str) or anchors is None:
            return None
        tried: set[Region] = set()
        for hit in _that_act(anchors):
            check()
            if hit.fact is None:
                continue
            region = self._region(hit.fact)
            if region in tried:
                continue
            tried.add(region)
            found = self._inside(region, package).sightings(rest)
            if found is not None:
                return (Sighting(anchor, (hit,)), *(each for each in found if each.signal != anchor))
        return None

    @property
    def shapes(self) -> frozenset[str]:
        """The names of the structural patterns that were seen in the file."""
        return frozenset(fact.name for fact in self.facts.facts if fact.kind is FactKind.SHAPE)

    def imports(self, region: Region | None = None) -> tuple[str, ...]:
        """The local modules that the file, or only *region* of it, refers to, as they are spelled."""
        found = [
            fact.name
            for fact in self._local
            if region is None
            or (fact.function and fact.function in region.functions)
            or any(start < fact.place[1] and fact.place[0] < end for start, end in region.ranges)
        ]
        return tuple(dict.fromkeys(found))

    def _region(self, fact: Fact) -> Region:
        if self._reachability is None:
            self._reachability = Reachability(self.facts)
        return self._reachability.region(self._reachability.starts(fact))

    def _inside(self, region: Region, package: Mapping[str, FileSightings]) -> View:
        inside = {clause: places.inside(region) for clause, places in self._places.items()}
        own = {clause: hits for clause, hits in inside.items() if hits}
        imported = _imported(self, region, package)
        return View(self._ruleset, merge([own, *(each.hits for each in imported)]) if imported else own)


def _imported(file: FileSightings, region: Region, package: Mapping[str, FileSightings]) -> list[FileSightings]:
    """The files of the package that *region* of *file* imports, and theirs in turn; nearest first, bounded."""
    found: dict[str, FileSightings] = {}
    queue = [(file.path, name) for name in file.imports(region)]
    for path, name in queue:  # grows while it is walked
        target = resolve_local(path, name, package)
        if target is not None and target != file.path and target not in found:
            found[target] = package[target]
            queue.extend((target, each) for each in package[target].imports())
            if len(found) >= _IMPORTED_FILES:
                break
    return list(found.values())


def resolve_local(path: str, name: str, package: Collection[str]) -> str | None:
    """The file of *package* that *name* (``./x``) means in the file at *path*, as bundlers look it up."""
    base = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    stem = base.removesuffix(".js")  # TypeScript's sources name the file that will be made of them
    candidates = [base, *(base + suffix for suffix in _SUFFIXES), *(stem + suffix for suffix in _SUFFIXES)]
    candidates += [posixpath.normpath(posixpath.join(base, "index" + suffix)) for suffix in _SUFFIXES]
    return next((candidate for candidate in candidates if candidate in package), None)


class _Places:
    """The hits of one clause in one file, found by function and by byte range."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        self._hits = sorted(hits, key=lambda hit: hit.start)
        self._starts = [hit.start for hit in self._hits]
        self._by_function: dict[int, list[int]] = {}
        for index, hit in enumerate(self._hits):
            if hit.fact is not None:
                self._by_function.setdefault(hit.fact.function, []).append(index)

    def inside(self, region: Region) -> list[Hit]:
        found: set[int] = set()
        for function in region.functions & self._by_function.keys():
            found.update(self._by_function[function])
        for start, end in region.ranges:
            found.update(range(bisect_left(self._starts, start), bisect_left(self._starts, end)))
        return [self._hits[index] for index in sorted(found)]


def merge(several: Sequence[Hits]) -> Hits:
    """The hits of several files together, in their order."""
    merged: dict[Clause, list[Hit]] = {}
    for hits in several:
        for clause, each in hits.items():
            merged.setdefault(clause, []).extend(each)
    return merged


def _that_act(hits: Sequence[Hit]) -> Sequence[Hit]:
    """The places of an anchor where something is done, if there are any: a string does nothing by itself.

    A shape that tells of a function (a function that is called on load) is as good as a call of it.
    """
    acting = [
        hit for hit in hits if hit.fact is not None and (hit.fact.kind in _ACTS or hit.fact.target is not None)
    ]
    return acting or hits


def _in_order(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    unique = {(hit.file, hit.start, hit.fact.name if hit.fact else hit.text): hit for hit in hits}
    return tuple(unique[key] for key in sorted(unique))


def _see(clause: Clause, fact: Fact) -> Seen | None:
    """Ask one clause of one fact whose kind and name fit."""
    if clause.kind in (ClauseKind.STRING, ClauseKind.REGEX):
        if clause.value is None or fact.value is None:
            return None
        if clause.kind is ClauseKind.REGEX and clause.value.accepts:
            return clause.value.test(f"/{fact.value}/{(fact.args[0] if fact.args else None) or ''}")
        return clause.value.test(fact.value)
    if clause.written == FUNCTION and fact.value != "<function>" and fact.target is None:
        return None
    kinds: tuple[str, ...] = ()
    values: tuple[str, ...] = (fact.value or fact.name,) if clause.kind is ClauseKind.FLOW else (fact.name,)
    if clause.value is not None:
        seen = clause.value.test(fact.value) if fact.value is not None else None
        if seen is None:
            return None
        values, kinds = seen.values, seen.kinds
    for argument in clause.args:
        given = fact.args if argument.at is None else fact.args[argument.at : argument.at + 1]
        seen = next((seen for text in given if text is not None and (seen := argument.text.test(text))), None)
        if seen is None:
            return None
        kinds += seen.kinds
    return Seen(values, kinds)
