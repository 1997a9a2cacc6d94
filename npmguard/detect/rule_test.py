"""Every rule and signal held to its own examples: what is missing, what is noisy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType

from npmguard.config import Limits
from npmguard.detect.analyse import analyse_package
from npmguard.detect.rule import Example, Rule, Ruleset, Signal
from npmguard.errors import RuleError
from npmguard.model import Manifest, PackageArchive, PackageFile


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one rule or signal did; the tuples hold names of examples."""

    id: str
    examples: int
    missing: tuple[str, ...] = ()
    noisy: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every example turned out as it says."""
        return not self.missing and not self.noisy


@dataclass(frozen=True, slots=True)
class RuleTest:
    """All outcomes, rules before signals, each by id."""

    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        """Whether no example is missing and none noisy."""
        return all(outcome.passed for outcome in self.outcomes)


def run(ruleset: Ruleset, *, prefilter: bool = False) -> RuleTest:
    """Run the examples of every rule and signal.

    *prefilter* goes the way of a scan, which parses only what a rule could hold in; then signals cannot be
    told, so only rules are run.
    """
    rules = [try_rule(ruleset, rule, prefilter=prefilter) for rule in ruleset.rules]
    signals = [] if prefilter else [try_signal(ruleset, signal) for signal in ruleset.signals.values()]
    return RuleTest((*rules, *signals))


def try_rule(ruleset: Ruleset, rule: Rule, *, prefilter: bool = False) -> Outcome:
    """Run the examples of one rule."""

    def found(example: Example) -> bool:
        before = archive_of(example.before) if example.before is not None else None
        analysis = analyse_package(
            archive_of(example.files), ruleset, Limits(), baseline=before, prefilter=prefilter
        )
        return any(finding.rule == rule.id for finding in analysis.findings)

    return Outcome(
        rule.id,
        len(rule.matching) + len(rule.not_matching),
        tuple(example.name for example in rule.matching if not found(example)),
        tuple(example.name for example in rule.not_matching if found(example)),
    )


def try_signal(ruleset: Ruleset, signal: Signal) -> Outcome:
    """Run the examples of one signal."""

    def found(example: Example) -> bool:
        analysis = analyse_package(archive_of(example.files), ruleset, Limits(), prefilter=False)
        return signal.id in analysis.signals

    return Outcome(
        signal.id,
        len(signal.matching) + len(signal.not_matching),
        tuple(example.name for example in signal.matching if not found(example)),
        tuple(example.name for example in signal.not_matching if found(example)),
    )


def archive_of(files: Mapping[str, str]) -> PackageArchive:
    """A package that holds *files* (path to text) and nothing else; ``package.json`` gives the scripts.

    Raises:
        RuleError: ``package.json`` is not a JSON object.
    """
    packed = {
        path: PackageFile(path, len(content), sha256(content).hexdigest(), content)
        for path, content in sorted((path, text.encode()) for path, text in files.items())
    }
    return PackageArchive(
        files=MappingProxyType(packed),
        notes=(),
        entry_count=len(packed),
        unpacked_size=sum(file.size for file in packed.values()),
        manifest=_manifest(files.get("package.json", "{}")),
    )


def render(result: RuleTest) -> str:
    """The result for people, one line a rule or signal, then a line that sums up."""
    lines = [line for outcome in result.outcomes for line in _lines(outcome)]
    missing = sum(len(outcome.missing) for outcome in result.outcomes)
    noisy = sum(len(outcome.noisy) for outcome in result.outcomes)
    examples = sum(outcome.examples for outcome in result.outcomes)
    lines.append(
        f"{len(result.outcomes)} rules and signals, {examples} examples: {missing} missing, {noisy} noisy"
    )
    return "\n".join(lines) + "\n"


def _lines(outcome: Outcome) -> Iterable[str]:
    yield f"{'ok' if outcome.passed else 'FAILED':<7} {outcome.id}"
    for name in outcome.missing:
        yield f"        missing (should match, does not): {name}"
    for name in outcome.noisy:
        yield f"        noisy (should not match, does): {name}"


def _manifest(text: str) -> Manifest:
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise RuleError(f"package.json of an example is not JSON: {error}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("scripts", {}), dict):
        raise RuleError("package.json of an example is not an object with scripts; write one")
    scripts = {str(key): str(value) for key, value in raw.get("scripts", {}).items()}
    return Manifest(name="example", version="1.0.0", scripts=scripts, main=raw.get("main"))
