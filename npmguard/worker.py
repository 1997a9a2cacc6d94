"""The process that reads hostile bytes: a tarball in over a pipe, a typed analysis out.

It is started by :mod:`npmguard.pool` as ``python -m npmguard.worker``, speaks :mod:`npmguard.protocol` on its
standard streams, and ends at the end of its input.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from npmguard.detect.analyse import CodeAnalysis, analyse_package, is_source
from npmguard.detect.rule import Ruleset, load_ruleset
from npmguard.errors import PackageError
from npmguard.integrity.sri import compute_hashes
from npmguard.model import TarballAnalysis
from npmguard.package.tarball import read_archive
from npmguard.protocol import Settings, receive, send

if TYPE_CHECKING:
    from npmguard.config import Limits
    from npmguard.model import PackageArchive


_NESTED = "/package.json"


def analyse_tarball(
    tarball: bytes, ruleset: Ruleset, limits: Limits, baseline: bytes | None = None, *, prefilter: bool = True
) -> TarballAnalysis:
    """Read one tarball, with its baseline where one is given, and say what it holds and does.

    Bytes that cannot be read end in an analysis whose ``unverified`` says why; this never raises for any
    bytes.
    """
    hashes = compute_hashes(tarball, ("sha512", "sha1"))
    try:
        archive = _read(tarball, limits)
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
            old = _read(baseline, limits)
        except PackageError as error:
            unverified = f"the baseline's tarball could not be read: {error}"
    code: CodeAnalysis = analyse_package(archive, ruleset, limits, baseline=old, prefilter=prefilter)
    return TarballAnalysis(
        hashes=hashes,
        size=len(tarball),
        file_count=len(archive.files),
        unpacked_size=archive.unpacked_size,
        manifest=archive.manifest,
        notes=archive.notes,
        findings=code.findings,
        signals=code.signals,
        partial=code.partial,
        unverified=code.unverified or unverified or archive.manifest_error,
        bundled=tuple(sorted(path.removesuffix(_NESTED) for path in archive.files if _is_bundled(path))),
    )


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the input ends."""
    settings = msgspec.msgpack.decode(receive(requests), type=Settings)
    ruleset = load_ruleset(settings.rules)
    answer = partial(analyse_tarball, ruleset=ruleset, limits=settings.limits, prefilter=settings.prefilter)
    send(answers, ruleset.digest.encode())  # ready
    while tarball := receive(requests):
        baseline = receive(requests)
        send(answers, msgspec.msgpack.encode(answer(tarball, baseline=baseline or None)))


def _is_bundled(path: str) -> bool:
    return path.startswith("node_modules/") and path.endswith(_NESTED)


def _read(tarball: bytes, limits: Limits) -> PackageArchive:
    return read_archive(tarball, limits, is_source)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
