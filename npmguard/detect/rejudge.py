"""What a ruleset says of a package whose facts were kept, without its bytes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npmguard.detect.analyse import evidence_of, finding_of, matcher_of, places_shown
from npmguard.detect.circumstances import Circumstances
from npmguard.detect.kept import KeptCode, hidden_words
from npmguard.detect.match import MANIFEST, Candidate, FileSightings, Hit, Sighting
from npmguard.errors import LimitExceeded
from npmguard.model import Evidence, Fact, Finding, PackageArchive

if TYPE_CHECKING:
    from npmguard.config import Limits
    from npmguard.detect.rule import Ruleset


@dataclass(frozen=True, slots=True)
class _Ways:
    """The ways to files that run by themselves, as they were found when there were bytes to look into."""

    installation: dict[str, str]
    load: dict[str, str]


class _KeptCircumstances(Circumstances):
    """The circumstances of findings in a package of which facts are left."""

    def __init__(self, code: KeptCode, read: Sequence[FileSightings]) -> None:
        super().__init__(
            PackageArchive({}, (), 0, 0, code.manifest), {}, read, ways=_Ways(code.installation, code.load)
        )
        self._hidden = {file.facts.path: hidden_words(file) for file in code.files}

    def _hidden_word(self, path: str, fact: Fact) -> str | None:
        return self._hidden.get(path, {}).get(fact)


def findings_again(
    code: KeptCode,
    ruleset: Ruleset,
    limits: Limits,
    *,
    baseline: KeptCode | None = None,
    before: Sequence[Finding] = (),
) -> tuple[Finding, ...]:
    """The findings that :func:`npmguard.detect.analyse.analyse_package` would make of the package.

    Without the *baseline*'s facts, whether a finding is new is taken from the finding of the same rule in the
    same file *before*; nobody can tell it of others.

    Raises:
        LimitExceeded: it takes longer than ``analysis-seconds``.
    """
    return tuple(_Again(code, ruleset, limits, baseline, before).run())


class _Again:
    """One package while it is judged again."""

    def __init__(
        self,
        code: KeptCode,
        ruleset: Ruleset,
        limits: Limits,
        baseline: KeptCode | None,
        before: Sequence[Finding],
    ) -> None:
        self._code = code
        self._limits = limits
        self._matcher = matcher_of(ruleset)
        self._files = {file.facts.path: file for file in code.files}
        self._excerpts = {
            file.facts.path: {(start, end): text for start, end, text in file.excerpts} for file in code.files
        }
        self._decoded = {
            file.facts.path: {(start, end): text for start, end, text in file.decoded} for file in code.files
        }
        self._old = _KeptOld(baseline, self) if baseline is not None else None
        self._before = {(finding.rule, finding.file): finding for finding in before}
        self._end = time.thread_time() + limits.analysis_seconds

    def run(self) -> list[Finding]:
        code = self._code
        read = self._matcher.join([self._matcher.read(file.facts) for file in code.files])
        manifest = self._matcher.read_manifest(code.manifest, code.commands)
        circumstances = _KeptCircumstances(code, read)
        findings = []
        for candidate in self._matcher.candidates(read, manifest, self.check, at_install=code.installed):
            finding = self._finding(candidate, circumstances)
            if finding is not None:
                findings.append(finding)
        return findings

    def check(self) -> None:
        if time.thread_time() > self._end:
            raise LimitExceeded(
                f"judging it again took longer than analysis-seconds ({self._limits.analysis_seconds:g})"
            )

    def signals_of(self, code: KeptCode, path: str) -> frozenset[str]:
        file = next((each for each in code.files if each.facts.path == path), None)
        return frozenset(self._matcher.read(file.facts).whole.fired()) if file is not None else frozenset()

    def _finding(self, candidate: Candidate, circumstances: Circumstances) -> Finding | None:
        places = places_shown(candidate)
        evidence = tuple(self._evidence(sighting, hit) for sighting, hit in places)
        known = self._before.get((candidate.rule.id, evidence[0].file))
        if self._old is not None:
            added = _any(each.added for each in evidence)
        else:
            added = known.added if known is not None else None
        if candidate.rule.introduced and not self._is_introduced(candidate, known):
            return None
        told = circumstances.of([hit for _, hit in places], added=added)
        return finding_of(candidate.rule, evidence, added, told)

    def _is_introduced(self, candidate: Candidate, known: Finding | None) -> bool:
        if self._old is None:
            return known is not None
        old = self._old
        return not any(old.has(each.signal) for each in candidate.sightings)

    def _evidence(self, sighting: Sighting, hit: Hit) -> Evidence:
        fact = hit.fact
        excerpt = decoded = None
        if fact is None:
            line = self._code.lines.get(hit.text.partition(": ")[0]) if hit.file == MANIFEST else None
        else:
            line = fact.line
            excerpt = self._excerpts[hit.file].get((fact.start, fact.end))
            if fact.inside is not None:
                decoded = self._decoded[hit.file].get(fact.inside)
        return evidence_of(
            self._matcher.ruleset,
            sighting,
            hit,
            line=line,
            excerpt=excerpt,
            decoded=decoded,
            added=None if self._old is None else self._old.lacks(sighting.signal, hit, self._sha256(hit.file)),
        )

    def _sha256(self, path: str) -> str:
        file = self._files.get(path)
        return file.sha256 if file is not None else ""


class _KeptOld:
    """The facts of the baseline, looked into only where something was found."""

    def __init__(self, code: KeptCode, again: _Again) -> None:
        self._code = code
        self._again = again
        self._hashes = frozenset(file.sha256 for file in code.files)
        self._passed_over = frozenset(code.passed_over)
        self._signals: dict[str, frozenset[str]] = {}

    def lacks(self, signal: str, hit: Hit, sha256: str) -> bool | None:
        """Whether *signal* is new: in no file of the same bytes, nor in the file of the same path.

        None where that file was there, and nobody looked into it.
        """
        if hit.fact is None:
            name, _, text = hit.text.partition(": ")
            if hit.file != MANIFEST:
                return text not in {command for _path, command in self._code.commands}
            scripts = self._code.manifest.scripts if self._code.manifest is not None else {}
            return scripts.get(name) != text
        if sha256 in self._hashes:
            return False
        if hit.file in self._passed_over:
            return None
        return signal not in self._fired_in(hit.file)

    def has(self, signal: str) -> bool:
        """Whether *signal* was seen in any file whose facts were kept."""
        for file in self._code.files:
            self._again.check()
            if signal in self._fired_in(file.facts.path):
                return True
        return False

    def _fired_in(self, path: str) -> frozenset[str]:
        if path not in self._signals:
            self._signals[path] = self._again.signals_of(self._code, path)
        return self._signals[path]


def _any(answers: Iterable[bool | None]) -> bool | None:
    """Whether one of them is true; None where that hangs on one that nobody knows."""
    known = list(answers)
    return True if any(known) else None if None in known else False
