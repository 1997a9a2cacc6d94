"""Keeps the C library from holding on to memory that nobody uses any more.

glibc keeps an arena for each thread and gives little of what was freed back to the system: after one package of
many megabytes a process would stay that large. Where the C library is another one, nothing is done.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path

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
    """How many bytes of memory this process has in use; 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@cache
def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
