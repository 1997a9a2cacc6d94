"""One package's code against the ruleset: which files are read, and what is found in them."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from npmguard.detect.circumstances import Circumstances
from npmguard.detect.kept import FORMAT, KeptCode, KeptFile, pack, places_of
from npmguard.detect.linked import are_linked, seem_linked
from npmguard.detect.match import MANIFEST, Candidate, FileSightings, Hit, Hits, Matcher, Sighting
from npmguard.detect.own_files import ArchiveFiles, Mentions
from npmguard.detect.prefilter import Prefilter
from npmguard.errors import LimitExceeded
from npmguard.model import (
    SYNTAX_ERRORS,
    Evidence,
    FactKind,
    FileFacts,
    Finding,
    Layer,
    Manifest,
    PackageArchive,
    PackageFile,
)
from npmguard.package.gyp import gyp_commands
from npmguard.package.install_reach import MAX_SHELL_FILE, SHELL_SUFFIXES, install_reach, install_shell_files
from npmguard.package.manifest import install_scripts
from npmguard.timing import staged

if TYPE_CHECKING:
    from npmguard.config import Limits
    from npmguard.detect.rule import Rule, Ruleset
    from npmguard.model import Circumstance

_EXTENSIONS = (".js", ".cjs", ".mjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")
_DECLARATIONS = (".d.ts", ".d.mts", ".d.cts")
_DECLARATION_NAME = re.compile(rb"""\.d\.[cm]?ts["'`]""")
_NOT_CODE = (".json", ".node", ".wasm")  # whatever it holds, Node does not run it as JavaScript
_HASHBANG = re.compile(rb"#!.*\b(?:node|bun|deno|tsx|ts-node)\b")
_EXECUTABLES = (  # a program's first bytes; in a script, they would be a syntax error
    b"\x7fELF",
    b"MZ\x90\x00",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\x00asm",
)
_COMMANDS = re.compile(r"[;&|<>()\n]+")
_RUNNERS = frozenset({"node", "nodejs", "bun", "deno", "tsx", "ts-node", "esno"})
_PRELOADS = frozenset({"-r", "--require", "--import", "--loader", "--experimental-loader"})
_PLACES = 3  # shown of one signal
_EXCERPT = 160
_LEAD = 24


@dataclass(frozen=True, slots=True)
class CodeAnalysis:
    """What the rules say of one package.

    ``findings`` come in order of rule, then file. ``signals`` are the ids of the signals that fired in files
    that were parsed, or on the manifest. ``partial`` lists files that could be read in part only, and why.
    ``unverified`` says why the analysis is incomplete, or is None. ``missing`` are files of the package that
    the code runs, or reads where it evaluates something, and whose content was not kept: with them kept, more
    can be said. ``facts`` are what :mod:`npmguard.detect.kept` packed, where that was asked for.
    """

    findings: tuple[Finding, ...] = ()
    signals: tuple[str, ...] = ()
    partial: tuple[tuple[str, str], ...] = ()
    unverified: str | None = None
    missing: frozenset[str] = frozenset()
    facts: bytes | None = None


def is_source(path: str, size: int) -> bool:
    """Whether a file's content is worth keeping for analysis, as far as its path tells.

    Files with a source extension are, and small ones for a shell, which an installation may run. A file
    without an extension is kept too: its first line may name Node, and package.json may. What package.json
    names besides is told by :func:`missing_sources` afterwards.
    """
    if size <= MAX_SHELL_FILE and path.lower().endswith(SHELL_SUFFIXES):
        return size > 0
    return size > 0 and (path.endswith(_EXTENSIONS) or "." not in path.rpartition("/")[2])


def missing_sources(archive: PackageArchive) -> frozenset[str]:
    """Files that package.json hands to Node under names that :func:`is_source` did not keep.

    A caller that has the tarball reads it again with these kept; without that, the analysis is unverified.
    """
    named = named_files(archive.manifest) - {MANIFEST}
    return frozenset(path for path in named if path in archive.files and _is_left_out(archive.files[path]))


def named_files(manifest: Manifest | None) -> frozenset[str]:
    """The paths that package.json hands to Node as code: main, bin, and the files that scripts run."""
    if manifest is None:
        return frozenset()
    paths = [manifest.main or "", *manifest.bin.values()]
    for script in manifest.scripts.values():
        paths.extend(_run_by(script))
    normal = (_normal(path) for path in paths)
    return frozenset(path for path in normal if path and not path.endswith(_NOT_CODE))


def _at_installation(manifest: Manifest | None) -> dict[str, str]:
    """The files that an installation hands to Node, each with the script that names it."""
    found: dict[str, str] = {}
    for name, script in (install_scripts(manifest) if manifest is not None else {}).items():
        for path in _run_by(script):
            found.setdefault(_normal(path), f"scripts.{name}")
    return found


def _run_by(script: str) -> Iterator[str]:
    """The files that a script hands to Node: the first word that is no option, and what is preloaded."""
    for command in _COMMANDS.split(script):
        words = [word.strip("\"'") for word in command.split()]
        start = next((index for index, word in enumerate(words) if word in _RUNNERS), None)
        if start is None:
            continue
        rest = iter(words[start + 1 :])
        for word in rest:
            if word in _PRELOADS:
                yield next(rest, "")
            elif not word.startswith("-") and word != "run":
                yield word
                break


@staged("rules")
def analyse_package(
    archive: PackageArchive,
    ruleset: Ruleset,
    limits: Limits,
    *,
    baseline: PackageArchive | None = None,
    prefilter: bool = True,
    keep: bool = False,
) -> CodeAnalysis:
    """Run the rules over one package.

    With a *baseline*, every finding and every piece of evidence says whether it is new against it, and rules
    about what a version added are held to that; without one, those rules look at all there is. *prefilter*
    False parses every source file; the findings are the same, as tests hold. *keep* has the facts packed.

    Never raises for anything in the archive: what could not be done is told in ``partial`` and
    ``unverified``, beside what was found until then.
    """
    return _Analysis(archive, ruleset, limits, baseline).run(prefilter=prefilter, keep=keep)


class _Analysis:
    """One package while it is looked at."""

    def __init__(
        self, archive: PackageArchive, ruleset: Ruleset, limits: Limits, baseline: PackageArchive | None
    ) -> None:
        self._archive = archive
        self._limits = limits
        self._matcher = matcher_of(ruleset)
        self._prefilter = prefilter_of(ruleset)
        self._files = ArchiveFiles(archive, limits.source_bytes)
        self._old = _Old(baseline, self, limits) if baseline is not None else None
        self._end = time.thread_time() + limits.analysis_seconds
        self._layers: dict[str, tuple[Layer, ...]] = {}
        self._partial: list[tuple[str, str]] = []
        self._reasons: list[str] = []
        self._circumstances = Circumstances(archive, {})

    def run(self, *, prefilter: bool, keep: bool = False) -> CodeAnalysis:
        findings: list[Finding] = []
        read: list[FileSightings] = []
        commands = _install_commands(self._archive)
        manifest = self._matcher.read_manifest(self._archive.manifest, commands)
        try:
            files = self._to_read(prefilter=prefilter)
            linked = seem_linked({file.path: file.content or b"" for file in files})
            for file in files:
                self.check()
                own = file.path in linked
                read.append(
                    self.read(file, self._files, self._partial, self._reasons, self._layers, linked=own)
                )
            read = self._read_linked(read, linked)
        except LimitExceeded as error:
            self._reasons.append(str(error))
        read = self._matcher.join(read)
        reached = install_reach(self._archive, self._archive.manifest)
        at_installation = _at_installation(self._archive.manifest)
        self._circumstances = Circumstances(self._archive, at_installation, read, reached)
        try:
            for candidate in self._matcher.candidates(read, manifest, self.check, at_install=reached):
                finding = self._finding(candidate)
                if finding is not None:
                    findings.append(finding)
        except LimitExceeded as error:
            self._reasons.append(str(error))
        missing = self._files.missing | (self._old.files.missing if self._old is not None else set())
        return CodeAnalysis(
            findings=tuple(findings),
            signals=_fired(self._matcher, read, manifest),
            partial=tuple(sorted(self._partial)),
            unverified="; ".join(dict.fromkeys([*self._reasons, *map(_not_kept, sorted(missing))])) or None,
            missing=frozenset(missing),
            facts=pack(self._kept(read, commands, reached), self._limits.facts_bytes) if keep else None,
        )

    def _read_linked(self, read: list[FileSightings], linked: Collection[str]) -> list[FileSightings]:
        """What was read, files anew that turned out to be linked by names that are put together."""
        more = are_linked(each.facts for each in read) - frozenset(linked)
        found = []
        for each in read:
            self.check()
            file = self._archive.files[each.path]
            found.append(self.read(file, self._files, [], [], {}) if each.path in more else each)
        return found

    def _kept(
        self, read: Sequence[FileSightings], commands: Sequence[tuple[str, str]], reached: Collection[str]
    ) -> KeptCode:
        """What another ruleset needs to know of the package."""
        manifest, shown = self._archive.manifest, {each.path for each in read} | {path for path, _ in commands}
        content = self._content(MANIFEST)
        scripts = manifest.scripts if manifest is not None else {}
        lines = {name: _line_of_script(content, f"{name}: ") for name in sorted(scripts)}
        return KeptCode(
            format=FORMAT,
            files=tuple(self._kept_file(each.facts) for each in read),
            manifest=manifest,
            commands=tuple(commands),
            lines={name: line for name, line in lines.items() if line is not None},
            installation=self._circumstances.ways_at_installation(shown),
            load=self._circumstances.ways_on_load(shown),
            installed=frozenset(shown.intersection(reached)),
            passed_over=tuple(
                sorted({file.path for file in sources(self._archive)} - {each.path for each in read})
            ),
        )

    def _kept_file(self, facts: FileFacts) -> KeptFile:
        from npmguard.javascript.syntax import source_text  # noqa: PLC0415 - brings tree-sitter with it

        content = self._content(facts.path)
        text = source_text(content)
        layers = self._layers.get(facts.path, ())
        inside = {fact.inside for fact in facts.facts if fact.inside is not None}
        return KeptFile(
            facts=replace(facts, layers=()),
            sha256=sha256(content).hexdigest(),
            excerpts=tuple((start, end, _excerpt(text, start, end)) for start, end in places_of(facts)),
            decoded=tuple((start, end, _of_layer(layers, start, end)) for start, end in sorted(inside)),
            hidden=self._circumstances.hidden_in(facts),
        )

    def _content(self, path: str) -> bytes:
        file = self._archive.files.get(path)
        return (file.content if file else None) or b""

    def read(
        self,
        file: PackageFile,
        files: ArchiveFiles,
        partial: list[tuple[str, str]],
        reasons: list[str],
        layers: dict[str, tuple[Layer, ...]],
        *,
        linked: bool = True,
    ) -> FileSightings:
        """Parse one file and ask the clauses of it.

        *files* are those around it, *linked* says that values may go between it and one of those that are
        read. What it evaluates is kept in *layers* by its path. A file that was refused or not read to its end
        is a reason to call the package unverified.
        """
        facts = self._facts(file, files, linked=linked)
        if facts.unread:
            read = "read in part only" if file.size > self._limits.source_bytes else "not read as code"
            reasons.append(f"{file.path} was {read}: {facts.problem}")
        if facts.problem or facts.partial:
            partial.append((file.path, facts.problem or SYNTAX_ERRORS))
        if facts.layers:
            layers[file.path] = facts.layers
        return self._matcher.read(facts)

    def _facts(self, file: PackageFile, files: ArchiveFiles, *, linked: bool) -> FileFacts:
        from npmguard.javascript.facts import extract_facts  # noqa: PLC0415 - brings tree-sitter with it

        content, limits, interest = file.content or b"", self._limits, self._matcher.interest
        if file.size <= limits.source_bytes:
            return extract_facts(file.path, content, limits, interest, files, linked=linked)
        from npmguard.javascript.windows import extract_from_parts  # noqa: PLC0415 - likewise

        return extract_from_parts(file.path, content, limits, interest, self._worth_reading, files)

    def _worth_reading(self, parts: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """The parts of a file, as one start and bytes each, in which a rule is possible."""
        selected = self._prefilter.select((str(start), part) for start, part in parts)
        return [(start, part) for start, part in parts if str(start) in selected]

    def check(self) -> None:
        """Raise where the package has had its time."""
        if time.thread_time() > self._end:
            raise LimitExceeded(
                f"reading the code took longer than analysis-seconds ({self._limits.analysis_seconds:g});"
                " raise it in npmguard.toml to read all of it"
            )

    def selected(self, archive: PackageArchive) -> list[str]:
        """The paths of the files of *archive* that are worth parsing."""
        held = ((file.path, file.content) for file in sources(archive) if file.content is not None)
        return sorted(self._prefilter.select(held) | install_reach(archive, archive.manifest))

    @staged("prefilter")
    def _to_read(self, *, prefilter: bool) -> list[PackageFile]:
        files = sources(self._archive)
        for file in files:
            if file.content is None:
                self._reasons.append(f"{file.path} is run as code, and its content was not kept")
        usable = [file for file in files if file.content is not None]
        if not prefilter:
            return usable
        largest = self._limits.source_bytes
        selected = self._prefilter.select((file.path, file.content or b"") for file in usable)
        selected |= install_reach(self._archive, self._archive.manifest)
        selected |= {file.path for file in usable if file.size > largest}  # which of its parts is asked later
        paths = {file.path for file in files}
        mentions = Mentions(path for path in self._archive.files if _is_other(path) and path not in paths)
        return [file for file in usable if file.path in selected or mentions.named_in(file)]

    def _finding(self, candidate: Candidate) -> Finding | None:
        places = places_shown(candidate)
        evidence = tuple(self._evidence(sighting, hit) for sighting, hit in places)
        added = None if self._old is None else any(each.added for each in evidence)
        if candidate.rule.introduced and not self._is_introduced(candidate):
            return None
        circumstances = self._circumstances.of([hit for _, hit in places], added=added)
        return finding_of(candidate.rule, evidence, added, circumstances)

    def _is_introduced(self, candidate: Candidate) -> bool:
        old = self._old
        return old is not None and not any(old.has(each.signal) for each in candidate.sightings)

    def _evidence(self, sighting: Sighting, hit: Hit) -> Evidence:
        file = self._archive.files.get(hit.file)
        content = self._content(hit.file)
        from npmguard.javascript.syntax import source_text  # noqa: PLC0415 - brings tree-sitter with it

        fact = hit.fact
        inside = fact.inside if fact is not None else None
        return evidence_of(
            self._matcher.ruleset,
            sighting,
            hit,
            line=fact.line if fact else _line_of_script(content, hit.text),
            excerpt=_excerpt(source_text(content), fact.start, fact.end) if fact else None,
            decoded=_of_layer(self._layers.get(hit.file, ()), *inside) if inside is not None else None,
            added=None if self._old is None else self._old.lacks(sighting.signal, hit, file),
        )


def places_shown(candidate: Candidate) -> list[tuple[Sighting, Hit]]:
    """The places of a rule that holds which its finding shows."""
    return [(sighting, hit) for sighting in candidate.sightings for hit in sighting.places[:_PLACES]]


def finding_of(
    rule: Rule, evidence: Sequence[Evidence], added: bool | None, circumstances: tuple[Circumstance, ...]
) -> Finding | None:
    """The finding of a rule that holds; None where it asks for what a version added, and nothing of it is."""
    if rule.added and added is False:
        return None
    return Finding(
        rule=rule.id,
        severity=rule.severity,
        confidence=rule.confidence,
        message=rule.title,
        file=evidence[0].file,
        line=evidence[0].line,
        evidence=tuple(evidence),
        added=added,
        remediation=rule.remediation,
        circumstances=circumstances,
    )


def evidence_of(
    ruleset: Ruleset,
    sighting: Sighting,
    hit: Hit,
    *,
    line: int | None,
    excerpt: str | None,
    decoded: str | None,
    added: bool | None,
) -> Evidence:
    """One place of a finding; *decoded* is the code around it where that is in a layer."""
    signal, fact = ruleset.signals[sighting.signal], hit.fact
    kinds = f" ({', '.join(sorted(set(hit.seen.kinds)))})" if hit.seen.kinds else ""
    shown = None
    if fact is not None and fact.decoded:
        spelled = fact.value if fact.kind in (FactKind.STRING, FactKind.REGEX) else fact.name
        shown = decoded if fact.inside is not None else _clipped(spelled or fact.name)
    return Evidence(
        signal=sighting.signal,
        message=signal.title + kinds,
        file=hit.file,
        line=line,
        excerpt=excerpt if fact is not None else _clipped(hit.text),
        decoded=shown,
        added=added,
    )


class _Old:
    """The baseline, looked into only where something was found."""

    def __init__(self, archive: PackageArchive, analysis: _Analysis, limits: Limits) -> None:
        self.files = ArchiveFiles(archive, limits.source_bytes)
        self._archive = archive
        self._analysis = analysis
        self._hashes = frozenset(file.sha256 for file in archive.files.values())
        self._signals: dict[str, frozenset[str]] = {}

    def lacks(self, signal: str, hit: Hit, file: PackageFile | None) -> bool:
        """Whether *signal* is new: in no file of the same bytes, nor in the file of the same path."""
        if hit.fact is None and hit.file != MANIFEST:
            name, _, command = hit.text.partition(": ")
            return command not in {text for _path, text in _install_commands(self._archive)}
        if hit.fact is None:
            name, _, script = hit.text.partition(": ")
            scripts = self._archive.manifest.scripts if self._archive.manifest else {}
            return scripts.get(name) != script
        if file is not None and file.sha256 and file.sha256 in self._hashes:
            return False
        return signal not in self._fired_in(hit.file)

    def has(self, signal: str) -> bool:
        """Whether *signal* was seen in any file that may hold what a rule asks for."""
        for path in self._analysis.selected(self._archive):
            self._analysis.check()
            if signal in self._fired_in(path):
                return True
        return False

    def _fired_in(self, path: str) -> frozenset[str]:
        if path not in self._signals:
            file = self._archive.files.get(path)
            kept = file is not None and file.content is not None
            read = self._analysis.read
            sightings = read(file, self.files, [], [], {}, linked=False) if file and kept else None
            self._signals[path] = frozenset(sightings.whole.fired()) if sightings else frozenset()
        return self._signals[path]


def sources(archive: PackageArchive) -> list[PackageFile]:
    """The files of a package that Node or a bundler would read as code, by path.

    TypeScript's declarations (``.d.ts``) are no code, unless a file of the package asks for one by its name.
    """
    named = named_files(archive.manifest)
    found = []
    declarations = []
    for path in sorted(archive.files):
        file = archive.files[path]
        if file.content is not None and file.content.startswith(_EXECUTABLES):
            continue  # Node refuses it, and the kernel runs it: what machine code does is not read here
        if path.endswith(_DECLARATIONS) and path not in named:
            if file.size:
                declarations.append(file)
            continue
        if path.endswith(_EXTENSIONS) or path in named:
            wanted = file.size > 0 and path != MANIFEST
        else:
            wanted = file.content is not None and _HASHBANG.match(file.content[:200]) is not None
        if wanted:
            found.append(file)
    if any(_names_declaration(file.content) for file in found if file.content is not None):
        found = sorted([*found, *declarations], key=lambda file: file.path)
    return found


def _names_declaration(content: bytes) -> bool:
    return b".d." in content and _DECLARATION_NAME.search(content) is not None


def _is_other(path: str) -> bool:
    return not path.endswith((*_EXTENSIONS, *_NOT_CODE))


def _not_kept(path: str) -> str:
    return f"{path} is read by code that evaluates text, and its content was not kept"


def _is_left_out(file: PackageFile) -> bool:
    return file.size > 0 and file.content is None


def _fired(matcher: Matcher, files: Iterable[FileSightings], manifest: Hits) -> tuple[str, ...]:
    fired = {name for each in files for name in each.whole.fired()}
    fired.update(matcher.view(manifest).fired())
    return tuple(sorted(fired))


@lru_cache(maxsize=4)
def matcher_of(ruleset: Ruleset) -> Matcher:
    """The matcher of a ruleset, made once."""
    return Matcher(ruleset)


@lru_cache(maxsize=4)
def prefilter_of(ruleset: Ruleset) -> Prefilter:
    """The prefilter of a ruleset, made once."""
    return Prefilter(ruleset)


def _normal(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _excerpt(content: bytes, start: int, end: int) -> str:
    """One line of source around a place: a little before it on its own line, then on to the length there is."""
    line_start = content.rfind(b"\n", 0, start) + 1
    begin = max(line_start, start - _LEAD)
    text = content[begin : max(end, begin) + 4 * _EXCERPT][: 8 * _EXCERPT].decode("utf-8", "replace")
    return _clipped(" ".join(text.split()))


def _of_layer(layers: Sequence[Layer], start: int, end: int) -> str | None:
    """The decoded code around a place that is numbered on from the end of its file."""
    layer = next((each for each in reversed(layers) if each.base <= start), None)
    return None if layer is None else _excerpt(layer.text, start - layer.base, end - layer.base)


def _clipped(text: str) -> str:
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"


def _install_commands(archive: PackageArchive) -> list[tuple[str, str]]:
    """What an installation runs besides package.json's scripts, as file and text."""
    shell = list(install_shell_files(archive, archive.manifest))
    return shell + [("binding.gyp", command) for command in gyp_commands(archive)]


def _line_of_script(content: bytes, text: str) -> int | None:
    name = text.partition(": ")[0]
    at = content.find(f'"{name}"'.encode())
    return content.count(b"\n", 0, at) + 1 if at >= 0 else None
