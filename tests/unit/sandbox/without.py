"""Runs a program on a kernel without Landlock: ``python -m tests.unit.sandbox.without PROGRAM ARGUMENTS…``.

A seccomp filter answers Landlock's first system call as a kernel without it does.
"""

from __future__ import annotations

import os
import platform
import sys

from npmguard.sandbox import kernel, seccomp
from npmguard.sandbox.syscalls import MACHINES

_LANDLOCK = 444


def main() -> None:
    program = seccomp.encode(
        [(0x20, 0, 0, 0), (0x15, 0, 1, _LANDLOCK), (0x06, 0, 0, seccomp.LACKS), (0x06, 0, 0, seccomp.ALLOW)]
    )
    kernel.no_new_privileges()
    number = MACHINES[platform.machine()].numbers["seccomp"]
    kernel.system_call(number, 1, 0, seccomp.Program(len(program) // 8, program))
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
