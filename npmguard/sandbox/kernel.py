"""System calls that Python has no function for, through the C library's ``syscall`` and ``prctl``."""

from __future__ import annotations

import ctypes
import os
from functools import cache

_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_CAPABILITY_VERSION = 0x20080522  # linux/capability.h: two words of 32 capabilities
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}


def system_call(number: int, *arguments: int | bytes | ctypes.Structure) -> int:
    """Make a system call; a structure and bytes go as their address, a number as one machine word.

    Raises:
        OSError: the kernel refused; with its errno.
    """
    words = [_word(it) for it in arguments]
    ctypes.set_errno(0)
    answer = int(_library().syscall(ctypes.c_long(number), *words))
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


def no_new_privileges() -> None:
    """Have no program that this process may start gain rights; unprivileged restrictions ask for it.

    Raises:
        OSError: the kernel refused.
    """
    zero = ctypes.c_ulong(0)
    if _library().prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def drop_capabilities(machine: str) -> None:
    """Give up every capability, so that what runs as root may no more than its user's files allow.

    Raises:
        OSError: the kernel refused, or its number of capset(2) on *machine* is not known.
    """
    number = _SYS_CAPSET.get(machine)
    if number is None:
        raise OSError(0, f"capset is not known on {machine}")
    none = bytes(2 * 12)  # effective, permitted and inheritable, twice
    system_call(number, _CAPABILITY_VERSION.to_bytes(4, "little") + bytes(4), none)


def _word(value: int | bytes | ctypes.Structure) -> object:
    if isinstance(value, bytes):
        return ctypes.create_string_buffer(value, len(value))
    return ctypes.c_ulong(value) if isinstance(value, int) else ctypes.byref(value)


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
