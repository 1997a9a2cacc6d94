"""seccomp: a filter of system calls that lets through what reading a package needs.

A list of what is allowed, not of what is forbidden: sockets, files by name, programs, processes, tracing and
whatever a later kernel brings are refused because nobody asked for them. What is refused ends with EPERM rather
than with the process, so that a library with a second way takes it. The filter is classic BPF as in
linux/filter.h and linux/seccomp.h, without jumps but over the one test that failed.
"""

from __future__ import annotations

import ctypes
import errno
import platform
from collections.abc import Iterator
from typing import Final

from npmguard.sandbox.kernel import system_call
from npmguard.sandbox.syscalls import (
    CLONE_NEW,
    CLONE_THREAD,
    LOCKS,
    MACHINES,
    OUTPUTS,
    PLAIN,
    PROT_EXEC,
    Machine,
)

_SET_MODE_FILTER: Final = 1
_GET_ACTION_AVAIL: Final = 2
_ALL_THREADS: Final = 1  # SECCOMP_FILTER_FLAG_TSYNC

ALLOW: Final = 0x7FFF0000
KILL: Final = 0x80000000  # the process
REFUSE: Final = 0x00050000 | errno.EPERM
LACKS: Final = 0x00050000 | errno.ENOSYS

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_NUMBER: Final = 0  # offsets in struct seccomp_data
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, value


class Program(ctypes.Structure):
    """struct sock_fprog: how many instructions, and where they are."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def check() -> None:
    """Make sure that the kernel takes filters.

    Raises:
        OSError: it does not, or something around this process forbids to ask.
    """
    machine = _machine()
    system_call(machine.numbers["seccomp"], _GET_ACTION_AVAIL, 0, KILL.to_bytes(4, "little"))


def install(pid: int, *, compiles: bool = False) -> None:
    """Put this process, all its threads and all that it may start under the filter; there is no way back.

    ``no_new_privs`` has to be set. *pid* is the process's own, which may abort itself. *compiles* is for one
    that still makes machine code of patterns.

    Raises:
        OSError: the kernel refused, or the machine is another than x86-64 and aarch64.
    """
    machine = _machine()
    code = encode(filter_for(machine, pid, compiles=compiles))
    system_call(machine.numbers["seccomp"], _SET_MODE_FILTER, _ALL_THREADS, Program(len(code) // 8, code))


def filter_for(machine: Machine, pid: int, *, compiles: bool = False) -> list[Instruction]:
    """The filter's instructions for one architecture."""
    return list(_instructions(machine, pid, compiles=compiles))


def encode(instructions: list[Instruction]) -> bytes:
    """Instructions as an array of struct sock_filter."""
    return b"".join(
        code.to_bytes(2, "little") + bytes((true, false)) + value.to_bytes(4, "little")
        for code, true, false, value in instructions
    )


def _instructions(machine: Machine, pid: int, *, compiles: bool) -> Iterator[Instruction]:
    numbers = machine.numbers
    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield (_EQUAL, 1, 0, machine.audit)
    yield (_RETURN, 0, 0, KILL)
    yield (_LOAD, 0, 0, _NUMBER)
    if machine.first_foreign is not None:
        yield from _if((_AT_LEAST, machine.first_foreign), [(_RETURN, 0, 0, REFUSE)])
    for name in PLAIN:
        yield from _if((_EQUAL, numbers[name]), [(_RETURN, 0, 0, ALLOW)])
    for name in ("write", "writev"):
        yield from _if((_EQUAL, numbers[name]), _one_of(0, OUTPUTS))
    data_only = [] if compiles else [_argument(2), (_ANY_BIT, 0, 1, PROT_EXEC), _REFUSED]
    for name in ("mmap", "mprotect"):
        yield from _if((_EQUAL, numbers[name]), [*data_only, _ALLOWED])
    yield from _if((_EQUAL, numbers["fcntl"]), _one_of(1, LOCKS))
    yield from _if((_EQUAL, numbers["tgkill"]), _one_of(0, (pid,)))
    yield from _if((_EQUAL, numbers["prlimit64"]), _one_of(0, (0,)))
    yield from _if(  # a thread of this process, for which there is a stack to choose; no process
        (_EQUAL, numbers["clone"]),
        [
            _argument(0),
            (_ANY_BIT, 1, 0, CLONE_THREAD),
            _REFUSED,
            (_ANY_BIT, 0, 1, CLONE_NEW),
            _REFUSED,
            _ALLOWED,
        ],
    )
    # its flags are in memory, where a filter cannot look: the C library asks for clone where it is not there
    yield from _if((_EQUAL, numbers["clone3"]), [(_RETURN, 0, 0, LACKS)])
    yield from _if((_AT_LEAST, machine.newest + 1), [(_RETURN, 0, 0, LACKS)])
    yield _REFUSED


_ALLOWED: Final = (_RETURN, 0, 0, ALLOW)
_REFUSED: Final = (_RETURN, 0, 0, REFUSE)


def _if(test: tuple[int, int], then: list[Instruction]) -> Iterator[Instruction]:
    """*then*, which ends the filter, where the value that was loaded passes the test."""
    code, value = test
    yield (code, 0, len(then), value)
    yield from then


def _one_of(argument: int, values: tuple[int, ...]) -> list[Instruction]:
    tests = [(_EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
    return [_argument(argument), *tests, _REFUSED, _ALLOWED]


def _argument(index: int) -> Instruction:
    """Load the low half of an argument; all that are asked about are ints for the kernel, or flags below 32."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * index)


def _machine() -> Machine:
    machine = MACHINES.get(platform.machine())
    if machine is None:
        raise OSError(errno.ENOSYS, f"no filter is known for {platform.machine()}")
    return machine
