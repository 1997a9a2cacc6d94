"""Into the sandbox: all that this machine offers is put around the process, and what could not be is said."""

from __future__ import annotations

import errno
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from npmguard.errors import SandboxError
from npmguard.model import Sandbox

PRIVILEGES: Final = "no_new_privs"
LANDLOCK: Final = "landlock"
RLIMITS: Final = "rlimits"
SECCOMP: Final = "seccomp"
_TCP_SINCE: Final = 4  # ABI of Landlock
_ADVICE: Final = {
    LANDLOCK: "needs Linux 5.13 or later, with landlock among its lsm",
    SECCOMP: "needs Linux 4.14 or later, on x86-64 or aarch64",
    PRIVILEGES: "needs Linux",
    RLIMITS: "the process may use whatever the machine has",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What the kernel offers: the ABI of its Landlock (0: none), and for each mean that there is not, why."""

    landlock: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)


def offered() -> Offer:
    """Ask the kernel; changes nothing, takes some microseconds."""
    if sys.platform != "linux":
        why = f"not on {sys.platform}"
        return Offer(problems={PRIVILEGES: why, LANDLOCK: why, SECCOMP: why})
    from npmguard.sandbox import landlock, seccomp  # noqa: PLC0415 - of Linux alone

    abi, problems = 0, {}
    try:
        abi = landlock.version()
    except OSError as error:
        problems[LANDLOCK] = _reason(error)
    try:
        seccomp.check()
    except OSError as error:
        problems[SECCOMP] = _reason(error)
    return Offer(abi, problems)


def expected(offer: Offer | None = None) -> Sandbox:
    """The sandbox that processes will be in on this machine; asks the kernel where no *offer* is given."""
    offer = offer if offer is not None else offered()
    return _sandbox(offer.landlock, offer.problems)


def enter(memory: int, offer: Offer | None = None, *, compiles: bool = False) -> Sandbox:
    """Give up what reading a package does not need, for good; returns what was put in place.

    To be called by a process of one thread that has imported and opened all that it will need. What cannot be
    put in place is told in ``missing``, and the rest is put in place all the same. *memory* bounds what the
    process may use, in bytes. *offer* is what the kernel is taken to offer. *compiles* leaves the right to make
    machine code, for a process that has not yet compiled its patterns.
    """
    from npmguard.sandbox.resource_limits import no_processes, put_limits  # noqa: PLC0415 - not on every system

    offer = offer if offer is not None else offered()
    problems = dict(offer.problems)

    def attempt(mean: str, put: Callable[[], None]) -> None:
        if mean not in problems:
            try:
                put()
            except (OSError, ValueError) as error:
                problems[mean] = _reason(error)

    attempt(PRIVILEGES, _give_up_privileges)
    attempt(LANDLOCK, lambda: _restrict(offer.landlock))
    attempt(RLIMITS, lambda: put_limits(memory))
    attempt(SECCOMP, lambda: _filter(compiles=compiles))
    if SECCOMP in problems:  # which forbids processes and allows threads; a limit knows no difference
        attempt(RLIMITS, no_processes)
    return _sandbox(offer.landlock, problems)


def require(sandbox: Sandbox) -> None:
    """Make sure that all of the sandbox is in place.

    Raises:
        SandboxError: it is not; says what is missing.
    """
    if sandbox.missing:
        raise SandboxError(
            f"the sandbox is required and this machine lacks a part of it: {', '.join(sandbox.missing)};"
            " see npmguard doctor, or leave out --require-sandbox and sandbox.required"
        )


def _give_up_privileges() -> None:
    from npmguard.sandbox import kernel  # noqa: PLC0415 - of Linux alone

    kernel.no_new_privileges()
    kernel.drop_capabilities(platform.machine())


def _restrict(abi: int) -> None:
    """Landlock holds the thread that asks for it: another that is there already would be free."""
    from npmguard.sandbox import landlock  # noqa: PLC0415 - of Linux alone

    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        raise OSError(errno.EBUSY, f"{threads} threads were there before it")
    landlock.restrict(abi)


def _filter(*, compiles: bool) -> None:
    from npmguard.sandbox import seccomp  # noqa: PLC0415 - of Linux alone

    seccomp.install(os.getpid(), compiles=compiles)


def _sandbox(abi: int, problems: Mapping[str, str]) -> Sandbox:
    def held(*means: str) -> tuple[str, ...]:
        return tuple(mean for mean in means if mean not in problems)

    return Sandbox(
        file_system=held(LANDLOCK, SECCOMP),
        network=held(LANDLOCK, SECCOMP) if abi >= _TCP_SINCE else held(SECCOMP),
        processes=held(PRIVILEGES, SECCOMP),
        limits=held(RLIMITS),
        missing=tuple(f"{mean}: {problems[mean]} ({_ADVICE[mean]})" for mean in _ADVICE if mean in problems),
    )


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
