"""The process that reads hostile bytes: a tarball in over a pipe, a typed analysis out.

It is started by :mod:`npmguard.pool` as ``python -m npmguard.worker``, speaks :mod:`npmguard.protocol` on its
standard streams, and ends at the end of its input.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from npmguard.detect.analyse import CodeAnalysis, analyse_package, is_source, missing_sources
from npmguard.detect.indicators import IndicatorMatcher
from npmguard.detect.rule import Ruleset, load_ruleset
from npmguard.errors import LimitExceeded, PackageError
from npmguard.integrity.sri import compute_hashes
from npmguard.model import TarballAnalysis
from npmguard.package.diff import diff_archives
from npmguard.package.gyp import gyp_commands, implicit_install_script
from npmguard.package.tarball import read_archive
from npmguard.protocol import Settings, receive, send

if TYPE_CHECKING:
    from npmguard.config import Limits
    from npmguard.model import PackageArchive, VersionDiff


_NESTED = "/package.json"


def analyse_tarball(
    tarball: bytes,
    ruleset: Ruleset,
    limits: Limits,
    baseline: bytes | None = None,
    *,
    prefilter: bool = True,
    indicators: IndicatorMatcher | None = None,
) -> TarballAnalysis:
    """Read one tarball, with its baseline where one is given, and say what it holds and does.

    Bytes that cannot be read end in an analysis whose ``unverified`` says why; this never raises for any
    bytes.
    """
    by_hash = indicators is not None and indicators.needs_hashes
    hashes = compute_hashes(tarball, ("sha512", "sha256", "sha1") if by_hash else ("sha512", "sha1"))
    try:
        archive = _read(tarball, limits, hashes=baseline is not None or by_hash)
    except PackageError as error:
        return TarballAnalysis(
            hashes=hashes,
            size=len(tarball),
            file_count=0,
            unpacked_size=0,
            manifest=None,
            notes=(),
            findings=(),
            signals=(),
            unverified=str(error),
        )
    unverified = None
    old = None
    if baseline is not None:
        try:
            old = _read(baseline, limits, hashes=True)
        except PackageError as error:
            unverified = f"the baseline's tarball could not be read: {error}"
    code: CodeAnalysis = analyse_package(archive, ruleset, limits, baseline=old, prefilter=prefilter)
    try:
        known = indicators.match(archive, limits, hashes) if indicators is not None else ()
    except LimitExceeded as error:
        known, unverified = (), str(error)
    return TarballAnalysis(
        hashes=hashes,
        size=len(tarball),
        file_count=archive.entry_count,
        unpacked_size=archive.unpacked_size,
        manifest=archive.manifest,
        notes=archive.notes,
        findings=(*code.findings, *known),
        signals=code.signals,
        partial=code.partial,
        unverified=code.unverified or unverified or archive.manifest_error,
        bundled=tuple(sorted(path.removesuffix(_NESTED) for path in archive.files if _is_bundled(path))),
        diff=_diff(old, archive) if old is not None else None,
        baseline_signals=analyse_package(old, ruleset, limits).signals if old is not None else None,
        implicit_install=implicit_install_script(archive),
        gyp_commands=gyp_commands(archive),
    )


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the input ends."""
    settings = msgspec.msgpack.decode(receive(requests), type=Settings)
    ruleset = load_ruleset(settings.rules)
    answer = partial(
        analyse_tarball,
        ruleset=ruleset,
        limits=settings.limits,
        prefilter=settings.prefilter,
        indicators=IndicatorMatcher(settings.indicators) if settings.indicators else None,
    )
    send(answers, ruleset.digest.encode())  # ready
    while tarball := receive(requests):
        baseline = receive(requests)
        send(answers, msgspec.msgpack.encode(answer(tarball, baseline=baseline or None)))


def _diff(old: PackageArchive, new: PackageArchive) -> VersionDiff:
    versions = [archive.manifest.version if archive.manifest else "" for archive in (old, new)]
    return diff_archives(old, new, *versions)


def _is_bundled(path: str) -> bool:
    return path.startswith("node_modules/") and path.endswith(_NESTED)


def _read(tarball: bytes, limits: Limits, *, hashes: bool) -> PackageArchive:
    """The archive with the content of every file that may be read as code.

    What package.json hands to Node may have any name, and package.json may stand at the end of the archive:
    where it names a file that was passed over, the archive is read once more.
    """
    archive = read_archive(tarball, limits, is_source, hashes=hashes)
    named = missing_sources(archive)
    if named:
        archive = read_archive(
            tarball, limits, lambda path, size: path in named or is_source(path, size), hashes=hashes
        )
    return archive


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
