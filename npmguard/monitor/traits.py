"""What a flagged release can share with others: payload, indicators, package, what it brings in."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import Any, Final

import msgspec

from npmguard.errors import IndicatorError
from npmguard.intel.found import found_indicators
from npmguard.intel.popular import load_popular
from npmguard.model import IndicatorKind, Verdict
from npmguard.monitor.alert import Affected, AlertFinding, Trait

MOST: Final = 200
"""Traits of one release; kinds that say most come first."""
LONGEST: Final = 512
"""Characters of a value; a longer one is known by its digest."""

_KINDS: Final = {
    IndicatorKind.SHA256: "file",
    IndicatorKind.ADDRESS: "address",
    IndicatorKind.DOMAIN: "domain",
    IndicatorKind.IP: "ip",
    IndicatorKind.URL: "url",
}
TRAIT_KINDS: Final = ("package", "file", "address", "domain", "ip", "url")
_DEPENDENCIES: Final = frozenset({"dependencies", "optionalDependencies"})
_FLAGS: Final = ("critical", "high", "medium", "low")
_FINDINGS = 5


class _ManifestDelta(msgspec.Struct):
    field: str
    key: str
    old: str | None = None
    new: str | None = None


class _Diff(msgspec.Struct):
    manifest: list[_ManifestDelta] = []


class _Specimen(msgspec.Struct):
    sha512: str | None = None
    sha256: str | None = None


class _Package(msgspec.Struct):
    name: str
    version: str
    verdict: str
    findings: list[AlertFinding] = []
    diff: _Diff | None = None
    specimen: _Specimen | None = None


class _Report(msgspec.Struct):
    packages: list[_Package]


def traits_of(document: bytes) -> tuple[Trait, ...]:
    """The traits of the release that an ``npmguard.report/1`` is about, without repeats, at most :data:`MOST`.

    ``file`` is the SHA-256 of a file that findings of severity critical or high name; ``address``, ``domain``,
    ``ip`` and ``url`` are what these files and findings name, but for what is everybody's. ``package`` is its
    own name, and that of each dependency that it has and its baseline had not, unless that is among the most
    downloaded ones: so that a release meets the package that it brings in.

    Raises:
        IndicatorError: it is no such report.
    """
    package = _package(document)
    found = {Trait("package", _short(name)) for name in (package.name, *_brought_in(package))}
    own = {package.specimen.sha256, package.specimen.sha512} if package.specimen is not None else set()
    for indicator in found_indicators(document, suspicious=True, name="a stored report"):
        kind = _KINDS.get(indicator.kind)
        if kind is not None and indicator.value not in own:  # no other release has the same tarball
            found.add(Trait(kind, _short(indicator.value)))
    return tuple(sorted(found, key=lambda it: (TRAIT_KINDS.index(it.kind), it.value))[:MOST])


def common_traits_of(document: bytes) -> tuple[Trait, ...]:
    """What a clean release has that would be traits if it were not clean: files, and what they name.

    Raises:
        IndicatorError: it is no report of one release.
    """
    package = _package(document)
    if package.specimen is None:
        return ()
    report: dict[str, Any] = msgspec.json.decode(document)
    report["packages"][0]["verdict"] = Verdict.MALICIOUS.value
    return tuple(trait for trait in traits_of(msgspec.json.encode(report)) if trait.kind != "package")


def affected_of(document: bytes, *, seen: str, published: str | None = None) -> Affected:
    """The release that an ``npmguard.report/1`` is about, as alerts tell it: its worst findings first.

    Raises:
        IndicatorError: it is no such report.
    """
    package = _package(document)
    worst = sorted(package.findings, key=lambda it: _FLAGS.index(it.severity) if it.severity in _FLAGS else 4)
    return Affected(
        name=package.name,
        version=package.version,
        verdict=package.verdict,
        seen=seen,
        published=published,
        sha512=package.specimen.sha512 if package.specimen is not None else None,
        findings=tuple(worst[:_FINDINGS]),
    )


def _package(document: bytes) -> _Package:
    try:
        report = msgspec.json.decode(document, type=_Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IndicatorError(f"a stored report cannot be read: {error}") from error
    if len(report.packages) != 1:
        raise IndicatorError(f"a stored report is about {len(report.packages)} packages, and not about one")
    return report.packages[0]


def _brought_in(package: _Package) -> set[str]:
    if package.diff is None:
        return set()
    added = {
        _target(delta.key, delta.new)
        for delta in package.diff.manifest
        if delta.field in _DEPENDENCIES and delta.old is None and delta.new is not None
    }
    popular = _popular()
    return {name for name in added if name not in popular}


def _target(name: str, spec: str) -> str:
    """The package that an entry installs: an alias installs another one."""
    if not spec.startswith("npm:"):
        return name
    real = spec.removeprefix("npm:")
    return real[: real.rindex("@")] if "@" in real[1:] else real


@cache
def _popular() -> Any:
    return load_popular()


def _short(value: str) -> str:
    if len(value) <= LONGEST:
        return value
    return f"{value[: LONGEST - 80]}…sha256-{sha256(value.encode('utf-8', 'backslashreplace')).hexdigest()}"
