"""The process that reads hostile bytes: a tarball in over a pipe, a typed analysis out.

It is started by :mod:`npmguard.pool` as ``python -m npmguard.worker``, speaks :mod:`npmguard.protocol` on its
standard streams, and ends at the end of its input.
"""

from __future__ import annotations

import fcntl
import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from npmguard import timing
from npmguard.detect.analyse import CodeAnalysis, analyse_package, is_source, missing_sources, prefilter_of
from npmguard.detect.indicators import IndicatorMatcher
from npmguard.detect.rule import Ruleset, load_ruleset
from npmguard.detect.traces import traces
from npmguard.errors import LimitExceeded, PackageError
from npmguard.integrity.sri import compute_hashes
from npmguard.memory import give_back, resident
from npmguard.model import ShellDeed, TarballAnalysis
from npmguard.package.dependencies import unnamed_dependencies
from npmguard.package.diff import diff_archives
from npmguard.package.gyp import gyp_commands, implicit_install_script
from npmguard.package.hosts import added_hosts
from npmguard.package.install_reach import install_shell_files
from npmguard.package.script import script_risks
from npmguard.package.tarball import read_archive
from npmguard.preload import preload
from npmguard.protocol import ENOUGH, GRACE, Settings, receive, send
from npmguard.sandbox.enter import enter
from npmguard.sandbox.resource_limits import renew_time
from npmguard.timing import staged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from npmguard.config import Limits
    from npmguard.detect.prefilter import Prefilter
    from npmguard.model import PackageArchive, VersionDiff


_LARGE = 4 * 1024**2  # bytes unpacked, after which memory is given back
_LARGE_SOURCE = 1024**2  # bytes of one file
_BLOATED = 192 * 1024**2  # bytes resident, over which a fresh process is cheaper than this one
_NESTED = "/package.json"
_MORE_SECONDS = 5.0  # of processor time, beside those of the analysis
_COMPILE = "compile"  # a stage
_MAX_DEEDS = 10  # that are told of one shell file


@staged("other")
def analyse_tarball(
    tarball: bytes,
    ruleset: Ruleset,
    limits: Limits,
    baseline: bytes | None = None,
    *,
    prefilter: bool = True,
    indicators: IndicatorMatcher | None = None,
    turn: int | None = None,
    facts: bool = False,
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
    with _taking_turns(archive, turn):
        code: CodeAnalysis = analyse_package(
            archive, ruleset, limits, baseline=old, prefilter=prefilter, keep=facts and baseline is None
        )
        also: frozenset[str] = frozenset()
        while code.missing - also:  # what the code reads is known only now
            also |= code.missing
            try:
                archive = _read(tarball, limits, hashes=baseline is not None or by_hash, also=also)
                if baseline is not None and old is not None:
                    old = _read(baseline, limits, hashes=True, also=also)
            except LimitExceeded as error:
                unverified = str(error)
                break
            code = analyse_package(
                archive, ruleset, limits, baseline=old, prefilter=prefilter, keep=facts and baseline is None
            )
    try:
        known = indicators.match(archive, limits, hashes) if indicators is not None else ()
    except LimitExceeded as error:
        known, unverified = (), str(error)
    if (code.findings or known) and not by_hash:
        hashes = (*hashes, *compute_hashes(tarball, ("sha256",)))
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
        baseline_signals=(
            analyse_package(old, ruleset, limits, prefilter=prefilter).signals if old is not None else None
        ),
        implicit_install=implicit_install_script(archive),
        gyp_commands=gyp_commands(archive),
        unnamed_dependencies=unnamed_dependencies(archive),
        shell_deeds=_shell_deeds(archive),
        traces=traces(archive, (*code.findings, *known), limits, old),
        hosts_added=added_hosts(old, archive) if old is not None else None,
        facts=code.facts,
    )


def _shell_deeds(archive: PackageArchive) -> tuple[ShellDeed, ...]:
    return tuple(
        ShellDeed(path, risk.risk.value, risk.command)
        for path, text in install_shell_files(archive, archive.manifest)
        for risk in script_risks(text)[:_MAX_DEEDS]
    )


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the input ends, in a sandbox from the first package on.

    Raises:
        MemoryError: a package needs more than ``limits.analysis-bytes``.
    """
    started = time.monotonic()
    settings = msgspec.msgpack.decode(receive(requests), type=Settings)
    given = receive(requests)
    ruleset = load_ruleset(settings.rules)
    answer = partial(
        analyse_tarball,
        ruleset=ruleset,
        limits=settings.limits,
        prefilter=settings.prefilter,
        turn=settings.turn,
        facts=settings.facts,
        indicators=IndicatorMatcher(settings.indicators) if settings.indicators else None,
    )
    compiling = timing.Recorder()
    made = _ready(prefilter_of(ruleset), given, compiling) if settings.prefilter else b""
    preload(answer)
    give_back()
    resident()
    sandbox = enter(settings.limits.analysis_bytes, compiles=not settings.prefilter)
    counting = timing.start() if settings.timed else None
    if counting is not None:
        inside = compiling.take()
        _, wall, cpu = inside.get(_COMPILE, (0, 0.0, 0.0))
        counting.add({"start": (1, time.monotonic() - started - wall, time.process_time() - cpu), **inside})
    send(answers, msgspec.msgpack.encode(sandbox))
    send(answers, made)  # ready
    del given, made  # megabytes
    while tarball := receive(requests):
        renew_time(settings.limits.analysis_seconds * GRACE + _MORE_SECONDS)
        baseline = receive(requests)
        analysis = answer(tarball, baseline=baseline or None)
        send(answers, msgspec.msgpack.encode(analysis))
        if analysis.unpacked_size > _LARGE:
            give_back()
        send(answers, ENOUGH if resident() > _BLOATED else b"")
        if counting is not None:
            send(answers, msgspec.msgpack.encode(counting.take()))


def _ready(prefilter: Prefilter, given: bytes, compiling: timing.Recorder) -> bytes:
    """Give the prefilter what was compiled before; where that is no good, what was compiled instead."""
    if given and prefilter.take(given):
        return b""
    return compiling.measure(_COMPILE, prefilter.compiled)


def _diff(old: PackageArchive, new: PackageArchive) -> VersionDiff:
    versions = [archive.manifest.version if archive.manifest else "" for archive in (old, new)]
    return diff_archives(old, new, *versions)


@contextmanager
def _taking_turns(archive: PackageArchive, turn: int | None) -> Iterator[None]:
    """Hold the lock on the file *turn* while a large source is read: its tree takes much memory."""
    large = any(file.content is not None and file.size > _LARGE_SOURCE for file in archive.files.values())
    if turn is None or not large:
        yield
        return
    fcntl.lockf(turn, fcntl.LOCK_EX)  # a process that ends lets go of it
    try:
        yield
    finally:
        fcntl.lockf(turn, fcntl.LOCK_UN)


def _is_bundled(path: str) -> bool:
    return path.startswith("node_modules/") and path.endswith(_NESTED)


def _read(
    tarball: bytes, limits: Limits, *, hashes: bool, also: frozenset[str] = frozenset()
) -> PackageArchive:
    """The archive with the content of every file that may be read as code, and of those in *also*.

    What package.json hands to Node may have any name, and package.json may stand at the end of the archive:
    where it names a file that was passed over, the archive is read once more.
    """

    def wanted(path: str, size: int) -> bool:
        return path in also or is_source(path, size)

    archive = read_archive(tarball, limits, wanted, hashes=hashes)
    named = missing_sources(archive)
    if named:
        archive = read_archive(
            tarball, limits, lambda path, size: path in named or wanted(path, size), hashes=hashes
        )
    return archive


def _main() -> int | str:
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except MemoryError:
        return "it needs more memory than the cap limits.analysis-bytes; raise it in npmguard.toml"
    return 0


if __name__ == "__main__":
    sys.exit(_main())
