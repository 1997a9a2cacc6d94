"""Landlock: a process that gives up the file system, TCP and its reach to other processes.

As the kernel documents it (Documentation/userspace-api/landlock.rst, linux/landlock.h). Every right that the
kernel's ABI knows is handled and no rule grants any, so that nothing is left of it.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

from npmguard.sandbox.kernel import system_call

_CREATE_RULESET: Final = 444  # the same numbers on every architecture
_RESTRICT_SELF: Final = 446
_ASK_VERSION: Final = 1

#: The ABI that first knew a right -> the mask of all rights then.
_FILE_SYSTEM: Final = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 5: 0xFFFF}  # refer, truncate, ioctl of devices
_TCP: Final = {4: 0x3}  # bind, connect
_SCOPES: Final = {6: 0x3}  # abstract UNIX sockets, signals


class Rights(ctypes.Structure):
    """struct landlock_ruleset_attr: what is forbidden where no rule grants it."""

    _fields_ = (
        ("file_system", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def version() -> int:
    """The ABI of this kernel's Landlock.

    Raises:
        OSError: there is none, it is switched off, or something around this process forbids to ask.
    """
    return system_call(_CREATE_RULESET, 0, 0, _ASK_VERSION)


def all_rights(abi: int) -> Rights:
    """Every right that *abi* can take away and that is known here."""
    return Rights(_newest(_FILE_SYSTEM, abi), _newest(_TCP, abi), _newest(_SCOPES, abi))


def size_of_rights(abi: int) -> int:
    """How many bytes of :class:`Rights` that ABI knows; older kernels refuse more."""
    if abi >= min(_SCOPES):
        return 24
    return 16 if abi >= min(_TCP) else 8


def restrict(abi: int) -> None:
    """Take all rights from this thread and from those that it starts; ``no_new_privs`` has to be set.

    Raises:
        OSError: the kernel refused.
    """
    ruleset = system_call(_CREATE_RULESET, all_rights(abi), size_of_rights(abi), 0)
    try:
        system_call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _newest(masks: dict[int, int], abi: int) -> int:
    return max((mask for since, mask in masks.items() if since <= abi), default=0)
