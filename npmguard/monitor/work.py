"""What a worker does: judge one version, with no more than its task to go by.

:func:`judge` is the whole of it: bytes in, bytes out, so that any executor can carry it to another process or
another machine. What it keeps from one task to the next (connections, an analysing process, caches) belongs to
the thread that it runs on, and is renewed from time to time.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from npmguard.errors import NotInRegistry, NpmguardError, RegistryError
from npmguard.model import IntegrityOutcome, ScanReport, Verdict
from npmguard.monitor.records import Answer, Task, plain

if TYPE_CHECKING:
    from npmguard.config import Config
    from npmguard.scanner import Scanner

_TASKS: Final = 400  # that one scanner judges: what it knows of the time and of malware must not grow old
_SECONDS: Final = 900.0
_READ: Final = frozenset({IntegrityOutcome.VALID, IntegrityOutcome.WEAK, IntegrityOutcome.MISMATCH})
_TASK = msgspec.msgpack.Decoder(Task)


def judge(task: bytes) -> bytes:
    """Judge the version that a :class:`~npmguard.monitor.records.Task` names; its answer, both as MessagePack.

    It raises for nothing that a registry or a package does: that is told in the answer.
    """
    return msgspec.msgpack.encode(_answer(_TASK.decode(task)))


def _answer(task: Task) -> Answer:
    from npmguard.monitor.kept import KeptVersion, pack  # noqa: PLC0415 - as the next
    from npmguard.report.json_v1 import render  # noqa: PLC0415 - of the worker's side alone, as the scanner is

    try:
        scanner = _bench.scanner(task.config, task.registry)
        report, kept = scanner.release_kept(task.name, task.version)
    except NotInRegistry as error:
        return Answer(problem=plain(str(error)), absent=True, again=True)
    except RegistryError as error:
        return Answer(problem=plain(str(error)), again=True)
    except NpmguardError as error:  # the settings of this worker's machine: nothing that time will mend
        return Answer(problem=plain(str(error)))
    (package,) = report.packages
    facts = pack(KeptVersion(report.ruleset, package, kept)) if kept is not None else b""
    return Answer(
        verdict=package.verdict.value,
        ruleset=report.ruleset,
        document=render(report),
        sha512=_sha512(report),
        problem=plain(package.unverified_reason) if package.unverified_reason is not None else None,
        again=package.verdict is Verdict.UNVERIFIED and package.integrity.registry not in _READ,
        facts=facts,
        readable=bool(facts and kept is not None and kept.facts),
    )


def _sha512(report: ScanReport) -> str | None:
    specimen = report.packages[0].specimen
    hashes = specimen.hashes if specimen is not None else ()
    return next((it.digest.hex() for it in hashes if it.algorithm == "sha512"), None)


class _Bench(threading.local):
    """The scanner of one thread."""

    def __init__(self) -> None:
        self._scanner: Scanner | None = None
        self._for: tuple[Config, str | None] | None = None
        self._left = 0
        self._until = 0.0

    def scanner(self, config: Config, registry: str | None) -> Scanner:
        """One for those settings: that of the last task, while it is not too old."""
        fresh = self._left > 0 and time.monotonic() < self._until
        if self._scanner is not None and (not fresh or self._for != (config, registry)):
            self._scanner.__exit__(None, None, None)
            self._scanner = None
        if self._scanner is None:
            from npmguard.registry.npmrc import load_npm_config  # noqa: PLC0415 - see above
            from npmguard.scanner import Scanner  # noqa: PLC0415 - see above

            npm = load_npm_config(Path(), os.environ)
            if registry is not None:
                npm = replace(npm, registry=registry)
            self._scanner = Scanner(config, npm, facts=True)
            self._for, self._left, self._until = (config, registry), _TASKS, time.monotonic() + _SECONDS
        self._left -= 1
        return self._scanner


_bench = _Bench()
