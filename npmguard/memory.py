"""Keeps the C library from holding on to memory that nobody uses any more.

glibc keeps an arena for each thread and gives little of what was freed back to the system: after one package of
many megabytes a process would stay that large. Where the C library is another one, nothing is done.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_M_ARENA_MAX = -8  # malloc.h of glibc


def few_arenas() -> None:
    """Have all threads of this process share two arenas; call it before they start."""
    library = _glibc()
    if library is not None:
        library.mallopt(_M_ARENA_MAX, 2)


def give_back() -> None:
    """Give memory that is free back to the system; takes about a millisecond."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def resident() -> int:
    """How many bytes of memory this process has in use; 0 where the system does not say.

    The file that tells is opened once and kept, so that a process that may open nothing later asks once before.
    """
    file = _statm()
    if file is None:
        return 0
    return int(os.pread(file, 256, 0).split()[1]) * _PAGE


@cache
def _statm() -> int | None:
    try:
        return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


@cache
def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
