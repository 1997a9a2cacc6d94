"""Resource limits of a process that reads packages: memory, time, files, processes."""

from __future__ import annotations

import math
import resource


def put_limits(memory: int) -> None:
    """Bound this process, for good where it holds no privilege: *memory* is all that it may write to, in bytes.

    No core file is left, no file grows, no descriptor is opened any more. Address space is not bounded: yara-x
    reserves far more of it than it uses.

    Raises:
        OSError, ValueError: the system refused.
    """
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_DATA, memory),
    ):
        resource.setrlimit(kind, (_at_most(kind, most), _at_most(kind, most)))


def no_processes() -> None:
    """Start no process and no thread any more; the system excepts root from that.

    Raises:
        OSError, ValueError: the system refused.
    """
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def renew_time(seconds: float) -> None:
    """Let this process have *seconds* of processor time from now; then it is ended.

    Raises:
        OSError, ValueError: the system refused.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + max(seconds, 1.0))
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _at_most(kind: int, most: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return most if hard == resource.RLIM_INFINITY else min(most, hard)
