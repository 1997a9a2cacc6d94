"""Accepted findings: the file in which a project says which findings it lives with, why, and until when."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from npmguard.config_place import steps_of, toml_line
from npmguard.detect.verdict import decide
from npmguard.errors import ConfigError
from npmguard.model import Acceptance, Integrity, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from npmguard.model import Finding, LockedPackage, Lockfile, PackageReport, ScanReport

_Text = Annotated[str, msgspec.Meta(min_length=1)]
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?: |$)", re.MULTILINE)
_WILD = frozenset("*?[]")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """One ``[[accepted]]`` table: one rule's findings in one version of one package, known by its bytes."""

    package: _Text
    version: _Text
    integrity: _Text
    rule: _Text
    reason: _Text
    author: _Text
    expires: date


class AcceptedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The whole file."""

    accepted: tuple[Entry, ...] = ()


class Acceptances:
    """The entries of one file, each with the line on which it begins."""

    def __init__(self, path: Path, entries: Sequence[tuple[int, Entry]] = ()) -> None:
        self.path = path
        self.entries = tuple(entries)

    def of(self, name: str, version: str, rule: str) -> Entry | None:
        """The entry that accepts that rule's findings in that version."""
        wanted = (name, version, rule)
        return next((e for _, e in self.entries if (e.package, e.version, e.rule) == wanted), None)


def read_acceptances(path: Path) -> Acceptances:
    """Read a file of accepted findings; no file accepts nothing.

    Raises:
        ConfigError: the file is damaged, holds the marks of a merge conflict, an unknown key, a wildcard, or
            lacks a reason; the message names file and line.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return Acceptances(path)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        raise ConfigError(f"{path}:{line}: a merge conflict is left in it; settle it, then scan again")
    try:
        file = msgspec.convert(tomllib.loads(text), AcceptedFile)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep; an acceptance holds plain values") from None
    except msgspec.ValidationError as error:
        line = toml_line(text, steps_of(str(error))) or 1
        raise ConfigError(f"{path}:{line}: {error}; see docs/policy.md for what an entry holds") from error
    lines = [toml_line(text, ["accepted", str(index)]) or 1 for index in range(len(file.accepted))]
    entries = tuple(zip(lines, file.accepted, strict=True))
    for line, entry in entries:
        if any(_WILD & set(text) for text in (entry.package, entry.version, entry.rule)):
            raise ConfigError(f"{path}:{line}: an acceptance names one package, version and rule; no wildcards")
        if Integrity.parse(entry.integrity) is None or not _computable(entry.integrity):
            raise ConfigError(f"{path}:{line}: {entry.integrity!r} is no integrity; copy the lockfile's")
        if not entry.reason.strip():
            raise ConfigError(f"{path}:{line}: an acceptance needs a reason")
    return Acceptances(path, entries)


def check_acceptances(acceptances: Acceptances, lock: Lockfile, today: date) -> None:
    """Hold every entry against the day, and against the lock's bytes.

    Raises:
        ConfigError: an entry has expired, or accepts other bytes than the lock installs; names file and line.
    """
    packages: dict[tuple[str, str], list[LockedPackage]] = {}
    for package in lock.packages:
        packages.setdefault((package.name, package.version), []).append(package)
    for line, entry in acceptances.entries:
        place, name = f"{acceptances.path}:{line}", f"{entry.package}@{entry.version}"
        if entry.expires < today:
            raise ConfigError(
                f"{place}: the acceptance of {entry.rule} in {name} expired on {entry.expires};"
                " look at it again, then renew or remove it"
            )
        for package in packages.get((entry.package, entry.version), ()):
            if not _same_bytes(entry.integrity, package.integrity):
                told = str(package.integrity) if package.integrity is not None else "no integrity"
                raise ConfigError(
                    f"{place}: {name} was accepted with other bytes: the lock states {told};"
                    " look at it again, then renew or remove the entry"
                )


def apply_acceptances(report: ScanReport, acceptances: Acceptances) -> ScanReport:
    """The report with accepted findings marked, and verdicts drawn from the others.

    An entry that fits nothing in the report is told in its notes.
    """
    if not acceptances.entries:
        return report
    used: set[Entry] = set()
    packages = tuple(_accepted(package, acceptances, used) for package in report.packages)
    unused = tuple(
        f"{acceptances.path.name}:{line}: nothing to accept: no finding of {entry.rule} in"
        f" {entry.package}@{entry.version}; remove the entry"
        for line, entry in acceptances.entries
        if entry not in used
    )
    return replace(report, packages=packages, notes=(*report.notes, *unused))


def render_entry(entry: Entry) -> str:
    """One entry as a table of the file."""
    fields = msgspec.to_builtins(entry, builtin_types=(date,))
    lines = [f"{key} = {_toml(value)}" for key, value in fields.items()]
    return "[[accepted]]\n" + "\n".join(lines) + "\n"


def _accepted(package: PackageReport, acceptances: Acceptances, used: set[Entry]) -> PackageReport:
    findings: list[Finding] = []
    for finding in package.findings:
        entry = acceptances.of(package.name, package.version, finding.rule)
        if entry is None:
            findings.append(finding)
            continue
        used.add(entry)
        why = Acceptance(entry.reason, entry.author, entry.expires.isoformat())
        findings.append(replace(finding, accepted=why))
    if tuple(findings) == package.findings:
        return package
    left = tuple(finding for finding in findings if finding.accepted is None)
    decision = decide(left, package.unverified_reason)
    fix = package.fix if decision.verdict in {Verdict.MALICIOUS, Verdict.SUSPICIOUS} else None
    return replace(
        package, findings=tuple(findings), verdict=decision.verdict, reasons=decision.reasons, fix=fix
    )


def _same_bytes(accepted: str, stated: Integrity | None) -> bool:
    wanted = Integrity.parse(accepted)
    if wanted is None or stated is None:
        return False
    shared = {each.algorithm for each in wanted.hashes} & {each.algorithm for each in stated.hashes}
    strongest = next((each.algorithm for each in wanted.hashes if each.algorithm in shared), None)
    return strongest is not None and any(
        each in stated.hashes for each in wanted.hashes if each.algorithm == strongest
    )


def _computable(text: str) -> bool:
    parsed = Integrity.parse(text)
    return parsed is not None and bool(parsed.hashes)


def _toml(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    return msgspec.json.encode(str(value)).decode("utf-8")  # a JSON string is a basic string of TOML
